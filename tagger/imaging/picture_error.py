"""Why a picture cannot be scored."""


class PictureError(Exception):
    """A picture that cannot be scored: `status` as in the index, and the reason in words."""

    def __init__(
        self, status: str, reason: str, width: int | None = None, height: int | None = None
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.width = width
        self.height = height
