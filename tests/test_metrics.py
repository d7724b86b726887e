"""Metrics, with scikit-learn as the oracle."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, precision_score, recall_score

from tagger.metrics import calibration_error, macro_average_precision, measure, pairs_of
from tagger.views import sigmoid, stored_scores, tag_matrix, view
from tagger.vocabulary import Vocabulary, parse_groups

VOCABULARY = Vocabulary.build(
    parse_groups("color,garment"),
    [("color", "red"), ("color", "blue"), ("garment", "dress"), ("garment", "shirt"), ("garment", "coat")],
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
    found = measure(logits, targets, vocabulary=VOCABULARY, thresholds=THRESHOLDS, seen_pairs=[])
    for i, row in enumerate(found["labels"][:4]):
        known = ~np.isnan(targets[:, i])
        truth, claimed = targets[known, i], stored_scores(logits)[known, i] >= THRESHOLDS[i]
        assert row["ap"] == pytest.approx(average_precision_score(truth, logits[known, i]))
        assert row["precision"] == pytest.approx(precision_score(truth, claimed))
        assert row["recall"] == pytest.approx(recall_score(truth, claimed))
        assert row["f1"] == pytest.approx(f1_score(truth, claimed))
        assert (row["pictures"], row["positives"]) == (known.sum(), truth.sum())
    assert found["macro_ap"] == pytest.approx(np.mean([row["ap"] for row in found["labels"][:4]]))
    assert found["macro_ap"] == pytest.approx(macro_average_precision(logits, targets))


def test_a_label_without_positives_has_no_ap_and_does_not_count() -> None:
    logits, targets = drawn()
    coat = measure(logits, targets, vocabulary=VOCABULARY, thresholds=THRESHOLDS, seen_pairs=[])["labels"][4]
    assert (coat["positives"], coat["ap"], coat["recall"], coat["f1"]) == (0, None, None, None)


def test_exact_match_binary_accuracy_and_top1_agree_with_scikit_learn() -> None:
    logits, targets = drawn()
    found = measure(logits, targets, vocabulary=VOCABULARY, thresholds=THRESHOLDS, seen_pairs=[])
    tags, complete = tag_matrix(logits, THRESHOLDS, VOCABULARY), ~np.isnan(targets).any(axis=1)
    assert found["exact_match"] == pytest.approx(accuracy_score(targets[complete] == 1, tags[complete]))
    assert found["exact_match_pictures"] == complete.sum()
    known = ~np.isnan(targets)
    assert found["binary_accuracy"] == pytest.approx(accuracy_score(targets[known] == 1, tags[known]))
    garment = view(logits, THRESHOLDS, [2, 3, 4]).answer[complete]
    assert found["groups"][1]["top1"] == pytest.approx(accuracy_score(targets[complete, 2:].argmax(1) + 2, garment))


def test_combinations_mark_pairs_unseen_in_training() -> None:
    logits, targets = drawn(unknown=0)
    seen = [("color:red", "garment:dress"), ("color:blue", "garment:shirt")]
    found = measure(logits, targets, vocabulary=VOCABULARY, thresholds=THRESHOLDS, seen_pairs=seen)["combinations"]
    assert {tuple(row["pair"]) for row in found if row["seen"]} == set(seen)
    assert {tuple(row["pair"]) for row in found} == set(pairs_of(targets, VOCABULARY))
    assert sum(row["pictures"] for row in found) == len(targets)
    both = (view(logits, THRESHOLDS, [0, 1]).answer == targets[:, :2].argmax(1)) & (
        view(logits, THRESHOLDS, [2, 3, 4]).answer == targets[:, 2:].argmax(1) + 2
    )
    assert sum(row["both_right"] for row in found) == both.sum()


def test_calibration_error_is_zero_for_honest_scores_and_large_for_boasts() -> None:
    random = np.random.default_rng(0)
    scores = random.random(200_000)
    assert calibration_error(scores, random.random(200_000) < scores) < 0.01
    assert calibration_error(np.full(1000, 0.99), np.arange(1000) % 2 == 0) == pytest.approx(0.49)
    assert calibration_error(np.array([]), np.array([], bool)) is None


def test_calibration_error_agrees_with_scikit_learns_bins() -> None:
    from sklearn.calibration import calibration_curve

    logits, targets = drawn(unknown=0)
    scores, truth = sigmoid(logits[:, 0]), targets[:, 0] == 1
    share, mean = calibration_curve(truth, scores, n_bins=15)
    counts = np.histogram(scores, bins=np.linspace(0, 1, 16))[0]
    expected = (np.abs(share - mean) * counts[counts > 0]).sum() / len(scores)
    assert calibration_error(scores, truth) == pytest.approx(expected)
