"""From a TIFF's bytes to its pixels, of any depth and with channels stored together or apart."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tagger.imaging import tiff
from tagger.imaging.depth import to_8_bits
from tagger.imaging.headers import Header
from tagger.imaging.opencv_codec import unchanged
from tagger.imaging.picture_error import PictureError
from tagger.imaging.pillow_codec import loaded_by_pillow, with_pillow
from tagger.imaging.stored import Stored


def decode_tiff(header: Header, facts: tiff.Tiff) -> Stored:
    """Return the pixels of a TIFF, of any depth.

    Raises
    ------
    PictureError
        If the picture is damaged or cut, or of a kind that no decoder knows.
    """
    if facts.cut:
        raise PictureError(
            "truncated", "TIFF: the file ends before the picture does", *header.upright_size
        )
    simple = facts.photometric in (tiff.WHITE_IS_ZERO, tiff.BLACK_IS_ZERO, tiff.RGB)
    separate = facts.separate and facts.samples > 1
    if (separate and not simple) or facts.sample_format not in (tiff.UNSIGNED, tiff.FLOAT):
        raise PictureError(
            "unreadable", "TIFF: no decoder knows this kind of it", *header.upright_size
        )
    if simple and (facts.bits > 8 or (separate and facts.bits == 8)):
        return _decode_by_channel_or_whole(header, facts)
    if (
        simple and header.data.startswith(tiff.BIG_BIG_ENDIAN) and not header.transparent
    ):  # unknown to Pillow
        return Stored(to_8_bits(unchanged(header.data, header)))
    return with_pillow(header)


def _decode_by_channel_or_whole(header: Header, facts: tiff.Tiff) -> Stored:
    """Return a picture of more than 8 bits a channel, or of channels that are stored apart: OpenCV
    reads it.

    Neither reads all: OpenCV 5.0.0 mixes up channels that are stored apart, and takes white for
    black where 0 is white.
    """
    if facts.bits == 12 and facts.samples == 1:
        values, _ = loaded_by_pillow(header, np.asarray)
        pixels = (values * (65_535 / (2**facts.bits - 1))).astype(np.uint16)
    elif facts.separate and facts.samples > 1:
        try:
            apart = [tiff.channel(header.data, i) for i in range(min(facts.samples, 4))]
        except ValueError as error:
            raise PictureError("unreadable", f"TIFF: {error}", *header.upright_size) from error
        planes = [_grey_tiff(data, header) for data in apart]
        pixels = np.dstack([*planes[2::-1], *planes[3:]]) if len(planes) > 2 else np.dstack(planes)
    else:
        pixels = unchanged(header.data, header)
    kind = {tiff.FLOAT: "f", tiff.UNSIGNED: "u"}.get(facts.sample_format, "")
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if (
        pixels.dtype.kind != kind
        or pixels.dtype.itemsize * 8 < facts.bits
        or channels != min(facts.samples, 4)
    ):
        raise PictureError(
            "unreadable", "TIFF: no decoder knows this kind of it", *header.upright_size
        )
    if facts.photometric == tiff.WHITE_IS_ZERO:
        pixels = (1 if kind == "f" else np.iinfo(pixels.dtype).max) - pixels
    if channels in (2, 4) and not header.transparent:
        pixels = pixels[..., 0] if channels == 2 else pixels[..., :3]
    return Stored(
        to_8_bits(np.ascontiguousarray(pixels)), premultiplied=facts.extra == tiff.PREMULTIPLIED
    )


def _grey_tiff(data: bytes, header: Header) -> npt.NDArray[Any]:
    pixels = unchanged(data, header)
    return pixels if pixels.ndim == 2 else pixels[..., 0]
