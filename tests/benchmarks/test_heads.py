"""What a network takes for a dress: the woman's head above it. One training of full size: `make
accuracy`; skipped without the pictures.

ACCURACY_MODELS=/path keeps the model, and takes it if it is there already.
"""

from pathlib import Path

import cv2
import numpy as np
import pytest
from test_accuracy import models, say, trained

from tagger.arrays import Float32Array, Pixels
from tagger.imaging.reader import read_picture
from tagger.models.bundle import Bundle, load_bundle
from tagger.models.openvino_network import OpenVinoPredictor
from tagger.models.predictor import logits_of

pytestmark = [pytest.mark.accuracy, pytest.mark.shared]
__all__ = ["models"]  # a fixture
TAILS = 0.02
MARGIN = 6
"""Pixels left around a garment that a picture is cut to."""


@pytest.fixture(scope="module")
def bundle(shared: Path, models: Path) -> Bundle:
    return load_bundle(trained(models, "evidence1", shared / "fashion6", "color,garment", seed=1))


def squares(bundle: Bundle, files: list[Path]) -> Pixels:
    """Return uint8 (n, size, size, 3) RGB: the pictures as the network sees them."""
    return np.stack([read_picture(file.read_bytes(), bundle.reading).pixels for file in files])


def dress_and_shirt(bundle: Bundle, pixels: Pixels) -> Float32Array:
    """Return float32 (n, 2): the logits of dress and shirt."""
    names = [label.name for label in bundle.vocabulary.labels]
    logits = logits_of(OpenVinoPredictor(bundle), pixels)
    return logits[:, [names.index("dress"), names.index("shirt")]]


def test_example_4_is_a_shirt_once_its_head_is_painted_over(shared: Path, bundle: Bundle) -> None:
    example = sorted((shared / "examples").iterdir())[3]
    picture = squares(bundle, [example])[0]
    changed = {"as it is": picture, "no head": picture.copy(), "no trousers": picture.copy()}
    changed["no head"][:34] = 245
    changed["no trousers"][78:] = 245
    changed["cut to the shirt"] = cv2.resize(picture[28:86, 14:82], picture.shape[:2])
    found = dress_and_shirt(bundle, np.stack([*changed.values()]))
    answers = {name: [f"{x:.1f}" for x in row] for name, row in zip(changed, found, strict=True)}
    say("example 4, logits of dress and shirt", answers)
    assert found[1][1] > found[1][0]


def test_a_head_makes_a_blue_shirt_a_dress(shared: Path, bundle: Bundle) -> None:
    from tagger.training.garments import garment_region

    pixels = squares(bundle, sorted((shared / "apparel" / "blue_shirt").iterdir()))
    regions = np.concatenate(
        [
            garment_region(pixels[at : at + 64].astype(np.float32) / 255).numpy()[..., 0]
            for at in range(0, len(pixels), 64)
        ]
    )
    headless, cut = pixels.copy(), pixels.copy()
    for i, region in enumerate(regions):
        mass = np.cumsum(region.mean(axis=1))  # (size,)
        mass /= max(mass[-1], 1e-6)
        top = int((mass < TAILS).sum())
        bottom = int((mass < 1 - TAILS).sum()) + 1
        columns = np.flatnonzero(region.mean(axis=0) > 0.05)
        left, right = (columns[0], columns[-1] + 1) if len(columns) else (0, len(region))
        border = np.concatenate([pixels[i, 0], pixels[i, -1], pixels[i, :, 0], pixels[i, :, -1]])
        headless[i, :top] = np.median(border, axis=0)
        part = pixels[i, max(0, top - MARGIN) : bottom + MARGIN]
        part = part[:, max(0, left - MARGIN) : right + MARGIN]
        cut[i] = cv2.resize(part, region.shape)
    dresses = {}
    for name, pictures in (("as they are", pixels), ("no head", headless), ("cut", cut)):
        logits = dress_and_shirt(bundle, pictures)
        dresses[name] = logits[:, 0] > logits[:, 1]
    wrong = dresses["as they are"]
    say("blue shirts, and those more a dress than a shirt", [len(wrong), int(wrong.sum())])
    for name in ("no head", "cut"):
        mended = float((~dresses[name][wrong]).mean())
        spoilt = float(dresses[name][~wrong].mean())
        say(name, {"of these right": round(mended, 2), "of the others wrong": round(spoilt, 3)})
        assert mended > spoilt
