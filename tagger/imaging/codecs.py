"""From a file's bytes to its pixels, as stored: which library decodes what, and when its word is
not enough.

OpenCV decodes JPEG, PNG and WebP, the bulk of every catalog, and TIFF and JPEG 2000 of more than 8
bits, which Pillow cuts off or wraps round. Pillow decodes all else: it knows depth, palettes and
frames of formats that OpenCV 5.0.0 gets wrong without a word (AVIF of 10 and 12 bits with alpha, a
GIF's first frame, BMP of 5-6-5). pi-heif decodes HEIC.

Strangers' bytes can kill the process that decodes them, so only decode workers
(`tagger.imaging.decoder`) come here.
"""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from tagger.arrays import Pixels
from tagger.imaging import jpeg, tiff
from tagger.imaging.decoder_messages import decoder_messages
from tagger.imaging.depth import to_8_bits
from tagger.imaging.headers import Header, open_image
from tagger.imaging.picture_error import PictureError
from tagger.imaging.png import Png, has_all_rows, with_alpha
from tagger.imaging.preprocessing import Reading
from tagger.imaging.profiles import cmyk_to_rgb, lab_to_srgb
from tagger.imaging.progressive_jpeg import lacks_scans, without_last_bits
from tagger.machine import raise_machine_fault

T = TypeVar("T")

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_REDUCED = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)
_WHOLE = (1, cv2.IMREAD_COLOR)
_SAME = 3.0
"""Of 255, on average: what two decoders may differ by."""

_ENDS_EARLY = b"remature end"
"""What libjpeg says of data, or of a file, that end before the picture does."""


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
            return _decode_jpeg(data, header, reading)
        case Header(png=Png() as png):
            return _decode_png(header, png)
        case Header(tiff=tiff.Tiff() as facts):
            return _decode_tiff(header, facts)
        case Header(format="WEBP", animated=False):
            flags = cv2.IMREAD_UNCHANGED if header.transparent else cv2.IMREAD_COLOR
            return Stored(to_8_bits(_surely(header, flags)))
        case Header(format="JPEG2000") if header.depth != 8:
            return _decode_jpeg_2000_of_another_depth(header)
    return _with_pillow(header)


