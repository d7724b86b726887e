"""Calibration and thresholds, and what the losses count."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.arrays import Float32Array
from tagger.labels.views import logit, sigmoid
from tagger.labels.vocabulary import Vocabulary, parse_groups
from tagger.training.calibration import calibrate, choose_thresholds

pytestmark = pytest.mark.tensorflow

ONE = Vocabulary.build(parse_groups("color"), [("color", "red")])


def test_unknown_targets_cost_nothing() -> None:
    from tagger.backend import tf
    from tagger.training.losses import masked_loss

    logits = tf.Variable([[2.0, -1.0, 3.0], [0.5, 0.1, -2.0]])
    targets = np.array([[1, np.nan, 0], [np.nan, np.nan, 1]], np.float32)
    with tf.GradientTape() as tape:
        loss = masked_loss(targets, logits)
    slope = tape.gradient(loss, logits).numpy()
    assert float(loss) == pytest.approx(
        np.mean([np.log1p(np.exp(-2)), np.log1p(np.exp(3)), np.log1p(np.exp(2))])
    )
    assert (slope[np.isnan(targets)] == 0).all()
    assert (slope[~np.isnan(targets)] != 0).all()
    assert float(masked_loss(np.full((2, 3), np.nan, np.float32), logits)) == 0


def test_calibration_mends_boasting_scores() -> None:
    from tagger.evaluation.metrics import calibration_error

    random = np.random.default_rng(0)
    honest = random.normal(0, 2, (4000, 1))
    targets = (random.random((4000, 1)) < sigmoid(honest)).astype(np.float32)
    boasting = (3 * honest + 1).astype(np.float32)
    scale, shift = calibrate(boasting, targets)
    assert scale[0] == pytest.approx(1 / 3, rel=0.1)
    before = calibration_error(sigmoid(boasting[:, 0]), targets[:, 0] == 1)
    after = calibration_error(sigmoid(scale[0] * boasting[:, 0] + shift[0]), targets[:, 0] == 1)
    assert after < 0.03 < before


@settings(max_examples=40)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 1000))
def test_calibration_never_changes_an_order_and_thresholds_stay_inside(
    n: int, m: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(0, 3, (n + m, 1)).astype(np.float32)
    targets = np.array([1.0] * n + [0.0] * m, np.float32)[:, None]
    scale, shift = calibrate(logits, targets)
    assert scale[0] > 0
    assert np.isfinite(shift[0])
    (threshold,) = choose_thresholds(logits, targets, ONE)
    assert 0.05 <= threshold.threshold <= 0.95
    assert round(threshold.threshold, 4) == threshold.threshold
    assert threshold.threshold == 0.5 or n


def test_a_threshold_is_the_one_nearest_to_one_half_among_those_as_good_as_the_best() -> None:
    from sklearn.metrics import f1_score

    random = np.random.default_rng(4)
    targets = (random.random(500) < 0.3).astype(np.float32)
    logits = (2 * targets - 1.5 + random.normal(0, 1, 500)).astype(np.float32)
    (threshold,) = choose_thresholds(logits[:, None], targets[:, None], ONE)
    scores = np.round(sigmoid(logits), 4)
    f1 = {t: f1_score(targets, scores >= t) for t in np.linspace(0.05, 0.95, 901)}
    best = max(f1, key=f1.__getitem__)
    resampled = [random.integers(0, 500, 500) for _ in range(300)]
    error = np.std([f1_score(targets[rows], scores[rows] >= best) for rows in resampled])
    assert f1_score(targets, scores >= threshold.threshold) >= f1[best] - 1.2 * error
    nearer = [t for t in f1 if abs(t - 0.5) < abs(threshold.threshold - 0.5) - 1e-3]
    assert all(f1[t] < f1[best] - 0.8 * error for t in nearer)
    assert threshold.low <= threshold.threshold <= threshold.high


def test_a_threshold_of_a_rare_label_is_drawn_towards_that_of_its_group() -> None:
    vocabulary = Vocabulary.build(
        parse_groups("color"), [("color", name) for name in ("red", "blue", "teal", "pink")]
    )
    random = np.random.default_rng(2)
    truth = np.repeat([0, 1, 2], [300, 300, 3])  # three teal pictures, no pink one
    targets = np.eye(4, dtype=np.float32)[truth]
    logits = (4 * targets - 3 + random.normal(0, 1, targets.shape)).astype(np.float32)
    logits[:, 2] += 2.5
    red, blue, teal, pink = choose_thresholds(logits, targets, vocabulary)
    assert (
        0 < abs(teal.threshold - pink.threshold) <= 0.1
    )  # of its own it has a tenth; pink has nothing but its group's
    assert "drawn 90% towards" in teal.chosen
    assert "no positive" in pink.chosen
    assert [t.positives for t in (red, blue, teal, pink)] == [300, 300, 3, 0]
    assert all(t.low <= t.high for t in (red, blue, teal, pink))
    assert red.low <= red.threshold <= red.high
    assert red.low < red.high


@settings(max_examples=40, deadline=None)
@given(st.floats(0.5, 0.99), st.integers(0, 1000))
def test_a_precision_that_is_asked_for_is_reached_or_said_to_be_out_of_reach(
    wanted: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    targets = (random.random((400, 1)) < 0.3).astype(np.float32)
    logits = (2 * targets - 1 + random.normal(0, 1.5, targets.shape)).astype(np.float32)
    (threshold,) = choose_thresholds(logits, targets, ONE, min_precision=wanted)
    scores = np.round(sigmoid(logits), 4)
    claimed = scores >= threshold.threshold
    precision = targets[claimed].mean() if claimed.any() else 0.0
    assert (precision >= wanted) == ("not reached" not in threshold.chosen)
    if "not reached" not in threshold.chosen:  # and no other threshold finds more
        cuts = [t for t in np.unique(scores) if t >= 0.05]
        enough = [
            t for t in cuts if targets[scores >= t].sum() / ((scores >= t).sum() + 1) >= wanted
        ]
        assert targets[claimed].sum() == max(
            [targets[scores >= t].sum() for t in enough], default=targets[claimed].sum()
        )


def test_the_loss_of_a_view_is_the_cross_entropy_of_its_answers_none_included() -> None:
    from sklearn.metrics import log_loss

    from tagger.labels.views import group_probabilities
    from tagger.training.losses import combined_loss, masked_loss, view_loss

    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (50, 5)).astype(np.float32)
    answer = random.integers(0, 4, 50)  # 3 is none
    targets = np.concatenate([np.eye(4)[answer][:, :3], np.full((50, 2), np.nan)], axis=1).astype(
        np.float32
    )
    targets[:10, 1] = np.nan  # not wholly known: costs nothing
    expected = log_loss(answer[10:], group_probabilities(logits[10:], [0, 1, 2]), labels=range(4))
    total, known = map(float, view_loss(targets, logits, [0, 1, 2]))
    assert (total / known, known) == (pytest.approx(expected, rel=1e-5), 40)
    assert tuple(map(float, view_loss(targets, logits, [3, 4]))) == (0, 0)
    both = combined_loss(targets, logits, [[0, 1, 2]], view=0.5, smoothing=0)
    assert float(both) == pytest.approx(
        float(masked_loss(targets, logits)) + expected / 2, rel=1e-5
    )


def test_recombined_pictures_count_in_the_choice_of_an_epoch_as_they_are_taught() -> None:
    from tagger.training.recipe import Recipe

    assert Recipe.evidence(1000).choice_loss(1.0, 3.0) == 2.0
    assert Recipe.plain().choice_loss(1.0, 3.0) == 1.0
    large = [
        Recipe.evidence(pictures).choice_loss(1.0, 3.0) for pictures in (4_000, 10_000, 40_000)
    ]
    assert 2 > large[0] > large[1] > large[2] > 1
    assert large[1] < 1.1


@pytest.mark.parametrize("scale", [0.2, 1.0, 3.0, 7.0])
def test_how_sure_a_network_is_does_not_decide_which_epoch_is_kept(scale: float) -> None:
    from tagger.training.calibration import least_at_any_scale
    from tagger.training.losses import masked_loss

    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (500, 7)).astype(np.float32)
    targets = (random.random((500, 7)) < 1 / (1 + np.exp(-logits))).astype(np.float32)
    worse = logits + random.normal(0, 1, logits.shape).astype(np.float32)

    def least(of: Float32Array) -> float:
        return least_at_any_scale(lambda by: float(masked_loss(targets, of * np.float32(by))))

    assert least(logits * np.float32(scale)) == pytest.approx(least(logits), rel=1e-4)
    assert least(worse) > least(logits * np.float32(scale))
    assert least(logits) <= float(masked_loss(targets, logits)) + 1e-6


def test_a_group_of_which_little_is_known_counts_as_often_as_it_is_known() -> None:
    from tagger.training.losses import combined_loss, masked_loss, view_loss

    random = np.random.default_rng(1)
    logits = random.normal(0, 2, (60, 5)).astype(np.float32)
    color = np.eye(3)[random.integers(0, 3, 60)]
    pattern = np.eye(2)[random.integers(0, 2, 60)]
    pattern[5:] = np.nan  # five pictures say anything of it
    targets = np.concatenate([color, pattern], axis=1).astype(np.float32)
    of_color, colors = map(float, view_loss(targets, logits, [0, 1, 2]))
    of_pattern, patterns = map(float, view_loss(targets, logits, [3, 4]))
    assert (colors, patterns) == (60, 5)
    both = combined_loss(targets, logits, [[0, 1, 2], [3, 4]], view=0.5, smoothing=0)
    expected = float(masked_loss(targets, logits)) + 0.5 * (of_color + of_pattern) / 65
    assert float(both) == pytest.approx(expected, rel=1e-5)


def test_thresholds_stay_where_the_precision_is_even_if_a_lower_cut_lies_outside_the_limits() -> (
    None
):
    scores = np.repeat([0.9, 0.5, 0.03, 0.001], [40, 20, 200, 100])
    targets = np.repeat([1, 0, 1, 0], [40, 20, 200, 100]).astype(np.float32)[:, None]
    (threshold,) = choose_thresholds(
        logit(scores)[:, None].astype(np.float32), targets, ONE, min_precision=0.9
    )
    assert 0.5 < threshold.threshold <= 0.9
    assert "not reached" not in threshold.chosen
