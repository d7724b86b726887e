"""The nightly job: walk, plan, decode, infer, view, write, publish."""

import os
import resource
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.progress import Progress, say
from schemas.index import CHANGES, FORMAT_VERSION, RUN_COUNTS
from tagger.bundle import Bundle, installed_versions, load_bundle
from tagger.catalog import Walk, absolute_path, bucket_count, bucket_of
from tagger.decoding import CHUNK, Decoder, FileFacts
from tagger.errors import InputError, Refused, StoreError, TaggerError
from tagger.predictor import Backend, make_predictor
from tagger.rows import labels_table, make_rows, schema_of
from tagger.store import Index, Snapshot, SnapshotWriter, Staging, new_id

UNIT = 2000
"""Pictures of one bucket that are scored and staged together."""

MIN_FAILURES = 20
"""Fewer failures than this never refuse a run."""

MAX_GONE = 0.2
"""A larger share of pictures that vanish after the walk refuses a run, from `MIN_FAILURES` up."""

_LISTING = pa.schema(
    [("image_id", pa.string()), ("size", pa.int64()), ("mtime_ns", pa.int64()), ("bucket", pa.int32())]
)
_IDS = pa.schema([("image_id", pa.string())])
_VERSIONS = ("opencv-python-headless", "pillow", "openvino", "tensorflow", "pyarrow", "numpy")


@dataclass(frozen=True)
class TagOptions:
    """What `tagger tag` was asked to do."""

    catalog: str
    model: str
    index: str
    backend: Backend = "auto"
    workers: int = 0  # 0: one per core
    max_error_rate: float = 0.05
    exclude: Sequence[str] = ()


@dataclass
class Unit:
    """Up to `UNIT` pictures of one bucket, in order of `image_id`, and where their rows are staged."""

    bucket: int
    listing: pa.Table
    path: Path
    staged: bool
    failed: int  # of the staged rows


@dataclass
class Run:
    """What happened so far: the run record in the making."""

    record: dict[str, Any]
    counts: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    contents: list[npt.NDArray[np.uint64]] = field(default_factory=list)  # of what was scored: 8 bytes a picture

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0) + time.perf_counter() - start


def tag_catalog(options: TagOptions) -> dict[str, Any]:
    """Return the summary declared in `schemas.reports.TAG`, after publishing a snapshot of the whole catalog.

    Raises
    ------
    InputError, Refused, Locked
        Nothing is published then.
    """
    bundle = load_bundle(options.model)
    labels = labels_table(bundle)
    walk = Walk(options.catalog, exclude=options.exclude)
    index = Index(options.index)
    with index.writing(walk.root) as parent, _recorded(index, walk.root, bundle, options) as run:
        with run.stage("walk"):
            listing = list_catalog(walk, parent)
        if not len(listing):
            raise Refused(f"catalog {options.catalog!r} holds no picture; is it mounted? Nothing was changed")
        units = plan_units(listing, index.staging(bundle.model_id), schema_of(bundle.vocabulary))
        score_units(units, bundle, walk.root, options, index.staging(bundle.model_id), run)
        _check_still_there(run.counts, walk.root)
        snapshot_id = run.record["run_id"]
        with run.stage("publish"):
            writer = index.new_snapshot(snapshot_id)
            try:
                publish(writer, units, bundle, labels, parent, walk.root, run)
            finally:
                writer.discard()
            index.staging(bundle.model_id).clear()
        return _summary(run, walk, snapshot_id)


def list_catalog(walk: Walk, parent: Snapshot | None) -> pa.Table:
    """Return the catalog as a table (image_id, size, mtime_ns, bucket), sorted; some 100 bytes a picture."""
    batches, rows = [], []
    for image in walk:
        rows.append(image)
        if len(rows) == 65_536:
            batches.append(_listing_batch(rows))
            rows = []
    table = pa.Table.from_batches([*batches, _listing_batch(rows)], _LISTING)
    buckets = parent.manifest["buckets"] if parent else bucket_count(len(table))
    # The bucket depends on how many there are, so it is known only now.
    numbers = [
        pa.array([bucket_of(image_id, buckets) for image_id in chunk.to_pylist()], pa.int32())
        for chunk in table["image_id"].chunks
    ]
    table = table.set_column(3, "bucket", pa.chunked_array(numbers, pa.int32()))
    return table.sort_by([("bucket", "ascending"), ("image_id", "ascending")])


