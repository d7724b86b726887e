"""The end of a night: merge rows bucket by bucket, write changes and manifest, publish."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import tagger.imaging.preprocessing
from schemas.index import Manifest, Part
from schemas.record import FORMAT_VERSION
from tagger.arrays import Int64Array
from tagger.errors import StoreError, TaggerError
from tagger.index.answer_counts import AnswerCounter
from tagger.index.columns import aligned, has_columns
from tagger.index.merge import Donors, Merged, as_donors, fill_in, merge, with_first_seen
from tagger.index.plan import Plan
from tagger.index.previous import counted
from tagger.index.rows import labels_table
from tagger.index.snapshots import Snapshot, SnapshotWriter
from tagger.index.staging import UNSETTLED_COLUMN, Staged, is_pointer, read_unit
from tagger.nightly.context import Agenda, Night
from tagger.nightly.gone import gone_ids
from tagger.nightly.guards import check_deletions, check_not_empty
from tagger.nightly.units import StagedUnit
from tagger.progress import warn

_NOTHING = pa.array([], pa.large_string())
_NOWHERE = np.zeros(0, np.int64)


def publish(night: Night, agenda: Agenda, units: Sequence[StagedUnit]) -> None:
    """Write the next snapshot and make it current, if it differs from the one that is.

    Raises
    ------
    Refused
        If too many rows would go, or none would be left.
    """
    run = night.run
    publisher = Publisher(night, agenda, units)
    writer = night.index.new_snapshot(run.run_id)
    try:
        publisher.merge(writer)
        _check_none_lost(night, agenda.plan)
        check_deletions(
            run.counts["deleted"],
            len(agenda.previous),
            limit=night.options.max_delete_rate,
            skipped=run.skipped,
            gone=lambda: gone_ids(agenda.previous, agenda.plan.listing),
        )
        check_not_empty(run.counts["found"], night.root)
        published = publisher.publish(writer)
    finally:
        writer.discard()
    run.end("published" if published else "unchanged")
    if published:
        run.snapshot = run.run_id
        if not publisher.uncounted:
            run.answers = publisher.answers.record(night.bundle.model_id)


def _check_none_lost(night: Night, plan: Plan) -> None:
    """Raise TaggerError unless every picture has a row, or went away meanwhile."""
    found = plan.counts.found
    gone = night.run.counts["gone"]
    rows = night.run.counts["published_rows"]
    if rows + gone != found:
        raise TaggerError(
            f"{found:,} pictures were found, {gone:,} went away and {rows:,} have rows: some were "
            "lost on the way, which is a fault of this program. Nothing was published; please "
            "report it with the run's record"
        )


class Publisher:
    """What the next snapshot is made of.

    Carried rows, rows left in staging, and the units of this run.

    Parameters
    ----------
    units : sequence of StagedUnit
        What this run has staged.

    Attributes
    ----------
    uncounted : bool
        Whether rows could not be counted.
    answers : AnswerCounter
        Of the rows that were merged.
    """

    def __init__(self, night: Night, agenda: Agenda, units: Sequence[StagedUnit]) -> None:
        self._night = night
        self._previous = agenda.previous
        self._buckets = agenda.plan.buckets
        self._listing = agenda.plan.listing
        self._carried = dict(agenda.plan.by_bucket(agenda.plan.carried))
        self._files = [*(unit.path for unit in units), *agenda.staged.files]
        self._units: defaultdict[int, list[StagedUnit]] = defaultdict(list)
        for unit in [*units, *_reused(agenda.plan, agenda.staged)]:
            self._units[unit.bucket].append(unit)
        before = night.parent.schema() if night.parent else None
        self._same_schema = (
            before is not None
            and before.names == night.schema.names
            and has_columns(before, night.schema)
        )
        self._statuses = Counter[str]()
        self._models = Counter[str]()
        self._unsettled = [_NOTHING]
        self.answers = AnswerCounter(night.judge.exclusive, night.judge.models)
        self.uncounted = False

    def merge(self, writer: SnapshotWriter) -> None:
        """Write or link every part, and the change feed; count."""
        counts = self._night.run.counts
        donors = self._donors()
        for bucket in range(self._buckets):
            counts.update(self._add_bucket(writer, bucket, donors))
        counts["found"] = counts["published_rows"]
        counts["failed"] = counts["published_rows"] - self._statuses["ok"]

    def publish(self, writer: SnapshotWriter) -> bool:
        """Make the merged snapshot current; return False if it would not differ."""
        unsettled = pa.concat_arrays(self._unsettled)
        if not writer.changed and self._is_the_same_night(unsettled):
            return False
        models = sorted({*self._models, self._night.bundle.model_id})
        written = writer.finish(self._labels(models), unsettled)
        writer.publish(
            Manifest(
                format_version=FORMAT_VERSION,
                snapshot=writer.snapshot_id,
                parent=self._night.parent.path.name if self._night.parent else None,
                created_at=datetime.now(UTC).isoformat(timespec="seconds"),
                catalog=self._night.root,
                buckets=self._buckets,
                model_id=self._night.bundle.model_id,
                models=models,
                reader=tagger.imaging.preprocessing.READER,
                groups=[group.name for group in self._night.bundle.vocabulary.exclusive_groups],
                parts=written.parts,
                labels_sha256=written.labels_sha256,
                changes_sha256=written.changes_sha256,
                unsettled_sha256=written.unsettled_sha256,
                rows=sum(part.rows for part in written.parts),
                statuses=dict(sorted(self._statuses.items())),
                counts=self._night.run.published_counts(),
                versions=self._night.run.versions,
                corrections=self._night.said.mark(),
            )
        )
        return True

    def _is_the_same_night(self, unsettled: pa.Array) -> bool:
        """Return whether all but the rows is as in the parent."""
        parent = self._night.parent
        if parent is None:
            return False
        same_model = parent.manifest.model_id == self._night.bundle.model_id
        same_place = parent.manifest.catalog == self._night.root
        # Else every later night would look for what it might change.
        same_words = parent.manifest.corrections == self._night.said.mark()
        before = set(self._previous.unsettled.to_pylist())
        return same_model and same_place and same_words and set(unsettled.to_pylist()) == before

    def _add_bucket(self, writer: SnapshotWriter, bucket: int, donors: Donors) -> Counter[str]:
        """Write one part, or link the old one where nothing in it changes; return the counts."""
        parent = self._night.parent
        part = parent.part(bucket) if parent else None
        carried = self._carried.get(bucket, _NOWHERE)
        untouched = not self._units[bucket] and part and len(carried) == part.rows
        as_it_was = bool(untouched and self._same_schema)
        if parent and part and as_it_was and bucket not in self._night.spoken:
            return self._link(writer, parent, part)
        merged = self._merged(bucket, carried, donors)
        if parent and part and as_it_was and not len(merged.changes):
            return self._link(writer, parent, part)
        if len(merged.rows):
            writer.add_part(bucket, merged.rows)
        writer.add_changes(merged.changes)
        self.answers.add(merged.rows, merged.arrived)
        self.answers.add_gone(merged.gone)
        self._statuses.update(counted(merged.rows["status"]))
        self._models.update(counted(merged.rows["model_id"].drop_null()))
        return merged.counts

    def _link(self, writer: SnapshotWriter, parent: Snapshot, part: Part) -> Counter[str]:
        writer.link_part(parent, part)
        try:
            self.answers.add(parent.read(part.file, self.answers.columns(parent.schema())))
        except StoreError as error:  # counting looks at more than linking: it costs no night
            warn(f"{error}. This night's shares will miss in the report")
            self.uncounted = True
        self._statuses.update(self._previous.statuses[part.bucket])
        self._models.update(self._previous.models[part.bucket])
        return Counter({"unchanged": part.rows, "published_rows": part.rows})

    def _merged(self, bucket: int, carried: Int64Array, donors: Donors) -> Merged:
        """Return the rows of a bucket: carried or made tonight, with what persons said."""
        night = self._night
        before = self._previous.rows(bucket, night.schema)
        ids = self._listing["image_id"].take(pa.array(carried)).combine_chunks()
        kept = before.filter(pc.is_in(before["image_id"].cast(pa.large_string()), value_set=ids))
        fresh = aligned(fill_in(self._fresh(bucket), donors), night.schema)
        fresh = with_first_seen(fresh, before, datetime.fromisoformat(night.run.started_at))
        if not night.heard:
            concerned = pa.array(night.judge.concerned(kept))
            fresh = pa.concat_tables([fresh, kept.filter(concerned)])
            kept = kept.filter(pc.invert(concerned))
        return merge(before, kept, night.judge.judged(fresh))

    def _fresh(self, bucket: int) -> pa.Table:
        """Return the rows that were made for a bucket; notes which of them are unsettled."""
        tables = [self._night.fresh_schema.empty_table()]
        for unit in self._units[bucket]:
            rows = _read(unit)
            ids = rows.filter(rows[UNSETTLED_COLUMN])["image_id"]
            self._unsettled.append(ids.cast(pa.large_string()).combine_chunks())
            tables.append(rows.drop_columns(UNSETTLED_COLUMN).cast(self._night.fresh_schema))
        return pa.concat_tables(tables)

    def _donors(self) -> Donors:
        """Return the scores of every known content that waits for them.

        As many rows as were touched or moved.
        """
        waiting = [_NOTHING]
        for unit in (unit for units in self._units.values() for unit in units):
            rows = _read(unit, ["status", "model_id", "content_sha256"])
            digests = rows.filter(is_pointer(rows))["content_sha256"]
            waiting.append(digests.cast(pa.large_string()).combine_chunks())
        wanted = pc.unique(pa.concat_arrays(waiting))
        schema = self._night.fresh_schema
        found = [schema.empty_table()]
        for path in self._files if len(wanted) else ():
            staged = read_unit(path)
            if staged is not None:
                digests = staged["content_sha256"].cast(pa.large_string())
                here = pc.and_(pc.is_in(digests, value_set=wanted), pc.is_valid(staged["model_id"]))
                found.append(staged.filter(here).drop_columns(UNSETTLED_COLUMN).cast(schema))
        if not self._night.options.full:
            found.append(self._previous.donors(wanted, schema))
        return as_donors(pa.concat_tables(found))

    def _labels(self, models: Sequence[str]) -> pa.Table:
        """Return the labels of tonight's model, and of the older ones that rows still name.

        Columns that a later version added stay.
        """
        tables = [labels_table(self._night.bundle)]
        older = [model for model in models if model != self._night.bundle.model_id]
        if self._night.parent:
            before = self._night.parent.labels()
            is_older = pc.is_in(before["model_id"], value_set=pa.array(older, pa.string()))
            tables.append(before.filter(is_older))
        return pa.concat_tables(tables, promote_options="default")


def _reused(plan: Plan, staged: Staged) -> Iterator[StagedUnit]:
    """Yield the rows of earlier runs' units that the plan takes."""
    taken = np.flatnonzero(plan.staged >= 0)
    keys = staged.keys.select(["file", "row"]).take(pa.array(plan.staged[taken]))
    files = keys["file"].to_numpy()
    rows = keys["row"].to_numpy()
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
