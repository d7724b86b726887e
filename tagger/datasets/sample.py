"""A sample catalog, drawn: garments with folds, prints and shadows before varied backgrounds."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from tagger.arrays import Float64Array, Pixels

COLORS = {
    "black": (28, 28, 32),
    "blue": (40, 70, 170),
    "green": (40, 120, 60),
    "red": (185, 30, 40),
}
"""RGB of each color before its jitter."""

# Right halves of the outlines, from the top of the middle line to its bottom; x from 0 (middle) to
# 1, y from 0 to 1.
GARMENTS: dict[str, list[tuple[float, float]]] = {
    "dress": [
        (0, 0.10),
        (0.16, 0.04),
        (0.26, 0.06),
        (0.30, 0.22),
        (0.24, 0.42),
        (0.40, 0.70),
        (0.56, 0.96),
        (0, 0.98),
    ],
    "jeans": [
        (0, 0.04),
        (0.34, 0.04),
        (0.38, 0.30),
        (0.40, 0.96),
        (0.14, 0.97),
        (0.04, 0.40),
        (0, 0.36),
    ],
    "shirt": [
        (0, 0.14),
        (0.14, 0.10),
        (0.34, 0.16),
        (0.74, 0.42),
        (0.60, 0.54),
        (0.38, 0.40),
        (0.38, 0.88),
        (0, 0.90),
    ],
}

UNSEEN = ("black", "dress")
"""A pair that the labelled part leaves out, and the catalog has."""

HEIGHT = 320
WIDTH = 256


@dataclass(frozen=True)
class Sample:
    """Where a drawn sample lies, and what its catalog really shows.

    Attributes
    ----------
    labelled, catalog : Path
    truth : dict
        image_id to color and garment.
    """

    labelled: Path
    catalog: Path
    truth: dict[str, tuple[str, str]]


def draw_sample(folder: Path, *, labelled: int = 480, catalog: int = 320, seed: int = 0) -> Sample:
    """Return a sample drawn into `folder`: labelled pictures, and a catalog to tag.

    A tenth of the catalog is stored turned, to be set upright by its EXIF orientation; some
    pictures are PNG with transparency; six files are empty, cut off, or no pictures at all.
    """
    random = np.random.default_rng(seed)
    sample = Sample(folder / "labelled", folder / "catalog", {})
    pairs = [(color, garment) for color in COLORS for garment in GARMENTS]
    seen = [pair for pair in pairs if pair != UNSEEN]
    for i in range(labelled):
        color, garment = seen[i % len(seen)]
        target = sample.labelled / f"{color}_{garment}" / f"{i:05d}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_jpeg(draw(color, garment, random), random))
    for i in range(catalog):
        color, garment = pairs[i % len(pairs)]
        image_id = f"2026/{i % 7:02d}/item-{i:05d}.{'png' if i % 16 == 3 else 'jpg'}"
        target = sample.catalog / image_id
        target.parent.mkdir(parents=True, exist_ok=True)
        pixels = draw(color, garment, random)
        if target.suffix == ".png":
            target.write_bytes(_cut_out(color, garment, random))
        else:
            target.write_bytes(_turned(pixels, 2 + i % 7) if i % 10 == 0 else _jpeg(pixels, random))
        sample.truth[image_id] = (color, garment)
    _spoil(sample.catalog / "2026" / "incoming", random)
    return sample


def draw(color: str, garment: str, random: np.random.Generator) -> Pixels:
    """Return one picture, uint8 (HEIGHT, WIDTH, 3) RGB."""
    mask, cloth = _cloth(color, garment, random)
    background = _background(random)
    offset = random.integers(4, 14, 2)
    shadow = cv2.GaussianBlur(np.roll(mask, offset, axis=(0, 1)), (0, 0), random.uniform(6, 14))
    background = background * (1 - random.uniform(0.2, 0.5) * shadow[..., None])
    picture = background * (1 - mask[..., None]) + cloth * mask[..., None]
    picture = picture * random.uniform(0.85, 1.1) + random.normal(
        0, random.uniform(1, 5), picture.shape
    )
    return np.clip(picture, 0, 255).astype(np.uint8)


def _cloth(
    color: str, garment: str, random: np.random.Generator
) -> tuple[Float64Array, Float64Array]:
    """Return the garment's soft mask and its cloth.

    The mask is (HEIGHT, WIDTH) in [0, 1], the cloth (HEIGHT, WIDTH, 3) from 0 to 255.
    """
    outline = np.array(GARMENTS[garment])
    outline = outline + random.normal(0, 0.012, outline.shape) * (outline[:, :1] > 0)
    points = np.concatenate([outline, outline[::-1] * [-1, 1]])
    scale = random.uniform(0.78, 0.95)
    points = points * [scale * WIDTH * 0.56 * random.uniform(0.85, 1.1), scale * HEIGHT]
    points += [WIDTH / 2 + random.normal(0, 8), HEIGHT * (1 - scale) / 2 + random.normal(0, 5)]
    turn = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), random.normal(0, 4), 1)
    points = points @ turn[:, :2].T + turn[:, 2]
    canvas = np.zeros((HEIGHT, WIDTH), np.float64)
    cv2.fillPoly(
        canvas, [np.round(points * 16).astype(np.int32)], 1.0, lineType=cv2.LINE_AA, shift=4
    )
    mask = np.asarray(cv2.GaussianBlur(canvas, (0, 0), 1.2), np.float64)
    base = np.array(COLORS[color]) * random.uniform(0.75, 1.3) + random.normal(0, 8, 3)
    cloth = base * _folds(random)[..., None]
    return mask, _print_on(cloth, random)


def _folds(random: np.random.Generator) -> Float64Array:
    """Return light and shade (HEIGHT, WIDTH) about 1: folds from the top, light from one side."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    light = 1 + random.uniform(-0.15, 0.15) * (x / WIDTH - 0.5) * 2
    for _ in range(random.integers(2, 5)):
        bend = random.uniform(5, 25) * np.sin(y / random.uniform(40, 90) + random.uniform(0, 6))
        wave = np.sin((x + bend) / random.uniform(7, 22) + random.uniform(0, 6))
        light = light + random.uniform(0.03, 0.10) * wave * (y / HEIGHT) ** random.uniform(0.2, 1)
    return np.asarray(light)


