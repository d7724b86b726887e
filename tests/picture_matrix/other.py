"""WebP, AVIF, HEIC, JPEG 2000, bitmaps and GIF."""

import struct
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from picture_matrix.drawing import HEIGHT, WIDTH, Made, drawn, grey, over_white, saved, three, veil


def webps() -> Iterator[Made]:
    """Yield WebPs: lossy and lossless, with alpha, animated."""
    picture, alpha = drawn(4), veil()
    shown = over_white(picture, alpha)
    clear = Image.fromarray(np.dstack([picture, alpha]))
    for lossless in (False, True):
        options = {"lossless": lossless, "quality": 92, "exact": True}
        yield Made(
            f"webp-rgb-{lossless}.webp", saved(Image.fromarray(picture), "WEBP", **options), picture
        )
        yield Made(f"webp-rgba-{lossless}.webp", saved(clear, "WEBP", **options), shown)
        for name, first, shows in (
            ("rgb", Image.fromarray(picture), picture),
            ("rgba", clear, shown),
        ):
            frames = [Image.fromarray(drawn(9))]
            data = saved(first, "WEBP", save_all=True, append_images=frames, **options)
            yield Made(f"webp-animated-{name}-{lossless}.webp", data, shows)


def modern() -> Iterator[Made]:
    """Yield AVIF and JPEG 2000 of 8 to 16 bits, with and without alpha."""
    picture, alpha = drawn(5), veil()
    both = np.dstack([picture, alpha])
    shown = over_white(picture, alpha)
    for bits in (8, 10, 12):
        for pixels, shows, name in ((picture, picture, "rgb"), (both, shown, "rgba")):
            deep = pixels if bits == 8 else (pixels.astype(np.uint16) * 257) >> (16 - bits)
            order = [2, 1, 0, 3][: pixels.shape[2]]
            options = [cv2.IMWRITE_AVIF_DEPTH, bits, cv2.IMWRITE_AVIF_QUALITY, 95]
            data = cv2.imencode(".avif", np.ascontiguousarray(deep[..., order]), options)[
                1
            ].tobytes()
            yield Made(f"avif-{name}-{bits}.avif", data, shows)
    plain = saved(Image.fromarray(picture), "AVIF", quality=95)
    for brand in (b"mif1", b"miaf"):
        yield Made(f"avif-{brand.decode()}.avif", plain[:8] + brand + plain[12:], picture)
    frames = [Image.fromarray(drawn(9))]
    yield Made(
        "avif-animated.avif",
        saved(Image.fromarray(picture), "AVIF", quality=95, save_all=True, append_images=frames),
        picture,
    )
    for bits in (8, 12, 16):
        for pixels, shows, name in (
            (picture, picture, "rgb"),
            (both, shown, "rgba"),
            (grey(picture), three(grey(picture)), "grey"),
        ):
            deep = pixels if bits == 8 else (pixels.astype(np.uint16) * 257) >> (16 - bits)
            yield Made(f"jp2-{name}-{bits}.jp2", _jpeg_2000(deep, bits), shows)


def bitmaps() -> Iterator[Made]:
    """Yield BMPs of 1 to 32 bits, 5-5-5 and 5-6-5, upside down and not."""
    picture = drawn(6)
    yield Made("bmp-24.bmp", saved(Image.fromarray(picture), "BMP"), picture)
    palette = Image.fromarray(picture).quantize(64)
    yield Made("bmp-8.bmp", saved(palette, "BMP"), np.asarray(palette.convert("RGB")))
    bilevel = Image.fromarray(grey(picture)).convert("1")
    yield Made("bmp-1.bmp", saved(bilevel, "BMP"), three(np.asarray(bilevel.convert("L"))))
    for name, (red, green, blue) in (("555", (5, 5, 5)), ("565", (5, 6, 5))):
        few = [
            (picture[..., i].astype(int) * (2**n - 1) + 127) // 255
            for i, n in enumerate((red, green, blue))
        ]
        values = (few[0] << (green + blue)) | (few[1] << blue) | few[2]
        shows = np.dstack(
            [plane * 255 // (2**n - 1) for plane, n in zip(few, (red, green, blue), strict=True)]
        )
        masks = [((1 << red) - 1) << (green + blue), ((1 << green) - 1) << blue, (1 << blue) - 1]
        for top_down in (False, True):
            data = _bitmap_16(values.astype("<u2"), masks, top_down=top_down)
            yield Made(
                f"bmp-{name}-{'down' if top_down else 'up'}.bmp", data, shows.astype(np.uint8)
            )


def gifs() -> Iterator[Made]:
    """Yield GIFs, animated ones with later frames that are opaque among them."""
    picture, alpha = drawn(7), veil()
    palette = Image.fromarray(picture).quantize(64)
    shows = np.asarray(palette.convert("RGB"))
    yield Made("gif.gif", saved(palette, "GIF"), shows)
    yield Made("gif-interlaced.gif", saved(palette, "GIF", interlace=1), shows)
    clear = Image.fromarray(np.dstack([shows, np.where(alpha > 128, 255, 0).astype(np.uint8)]))
    seen = over_white(shows, np.where(alpha > 128, 255, 0).astype(np.uint8))
    opaque = Image.fromarray(drawn(9)).convert("RGBA")
    for name, later in (("none", []), ("clear", [clear.rotate(9)]), ("opaque", [opaque])):
        options = (
            {"save_all": True, "append_images": later, "duration": 80, "disposal": 2}
            if later
            else {}
        )
        yield Made(f"gif-transparent-then-{name}.gif", saved(clear, "GIF", **options), seen)


def _jpeg_2000(pixels: npt.NDArray[Any], bits: int) -> bytes:
    import imagecodecs

    options = {"level": 0, "codecformat": "jp2", "bitspersample": bits, "reversible": True}
    return bytes(imagecodecs.jpeg2k_encode(pixels, **options))


def _bitmap_16(values: npt.NDArray[Any], masks: list[int], *, top_down: bool) -> bytes:
    rows = values if top_down else values[::-1]
    data = rows.tobytes()
    height = -HEIGHT if top_down else HEIGHT
    head = struct.pack("<IiiHHIIiiII", 40, WIDTH, height, 1, 16, 3, len(data), 2835, 2835, 0, 0)
    start = 14 + 40 + 12
    return (
        b"BM"
        + struct.pack("<IHHI", start + len(data), 0, 0, start)
        + head
        + struct.pack("<3I", *masks)
        + data
    )
