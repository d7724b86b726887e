"""The nights of an index, newest first, and going back to one."""

import os
from itertools import islice

from schemas.nightly import RollbackReport, RunsReport
from schemas.runs import RunRecord
from tagger.errors import StoreError
from tagger.index.snapshots import current_name
from tagger.index.store import Index
from tagger.nightly.run import Run
from tagger.progress import say

_COUNTS = ("new", "changed", "rescored", "corrected", "deleted", "failed")
_COLUMNS = ("run", "state", "exit", "rows", *_COUNTS, "seconds", "message")
_NUMBERS = range(2, len(_COLUMNS) - 1)
"""The columns that are set flush right."""


def list_runs(index: str, last: int = 30) -> RunsReport:
    """Return the `last` runs of an index, and which snapshots there are.

    Raises
    ------
    StoreError
        If there is no such index.
    """
    found = _existing(index)
    return RunsReport(
        index=index,
        current=current_name(found.path),
        snapshots=found.snapshots(),
        runs=list(islice(found.runs.newest_first(), last)),
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
    found = _existing(index)
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
    """Return the nights as a table for a terminal, newest first; * marks what is current."""
    lines = [_COLUMNS, *(_line(record, report.current) for record in report.runs)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_COLUMNS))]
    names = (name + ("*" if name == report.current else "") for name in report.snapshots)
    kept = ", ".join(names) or "none"
    table = [_aligned(line, widths) for line in lines]
    return "\n".join([*table, f"snapshots kept, * is current: {kept}"])


def _line(record: RunRecord, current: str | None) -> tuple[str, ...]:
    """Return the cells of a run."""
    mark = "*" if record.snapshot and record.run_id == current else ""
    counts = [""] * (1 + len(_COUNTS))
    if record.counts is not None:
        names = ("published_rows", *_COUNTS)
        counts = [str(getattr(record.counts, name)) for name in names]
    exit_code = "" if record.exit_code is None else str(record.exit_code)
    seconds = str(record.seconds.get("total", ""))
    message = (record.message or "").split(";")[0]
    return (record.run_id + mark, record.state, exit_code, *counts, seconds, message)


def _aligned(line: tuple[str, ...], widths: list[int]) -> str:
    cells = [
        text.rjust(width) if i in _NUMBERS else text.ljust(width)
        for i, (text, width) in enumerate(zip(line, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def rollback_text(report: RollbackReport) -> str:
    """Return the report as text for a terminal."""
    return (
        f"{report.index}: {report.snapshot} is current again, {report.rows:,} rows; "
        f"before it was {report.before}.\n"
        "The next 'tagger tag' goes forward from there: it compares the catalog with these rows"
    )


def _existing(index: str) -> Index:
    found = Index(index)
    if not found.is_there():
        what = "it is no index" if os.path.isdir(index) else "there is no such folder"
        raise StoreError(f"index {index!r}: {what}; make one with 'tagger tag'")
    return found
