"""Predictors that compute most pictures in a cheaper precision, or find out whether they may."""

import hashlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from tagger.arrays import Float32Array, Pixels
from tagger.errors import TaggerError
from tagger.machine import raise_machine_fault
from tagger.models.bundle import Bundle
from tagger.models.inferred import Inferred, Predictor
from tagger.models.openvino_network import OpenVinoPredictor, machine
from tagger.models.precision import PICTURES, Compared, Comparison, Precision, remember

_AGAIN = 4
"""Pictures computed again at a time: some three of 64 are, and a batch costs as much as if it were
full."""


class MixedPredictor:
    """A cheaper precision, and float32 again for pictures that a comparison calls doubtful.

    Where so many of all that it has seen are that float32 alone takes less, which may be on a
    catalog of another kind than was compared, it is float32 alone from then on. Each process counts
    for itself: what one run scores in int8, another may score in float32. Tags are the same.
    """

    def __init__(
        self,
        bundle: Bundle,
        comparison: Comparison,
        report: Callable[[str], object] = lambda _: None,
        *,
        threads: int = 0,
    ) -> None:
        self._bundle = bundle
        self._comparison = comparison
        self._report = report
        self._threads = threads
        both = _FastAndExact(bundle, comparison, threads=threads)
        self._current: Predictor = both
        self._watched: _FastAndExact | None = both

    @property
    def backend(self) -> str:
        """Return what computes the next picture."""
        return self._current.backend

    def infer(self, pixels: Pixels) -> Inferred:
        """Return logits and features for uint8 (n, size, size, 3) RGB, n at most `CHUNK`."""
        inferred = self._current.infer(pixels)
        if self._watched is not None:
            self._settle(self._watched)
        return inferred

    def _settle(self, both: "_FastAndExact") -> None:
        """Go on in float32 alone if that takes less, by as many pictures as a comparison needs."""
        share = both.repeated / both.seen
        if both.seen < PICTURES or self._comparison.time_where(share) <= 1:
            return
        self._watched = None
        try:
            self._current = OpenVinoPredictor(self._bundle, threads=self._threads)
        except (TaggerError, MemoryError) as error:  # what there is goes on, and takes longer
            self._report(f"float32 would take less time, and cannot be set up now: {error}")
            return
        self._report(
            f"float32 is used from here on: of {both.seen:,} pictures {share:.0%} were "
            f"computed again, so {self._comparison.precision} saves no time"
        )


class _FastAndExact:
    """A cheaper precision for all pictures, and float32 for those that are doubtful.

    Attributes
    ----------
    seen, repeated : int
        How many pictures there were, and how many of them were computed again.
    """

    def __init__(self, bundle: Bundle, comparison: Comparison, *, threads: int) -> None:
        self._bundle = bundle
        self._comparison = comparison
        self._fast = OpenVinoPredictor(bundle, comparison.precision, threads=threads)
        self._exact = _compiled_meanwhile(bundle, threads)
        self.backend = f"openvino {comparison.precision}"
        self.seen = 0
        self.repeated = 0

    def infer(self, pixels: Pixels) -> Inferred:
        inferred = self._fast.infer(pixels)
        again = np.flatnonzero(self._comparison.again(inferred.logits, self._bundle))
        if len(again):
            exact = self._exact.result().infer(pixels[again])
            for values, exact_values in zip(inferred, exact, strict=True):
                values[again] = exact_values
        self.seen += len(pixels)
        self.repeated += len(again)
        return inferred


def _compiled_meanwhile(bundle: Bundle, threads: int) -> Future[OpenVinoPredictor]:
    """Return the network in float32 to be: it is compiled in a thread while the first pictures are
    decoded, of which nearly always one is doubtful.

    Raises
    ------
    MachineFault
        If there can be no thread.
    """
    thread = ThreadPoolExecutor(1, "float32")
    try:
        return thread.submit(OpenVinoPredictor, bundle, batch=_AGAIN, threads=threads)
    except RuntimeError as error:
        raise_machine_fault(error)
        raise
    finally:
        thread.shutdown(wait=False)


class ComparingPredictor:
    """Float32, with other precisions beside it until enough pictures were compared; from then on
    the cheapest that the comparison allows."""

    def __init__(
        self,
        bundle: Bundle,
        precisions: Sequence[Precision],
        report: Callable[[str], object],
        *,
        threads: int = 0,
    ) -> None:
        self._bundle = bundle
        self._report = report
        self._threads = threads
        self._current: Predictor = OpenVinoPredictor(bundle, threads=threads)
        self._side_by_side: SideBySide | None = SideBySide(
            bundle, self._current, precisions, threads=threads
        )

    @property
    def backend(self) -> str:
        """Return what computes the next picture."""
        return self._current.backend

    def infer(self, pixels: Pixels) -> Inferred:
        """Return logits and features for uint8 (n, size, size, 3) RGB, n at most `CHUNK`."""
        if self._side_by_side is None:
            return self._current.infer(pixels)
        inferred = self._side_by_side.infer(pixels)
        if self._side_by_side.pictures >= PICTURES:
            compared = self._side_by_side.compared()
            self._side_by_side = None
            remember(self._bundle, machine(), compared)
            self._report(compared.text())
            if chosen := compared.chosen:
                self._current = MixedPredictor(
                    self._bundle, chosen, self._report, threads=self._threads
                )
        return inferred


class SideBySide:
    """Every precision on the same pictures, one after the other, and what each took."""

    def __init__(
        self,
        bundle: Bundle,
        exact: Predictor,
        precisions: Sequence[Precision],
        *,
        threads: int = 0,
    ) -> None:
        self._bundle = bundle
        self._precisions = precisions
        others = [OpenVinoPredictor(bundle, one, threads=threads) for one in precisions]
        self._predictors: list[Predictor] = [exact, *others]
        self._logits: list[list[Float32Array]] = [[] for _ in self._predictors]
        self._seconds = np.zeros(len(self._predictors))
        self._digests: set[bytes] = set()

    def infer(self, pixels: Pixels) -> Inferred:
        """Return what float32 makes of uint8 (n, size, size, 3) RGB, n at most `CHUNK`."""
        new = [i for i, picture in enumerate(pixels) if self._is_new(picture)]
        found = []
        for i, predictor in enumerate(self._predictors):
            start = time.perf_counter()
            found.append(predictor.infer(pixels))
            self._seconds[i] += time.perf_counter() - start
            self._logits[i].append(found[i].logits[new])
        return found[0]

    @property
    def pictures(self) -> int:
        """Return how many different pictures it has seen: a thousand times the same one says
        nothing of others."""
        return len(self._digests)

    def _is_new(self, picture: Pixels) -> bool:
        digest = hashlib.sha256(picture.tobytes()).digest()
        known = digest in self._digests
        self._digests.add(digest)
        return not known

    def compared(self, targets: Float32Array | None = None) -> Compared:
        """Return the comparison of each precision with float32.

        Parameters
        ----------
        targets : float32 (n, n_labels), optional
            1, 0, or NaN for unknown.
        """
        exact, *others = (np.concatenate(logits) for logits in self._logits)
        shares = self._seconds[1:] / self._seconds[0]
        return Compared(
            [
                Comparison.of(
                    precision, exact, fast, self._bundle, time=float(share), targets=targets
                )
                for precision, fast, share in zip(self._precisions, others, shares, strict=True)
            ]
        )
