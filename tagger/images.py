"""One way to read a picture: bytes in, the network's input out, in training and tagging alike.

Pillow reads the header (format, size, orientation, transparency), OpenCV decodes the pixels; TIFF alone is decoded by
Pillow, since OpenCV 5.0.0 turns some orientations by itself and premultiplies transparency. Strangers' bytes can
kill the process that decodes them (OpenCV 5.0.0 dies on a 547-byte animated PNG), so only decode workers
(`tagger.decoding`) call this module.
"""

import functools
import io
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from schemas.bundle import MIN_SIDE_FACTOR
from tagger.progressive import without_last_bits

Pixels = npt.NDArray[np.uint8]

MAX_PIXELS = 100_000_000
"""Pictures that claim more pixels are refused before decoding, which bounds a worker near 1.5 GB."""


FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF", "JPEG2000")
_MAGIC = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"hevm", b"mif1", b"msf1")
_REDUCED = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)
_WHOLE = (1, cv2.IMREAD_COLOR)
_EXIF_ORIENTATION = 274


class PictureError(Exception):
    """A picture that cannot be scored: `status` as in the index, and the reason in words."""

    def __init__(self, status: str, reason: str, width: int | None = None, height: int | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.width, self.height = status, reason, width, height


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


class _Header(NamedTuple):
    format: str
    width: int  # as stored, before orientation
    height: int
    orientation: int  # EXIF 1 to 8
    transparent: bool
    progressive: bool


def read_picture(data: bytes, size: int) -> Picture:
    """Return the picture in `data`, resized to `size` x `size`.

    A JPEG is decoded at the smallest of 1/1, 1/2, 1/4, 1/8 whose short side stays at least twice `size`: half the
    cost of a full decode, and less aliasing. Of a progressive one, last bits that
    such a scale hardly shows are left out.

    Parameters
    ----------
    data : bytes
        A whole file.
    size : int
        Side of the square that comes back, in pixels.

    Raises
    ------
    PictureError
        With status `empty`, `truncated`, `unreadable`, `unsupported` or `too_large`.
    """
    header = _read_header(data)
    pixels = _decode(data, header, size)
    # Resized before it is laid over white: an eighth of the cost, and the same but for rounding.
    square = cv2.resize(_premultiplied(pixels), (size, size), interpolation=cv2.INTER_AREA)
    rgb = cv2.cvtColor(_over_white(np.asarray(square, np.uint8)), cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
    width, height = _oriented_size(header)
    return Picture(np.ascontiguousarray(orient(rgb, header.orientation)), width, height)


def orient(pixels: Pixels, orientation: int) -> Pixels:
    """Return `pixels` (height, width, channels) turned upright, for an EXIF orientation of 1 to 8.

    Source: Exif 2.32, tag 0x0112. Orientations 5 to 8 swap the axes.
    """
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _read_header(data: bytes) -> _Header:
    if not data:
        raise PictureError("empty", "the file has no bytes")
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        raise PictureError("unsupported", "HEIC/HEIF: no decoder for it is installed; convert it to JPEG")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                width, height = image.size
                progressive = "progressive" in image.info
                transparent = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
                name = image.format or ""
                # Pillow's TIFF reader applies it; its PNG reader decodes the whole picture to look for it.
                upright = name == "TIFF" or (name == "PNG" and b"eXIf" not in data)
                orientation = 1 if upright else _exif_orientation(image)
    except Image.DecompressionBombError as error:
        raise PictureError("too_large", f"claims more than {MAX_PIXELS:,} pixels") from error
    except UnidentifiedImageError as error:
        raise _unidentified(data) from error
    except Exception as error:  # Pillow's header parsers raise all sorts on damaged files
        raise PictureError(_damage(data), f"damaged header: {error}") from error
    header = _Header(name, width, height, orientation, transparent, progressive)
    if width * height > MAX_PIXELS:
        shown = _oriented_size(header)
        raise PictureError("too_large", f"claims {width} x {height} pixels, more than {MAX_PIXELS:,}", *shown)
    if width < 1 or height < 1:
        raise PictureError("unreadable", f"claims {width} x {height} pixels")
    return header


def _exif_orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # damaged EXIF is no reason to lose the picture
        return 1
    return orientation if orientation in range(1, 9) else 1


def _unidentified(data: bytes) -> PictureError:
    known = data.startswith(_MAGIC) or data[8:12] == b"WEBP" or data[4:12] in (b"ftypavif", b"ftypavis")
    if known:
        return PictureError(_damage(data), "damaged header")
    return PictureError("unsupported", f"not a picture format we know: begins with {data[:16]!r}")


def _oriented_size(header: _Header) -> tuple[int, int]:
    swapped = header.orientation >= 5
    return (header.height, header.width) if swapped else (header.width, header.height)


def _decode(data: bytes, header: _Header, size: int) -> Pixels:
    """Return uint8 gray, BGR or BGRA as stored in the file, possibly at a reduced scale."""
    if header.format == "TIFF":
        return _decode_tiff(data, header)
    flags = cv2.IMREAD_UNCHANGED if header.transparent else cv2.IMREAD_COLOR
    if header.format in ("JPEG", "MPO"):
        short = min(header.width, header.height)
        scale, flags = next((one for one in _REDUCED if short // one[0] >= MIN_SIDE_FACTOR * size), _WHOLE)
        if header.progressive and scale > 1:
            data = without_last_bits(data, scale)
    try:
        with _decoder_messages() as messages:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise PictureError(_damage(data), f"OpenCV: {error.err}", *_oriented_size(header)) from error
    if pixels is None or b"remature end" in messages:
        status = "truncated" if b"remature end" in messages else _damage(data)
        reason = "the file ends before the picture does" if status == "truncated" else "OpenCV cannot decode it"
        raise PictureError(status, f"{header.format}: {reason}", *_oriented_size(header))
    return _to_8_bit(np.asarray(pixels))


def _decode_tiff(data: bytes, header: _Header) -> Pixels:
    try:
        with warnings.catch_warnings(), _decoder_messages(), Image.open(io.BytesIO(data), formats=["TIFF"]) as image:
            warnings.simplefilter("ignore")
            image.load()
            deep = image.mode == "F" or image.mode.startswith("I")
            wanted = image.mode if deep else "RGBA" if header.transparent else "RGB"
            pixels = np.asarray(image.convert(wanted))
    except Exception as error:  # Pillow raises all sorts on damaged files
        raise PictureError(_damage(data), f"TIFF: {error}", header.width, header.height) from error
    if deep:
        # Pillow's "I" holds what was 16 bit; its own conversion would cut it off at 255.
        return _to_8_bit(pixels if pixels.dtype.kind == "f" else np.clip(pixels, 0, 65535).astype(np.uint16))
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA if header.transparent else cv2.COLOR_RGB2BGR)
    return np.asarray(bgr, np.uint8)


def _to_8_bit(pixels: npt.NDArray[Any]) -> Pixels:
    if pixels.dtype == np.uint16:
        pixels = cv2.convertScaleAbs(pixels, alpha=1 / 257)
    if pixels.dtype.kind == "f":  # float TIFF: 0 is black, 1 is white
        pixels = cv2.convertScaleAbs(np.clip(pixels, 0, 1), alpha=255)
    return np.asarray(pixels, np.uint8)


def _premultiplied(pixels: Pixels) -> Pixels:
    """Return uint8 BGR, or BGRA with each color times its alpha, which may be averaged."""
    if pixels.ndim == 2:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR).astype(np.uint8, copy=False)
    if pixels.shape[2] == 3:
        return pixels
    if pixels.shape[2] == 2:
        pixels = np.asarray(cv2.merge([*[pixels[..., 0]] * 3, pixels[..., 1]]), np.uint8)
    return cv2.cvtColor(pixels, cv2.COLOR_RGBA2mRGBA).astype(np.uint8, copy=False)


def _over_white(pixels: Pixels) -> Pixels:
    """Return uint8 BGR: premultiplied BGRA over white."""
    if pixels.shape[2] == 3:
        return pixels
    white = cv2.bitwise_not(pixels[..., 3])
    return cv2.add(pixels[..., :3], cv2.merge([white] * 3)).astype(np.uint8, copy=False)


def _damage(data: bytes) -> str:
    """Return `truncated` where the file's own end mark is missing, else `unreadable`. Asked only of failures."""
    if data.startswith(b"\xff\xd8"):  # an EXIF thumbnail has an end mark too, so look behind the last scan
        return "truncated" if data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda") else "unreadable"
    if data.startswith(b"\x89PNG"):
        return "unreadable" if b"IEND" in data else "truncated"
    if data.startswith(b"GIF8"):
        return "unreadable" if data.rstrip(b"\0").endswith(b";") else "truncated"
    if data.startswith(b"RIFF"):
        return "truncated" if int.from_bytes(data[4:8], "little") + 8 > len(data) else "unreadable"
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            image.load()
    except Exception as error:
        cut = ("truncated", "not enough", "incomplete", "unexpected end", "buffer is not large enough")
        return "truncated" if any(words in str(error).lower() for words in cut) else "unreadable"
    return "unreadable"


@contextmanager
def _decoder_messages() -> Iterator[bytearray]:
    """Collect what C libraries print to standard error meanwhile.

    libjpeg paints the rest of a cut picture grey and only *says* "premature end of data segment" when the file has an
    end mark; OpenCV passes the half picture on. Its return value cannot tell, so its words must.
    """
    messages = bytearray()
    log, saved = _message_log(), os.dup(2)
    os.dup2(log, 2)
    try:
        yield messages
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        if os.lseek(log, 0, os.SEEK_CUR):
            messages += os.pread(log, 65536, 0)
            os.ftruncate(log, 0)
            os.lseek(log, 0, os.SEEK_SET)


@functools.cache
def _message_log() -> int:
    descriptor, path = tempfile.mkstemp(prefix="tagger-decoder-")
    os.unlink(path)
    return descriptor
