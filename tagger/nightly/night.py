"""A night from its first line to its last: walk, plan, decode, infer, view, write, publish."""

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from schemas.runs import PlanCounts
from tagger.errors import TimeUp
from tagger.index.catalog_plan import CatalogPlan
from tagger.index.staging import failures_in
from tagger.nightly.context import Agenda, Night
from tagger.nightly.guards import (
    check_error_rate,
    check_readable,
    check_still_there,
    estimated_bytes,
)
from tagger.nightly.planning import plan_night
from tagger.nightly.publishing import publish
from tagger.nightly.rescoring import rescore
from tagger.nightly.run import Run
from tagger.nightly.scoring import Engine
from tagger.nightly.units import Scoring, StagedUnit, Work
from tagger.progress import say, warn
from tagger.settings import setting


def tag_night(night: Night, engine: Engine) -> None:
    """Make the index equal to the catalog; its lock is held.

    Parameters
    ----------
    engine : callable
        What reads, scores and stages, such as `tagger.nightly.scoring.score`.
    """
    run = night.run
    options = night.options
    run.snapshot = night.parent.path.name if night.parent else None
    night.index.retire(options.keep)
    agenda = plan_night(night)
    if nothing_to_do(night, agenda):
        carry_everything(agenda, run)
    else:
        night.index.check_space(estimated_bytes(night, agenda.plan))
        count_staged(agenda, run)
        agenda, units = answer_pictures(night, agenda, engine)
        check_the_whole(night, agenda)
        with run.stage("publish"):
            publish(night, agenda, units)
    night.index.keep_features(
        night.features, night.bundle.path, everything_read=options.full and options.features
    )
    if lacking := run.counts["lacking"]:
        waiting = "1 picture waits" if lacking == 1 else f"{lacking:,} pictures wait"
        warn(
            f"{waiting} for the next night, since the machine could not read "
            f"{'it' if lacking == 1 else 'them'}; first {run.lack}"
        )
    say(last_line(run))
    night.staging.clear()


def nothing_to_do(night: Night, agenda: Agenda) -> bool:
    """Return whether the current snapshot is what the catalog holds and the model says."""
    if night.parent is None:
        return False
    before = night.parent.manifest
    if before.catalog != night.root or not night.heard or before.buckets != agenda.plan.buckets:
        return False
    return not agenda.plan.fresh.any() and not agenda.plan.counts.deleted


def carry_everything(agenda: Agenda, run: Run) -> None:
    """Count a night that changes nothing."""
    rows = len(agenda.previous)
    statuses = sum(agenda.previous.statuses.values(), Counter[str]())
    failed = rows - statuses["ok"]
    run.counts.update(found=rows, unchanged=rows, published_rows=rows, failed=failed)
    run.end("unchanged")


def count_staged(agenda: Agenda, run: Run) -> None:
    """Count the rows that an interrupted run left.

    Its pictures were tried for this night too, so failures count.
    """
    plan = agenda.plan
    run.counts["reused"] = plan.counts.staged
    run.counts["tried"] = plan.counts.staged
    for part in plan if plan.counts.staged else ():
        run.counts["failed_now"] += int(part.staged_failed.sum())
        run.counts["failed_again"] += int((part.staged_failed & part.retried).sum())
    run.failures.add_tables(_staged_failures(plan) if run.counts["failed_now"] else ())


def _staged_failures(plan: CatalogPlan) -> Iterator[pa.Table]:
    """Yield image_id, status and error of staged rows that failed, a file at a time."""
    for part in plan:
        for file in np.unique(part.staged_file[part.staged_failed]).tolist():
            here = part.staged_failed & (part.staged_file == file)
            yield failures_in(plan.files[file], part.staged_row[here])


def answer_pictures(
    night: Night, agenda: Agenda, engine: Engine
) -> tuple[Agenda, list[StagedUnit]]:
    """Return what the plan became, and the staged units of all pictures that need new rows.

    Raises
    ------
    TimeUp
        If the time is up; it says how far the night came.
    """
    try:
        agenda, units = rescore(night, agenda)
        night.run.plan = agenda.plan.counts
        units += read_and_score(night, agenda, engine)
    except TimeUp as error:
        raise TimeUp(f"{error} {how_far(agenda.plan.counts, night.run.counts)}") from error
    return agenda, units


def how_far(plan: PlanCounts, counts: Counter[str]) -> str:
    """Return in words how far a night came whose time was up, and how many more it takes.

    Those take as long, and do as many pictures, as this one did.
    """
    wanted = plan.staged + plan.from_features + plan.to_read
    tonight = counts["from_features"] + counts["tried"] - counts["reused"] + counts["gone"]
    left = wanted - plan.staged - tonight
    if not tonight:
        return (
            f"before any of {wanted:,} pictures was done, so another night like this one gets no "
            f"further. Nothing was published. Allow more time with {setting('max_seconds')}"
        )
    before = f", {plan.staged:,} of them in earlier runs" if plan.staged else ""
    nights = math.ceil(left / tonight)
    return (
        f"after {wanted - left:,} of {wanted:,} pictures{before}; these are kept, and nothing was "
        f"published. The next run goes on from there: about {nights:,} more "
        f"night{'s' if nights != 1 else ''} like this one, or fewer with a larger "
        f"{setting('max_seconds')}"
    )


def read_and_score(night: Night, agenda: Agenda, engine: Engine) -> list[StagedUnit]:
    """Return the staged units of all pictures that are to be read."""
    if not agenda.plan.counts.to_read:
        return []
    options = night.options
    how = Scoring(
        backend=options.backend,
        workers=options.workers,
        decode_timeout=options.decode_timeout,
        max_error_rate=options.max_error_rate,
        until=night.until,
        features=night.features if options.features else None,
    )
    plan = agenda.plan
    work = Work(night.bundle, night.root, night.staging, plan.buckets, agenda.known, how)
    return engine(work, plan, night.run)


def check_the_whole(night: Night, agenda: Agenda) -> None:
    """Refuse to publish if too much failed, or the catalog went away meanwhile."""
    run = night.run
    check_readable(run, ended=True)
    check_error_rate(run.counts, night.options.max_error_rate, 0)
    check_still_there(
        run.counts["gone"],
        agenda.plan.counts.found,
        walk=night.walk,
        limit=night.options.max_delete_rate,
    )


def last_line(run: Run) -> str:
    """Return the line that ends a night's log."""
    rows = run.counts["published_rows"]
    if run.state == "unchanged":
        return f"nothing has changed: {run.snapshot} stays, {rows:,} rows"
    return f"published {rows:,} rows as {run.snapshot}"
