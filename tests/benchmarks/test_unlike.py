"""Whether pictures unlike any that a model was trained on are noticed. One training of ten minutes:
`make accuracy`, or `pytest -s -m accuracy tests/benchmarks/test_unlike.py`; skipped without the
pictures.

ACCURACY_MODELS=/path keeps the bundle, and takes it if it is there. UNLIKE_MODEL=MODEL is another
model, one that knows clothes of shops alone, to ask about phone photographs.
"""

import os
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from non_garments import KINDS, draw_non_garment
from sklearn.metrics import roc_auc_score
from test_accuracy import models, say, trained

import tagger

pytestmark = [pytest.mark.accuracy, pytest.mark.shared]
__all__ = ["models"]  # a fixture
KNOWN = ("dress", "shirt", "pants")
"""What apparel calls the garments that the model knows."""
PAIRS = ("blue_dress", "red_dress", "blue_shirt", "blue_pants")
"""Folders of apparel whose pair the model was trained on."""
EACH = 50


def asked(model: str, pictures: list[Path]) -> pd.DataFrame:
    with tagger.load(model) as loaded:
        table = loaded.predict(pictures)
    return table[table["status"] == "ok"].reset_index(drop=True)


def of_folders(apparel: Path, *words: str) -> list[Path]:
    return sorted(
        path
        for folder in apparel.iterdir()
        if folder.name in words or folder.name.split("_")[1] in words
        for path in folder.iterdir()
    )


def auroc(near: pd.Series, far: pd.Series) -> float:
    truth = np.repeat([0, 1], [len(near), len(far)])
    return float(roc_auc_score(truth, np.concatenate([near, far])))


def test_shoes_and_drawn_things_are_told_from_garments(
    shared: Path, models: Path, tmp_path: Path
) -> None:
    model = str(trained(models, "evidence1", shared / "fashion6", "color,garment", seed=1))
    random = np.random.default_rng(0)
    drawn = [tmp_path / kind / f"{i}.png" for kind in KINDS for i in range(EACH)]
    for path in drawn:
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), draw_non_garment(path.parent.name, random)[..., ::-1])
    things = asked(model, drawn)
    shoes = asked(model, of_folders(shared / "apparel", "shoes"))
    garments = asked(model, of_folders(shared / "apparel", *KNOWN))
    far = pd.concat([shoes["unlikeness"], things["unlikeness"]])
    found = {
        "shoes": auroc(garments["unlikeness"], shoes["unlikeness"]),
        "drawn": auroc(garments["unlikeness"], things["unlikeness"]),
        "both": auroc(garments["unlikeness"], far),
    }
    say("AUROC against garments of apparel", found)
    beyond = {
        "garments": garments,
        "shoes": shoes,
        "drawn": things,
    }
    say(
        "share beyond the limit",
        {k: float((t["unlikeness"] > 1).mean()) for k, t in beyond.items()},
    )
    silent = shoes["garment"].isna()
    withheld = silent | (shoes["unlikeness"] > 1)
    say(
        "shoes without a garment: as it is, withheld",
        [float(silent.mean()), float(withheld.mean())],
    )
    costs = {}
    for pair in PAIRS:
        rows = asked(model, of_folders(shared / "apparel", pair))
        color, garment = pair.replace("pants", "jeans").split("_")
        right = (rows["color"] == color) & (rows["garment"] == garment)
        kept = right & ~(rows["unlikeness"] > 1)
        costs[pair] = [len(rows), float(right.mean()), float(kept.mean())]
    say("pairs: pictures, right, right and not withheld", costs)
    assert found["both"] >= 0.9


def test_phone_photographs_against_shop_thumbnails(shared: Path) -> None:
    """Reported alone: a picture of a shirt on a bed is a shirt, and not unlike one."""
    model = os.environ.get("UNLIKE_MODEL")
    if model is None:
        pytest.skip("UNLIKE_MODEL names no model")
    names = pd.read_csv(shared / "phones" / "labels.csv", dtype=str)["image"]
    phones = asked(model, [shared / "phones" / name for name in names])
    thumbnails = sorted((shared / "products").glob("*/*.jpg"))
    shop = asked(model, thumbnails[:: len(thumbnails) // 2000])
    say("AUROC of phones against products", auroc(shop["unlikeness"], phones["unlikeness"]))
    beyond = [float((table["unlikeness"] > 1).mean()) for table in (phones, shop)]
    say("share beyond the limit: phones, products", beyond)
    assert beyond[0] > beyond[1]
