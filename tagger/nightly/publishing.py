"""The end of a night: merge rows bucket by bucket, write changes and manifest, publish."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import tagger.imaging.preprocessing
from schemas.index import Manifest
from schemas.record import FORMAT_VERSION
from tagger.arrays import Int64Array
from tagger.errors import StoreError, TaggerError
from tagger.index.answer_counts import AnswerCounter
from tagger.index.buckets import Numbers
from tagger.index.catalog_plan import CatalogPlan
from tagger.index.columns import aligned, has_columns
from tagger.index.merge import Donors, Merged, fill_in, merge, with_first_seen
from tagger.index.plan import Plan
from tagger.index.previous import counted
from tagger.index.rows import labels_table
from tagger.index.snapshots import SnapshotWriter
from tagger.index.staging import UNSETTLED_COLUMN
from tagger.nightly.context import Agenda, Night
from tagger.nightly.gone import gone_ids
from tagger.nightly.guards import check_deletions, check_not_empty
from tagger.nightly.known_scores import KnownScores, read_staged
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
            gone=lambda: gone_ids(agenda.previous, agenda.plan),
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


def _check_none_lost(night: Night, plan: CatalogPlan) -> None:
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


class _Section(NamedTuple):
    """What the rows of a partition's buckets are made of: positions of carried rows in the plan,
    staged units, and scores of known contents."""

    plan: Plan
    carried: dict[int, Int64Array]
    units: dict[int, list[StagedUnit]]
    donors: Donors


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
        self._plan = agenda.plan
        self._scores = KnownScores(night, agenda, [unit.path for unit in units])
        self._units: defaultdict[int, list[StagedUnit]] = defaultdict(list)
        for unit in units:
            self._units[unit.bucket].append(unit)
        before = night.parent.schema() if night.parent else None
        self._same_parts = (
            before is not None
            and before.names == night.schema.names
            and has_columns(before, night.schema)
            and agenda.previous.as_many
        )
        self._statuses = Counter[str]()
        self._models = Counter[str]()
        self._unsettled = [_NOTHING]
        self.answers = AnswerCounter(night.judge.exclusive, night.judge.models)
        self.uncounted = False

    def merge(self, writer: SnapshotWriter) -> None:
        """Write or link every part, and the change feed; count."""
        counts = self._night.run.counts
        for partition, buckets in enumerate(self._plan.partitions):
            stay = {bucket for bucket in buckets.tolist() if self._stays(bucket)}
            section = None if len(stay) == len(buckets) else self._section(partition, buckets)
            for bucket in buckets.tolist():
                if section is None or bucket in stay:
                    counts.update(self._link(writer, bucket))
                else:
                    counts.update(self._add_bucket(writer, bucket, section))
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
                buckets=self._plan.buckets,
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
        same_buckets = parent.manifest.buckets == self._plan.buckets
        if not (same_model and same_place and same_words and same_buckets):
            return False
        same_unsettled: bool = _sorted(unsettled).equals(_sorted(self._previous.unsettled))
        return same_unsettled

    def _stays(self, bucket: int) -> bool:
        """Return whether nothing changes in a bucket."""
        return self._untouched(bucket) and bucket not in self._night.spoken

    def _untouched(self, bucket: int) -> bool:
        """Return whether a bucket's part can be linked, unless persons' answers change it."""
        part = self._night.parent.part(bucket) if self._night.parent else None
        if part is None or not self._same_parts:
            return False
        return not self._plan.fresh[bucket] and self._plan.carried[bucket] == part.rows

    def _section(self, partition: int, buckets: Numbers) -> _Section:
        plan = self._plan.of(partition)
        units = {bucket: list(self._units.get(bucket, ())) for bucket in buckets.tolist()}
        for unit in _reused(plan, self._plan.files):
            units[unit.bucket].append(unit)
        carried = dict(plan.by_bucket(plan.carried))
        return _Section(plan, carried, units, self._scores.of(buckets))

    def _add_bucket(self, writer: SnapshotWriter, bucket: int, section: _Section) -> Counter[str]:
        """Write a part, or link the old one if nothing in it changes after all; return the
        counts."""
        merged = self._merged(bucket, section)
        if self._untouched(bucket) and not len(merged.changes):
            return self._link(writer, bucket)
        if len(merged.rows):
            writer.add_part(bucket, merged.rows)
        writer.add_changes(merged.changes)
        self.answers.add(merged.rows, merged.arrived)
        self.answers.add_gone(merged.gone)
        self._statuses.update(counted(merged.rows["status"]))
        self._models.update(counted(merged.rows["model_id"].drop_null()))
        return merged.counts

    def _link(self, writer: SnapshotWriter, bucket: int) -> Counter[str]:
        parent = self._night.parent
        part = parent.part(bucket) if parent else None
        assert parent is not None  # noqa: S101 - for the type checker
        assert part is not None  # noqa: S101 - it stays
        writer.link_part(parent, part)
        try:
            self.answers.add(parent.read(part.file, self.answers.columns(parent.schema())))
        except StoreError as error:  # counting looks at more than linking: it costs no night
            warn(f"{error}. This night's shares will miss in the report")
            self.uncounted = True
        self._statuses.update(self._previous.statuses[bucket])
        self._models.update(self._previous.models[bucket])
        return Counter({"unchanged": part.rows, "published_rows": part.rows})

    def _merged(self, bucket: int, section: _Section) -> Merged:
        """Return the rows of a bucket: carried or made tonight, with what persons said."""
        night = self._night
        before = self._previous.rows(bucket, night.schema)
        ids = section.plan.ids(section.carried.get(bucket, _NOWHERE))
        kept = before.filter(pc.is_in(before["image_id"].cast(pa.large_string()), value_set=ids))
        made = self._fresh(section.units[bucket])
        fresh = aligned(fill_in(made, section.donors), night.schema)
        fresh = with_first_seen(fresh, before, datetime.fromisoformat(night.run.started_at))
        if not night.heard:
            concerned = pa.array(night.judge.concerned(kept))
            fresh = pa.concat_tables([fresh, kept.filter(concerned)])
            kept = kept.filter(pc.invert(concerned))
        return merge(before, kept, night.judge.judged(fresh))

    def _fresh(self, units: Sequence[StagedUnit]) -> pa.Table:
        """Return the rows that were made for a bucket; notes which of them are unsettled."""
        tables = [self._night.fresh_schema.empty_table()]
        for unit in units:
            rows = read_staged(unit)
            ids = rows.filter(rows[UNSETTLED_COLUMN])["image_id"]
            self._unsettled.append(ids.cast(pa.large_string()).combine_chunks())
            tables.append(rows.drop_columns(UNSETTLED_COLUMN).cast(self._night.fresh_schema))
        return pa.concat_tables(tables)

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


def _sorted(ids: pa.Array) -> pa.Array:
    unique = pc.unique(ids)
    return unique.take(pc.sort_indices(unique))


def _reused(plan: Plan, files: Sequence[Path]) -> Iterator[StagedUnit]:
    """Yield the rows of earlier runs' units that the plan takes."""
    for bucket, here in plan.by_bucket(plan.staged):
        numbers = plan.staged_file[here]
        for number in np.unique(numbers).tolist():
            rows = plan.staged_row[here[numbers == number]]
            yield StagedUnit(bucket, files[number], rows)
