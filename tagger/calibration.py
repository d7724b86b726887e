"""Calibration and thresholds, chosen on the tune part, which the weights never saw."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from tagger.views import DECIMALS, sigmoid, stored_scores

Floats = npt.NDArray[np.float64]

ENOUGH_POSITIVES = 30
"""With fewer positives than this a threshold is drawn towards 0.5, in proportion: small sets overfit."""

_PRIOR = 1.0  # strength of the pull towards "leave as it is", in pictures
_LIMITS = (0.05, 0.95)


@dataclass(frozen=True)
class Threshold:
    """One label's threshold, four decimals, and how it was chosen, in words."""

    value: float
    chosen: str

    def to_json(self) -> dict[str, Any]:
        """Return the entry of thresholds.json."""
        return {"threshold": self.value, "chosen": self.chosen}


def calibrate(logits: npt.NDArray[np.float32], targets: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Return `scale` and `shift`, each float64 (n_labels,), such that sigmoid(scale * z + shift) is calibrated.

    Platt scaling per label (J. Platt, 1999, with its smoothed targets, which keep separable labels finite), `scale`
    kept positive so that no order changes, and a weak prior at scale 1, shift 0.

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


def _platt(z: Floats, y: npt.NDArray[np.bool_]) -> tuple[float, float]:
    positives, negatives = y.sum(), len(y) - y.sum()
    goal = np.where(y, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def cost(parameters: Floats) -> tuple[float, Floats]:
        a, b = np.exp(parameters[0]), parameters[1]
        u = a * z + b
        loss = np.logaddexp(0, u).sum() - goal @ u + _PRIOR * (parameters @ parameters) / 2
        slope = sigmoid(u) - goal
        return float(loss), np.array([slope @ z * a, slope.sum()]) + _PRIOR * parameters

    best = minimize(cost, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-2, 2), (-6, 6)])
    return float(np.exp(best.x[0])), float(best.x[1])


def choose_thresholds(logits: npt.NDArray[np.float32], targets: npt.NDArray[np.float32]) -> list[Threshold]:
    """Return one threshold per label: the best F1 on these pictures, nearest to 0.5 among equals.

    With fewer than `ENOUGH_POSITIVES` positives it is drawn towards 0.5; with none it is 0.5.
    """
    scores = stored_scores(logits)
    return [_choose(scores[:, i], targets[:, i]) for i in range(scores.shape[1])]


def _choose(scores: Floats, targets: npt.NDArray[np.float32]) -> Threshold:
    known = ~np.isnan(targets)
    scores, positive = scores[known], targets[known] == 1
    n = int(positive.sum())
    if n == 0:
        return Threshold(0.5, "0.5: no positive picture to tune on")
    low, high = _LIMITS
    middles = (np.unique(scores)[1:] + np.unique(scores)[:-1]) / 2
    candidates = np.unique(np.round(np.clip(np.concatenate([middles, [0.5]]), low, high), DECIMALS))
    holds = scores[None, :] >= candidates[:, None]
    hits = (holds & positive).sum(axis=1)
    f1 = 2 * hits / (holds.sum(axis=1) + n)
    best = candidates[np.isclose(f1, f1.max())]
    value = best[np.abs(best - 0.5).argmin()]
    weight = min(1.0, n / ENOUGH_POSITIVES)
    value = float(np.round(0.5 + weight * (value - 0.5), DECIMALS))
    drawn = "" if weight == 1 else f", drawn {1 - weight:.0%} towards 0.5"
    return Threshold(value, f"best F1 on {n} positives of {len(scores)}{drawn}")
