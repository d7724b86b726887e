"""What to say of a night's pictures that are unlike those that its model was trained on."""

from schemas.runs import UnlikeRows
from tagger.evaluation.figures import percent

MOSTLY = 0.5
"""Share of a night from which on it is mostly unlike what its model was trained on."""
_FEWEST = 20
"""Pictures below which a share says little."""


def unlike_words(unlike: UnlikeRows) -> str:
    """Return how many pictures are unlike what the model was trained on, in words."""
    return _words(unlike.rows, unlike.of, "pictures")


def mostly_unlike(unlike: UnlikeRows | None) -> list[str]:
    """Return a warning if most pictures of a night, or of those that came, are unlike; else
    nothing."""
    if unlike is None:
        return []
    asked = (
        (unlike.rows, unlike.of, "pictures"),
        (unlike.arrived, unlike.of_arrived, "new or changed pictures"),
    )
    for rows, of, what in asked:
        if of >= _FEWEST and rows >= MOSTLY * of:
            return [
                f"{_words(rows, of, what)}: what it answers there is guessed. Is this the right "
                "catalog, and the right model? If so, 'tagger retrain' it with such pictures, "
                "labelled"
            ]
    return []


def _words(rows: int, of: int, what: str) -> str:
    share = percent(rows / of)
    return f"{rows:,} of {of:,} {what} ({share}) are unlike what the model was trained on"
