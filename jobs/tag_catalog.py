"""The nightly job: walk, plan, decode, infer, view, write, publish."""

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from jobs.models import check_gate
from tagger.catalog import Walk
from tagger.digests import Contents, DigestKeys, keys_of, sorted_keys
from tagger.errors import GateFailed, InputError, TaggerError, TimeUp
from tagger.exclusions import Exclusions, complaint
from tagger.index.features import FeatureStore
from tagger.index.plan import LISTING, Plan, Rules, make_plan, tables_of
from tagger.index.previous import Previous
from tagger.index.rows import schema_of
from tagger.index.snapshots import Snapshot
from tagger.index.staging import Staged, Staging, staged_schema
from tagger.index.store import Index
from tagger.models.bundle import Bundle, load_bundle
from tagger.models.predictor import Backend
from tagger.models.starter import STARTER
from tagger.nightly.guards import (
    check_backfill_can_wait,
    check_columns_stay,
    check_deletions,
    check_not_empty,
    check_starter_is_meant,
    check_still_there,
    estimated_bytes,
)
from tagger.nightly.publishing import Publisher
from tagger.nightly.rescoring import find_features, rescore
from tagger.nightly.run import Run, new_run, recorded, refused_at_the_door
from tagger.nightly.scoring import Scoring, StagedUnit, check_error_rate, check_machine, score
from tagger.progress import say


@dataclass(frozen=True)
class TagOptions:
    """What `tagger tag` was asked to do; its help says what each means."""

    catalog: str
    model: str | None  # None: the starter that comes with the package
    index: str
    backend: Backend = "auto"
    engine: Literal["local", "ray"] = "local"
    workers: int = 0  # 0: one per core
    decode_timeout: float = 60.0
    max_error_rate: float = 0.05
    max_delete_rate: float = 0.2
    force_model: bool = False
    replace_columns: bool = False
    retry_errors: bool = False
    full: bool = False
    features: bool = False
    backfill_limit: int | None = None
    exclude: Sequence[str] = ()
    include: Sequence[str] = ()
    same_catalog: bool = False
    max_seconds: float | None = None
    keep: int = 7

    @property
    def rules(self) -> Rules:
        """What to read again though it looks the same."""
        return Rules(self.full, self.retry_errors, self.backfill_limit)


def tag_catalog(options: TagOptions) -> dict[str, Any]:
    """Return the summary declared in `schemas.reports.TAG`, after making the index equal to the
    catalog.

    Raises
    ------
    InputError, GateFailed, Refused, Locked, TimeUp
        Nothing is published then; the error's `report` is the summary.
    """
    until, index, run = _deadline(options), Index(options.index), new_run(options.catalog)
    try:
        bundle, walk = _model(options), _walk(options)
    except (InputError, GateFailed) as error:
        refused_at_the_door(index, run, error)
        raise
    run.record |= {"catalog": walk.root, "model_id": bundle.model_id}
    try:
        with index.writing(walk.root, moved=options.same_catalog) as parent, recorded(index, run):
            tag_night(index, parent, walk, bundle, options, until, run)
    except TaggerError as error:
        error.report = run.summary()
        if (
            run.record["state"] == "running"
        ):  # not even begun: locked, or an index that is not for this catalog
            refused_at_the_door(index, run, error)
        raise
    return run.summary()


def tag_night(
    index: Index,
    parent: Snapshot | None,
    walk: Walk,
    bundle: Bundle,
    options: TagOptions,
    until: float,
    run: Run,
) -> None:
    """Do one night's work on an index whose lock is held."""
    run.record["snapshot"] = parent.path.name if parent else None
    index.retire(options.keep)
    staging = index.staging(bundle.model_id, full=options.full)
    features = index.features(bundle.features_id, bundle.width)
    night = plan_night(staging, features, parent, walk, bundle, options, until, run)
    plan = night.plan
    if nothing_to_do(plan, parent, bundle, walk.root):
        carry_everything(night.previous, run)
    else:
        width = features.width if options.features else 0
        index.check_space(estimated_bytes(plan, parent, bundle, features=width))
        count_staged(plan, night.staged, run)
        units: list[StagedUnit] = []
        if plan.counts["from_features"]:
            plan, units = rescore(plan, night.previous, features, bundle, staging, until, run)
            run.record["plan"] = plan.counts
        if plan.counts["to_read"]:
            kept = features if options.features else None
            how = Scoring(
                options.backend,
                options.workers,
                options.decode_timeout,
                options.max_error_rate,
                until,
                kept,
            )
            units += engine(options.engine)(plan, bundle, walk.root, staging, night.known, how, run)
        check_machine(run, ended=True)
        check_error_rate(run.counts, options.max_error_rate, 0)
        check_still_there(run.counts["gone"], plan.counts["found"], walk, options.max_delete_rate)
        publisher = Publisher(plan, night.previous, night.staged, units, bundle, full=options.full)
        with run.stage("publish"):
            publish(index, publisher, plan, night.previous, walk.root, options, run)
    index.keep_features(features, bundle.path, everything_read=options.full and options.features)
    if run.counts["lacking"]:
        say(
            f"{run.counts['lacking']:,} pictures wait for the next night, since they could not be "
            f"read: {run.lack}"
        )
    say(last_line(run))
    staging.clear()


