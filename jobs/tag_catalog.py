"""The nightly job: walk, plan, decode, infer, view, write, publish."""

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.progress import say
from jobs.run_record import Run, new_run, recorded, refused_at_the_door
from jobs.tag_publishing import Publisher
from jobs.tag_scoring import MIN_FAILURES, Scoring, StagedUnit, check_error_rate, score
from tagger.bundle import Bundle, load_bundle
from tagger.catalog import Walk, bucket_count
from tagger.contents import Contents, Keys, keys_of
from tagger.errors import InputError, Locked, Refused, TaggerError, TimeUp
from tagger.plan import LISTING, Plan, Rules, make_plan, tables_of
from tagger.predictor import Backend
from tagger.previous import Previous
from tagger.rows import schema_of
from tagger.snapshots import Snapshot
from tagger.staging import Staged, Staging, scored_contents, staged_schema
from tagger.store import Index

MIN_DELETIONS = 20
"""Fewer deletions than this never refuse a run."""

MAX_GONE = 0.2
"""A larger share of pictures that vanish after the walk refuses a run, from `MIN_FAILURES` up."""


@dataclass(frozen=True)
class TagOptions:
    """What `tagger tag` was asked to do; its help says what each means."""

    catalog: str
    model: str
    index: str
    backend: Backend = "auto"
    workers: int = 0  # 0: one per core
    decode_timeout: float = 60.0
    max_error_rate: float = 0.05
    max_delete_rate: float = 0.2
    retry_errors: bool = False
    full: bool = False
    backfill_limit: int | None = None
    exclude: Sequence[str] = ()
    max_seconds: float | None = None
    keep: int = 7

    @property
    def rules(self) -> Rules:
        """What to read again though it looks the same."""
        return Rules(self.full, self.retry_errors, self.backfill_limit)


def tag_catalog(options: TagOptions) -> dict[str, Any]:
    """Return the summary declared in `schemas.reports.TAG`, after making the index equal to the catalog.

    Raises
    ------
    InputError, Refused, Locked, TimeUp
        Nothing is published then; the error's `report` is the summary.
    """
    until = _deadline(options)
    index = Index(options.index)
    try:
        bundle, walk = load_bundle(options.model), Walk(options.catalog, exclude=options.exclude)
    except InputError as error:
        refused_at_the_door(index, options.catalog, error)
        raise
    run = new_run(walk.root, bundle.model_id)
    try:
        with index.writing(walk.root) as parent, recorded(index.runs, run):
            run.record["snapshot"] = parent.path.name if parent else None
            tag_night(index, parent, walk, bundle, options, until, run)
    except Locked as error:
        refused_at_the_door(index, walk.root, error)
        raise
    except TaggerError as error:
        error.report = run.summary()
        raise
    return run.summary()


def tag_night(
    index: Index, parent: Snapshot | None, walk: Walk, bundle: Bundle, options: TagOptions, until: float, run: Run
) -> None:
    """Do one night's work on an index whose lock is held."""
    staging = index.staging(bundle.model_id, full=options.full)
    previous, staged, plan = plan_night(staging, parent, walk, bundle, options, until, run)
    if nothing_to_do(plan, parent, bundle):
        carry_everything(previous, run)
    else:
        known = known_contents(previous, staged, options)
        index.check_space(estimated_bytes(plan, parent, bundle))
        count_staged(plan, staged, run)
        units: list[StagedUnit] = []
        if plan.counts["to_read"]:
            how = Scoring(options.backend, options.workers, options.decode_timeout, options.max_error_rate, until)
            units = score(plan, bundle, walk.root, staging, known, how, run)
        check_error_rate(run.counts, options.max_error_rate, 0)
        check_still_there(run.counts, walk)
        with run.stage("publish"):
            buckets = bucket_number(plan, parent)
            publisher, writer = (
                Publisher(plan, previous, staged, units, bundle),
                index.new_snapshot(run.record["run_id"]),
            )
            try:
                publisher.merge(writer, buckets, run)
                check_deletions(run.counts["deleted"], len(previous.known), options)
                check_not_empty(run.counts["found"], walk.root)
                published = publisher.publish(writer, buckets, walk.root, run)
            finally:
                writer.discard()
        run.record["state"] = "published" if published else "unchanged"
        run.record["snapshot"] = run.record["run_id"] if published else run.record["snapshot"]
    staging.clear()
    index.retire(options.keep)
    say(ending(run))


