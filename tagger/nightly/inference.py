"""From decoded chunks to logits: batches are filled from one chunk after the other."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tagger.arrays import Float16Array, Float32Array, Float64Array, Pixels
from tagger.digests import Contents, key_of
from tagger.imaging.decoder import DecodedChunk
from tagger.imaging.file_facts import FileFacts
from tagger.imaging.worker import CHUNK, SHORT
from tagger.models.inferred import Predictor
from tagger.nightly.run import Run
from tagger.nightly.units import Work

_HELD_UP = 4
"""Chunks that may wait for a batch to fill."""


class Answers(NamedTuple):
    """What the network said of some pictures; features have width 0 where they are not kept."""

    logits: Float32Array  # (n, labels)
    features: Float16Array  # (n, width)
    outside: Float64Array  # (n,): how much of the features lies outside of those trained on

    def joined(self, others: "Answers") -> "Answers":
        """Return these and the others."""
        return Answers(
            np.concatenate([self.logits, others.logits]),
            np.concatenate([self.features, others.features]),
            np.concatenate([self.outside, others.outside]),
        )

    def rows(self, which: slice | list[int]) -> "Answers":
        """Return some of them."""
        return Answers(self.logits[which], self.features[which], self.outside[which])


def no_answers(work: Work, n: int) -> Answers:
    """Return zeros for n pictures, to be filled in."""
    logits = np.zeros((n, len(work.bundle.vocabulary)), np.float32)
    return Answers(logits, np.zeros((n, work.how.width), np.float16), np.zeros(n))


@dataclass
class _Chunk:
    """A decoded chunk on its way; `waiting` are contents that the network has not seen yet."""

    facts: list[FileFacts]
    answers: Answers
    waiting: int = 0


class Inference:
    """The network, which is loaded when the first content needs it.

    Pictures whose content was scored before are left out, so batches are filled from one chunk
    after the other.

    Parameters
    ----------
    load : callable
        Returns the network.
    """

    def __init__(self, load: Callable[[], Predictor], work: Work, run: Run) -> None:
        self._load = load
        self._work = work
        self._run = run
        self._seen = Contents(work.known)
        self._batch: list[tuple[_Chunk, int, Pixels]] = []

    def scored(self, chunks: Iterator[DecodedChunk]) -> Iterator[tuple[list[FileFacts], Answers]]:
        """Yield facts and what the network said of each, in order.

        Contents that were scored before are marked `known`.
        """
        in_order: deque[_Chunk] = deque()
        while (chunk := self._wait(chunks)) is not None:
            in_order.append(self._take(chunk))
            wanted = CHUNK if self._run.counts["scored"] else SHORT
            # A batch that does not fill, since all else is known, must not keep the rest from being
            # staged.
            while len(self._batch) >= wanted or (self._batch and len(in_order) > _HELD_UP):
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
        taken = _Chunk(list(chunk.facts), no_answers(self._work, len(chunk.facts)))
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
        batch = self._batch[:CHUNK]
        self._batch = self._batch[CHUNK:]
        predictor = self._load()
        self._run.backend = predictor.backend  # it may settle for another on the way
        with self._run.stage("infer"):
            inferred = predictor.infer(np.stack([pixels for _, _, pixels in batch]))
        outside = self._work.bundle.outside(inferred.features)
        for (chunk, i, _), logits, features, far in zip(batch, *inferred, outside, strict=True):
            chunk.answers.logits[i] = logits
            chunk.answers.features[i] = features[: self._work.how.width]
            chunk.answers.outside[i] = far
            chunk.waiting -= 1
        self._run.counts["scored"] += len(batch)
