"""From a file's bytes to its pixels, as stored: which library decodes what.

Strangers' bytes can kill the process that decodes them, so only decode workers
(`tagger.imaging.decoder`) come here.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from tagger.imaging import tiff
from tagger.imaging.depth import to_8_bits
from tagger.imaging.headers import Header
from tagger.imaging.jpeg_codec import decode_jpeg
from tagger.imaging.opencv_codec import unchanged, with_opencv
from tagger.imaging.picture_error import PictureError
from tagger.imaging.pillow_codec import with_pillow
from tagger.imaging.png import Png, has_all_rows, with_alpha
from tagger.imaging.preprocessing import Reading
from tagger.imaging.stored import Stored, as_opencv
from tagger.imaging.tiff_codec import decode_tiff


def decode(data: bytes, header: Header, reading: Reading) -> Stored:
    """Return the pixels of the file `data`, not turned, a JPEG's perhaps at a reduced scale.

    Raises
    ------
    PictureError
        If the picture is damaged or cut.
    MachineFault
        If the machine lacks memory or handles.
    """
    match header:
        case Header(format="JPEG" | "MPO"):
            return decode_jpeg(data, header, reading)
        case Header(png=Png() as png):
            return _decode_png(header, png)
        case Header(tiff=tiff.Tiff() as facts):
            return decode_tiff(header, facts)
        case Header(format="WEBP", animated=False):
            flags = cv2.IMREAD_UNCHANGED if header.transparent else cv2.IMREAD_COLOR
            pixels, messages = with_opencv(header.data, flags)
            return Stored(to_8_bits(_sure(pixels, messages, header)))
        case Header(format="JPEG2000") if header.depth != 8:
            return _decode_jpeg_2000_of_another_depth(header)
    return with_pillow(header)


def _decode_png(header: Header, png: Png) -> Stored:
    plain = not header.transparent and png.transparent_value is None
    pixels, messages = with_opencv(header.data, cv2.IMREAD_COLOR if plain else cv2.IMREAD_UNCHANGED)
    if pixels is None and not has_all_rows(png):  # Pillow would paint rows that are not there
        said = "the file ends before the picture does" if header.cut else "its data are damaged"
        raise PictureError(header.failure(), f"PNG: {said}", *header.upright_size)
    pixels = _sure(pixels, messages, header)
    if png.transparent_value is not None:
        pixels = with_alpha(pixels, png)
    return Stored(to_8_bits(pixels))


def _decode_jpeg_2000_of_another_depth(header: Header) -> Stored:
    """Return a JPEG 2000 not of 8 bits, by OpenCV, scaled by its own depth: Pillow 13.0 makes white
    black, or grey."""
    pixels = unchanged(header.data, header).astype(np.float32) / (2**header.depth - 1)
    return Stored(np.asarray(np.clip(pixels * 255 + 0.5, 0, 255), np.uint8))


def _sure(pixels: npt.NDArray[Any] | None, said: bytes, header: Header) -> npt.NDArray[Any]:
    """Return what OpenCV made of a file, or Pillow's where it failed or said anything."""
    if pixels is None or said:
        return as_opencv(with_pillow(header))
    return pixels