def engine(name: Literal["local", "ray"]) -> Callable[..., list[StagedUnit]]:
    """Return what reads, scores and stages: this process and its decoders, or the workers of a Ray
    cluster."""
    if name == "local":
        return score
    from jobs.ray_engine import score_with_ray

    return score_with_ray


class Night(NamedTuple):
    """What a night starts from, and what it has to do; `known` are contents whose scores need not
    be computed."""

    previous: Previous
    staged: Staged
    known: DigestKeys
    plan: Plan


def plan_night(
    staging: Staging,
    features: FeatureStore,
    parent: Snapshot | None,
    walk: Walk,
    bundle: Bundle,
    options: TagOptions,
    until: float,
    run: Run,
) -> Night:
    """Return what was there, what lies in staging, and what is to be done; writes nothing but into
    `run`.

    Raises
    ------
    InputError
        If the model does not fit the index and the options.
    Refused
        If columns would go, there is no picture, a folder cannot be listed, or too many pictures
        are gone.
    """
    if parent:
        check_model(parent, bundle, options)
    with run.stage("walk"):
        listing = list_catalog(walk, until)
    run.record["skipped"] = dict(walk.skipped)
    run.record["idle_patterns"] = [idle._asdict() for idle in walk.idle_patterns()]
    check_not_empty(len(listing), walk.root, walk.explanation())
    with run.stage("plan"):
        previous = Previous(parent, bundle.model_id)
        staged = staging.list(staged_schema(schema_of(bundle.vocabulary)))
        known = known_contents(previous, staged, options) if len(staged.keys) else keys_of(_NONE)
        buckets = parent.manifest["buckets"] if parent else None
        plan = make_plan(
            listing,
            previous.known(),
            previous.unsettled,
            staged,
            Contents(known),
            buckets,
            options.rules,
        )
        plan = plan.taking(find_features(plan, previous, features))
        if plan.counts["to_read"] and not len(staged.keys):
            known = known_contents(previous, staged, options)
    run.record["plan"] = plan.counts
    check_deletions(plan.counts["deleted"], len(previous), options.max_delete_rate, walk.skipped)
    return Night(previous, staged, known, plan)


def check_model(parent: Snapshot, bundle: Bundle, options: TagOptions) -> None:
    """Raise InputError or Refused if tonight's model is not meant for this index; looks at no
    picture."""
    if options.model is None:
        check_starter_is_meant(parent, bundle)
    if options.backfill_limit is not None:
        check_backfill_can_wait(parent, bundle, options.backfill_limit)
    if not options.replace_columns:
        check_columns_stay(parent, bundle)


def publish(
    index: Index,
    publisher: Publisher,
    plan: Plan,
    previous: Previous,
    root: str,
    options: TagOptions,
    run: Run,
) -> None:
    """Write the next snapshot and make it current, if it differs from the one that is."""
    writer = index.new_snapshot(run.record["run_id"])
    try:
        publisher.merge(writer, run)
        if run.counts["published_rows"] + run.counts["gone"] != plan.counts["found"]:
            raise TaggerError(
                f"{plan.counts['found']:,} pictures were found, {run.counts['gone']:,} went away "
                "and "
                f"{run.counts['published_rows']:,} have rows: some were lost on the way, which is "
                "a fault of this "
                "program. Nothing was published; please report it with the run's record"
            )
        check_deletions(
            run.counts["deleted"], len(previous), options.max_delete_rate, run.record["skipped"]
        )
        check_not_empty(run.counts["found"], root)
        published = publisher.publish(writer, root, run)
    finally:
        writer.discard()
    run.record["state"] = "published" if published else "unchanged"
    if published:
        run.record["snapshot"] = run.record["run_id"]


def dry_run(options: TagOptions) -> dict[str, Any]:
    """Return the summary of the night that `tag_catalog` would begin; touches nothing.

    Raises
    ------
    InputError, GateFailed, Refused
        As the night itself would, as far as can be told before a picture is read.
    """
    index, run = Index(options.index), new_run(options.catalog)
    run.record |= {"run_id": None, "exit_code": 0}
    try:
        bundle, walk = _model(options), _walk(options)
        parent = index.current_of(walk.root, moved=options.same_catalog)
        run.record["snapshot"] = parent.path.name if parent else None
        staging = index.staging(bundle.model_id, full=options.full)
        features = index.features(bundle.features_id, bundle.width)
        plan_night(staging, features, parent, walk, bundle, options, _deadline(options), run)
    except TaggerError as error:
        run.record["exit_code"] = error.exit_code
        error.report = _planned(run)
        raise
    return _planned(run)


