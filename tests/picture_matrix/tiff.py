"""TIFF files."""

import io
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image, ImageCms

from picture_matrix.drawing import HEIGHT, WIDTH, Made, drawn, grey, over_white, saved, three, veil


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
