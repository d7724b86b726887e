"""The catalog teaches too: a model's own sure answers on pictures that nobody labelled.

The story is that of Q. Xie et al., "Self-training with Noisy Student improves ImageNet
classification", 2020: a first model answers for the pictures as they are; where it is sure, a
second one, begun as the first was, learns these answers from pictures that are strongly changed.
The second is kept if the validation part says that it is better.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec import structs

from schemas.split import SPLIT
from schemas.training import UnlabelledTaught
from tagger.arrays import Float32Array, Float64Array, Int64Array
from tagger.catalog import Walk
from tagger.cpus import usable_cpus
from tagger.datasets.pixel_cache import decode_to_disk, take_room
from tagger.datasets.prepared_set import PreparedSet
from tagger.datasets.unlabelled import Unlabelled, may_teach, paths_of
from tagger.errors import InputError
from tagger.exclusions import Exclusions
from tagger.imaging.preprocessing import Reading
from tagger.labels.pseudo_labels import SURE, pseudo_labels
from tagger.pipeline.fitting import Fitted, fit_set, lesson_of
from tagger.pipeline.resuming import WorkFolder
from tagger.pipeline.split_set import SplitSet
from tagger.pipeline.starting_point import NetworkStart
from tagger.progress import Progress, say
from tagger.settings import setting
from tagger.training.recipe import Recipe
from tagger.training.training_data import TrainingData

LABELLED_SHARE = 1 / 3
"""Of the second training's pictures, at least so many are labelled ones, repeated if need be."""
FEWEST = 20
"""Sure pictures below which a second training is not worth its time."""
STRONG = 0.5
"""Share of the second training's pictures with a piece of another in them."""
MOST_TIMES = 10
"""Sure pictures that teach are at most so many times the labelled ones of the train part."""
NOISE = 1.0
"""Standard errors by which the second model's loss must be smaller: where it was a little smaller,
or a little larger, answers to other pictures had become worse."""
STEPS_TIMES = 2
"""How many times as many steps the second training takes."""


@dataclass(frozen=True)
class Taught:
    """What was fitted, and what the catalog had to do with it."""

    split: SplitSet
    fitted: Fitted
    report: UnlabelledTaught


def catalog_paths(catalog: str | None, exclude: Sequence[str], *, seed: int) -> list[str]:
    """Return the paths of an unlabelled catalog's pictures; none if there is no such catalog.

    Raises
    ------
    InputError, Refused
        If it cannot be read, or holds no picture.
    """
    if catalog is None:
        return []
    paths = paths_of(Walk(catalog, exclude=Exclusions(exclude)), seed=seed)
    if not paths:
        raise InputError(
            f"{setting('unlabelled')} {catalog!r}: there is no picture in it that "
            f"{setting('exclude')} lets in; name the folder that holds the catalog's pictures, or "
            "leave it out"
        )
    return paths


def decode_unlabelled(
    paths: Sequence[str],
    prepared: PreparedSet,
    seen: pa.Table | None,
    folder: Path,
    reading: Reading,
    *,
    workers: int,
) -> Unlabelled:
    """Return the pictures that may teach, decoded into `folder`.

    Parameters
    ----------
    seen : pa.Table or None
        The split.parquet of a trunk: what that was measured on teaches nothing.
    """
    with Progress(len(paths), "decoding the catalog") as progress:
        cache = decode_to_disk(
            folder, paths, reading, workers=workers or usable_cpus(), progress=progress.advance
        )
    measured = [] if seen is None else seen.to_pylist()
    kept_out = {row["content_sha256"] for row in measured if row["part"] != "train"}
    found = may_teach(cache, prepared, kept_out)
    say(
        f"{len(found.rows):,} of {len(paths):,} pictures without labels may teach; the others "
        "cannot be read, are there twice, or look like labelled ones"
    )
    return found


def teach_itself(
    first: Fitted,
    split: SplitSet,
    unlabelled: Unlabelled,
    start: Callable[[SplitSet], NetworkStart],
    recipe: Recipe,
    work: WorkFolder,
) -> Taught:
    """Return what is kept: the model fitted with the catalog, or the first one.

    Parameters
    ----------
    start : callable (split)
        Returns what fitting begins with, as the first training did.
    recipe : Recipe
        How the first one was fitted.
    """
    from tagger.training.validation import calibrated_losses

    without = calibrated_losses(first.network, lesson_of(split))
    targets = _sure_answers(first.network, split, unlabelled)
    sure = _surely_answered(targets, most=MOST_TIMES * len(split.rows("train")), seed=recipe.seed)
    report = UnlabelledTaught(
        pictures=len(unlabelled.rows),
        sure=len(sure),
        kept=False,
        loss_without=float(np.nanmean(without)),
    )
    if len(sure) < FEWEST:
        say(
            f"the model is sure of {len(sure):,} of them: too few to learn from; they teach nothing"
        )
        return Taught(split, first, report)
    say(
        f"the model is sure of {len(sure):,} of them (p {SURE} or more); it is trained once more, "
        "with these answers"
    )
    lesson = _lesson(split, unlabelled, sure, targets[sure], work.path / "lesson.npy")
    digests = np.array(unlabelled.digests)[sure].tolist()
    longer = _longer(recipe, len(split.rows("train")), len(lesson.train))
    second = fit_set(
        split,
        start(split),
        longer,
        work.again(_decisive(longer, digests, targets[sure])),
        lesson=lesson,
    )
    change, noise = _difference(calibrated_losses(second.network, lesson_of(split)), without)
    kept = change < -NOISE * noise
    loss_with = report.loss_without + change
    report = structs.replace(report, loss_with=loss_with, noise=noise, kept=kept)
    losses = (
        f"loss on the validation part {loss_with:.4f}, without them {report.loss_without:.4f}, "
        f"their difference known to ± {noise:.4f}"
    )
    if not kept:
        say(f"pictures without labels are left out again: {losses}")
        return Taught(split, first, report)
    say(f"pictures without labels taught something: {losses}")
    return Taught(replace(split, table=_with_taught(split.table, digests)), second, report)


