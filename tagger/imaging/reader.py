"""One way to read a picture: bytes in, the network's input out, in training and tagging alike.

Strangers' bytes can kill the process that decodes them (OpenCV 5.0.0 dies on a 547-byte animated
PNG), so only decode workers (`tagger.imaging.decoder`) call this module.
"""

from typing import NamedTuple

import cv2
import numpy as np

from tagger.arrays import Pixels
from tagger.imaging.codecs import decode
from tagger.imaging.headers import read_header
from tagger.imaging.preprocessing import Reading
from tagger.imaging.profiles import cmyk_to_rgb, to_srgb
from tagger.imaging.squares import squashed
from tagger.imaging.stored import Stored


class Picture(NamedTuple):
    """A decoded picture.

    Attributes
    ----------
    pixels : uint8 (size, size, 3)
        RGB, EXIF orientation applied, transparency over white, squashed to a square by area.
    width, height : int
        Of the file, in pixels, after EXIF orientation.
    """

    pixels: Pixels
    width: int
    height: int


def read_picture(data: bytes, reading: Reading) -> Picture:
    """Return the picture in `data`, resized to a square of `reading.size`, in sRGB.

    A JPEG is decoded at the smallest of 1/1, 1/2, 1/4, 1/8 whose short side stays at least twice
    `size`: half the cost of a full decode, and less aliasing. Of a progressive one, last bits that
    such a scale hardly shows are left out.

    Parameters
    ----------
    data : bytes
        A whole file.
    reading : Reading
        As a bundle's preprocessing.json says.

    Raises
    ------
    PictureError
        With status `empty`, `truncated`, `unreadable`, `unsupported` or `too_large`.
    MachineFault
        If the machine lacks memory or handles: the file is not to blame.
    """
    header = read_header(data)
    stored = decode(data, header, reading)
    upright = np.ascontiguousarray(orient(stored.pixels, header.orientation))
    # Resized before it is laid over white and converted: a small part of the cost. Over white that
    # is the same but for rounding. Converted it is on photographs (0.1 to 1.6 of 255 on average),
    # not where single pixels alternate.
    square = squashed(_premultiplied(stored._replace(pixels=upright)), reading.size)
    profile = header.profile if reading.profiles == "sRGB" else None
    return Picture(_to_rgb(square, stored.order, profile), *header.upright_size)


def orient(pixels: Pixels, orientation: int) -> Pixels:
    """Return `pixels` (height, width) or (height, width, channels) turned upright, for an EXIF
    orientation of 1 to 8.

    Source: Exif 2.32, tag 0x0112. Orientations 5 to 8 swap the axes.
    """
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _premultiplied(stored: Stored) -> Pixels:
    """Return uint8 (height, width, 3 or 4): colors times their alpha, which may be averaged, or
    CMYK."""
    pixels = stored.pixels
    if stored.order == "CMYK":
        return pixels
    if pixels.ndim == 2:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    if pixels.shape[2] == 2:
        pixels = np.asarray(cv2.merge([*[pixels[..., 0]] * 3, pixels[..., 1]]), np.uint8)
    if pixels.shape[2] == 3 or stored.premultiplied:
        return pixels
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGBA2mRGBA), np.uint8)


def _to_rgb(square: Pixels, order: str, profile: bytes | None) -> Pixels:
    """Return uint8 (size, size, 3) RGB in sRGB: premultiplied pixels over white, or CMYK, by their
    profile."""
    if order == "CMYK":
        return to_srgb(square, profile) if profile else cmyk_to_rgb(square)
    over = _over_white(square)
    rgb = np.asarray(cv2.cvtColor(over, cv2.COLOR_BGR2RGB), np.uint8) if order == "BGR" else over
    return to_srgb(rgb, profile) if profile else rgb


def _over_white(pixels: Pixels) -> Pixels:
    """Return uint8 (height, width, 3): premultiplied pixels over white."""
    if pixels.shape[2] == 3:
        return pixels
    white = cv2.bitwise_not(pixels[..., 3])
    return np.asarray(cv2.add(pixels[..., :3], cv2.merge([white] * 3)), np.uint8)