def plan_night(
    staging: Staging, parent: Snapshot | None, walk: Walk, bundle: Bundle, options: TagOptions, until: float, run: Run
) -> tuple[Previous, Staged, Plan]:
    """Return what was there, what lies in staging, and what is to be done; writes nothing but into `run`.

    Raises
    ------
    Refused
        If there is no picture, a folder cannot be listed, or too many pictures are gone.
    """
    with run.stage("walk"):
        listing = list_catalog(walk, until)
    run.record["skipped"] = dict(walk.skipped)
    check_not_empty(len(listing), walk.root)
    with run.stage("plan"):
        previous = Previous(parent, bundle.model_id)
        if options.backfill_limit is not None and parent:
            check_columns_stay(parent, bundle)
        staged = staging.list(staged_schema(schema_of(bundle.vocabulary)))
        # Looked at only where rows that wait for the scores of a known content are in staging.
        contents = Contents(known_contents(previous, staged, options) if len(staged.keys) else keys_of(_NONE))
        buckets = parent.manifest["buckets"] if parent else bucket_count(len(listing))
        plan = make_plan(listing, previous.known, previous.unsettled(), staged, contents, buckets, options.rules)
    run.record["plan"] = plan.counts
    check_deletions(plan.counts["deleted"], len(previous.known), options)
    return previous, staged, plan


def dry_run(options: TagOptions) -> dict[str, Any]:
    """Return the summary of the night that `tag_catalog` would begin; touches nothing.

    Raises
    ------
    InputError, Refused
        As the night itself would, as far as can be told before a picture is read.
    """
    bundle, walk = load_bundle(options.model), Walk(options.catalog, exclude=options.exclude)
    index = Index(options.index)
    parent = index.current_of(walk.root)
    run = new_run(walk.root, bundle.model_id)
    run.record |= {"run_id": None, "snapshot": parent.path.name if parent else None, "exit_code": 0}
    try:
        staging = index.staging(bundle.model_id, full=options.full)
        plan_night(staging, parent, walk, bundle, options, _deadline(options), run)
    except TaggerError as error:
        run.record["exit_code"] = error.exit_code
        error.report = run.summary()
        raise
    finally:
        planned = run.record["plan"]
        run.counts.update({name: planned.get(name, 0) for name in (*_KINDS, "found", "deleted")})
        run.counts.update({"reused": planned.get("staged", 0), "published_rows": planned.get("found", 0)})
        run.seconds["total"] = sum(run.seconds.values())
    return run.summary()


def list_catalog(walk: Walk, until: float) -> pa.Table:
    """Return the catalog as `tagger.plan.LISTING`.

    Raises
    ------
    TimeUp
        If the time is up.
    """
    tables = [LISTING.empty_table()]
    for table in tables_of(walk.by_folder()):
        tables.append(table)
        if time.monotonic() > until:
            raise TimeUp("the time that --max-seconds gives was up before the catalog was walked; nothing was changed")
    return pa.concat_tables(tables)


def nothing_to_do(plan: Plan, parent: Snapshot | None, bundle: Bundle) -> bool:
    """Return whether the current snapshot is what the catalog holds and the model says."""
    same_model = parent is not None and parent.manifest["model_id"] == bundle.model_id
    return same_model and bool(plan.carried.all()) and not plan.counts["deleted"]


def carry_everything(previous: Previous, run: Run) -> None:
    """Count a night that changes nothing."""
    rows, statuses = len(previous.known), sum(previous.statuses.values(), Counter[str]())
    run.counts.update({"found": rows, "unchanged": rows, "published_rows": rows, "failed": rows - statuses["ok"]})
    run.record["state"] = "unchanged"


def known_contents(previous: Previous, staged: Staged, options: TagOptions) -> Keys:
    """Return the keys of contents whose scores need not be computed; --full trusts none but its own."""
    chunks = scored_contents(staged.keys).chunks
    here = keys_of(pa.chunked_array(chunks, pa.string()))
    if options.full:
        return here
    there = previous.contents()
    both = np.concatenate([there, here])
    return np.ascontiguousarray(both[np.argsort(both[:, 0], kind="stable")]) if len(here) else there


def count_staged(plan: Plan, staged: Staged, run: Run) -> None:
    """Count the rows that an interrupted run left: its pictures were tried for this night too, so failures count."""
    here = np.flatnonzero(plan.staged >= 0)
    statuses = staged.keys["status"].take(pa.array(plan.staged[here])).to_pylist()
    failed = np.array([status != "ok" for status in statuses], bool)
    run.counts["reused"] = run.counts["tried"] = len(here)
    run.counts["failed_now"] = int(failed.sum())
    run.counts["failed_again"] = int((failed & plan.retried[here]).sum())


