"""How good the scores and answers are: per label, per group, per combination. Arrays in, plain
values out."""

from collections.abc import Mapping
from itertools import combinations
from math import sqrt
from typing import Any

import numpy as np

from tagger.arrays import BoolArray, FloatArray
from tagger.labels.pairs import Pair
from tagger.labels.views import (
    group_probabilities,
    sigmoid,
    stored_scores,
    tag_matrix,
    true_answers,
    view,
)
from tagger.labels.vocabulary import Vocabulary

BINS = 15
"""Equal-width bins of the calibration error."""


def measure(
    logits: FloatArray,
    targets: FloatArray,
    *,
    vocabulary: Vocabulary,
    thresholds: FloatArray,
    trained: Mapping[Pair, int],
) -> dict[str, Any]:
    """Return the evaluation, as declared in `schemas.reports.EVALUATION`.

    Parameters
    ----------
    logits : float32 (n, n_labels)
        Calibrated.
    targets : float32 (n, n_labels)
        1, 0, or NaN for unknown; unknown ones count nowhere.
    thresholds : float64 (n_labels,)
    trained : mapping from pair to int
        How many training pictures had each pair of labels.
    """
    tags = tag_matrix(logits, thresholds, vocabulary)
    labels = [
        _label(logits[:, i], targets[:, i], float(thresholds[i]))
        | {"label": label.key, "column": label.column}
        for i, label in enumerate(vocabulary.labels)
    ]
    complete = ~np.isnan(targets).any(axis=1)
    known = ~np.isnan(targets)
    pairs = _combinations(logits, targets, thresholds, vocabulary, trained)
    seen, unseen = (
        _both_right([row for row in pairs if (row["trained"] > 0) == was]) for was in (True, False)
    )
    return {
        "pictures": len(targets),
        "macro_ap": _mean(row["ap"] for row in labels),
        "binary_accuracy": _share((tags == (targets == 1))[known]),
        "exact_match": _share((tags == (targets == 1)).all(axis=1)[complete]),
        "exact_match_pictures": int(complete.sum()),
        "calibration_error": _mean(row["calibration_error"] for row in labels),
        "labels": labels,
        "groups": _groups(logits, targets, thresholds, vocabulary),
        "combinations": pairs,
        "seen": seen,
        "unseen": unseen,
        "harmonic_mean": harmonic_mean(seen["share"], unseen["share"]),
    }


def average_precision(scores: FloatArray, positive: BoolArray) -> float | None:
    """Return sum_n (R_n - R_{n-1}) P_n over distinct scores, not interpolated; None without
    positives.

    Source: scikit-learn's `average_precision_score`, which this is.
    """
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(positive, scores)) if positive.any() else None


def macro_average_precision(logits: FloatArray, targets: FloatArray) -> float | None:
    """Return the mean AP over labels that have a positive; NaN targets count nowhere."""
    known = ~np.isnan(targets)
    columns = range(targets.shape[1])
    return _mean(
        average_precision(logits[known[:, i], i], targets[known[:, i], i] == 1) for i in columns
    )


def calibration_error(scores: FloatArray, positive: BoolArray) -> float | None:
    """Return sum_b n_b / n |mean score - share of positives| over 15 equal-width bins; None without
    pictures.

    Source: expected calibration error, Naeini et al., AAAI 2015.
    """
    if not len(scores):
        return None
    bins = np.minimum((np.asarray(scores) * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=scores - positive, minlength=BINS)
    return float(np.abs(gaps).sum() / len(scores))


def _label(logits: FloatArray, targets: FloatArray, threshold: float) -> dict[str, Any]:
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


def _groups(
    logits: FloatArray, targets: FloatArray, thresholds: FloatArray, vocabulary: Vocabulary
) -> list[dict[str, Any]]:
    rows = []
    for group in vocabulary.exclusive_groups:
        members = vocabulary.members(group.name)
        right, known = _right(logits, targets, thresholds, members)
        expected, _ = true_answers(targets, members)
        has = known & (expected < len(members))
        top1 = (group_probabilities(logits, members)[:, :-1].argmax(axis=1) == expected)[has]
        row = {"group": group.name, "pictures": int(known.sum()), "right": _share(right[known])}
        rows.append(row | {"labelled": int(has.sum()), "top1": _share(top1)})
    return rows


def _right(
    logits: FloatArray, targets: FloatArray, thresholds: FloatArray, members: list[int]
) -> tuple[BoolArray, BoolArray]:
    """Return which answers are right, and for which pictures that is known."""
    expected, known = true_answers(targets, members)
    return np.asarray(
        view(logits, thresholds, members).answer == np.append(members, -1)[expected]
    ), known


def _combinations(
    logits: FloatArray,
    targets: FloatArray,
    thresholds: FloatArray,
    vocabulary: Vocabulary,
    trained: Mapping[Pair, int],
) -> list[dict[str, Any]]:
    rows = []
    groups = vocabulary.exclusive_groups
    right = {
        g.name: _right(logits, targets, thresholds, vocabulary.members(g.name))[0] for g in groups
    }
    for one, other in combinations(groups, 2):
        both = right[one.name] & right[other.name]
        for i in vocabulary.members(one.name):
            for j in vocabulary.members(other.name):
                there = (targets[:, i] == 1) & (targets[:, j] == 1)
                pair = (vocabulary.labels[i].key, vocabulary.labels[j].key)
                if there.any() or pair in trained:
                    counts = {"pictures": int(there.sum()), "both_right": int(both[there].sum())}
                    rows.append({"pair": list(pair), **counts, "trained": trained.get(pair, 0)})
    return rows


def _both_right(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return pictures, share with both answers right, and its interval, over these rows of the
    combination table."""
    n, hits = sum(row["pictures"] for row in rows), sum(row["both_right"] for row in rows)
    low, high = wilson(hits, n)
    return {"pictures": n, "share": hits / n if n else None, "low": low, "high": high}


def wilson(hits: int, n: int) -> tuple[float | None, float | None]:
    """Return the 95 % interval of a share: Wilson, 1927; (None, None) where there is nothing to
    count."""
    if not n:
        return None, None
    z, p = 1.959964, hits / n
    middle, half = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    return max(0.0, low), min(1.0, high)


def harmonic_mean(one: float | None, other: float | None) -> float | None:
    """Return 2 a b / (a + b), the usual figure for seen and unseen together; None where either is
    missing."""
    if one is None or other is None:
        return None
    return 2 * one * other / (one + other) if one + other else 0.0


def unanswered(logits: FloatArray, thresholds: FloatArray, members: list[int]) -> BoolArray:
    """Return bool (n,): the pictures that get no answer from the group whose labels are the columns
    `members`."""
    return np.asarray(view(logits, thresholds, members).answer < 0)


def mean_calibration_error(logits: FloatArray, targets: FloatArray) -> float | None:
    """Return the mean of the labels' calibration errors; NaN targets count nowhere."""
    known = ~np.isnan(targets)
    columns = range(targets.shape[1])
    return _mean(
        calibration_error(sigmoid(logits[known[:, i], i]), targets[known[:, i], i] == 1)
        for i in columns
    )


def _share(hits: BoolArray) -> float | None:
    return float(hits.mean()) if len(hits) else None


def _mean(values: Any) -> float | None:
    given = [float(value) for value in values if value is not None]
    return sum(given) / len(given) if given else None
