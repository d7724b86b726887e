"""What a file says of its picture before a pixel is decoded: format, size, orientation, color
profile.

Pillow reads most headers. Those of PNG and TIFF are read here: Pillow refuses sound pictures with
odd metadata, decodes a whole PNG to look for its orientation, and does not know every TIFF that can
be decoded. Orientation is Exif's alone, in every format; an AVIF's container says it in Exif's
words, and an HEIF's decoder has turned the picture already.
"""

import io
import warnings
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from tagger.imaging import jpeg_2000
from tagger.imaging.picture_error import PictureError
from tagger.imaging.png import GREY_ALPHA, RGB_ALPHA, SIGNATURE, Png, read_png
from tagger.imaging.tiff import FLOAT, Tiff, read_tiff
from tagger.machine import raise_machine_fault

MAX_PIXELS = 100_000_000
"""Pictures that claim more pixels are refused before decoding, which bounds a worker near 2 GB."""

_MOST_SHOWN = 2**31 - 1
"""What the index can hold of a width or a height."""

MAX_DECODED = 8 * MAX_PIXELS
"""Bytes of decoded pixels: of 16 bits in four channels; half of that of floats, which are
copied."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF", "JPEG2000")
_MAGIC = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"BM", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {
    b"heic",
    b"heix",
    b"hevc",
    b"hevx",
    b"heim",
    b"heis",
    b"hevm",
    b"hevs",
    b"mif1",
    b"msf1",
}
_ALPHA_MODES = ("RGBA", "LA", "PA", "La", "RGBa")
_EXIF_ORIENTATION = 274


class Header(NamedTuple):
    """What a file says of its picture.

    Attributes
    ----------
    format : str
        As Pillow calls it.
    width, height : int
        As stored, before orientation.
    orientation : int
        EXIF, 1 to 8.
    transparent : bool
    profile : bytes or None
        The embedded ICC profile.
    mode : str
        As Pillow calls it; empty where Pillow was not asked.
    depth : int
        Of a JPEG 2000: bits per channel.
    progressive, animated : bool
    cut : bool
        Whether the file is known to lack its end; `data` may have one all the same.
    png, tiff : Png or None, Tiff or None
        What these formats' own readers say.
    data : bytes
        What decoders are to be given in place of the file.
    """

    format: str
    width: int
    height: int
    orientation: int
    transparent: bool
    profile: bytes | None
    data: bytes
    mode: str = ""
    depth: int = 8
    progressive: bool = False
    animated: bool = False
    cut: bool = False
    png: Png | None = None
    tiff: Tiff | None = None

    def failure(self) -> str:
        """Return the status of a picture that cannot be decoded: `truncated` or `unreadable`."""
        return "truncated" if self.cut else damage(self.data)

    @property
    def upright_size(self) -> tuple[int, int]:
        """Return width and height after orientation."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def read_header(data: bytes) -> Header:
    """Return what the file `data` says of its picture.

    Raises
    ------
    PictureError
        If it says nothing that can be used, or claims too many pixels.
    """
    if not data:
        raise PictureError("empty", "the file has no bytes")
    if data.startswith(SIGNATURE):
        header = _png_header(data)
    elif data.startswith(_TIFF):
        header = _tiff_header(data)
    else:
        header = _pillow_header(data)
    width = header.width
    height = header.height
    if width * height > MAX_PIXELS:
        reason = f"claims {width} x {height} pixels, more than {MAX_PIXELS:,}"
        shown = header.upright_size if max(width, height) <= _MOST_SHOWN else ()
        raise PictureError("too_large", reason, *shown)
    if width < 1 or height < 1:
        raise PictureError("unreadable", f"claims {width} x {height} pixels")
    return header


def open_image(data: bytes) -> Image.Image:
    """Return a Pillow image that has not been decoded yet; Exif alone will say how it is turned.

    Raises
    ------
    UnidentifiedImageError, DecompressionBombError, Exception
        Whatever Pillow raises.
    """
    formats: tuple[str, ...] = FORMATS
    if data[4:8] == b"ftyp":
        import pi_heif  # late: few catalogs have any

        pi_heif.register_heif_opener(thumbnails=False)
        formats = ("AVIF", "HEIF")
    image = Image.open(io.BytesIO(data), formats=formats)
    image.info.pop("xmp", None)
    image.info.pop("XML:com.adobe.xmp", None)
    return image


def damage(data: bytes) -> str:
    """Return `truncated` where the file's own end mark is missing, else `unreadable`. Asked only of
    failures."""
    if data.startswith(
        b"\xff\xd8"
    ):  # an EXIF thumbnail has an end mark too, so look behind the last scan
        return "truncated" if data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda") else "unreadable"
    if data.startswith(b"\x89PNG"):
        return "unreadable" if b"IEND" in data else "truncated"
    if data.startswith(b"GIF8"):
        return "unreadable" if data.rstrip(b"\0").endswith(b";") else "truncated"
    if data.startswith(b"RIFF"):
        return "truncated" if int.from_bytes(data[4:8], "little") + 8 > len(data) else "unreadable"
    if data[4:8] in (b"ftyp", b"jP  "):
        return "truncated" if _lacks_boxes(data) else "unreadable"
    try:
        with open_image(data) as image:
            image.load()
    except Exception as error:
        cut = (
            *(
                "truncated",
                "not enough",
                "incomplete",
                "unexpected end",
                "buffer is not large enough",
            ),
            *("end of file", "outside of file", "beyond"),
        )
        return "truncated" if any(words in str(error).lower() for words in cut) else "unreadable"
    return "unreadable"


