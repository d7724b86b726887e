"""The middle of a night: decode what the plan says, infer, and stage rows unit by unit."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Self

from tagger.catalog import absolute_path
from tagger.cpus import usable_cpus
from tagger.imaging.decoder import Decoder, chunked
from tagger.imaging.file_facts import FileFacts
from tagger.index.catalog_plan import CatalogPlan
from tagger.models.inferred import Predictor
from tagger.models.predictor import make_predictor
from tagger.nightly.guards import check_answering, check_error_rate, check_readable
from tagger.nightly.inference import Inference
from tagger.nightly.run import Run
from tagger.nightly.unit_writer import UnitWriter
from tagger.nightly.units import StagedUnit, Unit, Work, units_of
from tagger.progress import Progress, say

Engine = Callable[[Work, CatalogPlan, Run], list[StagedUnit]]
"""What reads, scores and stages: this process and its decoders, or the workers of a cluster."""

_NO_FAILURE = ("ok", "known", "gone")


def score(work: Work, plan: CatalogPlan, run: Run) -> list[StagedUnit]:
    """Read every picture that the plan says, score new contents, and return the staged units.

    Raises
    ------
    MachineFault
        If the machine keeps too many pictures from being read.
    Refused
        If too many pictures fail, or none can be read any more.
    TimeUp
        If the time is up.
    """
    total = plan.counts.to_read
    limit = work.how.max_error_rate
    check_error_rate(run.counts, limit, total)
    with Scorer(work, pictures=total) as scorer, Progress(total, "tagging") as progress:

        def done(pictures: int) -> None:
            progress.advance(pictures)
            check_error_rate(run.counts, limit, total - progress.done)

        return scorer.score(units_of(plan), run, done)


class Scorer:
    """Decode workers and a network, which stay from one unit to the next.

    Parameters
    ----------
    pictures : int
        How many are coming, as far as known.
    threads : int
        What the network may use; 0 is what there is.
    """

    def __init__(self, work: Work, *, pictures: float, threads: int = 0) -> None:
        self._work = work
        self._pictures = pictures
        self._threads = threads
        self._predictor: Predictor | None = None
        # Starting a worker takes as long as some pictures.
        self._workers = int(max(1, min(work.how.workers or usable_cpus(), pictures // 8)))
        self._decoder = Decoder(
            work.bundle.reading,
            workers=self._workers,
            # While the network is loaded, a processor is left to that.
            at_first=max(1, usable_cpus() - 1),
            timeout=work.how.decode_timeout,
            known=work.known,
            inside=work.root,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the decode workers."""
        self._decoder.close()

    def score(
        self, units: Iterable[Unit], run: Run, done: Callable[[int], object]
    ) -> list[StagedUnit]:
        """Return these units, staged. Whatever ends this early, what was scored is staged.

        Decode workers run ahead across the borders of units, so that the network never waits for a
        unit to end. Units are asked for as the workers come to them.
        """
        work = self._work
        network = Inference(lambda: self._load(run), work, run)
        writer = UnitWriter(work, run)
        ahead: deque[tuple[str, bool]] = deque()  # pictures that are with the workers
        read = self._decoder.read_seconds
        decoded = self._decoder.decode_seconds
        tasks = _tasks(work, units, writer, ahead, short=self._workers)
        chunks = self._decoder.decode(tasks, until=work.how.until)
        # Else perhaps no content needs it; here it loads while the first pictures are decoded.
        if not len(work.known):
            self._load(run)
        try:
            for facts, answers in network.scored(chunks):
                pictures = [ahead.popleft() for _ in facts]
                _count(facts, pictures, run)
                writer.add(facts, answers)
                run.answered()
                check_readable(run)
                # First: of a share that is dead, that is a better reason than many failures.
                check_answering(facts, run.counts, work.root)
                done(len(facts))
        finally:
            run.spend("read", self._decoder.read_seconds - read)
            run.spend("decode", self._decoder.decode_seconds - decoded)
            writer.flush()
        return writer.written()

    def _load(self, run: Run) -> Predictor:
        """Return the network; it is loaded when the first content needs it."""
        if self._predictor is None:
            how = self._work.how
            # Features outlive this model, and the comparison of precisions is about its head
            # alone: float32.
            float32 = how.features and how.backend == "auto"
            with run.stage("start"):
                self._predictor = make_predictor(
                    self._work.bundle,
                    "openvino" if float32 else how.backend,
                    pictures=self._pictures,
                    threads=self._threads,
                    report=say,
                )
        return self._predictor


def _count(facts: Sequence[FileFacts], pictures: Sequence[tuple[str, bool]], run: Run) -> None:
    """Count what became of these pictures, given as ids and whether they are tried again; note
    which of them failed, and which was the first that the machine could not read."""
    counts = run.counts
    for one, (image_id, again) in zip(facts, pictures, strict=True):
        failed = one.status not in _NO_FAILURE
        counts["gone"] += one.status == "gone"
        counts["tried"] += one.status != "gone"
        counts["failed_now"] += failed
        counts["failed_again"] += failed and again and not one.lacking
        counts["lacking"] += one.lacking
        counts["lacking_anew"] += one.lacking and not again
        if failed and not one.lacking:
            run.failures.add(image_id, one.status, one.error)
        elif failed and run.lack is None:
            run.lack = f"{image_id!r}: {one.error}"


def _tasks(
    work: Work,
    units: Iterable[Unit],
    writer: UnitWriter,
    ahead: deque[tuple[str, bool]],
    *,
    short: int,
) -> Iterator[tuple[None, list[str]]]:
    """Yield tasks for the workers; what they are of is told to the writer and put into `ahead`."""

    def paths() -> Iterator[str]:
        for unit in units:
            writer.expect(unit)
            retried = unit.pictures["retried"].to_pylist()
            for image_id, again in zip(unit.ids, retried, strict=True):
                ahead.append((image_id, again))
                yield absolute_path(work.root, image_id)

    return ((None, chunk) for chunk in chunked(paths(), short=short))
