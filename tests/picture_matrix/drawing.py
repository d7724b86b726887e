"""What is drawn for all kinds of files, and how a file is written with Pillow."""

import io
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

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


def space(pixels: npt.NDArray[Any]) -> str:
    deep, colors = pixels.dtype == np.uint16, pixels.ndim == 3 and pixels.shape[2] >= 3
    return {
        (True, True): "rgb16",
        (True, False): "grey16",
        (False, True): "srgb",
        (False, False): "b-w",
    }[deep, colors]
