"""PNG files."""

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyvips
from PIL import Image

from picture_matrix.drawing import (
    HEIGHT,
    WIDTH,
    Made,
    drawn,
    grey,
    over_white,
    saved,
    space,
    three,
    veil,
)


def pngs() -> Iterator[Made]:
    """Yield PNGs of 1 to 16 bits, grey, RGB, palette, with alpha or one transparent color,
    interlaced, animated."""
    picture, alpha = drawn(2), veil()
    for interlaced in (False, True):
        for name, pixels, shows in (
            ("rgb", picture, picture),
            ("grey", grey(picture), three(grey(picture))),
            ("rgba", np.dstack([picture, alpha]), over_white(picture, alpha)),
            (
                "grey-alpha",
                np.dstack([grey(picture), alpha]),
                over_white(three(grey(picture)), alpha),
            ),
        ):
            for bits in (8, 16):
                deep = pixels if bits == 8 else pixels.astype(np.uint16) * 257
                image = pyvips.Image.new_from_array(deep).copy(interpretation=space(deep))
                data = image.pngsave_buffer(interlace=interlaced, bitdepth=bits)
                yield Made(f"png-{name}-{bits}-{interlaced}.png", data, shows)
    for bits in (1, 2, 4):
        few = (grey(picture) >> (8 - bits)).astype(np.uint8)
        shows = three((few.astype(int) * 255 // (2**bits - 1)).astype(np.uint8))
        yield Made(f"png-grey-{bits}.png", _png(few, bits, 0), shows)
    for bits in (1, 2, 4, 8, 16):
        clear = np.where(alpha > 128, 1, 0)
        few = (grey(picture).astype(int) * (2**bits - 1) // 255).clip(1) * clear
        stretched = (few * 255 / (2**bits - 1)).astype(np.uint8)
        shows = three(np.where(few == 0, 255, stretched).astype(np.uint8))
        extra = _png_chunk(b"tRNS", struct.pack(">H", 0))
        yield Made(f"png-grey-{bits}-one-transparent.png", _png(few, bits, 0, extra), shows)
    for bits in (8, 16):
        colors = (
            picture.astype(int).clip(1)
            * (2**bits - 1)
            // 255
            * np.where(alpha > 128, 1, 0)[..., None]
        )
        shows = np.where(
            (colors == 0).all(axis=2, keepdims=True), 255, colors * 255 // (2**bits - 1)
        ).astype(np.uint8)
        extra = _png_chunk(b"tRNS", struct.pack(">3H", 0, 0, 0))
        yield Made(f"png-rgb-{bits}-one-transparent.png", _png(colors, bits, 2, extra), shows)
    palette = Image.fromarray(picture).quantize(64)
    shows = np.asarray(palette.convert("RGB"))
    yield Made("png-palette.png", saved(palette, "PNG"), shows)
    clear = np.asarray(palette) == 7
    data = saved(palette, "PNG", transparency=7)
    yield Made(
        "png-palette-transparent.png", data, np.where(clear[..., None], 255, shows).astype(np.uint8)
    )
    frames = [Image.fromarray(drawn(9))]
    data = saved(Image.fromarray(picture), "PNG", save_all=True, append_images=frames)
    yield Made("png-animated.png", data, picture)
    deep = _animated(_png(picture.astype(int) * 257, 16, 2))
    yield Made("png-animated-16.png", deep, picture)


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def _png(values: npt.NDArray[Any], bits: int, color: int, extra: bytes = b"") -> bytes:
    """Return a PNG whose samples are `values`, each in `bits`."""
    height, width = values.shape[:2]
    rows = values.reshape(height, -1)
    if bits == 16:
        packed = rows.astype(">u2").view(np.uint8).reshape(height, -1)
    elif bits == 8:
        packed = rows.astype(np.uint8)
    else:
        each = (rows[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        packed = np.packbits(each.reshape(height, -1).astype(np.uint8), axis=1)
    filtered = np.hstack([np.zeros((height, 1), np.uint8), packed]).tobytes()
    head = _png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0))
    body = _png_chunk(b"IDAT", zlib.compress(filtered))
    return b"\x89PNG\r\n\x1a\n" + head + extra + body + _png_chunk(b"IEND", b"")


def _animated(png: bytes) -> bytes:
    """Return a PNG as an animation of its own picture, twice."""
    at = png.index(b"IDAT") - 4
    (length,) = struct.unpack(">I", png[at : at + 4])
    content = png[at + 8 : at + 8 + length]
    control = struct.pack(">IIIIIHHBB", 0, WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0)
    head = _png_chunk(b"acTL", struct.pack(">II", 2, 0)) + _png_chunk(b"fcTL", control)
    second = _png_chunk(b"fcTL", struct.pack(">I", 1) + control[4:])
    second += _png_chunk(b"fdAT", struct.pack(">I", 2) + content)
    return png[:at] + head + png[at : at + 12 + length] + second + png[at + 12 + length :]
