"""The nights of an index, newest first, and going back to one."""

from itertools import islice

from jobs.console.table import plain, size, table
from schemas.nightly import DiskUse, RollbackReport, RunsReport
from schemas.runs import RunRecord
from schemas.samples import Estimate, SampleFigures
from tagger.index.disk_use import disk_use
from tagger.index.samples import judged_sample
from tagger.index.snapshots import current_name
from tagger.index.store import existing_index
from tagger.nightly.run import Run
from tagger.progress import say

_COUNTS = ("new", "changed", "rescored", "corrected", "deleted", "failed")
_COLUMNS = ("run", "state", "exit", "rows", *_COUNTS, "seconds", "message")
_NUMBERS = range(2, len(_COLUMNS) - 1)
"""The columns that are set flush right."""

_FIGURES = ("answer", "rows", "judged", "right", "95 %", "missing", "95 %")


def list_runs(index: str, last: int = 30) -> RunsReport:
    """Return the `last` runs of an index, which snapshots there are, what its newest sample says,
    and what it takes on the disk.

    Raises
    ------
    StoreError
        If there is no such index.
    """
    found = existing_index(index)
    return RunsReport(
        index=index,
        current=current_name(found.path),
        snapshots=found.snapshots(),
        runs=list(islice(found.runs.newest_first(), last)),
        disk=disk_use(found.path),
        samples=[sample for sample in [judged_sample(found.path)] if sample],
    )


def roll_back(index: str, snapshot: str) -> RollbackReport:
    """Return what was current, after making `snapshot` current; it is recorded.

    Raises
    ------
    StoreError
        If there is no such index or snapshot, or the snapshot is not whole.
    Locked
        If a run holds the lock.
    """
    found = existing_index(index)
    run = Run(None)
    with found.going_back(snapshot) as (before, after):
        found.point_to(after)
        run.exit_code = 0
        run.snapshot = snapshot
        run.catalog = after.manifest.catalog
        run.end("rolled_back", f"from {before} to {snapshot}")
        try:
            found.runs.write(run.record())
        except OSError as error:  # a full disk is a time to roll back, too
            say(f"the record of this rollback could not be written: {error.strerror}")
    return RollbackReport(
        index=index,
        snapshot=snapshot,
        before=before,
        rows=after.manifest.rows,
        run_id=run.run_id,
    )


def runs_text(report: RunsReport) -> str:
    """Return the nights as a table for a terminal, newest first, * marks what is current; below
    it, what they take on the disk, and how good the answers are by the newest sample."""
    lines = [_COLUMNS, *(_line(record, report.current) for record in report.runs)]
    names = (name + ("*" if name == report.current else "") for name in report.snapshots)
    kept = ", ".join(names) or "none"
    text = [*table(lines, _NUMBERS), plain(f"snapshots kept, * is current: {kept}")]
    if report.disk is not None:
        text += _disk_lines(report.disk)
    for sample in report.samples:
        text += ["", *_sample_lines(sample)]
    return "\n".join(text)


def _disk_lines(disk: DiskUse) -> list[str]:
    """Return what the index takes, and what each night would free."""
    parts = {
        "nights": disk.snapshots,
        "staging": disk.staging,
        "features": disk.features,
        "corrections and samples": disk.corrections + disk.samples,
        "records": disk.runs,
    }
    named = ", ".join(f"{name} {size(n)}" for name, n in parts.items() if n)
    lines = [f"on disk: {size(disk.total)} ({named}); {size(disk.free)} free"]
    if len(disk.only_in) > 1:
        alone = ", ".join(f"{name} {size(n)}" for name, n in disk.only_in.items())
        lines.append(plain(f"nights share files; removing one alone frees: {alone}"))
    return lines


def _sample_lines(sample: SampleFigures) -> list[str]:
    """Return what a sample says, the worst answers first."""
    known = [each for each in sample.estimates if each.judged]
    worst = sorted(known, key=lambda each: each.precision or 0)
    lines = [_FIGURES, *map(_figures_line, worst)]
    silent = sum(each.answered_rows > 0 and not each.judged for each in sample.estimates)
    head = (
        f"How good the model's answers are, by a sample of {sample.drawn:,} pictures of the night "
        f"{sample.snapshot}, {sample.judged:,} judged:"
    )
    tail = [f"{silent:,} other answers: none of their pictures is judged yet"] if silent else []
    return [head, *table(lines, range(1, len(_FIGURES))), *tail]


def _figures_line(each: Estimate) -> tuple[str, ...]:
    """Return the cells of an answer."""
    return (
        f"{each.group}:{each.label}" if each.label is not None else f"{each.group} (none)",
        f"{each.answered_rows:,}",
        str(each.judged),
        _percent(each.precision),
        _ends(each.precision_low, each.precision_high),
        _percent(each.missing),
        _ends(each.missing_low, each.missing_high),
    )


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{share:.0%}"


def _ends(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{100 * low:.0f}-{100 * high:.0f}"


def _line(record: RunRecord, current: str | None) -> tuple[str, ...]:
    """Return the cells of a run."""
    mark = "*" if record.snapshot and record.run_id == current else ""
    counts = [""] * (1 + len(_COUNTS))
    if record.counts is not None:
        names = ("published_rows", *_COUNTS)
        counts = [str(getattr(record.counts, name)) for name in names]
    exit_code = "" if record.exit_code is None else str(record.exit_code)
    seconds = str(record.seconds.get("total", ""))
    message = plain((record.message or "").split(";")[0])
    return (record.run_id + mark, record.state, exit_code, *counts, seconds, message)


def rollback_text(report: RollbackReport) -> str:
    """Return the report as text for a terminal."""
    return (
        f"{report.index}: {report.snapshot} is current again, {report.rows:,} rows; "
        f"before it was {report.before}.\n"
        "The next 'tagger tag' goes forward from there: it compares the catalog with these rows"
    )
