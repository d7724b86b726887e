"""Verification of a published index."""

import os
import shlex
from pathlib import Path

from jobs.console.table import plain
from schemas.nightly import VerifyReport
from tagger.errors import StoreError
from tagger.index.snapshots import current_name
from tagger.index.store import Index
from tagger.index.verify import verify_snapshot
from tagger.machine import raise_machine_fault

_SHORT = 4
"""So many faults are enough for a mail."""


def verify(index: str) -> VerifyReport:
    """Return what is wrong with the published snapshot, or that nothing is.

    Raises
    ------
    StoreError
        If there is no published snapshot to check.
    """
    try:
        snapshot = Index(index).current()
    except StoreError as error:
        raise_machine_fault(error)
        name = current_name(Path(index))
        if name is None:
            raise
        return VerifyReport(index=index, snapshot=name, rows=0, parts=0, faults=[str(error)])
    if snapshot is None:
        what = (
            "nothing was published there yet" if os.path.isdir(index) else "there is no such folder"
        )
        raise StoreError(f"index {index!r}: {what}; make one with 'tagger tag'")
    return VerifyReport(
        index=index,
        snapshot=snapshot.path.name,
        rows=snapshot.manifest.rows,
        parts=len(snapshot.manifest.parts),
        faults=list(verify_snapshot(snapshot)),
    )


def report_text(report: VerifyReport, *, short: bool = False) -> str:
    """Return the report as text for a terminal.

    Parameters
    ----------
    short : bool
        Whether the first faults are enough.
    """
    head = (
        f"{report.index}: snapshot {report.snapshot}, {report.rows:,} rows in {report.parts} "
        f"{'part' if report.parts == 1 else 'parts'}"
    )
    if not report.faults:
        return f"{head}: no fault"
    shown = report.faults[:_SHORT] if short else report.faults
    faults = [plain(f"  {fault}") for fault in shown]
    if more := len(report.faults) - len(shown):
        faults.append(f"  and {more:,} more: tagger verify {shlex.quote(report.index)}")
    advice = (
        "Go back to an earlier night ('tagger runs' lists them, 'tagger rollback' goes back), or "
        "restore a backup"
    )
    n = len(report.faults)
    found = "1 fault" if n == 1 else f"{n:,} faults"
    return "\n".join([plain(f"{head}: {found}"), *faults, advice])