def estimated_bytes(plan: Plan, parent: Snapshot | None, bundle: Bundle) -> int:
    """Return what staging, the rewritten parts and the change feed may take on the disk."""
    parts = parent.manifest["parts"] if parent else []
    per_row = 200 + 8 * len(bundle.vocabulary)  # from what real catalogs took: the digest alone does not compress
    touched = set(np.unique(plan.bucket[~plan.carried]).tolist())
    rewritten = sum(part["bytes"] for part in parts if part["bucket"] in touched)
    return int(rewritten + 2 * per_row * (~plan.carried).sum())


def bucket_number(plan: Plan, parent: Snapshot | None) -> int:
    """Return how many buckets the index has: fixed when it is created."""
    return int(parent.manifest["buckets"]) if parent else bucket_count(len(plan.listing))


def check_not_empty(pictures: int, root: str) -> None:
    """Refuse a catalog without a picture: an unmounted share looks like one."""
    if not pictures:
        raise Refused(f"catalog {root!r} holds no picture; is it mounted? Nothing was changed")


def check_deletions(deleted: int, before: int, options: TagOptions) -> None:
    """Refuse a night that would delete too many rows."""
    if deleted >= MIN_DELETIONS and deleted > options.max_delete_rate * before:
        raise Refused(
            f"{deleted:,} of {before:,} pictures are gone, more than {options.max_delete_rate:.0%}; nothing was "
            "changed. Is everything mounted? If they are meant to be gone, allow it with --max-delete-rate 1"
        )


def check_still_there(counts: Counter[str], walk: Walk) -> None:
    """Refuse a night in which the catalog went away after the walk: an unmounted share looks like deletions."""
    gone, tried = counts["gone"], counts["tried"]
    if not walk.is_still_there() or (gone >= MIN_FAILURES and gone > MAX_GONE * (gone + tried)):
        raise Refused(
            f"{gone:,} pictures went away between walk and reading; is {walk.root!r} mounted? Nothing was changed; "
            "start again when the catalog is there"
        )


def check_columns_stay(parent: Snapshot, bundle: Bundle) -> None:
    """Refuse to keep rows of an older model for a later night where tonight's model lacks their columns."""
    labels = parent.labels()
    now = {(label.group, label.name, label.column) for label in bundle.vocabulary.labels}
    before = set(zip(*(labels[name].to_pylist() for name in ("group", "label", "column")), strict=True))
    views = {group.name for group in bundle.vocabulary.exclusive_groups}
    turned = {group for group, _, _ in before} & (views ^ set(parent.manifest["groups"]))
    if before - now or turned:
        lacking = ", ".join(sorted(f"{group}:{label}" for group, label, _ in before - now)) or ", ".join(sorted(turned))
        raise InputError(
            f"--backfill-limit keeps rows of older models, and the model {bundle.name} does not have their {lacking}; "
            "score all at once (without --backfill-limit), or retrain from the model that scored them"
        )


def ending(run: Run) -> str:
    """Return the line that ends a night's log."""
    if run.record["state"] == "unchanged":
        return f"nothing has changed: {run.record['snapshot']} stays, {run.counts['published_rows']:,} rows"
    return f"published {run.counts['published_rows']:,} rows as {run.record['snapshot']}"


def summary_text(summary: dict[str, Any], *, dry: bool = False) -> str:
    """Return the summary as text for a terminal."""
    skipped = ", ".join(f"{n:,} {reason}" for reason, n in sorted(summary["skipped"].items())) or "nothing"
    counts = ", ".join(f"{summary[name]:,} {name}" for name in (*_KINDS, "deleted"))
    lines = [f"{summary['found']:,} pictures: {counts}; skipped: {skipped}"]
    if dry:
        plan = summary["plan"]
        lines.append(f"to read: {plan['to_read']:,}; already staged: {plan['staged']:,}. Nothing was touched")
    else:
        again = f"{summary['touched']:,} touched with the same bytes, {summary['reused']:,} from an interrupted run"
        lines.append(f"{summary['scored']:,} contents scored, {again}")
        lines.append(f"{summary['failed']:,} without scores, {summary['failed_now']:,} of them tried tonight")
        rate = f"{summary['images_per_second']:.0f} images/s"
        lines.append(f"{summary['seconds']:.1f} s, {rate}; snapshot {summary['snapshot']}")
    return "\n".join(lines)


_KINDS = ("new", "changed", "rescored", "unchanged")
_NONE = pa.chunked_array([], pa.string())


def _deadline(options: TagOptions) -> float:
    return time.monotonic() + (options.max_seconds if options.max_seconds is not None else math.inf)