def _print_on(cloth: Float64Array, random: np.random.Generator) -> Float64Array:
    """Return the cloth plain, striped, dotted or checked, in another shade of its own color."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    period = random.uniform(12, 30)
    kind = random.integers(0, 6)
    if kind == 0:
        where = (x + y * random.uniform(-0.3, 0.3)) % period < period / 3
    elif kind == 1:
        where = (x % period - period / 2) ** 2 + (y % period - period / 2) ** 2 < (period / 4) ** 2
    elif kind == 2:
        where = (x % period < period / 4) ^ (y % period < period / 4)
    else:
        return cloth
    shade = random.choice([0.7, 1.25])
    return np.asarray(np.where(where[..., None], cloth * shade + (12 if shade > 1 else 0), cloth))


def _background(random: np.random.Generator) -> Float64Array:
    """Return a backdrop (HEIGHT, WIDTH, 3): white, plain, graded, with a floor, or mottled."""
    tone = np.array([random.uniform(150, 245)] * 3) + random.normal(0, 14, 3)
    backdrop = np.ones((HEIGHT, WIDTH, 3)) * tone
    kind = random.integers(0, 5)
    if kind == 0:
        backdrop[:] = random.uniform(244, 255)
    elif kind == 1:
        backdrop *= np.linspace(1.05, random.uniform(0.7, 0.95), HEIGHT)[:, None, None]
    elif kind == 2:
        floor = int(HEIGHT * random.uniform(0.7, 0.9))
        backdrop[floor:] *= np.array([random.uniform(0.5, 0.9)] * 3) * [1.05, 1, 0.92]
    elif kind == 3:
        mottled = cv2.resize(
            random.normal(0, 1, (12, 10, 1)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC
        )
        backdrop += np.asarray(mottled)[..., None] * random.uniform(5, 18)
    return backdrop


def _jpeg(pixels: Pixels, random: np.random.Generator) -> bytes:
    return _encode(Image.fromarray(pixels), "JPEG", quality=int(random.integers(60, 95)))


def _turned(pixels: Pixels, orientation: int) -> bytes:
    """Return a JPEG that is stored turned, and upright once its EXIF `orientation` is applied."""
    undo = {6: 8, 8: 6}.get(orientation, orientation)  # all others are their own inverse
    exif = Image.Exif()
    exif[274] = orientation
    from tagger.imaging.reader import orient

    stored = orient(pixels, undo)
    return _encode(Image.fromarray(np.ascontiguousarray(stored)), "JPEG", quality=90, exif=exif)


def _cut_out(color: str, garment: str, random: np.random.Generator) -> bytes:
    mask, cloth = _cloth(color, garment, random)
    rgba = np.dstack([np.clip(cloth, 0, 255), mask * 255]).astype(np.uint8)
    return _encode(Image.fromarray(rgba), "PNG")


def _encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def _spoil(folder: Path, random: np.random.Generator) -> None:
    """Write what a catalog has too: half an upload, nothing at all, an error page, notes."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = _jpeg(draw("red", "shirt", random), random)
    (folder / "half-upload.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "cut-but-closed.jpg").write_bytes(whole[: len(whole) // 2] + b"\xff\xd9")
    (folder / "nothing.jpg").write_bytes(b"")
    (folder / "error-page.jpg").write_text("<!DOCTYPE html><title>503 Service Unavailable</title>")
    (folder / "noise.png").write_bytes(b"\x89PNG\r\n\x1a\n" + random.bytes(400))
    (folder / "notes.txt").write_text("retake item-00007, the collar is folded")
