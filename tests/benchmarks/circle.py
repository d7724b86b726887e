"""The circle on the real pictures of apparel: a weak model tags a catalog, a simulated person who
knows the folder names corrects some of it, and the model is retrained with that."""

import hashlib
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jobs.evaluate import evaluate
from jobs.tag_catalog import TagOptions, tag_catalog
from jobs.train import TrainOptions, train
from schemas.corrections import Correction
from schemas.review import Wanted
from tagger.arrays import Int64Array
from tagger.datasets.dataset_reader import read_dataset
from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.prepared_set import prepare
from tagger.imaging.preprocessing import Reading
from tagger.index.corrections import CorrectionLog
from tagger.index.store import Index
from tagger.labels.vocabulary import parse_groups
from tagger.review.table import NightTable

GROUPS = "color,garment"
CORRECTED = 200
HELD_OUT, TENTH = 0.3, 0.1
SIDE = 48
"""Networks see pictures of half the usual side, so that nine trainings take an hour."""


@dataclass(frozen=True)
class Pictures:
    """All pictures, each cluster of near-duplicates named by a number.

    Attributes
    ----------
    labelled : LabelledSet
    rows, clusters : int64 (n,)
        Readable pictures, and the cluster of each.
    """

    labelled: LabelledSet
    rows: Int64Array
    clusters: Int64Array


@dataclass(frozen=True)
class World:
    """A labelled tenth, a catalog whose file names say nothing, and a part nobody saw."""

    folder: Path
    truth: dict[str, str]

    @property
    def tenth(self) -> Path:
        return self.folder / "tenth"

    @property
    def catalog(self) -> Path:
        return self.folder / "catalog"

    @property
    def held_out(self) -> Path:
        return self.folder / "held-out"


def read_pictures(apparel: Path, folder: Path) -> Pictures:
    labelled = read_dataset(apparel, groups=parse_groups(GROUPS))
    ready = prepare(labelled, folder, Reading(96), workers=1, progress=lambda _: None)
    return Pictures(labelled, ready.rows, ready.clusters)


def make_world(pictures: Pictures, folder: Path, *, seed: int, trial: bool = False) -> World:
    """Return the parts, as files; the part nobody saw is the same for every seed.

    In a trial, by which choices are made, that part is left aside altogether, and another one of
    the same size is taken from the rest.
    """
    seen, held_out = _drawn(pictures.clusters, np.arange(len(pictures.rows)), HELD_OUT, seed=0)
    if trial:
        seen, held_out = _drawn(pictures.clusters, seen, HELD_OUT / (1 - HELD_OUT), seed=seed)
    share = TENTH * len(pictures.rows) / len(seen)
    catalog, tenth = _drawn(pictures.clusters, seen, share, seed=seed)
    world = World(folder, {})
    for where, part in ((world.tenth, tenth), (world.held_out, held_out), (world.catalog, catalog)):
        for i in part:
            example = pictures.labelled.examples[pictures.rows[i]]
            named, suffix = example.image_id.split("/")[0], Path(example.path).suffix.lower()
            name = f"{i:05d}{suffix}"
            target = where / name if where == world.catalog else where / named / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(example.path, target)
            if where == world.catalog:
                world.truth[name] = named
    return world


def _drawn(
    clusters: Int64Array, among: Int64Array, share: float, *, seed: int
) -> tuple[Int64Array, Int64Array]:
    """Return the pictures that are left and those that were drawn, by whole clusters."""
    names = np.random.default_rng(seed).permutation(np.unique(clusters[among]))
    order = {name: i for i, name in enumerate(names.tolist())}
    place = np.array([order[name] for name in clusters[among].tolist()])
    sizes = np.bincount(place)
    taken = place < np.searchsorted(np.cumsum(sizes), share * len(among))
    return among[~taken], among[taken]


def train_weak(world: World, models: Path, *, seed: int) -> Path:
    return _trained(world, models, "weak", seed=seed)


def tag(world: World, model: Path, index: Path) -> None:
    tag_catalog(TagOptions(str(world.catalog), str(model), str(index), workers=1, force_model=True))


def least_sure(index: Path) -> list[str]:
    """Return the pictures that the review page shows first by `least_sure`."""
    store = Index(index)
    snapshot = store.current()
    assert snapshot is not None
    night = NightTable.load(store, snapshot)
    found = night.find(Wanted(order="least_sure"), 0, CORRECTED)
    return [picture.image_id for picture in found.pictures]


def at_random(index: Path, *, seed: int) -> list[str]:
    rows = pd.read_parquet((index / "current").resolve(), columns=["image_id", "status"])
    images = sorted(rows.loc[rows["status"] == "ok", "image_id"])
    return list(np.random.default_rng(seed).permutation(images)[:CORRECTED])


def correct(world: World, index: Path, images: list[str], copy: Path) -> Path:
    """Return a copy of the index in which these pictures are corrected."""
    shutil.copytree(index, copy, symlinks=True)
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    CorrectionLog(copy).append(
        [
            Correction(
                format_version=1,
                at=now,
                who="simulated",
                content_sha256=hashlib.sha256((world.catalog / image_id).read_bytes()).hexdigest(),
                image_id=image_id,
                group=group,
                label=label,
                answer="is",
            )
            for image_id in images
            for group, label in zip(
                ("color", "garment"), world.truth[image_id].split("_"), strict=True
            )
        ]
    )
    return copy


def trained_again(world: World, index: Path, models: Path, name: str, *, seed: int) -> Path:
    """Return the model that the tenth and the corrections make."""
    return _trained(world, models, name, seed=seed, corrections=str(index))


def _trained(world: World, models: Path, name: str, **more: Any) -> Path:
    sets = (str(world.tenth),)
    small = {"size": SIDE}
    options = TrainOptions(sets, str(models), name, GROUPS, architecture=small, workers=1, **more)
    return Path(train(options).bundle)


def measured(model: Path, pictures: Path) -> dict[str, float]:
    """Return the shares of pictures with the right color, garment and both, in percent."""
    found = evaluate(str(model), [str(pictures)]).evaluation
    both = sum(row.both_right for row in found.combinations)
    shares = {row.group: 100 * (row.right or 0) for row in found.groups}
    shares |= {"both": 100 * both / found.pictures, "macro AP": 100 * (found.macro_ap or 0)}
    return {name: round(share, 2) for name, share in shares.items()}
