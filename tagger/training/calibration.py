"""Calibration and thresholds, chosen on the validation part, which the weights never saw."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize, minimize_scalar

from schemas.bundle import Threshold
from tagger.arrays import BoolArray, Float32Array, Float64Array, Int64Array
from tagger.labels.views import DECIMALS, sigmoid, stored_scores
from tagger.labels.vocabulary import Label, Vocabulary

ENOUGH_POSITIVES = 30
"""With fewer positives a threshold is drawn towards its group's, in proportion.

Small sets overfit.
"""

RESAMPLES = 200
"""Bootstrap samples behind a threshold's interval."""

_LOG_SCALES = (-2.0, 2.0)
_PRIOR = 1.0  # strength of the pull towards "leave as it is", in pictures
_LIMITS = {"f1": (0.05, 0.95), "precision": (0.05, 0.9999)}
_BLOCKS = 10  # samples are counted so many blocks apart: all at once would fill the memory


def calibrate(logits: Float32Array, targets: Float32Array) -> tuple[Float64Array, Float64Array]:
    """Return `scale` and `shift` such that sigmoid(scale * z + shift) is calibrated.

    Each is float64 (n_labels,). Platt scaling per label (J. Platt, 1999, with its smoothed targets,
    which keep separable labels finite), `scale` kept positive so that no order changes, and a weak
    prior at scale 1, shift 0.

    Parameters
    ----------
    logits, targets : float32 (n, n_labels)
        Targets are 1, 0, or NaN for unknown.
    """
    labels = logits.shape[1]
    scale = np.ones(labels)
    shift = np.zeros(labels)
    for i in range(labels):
        known = ~np.isnan(targets[:, i])
        z = logits[known, i].astype(np.float64)  # (n_known,)
        y = targets[known, i] == 1  # (n_known,)
        if 0 < y.sum() < len(y):
            scale[i], shift[i] = _platt(z, y)
    return scale, shift


def _platt(z: Float64Array, y: BoolArray) -> tuple[float, float]:
    """Return scale and shift of one label: logits z, and whether each picture has it."""
    positives = y.sum()
    negatives = len(y) - positives
    goal = np.where(y, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def cost(parameters: Float64Array) -> tuple[float, Float64Array]:
        a = np.exp(parameters[0])
        u = a * z + parameters[1]
        loss = np.logaddexp(0, u).sum() - goal @ u + _PRIOR * (parameters @ parameters) / 2
        slope = sigmoid(u) - goal
        return float(loss), np.array([slope @ z * a, slope.sum()]) + _PRIOR * parameters

    best = minimize(cost, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-2, 2), (-6, 6)])
    return float(np.exp(best.x[0])), float(best.x[1])


def least_at_any_scale(loss: Callable[[float], float]) -> float:
    """Return the least loss that logits have when all of them are multiplied by one number.

    Epochs are compared by it: how sure a network is of itself is mended by calibration afterwards,
    and what is left is how well it tells pictures apart. Source: E. Berta, D. Holzmueller, M.
    Jordan and F. Bach, "Rethinking Early Stopping: Refine, Then Calibrate", 2025.

    Parameters
    ----------
    loss : callable (scale)
        The loss of the logits times `scale`.
    """
    found = minimize_scalar(
        lambda log_scale: loss(float(np.exp(log_scale))), bounds=_LOG_SCALES, method="bounded"
    )
    return float(found.fun)


