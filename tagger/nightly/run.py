"""A run in the making; its record is written as running, and replaced at the end, whatever that."""

import os
import resource
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime

from schemas.nightly import TagReport
from schemas.record import FORMAT_VERSION
from schemas.runs import AnswerCounts, Counts, IdlePattern, PlanCounts, RunRecord, State
from tagger import exit_codes
from tagger.errors import GateFailed, InputError, Locked, Refused, TaggerError, TimeUp
from tagger.index.snapshots import current_name, new_id
from tagger.index.store import Index
from tagger.machine import machine_fault
from tagger.models.bundle import installed_versions
from tagger.nightly.failures import Failures
from tagger.progress import warn

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
    """What is known of a run so far; see `schemas.runs.RunRecord`.

    Attributes
    ----------
    counts : Counter
        Those of the record, and some that only guards look at.
    peak_mib : float
        Of processes that are not this one's children.
    lack : str or None
        The first picture that the machine could not read, and what it lacked.
    failures : Failures
        Pictures that were tried and failed; not those that the machine kept from being read.
    """

    catalog: str | None
    _: KW_ONLY
    run_id: str = field(default_factory=new_id)
    state: State = "running"
    message: str | None = None
    exit_code: int | None = None
    model_id: str | None = None
    backend: str | None = None
    snapshot: str | None = None
    plan: PlanCounts | None = None
    counts: Counter[str] = field(default_factory=Counter)
    skipped: dict[str, int] = field(default_factory=dict)
    idle_patterns: list[IdlePattern] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_mib: float = 0.0
    lack: str | None = None
    failures: Failures = field(default_factory=Failures)
    answers: AnswerCounts | None = None
    versions: dict[str, str] = field(default_factory=lambda: installed_versions(_VERSIONS))
    started: float = field(default_factory=time.perf_counter)
    started_at: str = field(default_factory=lambda: _now())

    def answered(self) -> None:
        """Note the moment: pictures have been answered; the first and the last one are kept."""
        self.seconds["last"] = time.perf_counter() - self.started
        self.seconds.setdefault("first", self.seconds["last"])

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.spend(name, time.perf_counter() - start)

    def spend(self, name: str, seconds: float) -> None:
        """Add to the time of a stage."""
        self.seconds[name] = self.seconds.get(name, 0) + seconds

    def end(self, state: State, message: str | None = None) -> None:
        """Note how the run ended."""
        self.state = state
        self.message = message

    def record(self) -> RunRecord:
        """Return the record as it is now."""
        running = self.state == "running"
        return RunRecord(
            format_version=FORMAT_VERSION,
            run_id=self.run_id,
            state=self.state,
            message=self.message,
            exit_code=self.exit_code,
            command=list(sys.argv),
            host=socket.gethostname(),
            process=os.getpid(),
            started_at=self.started_at,
            ended_at=None if running else _now(),
            catalog=self.catalog,
            model_id=self.model_id,
            backend=self.backend,
            snapshot=self.snapshot,
            plan=self.plan,
            counts=None if running else self.published_counts(),
            skipped=self.skipped,
            idle_patterns=self.idle_patterns,
            seconds={name: round(seconds, 3) for name, seconds in self.seconds.items()},
            peak_mib=0.0 if running else round(max(self.peak_mib, peak_mib()), 1),
            versions=self.versions,
            failed_by_status=dict(self.failures.by_status),
            failures=self.failures.first,
            answers=self.answers,
        )

    def published_counts(self) -> Counts:
        """Return the counts that records and reports have."""
        return Counts(**{name: self.counts[name] for name in Counts.__struct_fields__})

    def report(self) -> TagReport:
        """Return what `tagger tag --json` prints."""
        return TagReport(
            **{name: self.counts[name] for name in Counts.__struct_fields__},
            run_id=self.run_id,
            snapshot=self.snapshot,
            plan=self.plan,
            skipped=self.skipped,
            idle_patterns=self.idle_patterns,
            seconds=round(self.seconds.get("total", 0), 3),
            images_per_second=round(self.images_per_second(), 1),
            exit_code=self.exit_code,
            failed_by_status=dict(self.failures.by_status),
            failures=self.failures.first,
            unlike=self.answers.unlike if self.answers else None,
        )

    def images_per_second(self) -> float:
        """Return the pictures read per second of waiting for workers and inferring."""
        spent = self.seconds.get("wait", 0) + self.seconds.get("infer", 0)
        tried = self.counts["tried"] - self.counts["reused"]
        return tried / spent if spent else 0.0


@contextmanager
def recorded(index: Index, run: Run) -> Iterator[Run]:
    """Keep the record of `run`: running, then how it ended; a job that returns has said that."""
    index.runs.write(run.record())
    try:
        yield run
        run.exit_code = 0
    except BaseException as error:
        _note(run, error)
        if current_name(index.path) == run.run_id:
            told = "published; what should follow, tidying up and saying so, was cut short: "
            run.end("published", told + str(run.message))
        if unwritten := _record_the_end(index, run):
            error.add_note(unwritten)  # below the reason
        raise
    if unwritten := _record_the_end(index, run):
        warn(unwritten)


def _record_the_end(index: Index, run: Run) -> str | None:
    """Write how the run ended; return why not, if that could not be done: the next run will note
    what this one cannot."""
    run.seconds["total"] = time.perf_counter() - run.started
    run.snapshot = current_name(index.path)
    forget_unpublished(run)
    try:
        index.runs.write(run.record())
    except OSError as error:  # a full disk
        return f"The run's record could not be written: {error.strerror}"
    return None


def ended_at_the_door(index: Index, run: Run, error: BaseException) -> None:
    """Note that `error` ended a run before it began.

    It is recorded in an index that is there.
    """
    _note(run, error)
    run.seconds["total"] = time.perf_counter() - run.started
    run.snapshot = current_name(index.path)
    forget_unpublished(run)
    if index.is_there():
        with suppress(OSError):  # one that cannot be written: the message on standard error must do
            index.runs.write(run.record())


def forget_unpublished(run: Run) -> None:
    """Count no rows as published if none were."""
    if run.state not in ("published", "unchanged"):
        run.counts["published_rows"] = 0


def peak_mib() -> float:
    """Return the most memory, in MiB, that this process or an ended child of it has held."""
    peaks = [
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    return max(peaks) / 1024


def _note(run: Run, error: BaseException) -> None:
    """Note how `error` ended the run."""
    error = machine_fault(error) or error
    run.exit_code = exit_codes.exit_code(error)
    if exit_codes.received or not isinstance(error, Exception):
        run.end("killed", "ended by a signal; what was done is in staging")
    elif isinstance(error, TimeUp):
        run.end("stopped", str(error))
    elif isinstance(error, Refused | InputError | Locked | GateFailed):
        run.end("refused", str(error))
    elif isinstance(error, TaggerError):
        run.end("failed", str(error))
    else:
        run.end("failed", f"{type(error).__name__}: {error}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
