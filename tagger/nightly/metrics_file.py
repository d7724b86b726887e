"""`--metrics FILE`: what a monitor wants to know of an index, for Prometheus.

Two things, which differ after a bad night: the night that readers see (`tagger_night_...`), and the
last run (`tagger_run_...`). Names follow https://prometheus.io/docs/practices/naming/.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import chain
from pathlib import Path

from schemas.corrections import CORRECTIONS_FILE
from schemas.rows import STATUSES
from schemas.runs import RUN_STATES, RunRecord
from tagger.errors import StoreError
from tagger.files import replacing
from tagger.index.disk_use import disk_use
from tagger.index.runs import without_the_locked_out
from tagger.index.store import Index
from tagger.nightly.current_night import CurrentNight, current_night
from tagger.nightly.exposition import Family, Sample, exposition
from tagger.nightly.run import Run
from tagger.progress import warn

_MOMENTS = ("first", "last", "total")  # what `seconds` has besides stages
_ENDS = [name for name in RUN_STATES if name not in ("running", "rolled_back")]
_CHANGES = ("new", "changed", "rescored", "unchanged")


def write_metrics(path: str, index: Index, run: Run) -> None:
    """Replace the metrics file after a run, however that ended; says so where it cannot be done."""
    try:
        with replacing(Path(path)) as sibling:
            sibling.write_text(metrics_text(index, run), encoding="utf-8")
            sibling.chmod(0o644)  # the collector is another user
    except Exception as error:
        # Whatever is wrong with figures about a night is no reason for it to fail.
        warn(
            f"the metrics file {path!r} could not be written: {_reason(error)}. The night itself "
            "is not touched by that; does the folder exist, and may this user write there?"
        )


def metrics_text(index: Index, run: Run) -> str:
    """Return the metrics of an index after `run`, in Prometheus's text format.

    What cannot be found out is told and left out; all else is there.
    """
    record = run.record()
    parts = {
        "how the run ended": lambda: _end_of_run(record),
        "the run's pictures": lambda: _pictures_of_run(record, run),
        "the night that readers see": lambda: _of_night(index, record),
        "corrections": lambda: _corrections(index),
        "the index's size": lambda: _size(index),
    }
    return "".join(_text_of(what, families, index) for what, families in parts.items())


def _text_of(what: str, families: Callable[[], Iterator[Family]], index: Index) -> str:
    """Return these families as text, or nothing if one cannot be found out."""
    try:
        return exposition(_with(family, {"index": str(index.path)}) for family in families())
    except Exception as error:  # one figure must not take the others with it
        warn(f"metrics: {what} cannot be told; left out: {_reason(error)}")
        return ""


def _of_night(index: Index, record: RunRecord) -> Iterator[Family]:
    """Yield the figures of the night that readers see; none if it is damaged, of which the run's
    own message speaks."""
    earlier = (one for one in index.runs.newest_first() if one.run_id != record.run_id)
    try:
        night = current_night(index, without_the_locked_out(chain([record], earlier)))
    except (StoreError, OSError, ValueError):
        return
    if night is not None:
        yield from _figures_of(night)


def _figures_of(night: CurrentNight) -> Iterator[Family]:
    manifest = night.manifest
    counts = night.counts
    yield _one(
        "tagger_night_timestamp_seconds",
        "When the run began that last made the index equal to the catalog, or found that it is.",
        night.began.timestamp(),
    )
    yield Family(
        "tagger_night_rows",
        "gauge",
        "Rows that readers see, by status of the picture.",
        [Sample({"status": name}, manifest.statuses.get(name, 0)) for name in STATUSES],
    )
    yield Family(
        "tagger_night_pictures",
        "gauge",
        "Pictures of the night that readers see, by what became of them; together its rows.",
        [Sample({"change": name}, getattr(counts, name)) for name in _CHANGES],
    )
    yield _one("tagger_night_deleted_rows", "Rows that the night deleted.", counts.deleted)
    yield _one(
        "tagger_night_corrected_rows",
        "Rows with other answers of persons than the night before.",
        counts.corrected,
    )
    yield Family(
        "tagger_night_info",
        "gauge",
        "Of the night that readers see: its catalog and its model.",
        [Sample({"catalog": manifest.catalog, "model_id": manifest.model_id}, 1)],
    )


def _pictures_of_run(record: RunRecord, run: Run) -> Iterator[Family]:
    """Yield what the last run did, whatever became of it."""
    yield _one(
        "tagger_run_tried_pictures",
        "Pictures that the last run tried, with those that an interrupted run had tried for it.",
        run.counts["tried"],
    )
    yield Family(
        "tagger_run_failed_pictures",
        "gauge",
        "Pictures that the last run tried and that failed, by status.",
        [
            Sample({"status": name}, record.failed_by_status.get(name, 0))
            for name in STATUSES
            if name != "ok"
        ],
    )
    yield _one(
        "tagger_run_failure_ratio",
        "Share of failures as --max-error-rate sees it, 0 to 1; 0 if no picture was tried.",
        _failure_ratio(run.counts),
    )
    if record.answers is not None and record.answers.unlike is not None:
        yield _one(
            "tagger_run_unlike_rows",
            "Rows that the last run published and that are unlike what its model was trained on.",
            record.answers.unlike.rows,
        )
    yield _one(
        "tagger_run_pictures_per_second",
        "Pictures read per second of waiting for workers and inferring; 0 if none was read.",
        round(run.images_per_second(), 1),
    )
    yield _one(
        "tagger_run_peak_memory_bytes",
        "The most memory that any one process of the last run held.",
        round(record.peak_mib * 2**20),
    )


def _end_of_run(record: RunRecord) -> Iterator[Family]:
    began = datetime.fromisoformat(record.started_at).timestamp()
    yield _one("tagger_run_timestamp_seconds", "When the last run began.", began)
    yield Family(
        "tagger_run_state",
        "gauge",
        "How the last run ended: 1 for the state it is in, 0 for the others.",
        [Sample({"state": name}, name == record.state) for name in _ENDS],
    )
    if record.exit_code is not None:
        yield _one("tagger_run_exit_code", "The last run's.", record.exit_code)
    yield _one("tagger_run_duration_seconds", "How long it took.", record.seconds.get("total", 0.0))
    yield Family(
        "tagger_run_stage_duration_seconds",
        "gauge",
        "How long each stage took; read and decode are added up over all workers.",
        [
            Sample({"stage": name}, seconds)
            for name, seconds in sorted(record.seconds.items())
            if name not in _MOMENTS
        ],
    )


def _corrections(index: Index) -> Iterator[Family]:
    """Yield how much persons said, of an index that is there."""
    if index.is_there():
        yield Family(
            "tagger_corrections_total",
            "counter",
            "Lines of corrections.jsonl: what persons said of pictures.",
            [Sample({}, _lines(index.path / CORRECTIONS_FILE))],
        )


def _size(index: Index) -> Iterator[Family]:
    """Yield what the index takes, if it is there."""
    if index.is_there():
        taken = disk_use(index.path).total
        yield _one("tagger_index_size_bytes", "What the index takes on the disk.", taken)


def _failure_ratio(counts: Counter[str]) -> float:
    """Return failures over tries, as `tagger.nightly.guards.check_error_rate` counts them."""
    others = counts["failed_again"] + counts["lacking"]
    tried = counts["tried"] - others
    return (counts["failed_now"] - others) / tried if tried else 0.0


def _one(name: str, help_text: str, value: float) -> Family:
    """Return a gauge of a single number."""
    return Family(name, "gauge", help_text, [Sample({}, value)])


def _with(family: Family, labels: Mapping[str, str]) -> Family:
    """Return the family with these labels on each number, before its own."""
    return family._replace(
        samples=[Sample({**labels, **own}, value) for own, value in family.samples]
    )


def _lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0  # nobody has said anything yet


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
