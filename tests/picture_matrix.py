"""Pictures in every kind of file that a catalog may hold, made here, with what each one shows.

Format x depth x channels x alpha x planar, progressive or interlaced x orientation x color profile.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import pyvips
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

from tagger.arrays import Pixels

HEIGHT, WIDTH = 240, 320
ORIENTATIONS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
"""What is stored so that a reader who applies the orientation sees the picture: see `turned`."""


class Made(NamedTuple):
    """A file, and what it shows: uint8 (height, width, 3) RGB over white, upright, in sRGB."""

    name: str
    data: bytes
    shows: Pixels


def drawn(seed: int = 0) -> Pixels:
    """Return a picture with smooth colors, edges and an upright direction."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    picture = np.dstack(
        [40 + x * 160 // WIDTH, 60 + y * 150 // HEIGHT, 200 - (x + y) * 120 // (WIDTH + HEIGHT)]
    )
    picture = np.ascontiguousarray(picture, np.uint8)
    dress = np.array([(110, 30), (190, 30), (180, 100), (250, 220), (50, 220), (120, 100)])
    cv2.fillPoly(picture, [dress], (200, 20, 30))
    for _ in range(6):
        center = (int(random.integers(20, WIDTH - 20)), int(random.integers(20, HEIGHT - 20)))
        cv2.circle(picture, center, 14, [int(c) for c in random.integers(0, 255, 3)], -1)
    return picture


def veil() -> Pixels:
    """Return uint8 (HEIGHT, WIDTH): alpha, opaque in the middle, soft at the edge of it, clear
    outside."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(mask, (WIDTH // 2, HEIGHT // 2), (120, 100), 0, 0, 360, 255, -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 6), np.uint8)


def over_white(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Return the picture under its alpha, over white."""
    share = alpha[..., None] / 255
    return np.asarray(pixels * share + 255 * (1 - share) + 0.5, np.uint8)


def grey(pixels: Pixels) -> Pixels:
    """Return uint8 (height, width)."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def three(plane: Pixels) -> Pixels:
    """Return grey as RGB."""
    return np.repeat(plane[..., None], 3, axis=2)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return an image as Pillow writes it."""
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def everything() -> Iterator[Made]:
    """Yield the whole matrix."""
    yield from jpegs()
    yield from pngs()
    yield from tiffs()
    yield from webps()
    yield from modern()
    yield from bitmaps()
    yield from gifs()
    yield from turned()
    yield from profiled()


