"""Pictures stored turned, and in other color spaces."""

from collections.abc import Iterator

import cv2
import numpy as np
import pyvips
from PIL import Image, PngImagePlugin

from picture_matrix.drawing import ORIENTATIONS, Made, drawn, saved
from picture_matrix.tiff import written_tiff
from tagger.arrays import Pixels


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
