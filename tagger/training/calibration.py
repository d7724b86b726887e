"""Calibration and thresholds, chosen on the validation part, which the weights never saw."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from tagger.arrays import BoolArray, Float32Array, Float64Array
from tagger.labels.views import DECIMALS, sigmoid, stored_scores
from tagger.labels.vocabulary import Vocabulary

ENOUGH_POSITIVES = 30
"""With fewer positives than this a threshold is drawn towards its group's, in proportion: small
sets overfit."""

RESAMPLES = 200
"""Bootstrap samples behind a threshold's interval."""

_PRIOR = 1.0  # strength of the pull towards "leave as it is", in pictures
_LIMITS = {"f1": (0.05, 0.95), "precision": (0.05, 0.9999)}


@dataclass(frozen=True)
class Threshold:
    """One label's threshold and how it was chosen.

    Attributes
    ----------
    value : float
        Four decimals.
    low, high : float
        5th and 95th percentile of it over bootstrap samples of the validation part.
    positives : int
        Validation pictures that have the label.
    chosen : str
        How, in words.
    """

    value: float
    low: float
    high: float
    positives: int
    chosen: str

    def to_json(self) -> dict[str, Any]:
        """Return the entry of thresholds.json."""
        return {
            "threshold": self.value,
            **{key: value for key, value in asdict(self).items() if key != "value"},
        }


def calibrate(logits: Float32Array, targets: Float32Array) -> tuple[Float64Array, Float64Array]:
    """Return `scale` and `shift`, each float64 (n_labels,), such that sigmoid(scale * z + shift) is
    calibrated.

    Platt scaling per label (J. Platt, 1999, with its smoothed targets, which keep separable labels
    finite), `scale` kept positive so that no order changes, and a weak prior at scale 1, shift 0.

    Parameters
    ----------
    logits, targets : float32 (n, n_labels)
        Targets are 1, 0, or NaN for unknown.
    """
    labels = logits.shape[1]
    scale, shift = np.ones(labels), np.zeros(labels)
    for i in range(labels):
        known = ~np.isnan(targets[:, i])
        z, y = logits[known, i].astype(np.float64), targets[known, i] == 1
        if 0 < y.sum() < len(y):
            scale[i], shift[i] = _platt(z, y)
    return scale, shift


def _platt(z: Float64Array, y: BoolArray) -> tuple[float, float]:
    positives, negatives = y.sum(), len(y) - y.sum()
    goal = np.where(y, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def cost(parameters: Float64Array) -> tuple[float, Float64Array]:
        a, b = np.exp(parameters[0]), parameters[1]
        u = a * z + b
        loss = np.logaddexp(0, u).sum() - goal @ u + _PRIOR * (parameters @ parameters) / 2
        slope = sigmoid(u) - goal
        return float(loss), np.array([slope @ z * a, slope.sum()]) + _PRIOR * parameters

    best = minimize(cost, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-2, 2), (-6, 6)])
    return float(np.exp(best.x[0])), float(best.x[1])


def choose_thresholds(
    logits: Float32Array,
    targets: Float32Array,
    vocabulary: Vocabulary,
    *,
    min_precision: float | None = None,
) -> list[Threshold]:
    """Return one threshold per label: the one nearest to 0.5 whose F1 is within one standard error
    of the best.

    Scores are calibrated, so 0.5 is where a threshold belongs unless these pictures say otherwise;
    the best F1 of some 200 pictures alone lay anywhere between 0.27 and 0.85 when they were
    resampled. The rule is that of Breiman et al., "Classification and Regression Trees", 1984. With
    fewer than `ENOUGH_POSITIVES` positives the threshold is drawn towards the one that is best for
    all labels of its group together; with none it is that one.

    Parameters
    ----------
    logits, targets : float32 (n, n_labels)
        Calibrated logits; targets are 1, 0, or NaN for unknown.
    min_precision : float, optional
        Instead of the best F1: the best recall among thresholds whose precision, counting one
        mistake more than was seen, is at least this; the most precise one where there is none. A
        label with fewer than P / (1 - P) validation positives (19 for 0.95) cannot reach P so.
    """
    scores = stored_scores(logits)
    whole = {}
    for group in vocabulary.groups:
        members = [i for i, label in enumerate(vocabulary.labels) if label.group == group.name]
        known = ~np.isnan(targets[:, members])
        whole[group.name] = _best(
            scores[:, members][known], targets[:, members][known] == 1, min_precision
        )
    return [
        _choose(scores[:, i], targets[:, i], whole[label.group], label.group, min_precision)
        for i, label in enumerate(vocabulary.labels)
    ]