def plan_units(listing: pa.Table, staging: Staging, schema: pa.Schema) -> list[Unit]:
    """Return the units of work, bucket by bucket; those that an interrupted run finished are `staged`.

    A unit in which a failure may not have been the file's own fault (no permission, no time, no answer) is done again:
    that can be mended without a new mtime.
    """
    units = []
    buckets, starts = np.unique(listing["bucket"].to_numpy(), return_index=True)
    for bucket, start, end in zip(buckets, starts, [*starts[1:], len(listing)], strict=True):
        for at in range(int(start), int(end), UNIT):
            part = listing.slice(at, min(UNIT, int(end) - at))
            path = staging.unit_path(int(bucket), _fingerprints(part))
            rows = staging.read(path, schema)
            staged = rows is not None and len(rows) == len(part) and not _passing_faults(rows)
            failed = _failed(rows) if staged and rows is not None else 0
            units.append(Unit(int(bucket), part, path, staged, failed))
    return units


def score_units(
    units: Sequence[Unit], bundle: Bundle, root: str, options: TagOptions, staging: Staging, run: Run
) -> None:
    """Decode and infer every unit that is not staged yet, and stage its rows.

    Decode workers run ahead across the borders of units, so that the network never waits for a unit to end.

    Raises
    ------
    Refused
        If too many pictures fail.
    """
    todo = [unit for unit in units if not unit.staged]
    # Staged pictures were tried for this night too, so their failures count.
    run.counts["reused"] = run.counts["tried"] = sum(len(unit.listing) for unit in units if unit.staged)
    run.counts["failed_now"] = sum(unit.failed for unit in units)
    _check_error_rate(run.counts, options.max_error_rate, sum(len(unit.listing) for unit in units))
    if not todo:
        return
    with run.stage("start"):
        predictor = make_predictor(bundle, options.backend)
    run.record["backend"] = predictor.backend
    total = sum(len(unit.listing) for unit in todo)
    workers = options.workers or os.cpu_count() or 1
    with Decoder(size=bundle.size, workers=workers) as decoder, Progress(total, "tagging") as progress:
        chunks = decoder.decode(_chunks(todo, root))
        for unit in todo:
            facts: list[FileFacts] = []
            logits: list[Any] = []
            while len(facts) < len(unit.listing):
                with run.stage("decode"):  # waiting for the workers, that is
                    chunk = next(chunks)
                with run.stage("infer"):
                    logits.append(predictor.logits(chunk.pixels))
                facts.extend(chunk.facts)
                progress.advance(len(chunk.facts))
            _count(facts, run)
            rest = 0 if unit is todo[-1] else total + run.counts["reused"]
            _check_error_rate(run.counts, options.max_error_rate, rest)
            with run.stage("write"):
                staging.write(unit.path, _rows(unit, facts, np.concatenate(logits), bundle))


