"""The nights of an index, newest first, and going back to one."""

import os
from typing import Any

from tagger.errors import StoreError
from tagger.index.snapshots import current_name
from tagger.index.store import Index
from tagger.nightly.run import close, new_run
from tagger.progress import say

_COLUMNS = (
    "run",
    "state",
    "exit",
    "rows",
    "new",
    "changed",
    "rescored",
    "deleted",
    "failed",
    "seconds",
    "message",
)


def list_runs(index: str, last: int = 30) -> dict[str, Any]:
    """Return the report declared in `schemas.reports.RUNS`.

    Raises
    ------
    StoreError
        If there is no such index.
    """
    found = _existing(index)
    records = [record for record, _ in zip(found.runs.newest_first(), range(last), strict=False)]
    return {
        "index": index,
        "current": current_name(found.path),
        "snapshots": found.snapshots(),
        "runs": records,
    }


def roll_back(index: str, snapshot: str) -> dict[str, Any]:
    """Return the report declared in `schemas.reports.ROLLBACK`, after making `snapshot` current; it
    is recorded.

    Raises
    ------
    StoreError
        If there is no such index or snapshot, or the snapshot is not whole.
    Locked
        If a run holds the lock.
    """
    found = _existing(index)
    run = new_run(None)
    with found.going_back(snapshot) as (before, after):
        found.point_to(after)
        run.record |= {"state": "rolled_back", "exit_code": 0, "snapshot": snapshot}
        run.record |= {
            "catalog": after.manifest["catalog"],
            "message": f"from {before} to {snapshot}",
        }
        close(run)
        try:
            found.runs.write(run.record)
        except OSError as error:  # a full disk is a time to roll back, too
            say(f"the record of this rollback could not be written: {error.strerror}")
    rows = after.manifest["rows"]
    return {
        "index": index,
        "snapshot": snapshot,
        "before": before,
        "rows": rows,
        "run_id": run.record["run_id"],
    }


def runs_text(report: dict[str, Any]) -> str:
    """Return the nights as a table for a terminal, newest first; * marks what is current."""
    lines = [_COLUMNS]
    for record in report["runs"]:
        counts = record.get("counts") or {}
        mark = "*" if record.get("snapshot") and record["run_id"] == report["current"] else ""
        numbers = [str(counts.get(name, "")) for name in ("published_rows", *_COLUMNS[4:9])]
        exit_code = "" if record.get("exit_code") is None else str(record["exit_code"])
        seconds = str((record.get("seconds") or {}).get("total", ""))
        message = (record.get("message") or "").split(";")[0]
        lines.append(
            (record["run_id"] + mark, record["state"], exit_code, *numbers, seconds, message)
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(_COLUMNS))]
    right = range(2, len(_COLUMNS) - 1)
    table = [
        "  ".join(
            text.rjust(width) if i in right else text.ljust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    kept = (
        ", ".join(name + ("*" if name == report["current"] else "") for name in report["snapshots"])
        or "none"
    )
    return "\n".join([*table, f"snapshots kept, * is current: {kept}"])


def rollback_text(report: dict[str, Any]) -> str:
    """Return the report as text for a terminal."""
    return (
        f"{report['index']}: {report['snapshot']} is current again, {report['rows']:,} rows; "
        "before it was "
        f"{report['before']}.\n"
        "The next 'tagger tag' goes forward from there: it compares the catalog with these rows"
    )


def _existing(index: str) -> Index:
    found = Index(index)
    if not found.is_there():
        what = "it is no index" if os.path.isdir(index) else "there is no such folder"
        raise StoreError(f"index {index!r}: {what}; make one with 'tagger tag'")
    return found
