"""Run records: one JSON file per run, written when it starts and replaced when it ends."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from msgspec.structs import replace

from schemas.index import Manifest
from schemas.record import parse, to_json
from schemas.runs import RunRecord
from tagger.files import atomic_text
from tagger.machine import raise_machine_fault

_LOCKED = 4
_LOOKED_AT = 200  # records in search of orphans: half a year of nights


class Runs:
    """The records of an index."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, record: RunRecord) -> None:
        """Write or replace the record of a run."""
        atomic_text(self._path / f"{record.run_id}.json", to_json(record))

    def newest_first(self) -> Iterator[RunRecord]:
        """Yield every readable record; a stranger's file tells nothing, and must stop no night."""
        for path in sorted(self._path.glob("[0-9]*.json"), reverse=True):
            try:
                record = parse(path.read_bytes(), RunRecord) if path.is_file() else None
            except (OSError, ValueError) as error:
                raise_machine_fault(error)
                continue
            if record is not None and record.run_id == path.stem:
                yield record

    def mark_orphans(self, published: Manifest | None) -> list[str]:
        """Say of runs that are still `running` how they ended, and return their ids.

        Call it under the lock: nobody else is running then. `published` is the manifest of the
        current snapshot: a run that was killed after its snapshot became current did publish.
        """
        found = []
        # Not just up to the last run that ended well: clocks are set back, and refused runs record
        # beside others.
        for record in islice(self.newest_first(), _LOOKED_AT):
            if record.state == "running":
                found.append(record.run_id)
                with suppress(OSError):  # a full disk must not keep a night from making room
                    self.write(_ended(record, published))
        return found


def _ended(record: RunRecord, published: Manifest | None) -> RunRecord:
    """Return the record of a run that could not say how it ended."""
    if published and published.snapshot == record.run_id:
        return replace(
            record,
            state="published",
            snapshot=record.run_id,
            counts=published.counts,
            message="published, then ended without a word before it could say so",
        )
    return replace(
        record,
        state="killed",
        message="ended without a word (SIGKILL, out of memory, power); noted by the next run",
    )


def without_the_locked_out(records: Iterable[RunRecord]) -> Iterator[RunRecord]:
    """Yield the runs but for those that found the lock taken: how the night goes, its holder
    says."""
    return (record for record in records if record.exit_code != _LOCKED)
