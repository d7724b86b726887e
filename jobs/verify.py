"""Verification of a published index."""

import os
from pathlib import Path
from typing import Any

from tagger.errors import StoreError
from tagger.index.snapshots import current_name
from tagger.index.store import Index
from tagger.index.verify import verify_snapshot
from tagger.machine import raise_machine_fault


def verify(index: str) -> dict[str, Any]:
    """Return the report declared in `schemas.reports.VERIFY`.

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
        return {"index": index, "snapshot": name, "rows": 0, "parts": 0, "faults": [str(error)]}
    if snapshot is None:
        what = (
            "nothing was published there yet" if os.path.isdir(index) else "there is no such folder"
        )
        raise StoreError(f"index {index!r}: {what}; make one with 'tagger tag'")
    return {
        "index": index,
        "snapshot": snapshot.path.name,
        "rows": snapshot.manifest["rows"],
        "parts": len(snapshot.manifest["parts"]),
        "faults": list(verify_snapshot(snapshot)),
    }


def report_text(report: dict[str, Any]) -> str:
    """Return the report as text for a terminal."""
    head = (
        f"{report['index']}: snapshot {report['snapshot']}, {report['rows']:,} rows in "
        f"{report['parts']} parts"
    )
    if not report["faults"]:
        return f"{head}: no fault"
    return "\n".join(
        [f"{head}: {len(report['faults'])} faults", *(f"  {fault}" for fault in report["faults"])]
    )
