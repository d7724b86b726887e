"""Pixels of any depth as 8 bits a channel."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from tagger.arrays import Float32Array, Pixels

_ONE = 1.001  # and rounding


def to_8_bits(pixels: npt.NDArray[Any]) -> Pixels:
    """Return uint8: integers scaled by what their type holds, or by their largest value where that
    says more."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind == "f":
        numbers = np.array(pixels, np.float32)
        return _from_floats(np.nan_to_num(numbers, copy=False, nan=0.0, posinf=0.0, neginf=0.0))
    if pixels.dtype == np.uint16:
        return np.asarray(cv2.convertScaleAbs(pixels, alpha=1 / 257), np.uint8)
    # Pillow's "I" holds what was 16 bits, or 32.
    largest = int(pixels.max(initial=0))
    full = 65_535 if largest <= 65_535 else 2**31 - 1 if pixels.dtype.kind == "i" else 2**32 - 1
    return np.asarray(np.clip(pixels / full, 0, 1) * 255 + 0.5, np.uint8)


def _from_floats(numbers: Float32Array) -> Pixels:
    """Return uint8 for floats, of which a file does not say what they mean; changes them.

    From 0 to 1 they are taken for what 0 to 255 would be. Where most are, and some are larger, it
    is a picture of high dynamic range, in linear light. Else they are 0 to 255, or 0 to 65,535,
    kept as floats.
    """
    largest = float(numbers.max(initial=0.0))
    if largest > _ONE and float(np.median(numbers)) <= 1:
        np.clip(numbers, 0, 1, out=numbers)
        dark = numbers <= 0.0031308  # IEC 61966-2-1
        numbers[dark] *= 12.92
        numbers[~dark] = 1.055 * numbers[~dark] ** (1 / 2.4) - 0.055
        largest = 1.0
    full = next((full for full in (1.0, 255.0, 65_535.0) if largest <= full * _ONE), largest)
    numbers *= 255 / full
    numbers += 0.5
    return np.clip(numbers, 0, 255, out=numbers).astype(np.uint8)
