"""The middle of the nightly job: decode what the plan says, infer, and stage rows unit by unit."""

import math
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa

from tagger.arrays import BoolArray, Float16Array, Float32Array, Int64Array, Pixels
from tagger.catalog import UNSEEN, absolute_path
from tagger.cpus import usable_cpus
from tagger.digests import Contents, DigestKeys, key_of
from tagger.errors import MachineFault, Refused
from tagger.imaging.decoder import DecodedChunk, Decoder, chunked
from tagger.imaging.worker import CHUNK, FileFacts
from tagger.index.features import FeatureStore
from tagger.index.plan import Plan
from tagger.index.rows import make_rows
from tagger.index.staging import Staging
from tagger.models.bundle import Bundle
from tagger.models.predictor import Backend, Predictor, make_predictor
from tagger.nightly.run import Run
from tagger.progress import Progress, say
from tagger.settings import setting

_HELD_UP = 4
"""Chunks that may wait for a batch to fill."""

MIN_FAILURES = 20
"""Fewer failures than this never refuse a run."""


class Unit(NamedTuple):
    """Pictures of one bucket that are scored and staged together; `number` is the unit's own in a
    run."""

    number: int
    bucket: int
    places: Int64Array


class StagedUnit(NamedTuple):
    """A staged file, and the rows of it that belong to one bucket (None: all)."""

    bucket: int
    path: Path
    rows: Int64Array | None


class Scoring(NamedTuple):
    """How to score."""

    backend: Backend
    workers: int
    decode_timeout: float
    max_error_rate: float
    until: float  # time.monotonic() at which to stop
    features: FeatureStore | None = None  # where to keep what the trunk makes of each content


def score(
    plan: Plan,
    bundle: Bundle,
    root: str,
    staging: Staging,
    known: DigestKeys,
    how: Scoring,
    run: Run,
) -> list[StagedUnit]:
    """Read every picture that the plan says, score contents that are not known, and return the
    staged units.

    Raises
    ------
    MachineFault
        If the machine keeps too many pictures from being read.
    Refused
        If too many pictures fail, or none can be read any more.
    TimeUp
        If the time is up.
    """
    units = units_of(plan)
    total = plan.counts["to_read"]
    check_error_rate(run.counts, how.max_error_rate, total)
    with (
        Scorer(bundle, root, known, how, pictures=total) as scorer,
        Progress(total, "tagging") as progress,
    ):

        def done(pictures: int) -> None:
            progress.advance(pictures)
            check_error_rate(run.counts, how.max_error_rate, total - progress.done)

        return scorer.score(plan, units, staging, run, done)


def units_of(plan: Plan, most: float = math.inf) -> list[Unit]:
    """Return what is to be read, in units of at most `most` pictures."""
    return [
        Unit(number, bucket, places) for number, (bucket, places) in enumerate(plan.units(most))
    ]