def _model(options: TagOptions) -> Bundle:
    bundle = load_bundle(options.model if options.model is not None else STARTER)
    if not options.force_model:
        check_gate(bundle, "--force-model")
    return bundle


def _walk(options: TagOptions) -> Walk:
    return Walk(options.catalog, exclude=Exclusions(options.exclude), include=options.include)


def _planned(run: Run) -> dict[str, Any]:
    plan = run.record["plan"]
    run.counts.update({name: plan.get(name, 0) for name in (*_KINDS, "found", "deleted")})
    run.counts.update({"reused": plan.get("staged", 0), "published_rows": plan.get("found", 0)})
    run.seconds["total"] = sum(run.seconds.values())
    return run.summary()


def list_catalog(walk: Walk, until: float) -> pa.Table:
    """Return the catalog as `tagger.index.plan.LISTING`.

    Raises
    ------
    TimeUp
        If the time is up.
    """
    tables = [LISTING.empty_table()]
    for table in tables_of(walk.by_folder()):
        tables.append(table)
        if time.monotonic() > until:
            raise TimeUp(
                "the time that --max-seconds gives was up before the catalog was walked; nothing "
                "was changed"
            )
    return pa.concat_tables(tables).combine_chunks()


def nothing_to_do(plan: Plan, parent: Snapshot | None, bundle: Bundle, root: str) -> bool:
    """Return whether the current snapshot is what the catalog at `root` holds and the model
    says."""
    if parent is None or (parent.manifest["model_id"], parent.manifest["catalog"]) != (
        bundle.model_id,
        root,
    ):
        return False
    return bool(plan.carried.all()) and not plan.counts["deleted"]


def carry_everything(previous: Previous, run: Run) -> None:
    """Count a night that changes nothing."""
    rows, statuses = len(previous), sum(previous.statuses.values(), Counter[str]())
    run.counts.update(
        {"found": rows, "unchanged": rows, "published_rows": rows, "failed": rows - statuses["ok"]}
    )
    run.record["state"] = "unchanged"


def known_contents(previous: Previous, staged: Staged, options: TagOptions) -> DigestKeys:
    """Return the keys of contents whose scores need not be computed; --full trusts none but its
    own."""
    here = keys_of(staged.keys.filter(staged.keys["scored"])["content_sha256"])
    return here if options.full else sorted_keys(np.concatenate([previous.contents(), here]))


def count_staged(plan: Plan, staged: Staged, run: Run) -> None:
    """Count the rows that an interrupted run left: its pictures were tried for this night too, so
    failures count."""
    here = np.flatnonzero(plan.staged >= 0)
    failed = staged.keys["failed"].to_numpy()[plan.staged[here]]
    run.counts["reused"] = run.counts["tried"] = len(here)
    run.counts["failed_now"] = int(failed.sum())
    run.counts["failed_again"] = int((failed & plan.retried[here]).sum())


def last_line(run: Run) -> str:
    """Return the line that ends a night's log."""
    if run.record["state"] == "unchanged":
        return (
            f"nothing has changed: {run.record['snapshot']} stays, "
            f"{run.counts['published_rows']:,} rows"
        )
    return f"published {run.counts['published_rows']:,} rows as {run.record['snapshot']}"


def summary_text(summary: dict[str, Any], *, dry: bool = False) -> str:
    """Return the summary as text for a terminal."""
    skipped = (
        ", ".join(f"{n:,} {reason}" for reason, n in sorted(summary["skipped"].items()))
        or "nothing"
    )
    counts = ", ".join(f"{summary[name]:,} {name}" for name in (*_KINDS, "deleted"))
    lines = [f"{summary['found']:,} pictures: {counts}; skipped: {skipped}"]
    lines += [complaint(**idle) for idle in summary["idle_patterns"]]
    if dry:
        plan = summary["plan"]
        held = f"from features: {plan['from_features']:,}; already staged: {plan['staged']:,}"
        lines.append(f"to read: {plan['to_read']:,}; {held}. Nothing was touched")
    else:
        again = (
            f"{summary['touched']:,} touched with the same bytes, {summary['reused']:,} from an "
            f"interrupted run"
        )
        lines.append(f"{summary['scored']:,} contents scored, {again}")
        lines.append(
            f"{summary['failed']:,} without scores, {summary['failed_now']:,} of them tried tonight"
        )
        rate = f"{summary['images_per_second']:.0f} images/s"
        lines.append(f"{summary['seconds']:.1f} s, {rate}; snapshot {summary['snapshot']}")
    return "\n".join(lines)


_KINDS = ("new", "changed", "rescored", "unchanged")
_NONE = pa.chunked_array([], pa.string())


def _deadline(options: TagOptions) -> float:
    return time.monotonic() + (options.max_seconds if options.max_seconds is not None else math.inf)
