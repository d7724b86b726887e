"""Scores from stored features: a model with the same trunk needs no picture, only the head's
product with them."""

import time
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.arrays import BoolArray, Float16Array, Int64Array
from tagger.errors import StoreError, TimeUp
from tagger.index.features import FeatureStore
from tagger.index.plan import UNIT, Plan
from tagger.index.previous import Previous
from tagger.index.rows import rescored_rows, schema_of
from tagger.index.staging import Staging
from tagger.models.bundle import Bundle
from tagger.nightly.run import Run
from tagger.nightly.scoring import StagedUnit
from tagger.progress import Progress, say
from tagger.settings import setting


def find_features(plan: Plan, previous: Previous, store: FeatureStore) -> BoolArray:
    """Return bool (n,): the pictures of the plan whose rows can be made of their last row and
    stored features."""
    result = np.zeros(len(plan.listing), bool)
    waiting = plan.outdated & ~plan.carried & (plan.staged < 0)
    if waiting.any() and store.exists():
        for bucket, here in plan.by_bucket(waiting):
            rows = previous.contents_of(bucket)
            at = pc.index_in(
                plan.listing["image_id"].take(pa.array(here)), value_set=rows["image_id"]
            )
            result[here] = store.find(rows["content_sha256"].take(at)).file >= 0
    return result


def rescore(
    plan: Plan,
    previous: Previous,
    store: FeatureStore,
    bundle: Bundle,
    staging: Staging,
    until: float,
    run: Run,
) -> tuple[Plan, list[StagedUnit]]:
    """Return the plan with what is still to be read, and the staged units of all else; touches no
    picture.

    Raises
    ------
    TimeUp
        If the time is up; what was done is staged.
    """
    units: list[StagedUnit] = []
    head = bundle.head()
    done = np.zeros(len(plan.listing), bool)
    with Progress(int(plan.from_features.sum()), "rescoring") as progress, run.stage("rescore"):
        for bucket, here in plan.by_bucket(plan.from_features):
            if time.monotonic() > until:
                raise TimeUp(
                    f"the time that {setting('max_seconds')} gives was up; what was done is kept "
                    "for the next "
                    "run"
                )
            rows = _last_rows(plan, previous, bundle, bucket, here)
            features = _features(store, rows)
            if features is None:
                continue
            for at in range(0, len(rows), UNIT):
                logits = features[at : at + UNIT].astype(np.float32) @ head.kernel + head.bias
                path = staging.unit(f"{run.record['run_id']}f", len(units), plan.buckets)
                staging.write(
                    path, rescored_rows(rows.slice(at, UNIT), logits, bundle, datetime.now(UTC))
                )
                units.append(StagedUnit(bucket, path, None))
            done[here] = True
            progress.advance(len(rows))
    return plan.taking(done), units


def _features(store: FeatureStore, rows: pa.Table) -> Float16Array | None:
    """Return the features of these rows, or None if some are damaged: the pictures are read
    instead."""
    places = store.find(rows["content_sha256"])
    if (places.file < 0).any():  # in a file that was found damaged a moment ago
        return None
    try:
        return store.read(places)
    except StoreError as error:
        say(f"{error}; pictures are read instead")
        return None


def _last_rows(
    plan: Plan, previous: Previous, bundle: Bundle, bucket: int, here: Int64Array
) -> pa.Table:
    """Return the last rows of the pictures at these places, all of one bucket, with tonight's
    columns."""
    ids = plan.listing["image_id"].take(pa.array(here))
    rows = previous.rows(bucket, schema_of(bundle.vocabulary))
    return rows.filter(pc.is_in(rows["image_id"].cast(pa.large_string()), value_set=ids))