class Scorer:
    """Decode workers and a network, which stay from one unit to the next.

    Parameters
    ----------
    known : uint64 (n, 2)
        Contents whose scores need not be computed.
    pictures : int
        How many are coming, as far as known.
    threads : int
        What the network may use; 0 is what there is.
    """

    def __init__(
        self,
        bundle: Bundle,
        root: str,
        known: DigestKeys,
        how: Scoring,
        *,
        pictures: float,
        threads: int = 0,
    ) -> None:
        self._bundle, self._root, self._known, self._how = bundle, root, known, how
        self._pictures, self._threads = pictures, threads
        self._predictor: Predictor | None = None
        # Starting a worker takes as long as some pictures.
        workers = int(max(1, min(how.workers or usable_cpus(), pictures // 8)))
        self._decoder = Decoder(
            bundle.reading, workers=workers, timeout=how.decode_timeout, known=known, inside=root
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the decode workers."""
        self._decoder.close()

    def score(
        self,
        plan: Plan,
        units: Sequence[Unit],
        staging: Staging,
        run: Run,
        done: Callable[[int], object],
    ) -> list[StagedUnit]:
        """Return these units, staged. Whatever ends this early, what was scored is staged.

        Decode workers run ahead across the borders of units, so that the network never waits for a
        unit to end.
        """
        how, decoder = self._how, self._decoder
        spent = decoder.read_seconds, decoder.decode_seconds
        width = how.features.width if how.features else 0
        network = _Inference(
            lambda: self._load(run), self._bundle, Contents(self._known), width, run
        )
        writer = _UnitWriter(plan, units, self._bundle, staging, how.features, run)
        retried = plan.retried[np.concatenate([unit.places for unit in units])]
        if not len(
            self._known
        ):  # else perhaps no content needs it; here it loads while the decoders start
            self._load(run)
        taken = 0
        chunks = decoder.decode(_tasks(plan, units, self._root), until=how.until)
        try:
            for facts, answers in network.scored(chunks):
                _count(facts, retried[taken:], run)
                writer.add(facts, answers)
                taken += len(facts)
                run.answered()
                check_machine(run)
                done(len(facts))
                _check_answering(facts, run.counts, self._root)
        finally:
            for name, now, before in zip(
                ("read", "decode"),
                (decoder.read_seconds, decoder.decode_seconds),
                spent,
                strict=True,
            ):
                run.seconds[name] = run.seconds.get(name, 0) + now - before
            writer.flush()
        return writer.written()

    def _load(self, run: Run) -> Predictor:
        """Return the network; it is loaded when the first content needs it."""
        if self._predictor is None:
            # Features outlive this model, and the comparison of precisions is about its head alone:
            # float32.
            backend = (
                "openvino"
                if self._how.features and self._how.backend == "auto"
                else self._how.backend
            )
            with run.stage("start"):
                self._predictor = make_predictor(
                    self._bundle,
                    backend,
                    pictures=self._pictures,
                    threads=self._threads,
                    report=say,
                )
        return self._predictor


def check_error_rate(counts: Counter[str], limit: float, still_to_try: int) -> None:
    """Refuse a night with too many failures; before its end only if the rest can no longer mend the
    rate.

    Pictures that failed before, have not changed and fail again are no news, and count in neither
    number; nor do those that the machine could not read.
    """
    again = counts["failed_again"]
    others = again + counts["lacking"]
    failed, tried = counts["failed_now"] - others, counts["tried"] - others
    if failed >= MIN_FAILURES and failed > limit * (tried + still_to_try):
        raise Refused(
            f"{failed:,} of {tried:,} pictures tried failed, more than {limit:.0%}; nothing was "
            "published. "
            f"Look at the catalog, or allow it with {setting('max_error_rate')}"
        )


def check_machine(run: Run, *, ended: bool = False) -> None:
    """End a night whose machine cannot read pictures: too many of them, or at its end all of
    several.

    Unless it could not read any of those before, either: they must not keep all else from being
    published.
    """
    lacking, tried = run.counts["lacking"], run.counts["tried"] - run.counts["reused"]
    if lacking >= MIN_FAILURES or (ended and 1 < lacking == tried and run.counts["lacking_anew"]):
        raise MachineFault(
            f"{lacking:,} of {tried:,} pictures tried could not be read, which is not their fault: "
            f"{run.lack}. Nothing "
            "was published; what was read is kept for the next run"
        )


def _count(facts: Sequence[FileFacts], retried: BoolArray, run: Run) -> None:
    counts = run.counts
    for one, again in zip(facts, retried, strict=False):
        failed = one.status not in ("ok", "known", "gone")
        counts["gone"] += one.status == "gone"
        counts["tried"] += one.status != "gone"
        counts["failed_now"] += failed
        counts["failed_again"] += failed and bool(again) and not one.lacking
        counts["lacking"] += one.lacking
        counts["lacking_anew"] += one.lacking and not again
        run.lack = (run.lack or one.error) if one.lacking else run.lack


def _check_answering(facts: Sequence[FileFacts], counts: Counter[str], root: str) -> None:
    """Refuse to go on where every reading hangs: a share that is dead takes the timeout for each
    picture."""
    for one in facts:
        hangs = one.status == "timeout" and one.content_sha256 is None
        counts["hanging"] = counts["hanging"] + 1 if hangs else 0
    if counts["hanging"] >= MIN_FAILURES:
        raise Refused(
            f"{counts['hanging']} pictures in a row could not be read in time; does {root!r} still "
            "answer? Nothing was "
            "published, what was done is kept. Start again when it does, or allow more time with "
            f"{setting('decode_timeout')}"
        )


class _Answers(NamedTuple):
    """What the network said of some pictures; features have width 0 where they are not kept."""

    logits: Float32Array
    features: Float16Array

    def joined(self, others: "_Answers") -> "_Answers":
        logits = np.concatenate([self.logits, others.logits])
        return _Answers(logits, np.concatenate([self.features, others.features]))

    def rows(self, which: slice | list[int]) -> "_Answers":
        return _Answers(self.logits[which], self.features[which])


@dataclass
class _Chunk:
    """A decoded chunk on its way through the network; `waiting` are contents that have not been
    through it yet."""

    facts: list[FileFacts]
    answers: _Answers
    waiting: int = 0


class _Inference:
    """From decoded chunks to logits; the network is loaded when the first content needs it.

    Pictures whose content was scored before are left out, so batches are filled from one chunk
    after the other.
    """

    def __init__(
        self, load: Callable[[], Predictor], bundle: Bundle, seen: Contents, width: int, run: Run
    ) -> None:
        self._load, self._bundle, self._seen, self._width, self._run = (
            load,
            bundle,
            seen,
            width,
            run,
        )
        self._batch: list[tuple[_Chunk, int, Pixels]] = []

    def scored(self, chunks: Iterator[DecodedChunk]) -> Iterator[tuple[list[FileFacts], _Answers]]:
        """Yield facts, with contents scored before marked `known`, and what the network said of
        each, in order."""
        in_order: deque[_Chunk] = deque()
        while (chunk := self._wait(chunks)) is not None:
            in_order.append(self._take(chunk))
            # A batch that does not fill, since all else is known, must not keep the rest from being
            # staged.
            while len(self._batch) >= CHUNK or (self._batch and len(in_order) > _HELD_UP):
                self._infer()
            while in_order and not in_order[0].waiting:
                done = in_order.popleft()
                yield done.facts, done.answers
        if self._batch:
            self._infer()
        yield from ((done.facts, done.answers) for done in in_order)

    def _wait(self, chunks: Iterator[DecodedChunk]) -> DecodedChunk | None:
        with self._run.stage("wait"):
            return next(chunks, None)

    def _take(self, chunk: DecodedChunk) -> _Chunk:
        """Queue the contents of a chunk that have not been seen, for the network."""
        taken = _Chunk(list(chunk.facts), _no_answers(self._bundle, self._width, len(chunk.facts)))
        for i, one in enumerate(chunk.facts):
            if one.status == "ok" and one.content_sha256:
                key = key_of(bytes.fromhex(one.content_sha256))
                if key in self._seen:
                    taken.facts[i] = one._replace(status="known")
                else:
                    self._seen.add(key)
                    self._batch.append((taken, i, chunk.pixels[i]))
                    taken.waiting += 1
        return taken

    def _infer(self) -> None:
        """Put a batch through the network."""
        batch, self._batch = self._batch[:CHUNK], self._batch[CHUNK:]
        predictor = self._load()
        with self._run.stage("infer"):
            inferred = predictor.infer(np.stack([pixels for _, _, pixels in batch]))
        self._run.record["backend"] = predictor.backend  # it may settle for another on the way
        for (chunk, i, _), logits, features in zip(batch, *inferred, strict=True):
            chunk.answers.logits[i] = logits
            chunk.answers.features[i] = features[: self._width]
            chunk.waiting -= 1
        self._run.counts["scored"] += len(batch)


class _Pending(NamedTuple):
    facts: list[FileFacts]
    answers: _Answers
    unit: int  # the one that these are of, or the first of them


class _UnitWriter:
    """Deals answers, which come in the order of the plan, out to units, and stages each unit when
    it is complete.

    A signal may end any statement. So what is pending changes in single assignments, and a unit
    that is written twice is the same file twice.
    """

    def __init__(
        self,
        plan: Plan,
        units: Sequence[Unit],
        bundle: Bundle,
        staging: Staging,
        features: FeatureStore | None,
        run: Run,
    ) -> None:
        self._plan, self._units, self._bundle, self._staging, self._run = (
            plan,
            units,
            bundle,
            staging,
            run,
        )
        self._features = features
        self._pending = _Pending([], _no_answers(bundle, features.width if features else 0, 0), 0)

    def add(self, facts: Sequence[FileFacts], answers: _Answers) -> None:
        """Take in the next answers."""
        old = self._pending
        self._pending = _Pending([*old.facts, *facts], old.answers.joined(answers), old.unit)
        while self._pending.facts and len(self._pending.facts) >= self._wanted():
            self._write()

    def flush(self) -> None:
        """Stage what there is of an incomplete unit."""
        while self._pending.facts:
            self._write()

    def written(self) -> list[StagedUnit]:
        """Return the units that were staged."""
        return [
            StagedUnit(unit.bucket, self._path(unit), None)
            for unit in self._units[: self._pending.unit]
        ]

    def _wanted(self) -> int:
        return len(self._units[self._pending.unit].places)

    def _path(self, unit: Unit) -> Path:
        return self._staging.unit(self._run.record["run_id"], unit.number, self._plan.buckets)

    def _write(self) -> None:
        pending = self._pending
        n = min(self._wanted(), len(pending.facts))
        unit = self._units[pending.unit]
        places = unit.places[:n]
        facts, ids = _dated(pending.facts[:n], self._plan, places), self._plan.ids(places)
        kept = [i for i, one in enumerate(facts) if one.status != "gone"]
        rows = make_rows(
            [ids[i] for i in kept],
            [facts[i] for i in kept],
            pending.answers.logits[kept],
            vocabulary=self._bundle.vocabulary,
            thresholds=self._bundle.thresholds,
            model_id=self._bundle.model_id,
        )
        with self._run.stage("write"):
            self._keep_features(pending, n, self._path(unit).stem)
            self._staging.write(self._path(unit), rows)
        self._pending = _Pending(
            pending.facts[n:], pending.answers.rows(slice(n, None)), pending.unit + 1
        )

    def _keep_features(self, pending: _Pending, n: int, name: str) -> None:
        """Write the features of the first n pictures, as far as they went through the network;
        before their rows."""
        if self._features is not None:
            scored = [i for i, one in enumerate(pending.facts[:n]) if one.status == "ok"]
            digests = [pending.facts[i].content_sha256 or "" for i in scored]
            self._features.write(name, digests, pending.answers.features[scored])


def _no_answers(bundle: Bundle, width: int, n: int) -> _Answers:
    return _Answers(
        np.zeros((n, len(bundle.vocabulary)), np.float32), np.zeros((n, width), np.float16)
    )


def _tasks(plan: Plan, units: Sequence[Unit], root: str) -> Iterator[tuple[None, list[str]]]:
    paths = (absolute_path(root, image_id) for unit in units for image_id in plan.ids(unit.places))
    return ((None, chunk) for chunk in chunked(paths))


def _dated(facts: Sequence[FileFacts], plan: Plan, places: Int64Array) -> list[FileFacts]:
    """Return the facts; files that could not be opened get the size and time that the walk saw.

    Those that the walk could not even look at have neither, and are read again the next night.
    """
    walked = plan.listing.select(["size", "mtime_ns"]).take(pa.array(places)).to_pylist()
    dated = []
    for one, seen in zip(facts, walked, strict=True):
        if one.size_bytes is None and seen["size"] == UNSEEN:
            one = one._replace(unsettled=True)
        elif one.size_bytes is None:
            one = one._replace(size_bytes=seen["size"], mtime_ns=seen["mtime_ns"])
        dated.append(one)
    return dated