def _difference(losses: Float64Array, others: Float64Array) -> tuple[float, float]:
    """Return by how much the mean of the losses of the same pictures is larger, and its standard
    error; 0 of fewer than two pictures."""
    apart = losses - others
    apart = apart[~np.isnan(apart)]
    noise = float(apart.std(ddof=1) / np.sqrt(len(apart))) if len(apart) > 1 else 0.0
    return float(apart.mean()), noise


def _surely_answered(targets: Float32Array, *, most: int, seed: int) -> Int64Array:
    """Return int64: the pictures of which something is sure, at most so many of them, in order."""
    sure = np.flatnonzero(~np.isnan(targets).all(axis=1))
    drawn = np.random.default_rng([seed, 6]).permutation(sure)[:most]
    return np.sort(drawn)


def _longer(recipe: Recipe, labelled: int, pictures: int) -> Recipe:
    """Return the recipe for the second training: twice the steps of the first, and every picture
    changed as a set of the labelled size is, with pieces of others besides."""
    steps = STEPS_TIMES * recipe.epochs * recipe.steps(labelled)
    once = replace(recipe, passes=1, patched=max(recipe.patched, STRONG))
    return replace(once, epochs=max(2, round(steps / once.steps(pictures))))


def _decisive(recipe: Recipe, digests: Sequence[str], targets: Float32Array) -> object:
    """Return all that decides what the second training does, as JSON."""
    taught = hashlib.sha256(targets.tobytes()).hexdigest()
    return [asdict(recipe), list(digests), taught]


def _sure_answers(network: Any, split: SplitSet, unlabelled: Unlabelled) -> Float32Array:
    """Return float32 (n, n_labels): what a network surely says of the pictures, NaN elsewhere.

    It is calibrated by the validation part, and sees each picture as it is and mirrored.
    """
    from tagger.training.calibration import calibrate
    from tagger.training.validation import predict_both_ways

    rows = split.rows("validation")
    scale, shift = calibrate(predict_both_ways(network, split.pixels, rows), split.targets[rows])
    logits = predict_both_ways(network, unlabelled.cache.pixels, unlabelled.rows)
    return pseudo_labels((logits * scale + shift).astype(np.float32), split.vocabulary)


def _lesson(
    split: SplitSet, unlabelled: Unlabelled, sure: Int64Array, targets: Float32Array, file: Path
) -> TrainingData:
    """Return what the second network is fitted to; its pictures are copied to `file`.

    These are the train and the validation part and the sure pictures, in this order.
    """
    train = split.rows("train")
    labelled = np.concatenate([train, split.rows("validation")])
    rows = unlabelled.rows[sure]
    size = split.pixels.shape[1]
    shape = (len(labelled) + len(rows), size, size, 3)
    pixels = np.lib.format.open_memmap(file, "w+", np.uint8, shape)
    take_room(file)
    for at, row in enumerate(labelled.tolist()):
        pixels[at] = split.pixels[row]
    for at, row in enumerate(rows.tolist(), start=len(labelled)):
        pixels[at] = unlabelled.cache.pixels[row]
    share = LABELLED_SHARE / (1 - LABELLED_SHARE)
    times = max(1, math.ceil(share * len(rows) / len(train)))
    return TrainingData(
        pixels,
        np.concatenate([split.targets[labelled], targets]),
        train=np.concatenate(
            [*[np.arange(len(train))] * times, len(labelled) + np.arange(len(rows))]
        ),
        validation=np.arange(len(train), len(labelled)),
    )


def _with_taught(table: pa.Table, digests: Sequence[str]) -> pa.Table:
    """Return split.parquet with the pictures that taught without labels: the model knows them."""
    known = set(table["content_sha256"].to_pylist())
    rows = [
        {"content_sha256": digest, "cluster": digest, "part": "train", "judged": 0}
        for digest in digests
        if digest not in known
    ]
    return pa.concat_tables([table, pa.Table.from_pylist(rows, schema=SPLIT)]).sort_by(
        "content_sha256"
    )
