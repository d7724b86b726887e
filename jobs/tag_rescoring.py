"""Scores from stored features: a model with the same trunk needs no picture, only the head's product with them."""

import time
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.progress import Progress
from jobs.run_record import Run
from jobs.tag_scoring import StagedUnit
from tagger.bundle import Bundle
from tagger.errors import TimeUp
from tagger.features import FeatureStore
from tagger.plan import UNIT, Mask, Plan
from tagger.previous import Previous
from tagger.rows import rescored_rows, schema_of
from tagger.staging import Staging


def find_features(plan: Plan, previous: Previous, store: FeatureStore) -> Mask:
    """Return bool (n,): the pictures of the plan whose rows can be made of their last row and stored features."""
    result = np.zeros(len(plan.listing), bool)
    waiting = plan.outdated & ~plan.carried & (plan.staged < 0)
    if not waiting.any() or not store.exists():
        return result
    places = np.flatnonzero(waiting)
    for bucket in np.unique(plan.bucket[places]):
        here = places[plan.bucket[places] == bucket]
        rows = previous.contents_of(int(bucket))
        at = pc.index_in(plan.listing["image_id"].take(pa.array(here)), value_set=rows["image_id"])
        digests = rows["content_sha256"].take(at)
        result[here] = store.find(digests).file >= 0
    return result


def rescore(
    plan: Plan, previous: Previous, store: FeatureStore, bundle: Bundle, staging: Staging, until: float, run: Run
) -> list[StagedUnit]:
    """Return the staged units of all pictures that the plan takes from features; touches no picture.

    Raises
    ------
    TimeUp
        If the time is up; what was done is staged.
    """
    schema, head = schema_of(bundle.vocabulary), bundle.head()
    units: list[StagedUnit] = []
    places = np.flatnonzero(plan.from_features)
    with Progress(len(places), "rescoring") as progress, run.stage("rescore"):
        for bucket in np.unique(plan.bucket[places]):
            ids = plan.listing["image_id"].take(pa.array(places[plan.bucket[places] == bucket]))
            rows = previous.rows(int(bucket), schema)
            rows = rows.filter(pc.is_in(rows["image_id"].cast(pa.large_string()), value_set=ids))
            for at in range(0, len(rows), UNIT):
                if time.monotonic() > until:
                    raise TimeUp("the time that --max-seconds gives was up; what was done is kept for the next run")
                some = rows.slice(at, UNIT)
                found = store.find(some["content_sha256"])
                logits = store.read(found).astype(np.float32) @ head.kernel + head.bias
                unit = StagedUnit(int(bucket), staging.unit(f"{run.record['run_id']}f", len(units), plan.buckets), None)
                staging.write(unit.path, rescored_rows(some, logits, bundle, datetime.now(UTC)))
                units.append(unit)
                progress.advance(len(some))
    run.counts["from_features"] = len(places)
    return units
