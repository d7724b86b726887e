"""The records of syncs, in the index that they are of."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from schemas.record import FORMAT_VERSION, parse, to_json
from schemas.sync import SYNCS_FOLDER, SyncRecord, SyncReport
from tagger import exit_codes
from tagger.errors import EngineError
from tagger.files import atomic_text
from tagger.index.snapshots import new_id
from tagger.progress import warn

_KEPT = 200


class Outcome:
    """What a sync came to, for its record."""

    report: SyncReport | None = None


@contextmanager
def recorded(index: Path, engine: str) -> Iterator[Outcome]:
    """Write a record of the sync that is run within, however it ends.

    Parameters
    ----------
    engine : str
        The address, without what is secret.

    Raises
    ------
    EngineError
        If the engine refused documents; its `report` says what was done.
    """
    started = _now()
    sync_id = new_id()
    outcome = Outcome()
    state, message, code = "equal", None, 0
    try:
        yield outcome
        if outcome.report is not None and outcome.report.missing:
            raise _missing(outcome.report)
    except BaseException as error:
        code = exit_codes.exit_code(error)
        ended = exit_codes.received or not isinstance(error, Exception)
        state = "killed" if ended else "missing" if outcome.report else "failed"
        message = str(error) or type(error).__name__
        raise
    finally:
        record = SyncRecord(
            format_version=FORMAT_VERSION,
            sync_id=sync_id,
            state=state,  # type: ignore[arg-type]
            message=message,
            exit_code=code,
            engine=engine,
            started_at=started,
            ended_at=_now(),
            host=socket.gethostname(),
            process=os.getpid(),
            report=outcome.report,
        )
        _write(index / SYNCS_FOLDER, record)


def newest(index: Path) -> SyncRecord | None:
    """Return the record of the last sync of an index, or None where there is none that can be
    read."""
    for path in sorted((index / SYNCS_FOLDER).glob("*.json"), reverse=True):
        try:
            return parse(path.read_bytes(), SyncRecord)
        except (OSError, ValueError):
            continue
    return None


def _missing(report: SyncReport) -> EngineError:
    first = report.refusals[0] if report.refusals else None
    said = f", the first {first.name!r}: {first.reason}" if first else ""
    error = EngineError(
        f"{report.engine} refused {report.missing:,} documents{said}. All others are there; the "
        "next sync tries these again"
    )
    error.report = report
    return error


def _write(folder: Path, record: SyncRecord) -> None:
    """Write a record; the oldest go. That it cannot be written spoils no sync."""
    try:
        folder.mkdir(exist_ok=True)
        atomic_text(folder / f"{record.sync_id}.json", to_json(record))
        for old in sorted(folder.glob("*.json"))[:-_KEPT]:
            old.unlink(missing_ok=True)
    except OSError as error:
        warn(f"the record of this sync cannot be written to {str(folder)!r}: {error.strerror}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
