"""Why a picture cannot be scored, and what is not the picture's fault."""

import errno

from tagger.errors import MachineFault

_LACKING = (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EAGAIN)


class PictureError(Exception):
    """A picture that cannot be scored: `status` as in the index, and the reason in words."""

    def __init__(self, status: str, reason: str, width: int | None = None, height: int | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.width, self.height = status, reason, width, height


def raise_machine_fault(error: Exception) -> None:
    """Raise MachineFault if what a decoder raised says that the machine lacks memory, handles or space."""
    if isinstance(error, MemoryError):
        raise MachineFault("decoding the picture needs more memory than there is") from error
    if isinstance(error, OSError) and error.errno in _LACKING:
        raise MachineFault(f"the machine could not decode the picture: {error.strerror}") from error