def _decode_jpeg(data: bytes, header: Header, reading: Reading) -> Stored:
    short = min(header.width, header.height)
    scales = (one for one in _REDUCED if short // one[0] >= reading.min_side_factor * reading.size)
    scale, flags = next(scales, _WHOLE)
    shown = without_last_bits(data, scale) if header.progressive and scale > 1 else data
    pixels, messages = _with_opencv(shown, flags)
    if pixels is None or messages or not _is_ordinary(data, header):
        pixels = _checked_jpeg(data, header, None if messages else pixels)
    if header.mode == "CMYK" and header.profile and reading.profiles == "sRGB":
        whole = jpeg.closed(data, jpeg.outline(data))
        return _with_pillow(
            header._replace(data=whole), side=reading.min_side_factor * reading.size
        )
    return Stored(to_8_bits(pixels))


def _is_ordinary(data: bytes, header: Header) -> bool:
    """Return whether a JPEG ends as it should, and has all its scans: of a missing one libjpeg says
    nothing."""
    if not jpeg.ends_as_it_should(data):
        return False
    if header.progressive:
        return not lacks_scans(data)
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
    lacking = found.lacking or (header.progressive and lacks_scans(whole))
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
    pixels, messages = _with_opencv(data, cv2.IMREAD_COLOR)
    if pixels is not None or _ENDS_EARLY in messages:
        return pixels, messages
    return _as_opencv(
        _with_pillow(header._replace(data=data))
    ), messages or b"OpenCV cannot read it"


def _decode_png(header: Header, png: Png) -> Stored:
    plain = not header.transparent and png.transparent_value is None
    pixels, messages = _with_opencv(
        header.data, cv2.IMREAD_COLOR if plain else cv2.IMREAD_UNCHANGED
    )
    if pixels is None and not has_all_rows(png):  # Pillow would paint rows that are not there
        said = "the file ends before the picture does" if header.cut else "its data are damaged"
        raise PictureError(header.failure(), f"PNG: {said}", *header.upright_size)
    if pixels is None or messages:
        pixels = _as_opencv(_with_pillow(header))
    if png.transparent_value is not None:
        pixels = with_alpha(pixels, png)
    return Stored(to_8_bits(pixels))


def _decode_tiff(header: Header, facts: tiff.Tiff) -> Stored:
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
        return Stored(to_8_bits(_unchanged(header.data, header)))
    return _with_pillow(header)


def _decode_by_channel_or_whole(header: Header, facts: tiff.Tiff) -> Stored:
    """Return a picture of more than 8 bits a channel, or of channels that are stored apart: OpenCV
    reads it.

    Neither reads all: OpenCV 5.0.0 mixes up channels that are stored apart, and takes white for
    black where 0 is white.
    """
    if facts.bits == 12 and facts.samples == 1:
        values, _ = _loaded(header, np.asarray)
        pixels = (values * (65_535 / (2**facts.bits - 1))).astype(np.uint16)
    elif facts.separate and facts.samples > 1:
        planes = [
            _grey_tiff(tiff.channel(header.data, number), header)
            for number in range(min(facts.samples, 4))
        ]
        pixels = np.dstack([*planes[2::-1], *planes[3:]]) if len(planes) > 2 else np.dstack(planes)
    else:
        pixels = _unchanged(header.data, header)
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
    pixels = _unchanged(data, header)
    return pixels if pixels.ndim == 2 else pixels[..., 0]


def _decode_jpeg_2000_of_another_depth(header: Header) -> Stored:
    """Return a JPEG 2000 not of 8 bits, by OpenCV, scaled by its own depth: Pillow 13.0 makes white
    black, or grey."""
    pixels = _unchanged(header.data, header).astype(np.float32) / (2**header.depth - 1)
    return Stored(np.asarray(np.clip(pixels * 255 + 0.5, 0, 255), np.uint8))


def _unchanged(data: bytes, header: Header) -> npt.NDArray[Any]:
    """Return what OpenCV makes of a file, in the file's own depth; nobody else is asked."""
    pixels, messages = _with_opencv(data, cv2.IMREAD_UNCHANGED)
    if pixels is None or messages:
        reason = f"{header.format}: no decoder knows this kind of it"
        raise PictureError(header.failure(), reason, *header.upright_size)
    return pixels


def _surely(header: Header, flags: int) -> npt.NDArray[Any]:
    """Return what OpenCV makes of a file, or, where it says anything or fails, what Pillow makes of
    it."""
    pixels, messages = _with_opencv(header.data, flags)
    if pixels is not None and not messages:
        return pixels
    return _as_opencv(_with_pillow(header))


def _with_opencv(data: bytes, flags: int) -> tuple[npt.NDArray[Any] | None, bytes]:
    """Return pixels as stored, or None, and what the decoder said meanwhile."""
    try:
        with decoder_messages() as messages:
            pixels = cv2.imdecode(
                np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION
            )
    except cv2.error as error:
        raise_machine_fault(error)
        return None, str(error.err).encode()
    except OSError as error:
        raise_machine_fault(error)
        raise
    return pixels, bytes(messages)


def _with_pillow(header: Header, *, side: int = 0) -> Stored:
    """Return what Pillow makes of a file's first frame; of a JPEG at the smallest scale that is at
    least `side`.

    Where a library below Pillow says something, OpenCV must see the same picture.
    """
    stored, messages = _loaded(header, _stored, side=side)
    if messages and not _is_what_opencv_sees(stored, header):
        said = messages.decode(errors="replace").splitlines()[0]
        raise PictureError(header.failure(), f"{header.format}: {said}", *header.upright_size)
    return stored


def _is_what_opencv_sees(stored: Stored, header: Header) -> bool:
    seen, _ = _with_opencv(header.data, cv2.IMREAD_COLOR)
    if seen is None or stored.order != "RGB" or stored.pixels.shape != seen.shape:
        return False
    return float(cv2.absdiff(_as_opencv(stored), np.asarray(seen, np.uint8)).mean()) <= _SAME


def _loaded(header: Header, take: Callable[[Image.Image], T], *, side: int = 0) -> tuple[T, bytes]:
    """Return what `take` makes of a file that Pillow has decoded, and what was said meanwhile."""
    try:
        with warnings.catch_warnings(), open_image(header.data) as image:
            warnings.simplefilter("ignore")
            if side:
                image.draft(image.mode, (side, side))
            with decoder_messages() as messages:
                image.load()
            return take(image), bytes(messages)
    except Exception as error:  # Pillow raises all sorts on damaged files
        raise_machine_fault(error)
        status = header.failure()
        raise PictureError(
            status, f"{header.format}: {_reason(status, error)}", *header.upright_size
        ) from error


def _reason(status: str, error: Exception) -> str:
    if status == "truncated":
        return "the file ends before the picture does"
    unknown = isinstance(error, UnidentifiedImageError) or not str(error)
    return "no decoder knows this kind of it" if unknown else str(error)


def _stored(image: Image.Image) -> Stored:
    """Return the pixels of a decoded Pillow image in one of few modes."""
    if image.format == "GIF":
        image = _on_its_canvas(image)
    mode = image.mode
    if mode in ("F", "I") or mode.startswith("I;16"):
        return Stored(to_8_bits(np.asarray(image)))
    if mode == "CMYK":
        return Stored(np.asarray(image), "CMYK")
    if mode == "LAB":
        return Stored(np.asarray(lab_to_srgb(image)), "RGB")
    if mode == "La":
        image = image.convert("LA")
        mode = "LA"
    if mode == "RGBa":
        return Stored(
            np.array(image.getdata(), np.uint8).reshape(*image.size[::-1], 4),
            "RGB",
            premultiplied=True,
        )
    transparent = mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    return Stored(np.asarray(image.convert("RGBA" if transparent else "RGB")), "RGB")


def _on_its_canvas(image: Image.Image) -> Image.Image:
    """Return a GIF's first frame, transparent where its canvas is larger: Pillow paints that in
    some color."""
    frame = getattr(image, "dispose_extent", None) or (0, 0, *image.size)
    if frame == (0, 0, *image.size):
        return image
    canvas = Image.new("RGBA", image.size, (0, 0, 0, 0))
    canvas.paste(image.convert("RGBA").crop(frame), frame)
    return canvas


def _as_opencv(stored: Stored) -> Pixels:
    """Return pixels in OpenCV's order."""
    if stored.order == "CMYK":
        stored = Stored(cmyk_to_rgb(stored.pixels), "RGB")
    if stored.order == "BGR":
        return stored.pixels
    code = cv2.COLOR_RGBA2BGRA if stored.pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    return np.asarray(cv2.cvtColor(stored.pixels, code), np.uint8)
