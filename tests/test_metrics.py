"""Metrics, with scikit-learn as the oracle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, hmean
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    precision_score,
    recall_score,
    top_k_accuracy_score,
)

from schemas.evaluation import PairsShare
from tagger.evaluation.metrics import (
    calibration_error,
    harmonic_mean,
    macro_average_precision,
    measure,
    wilson,
)
from tagger.labels.pairs import count_pairs
from tagger.labels.views import sigmoid, stored_scores, tag_matrix, view
from tagger.labels.vocabulary import Vocabulary, parse_groups

VOCABULARY = Vocabulary.build(
    parse_groups("color,garment"),
    [
        ("color", "red"),
        ("color", "blue"),
        ("garment", "dress"),
        ("garment", "shirt"),
        ("garment", "coat"),
    ],
)
THRESHOLDS = np.array([0.5, 0.4, 0.6, 0.5, 0.5])


def drawn(n: int = 300, unknown: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    targets = np.zeros((n, 5), np.float32)
    targets[np.arange(n), random.integers(0, 2, n)] = 1
    targets[np.arange(n), random.integers(2, 4, n)] = 1  # never a coat
    logits = ((targets - 0.5) * 3 + random.normal(0, 1.5, (n, 5))).astype(np.float32)
    targets[random.random(n) < unknown, 2:] = np.nan
    return logits, targets


def test_each_label_agrees_with_scikit_learn_on_what_is_known() -> None:
    logits, targets = drawn()
    found = measure(logits, targets, vocabulary=VOCABULARY, thresholds=THRESHOLDS, trained={})
    for i, row in enumerate(found.labels[:4]):
        known = ~np.isnan(targets[:, i])
        truth = targets[known, i]
        claimed = stored_scores(logits)[known, i] >= THRESHOLDS[i]
        assert row.ap == pytest.approx(average_precision_score(truth, logits[known, i]))
        assert row.precision == pytest.approx(precision_score(truth, claimed))
        assert row.recall == pytest.approx(recall_score(truth, claimed))
        assert row.f1 == pytest.approx(f1_score(truth, claimed))
        assert (row.pictures, row.positives) == (known.sum(), truth.sum())
    assert found.macro_ap == pytest.approx(np.mean([row.ap for row in found.labels[:4]]))
    assert found.macro_ap == pytest.approx(macro_average_precision(logits, targets))


def test_a_label_without_positives_has_no_ap_and_does_not_count() -> None:
    logits, targets = drawn()
    found = measure(logits, targets, vocabulary=VOCABULARY, thresholds=THRESHOLDS, trained={})
    coat = found.labels[4]
    assert (coat.positives, coat.ap, coat.recall, coat.f1) == (0, None, None, None)


def test_exact_match_binary_accuracy_and_top1_agree_with_scikit_learn() -> None:
    logits, targets = drawn()
    found = measure(logits, targets, vocabulary=VOCABULARY, thresholds=THRESHOLDS, trained={})
    tags = tag_matrix(logits, THRESHOLDS, VOCABULARY)
    complete = ~np.isnan(targets).any(axis=1)
    assert found.exact_match == pytest.approx(
        accuracy_score(targets[complete] == 1, tags[complete])
    )
    assert found.exact_match_pictures == complete.sum()
    known = ~np.isnan(targets)
    assert found.binary_accuracy == pytest.approx(accuracy_score(targets[known] == 1, tags[known]))
    garment = view(logits, THRESHOLDS, [2, 3, 4]).answer[complete]
    truth = targets[complete, 2:].argmax(1)
    row = found.groups[1]
    assert row.right == pytest.approx(accuracy_score(truth + 2, garment))
    assert row.top1 == pytest.approx(
        top_k_accuracy_score(truth, logits[complete, 2:], k=1, labels=[0, 1, 2])
    )
    assert row.labelled == complete.sum()


def test_combinations_say_how_many_pictures_trained_them_and_keep_unseen_pairs_apart() -> None:
    logits, targets = drawn(unknown=0)
    trained = {("color:red", "garment:dress"): 7, ("color:blue", "garment:shirt"): 3}
    found = measure(logits, targets, vocabulary=VOCABULARY, thresholds=THRESHOLDS, trained=trained)
    rows = found.combinations
    assert {tuple(row.pair): row.trained for row in rows if row.trained} == trained
    assert {tuple(row.pair) for row in rows} == set(count_pairs(targets, VOCABULARY))
    assert sum(row.pictures for row in rows) == len(targets)
    both = (view(logits, THRESHOLDS, [0, 1]).answer == targets[:, :2].argmax(1)) & (
        view(logits, THRESHOLDS, [2, 3, 4]).answer == targets[:, 2:].argmax(1) + 2
    )
    assert sum(row.both_right for row in rows) == both.sum()
    is_seen = (targets[:, 0] == 1) == (targets[:, 2] == 1)  # red dresses and blue shirts
    assert found.seen.share == pytest.approx(both[is_seen].mean())
    assert found.unseen.share == pytest.approx(both[~is_seen].mean())
    assert found.seen.pictures + found.unseen.pictures == len(targets)
    assert found.harmonic_mean == pytest.approx(
        hmean([both[is_seen].mean(), both[~is_seen].mean()])
    )
    assert found.unseen.low < found.unseen.share < found.unseen.high


def test_without_unseen_pairs_there_is_no_harmonic_mean() -> None:
    logits, targets = drawn(unknown=0)
    trained = count_pairs(targets, VOCABULARY)
    found = measure(logits, targets, vocabulary=VOCABULARY, thresholds=THRESHOLDS, trained=trained)
    assert found.unseen == PairsShare(pictures=0, share=None, low=None, high=None)
    assert found.harmonic_mean is None
    assert harmonic_mean(0.0, 0.0) == 0.0


@given(st.integers(1, 400), st.data())
def test_the_interval_of_a_share_is_wilson_s(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_calibration_error_is_zero_for_honest_scores_and_large_for_boasts() -> None:
    random = np.random.default_rng(0)
    scores = random.random(200_000)
    assert calibration_error(scores, random.random(200_000) < scores) < 0.01
    assert calibration_error(np.full(1000, 0.99), np.arange(1000) % 2 == 0) == pytest.approx(0.49)
    assert calibration_error(np.array([]), np.array([], bool)) is None


def test_calibration_error_agrees_with_scikit_learns_bins() -> None:
    from sklearn.calibration import calibration_curve

    logits, targets = drawn(unknown=0)
    scores = sigmoid(logits[:, 0])
    truth = targets[:, 0] == 1
    share, mean = calibration_curve(truth, scores, n_bins=15)
    counts = np.histogram(scores, bins=np.linspace(0, 1, 16))[0]
    expected = (np.abs(share - mean) * counts[counts > 0]).sum() / len(scores)
    assert calibration_error(scores, truth) == pytest.approx(expected)