def choose_thresholds(
    logits: Float32Array,
    targets: Float32Array,
    vocabulary: Vocabulary,
    *,
    min_precision: float | None = None,
) -> list[Threshold]:
    """Return one threshold per label.

    It is the one nearest to 0.5 whose F1 is within one standard error of the best. Scores are
    calibrated, so 0.5 is where a threshold belongs unless these pictures say otherwise; the best F1
    of some 200 pictures alone lay anywhere between 0.27 and 0.85 when they were resampled. The rule
    is that of Breiman et al., "Classification and Regression Trees", 1984. With fewer than
    `ENOUGH_POSITIVES` positives the threshold is drawn towards the one that is best for all labels
    of its group together; with none it is that one.

    Parameters
    ----------
    logits, targets : float32 (n, n_labels)
        Calibrated logits; targets are 1, 0, or NaN for unknown.
    min_precision : float, optional
        Instead of the best F1: the best recall among thresholds whose precision, counting one
        mistake more than was seen, is at least this; the most precise one where there is none. A
        label with fewer than P / (1 - P) validation positives (19 for 0.95) cannot reach P so.
    """
    scores = stored_scores(logits)  # (n, n_labels)
    known = ~np.isnan(targets)  # (n, n_labels)
    has = targets == 1  # (n, n_labels)
    of_group = {}
    for group in vocabulary.groups:
        members = [i for i, label in enumerate(vocabulary.labels) if label.group == group.name]
        here = known[:, members]
        whole = _Cuts.between(scores[:, members][here], has[:, members][here], min_precision)
        of_group[group.name] = whole.best() if has[:, members].any() else 0.5
    chosen = []
    for i, label in enumerate(vocabulary.labels):
        cuts = _Cuts.between(scores[known[:, i], i], has[known[:, i], i], min_precision)
        chosen.append(_choose(label, cuts, of_group[label.group]))
    return chosen


def _choose(label: Label, cuts: "_Cuts", of_group: float) -> Threshold:
    """Return the threshold of a label, drawn towards its group's where positives are few."""
    positives = int(cuts.positive.sum())
    weight = min(1.0, positives / ENOUGH_POSITIVES)
    found = np.array([of_group] * 3)  # the threshold, low and high
    if positives:
        samples = cuts.best_of_samples()
        found = np.array([samples[0], *np.percentile(samples[1:], [5, 95])])
    threshold, low, high = np.round(of_group + weight * (found - of_group), DECIMALS).tolist()
    return Threshold(
        label=label.key,
        threshold=threshold,
        low=low,
        high=high,
        positives=positives,
        chosen=_how(label, cuts, threshold, of_group),
    )


def _how(label: Label, cuts: "_Cuts", threshold: float, of_group: float) -> str:
    """Return how a threshold was chosen, in words."""
    positives = int(cuts.positive.sum())
    wanted = cuts.min_precision
    aim = "F1 as good as the best" if wanted is None else f"precision {wanted:g}"
    said = "no positive picture to choose on"
    if positives:
        said = f"{aim} on {positives} positives of {len(cuts.positive)}"
    if positives < ENOUGH_POSITIVES:
        weight = positives / ENOUGH_POSITIVES
        said += f", drawn {1 - weight:.0%} towards {of_group:.4f}, that of {label.group}"
    if positives and wanted is not None and not cuts.reached(threshold, wanted):
        said += "; that precision is not reached"
    return said


