"""The gate on pairs of models whose every truth is known: an equal one is not refused for chance,
and one that forgot is."""

import numpy as np
import pytest
from model_pairs import FALLS, Pair, compared, fell_at_all, model_pair

from jobs.retrain import gate_text
from schemas.bundle import Gate
from tagger.evaluation.gate import judge
from tagger.evaluation.gate_words import gate_sentence
from tagger.evaluation.questions import Answers
from tagger.evaluation.swapping import fall_by_chance


def gate_of(pair: Pair, tolerance: float = 0.5) -> Gate:
    return judge([compared(pair, tolerance=tolerance)], "tiny-v1", tolerance)


def test_an_equal_model_that_fell_by_points_on_few_pictures_is_not_refused() -> None:
    parts = [compared(model_pair(seed, 60)) for seed in range(24)]
    assert sum(map(fell_at_all, parts)) >= 12  # it nearly always looks worse
    gates = [judge([part], "tiny-v1", 0.5) for part in parts]
    assert sum(gate.passed for gate in gates) >= 21
    fell = next(gate for gate in gates if gate.passed and gate.within_chance)
    assert ", within chance (p = 0." in fell.within_chance[0]
    assert "points allowed" in fell.within_chance[0]


@pytest.mark.parametrize("fall", [name for name in FALLS if name != "none"])
def test_a_model_that_is_worse_is_refused_where_there_are_pictures_enough(fall: str) -> None:
    gate = gate_of(model_pair(7, 1000, **FALLS[fall]))
    assert not gate.passed
    assert all(" % to " in text and "more than chance (p" in text for text in gate.worse)


def test_answers_that_fell_are_refused_though_average_precision_did_not() -> None:
    gate = gate_of(model_pair(7, 1000, **FALLS["answers, 3 points, not AP"]))
    assert {text.split(": ")[1].split(" from")[0] for text in gate.worse} <= {
        "color right",
        "type right",
    }


def test_a_label_that_a_part_shows_alone_is_tested_as_finely_as_all_together() -> None:
    """Labels of both parts are judged together: else no p could be small enough for it."""
    a, b, targets = model_pair(7, 400)
    alone = np.full_like(targets, np.nan)
    alone[:, 0] = targets[:, 0]
    logits = b.logits.copy()
    logits[:, 0] = np.random.default_rng(0).permutation(logits[:, 0])
    part = compared(Pair(a, Answers(logits, b.thresholds, b.vocabulary), alone))
    (dead,) = part.labels
    assert dead.p is not None
    assert dead.p < 1 / (100 * len(b.vocabulary))
    both = judge([compared(model_pair(8, 400)), part], "tiny-v1", 0.5)
    assert any(dead.label in text for text in both.worse)


def test_what_is_tolerated_is_not_refused_however_sure_it_is() -> None:
    pair = model_pair(7, 1000, noise=1.38)
    assert not gate_of(pair).passed
    tolerant = gate_of(pair, tolerance=20)
    assert tolerant.passed
    assert tolerant.within_chance == []


def test_a_model_that_scores_on_another_scale_in_the_same_order_has_not_fallen() -> None:
    a, b, targets = model_pair(3, 400)
    shifted = Answers(a.logits * 3 - 40, np.full(len(b.thresholds), 1e-4), b.vocabulary)
    part = compared(Pair(a, shifted, targets))
    assert part.macro_ap.parent == pytest.approx(part.macro_ap.now, abs=1e-6)


def test_p_is_large_where_nothing_fell_and_small_where_a_label_is_lost() -> None:
    random = np.random.default_rng(2)
    positive = random.random((200, 2)) < 0.3
    known = np.ones_like(positive)
    good = positive * 3 + random.normal(0, 1, positive.shape)
    assert fall_by_chance(good, good, positive, known, rounds=1000) > 0.5
    assert (
        fall_by_chance(good, random.normal(0, 1, good.shape), positive, known, rounds=2000) < 0.001
    )
    assert fall_by_chance(random.normal(0, 1, good.shape), good, positive, known, rounds=1000) > 0.5


def test_p_of_equal_models_is_under_a_tenth_in_a_tenth_of_the_cases() -> None:
    random = np.random.default_rng(4)
    small = 0
    for _ in range(200):
        positive = random.random((60, 1)) < 0.3
        hard = positive * 2 + random.normal(0, 1, positive.shape)
        a, b = (hard + random.normal(0, 0.7, hard.shape) for _ in range(2))
        small += fall_by_chance(a, b, positive, np.ones_like(positive), rounds=1000) < 0.1
    assert 200 * 0.03 <= small <= 200 * 0.17


def test_the_gate_speaks_in_percent() -> None:
    gate = gate_of(model_pair(11, 300))
    sentence = gate_sentence(gate)
    assert sentence.startswith("passed: on 300 pictures of the test part, macro AP from ")
    assert "color right from " in sentence
    assert " %" in sentence
    text = gate_text(gate)
    assert "gate: passed, compared with tiny-v1 on its labels" in text
    assert "0.9" not in text.split("worse")[0].replace("p = 0.9", "")
    failed = gate_of(model_pair(7, 1000, noise=1.38))
    assert gate_sentence(failed).startswith("failed: test part: macro AP from ")