def _choose(
    scores: Float64Array,
    targets: Float32Array,
    whole: float,
    group: str,
    min_precision: float | None,
) -> Threshold:
    known = ~np.isnan(targets)
    scores, positive = scores[known], targets[known] == 1
    n = int(positive.sum())
    weight = min(1.0, n / ENOUGH_POSITIVES)
    random = np.random.default_rng(0)
    resamples = (
        random.multinomial(len(scores), np.full(len(scores), 1 / len(scores)), RESAMPLES)
        if n
        else None
    )
    values = _cuts(scores, positive, min_precision, resamples) if n else np.array([whole])
    value, low, high = np.round(
        whole
        + weight
        * (np.array([values[0], *np.percentile(values[1:] if n else values, [5, 95])]) - whole),
        DECIMALS,
    )
    aim = "F1 as good as the best" if min_precision is None else f"precision {min_precision:g}"
    chosen = f"{aim} on {n} positives of {len(scores)}" if n else "no positive picture to choose on"
    if weight < 1:
        chosen += f", drawn {1 - weight:.0%} towards {whole:.4f}, that of {group}"
    if n and min_precision is not None and not _reached(scores, positive, value, min_precision):
        chosen += "; that precision is not reached"
    return Threshold(float(value), float(low), float(high), n, chosen)


def _best(scores: Float64Array, positive: BoolArray, min_precision: float | None) -> float:
    return float(_cuts(scores, positive, min_precision, None)[0]) if positive.any() else 0.5


def _cuts(
    scores: Float64Array, positive: BoolArray, min_precision: float | None, resamples: Any
) -> Float64Array:
    """Return the best threshold for all pictures, followed by that of each row of `resamples`
    (counts of pictures)."""
    order = np.argsort(-scores, kind="stable")
    scores, positive = scores[order], positive[order]
    ends = np.flatnonzero(
        np.append(scores[1:] != scores[:-1], True)
    )  # a cut lies below a run of equal scores
    above, below = scores[ends], np.append(scores[ends[1:]], 0.0)
    middle = np.where(
        (below < 0.5) & (above >= 0.5), 0.5, np.ceil((above + below) / 2 * 1e4 - 1e-6) / 1e4
    )
    thresholds = np.clip(middle, *_LIMITS["f1" if min_precision is None else "precision"])
    possible = (below < thresholds) & (thresholds <= above)  # the limits may lie outside a cut

    def counted(counts: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return pictures claimed and hit at each cut, (rows, cuts), where pictures count as often
        as `counts` says."""
        counts = counts[:, order]
        return counts.cumsum(axis=1)[:, ends], (counts * positive).cumsum(axis=1)[:, ends]

    def worth(claimed: Float64Array, hits: Float64Array, error: float) -> Float64Array:
        if min_precision is None:
            f1 = np.where(possible, _f1(claimed, hits), -1.0)
            return np.where(
                f1 >= f1.max(axis=1, keepdims=True) - error - 1e-9,
                -np.abs(thresholds - 0.5),
                -np.inf,
            )
        precision = hits / (claimed + 1)
        return np.where(possible, np.where(precision >= min_precision, 1 + hits, precision), -1.0)

    whole = counted(np.ones((1, len(scores))))
    blocks = (
        [] if resamples is None else np.array_split(resamples, 10)
    )  # large sets would fill the memory at once
    best = int(np.where(possible, _f1(*whole)[0], -1.0).argmax())
    error = (
        float(np.std(np.concatenate([_f1(*counted(block))[:, best] for block in blocks])))
        if blocks
        else 0.0
    )
    chosen = [worth(*whole, error).argmax(axis=1)]
    chosen += [worth(*counted(block), error).argmax(axis=1) for block in blocks]
    return np.asarray(np.round(thresholds[np.concatenate(chosen)], DECIMALS))


def _f1(claimed: Float64Array, hits: Float64Array) -> Float64Array:
    return np.asarray(2 * hits / np.maximum(claimed + hits[:, -1:], 1))


def _reached(
    scores: Float64Array, positive: BoolArray, threshold: float, min_precision: float
) -> bool:
    claimed = int((scores >= threshold).sum())
    return bool(claimed and (positive & (scores >= threshold)).sum() / claimed >= min_precision)
