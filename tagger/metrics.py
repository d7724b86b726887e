"""How good the scores and answers are: per label, per group, per combination. Arrays in, plain values out."""

from collections.abc import Collection
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from tagger.views import sigmoid, stored_scores, tag_matrix, view
from tagger.vocabulary import Vocabulary

Floats = npt.NDArray[np.floating[Any]]
Pair = tuple[str, str]

BINS = 15
"""Equal-width bins of the calibration error."""


def measure(
    logits: Floats, targets: Floats, *, vocabulary: Vocabulary, thresholds: Floats, seen_pairs: Collection[Pair]
) -> dict[str, Any]:
    """Return the evaluation, as declared in `schemas.reports.EVALUATION`.

    Parameters
    ----------
    logits : float32 (n, n_labels)
        Calibrated.
    targets : float32 (n, n_labels)
        1, 0, or NaN for unknown; unknown ones count nowhere.
    thresholds : float64 (n_labels,)
    seen_pairs : collection of (group:name, group:name)
        Pairs of labels that training pictures had.
    """
    tags = tag_matrix(logits, thresholds, vocabulary)
    labels = [
        _label(logits[:, i], targets[:, i], float(thresholds[i])) | {"label": label.key, "column": label.column}
        for i, label in enumerate(vocabulary.labels)
    ]
    complete = ~np.isnan(targets).any(axis=1)
    known = ~np.isnan(targets)
    return {
        "pictures": len(targets),
        "macro_ap": _mean(row["ap"] for row in labels),
        "binary_accuracy": _mean((tags == (targets == 1))[known]),
        "exact_match": _mean((tags == (targets == 1)).all(axis=1)[complete]),
        "exact_match_pictures": int(complete.sum()),
        "calibration_error": _mean(row["calibration_error"] for row in labels),
        "labels": labels,
        "groups": _groups(logits, targets, thresholds, vocabulary),
        "combinations": _combinations(logits, targets, thresholds, vocabulary, seen_pairs),
    }


def average_precision(scores: Floats, positive: npt.NDArray[np.bool_]) -> float | None:
    """Return sum_n (R_n - R_{n-1}) P_n over distinct scores, not interpolated; None without positives.

    Source: scikit-learn's `average_precision_score`, which this is.
    """
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(positive, scores)) if positive.any() else None


def macro_average_precision(logits: Floats, targets: Floats) -> float | None:
    """Return the mean AP over labels that have a positive; NaN targets count nowhere."""
    known = ~np.isnan(targets)
    columns = range(targets.shape[1])
    return _mean(average_precision(logits[known[:, i], i], targets[known[:, i], i] == 1) for i in columns)


def calibration_error(scores: Floats, positive: npt.NDArray[np.bool_]) -> float | None:
    """Return sum_b n_b / n |mean score - share of positives| over 15 equal-width bins; None without pictures.

    Source: expected calibration error, Naeini et al., AAAI 2015.
    """
    if not len(scores):
        return None
    bins = np.minimum((np.asarray(scores) * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=scores - positive, minlength=BINS)
    return float(np.abs(gaps).sum() / len(scores))


def _label(logits: Floats, targets: Floats, threshold: float) -> dict[str, Any]:
    known = ~np.isnan(targets)
    logits, positive = logits[known], targets[known] == 1
    holds = stored_scores(logits) >= threshold
    hits, claimed, n = int((holds & positive).sum()), int(holds.sum()), int(positive.sum())
    return {
        "pictures": len(logits),
        "positives": n,
        "threshold": threshold,
        "ap": average_precision(logits, positive),
        "precision": hits / claimed if claimed else None,
        "recall": hits / n if n else None,
        "f1": 2 * hits / (claimed + n) if n else None,
        "calibration_error": calibration_error(sigmoid(logits), positive),
    }


def _groups(logits: Floats, targets: Floats, thresholds: Floats, vocabulary: Vocabulary) -> list[dict[str, Any]]:
    rows = []
    for group in vocabulary.exclusive_groups:
        right, known = _right(logits, targets, thresholds, vocabulary.members(group.name))
        rows.append({"group": group.name, "pictures": int(known.sum()), "top1": _mean(right[known])})
    return rows


def _right(
    logits: Floats, targets: Floats, thresholds: Floats, members: list[int]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which answers are right, and for which pictures that is known."""
    answer = view(logits, thresholds, members).answer
    truth = targets[:, members] == 1
    expected = np.where(truth.any(axis=1), np.asarray(members)[truth.argmax(axis=1)], -1)
    return np.asarray(answer == expected), np.asarray(~np.isnan(targets[:, members]).any(axis=1))


def _combinations(
    logits: Floats, targets: Floats, thresholds: Floats, vocabulary: Vocabulary, seen_pairs: Collection[Pair]
) -> list[dict[str, Any]]:
    rows, seen = [], set(seen_pairs)
    for one, other in combinations(vocabulary.exclusive_groups, 2):
        a, b = vocabulary.members(one.name), vocabulary.members(other.name)
        right_a, _ = _right(logits, targets, thresholds, a)
        right_b, _ = _right(logits, targets, thresholds, b)
        for i in a:
            for j in b:
                there = (targets[:, i] == 1) & (targets[:, j] == 1)
                pair = (vocabulary.labels[i].key, vocabulary.labels[j].key)
                if there.any() or pair in seen:
                    n, both = int(there.sum()), int((right_a & right_b)[there].sum())
                    rows.append({"pair": list(pair), "pictures": n, "both_right": both, "seen": pair in seen})
    return rows


def pairs_of(targets: Floats, vocabulary: Vocabulary) -> list[Pair]:
    """Return the pairs of labels of different exclusive groups that some picture has, in column order."""
    pairs = []
    for one, other in combinations(vocabulary.exclusive_groups, 2):
        for i in vocabulary.members(one.name):
            for j in vocabulary.members(other.name):
                if ((targets[:, i] == 1) & (targets[:, j] == 1)).any():
                    pairs.append((vocabulary.labels[i].key, vocabulary.labels[j].key))
    return pairs


def _mean(values: Any) -> float | None:
    given = [float(value) for value in values if value is not None]
    return sum(given) / len(given) if given else None
