"""From a JPEG's bytes to its pixels; libjpeg's word is checked where it may not be enough."""

from typing import Any

import cv2
import numpy.typing as npt

from tagger.imaging import jpeg
from tagger.imaging.depth import to_8_bits
from tagger.imaging.headers import Header
from tagger.imaging.opencv_codec import with_opencv
from tagger.imaging.picture_error import PictureError
from tagger.imaging.pillow_codec import with_pillow
from tagger.imaging.preprocessing import Reading
from tagger.imaging.progressive_jpeg import Progressive, lacks_scans, parts_of, reduced_to
from tagger.imaging.stored import Stored, as_opencv

_REDUCED = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)
_WHOLE = (1, cv2.IMREAD_COLOR)

_ENDS_EARLY = b"remature end"
"""What libjpeg says of data, or of a file, that end before the picture does."""


def decode_jpeg(data: bytes, header: Header, reading: Reading) -> Stored:
    """Return the pixels of a JPEG, decoded at the smallest scale that `reading` allows.

    Raises
    ------
    PictureError
        If the picture is damaged or cut.
    """
    short = min(header.width, header.height)
    scales = (one for one in _REDUCED if short // one[0] >= reading.min_side_factor * reading.size)
    scale, flags = next(scales, _WHOLE)
    parts = parts_of(data) if header.progressive else None
    coarse = reading.progressive == "coarse"
    shown = reduced_to(scale, data, parts, coarse=coarse) if scale > 1 else data
    pixels, messages = with_opencv(shown, flags)
    if pixels is None or messages or not _is_ordinary(data, header, parts):
        pixels = _checked_jpeg(data, header, None if messages else pixels)
    if header.mode == "CMYK" and header.profile and reading.profiles == "sRGB":
        whole = jpeg.closed(data, jpeg.outline(data))
        return with_pillow(header._replace(data=whole), side=reading.min_side_factor * reading.size)
    return Stored(to_8_bits(pixels))


def _is_ordinary(data: bytes, header: Header, parts: Progressive | None) -> bool:
    """Return whether a JPEG ends as it should, and has all its scans: of a missing one libjpeg says
    nothing."""
    if not jpeg.ends_as_it_should(data):
        return False
    if header.progressive:
        return not lacks_scans(parts)
    return jpeg.is_one_scan(data, {"L": 1, "RGB": 3, "CMYK": 4}.get(header.mode, 0))


def _checked_jpeg(data: bytes, header: Header, silent: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
    """Return the pixels of a JPEG that is not ordinary, or about which a decoder said something, in
    full.

    Parameters
    ----------
    silent : uint8, optional
        What the decoder made of it without a word.
    """
    found = jpeg.outline(data)
    whole = jpeg.closed(data, found)
    lacking = found.lacking or (header.progressive and lacks_scans(parts_of(whole)))
    if silent is not None and found.complete and not lacking:  # something else follows the picture
        return silent
    header = header._replace(data=whole, cut=not found.complete)
    pixels, messages = (None, b"") if lacking else _jpeg_in_full(whole, header)
    found = jpeg.outline(whole)
    short = _ENDS_EARLY in messages or (messages and _is_short(whole, found, pixels, header))
    if pixels is None or short or (messages and jpeg.has_hole(whole, found)):
        raise PictureError(
            "truncated", "JPEG: the file ends before the picture does", *header.upright_size
        )
    return pixels


def _is_short(
    data: bytes, found: jpeg.Outline, pixels: npt.NDArray[Any] | None, header: Header
) -> bool:
    """Return whether a decoder that is given more compressed data at the end of each piece of them
    would use it."""
    if found.arithmetic:
        return False
    try:
        more, _ = _jpeg_in_full(jpeg.lengthened(data, found), header)
    except PictureError:
        return True
    return (
        pixels is None or more is None or pixels.shape != more.shape or bool((pixels != more).any())
    )


def _jpeg_in_full(data: bytes, header: Header) -> tuple[npt.NDArray[Any] | None, bytes]:
    """Return the pixels of a JPEG, and what was said: OpenCV's, or Pillow's where OpenCV cannot
    read it at all."""
    pixels, messages = with_opencv(data, cv2.IMREAD_COLOR)
    if pixels is not None or _ENDS_EARLY in messages:
        return pixels, messages
    return as_opencv(with_pillow(header._replace(data=data))), messages or b"OpenCV cannot read it"
