"""Scores from stored features: a model with the same trunk needs no picture.

Its scores are the head's product with what the trunk made of the content before.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.arrays import BoolArray, Float16Array
from tagger.errors import StoreError, TimeUp
from tagger.index.catalog_plan import CatalogPlan
from tagger.index.features import FeatureStore
from tagger.index.plan import UNIT, Plan
from tagger.index.previous import Previous
from tagger.index.rows import rescored_rows
from tagger.nightly.context import Agenda, Night
from tagger.nightly.units import StagedUnit
from tagger.progress import Progress, warn
from tagger.settings import setting


def find_features(plan: Plan, previous: Previous, store: FeatureStore) -> BoolArray:
    """Return bool (n,): the pictures whose rows can be made of their last row and features."""
    result = np.zeros(len(plan.listing), bool)
    waiting = plan.outdated & ~plan.carried & ~plan.staged
    if waiting.any() and store.exists():
        for bucket, here in plan.by_bucket(waiting):
            rows = previous.contents_of(bucket)
            at = pc.index_in(plan.ids(here), value_set=rows["image_id"])
            result[here] = store.find(rows["content_sha256"].take(at)).file >= 0
    return result


def rescore(night: Night, agenda: Agenda) -> tuple[Agenda, list[StagedUnit]]:
    """Return what is still to be done, and the units staged from features; touches no picture.

    Raises
    ------
    TimeUp
        If the time is up; what was done is staged.
    """
    plan = agenda.plan
    total = plan.counts.from_features
    units: list[StagedUnit] = []
    damaged = Counter[int]()
    if not total:
        return agenda, units
    with Progress(total, "rescoring") as progress, night.run.stage("rescore"):
        for bucket, ids in _by_bucket(plan):
            _check_time(night.until)
            rows = _last_rows(night, agenda, bucket, ids)
            features = _features(night.features, rows)
            if features is None:
                damaged[bucket] += len(ids)
                continue
            run_id = f"{night.run.run_id}f"
            for fresh in _rescored(night, rows, features):
                path = night.staging.unit(run_id, len(units), bucket, plan.buckets)
                night.staging.write(path, fresh)
                units.append(StagedUnit(bucket, path, None))
            night.run.counts["from_features"] += len(ids)
            progress.advance(len(rows))
    return replace(agenda, plan=plan.reading(damaged, damaged.total())), units


def _by_bucket(plan: CatalogPlan) -> Iterator[tuple[int, pa.Array]]:
    """Yield buckets, and the ids in them whose rows are made from features."""
    for part in plan:
        for bucket, here in part.by_bucket(part.from_features):
            yield bucket, part.ids(here)


def _rescored(night: Night, rows: pa.Table, features: Float16Array) -> Iterator[pa.Table]:
    """Yield the rows with new scores, a unit at a time; features are (n, width)."""
    head = night.head
    for at in range(0, len(rows), UNIT):
        some = features[at : at + UNIT].astype(np.float32)
        logits = some @ head.kernel + head.bias
        yield rescored_rows(rows.slice(at, UNIT), logits, some, night.bundle, datetime.now(UTC))


def _check_time(until: float) -> None:
    if time.monotonic() > until:
        raise TimeUp(f"the time that {setting('max_seconds')} gives was up")


def _features(store: FeatureStore, rows: pa.Table) -> Float16Array | None:
    """Return the features of these rows, float16 (n, width), or None if some are damaged.

    The pictures are read instead.
    """
    places = store.find(rows["content_sha256"])
    if (places.file < 0).any():  # in a file that was found damaged a moment ago
        return None
    try:
        return store.read(places)
    except StoreError as error:
        warn(f"{error}; pictures are read instead")
        return None


def _last_rows(night: Night, agenda: Agenda, bucket: int, ids: pa.Array) -> pa.Table:
    """Return the last rows of the pictures with these ids, all of one bucket.

    They have tonight's columns.
    """
    rows = agenda.previous.rows(bucket, night.fresh_schema)
    return rows.filter(pc.is_in(rows["image_id"].cast(pa.large_string()), value_set=ids))
