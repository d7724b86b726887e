"""Patterns beside color and type, on thumbnails of 60 x 80. `make accuracy`; skipped without the
pictures.

Four networks for each seed, on the same parts: all three groups; color and type alone; patterns
alone; and all three, but five pairs of color and type kept out of training. BENCH_SEEDS=1 runs one
seed of the three. ACCURACY_MODELS=/path keeps the bundles, and takes those that are there already.
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from test_accuracy import models, say

from jobs.train import TrainOptions, start, train, training
from tagger.arrays import StrArray
from tagger.datasets.prepared_set import PreparedSet
from tagger.labels.vocabulary import Vocabulary
from tagger.models.bundle import load_bundle
from tagger.models.file_scoring import score_files
from tagger.pipeline.from_nothing import FromNothing
from tagger.pipeline.training import run_training

pytestmark = [pytest.mark.accuracy, pytest.mark.shared]
__all__ = ["models"]  # a fixture
SEEDS = [int(seed) for seed in os.environ.get("BENCH_SEEDS", "1,2,3").split(",")]
WITHOUT_PATTERN = 1_400
EPOCHS = 20
MIN_PICTURES = 40
KEPT_OUT = (  # each with several patterns, each color and each type elsewhere in training
    ("Blue", "Shirts"),
    ("Black", "Shirts"),
    ("Grey", "Tshirts"),
    ("Red", "Tshirts"),
    ("White", "Kurtas"),
)


@dataclass(frozen=True, kw_only=True)
class WithPartsOf(FromNothing):
    """A training whose pictures are in the parts that they have in another model."""

    like: Path = Path()

    def parts(self, prepared: PreparedSet, vocabulary: Vocabulary, *, seed: int) -> StrArray:
        return prepared.continued_split(load_bundle(self.like).split(), seed=seed)


@pytest.fixture(scope="session")
def table(shared: Path) -> pd.DataFrame:
    """The pictures: all with a pattern, and 1,400 others, drawn by their names."""
    products = shared / "products"
    rows = pd.read_csv(products / "styles.csv", dtype=str)[["image", "color", "type"]]
    patterns = pd.read_csv(products / "patterns.csv", dtype=str)
    rows = rows.merge(patterns[patterns["pattern"] != "floral"], how="left")  # eleven pictures
    order = rows["image"].map(lambda image: hashlib.sha256(image.encode()).hexdigest())
    others = order[rows["pattern"].isna()].sort_values().index[:WITHOUT_PATTERN]
    rows = rows[rows["pattern"].notna() | rows.index.isin(others)].reset_index(drop=True)
    files = [products / image for image in rows["image"]]
    return rows.assign(path=files, digest=[_digest(file) for file in files])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_pattern_is_known_by_its_texture(
    table: pd.DataFrame, models: Path, tmp_path: Path, seed: int
) -> None:
    """The seed's networks, on pictures that no training of the seed has seen."""
    full = trained(models, f"pattern{seed}", table, "color,type,pattern", seed)
    without = trained(models, f"nopattern{seed}", table, "color,type", seed, like=full)
    worn = table[table["pattern"].notna()]
    alone = trained(models, f"patternalone{seed}", worn, "pattern", seed, like=full)

    tested = table[part(full, table) == "test"]
    shown = tested[tested["pattern"].notna()]
    always = commonest(shown)
    beside, apart = measured(full, shown), measured(alone, shown)
    say(f"seed {seed}, patterns beside color and type", beside)
    say(f"seed {seed}, patterns alone", apart)
    say(f"seed {seed}, always the commonest", always)
    assert beside["all"] > always["all"] + 0.2
    assert beside["all"] > apart["all"] - 0.03
    for group in ("color", "type"):
        with_it, without_it = measured(full, tested, group), measured(without, tested, group)
        say(f"seed {seed}, {group}, with patterns", with_it)
        say(f"seed {seed}, {group}, without", without_it)
        assert with_it["all"] > without_it["all"] - 0.03
    for side in (0.75, 0.5, 0.25):
        small = shown.assign(path=shrunk(shown["path"], side, tmp_path))
        say(f"seed {seed}, patterns at {side} of the side", measured(full, small))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_pattern_is_known_on_colors_and_types_never_trained_together(
    table: pd.DataFrame, models: Path, seed: int
) -> None:
    full = trained(models, f"pattern{seed}", table, "color,type,pattern", seed)
    pairs = tuple(f"color:{color}+type:{kind}" for color, kind in KEPT_OUT)
    unseen = trained(
        models, f"patternpairs{seed}", table, "color,type,pattern", seed, hold_out_pairs=pairs
    )
    worn = table[table["pattern"].notna()]
    held = worn[[pair in KEPT_OUT for pair in zip(worn["color"], worn["type"], strict=True)]]
    assert set(part(unseen, held)) == {"test"}
    always = commonest(held)
    found = measured(unseen, held)
    say(f"seed {seed}, pairs never trained", found)
    say(f"seed {seed}, always the commonest of them", always)
    same = held[part(full, held) == "test"]
    say(f"seed {seed}, those of the test part, never trained", measured(unseen, same))
    say(f"seed {seed}, those of the test part, trained", measured(full, same))
    assert found["all"] > always["all"] + 0.1


