"""The end of the nightly job: merge rows bucket by bucket, write the change feed and the manifest,
publish."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import tagger.imaging.preprocessing
from schemas.index import RUN_COUNTS
from tagger.errors import StoreError
from tagger.index.merge import Donors, as_donors, fill_in, merge
from tagger.index.plan import Plan
from tagger.index.previous import Previous, counted
from tagger.index.rows import labels_table, schema_of
from tagger.index.snapshots import SnapshotWriter
from tagger.index.staging import UNSETTLED_COLUMN, Staged, is_pointer, read_unit
from tagger.models.bundle import Bundle
from tagger.nightly.run import Run
from tagger.nightly.scoring import StagedUnit

_NOTHING = pa.array([], pa.large_string())
_NOWHERE = np.zeros(0, np.int64)


class Publisher:
    """What the next snapshot is made of: carried rows, rows left in staging, and the units of this
    run.

    Parameters
    ----------
    plan : Plan
    previous : Previous
    staged : Staged
        What lay in staging before this run.
    units : sequence of StagedUnit
        What this run has staged.
    bundle : Bundle
    full : bool
        Whether scores of the parent snapshot are not to be used.
    """

    def __init__(
        self,
        plan: Plan,
        previous: Previous,
        staged: Staged,
        units: Sequence[StagedUnit],
        bundle: Bundle,
        *,
        full: bool = False,
    ) -> None:
        self._buckets, self._previous, self._bundle, self._full = (
            plan.buckets,
            previous,
            bundle,
            full,
        )
        self._schema = schema_of(bundle.vocabulary)
        self._units: defaultdict[int, list[StagedUnit]] = defaultdict(list)
        for unit in [*units, *_reused(plan, staged)]:
            self._units[unit.bucket].append(unit)
        self._files = [*(unit.path for unit in units), *staged.files]
        self._listing, self._carried = plan.listing, dict(plan.by_bucket(plan.carried))
        before = previous.parent.schema() if previous.parent else None
        self._same_schema = before is not None and before.equals(self._schema, check_metadata=True)
        self._statuses, self._models = Counter[str](), Counter[str]()
        self._unsettled = [_NOTHING]

    def merge(self, writer: SnapshotWriter, run: Run) -> None:
        """Write or link every part, and the change feed; count."""
        donors = self._donors()
        for bucket in range(self._buckets):
            run.counts.update(self._add_bucket(writer, bucket, donors))
        run.counts["found"] = run.counts["published_rows"]
        run.counts["failed"] = run.counts["published_rows"] - self._statuses["ok"]

    def publish(self, writer: SnapshotWriter, root: str, run: Run) -> bool:
        """Make the merged snapshot current; return False if it would not differ from the one that
        is."""
        parent, unsettled = self._previous.parent, pa.concat_arrays(self._unsettled)
        same_model = parent is not None and parent.manifest["model_id"] == self._bundle.model_id
        same_place = parent is not None and parent.manifest["catalog"] == root
        same_unsettled = set(unsettled.to_pylist()) == set(self._previous.unsettled.to_pylist())
        if same_model and same_place and same_unsettled and not writer.changed:
            return False
        models = sorted({*self._models, self._bundle.model_id})
        manifest = {
            "parent": parent.path.name if parent else None,
            "catalog": root,
            "buckets": self._buckets,
            "model_id": self._bundle.model_id,
            "models": models,
            "reader": tagger.imaging.preprocessing.READER,
            "groups": [group.name for group in self._bundle.vocabulary.exclusive_groups],
            "statuses": dict(sorted(self._statuses.items())),
            "counts": {name: run.counts[name] for name in RUN_COUNTS},
            "versions": run.record["versions"],
        }
        writer.publish(self._labels(models), unsettled, manifest)
        return True

    def _add_bucket(self, writer: SnapshotWriter, bucket: int, donors: Donors) -> Counter[str]:
        """Write one part, or link the old one where nothing in it changes; return the counts."""
        previous, parent = self._previous, self._previous.parent
        part = parent.part(bucket) if parent else None
        carried = self._carried.get(bucket, _NOWHERE)
        untouched = not self._units[bucket] and part and len(carried) == part["rows"]
        if parent and part and untouched and self._same_schema:
            writer.link_part(parent, part)
            self._statuses.update(previous.statuses[bucket])
            self._models.update(previous.models[bucket])
            return Counter({"unchanged": part["rows"], "published_rows": part["rows"]})
        ids = self._listing["image_id"].take(pa.array(carried)).combine_chunks()
        merged = merge(
            previous.rows(bucket, self._schema), ids, fill_in(self._fresh(bucket), donors)
        )
        if len(merged.rows):
            writer.add_part(bucket, merged.rows)
        writer.add_changes(merged.changes)
        self._statuses.update(counted(merged.rows["status"]))
        self._models.update(counted(merged.rows["model_id"].drop_null()))
        return merged.counts

    def _fresh(self, bucket: int) -> pa.Table:
        """Return the rows that were made for a bucket; notes which of them are unsettled."""
        tables = [self._schema.empty_table()]
        for unit in self._units[bucket]:
            rows = _read(unit)
            self._unsettled.append(
                rows.filter(rows[UNSETTLED_COLUMN])["image_id"]
                .cast(pa.large_string())
                .combine_chunks()
            )
            tables.append(rows.drop_columns(UNSETTLED_COLUMN).cast(self._schema))
        return pa.concat_tables(tables)

    def _donors(self) -> Donors:
        """Return the scores of every known content that waits for them: as many rows as were
        touched or moved."""
        waiting = [_NOTHING]
        for unit in (unit for units in self._units.values() for unit in units):
            rows = _read(unit, ["status", "model_id", "content_sha256"])
            waiting.append(
                rows.filter(is_pointer(rows))["content_sha256"]
                .cast(pa.large_string())
                .combine_chunks()
            )
        digests = pc.unique(pa.concat_arrays(waiting))
        found = [self._schema.empty_table()]
        for path in self._files if len(digests) else ():
            staged = read_unit(path)
            if staged is not None:
                wanted = pc.is_in(
                    staged["content_sha256"].cast(pa.large_string()), value_set=digests
                )
                scored = staged.filter(pc.and_(wanted, pc.is_valid(staged["model_id"])))
                found.append(scored.drop_columns(UNSETTLED_COLUMN).cast(self._schema))
        if not self._full:
            found.append(self._previous.donors(digests, self._schema))
        return as_donors(pa.concat_tables(found))

    def _labels(self, models: Sequence[str]) -> pa.Table:
        """Return the labels of tonight's model, and of the older ones that rows still name."""
        tables = [labels_table(self._bundle)]
        older = [model for model in models if model != self._bundle.model_id]
        if older and self._previous.parent:
            before = self._previous.parent.labels()
            tables.append(before.filter(pc.is_in(before["model_id"], value_set=pa.array(older))))
        return pa.concat_tables(tables)


def _reused(plan: Plan, staged: Staged) -> Iterator[StagedUnit]:
    """Yield the rows of earlier runs' units that the plan takes."""
    taken = np.flatnonzero(plan.staged >= 0)
    keys = staged.keys.select(["file", "row"]).take(pa.array(plan.staged[taken]))
    files, rows = keys["file"].to_numpy(), keys["row"].to_numpy()
    buckets = plan.bucket[taken]
    order = np.lexsort([files, buckets])
    places = np.stack([buckets[order], files[order]], axis=1)
    starts = np.flatnonzero(np.any(np.diff(places, axis=0, prepend=-1), axis=1))
    for here in np.split(order, starts[1:]) if len(order) else ():
        yield StagedUnit(int(buckets[here[0]]), staged.files[int(files[here[0]])], rows[here])


def _read(unit: StagedUnit, columns: list[str] | None = None) -> pa.Table:
    rows = read_unit(unit.path, columns)
    if rows is None:
        raise StoreError(
            f"{str(unit.path)!r} was there a moment ago and cannot be read; is anyone else writing?"
        )
    return rows if unit.rows is None else rows.take(pa.array(unit.rows))
