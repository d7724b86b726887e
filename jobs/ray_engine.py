"""The middle of the nightly job on a Ray cluster: the only file that knows Ray.

The driver hands out units; a Ray worker reads, decodes, infers and stages them, and answers with
counts. No picture and no score passes through the driver. Catalog, model and index must lie under
the same paths on every machine. Ray runs a task again elsewhere when its worker dies; a unit that
is staged twice is the same file twice.
"""

import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from tagger.cache import cache_folder
from tagger.cpus import usable_cpus
from tagger.errors import InputError, TaggerError, TimeUp
from tagger.imaging.worker import CHUNK
from tagger.index.catalog_plan import CatalogPlan
from tagger.index.plan import UNIT
from tagger.machine import machine_fault
from tagger.nightly.failures import Failures
from tagger.nightly.guards import check_error_rate, check_readable
from tagger.nightly.run import Run, peak_mib
from tagger.nightly.scoring import Scorer
from tagger.nightly.units import StagedUnit, Unit, Work, units_of
from tagger.progress import Progress, say

_LOST_TRIES = 3
"""How often a task is begun anew because its worker died; pictures that kill decoders kill no
worker."""

_TURNS = 4
"""Each worker gets a task so often at least: none waits long for the others at the end."""

_LEAST = 4 * CHUNK
"""But none smaller than this."""

_GRACE = 10.0
"""Seconds that workers have to stage what they did when the night ends early."""


_PACKAGES = Path(__file__).parents[1]
"""Where this package lies.

Ray lets its workers import from the folder that it is started in, before all others: a file
signal.py in the user's working folder must not stand in for Python's.
"""


@dataclass(frozen=True)
class _Night:
    """What every worker needs to know; it lies in Ray's object store once for each machine."""

    run_id: str
    work: Work
    until: float  # by the clock on the wall, which machines share


class _Outcome(NamedTuple):
    """What became of a task's units; with an error, what was done before it is staged too."""

    pictures: int
    staged: list[StagedUnit]
    counts: Counter[str]
    seconds: dict[str, float]
    peak_mib: float
    backend: str | None
    lack: str | None
    failures: Failures
    error: Exception | None


