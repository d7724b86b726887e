"""The chunks of a PNG: its header, and the file without all that is not the picture.

What else a PNG holds (text, physical size, animation frames) may be damaged, huge or fatal to a
decoder while every pixel is there, so decoders get the picture alone. An animated PNG shows its
default picture.

Source: W3C, Portable Network Graphics (PNG) Specification, third edition, clauses 5 and 11.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# color types
GREY = 0
RGB = 2
PALETTE = 3
GREY_ALPHA = 4
RGB_ALPHA = 6

_EXIF_AS_TEXT = b"Raw profile type exif\0"
"""How some programs kept Exif before there was a chunk for it."""

_LARGEST_PROFILE = 8 * 1024 * 1024

_END = b"\0\0\0\0IEND\xaeB`\x82"


class Png(NamedTuple):
    """What a PNG file consists of.

    Attributes
    ----------
    width, height : int
    depth : int
        Bits per channel: 1, 2, 4, 8 or 16.
    color : int
        The color type.
    transparent_value : tuple of int or None
        Of a picture without alpha: the color, in its own depth, that is transparent.
    palette_alpha : bool
        Whether entries of the palette are transparent.
    exif, profile : bytes or None
        The content of eXIf, or of a text chunk in its place, and of iCCP.
    complete : bool
        Whether the end chunk is there.
    interlaced : bool
    picture : bytes
        The file without anything else.
    """

    width: int
    height: int
    depth: int
    color: int
    transparent_value: tuple[int, ...] | None
    palette_alpha: bool
    exif: bytes | None
    profile: bytes | None
    complete: bool
    interlaced: bool
    picture: bytes


def read_png(data: bytes) -> Png:
    """Return the parts of the PNG file `data`, the last of which may be cut short.

    Raises
    ------
    ValueError
        If it does not begin with a header.
    """
    if data[:8] != SIGNATURE or data[12:16] != b"IHDR" or len(data) < 33:
        raise ValueError("it does not begin with a PNG header")
    width, height, depth, color = struct.unpack(">IIBB", data[16:26])
    kept = [SIGNATURE]
    found = dict[bytes, bytes]()
    for kind, at, end in _chunks(data):
        content = data[at + 8 : end - 4]
        if kind == b"IDAT" and end > len(data):  # cut: perhaps only its checksum is gone
            kept.append(_chunk(kind, content))
        elif kind in (b"IHDR", b"PLTE", b"IDAT") or (kind == b"tRNS" and color == PALETTE):
            kept.append(data[at:end])
        found.setdefault(kind, content)
        if kind == b"IEND":
            break
        if kind in (b"tEXt", b"zTXt") and content.startswith(_EXIF_AS_TEXT):
            found.setdefault(_EXIF_AS_TEXT, content)
    return Png(
        width,
        height,
        depth,
        color,
        _transparent_value(found.get(b"tRNS"), color),
        color == PALETTE and b"tRNS" in found,
        found.get(b"eXIf") or _exif_in_text(found.get(_EXIF_AS_TEXT)),
        _inflated(found.get(b"iCCP")),
        b"IEND" in found,
        data[28] != 0,
        b"".join([*kept, _END]),
    )


def has_all_rows(png: Png) -> bool:
    """Return whether the compressed data of a PNG are sound, and enough for all its rows.

    Some decoders paint rows that are not there. Interlaced ones are not counted, and are said to
    have too few.
    """
    if png.interlaced:
        return False
    channels = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}.get(png.color, 4)
    needed = png.height * (1 + -(-png.width * png.depth * channels // 8))
    compressed = b"".join(
        png.picture[at + 8 : end - 4] for kind, at, end in _chunks(png.picture) if kind == b"IDAT"
    )
    inflating = zlib.decompressobj()
    try:
        rows = inflating.decompress(compressed, needed)
    except zlib.error:
        return False
    return len(rows) == needed


def with_alpha(
    pixels: npt.NDArray[np.uint8 | np.uint16], png: Png
) -> npt.NDArray[np.uint8 | np.uint16]:
    """Return the picture of a PNG that names one color as transparent, with an alpha channel.

    Parameters
    ----------
    pixels : uint8 or uint16 (height, width) or (height, width, 3) BGR
        Other depths stretched to these.
    """
    value = png.transparent_value or ()
    full = np.iinfo(pixels.dtype).max
    stretched = [number * full // (2**png.depth - 1) for number in value[::-1]]
    grey = pixels.ndim == 2
    seen = pixels[..., None] if grey else pixels
    alpha = np.where((seen == np.array(stretched)).all(axis=2), 0, full).astype(pixels.dtype)
    return np.dstack([*[pixels] * 3, alpha]) if grey else np.dstack([pixels, alpha])


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each chunk of a PNG, and where it begins and ends, the last perhaps beyond
    the file."""
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        yield kind, at, at + 12 + length
        at += 12 + length


def _exif_in_text(content: bytes | None) -> bytes | None:
    """Return Exif that a text chunk holds in hex digits, behind a line each for nothing, its name
    and its length."""
    if content is None:
        return None
    text = content.removeprefix(_EXIF_AS_TEXT)
    lines = (_inflated(content) if text.startswith(b"\0") else text) or b""
    try:
        return bytes.fromhex(b"".join(lines.split(b"\n")[3:]).decode())
    except ValueError:
        return None


def _inflated(content: bytes | None) -> bytes | None:
    """Return what a name, a zero, a method and a compressed text hold; None where it is damaged or
    too large."""
    if content is None:
        return None
    inflating = zlib.decompressobj()
    try:
        text = inflating.decompress(content[content.index(b"\0") + 2 :], _LARGEST_PROFILE)
        return text if inflating.eof else None
    except (ValueError, zlib.error):
        return None


def _transparent_value(content: bytes | None, color: int) -> tuple[int, ...] | None:
    channels = {GREY: 1, RGB: 3}.get(color)
    if content is None or channels is None or len(content) < 2 * channels:
        return None
    return struct.unpack(f">{channels}H", content[: 2 * channels])


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )
