"""Domains of labelled pictures in three fixed folds, and few labels of them."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from circle import read_pictures

FOLDS = 3
ALWAYS_TRAINED = -1
"""The fold of pictures that no fold tests on."""
EACH: tuple[int | None, ...] = (10, 30, 100, None)
"""Pictures of each type that a training gets; None is all."""
TYPES = 8
LARGEST = 2


@dataclass(frozen=True)
class Domain:
    """Pictures of a few types.

    Attributes
    ----------
    name : str
    root : Path
    rows : DataFrame
        image (below `root`), type, fold.
    """

    name: str
    root: Path
    rows: pd.DataFrame

    def training(self, fold: int, each: int | None) -> pd.DataFrame:
        """Return so many pictures of each type that the fold does not test on: always the same
        ones, and all where there are fewer."""
        others = self.rows[self.rows["fold"] != fold]
        order = others["image"].map(_digest)
        drawn = (
            others.assign(order=order)
            .sort_values("order")
            .groupby("type")
            .head(each or len(others))
        )
        return drawn.sort_values("image")[["image", "type"]]

    def unlabelled(self, fold: int, each: int | None) -> list[str]:
        """Return the pictures that the fold neither tests on nor gives the labels of."""
        others = self.rows.loc[self.rows["fold"] != fold, "image"]
        return sorted(set(others) - set(self.training(fold, each)["image"]))

    def tested(self, fold: int) -> pd.DataFrame:
        """Return the pictures that the fold tests on."""
        return self.rows[self.rows["fold"] == fold][["image", "type"]]


def phones(shared: Path) -> Domain:
    """Return phone photographs of the eight commonest types; a sender is in one fold.

    The two largest senders are always trained on. The others are dealt, the largest first, each to
    the fold that has the fewest pictures.
    """
    rows = pd.read_csv(shared / "phones" / "labels.csv", dtype=str)
    commonest = rows["type"].value_counts().index[:TYPES]
    largest = rows["sender"].value_counts().index[:LARGEST]
    rows = rows[rows["type"].isin(commonest)]
    folds = dealt(rows.loc[~rows["sender"].isin(largest), "sender"])
    rows = rows.assign(fold=rows["sender"].map(folds).fillna(ALWAYS_TRAINED).astype(int))
    return Domain("phones", shared / "phones", rows[["image", "type", "fold"]])


def apparel(shared: Path, folder: Path) -> Domain:
    """Return the types of shop photographs; near-duplicates are in one fold."""
    pictures = read_pictures(shared / "apparel", folder)
    examples = [pictures.labelled.examples[row] for row in pictures.rows]
    kinds = [next(name for group, name in each.present if group == "garment") for each in examples]
    clusters = pd.Series(pictures.clusters.astype(str))
    rows = pd.DataFrame(
        {
            "image": [each.image_id for each in examples],
            "type": kinds,
            "fold": clusters.map(dealt(clusters)),
        }
    )
    return Domain("apparel", shared / "apparel", rows)


def dealt(owners: Iterable[str]) -> Mapping[str, int]:
    """Return a fold for each owner of pictures: the largest first, to the fold that has fewest."""
    counts = pd.Series(list(owners)).value_counts()
    order = sorted(counts.index, key=lambda owner: (-counts[owner], _digest(owner)))
    filled = [0] * FOLDS
    folds = {}
    for owner in order:
        folds[owner] = filled.index(min(filled))
        filled[folds[owner]] += int(counts[owner])
    return folds


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