def trained(
    models: Path,
    name: str,
    rows: pd.DataFrame,
    groups: str,
    seed: int,
    *,
    like: Path | None = None,
    hold_out_pairs: tuple[str, ...] = (),
) -> Path:
    """Return a bundle, trained as `tagger train` does unless it is there."""
    if not (models / f"{name}-v1").is_dir():
        models.mkdir(parents=True, exist_ok=True)
        labels = models / f"{name}.csv"
        root = os.path.commonpath([*rows["path"]])
        columns = ["image", *groups.split(",")]
        rows[columns].to_csv(labels, index=False)
        options = TrainOptions(
            (str(labels),),
            str(models),
            name,
            groups,
            image_root=root,
            seed=seed,
            epochs=EPOCHS,
            min_pictures=MIN_PICTURES,
            hold_out_pairs=hold_out_pairs,
        )
        if like is None:
            train(options)
        else:
            plain = start(options)
            given = {field.name: getattr(plain, field.name) for field in fields(plain)}
            run_training(training(options), WithPartsOf(**given, like=like))
    return models / f"{name}-v1"


def part(model: Path, rows: pd.DataFrame) -> StrArray:
    """Return str (n,): the part that each picture has in a model's split."""
    parts = load_bundle(model).parts()
    return np.array([parts.get(digest, "") for digest in rows["digest"]])


def measured(model: Path, rows: pd.DataFrame, group: str = "pattern") -> dict[str, Any]:
    """Return how many pictures have a label of the group that the model knows, and the share of
    them whose likeliest label is right; for patterns by label too."""
    bundle = load_bundle(model)
    members = bundle.vocabulary.members(group)
    names = np.array([bundle.vocabulary.labels[member].name for member in members])
    _, logits = score_files(bundle, [str(path) for path in rows["path"]])
    found = names[logits[:, members].argmax(axis=1)]
    known = rows[group].isin(names)
    right = (rows[group] == found)[known]
    by_label = right.groupby(rows[group]).mean() if group == "pattern" else pd.Series(dtype=float)
    return {"n": int(known.sum()), "all": round(float(right.mean()), 4)} | {
        str(name): round(float(share), 4) for name, share in by_label.items()
    }


def commonest(rows: pd.DataFrame) -> dict[str, Any]:
    """Return the commonest pattern, and the share of pictures that have it."""
    counts = rows["pattern"].value_counts()
    share = round(counts.iloc[0] / counts.sum(), 4)
    return {"n": int(counts.sum()), "pattern": str(counts.index[0]), "all": share}


def shrunk(paths: Iterable[Path], side: float, folder: Path) -> list[Path]:
    """Return copies whose sides are so many times as long, without loss."""
    kept = []
    for i, path in enumerate(paths):
        picture = cv2.imread(str(path))
        assert picture is not None
        small = cv2.resize(picture, None, fx=side, fy=side, interpolation=cv2.INTER_AREA)
        kept.append(folder / f"{side}-{i}.png")
        cv2.imwrite(str(kept[-1]), small)
    return kept


@cache
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
