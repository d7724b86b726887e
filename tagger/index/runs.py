"""Run records: one JSON file per run, written when it starts and replaced when it ends."""

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from schemas.index import RUN_FIELDS
from tagger.files import atomic_text
from tagger.machine import raise_machine_fault

_LOOKED_AT = 200  # records in search of orphans: half a year of nights


class Runs:
    """The records of an index."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, record: dict[str, Any]) -> None:
        """Write or replace the record of a run."""
        atomic_text(self._path / f"{record['run_id']}.json", json.dumps(record, indent=1) + "\n")

    def newest_first(self) -> Iterator[dict[str, Any]]:
        """Yield every readable record."""
        for path in sorted(self._path.glob("[0-9]*.json"), reverse=True):
            try:
                record = json.loads(path.read_text()) if path.is_file() else None
            except (OSError, ValueError, RecursionError) as error:
                raise_machine_fault(error)
                continue
            # A stranger's file tells nothing, and must not stop a night.
            if (
                isinstance(record, dict)
                and set(record) == set(RUN_FIELDS)
                and record["run_id"] == path.stem
            ):
                yield record

    def mark_orphans(self, published: dict[str, Any] | None) -> list[str]:
        """Say of runs that are still `running` how they ended, and return their ids.

        Call it under the lock: nobody else is running then. `published` is the manifest of the
        current snapshot: a run that was killed after its snapshot became current did publish.
        """
        found = []
        # Not just up to the last run that ended well: clocks are set back, and refused runs record
        # beside others.
        for record in islice(self.newest_first(), _LOOKED_AT):
            if record["state"] == "running":
                found.append(record["run_id"])
                if published and published["snapshot"] == record["run_id"]:
                    record |= {
                        "state": "published",
                        "snapshot": record["run_id"],
                        "counts": published["counts"],
                    }
                    record["message"] = (
                        "published, then ended without a word before it could say so"
                    )
                else:
                    record["state"] = "killed"
                    record["message"] = (
                        "ended without a word (SIGKILL, out of memory, power); noted by the next "
                        "run"
                    )
                with suppress(OSError):  # a full disk must not keep a night from making room
                    self.write(record)
        return found