@dataclass(frozen=True)
class _Cuts:
    """Where a threshold may lie between the scores of some pictures.

    Attributes
    ----------
    scores : float64 (n,)
        From high to low.
    positive : bool (n,)
        Whether the pictures have the label, in that order.
    order : int64 (n,)
        Their positions among the pictures given.
    ends : int64 (n_cuts,)
        The last picture above each cut: a cut lies below a run of equal scores.
    thresholds : float64 (n_cuts,)
    possible : bool (n_cuts,)
        Whether the threshold lies in its cut; the limits may lie outside.
    min_precision : float or None
        What is aimed at, see `choose_thresholds`.
    """

    scores: Float64Array
    positive: BoolArray
    order: Int64Array
    ends: Int64Array
    thresholds: Float64Array
    possible: BoolArray
    min_precision: float | None

    @classmethod
    def between(
        cls, scores: Float64Array, positive: BoolArray, min_precision: float | None
    ) -> "_Cuts":
        """Return the cuts between these scores."""
        order = np.argsort(-scores, kind="stable")
        scores = scores[order]
        ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))[: len(scores)]
        above = scores[ends]
        below = np.append(scores[ends[1:]], 0.0)[: len(ends)]
        middle = np.ceil((above + below) / 2 * 1e4 - 1e-6) / 1e4
        middle = np.where((below < 0.5) & (above >= 0.5), 0.5, middle)
        limits = _LIMITS["f1" if min_precision is None else "precision"]
        thresholds = np.clip(middle, *limits)
        possible = (below < thresholds) & (thresholds <= above)
        return cls(scores, positive[order], order, ends, thresholds, possible, min_precision)

    def best(self) -> float:
        """Return the best threshold for all pictures, without regard to how sure it is."""
        return float(self._rounded(self._worth(*self._whole(), error=0.0))[0])

    def best_of_samples(self) -> Float64Array:
        """Return the best threshold for all pictures, then that of each bootstrap sample of them.

        Returns
        -------
        float64 (1 + RESAMPLES,)
        """
        blocks = self._samples()
        f1 = np.where(self.possible, _f1(*self._whole())[0], -1.0)  # (n_cuts,)
        best = int(f1.argmax())
        of_samples = [_f1(*self._counted(block))[:, best] for block in blocks]
        error = float(np.std(np.concatenate(of_samples)))
        found = [self._rounded(self._worth(*self._whole(), error=error))]
        for block in blocks:
            found.append(self._rounded(self._worth(*self._counted(block), error=error)))
        return np.concatenate(found)

    def reached(self, threshold: float, precision: float) -> bool:
        """Return whether what is at or over a threshold has this precision."""
        claimed = self.scores >= threshold  # (n,)
        return bool(claimed.any() and self.positive[claimed].mean() >= precision)

    def _whole(self) -> tuple[Float64Array, Float64Array]:
        return self._counted(np.ones((1, len(self.scores))))

    def _samples(self) -> list[Int64Array]:
        """Return how often each bootstrap sample has each picture, in blocks (rows, n)."""
        n = len(self.scores)
        shares = np.full(n, 1 / n)
        drawn = np.random.default_rng(0).multinomial(n, shares, RESAMPLES)  # (RESAMPLES, n)
        return np.array_split(drawn, _BLOCKS)

    def _counted(self, counts: npt.NDArray[Any]) -> tuple[Float64Array, Float64Array]:
        """Return pictures claimed and hit at each cut, where each counts so often.

        Parameters
        ----------
        counts : number (rows, n)
            Of the pictures in the order given.

        Returns
        -------
        two arrays (rows, n_cuts)
        """
        counts = counts[:, self.order]
        claimed = counts.cumsum(axis=1)[:, self.ends]
        hits = (counts * self.positive).cumsum(axis=1)[:, self.ends]
        return claimed, hits

    def _worth(self, claimed: Float64Array, hits: Float64Array, *, error: float) -> Float64Array:
        """Return how good each cut is, (rows, n_cuts); `error` is the standard error of the F1."""
        if self.min_precision is None:
            f1 = np.where(self.possible, _f1(claimed, hits), -1.0)
            as_good = f1 >= f1.max(axis=1, keepdims=True) - error - 1e-9
            return np.where(as_good, -np.abs(self.thresholds - 0.5), -np.inf)
        precision = hits / (claimed + 1)
        worth = np.where(precision >= self.min_precision, 1 + hits, precision)
        return np.where(self.possible, worth, -1.0)

    def _rounded(self, worth: Float64Array) -> Float64Array:
        """Return the threshold of the best cut of each row."""
        return np.asarray(np.round(self.thresholds[worth.argmax(axis=1)], DECIMALS))


def _f1(claimed: Float64Array, hits: Float64Array) -> Float64Array:
    return np.asarray(2 * hits / np.maximum(claimed + hits[:, -1:], 1))
