"""JPEG files."""

from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image

from picture_matrix.drawing import HEIGHT, WIDTH, Made, drawn, grey, saved, three


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