def score_with_ray(work: Work, plan: CatalogPlan, run: Run) -> list[StagedUnit]:
    """Return the staged units, as `tagger.nightly.scoring.score` does.

    A content in two tasks is scored, and counted, twice.

    A cluster is found by RAY_ADDRESS; without that one is started on this machine, for the length
    of the run. No comparison of precisions is begun: what an earlier one on the worker's machine
    allowed is used.

    Raises
    ------
    InputError
        If Ray is not installed or the cluster cannot be reached.
    Refused
        If too many pictures fail, or none can be read any more.
    TimeUp
        If the time is up.
    """
    total = plan.counts.to_read
    check_error_rate(run.counts, work.how.max_error_rate, total)
    with _connected(work.how.workers) as ray:
        workers = int(work.how.workers or ray.cluster_resources().get("CPU", 0))
        if not workers:
            raise InputError("--engine ray: the cluster has no processor for a worker (CPU: 0)")
        say(f"{workers} Ray workers")
        until = time.time() + work.how.until - time.monotonic()
        night = ray.put(_Night(run.run_id, work, until))
        task = ray.remote(num_cpus=1, max_retries=_LOST_TRIES, scheduling_strategy="SPREAD")(
            _score_units
        )
        size = min(UNIT, max(_LEAST, total // (_TURNS * workers)))
        tasks = (task.remote(night, units) for units in _portions(units_of(plan, size), size))
        with Progress(total, "tagging") as progress, run.stage("wait"):
            return _Gathering(ray, work, run, progress, total).of(tasks, workers)


def _portions(units: Iterable[Unit], size: int) -> Iterator[list[Unit]]:
    """Yield units, each of up to `size` pictures, in lists of up to `size` pictures: many buckets
    make small units."""
    portion: list[Unit] = []
    for unit in units:
        if portion and sum(len(one.pictures) for one in [*portion, unit]) > size:
            yield portion
            portion = []
        portion.append(unit)
    if portion:
        yield portion


@dataclass
class _Gathering:
    """What the tasks staged, counted into `run` as they come in.

    After a problem no task is begun any more, and those that run have some time to end.
    """

    ray: Any
    work: Work
    run: Run
    progress: Progress
    to_read: int
    problem: Exception | None = None

    def of(self, tasks: Iterator[Any], workers: int) -> list[StagedUnit]:
        """Return what these tasks staged, of which up to `workers` run at a time."""
        staged: list[StagedUnit] = []
        waiting: list[Any] = []
        deadline = self.work.how.until + _GRACE
        while True:
            if self.problem is None:
                waiting += islice(tasks, workers - len(waiting))
            if not waiting or time.monotonic() > deadline:
                break
            ready, waiting = self.ray.wait(waiting, timeout=1.0)
            for reference in ready:
                staged += self._taken(_result(self.ray, reference))
            if self.problem is not None:
                deadline = min(deadline, time.monotonic() + _GRACE)
        if self.problem is None and waiting:
            self.problem = TimeUp("the time that --max-seconds gives was up")
        if self.problem is not None:
            raise self.problem
        return staged

    def _taken(self, outcome: "_Outcome") -> list[StagedUnit]:
        """Count what became of a task, and note the first problem."""
        _count(outcome, self.run)
        self.progress.advance(outcome.pictures)
        self.problem = self.problem or outcome.error or self._too_many_failures()
        return outcome.staged

    def _too_many_failures(self) -> TaggerError | None:
        still_to_try = self.to_read - self.progress.done
        try:
            check_readable(self.run)
            check_error_rate(self.run.counts, self.work.how.max_error_rate, still_to_try)
        except TaggerError as error:
            return error
        return None


def _count(outcome: _Outcome, run: Run) -> None:
    run.counts.update(outcome.counts)
    for name in ("start", "write", "read", "decode"):
        run.spend(name, outcome.seconds.get(name, 0))
    run.peak_mib = max(run.peak_mib, outcome.peak_mib)
    run.backend = outcome.backend or run.backend
    run.lack = run.lack or outcome.lack
    run.failures.join(outcome.failures)
    run.answered()


def _result(ray: Any, reference: Any) -> _Outcome:
    """Return what a task answered; a failure of Ray's, or of our code, is the outcome's error."""
    try:
        outcome: _Outcome = ray.get(reference)
        return outcome
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        reason = str(cause or error).strip().splitlines()[-1]
        failed = TaggerError(
            f"a unit failed on the Ray cluster: {reason}. What others staged is kept"
        )
        return _Outcome(0, [], Counter(), {}, 0.0, None, None, Failures(), failed)


@contextmanager
def _connected(workers: int) -> Iterator[Any]:
    """Yield Ray, connected to the cluster at RAY_ADDRESS or to one that ends with it."""
    address = os.environ.get("RAY_ADDRESS")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Of one machine, so that it need not be reached from others, nor ask the way to them.
    if not address:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError(
            "--engine ray: Ray is not installed; run: pip install 'fashion-catalog-tagger[ray]'"
        ) from error
    if address:
        _check_reachable(address)
    # Short: sockets lie in it, and the names of those are bounded.
    folder = None if address else tempfile.mkdtemp(prefix="ray-")
    quiet = {"log_to_driver": False, "logging_level": "error"}
    own = {"num_cpus": workers or usable_cpus(), "include_dashboard": False, "_temp_dir": folder}
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with chdir(_PACKAGES):
            if folder is None:
                ray.init(address=address, **quiet)
            else:
                with _home_in(Path(folder)):
                    ray.init(address="local", **own, **quiet)
        _take_back(handler)
        yield ray
    except (ConnectionError, RuntimeError, ValueError) as error:
        if ray.is_initialized():
            raise
        if address:
            raise InputError(
                f"--engine ray: the cluster at {address!r} cannot be used: {error}"
            ) from error
        raise TaggerError(
            f"--engine ray: no cluster can be started on this machine: {error}"
        ) from error
    except SystemExit as error:
        # Ray's own handler, which it puts in place while it starts.
        if error.code == signal.SIGTERM:
            _take_back(handler)
            signal.raise_signal(signal.SIGTERM)
        raise
    finally:
        ray.shutdown()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _home_in(folder: Path) -> Iterator[None]:
    """Give processes that are started meanwhile a home folder of their own; where our cache lies,
    they are told.

    Ray writes a token into the home folder, and unless a file there describes the cluster it asks
    on the network, usage statistics or not, which cloud this machine is in.
    """
    (folder / "ray_bootstrap_config.yaml").write_text("{}\n")
    before = dict(os.environ)
    cache = cache_folder()
    os.environ["XDG_CACHE_HOME"] = str(cache.parent if cache else folder)
    os.environ["HOME"] = str(folder)
    try:
        yield
    finally:
        for name in ("HOME", "XDG_CACHE_HOME"):
            del os.environ[name]
            os.environ.update({name: before[name]} if name in before else {})


def _check_reachable(address: str) -> None:
    """Refuse an address that does not answer: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
        except OSError as error:
            raise InputError(
                f"--engine ray: no Ray cluster answers at RAY_ADDRESS={address}: "
                f"{error.strerror or error}. Start one "
                "there with 'ray start --head', or unset RAY_ADDRESS to have one on this machine"
            ) from error


def _take_back(handler: Any) -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


# Below: what runs in a Ray worker.

_scorer: tuple[str, Scorer] | None = None
"""The run that this process works for, with its network and its decoder: built once, and kept."""


def _score_units(night: _Night, units: list[Unit]) -> _Outcome:
    """Return what became of these units.

    They are staged, or as much of them as was done when it ended early.
    """
    run = Run(night.work.root, run_id=night.run_id)
    staged: list[StagedUnit] = []
    problem: Exception | None = None
    try:
        staged = _kept_scorer(night).score(units, run, lambda _: None)
    except BaseException as error:
        _forget()  # its decoder may be in the middle of something
        error = machine_fault(error) or error
        if not isinstance(error, TaggerError | OSError):
            raise
        problem = error
    return _Outcome(
        pictures=sum(len(unit.pictures) for unit in units),
        staged=staged,
        counts=run.counts,
        seconds=run.seconds,
        peak_mib=peak_mib(),
        backend=run.backend,
        lack=run.lack,
        failures=run.failures,
        error=problem,
    )


def _kept_scorer(night: _Night) -> Scorer:
    global _scorer
    if _scorer is None or _scorer[0] != night.run_id:
        _forget()
        left = night.until - time.time()
        how = replace(night.work.how, workers=1, until=time.monotonic() + left)
        scorer = Scorer(replace(night.work, how=how), pictures=0, threads=1)
        _scorer = (night.run_id, scorer)
    return _scorer[1]


def _forget() -> None:
    global _scorer
    if _scorer is not None:
        _scorer[1].close()
        _scorer = None