def _lacks_boxes(data: bytes) -> bool:
    """Return whether a file of boxes ends within one: ISO/IEC 14496-12, 4.2."""
    at = 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if length == 1:
            length = int.from_bytes(data[at + 8 : at + 16], "big")
        if length == 0:  # to the end of the file
            return not data.endswith(b"\xff\xd9") if data[at + 4 : at + 8] == b"jp2c" else False
        at += max(8, length)
    return at != len(data)


def _png_header(data: bytes) -> Header:
    try:
        png = read_png(data)
    except ValueError as error:
        raise PictureError(damage(data), f"damaged header: {error}") from error
    transparent = png.color in (GREY_ALPHA, RGB_ALPHA) or png.palette_alpha
    exif = Image.Exif()
    if png.exif is not None:
        try:
            exif.load(png.exif)
        except Exception:  # damaged EXIF is no reason to lose the picture
            exif = Image.Exif()
    return Header(
        "PNG",
        png.width,
        png.height,
        _orientation(exif),
        transparent,
        png.profile,
        png.picture,
        cut=not png.complete,
        png=png,
    )


def _tiff_header(data: bytes) -> Header:
    try:
        tiff = read_tiff(data)
    except ValueError as error:
        raise PictureError(damage(data), f"damaged header: {error}") from error
    needed = tiff.width * tiff.height * tiff.samples * tiff.bits // 8
    if needed > (MAX_DECODED // 2 if tiff.sample_format == FLOAT else MAX_DECODED):
        raise PictureError(
            "too_large", f"claims {needed:,} bytes of pixels, more than a picture may"
        )
    return Header(
        "TIFF",
        tiff.width,
        tiff.height,
        tiff.orientation,
        tiff.extra in (1, 2),
        tiff.profile,
        tiff.upright,
        tiff=tiff,
    )


def _pillow_header(data: bytes) -> Header:
    branded = _branded(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_image(branded) as image:
                name = image.format or ""
                transparent = image.mode in _ALPHA_MODES or "transparency" in image.info
                profile = image.info.get("icc_profile") or None
                depth = 8
                if name == "JPEG2000":
                    profile = jpeg_2000.profile(data)
                    depth = jpeg_2000.depth(data)
                return Header(
                    name,
                    *image.size,
                    1 if name == "HEIF" else _exif_orientation(image),
                    transparent,
                    profile,
                    branded,
                    mode=image.mode,
                    depth=depth,
                    progressive="progressive" in image.info,
                    animated=name == "WEBP" and bool(getattr(image, "is_animated", False)),
                )
    except Image.DecompressionBombError as error:
        raise PictureError("too_large", f"claims more than {MAX_PIXELS:,} pixels") from error
    except UnidentifiedImageError as error:
        raise _unidentified(data) from error
    except Exception as error:  # Pillow's header parsers raise all sorts on damaged files
        raise_machine_fault(error)
        raise PictureError(damage(data), f"damaged header: {error}") from error


def _branded(data: bytes) -> bytes:
    """Return the file with `avif` as its first brand if it is among the others: Pillow looks at no
    other.

    Source: AV1 Image File Format 1.1, 6.1.
    """
    if data[4:8] != b"ftyp" or data[8:12] in _AVIF_BRANDS or not _brands(data) & _AVIF_BRANDS:
        return data
    return data[:8] + b"avif" + data[12:]


def _brands(data: bytes) -> set[bytes]:
    length = min(int.from_bytes(data[:4], "big"), 4096, len(data))
    return {data[8:12], *(data[at : at + 4] for at in range(16, length, 4))}


def _exif_orientation(image: Image.Image) -> int:
    try:
        return _orientation(image.getexif())
    except Exception:  # damaged EXIF is no reason to lose the picture
        return 1


def _orientation(exif: Image.Exif) -> int:
    orientation = exif.get(_EXIF_ORIENTATION, 1)
    return orientation if orientation in range(1, 9) else 1


def _unidentified(data: bytes) -> PictureError:
    brands = _brands(data) if data[4:8] == b"ftyp" else set()
    if (
        data.startswith((*_MAGIC, *_TIFF))
        or data[8:12] == b"WEBP"
        or brands & (_AVIF_BRANDS | _HEIF_BRANDS)
    ):
        return PictureError(damage(data), "damaged header")
    return PictureError("unsupported", f"not a picture format we know: begins with {data[:16]!r}")
