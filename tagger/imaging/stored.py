"""A picture as its file has it, and in OpenCV's order."""

from typing import NamedTuple

import cv2
import numpy as np

from tagger.arrays import Pixels
from tagger.imaging.profiles import cmyk_to_rgb


class Stored(NamedTuple):
    """Pixels as a file has them, 8 bits a channel.

    Attributes
    ----------
    pixels : uint8 (height, width), or (height, width, 2, 3 or 4)
    order : str
        `BGR` (grey, grey and alpha, BGR, BGRA), `RGB` (RGB, RGBA) or `CMYK`, 255 being full ink.
    premultiplied : bool
        Whether colors are multiplied by alpha already.
    """

    pixels: Pixels
    order: str = "BGR"
    premultiplied: bool = False


def as_opencv(stored: Stored) -> Pixels:
    """Return pixels in OpenCV's order."""
    if stored.order == "CMYK":
        stored = Stored(cmyk_to_rgb(stored.pixels), "RGB")
    if stored.order == "BGR":
        return stored.pixels
    code = cv2.COLOR_RGBA2BGRA if stored.pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    return np.asarray(cv2.cvtColor(stored.pixels, code), np.uint8)
