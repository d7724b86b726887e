"""The middle of a night: decode what the plan says, infer, and stage rows unit by unit."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Self

import numpy as np

from tagger.arrays import BoolArray, Int64Array
from tagger.catalog import absolute_path
from tagger.cpus import usable_cpus
from tagger.imaging.decoder import Decoder, chunked
from tagger.imaging.file_facts import FileFacts
from tagger.models.inferred import Predictor
from tagger.models.predictor import make_predictor
from tagger.nightly.guards import check_answering, check_error_rate, check_readable
from tagger.nightly.inference import Inference
from tagger.nightly.run import Run
from tagger.nightly.unit_writer import UnitWriter
from tagger.nightly.units import StagedUnit, Unit, Work
from tagger.progress import Progress, say

Engine = Callable[[Work, Run], list[StagedUnit]]
"""What reads, scores and stages: this process and its decoders, or the workers of a cluster."""

_NO_FAILURE = ("ok", "known", "gone")


def score(work: Work, run: Run) -> list[StagedUnit]:
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
    total = work.plan.counts.to_read
    limit = work.how.max_error_rate
    check_error_rate(run.counts, limit, total)
    with Scorer(work, pictures=total) as scorer, Progress(total, "tagging") as progress:

        def done(pictures: int) -> None:
            progress.advance(pictures)
            check_error_rate(run.counts, limit, total - progress.done)

        return scorer.score(work.units(), run, done)


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
        self, units: Sequence[Unit], run: Run, done: Callable[[int], object]
    ) -> list[StagedUnit]:
        """Return these units, staged. Whatever ends this early, what was scored is staged.

        Decode workers run ahead across the borders of units, so that the network never waits for a
        unit to end.
        """
        work = self._work
        network = Inference(lambda: self._load(run), work, run)
        writer = UnitWriter(work, units, run)
        places = np.concatenate([unit.places for unit in units])
        retried = work.plan.retried[places]
        # Else perhaps no content needs it; here it loads while the decoders start.
        if not len(work.known):
            self._load(run)
        read = self._decoder.read_seconds
        decoded = self._decoder.decode_seconds
        chunks = self._decoder.decode(_tasks(work, units, self._workers), until=work.how.until)
        taken = 0
        try:
            for facts, answers in network.scored(chunks):
                _count(facts, retried[taken:], run)
                _note_failures(facts, places[taken:], work, run)
                writer.add(facts, answers)
                taken += len(facts)
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


def _count(facts: Sequence[FileFacts], retried: BoolArray, run: Run) -> None:
    counts = run.counts
    for one, again in zip(facts, retried, strict=False):
        failed = one.status not in _NO_FAILURE
        counts["gone"] += one.status == "gone"
        counts["tried"] += one.status != "gone"
        counts["failed_now"] += failed
        counts["failed_again"] += failed and bool(again) and not one.lacking
        counts["lacking"] += one.lacking
        counts["lacking_anew"] += one.lacking and not again


def _note_failures(facts: Sequence[FileFacts], places: Int64Array, work: Work, run: Run) -> None:
    """Note which of these pictures failed, and which was the first that the machine could not read;
    their places in the plan are the first of `places`."""
    failed = [i for i, one in enumerate(facts) if one.status not in _NO_FAILURE]
    for i, image_id in zip(failed, work.plan.ids(places[failed]), strict=True):
        one = facts[i]
        if not one.lacking:
            run.failures.add(image_id, one.status, one.error)
        elif run.lack is None:
            run.lack = f"{image_id!r}: {one.error}"


def _tasks(work: Work, units: Sequence[Unit], workers: int) -> Iterator[tuple[None, list[str]]]:
    ids = chain.from_iterable(work.plan.ids(unit.places) for unit in units)
    paths = (absolute_path(work.root, image_id) for image_id in ids)
    return ((None, chunk) for chunk in chunked(paths, short=workers))