def jpegs() -> Iterator[Made]:
    """Yield JPEGs: baseline and progressive, of every sampling, grey and CMYK, of sizes for every
    reduced scale."""
    picture = drawn(1)
    for times in (1, 2, 4, 8):
        size = (WIDTH * times, HEIGHT * times)
        large = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)
        for progressive in (False, True):
            for quality, subsampling in ((95, 0), (90, 1), (75, 2)):
                options = {
                    "quality": quality,
                    "subsampling": subsampling,
                    "progressive": progressive,
                }
                data = saved(Image.fromarray(large), "JPEG", **options)
                yield Made(
                    f"jpeg-{times}x-{quality}-{'progressive' if progressive else 'baseline'}.jpg",
                    data,
                    large,
                )
            data = saved(Image.fromarray(grey(large)), "JPEG", quality=92, progressive=progressive)
            yield Made(f"jpeg-grey-{times}x-{progressive}.jpg", data, three(grey(large)))
    marked = saved(Image.fromarray(picture), "JPEG", quality=92, restart_marker_blocks=4)
    yield Made("jpeg-restarts.jpg", marked, picture)
    inks = Image.fromarray(picture).convert("CMYK")
    shows = np.asarray(inks.convert("RGB"))
    yield Made("jpeg-cmyk.jpg", saved(inks, "JPEG", quality=95), shows)
    yield Made(
        "jpeg-rgb.jpg", saved(Image.fromarray(picture), "JPEG", quality=95, keep_rgb=True), picture
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
                image = pyvips.Image.new_from_array(deep).copy(interpretation=_space(deep))
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


def tiffs() -> Iterator[Made]:
    """Yield TIFFs: depth x planar x compression x what 0 means, floats, Lab, CMYK, both kinds of
    alpha, tiles ..."""
    picture, alpha = drawn(3), veil()
    plane = grey(picture)
    for bits, kind in ((8, np.uint8), (16, np.uint16)):
        deep = picture.astype(kind) * (257 if bits == 16 else 1)
        for compression in (None, "lzw", "zlib"):
            for planar in ("contig", "separate"):
                pixels = deep if planar == "contig" else deep.transpose(2, 0, 1)
                options = {"photometric": "rgb", "planarconfig": planar, "compression": compression}
                yield Made(
                    f"tiff-rgb-{bits}-{planar}-{compression}.tif",
                    written_tiff(pixels, **options),
                    picture,
                )
            for photometric in ("minisblack", "miniswhite"):
                values = plane.astype(kind) * (257 if bits == 16 else 1)
                stored = values if photometric == "minisblack" else np.iinfo(kind).max - values
                data = written_tiff(stored, photometric=photometric, compression=compression)
                yield Made(f"tiff-{photometric}-{bits}-{compression}.tif", data, three(plane))
        for byteorder in ("<", ">"):
            for big in (False, True):
                data = written_tiff(deep, photometric="rgb", byteorder=byteorder, bigtiff=big)
                layout = "big" if big else "classic"
                endian = "le" if byteorder == "<" else "be"
                yield Made(
                    f"tiff-{layout}-{bits}-{endian}.tif",
                    data,
                    picture,
                )
        yield Made(
            f"tiff-tiled-{bits}.tif", written_tiff(deep, photometric="rgb", tile=(64, 64)), picture
        )
        yield Made(
            f"tiff-predictor-{bits}.tif",
            written_tiff(deep, photometric="rgb", compression="zlib", predictor=2),
            picture,
        )
        deep_alpha = alpha.astype(kind) * (257 if bits == 16 else 1)
        yield Made(
            f"tiff-alpha-{bits}.tif",
            written_tiff(
                np.dstack([deep, deep_alpha]), photometric="rgb", extrasamples=["unassalpha"]
            ),
            over_white(picture, alpha),
        )
        multiplied = (deep.astype(np.float64) * (alpha[..., None] / 255)).round().astype(kind)
        yield Made(
            f"tiff-premultiplied-{bits}.tif",
            written_tiff(
                np.dstack([multiplied, deep_alpha]), photometric="rgb", extrasamples=["assocalpha"]
            ),
            over_white(picture, alpha),
        )
        yield Made(
            f"tiff-unspecified-channel-{bits}.tif",
            written_tiff(
                np.dstack([deep, deep_alpha]), photometric="rgb", extrasamples=["unspecified"]
            ),
            picture,
        )
        yield Made(
            f"tiff-grey-alpha-{bits}.tif",
            written_tiff(
                np.dstack([plane.astype(kind) * (257 if bits == 16 else 1), deep_alpha]),
                photometric="minisblack",
                planarconfig="contig",
                extrasamples=["unassalpha"],
            ),
            over_white(three(plane), alpha),
        )
    for kind in (np.float16, np.float32, np.float64):
        name = np.dtype(kind).name
        yield Made(
            f"tiff-rgb-{name}.tif",
            written_tiff((picture / 255).astype(kind), photometric="rgb"),
            picture,
        )
        data = written_tiff((plane / 255).astype(kind), photometric="minisblack")
        yield Made(f"tiff-grey-{name}.tif", data, three(plane))
    for bits in (10, 12, 14):
        values = (plane.astype(int) * (2**bits - 1) // 255).astype(np.uint16)
        yield Made(f"tiff-grey-{bits}-bits.tif", _packed_tiff(values, bits), three(plane))
    inks = Image.fromarray(picture).convert("CMYK")
    yield Made("tiff-cmyk.tif", saved(inks, "TIFF"), np.asarray(inks.convert("RGB")))
    lab = ImageCms.applyTransform(
        Image.fromarray(picture),
        ImageCms.buildTransform(
            ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
        ),
    )
    yield Made("tiff-lab.tif", saved(lab, "TIFF"), picture)
    palette = Image.fromarray(picture).quantize(64)
    yield Made("tiff-palette.tif", saved(palette, "TIFF"), np.asarray(palette.convert("RGB")))
    bilevel = Image.fromarray(plane).convert("1")
    for compression in ("group4", "packbits"):
        data = saved(bilevel, "TIFF", compression=compression)
        yield Made(f"tiff-bilevel-{compression}.tif", data, three(np.asarray(bilevel.convert("L"))))
    data = saved(Image.fromarray(picture), "TIFF", compression="jpeg", quality=92)
    yield Made("tiff-jpeg.tif", data, picture)


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


def turned() -> Iterator[Made]:
    """Yield every orientation in every format that has one; XMP, which says another, counts in
    none."""
    picture = drawn(8)
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>'
        b'<rdf:Description tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    )
    for orientation, store in ORIENTATIONS.items():
        stored = Image.fromarray(np.ascontiguousarray(_inverse(orientation, picture)))
        exif = Image.Exif()
        exif[274] = orientation
        for kind, options in (
            ("JPEG", {"quality": 95}),
            ("PNG", {}),
            ("WEBP", {"lossless": True}),
            ("TIFF", {"compression": "tiff_lzw"}),
            ("AVIF", {"quality": 95}),
        ):
            yield Made(
                f"turned-{orientation}.{kind.lower()}",
                saved(stored, kind, exif=exif, **options),
                picture,
            )
        deep = np.asarray(stored).astype(np.uint16) * 257
        tag = (274, 3, 1, orientation, True)
        yield Made(
            f"turned-{orientation}-16.tif",
            written_tiff(deep, photometric="rgb", extratags=[tag]),
            picture,
        )
        assert store is not None
    image = Image.fromarray(picture)
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp.decode())
    yield Made("xmp.jpg", saved(image, "JPEG", quality=95, xmp=xmp), picture)
    yield Made("xmp.webp", saved(image, "WEBP", lossless=True, xmp=xmp), picture)
    yield Made("xmp.png", saved(image, "PNG", pnginfo=info), picture)
    yield Made("xmp.tif", saved(image, "TIFF", tiffinfo={700: xmp}), picture)
    yield Made("xmp.avif", saved(image, "AVIF", quality=95, xmp=xmp), picture)


def profiled() -> Iterator[Made]:
    """Yield one picture in other color spaces, with their profiles, in every format that can hold
    one."""
    picture = np.asarray(cv2.GaussianBlur(drawn(10), (0, 0), 2), np.uint8)
    picture = (picture * 0.8 + 25).astype(np.uint8)  # inside every gamut
    source = pyvips.Image.new_from_array(picture).copy(interpretation="srgb")
    for name in ("p3", "cmyk"):
        converted = source.icc_transform(name, input_profile="srgb", embedded=False)
        pixels, profile = converted.numpy(), converted.get("icc-profile-data")
        # What the profile says, which for inks is not what they were made from: not every color can
        # be printed.
        shows = converted.icc_transform(
            "srgb", embedded=True, black_point_compensation=True
        ).numpy()
        mode = "CMYK" if name == "cmyk" else "RGB"
        image = Image.fromarray(np.ascontiguousarray(pixels), mode)
        yield Made(f"{name}.jpg", converted.jpegsave_buffer(Q=95, profile=name), shows)
        yield Made(
            f"{name}-progressive.jpg",
            converted.jpegsave_buffer(Q=95, profile=name, interlace=True),
            shows,
        )
        yield Made(f"{name}.tif", saved(image, "TIFF", icc_profile=profile), shows)
        if mode == "RGB":
            yield Made(f"{name}.png", saved(image, "PNG", icc_profile=profile), shows)
            yield Made(
                f"{name}.webp", saved(image, "WEBP", lossless=True, icc_profile=profile), shows
            )
            yield Made(f"{name}.avif", saved(image, "AVIF", quality=95, icc_profile=profile), shows)
            deep = pixels.astype(np.uint16) * 257
            tag = (34675, 7, len(profile), profile, True)
            yield Made(
                f"{name}-16.tif", written_tiff(deep, photometric="rgb", extratags=[tag]), shows
            )


def _inverse(orientation: int, picture: Pixels) -> Pixels:
    """Return what is to be stored so that applying the orientation gives the picture."""
    return ORIENTATIONS[{6: 8, 8: 6}.get(orientation, orientation)](picture)


def _space(pixels: npt.NDArray[Any]) -> str:
    deep, colors = pixels.dtype == np.uint16, pixels.ndim == 3 and pixels.shape[2] >= 3
    return {
        (True, True): "rgb16",
        (True, False): "grey16",
        (False, True): "srgb",
        (False, False): "b-w",
    }[deep, colors]


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


def written_tiff(pixels: npt.NDArray[Any], **options: Any) -> bytes:
    """Return a TIFF as tifffile writes it."""
    target = io.BytesIO()
    writer = {name: options.pop(name) for name in ("byteorder", "bigtiff") if name in options}
    with tifffile.TiffWriter(target, **writer) as file:
        file.write(pixels, metadata=None, **options)
    return target.getvalue()


def _packed_tiff(values: npt.NDArray[np.uint16], bits: int) -> bytes:
    """Return a grey TIFF of 10, 12 or 14 bits a sample, without compression."""
    each = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    data = np.packbits(each.reshape(len(values), -1).astype(np.uint8), axis=1).tobytes()
    tags = (
        (256, WIDTH),
        (257, HEIGHT),
        (258, bits),
        (259, 1),
        (262, 1),
        (273, 200),
        (277, 1),
        (278, HEIGHT),
        (279, len(data)),
    )
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + b"\0" * 4
    return head.ljust(200, b"\0") + data


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