def publish(
    writer: SnapshotWriter,
    units: Sequence[Unit],
    bundle: Bundle,
    labels: pa.Table,
    parent: Snapshot | None,
    root: str,
    run: Run,
) -> None:
    """Merge the units of each bucket into its part, write the change feed and the manifest, and publish."""
    schema, statuses = schema_of(bundle.vocabulary), Counter[str]()
    by_bucket: dict[int, list[Unit]] = {}
    for unit in units:
        by_bucket.setdefault(unit.bucket, []).append(unit)
    buckets = parent.manifest["buckets"] if parent else bucket_count(sum(len(unit.listing) for unit in units))
    for bucket in range(buckets):
        rows = _merge(by_bucket.get(bucket, []), schema)
        before = _old_ids(parent, bucket)
        if len(rows):
            writer.add_part(bucket, rows)
        writer.add_changes(_changes(rows["image_id"], before))
        was_there = pc.is_in(rows["image_id"], value_set=before)
        run.counts["rescored"] += pc.sum(was_there).as_py() or 0
        run.counts["deleted"] += len(before) - (pc.sum(was_there).as_py() or 0)
        run.counts["published_rows"] += len(rows)
        statuses.update({row["values"]: row["counts"] for row in rows["status"].value_counts().to_pylist()})
    run.counts["scored"] = len(np.unique(np.concatenate([np.array([], np.uint64), *run.contents])))
    run.counts["found"] = run.counts["published_rows"]
    run.counts["new"] = run.counts["found"] - run.counts["rescored"]
    run.counts["failed"] = run.counts["published_rows"] - statuses["ok"]
    manifest = {
        "parent": parent.path.name if parent else None,
        "catalog": root,
        "buckets": buckets,
        "model_id": bundle.model_id,
        "models": [bundle.model_id],
        "groups": [group.name for group in bundle.vocabulary.exclusive_groups],
        "statuses": dict(sorted(statuses.items())),
        "versions": run.record["versions"],
    }
    writer.publish(labels, manifest)


def _listing_batch(rows: list[Any]) -> pa.RecordBatch:
    ids, sizes, times = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.record_batch([pa.array(ids, pa.string()), sizes, times, np.zeros(len(rows), np.int32)], schema=_LISTING)


def _fingerprints(listing: pa.Table) -> Iterator[tuple[str, int, int]]:
    columns = (listing[name].to_pylist() for name in ("image_id", "size", "mtime_ns"))
    return zip(*columns, strict=True)


def _failed(rows: pa.Table) -> int:
    return len(rows) - int(pc.sum(pc.equal(rows["status"], "ok")).as_py() or 0)


def _passing_faults(rows: pa.Table) -> bool:
    unread = pc.and_(pc.is_null(rows["content_sha256"]), pc.not_equal(rows["status"], "too_large"))
    passing = pc.is_in(rows["status"], value_set=pa.array(["denied", "timeout", "crashed"]))
    return bool(pc.any(pc.or_(unread, passing)).as_py())


def _chunks(units: Sequence[Unit], root: str) -> Iterator[tuple[None, list[str]]]:
    for unit in units:
        ids = unit.listing["image_id"].to_pylist()
        for at in range(0, len(ids), CHUNK):
            yield None, [absolute_path(root, image_id) for image_id in ids[at : at + CHUNK]]


def _count(facts: Sequence[FileFacts], run: Run) -> None:
    there = [f for f in facts if f.status != "gone"]
    run.counts["tried"] += len(there)
    run.counts["gone"] += len(facts) - len(there)
    run.counts["failed_now"] += sum(f.status != "ok" for f in there)
    heads = [int(f.content_sha256[:16], 16) for f in there if f.status == "ok" and f.content_sha256]
    run.contents.append(np.array(heads, np.uint64))


def _check_error_rate(counts: Counter[str], limit: float, still_to_try: int) -> None:
    """Refuse a night with too many failures; before its end only if the rest can no longer mend the rate."""
    failed, tried = counts["failed_now"], counts["tried"]
    if failed >= MIN_FAILURES and failed > limit * max(tried, still_to_try):
        raise Refused(
            f"{failed:,} of {tried:,} pictures tried failed, more than {limit:.0%}; nothing was published. "
            "Look at the catalog, or allow it with --max-error-rate"
        )


def _check_still_there(counts: Counter[str], root: str) -> None:
    """Refuse a night in which the catalog went away after the walk: an unmounted share looks like deletions."""
    gone, tried = counts["gone"], counts["tried"]
    if (gone >= MIN_FAILURES and gone > MAX_GONE * (gone + tried)) or not tried or not os.path.isdir(root):
        raise Refused(f"{gone:,} pictures went away between walk and reading; is {root!r} mounted? Nothing was changed")


def _rows(unit: Unit, facts: Sequence[FileFacts], logits: Any, bundle: Bundle) -> pa.Table:
    kept = [i for i, f in enumerate(facts) if f.status != "gone"]
    ids = unit.listing["image_id"].to_pylist()
    return make_rows(
        [ids[i] for i in kept],
        [facts[i] for i in kept],
        logits[kept],
        vocabulary=bundle.vocabulary,
        thresholds=bundle.thresholds,
        model_id=bundle.model_id,
    )


