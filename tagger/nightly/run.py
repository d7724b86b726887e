"""The record of a run in the making: written as running, replaced at the end, whatever the end."""

import os
import resource
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from schemas.index import FORMAT_VERSION, RUN_COUNTS
from tagger import exit_codes
from tagger.errors import GateFailed, InputError, Locked, Refused, TaggerError, TimeUp
from tagger.index.snapshots import current_name, new_id
from tagger.index.store import Index
from tagger.machine import machine_fault
from tagger.models.bundle import installed_versions
from tagger.progress import say

_VERSIONS = (
    "opencv-python-headless",
    "pillow",
    "pi-heif",
    "openvino",
    "tensorflow",
    "pyarrow",
    "numpy",
)


@dataclass
class Run:
    """What happened so far."""

    record: dict[str, Any]
    counts: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_mib: float = 0.0  # of processes that are not this one's children
    lack: str | None = None  # what the machine lacked when it could not read some picture
    started: float = field(default_factory=time.perf_counter)

    def answered(self) -> None:
        """Note the moment: pictures have been answered; the first and the last such moment are
        kept."""
        self.seconds["last"] = time.perf_counter() - self.started
        self.seconds.setdefault("first", self.seconds["last"])

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0) + time.perf_counter() - start

    def summary(self) -> dict[str, Any]:
        """Return the object declared in `schemas.reports.TAG`."""
        spent = self.seconds.get("wait", 0) + self.seconds.get("infer", 0)
        tried = self.counts["tried"] - self.counts["reused"]
        return {
            "run_id": self.record["run_id"],
            "snapshot": self.record["snapshot"],
            **{name: self.counts[name] for name in RUN_COUNTS},
            "plan": self.record["plan"],
            "skipped": self.record["skipped"],
            "idle_patterns": self.record["idle_patterns"],
            "seconds": round(self.seconds.get("total", 0), 3),
            "images_per_second": round(tried / spent, 1) if spent else 0.0,
            "exit_code": self.record["exit_code"],
        }


def new_run(catalog: str | None) -> Run:
    """Return a run that has just started."""
    return Run(
        {
            "format_version": FORMAT_VERSION,
            "run_id": new_id(),
            "state": "running",
            "message": None,
            "exit_code": None,
            "command": list(sys.argv),
            "host": socket.gethostname(),
            "process": os.getpid(),
            "started_at": _now(),
            "ended_at": None,
            "catalog": catalog,
            "model_id": None,
            "backend": None,
            "snapshot": None,
            "plan": {},
            "counts": {},
            "skipped": {},
            "idle_patterns": [],
            "seconds": {},
            "peak_mib": 0.0,
            "versions": installed_versions(_VERSIONS),
        }
    )


@contextmanager
def recorded(index: Index, run: Run) -> Iterator[Run]:
    """Keep the record of `run`: running, then how it ended; a job that returns has set state
    `published` or another."""
    index.runs.write(run.record)
    try:
        yield run
        run.record["exit_code"] = 0
    except BaseException as error:
        _note(run.record, error)
        if current_name(index.path) == run.record["run_id"]:
            told = "published; what should follow, tidying up and saying so, was cut short: "
            run.record |= {"state": "published", "message": told + str(run.record["message"])}
        raise
    finally:
        run.seconds["total"] = time.perf_counter() - run.started
        run.record["snapshot"] = current_name(index.path)
        close(run)
        try:
            index.runs.write(run.record)
        except OSError as error:  # a full disk: the next run will note what this one cannot
            say(f"the run's record could not be written: {error.strerror}")


def refused_at_the_door(index: Index, run: Run, error: TaggerError) -> None:
    """Give `error` the report of a run that ended before it began, and record that in an index that
    is there."""
    _note(run.record, error)
    close(run)
    error.report = run.summary()
    if index.is_there():
        with suppress(OSError):  # one that cannot be written: the message on standard error must do
            index.runs.write(run.record)


def close(run: Run) -> None:
    """Write into the record what is known at the end."""
    if run.record["state"] not in ("published", "unchanged"):
        run.counts["published_rows"] = 0
    run.record |= {
        "counts": {name: run.counts[name] for name in RUN_COUNTS},
        "seconds": {name: round(seconds, 3) for name, seconds in run.seconds.items()},
        "peak_mib": round(max(run.peak_mib, peak_mib()), 1),
        "ended_at": _now(),
    }


def peak_mib() -> float:
    """Return the most memory that this process, or any of its children that have ended, has held,
    in MiB."""
    peaks = [
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    return max(peaks) / 1024


def _note(record: dict[str, Any], error: BaseException) -> None:
    """Say in the record how `error` ended the run."""
    error = machine_fault(error) or error
    record["exit_code"], record["message"] = exit_codes.exit_code(error), str(error)
    if exit_codes.received or not isinstance(error, Exception):
        record |= {"state": "killed", "message": "ended by a signal; what was done is in staging"}
    elif isinstance(error, TimeUp):
        record["state"] = "stopped"
    elif isinstance(error, Refused | InputError | Locked | GateFailed):
        record["state"] = "refused"
    else:
        record["state"] = "failed"
        if not isinstance(error, TaggerError):
            record["message"] = f"{type(error).__name__}: {error}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
