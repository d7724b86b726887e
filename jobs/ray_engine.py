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
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tagger.cache import cache_folder
from tagger.cpus import usable_cpus
from tagger.digests import DigestKeys
from tagger.errors import InputError, TaggerError, TimeUp
from tagger.imaging.worker import CHUNK
from tagger.index.plan import UNIT, Plan
from tagger.index.staging import Staging
from tagger.machine import machine_fault
from tagger.models.bundle import Bundle
from tagger.nightly.run import Run, new_run, peak_mib
from tagger.nightly.scoring import (
    Scorer,
    Scoring,
    StagedUnit,
    Unit,
    check_error_rate,
    check_machine,
    units_of,
)
from tagger.progress import Progress, say

_LOST_TRIES = 3
"""How often a task is begun anew because its worker died; pictures that kill decoders kill no
worker."""

_TURNS, _LEAST = 4, 4 * CHUNK
"""Each worker gets a task so often at least, so that none waits long for the others at the end; but
none smaller than this."""

_GRACE = 10.0
"""Seconds that workers have to stage what they did when the night ends early."""


_PACKAGES = Path(__file__).parents[1]
"""Where this package lies. Ray lets its workers import from the folder that it is started in,
before all others: a file signal.py in the user's working folder must not stand in for Python's."""


@dataclass(frozen=True)
class _Night:
    """What every worker needs to know; it lies in Ray's object store once for each machine."""

    run_id: str
    plan: Plan
    bundle: Bundle
    root: str
    staging: Staging
    known: DigestKeys
    how: Scoring  # `until` is by the clock on the wall, which machines share


class _Outcome(NamedTuple):
    """What became of a task's units; with an error, what was done before it is staged too."""

    pictures: int
    staged: list[StagedUnit]
    counts: Counter[str]
    seconds: dict[str, float]
    peak_mib: float
    backend: str | None
    lack: str | None
    error: Exception | None


