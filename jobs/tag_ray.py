"""The middle of the nightly job on a Ray cluster: the only file that knows Ray.

The driver hands out units; a Ray worker reads, decodes, infers and stages them, and answers with counts. No picture and
no score passes through the driver. Catalog, model and index must lie under the same paths on every machine. Ray runs a
unit again elsewhere when its worker dies; a unit that is staged twice is the same file twice.
"""

import os
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

from jobs.progress import Progress
from jobs.run_record import Run, new_run
from jobs.tag_scoring import Scorer, Scoring, StagedUnit, Unit, check_error_rate, units_of
from tagger.bundle import Bundle
from tagger.contents import Keys
from tagger.cpus import usable_cpus
from tagger.errors import InputError, TaggerError, TimeUp
from tagger.plan import Plan
from tagger.staging import Staging

_LOST_TRIES = 3
"""How often a unit is begun anew because its worker died; pictures that kill decoders kill no worker."""


@dataclass(frozen=True)
class _Night:
    """What every worker needs to know; it lies in Ray's object store once for each machine."""

    run_id: str
    plan: Plan
    bundle: Bundle
    root: str
    staging: Staging
    known: Keys
    how: Scoring  # `until` is by the clock on the wall, which machines share
    units: list[Unit]


class _Outcome(NamedTuple):
    staged: list[StagedUnit]
    counts: Counter[str]
    seconds: dict[str, float]
    backend: str | None
    error: TaggerError | None


def score_with_ray(
    plan: Plan, bundle: Bundle, root: str, staging: Staging, known: Keys, how: Scoring, run: Run
) -> list[StagedUnit]:
    """Return the staged units, as `jobs.tag_scoring.score` does; a content in two units is scored, and counted, twice.

    A cluster is found by RAY_ADDRESS; without that one is started on this machine, for the length of the run.

    Raises
    ------
    InputError
        If Ray is not installed or the cluster cannot be reached.
    Refused
        If too many pictures fail, or none can be read any more.
    TimeUp
        If the time is up.
    """
    ray = _connected(how.workers)
    try:
        units = units_of(plan)
        wall = how._replace(until=time.time() + how.until - time.monotonic())
        night = ray.put(_Night(run.record["run_id"], plan, bundle, root, staging, known, wall, units))
        task = ray.remote(num_cpus=1, max_retries=_LOST_TRIES, scheduling_strategy="SPREAD")(_score_unit)
        waiting = {task.remote(night, unit.number): unit for unit in units}
        return _gathered(ray, waiting, plan.counts["to_read"], how, run)
    finally:
        ray.shutdown()


def _gathered(ray: Any, waiting: dict[Any, Unit], total: int, how: Scoring, run: Run) -> list[StagedUnit]:
    """Return what the units' tasks staged, counted into `run` as they come in."""
    staged: list[StagedUnit] = []
    check_error_rate(run.counts, how.max_error_rate, total)
    with Progress(total, "tagging") as progress:
        while waiting:
            ready, _ = ray.wait(list(waiting), timeout=1.0)
            for reference in ready:
                unit, outcome = waiting.pop(reference), _result(ray, reference)
                run.counts.update(outcome.counts)
                run.answered()
                for name in ("start", "wait", "infer", "write", "read", "decode"):
                    run.seconds[name] = run.seconds.get(name, 0) + outcome.seconds.get(name, 0)
                run.record["backend"] = outcome.backend or run.record["backend"]
                if outcome.error is not None:
                    raise outcome.error
                staged += outcome.staged
                progress.advance(len(unit.places))
                check_error_rate(run.counts, how.max_error_rate, total - progress.done)
            if time.monotonic() > how.until + _GRACE:
                raise TimeUp("the time that --max-seconds gives was up")
    return staged


_GRACE = 5.0  # seconds that workers have to stage what they did of a unit when the time is up


def _result(ray: Any, reference: Any) -> _Outcome:
    try:
        outcome: _Outcome = ray.get(reference)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1]
        raise TaggerError(f"a unit failed on the Ray cluster: {reason}. What others staged is kept") from error
    return outcome


def _connected(workers: int) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError(
            "--engine ray: Ray is not installed; run: pip install 'fashion-catalog-tagger[ray]'"
        ) from error
    address = os.environ.get("RAY_ADDRESS")
    handler = signal.getsignal(signal.SIGTERM)
    try:
        if address:
            ray.init(address=address, log_to_driver=False, logging_level="error")
        else:
            ray.init(
                num_cpus=workers or usable_cpus(), include_dashboard=False, log_to_driver=False, logging_level="error"
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(f"--engine ray: the cluster at {address!r} cannot be used: {error}") from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)  # Ray puts its own in place, which ends without a word
    return ray


# Below: what runs in a Ray worker.

_scorer: tuple[str, Scorer] | None = None
"""The run that this worker process works for, with its network and its decoder: built once, kept from unit to unit."""


def _score_unit(night: _Night, number: int) -> _Outcome:
    """Return what became of one unit; it is staged, or as much of it as was done when it ended early."""
    run = new_run(night.root)
    run.record["run_id"] = night.run_id
    staged, problem = [], None
    try:
        scorer = _kept_scorer(night)
        staged = scorer.score(night.plan, [night.units[number]], night.staging, run, lambda _: None)
    except TaggerError as error:
        problem = error
        _forget()  # its decoder may be in the middle of something
    except BaseException:
        _forget()
        raise
    return _Outcome(staged, run.counts, run.seconds, run.record["backend"], problem)


def _kept_scorer(night: _Night) -> Scorer:
    global _scorer
    if _scorer is None or _scorer[0] != night.run_id:
        _forget()
        left = night.how.until - time.time()
        how = night.how._replace(workers=1, until=time.monotonic() + left)
        pictures = night.plan.counts["to_read"]
        _scorer = night.run_id, Scorer(night.bundle, night.root, night.known, how, pictures=pictures, threads=1)
    return _scorer[1]


def _forget() -> None:
    global _scorer
    if _scorer is not None:
        _scorer[1].close()
        _scorer = None
