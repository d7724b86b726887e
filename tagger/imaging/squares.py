"""The one way to make a picture the square that a network sees."""

import cv2
import numpy as np

from tagger.arrays import Pixels


def squashed(pixels: Pixels, size: int) -> Pixels:
    """Return uint8 (height, width, channels) as (size, size, channels), averaged by area."""
    return np.asarray(cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