def score_with_ray(
    plan: Plan,
    bundle: Bundle,
    root: str,
    staging: Staging,
    known: DigestKeys,
    how: Scoring,
    run: Run,
) -> list[StagedUnit]:
    """Return the staged units, as `tagger.nightly.scoring.score` does; a content in two tasks is
    scored, and counted, twice.

    A cluster is found by RAY_ADDRESS; without that one is started on this machine, for the length
    of the run. No comparison of precisions is begun: bfloat16 is used where an earlier one on the
    worker's machine allowed it.

    Raises
    ------
    InputError
        If Ray is not installed or the cluster cannot be reached.
    Refused
        If too many pictures fail, or none can be read any more.
    TimeUp
        If the time is up.
    """
    check_error_rate(run.counts, how.max_error_rate, plan.counts["to_read"])
    with _connected(how.workers) as ray:
        workers = int(how.workers or ray.cluster_resources().get("CPU", 0))
        if not workers:
            raise InputError("--engine ray: the cluster has no processor for a worker (CPU: 0)")
        say(f"{workers} Ray workers")
        wall = how._replace(until=time.time() + how.until - time.monotonic())
        night = ray.put(_Night(run.record["run_id"], plan, bundle, root, staging, known, wall))
        task = ray.remote(num_cpus=1, max_retries=_LOST_TRIES, scheduling_strategy="SPREAD")(
            _score_units
        )
        size = min(UNIT, max(_LEAST, plan.counts["to_read"] // (_TURNS * workers)))
        tasks = (task.remote(night, units) for units in _portions(units_of(plan, size), size))
        return _gathered(ray, tasks, workers, plan.counts["to_read"], how, run)


def _portions(units: list[Unit], size: int) -> Iterator[list[Unit]]:
    """Yield units, each of up to `size` pictures, in lists of up to `size` pictures: many buckets
    make small units."""
    portion: list[Unit] = []
    for unit in units:
        if portion and sum(len(one.places) for one in [*portion, unit]) > size:
            yield portion
            portion = []
        portion.append(unit)
    if portion:
        yield portion


def _gathered(
    ray: Any, tasks: Iterator[Any], workers: int, total: int, how: Scoring, run: Run
) -> list[StagedUnit]:
    """Return what the tasks staged, counted into `run` as they come in; after an error no task is
    begun any more."""
    staged: list[StagedUnit] = []
    waiting: list[Any] = []
    problem: Exception | None = None
    with Progress(total, "tagging") as progress, run.stage("wait"):
        deadline = how.until + _GRACE
        while True:
            while (
                problem is None
                and len(waiting) < workers
                and (reference := next(tasks, None)) is not None
            ):
                waiting.append(reference)
            if not waiting or time.monotonic() > deadline:
                break
            ready, waiting = ray.wait(waiting, timeout=1.0)
            for reference in ready:
                outcome = _result(ray, reference)
                _count(outcome, run)
                staged += outcome.staged
                progress.advance(outcome.pictures)
                problem = (
                    problem or outcome.error or _too_many_failures(run, how, total - progress.done)
                )
            if problem is not None:
                deadline = min(deadline, time.monotonic() + _GRACE)
    if problem is None and waiting:
        problem = TimeUp("the time that --max-seconds gives was up")
    if problem is not None:
        raise problem
    return staged


def _count(outcome: _Outcome, run: Run) -> None:
    run.counts.update(outcome.counts)
    for name in ("start", "write", "read", "decode"):
        run.seconds[name] = run.seconds.get(name, 0) + outcome.seconds.get(name, 0)
    run.peak_mib = max(run.peak_mib, outcome.peak_mib)
    run.record["backend"] = outcome.backend or run.record["backend"]
    run.lack = run.lack or outcome.lack
    run.answered()


def _too_many_failures(run: Run, how: Scoring, still_to_try: int) -> TaggerError | None:
    try:
        check_machine(run)
        check_error_rate(run.counts, how.max_error_rate, still_to_try)
    except TaggerError as error:
        return error
    return None


def _result(ray: Any, reference: Any) -> _Outcome:
    """Return what a task answered; a failure of Ray's own, or of our code, is the outcome's
    error."""
    try:
        outcome: _Outcome = ray.get(reference)
        return outcome
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        reason = str(cause or error).strip().splitlines()[-1]
        failed = TaggerError(
            f"a unit failed on the Ray cluster: {reason}. What others staged is kept"
        )
        return _Outcome(0, [], Counter(), {}, 0.0, None, None, failed)


@contextmanager
def _connected(workers: int) -> Iterator[Any]:
    """Yield Ray, connected to the cluster at RAY_ADDRESS or to one of its own, which ends with
    it."""
    address = os.environ.get("RAY_ADDRESS")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if (
        not address
    ):  # of one machine, so that it need not be reached from others, nor ask the way to them
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
        if (
            error.code == signal.SIGTERM
        ):  # Ray's own handler, which it puts in place while it starts
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
"""The run that this worker process works for, with its network and its decoder: built once, kept
from task to task."""


def _score_units(night: _Night, units: list[Unit]) -> _Outcome:
    """Return what became of these units: they are staged, or as much of them as was done when it
    ended early."""
    run = new_run(night.root)
    run.record["run_id"] = night.run_id
    staged: list[StagedUnit] = []
    problem: Exception | None = None
    try:
        staged = _kept_scorer(night).score(night.plan, units, night.staging, run, lambda _: None)
    except BaseException as error:
        _forget()  # its decoder may be in the middle of something
        error = machine_fault(error) or error
        if not isinstance(error, TaggerError | OSError):
            raise
        problem = error
    pictures = sum(len(unit.places) for unit in units)
    return _Outcome(
        pictures,
        staged,
        run.counts,
        run.seconds,
        peak_mib(),
        run.record["backend"],
        run.lack,
        problem,
    )


def _kept_scorer(night: _Night) -> Scorer:
    global _scorer
    if _scorer is None or _scorer[0] != night.run_id:
        _forget()
        left = night.how.until - time.time()
        how = night.how._replace(workers=1, until=time.monotonic() + left)
        _scorer = (
            night.run_id,
            Scorer(night.bundle, night.root, night.known, how, pictures=0, threads=1),
        )
    return _scorer[1]


def _forget() -> None:
    global _scorer
    if _scorer is not None:
        _scorer[1].close()
        _scorer = None