def _merge(units: Sequence[Unit], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables([schema.empty_table(), *(pq.read_table(unit.path) for unit in units)])


def _old_ids(parent: Snapshot | None, bucket: int) -> pa.Array:
    part = parent.part(bucket) if parent else None
    if not parent or not part:
        return pa.array([], pa.string())
    try:
        table = pq.read_table(parent.path / part["file"], columns=["image_id"], schema=_IDS)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise StoreError(
            f"snapshot {parent.path.name}: {part['file']} cannot be read ({str(error).splitlines()[0]}); nothing was "
            "changed. 'tagger verify' lists what is damaged; restore the index from a backup, or tag into a new folder"
        ) from error
    return table["image_id"].combine_chunks()


def _changes(ids: pa.ChunkedArray, before: pa.Array) -> pa.Table:
    gone = before.filter(pc.invert(pc.is_in(before, value_set=ids.combine_chunks())))
    ops = ["upsert"] * len(ids) + ["delete"] * len(gone)
    return pa.table([pa.concat_arrays([ids.combine_chunks(), gone]), pa.array(ops, pa.string())], schema=CHANGES)


@contextmanager
def _recorded(index: Index, root: str, bundle: Bundle, options: TagOptions) -> Iterator[Run]:
    """Keep the run record: running, then how it ended, whatever ended it."""
    record = {
        "format_version": FORMAT_VERSION,
        "run_id": new_id(),
        "state": "running",
        "message": None,
        "command": list(sys.argv),
        "host": socket.gethostname(),
        "process": os.getpid(),
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "ended_at": None,
        "catalog": root,
        "model_id": bundle.model_id,
        "backend": None,
        "counts": {},
        "seconds": {},
        "peak_mib": 0.0,
        "versions": installed_versions(_VERSIONS),
    }
    run, start = Run(record), time.perf_counter()
    index.write_run(record)
    record["state"], record["message"] = "killed", "ended by a signal"
    try:
        yield run
        record["state"], record["message"] = "published", None
    except TaggerError as error:
        record["state"] = "refused" if isinstance(error, (Refused, InputError)) else "failed"
        record["message"] = str(error)
        raise
    except Exception as error:
        record["state"] = "failed"
        record["message"] = f"{type(error).__name__}: {error}"
        raise
    finally:
        run.seconds["total"] = time.perf_counter() - start
        peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        record |= {
            "counts": {name: run.counts[name] for name in RUN_COUNTS},
            "seconds": {name: round(seconds, 3) for name, seconds in run.seconds.items()},
            "peak_mib": round(max(peaks) / 1024, 1),
            "ended_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        index.write_run(record)


def _summary(run: Run, walk: Walk, snapshot_id: str) -> dict[str, Any]:
    seconds = run.seconds.get("decode", 0) + run.seconds.get("infer", 0)
    say(f"published {run.counts['published_rows']:,} rows as {snapshot_id}")
    return {
        "run_id": run.record["run_id"],
        "snapshot": snapshot_id,
        **{name: run.counts[name] for name in RUN_COUNTS},
        "skipped": dict(walk.skipped),
        "seconds": round(sum(run.seconds.values()), 3),
        "images_per_second": round((run.counts["tried"] - run.counts["reused"]) / seconds, 1) if seconds else 0.0,
        "exit_code": 0,
    }


def summary_text(summary: dict[str, Any]) -> str:
    """Return the summary as text for a terminal."""
    skipped = ", ".join(f"{n:,} {reason}" for reason, n in sorted(summary["skipped"].items())) or "nothing"
    return (
        f"{summary['found']:,} pictures, {summary['failed']:,} without scores; skipped: {skipped}\n"
        f"new {summary['new']:,}, scored again {summary['rescored']:,}, deleted {summary['deleted']:,}\n"
        f"{summary['seconds']:.1f} s, {summary['images_per_second']:.0f} images/s; snapshot {summary['snapshot']}"
    )
