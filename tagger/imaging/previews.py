"""A decoded square as a small JPEG in the picture's own shape, for persons to look at."""

from typing import Literal

import cv2
import numpy as np

from tagger.arrays import Pixels
from tagger.imaging.file_facts import FileFacts

Hindrance = Literal["gone", "lacking", "changed", "failed"]
"""Why a picture is not shown: its file is gone; the machine, the disk or the share failed; it has
other bytes; it cannot be decoded."""


def hindrance(facts: FileFacts, content: str | None) -> Hindrance | None:
    """Return why a file is not shown as the picture that is meant, or None.

    Parameters
    ----------
    facts : FileFacts
        What its file said.
    content : str or None
        The digest of the bytes that are meant; None for whatever the file holds.
    """
    if facts.status == "gone":
        return "gone"
    if facts.lacking:
        return "lacking"
    if content is not None and facts.content_sha256 not in (content, None):
        return "changed"
    return None if facts.status == "ok" else "failed"


def preview(square: Pixels, facts: FileFacts, quality: int) -> tuple[bytes, int, int]:
    """Return a picture as JPEG, not larger than its file has it, with its width and height.

    Parameters
    ----------
    square : uint8 (side, side, 3)
        RGB, as decode workers give it.
    facts : FileFacts
        What its file said, of a picture that is ok.
    quality : int
        Of the JPEG, up to 100.
    """
    side = len(square)
    width, height = _fitted(facts.width or side, facts.height or side, side)
    shaped = cv2.resize(square, (width, height), interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(
        ".jpg", np.asarray(shaped)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    return encoded.tobytes(), width, height


def _fitted(width: int, height: int, side: int) -> tuple[int, int]:
    """Return width and height that fit a square, in the same shape, enlarging nothing."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
