"""How good the scores and answers are: per label, per group, per combination.

Arrays in, records out.
"""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from schemas.evaluation import (
    Evaluation,
    GroupMeasures,
    LabelMeasures,
    PairMeasures,
    PairsShare,
)
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
from tagger.labels.vocabulary import Group, Label, Vocabulary

BINS = 15
"""Equal-width bins of the calibration error."""


def measure(
    logits: FloatArray,
    targets: FloatArray,
    *,
    vocabulary: Vocabulary,
    thresholds: FloatArray,
    trained: Mapping[Pair, int],
) -> Evaluation:
    """Return how good the logits are.

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
    measured = _Measured(logits, targets, thresholds, vocabulary)
    right = tag_matrix(logits, thresholds, vocabulary) == (targets == 1)  # (n, n_labels)
    known = ~np.isnan(targets)  # (n, n_labels)
    complete = known.all(axis=1)  # (n,)
    labels = [_label(measured, i, label) for i, label in enumerate(vocabulary.labels)]
    pairs = _combinations(measured, trained)
    seen = _both_right([row for row in pairs if row.trained])
    unseen = _both_right([row for row in pairs if not row.trained])
    return Evaluation(
        pictures=len(targets),
        macro_ap=_mean(row.ap for row in labels),
        binary_accuracy=_share(right[known]),
        exact_match=_share(right.all(axis=1)[complete]),
        exact_match_pictures=int(complete.sum()),
        calibration_error=_mean(row.calibration_error for row in labels),
        labels=labels,
        groups=[_group(measured, group) for group in vocabulary.exclusive_groups],
        combinations=pairs,
        seen=seen,
        unseen=unseen,
        harmonic_mean=harmonic_mean(seen.share, unseen.share),
    )


@dataclass(frozen=True)
class _Measured:
    """What a model says of pictures, and what is known of them; see `measure`."""

    logits: FloatArray
    targets: FloatArray
    thresholds: FloatArray
    vocabulary: Vocabulary

    def answers_right(self, members: list[int]) -> BoolArray:
        """Return bool (n,): whether the answer of the group of these columns is right."""
        expected, _ = true_answers(self.targets, members)
        answer = view(self.logits, self.thresholds, members).answer  # columns, -1 for none
        return np.asarray(answer == np.append(members, -1)[expected])


def average_precision(scores: FloatArray, positive: BoolArray) -> float | None:
    """Return the mean precision over recall, not interpolated; None without positives.

    That is sum_n (R_n - R_{n-1}) P_n over distinct scores. Source: scikit-learn's
    `average_precision_score`, which this is.
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
    """Return how far scores are from the shares that hold; None without pictures.

    That is sum_b n_b / n |mean score - share of positives| over 15 equal-width bins. Source:
    expected calibration error, Naeini et al., AAAI 2015.
    """
    if not len(scores):
        return None
    bins = np.minimum((np.asarray(scores) * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=scores - positive, minlength=BINS)
    return float(np.abs(gaps).sum() / len(scores))


def _label(measured: _Measured, column: int, label: Label) -> LabelMeasures:
    known = ~np.isnan(measured.targets[:, column])
    logits = measured.logits[known, column]
    positive = measured.targets[known, column] == 1
    threshold = float(measured.thresholds[column])
    holds = stored_scores(logits) >= threshold
    hits = int((holds & positive).sum())
    claimed = int(holds.sum())
    positives = int(positive.sum())
    return LabelMeasures(
        label=label.key,
        column=label.column,
        pictures=len(logits),
        positives=positives,
        threshold=threshold,
        ap=average_precision(logits, positive),
        precision=hits / claimed if claimed else None,
        recall=hits / positives if positives else None,
        f1=2 * hits / (claimed + positives) if positives else None,
        calibration_error=calibration_error(sigmoid(logits), positive),
    )


def _group(measured: _Measured, group: Group) -> GroupMeasures:
    members = measured.vocabulary.members(group.name)
    expected, known = true_answers(measured.targets, members)
    right = measured.answers_right(members)
    has_label = known & (expected < len(members))
    likeliest = group_probabilities(measured.logits, members)[:, :-1].argmax(axis=1)
    return GroupMeasures(
        group=group.name,
        pictures=int(known.sum()),
        right=_share(right[known]),
        labelled=int(has_label.sum()),
        top1=_share((likeliest == expected)[has_label]),
    )


def _combinations(measured: _Measured, trained: Mapping[Pair, int]) -> list[PairMeasures]:
    """Return one row per pair of labels that a measured or a training picture has."""
    rows = []
    vocabulary = measured.vocabulary
    has = measured.targets == 1  # (n, n_labels)
    members = {group.name: vocabulary.members(group.name) for group in vocabulary.exclusive_groups}
    right = {name: measured.answers_right(columns) for name, columns in members.items()}
    for one, other in combinations(members, 2):
        both = right[one] & right[other]  # (n,)
        for i, j in product(members[one], members[other]):
            shown = has[:, i] & has[:, j]  # (n,)
            pair = (vocabulary.labels[i].key, vocabulary.labels[j].key)
            if shown.any() or pair in trained:
                rows.append(
                    PairMeasures(
                        pair=pair,
                        pictures=int(shown.sum()),
                        both_right=int(both[shown].sum()),
                        trained=trained.get(pair, 0),
                    )
                )
    return rows


def _both_right(rows: list[PairMeasures]) -> PairsShare:
    """Return how often both answers are right over these rows of the combination table."""
    pictures = sum(row.pictures for row in rows)
    hits = sum(row.both_right for row in rows)
    low, high = wilson(hits, pictures)
    share = hits / pictures if pictures else None
    return PairsShare(pictures=pictures, share=share, low=low, high=high)


def wilson(hits: int, n: int) -> tuple[float | None, float | None]:
    """Return the 95 % interval of a share: Wilson, 1927; (None, None) where nothing was counted."""
    from scipy.stats import binomtest

    if not n:
        return None, None
    interval = binomtest(hits, n).proportion_ci(method="wilson")
    return max(0.0, float(interval.low)), min(1.0, float(interval.high))  # -1e-17 is no share


def harmonic_mean(one: float | None, other: float | None) -> float | None:
    """Return the usual figure for seen and unseen together; None where either is missing."""
    if one is None or other is None:
        return None
    return float(statistics.harmonic_mean([one, other]))


def unanswered(logits: FloatArray, thresholds: FloatArray, members: list[int]) -> BoolArray:
    """Return bool (n,): the pictures that the group of the columns `members` does not answer."""
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


def _mean(values: Iterable[float | None]) -> float | None:
    given = [value for value in values if value is not None]
    return sum(given) / len(given) if given else None
