"""Tests that are made together: what each costs the others, what they could show, and how the
sentence names it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.comparison import Comparison
from tagger.arrays import BoolArray
from tagger.evaluation.comparison import Question, compare_answers
from tagger.evaluation.paired import SURE, corrected, holm, mcnemar, paired, shows_from


def asked(group: str, a_alone: int, b_alone: int, known: BoolArray, idle: int = 0) -> Question:
    """A question about as many pictures as `known` has, which both have right but for some."""
    names = ("x", "y", *(f"idle {i}" for i in range(idle)))
    truth = np.zeros(len(known), np.int64)
    a, b = truth.copy(), truth.copy()
    places = np.flatnonzero(known)[known.sum() // 2 :]
    a[places[:b_alone]] = 1
    b[places[b_alone : b_alone + a_alone]] = 1
    return Question(group, names, names, True, a, b, truth, known)


def found(*questions: Question) -> Comparison:
    return compare_answers(questions, str, scores={}, only=([], [])).comparison


def test_labels_that_could_show_nothing_cost_the_others_nothing() -> None:
    known = np.ones(1000, bool)
    alone = found(asked("color", 4, 18, known)).labels[0].right
    among = found(asked("color", 4, 18, known, idle=140)).labels[0].right
    assert alone is not None
    assert among is not None
    assert among == alone
    assert among.p_adjusted is not None
    assert among.p_adjusted < SURE


@given(st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25)), min_size=1, max_size=8))
@settings(deadline=None)
def test_an_interval_holds_0_exactly_where_the_corrected_test_says_chance(
    alone: list[tuple[int, int]],
) -> None:
    right = [(np.arange(80) < a, (np.arange(80) >= a) & (np.arange(80) < a + b)) for a, b in alone]
    for test in corrected([paired(*both) for both in right]):
        assert test is not None
        assert test.p_adjusted is not None
        assert test.low is not None
        assert test.high is not None
        assert (test.low <= 0 <= test.high) == (test.p_adjusted >= SURE)


def test_of_many_equal_labels_few_of_them_frequent_one_is_different_in_one_of_twenty_tables() -> (
    None
):
    random = np.random.default_rng(7)
    wrong = 0
    for _ in range(300):
        apart = [*random.integers(6, 60, 5), *random.integers(0, 6, 40)]
        ps = [mcnemar(a, n - a) for n, a in zip(apart, random.binomial(apart, 0.5), strict=True)]
        wrong += min(holm(ps, [n >= 6 for n in apart])) < SURE
    assert wrong <= 300 * 0.08


@pytest.mark.parametrize("tests", [1, 3, 12])
@pytest.mark.parametrize(("apart", "n"), [(30, 300), (160, 1600), (10, 100), (4, 60), (0, 60)])
def test_the_least_difference_shows_four_times_of_five_among_so_many_tests(
    apart: int, n: int, tests: int
) -> None:
    sure = SURE / tests
    least = shows_from(apart, n, sure=sure)
    assert 0.77 <= seen(least, apart, n, sure) <= 0.83
    assert seen(0.8 * least, apart, n, sure) < 0.72


def seen(difference: float, apart: int, n: int, sure: float) -> float:
    """How often a difference shows in as many draws."""
    share = max(apart / n, difference)
    rates = [(share - difference) / 2, (share + difference) / 2, 1 - share]
    draws = np.random.default_rng(n).multinomial(n, rates, size=4000)
    ps: dict[tuple[int, int], float] = {}
    for a, b, _ in draws.tolist():
        ps.setdefault((a, b), mcnemar(a, b))
    return float(np.mean([b > a and ps[a, b] < sure for a, b, _ in draws.tolist()]))


def test_too_few_pictures_show_no_difference_at_all() -> None:
    assert shows_from(2, 5) == 1.0
    assert shows_from(2, 6) < 1.0
    assert shows_from(2, 6, sure=SURE / 3) == 1.0


def test_the_size_that_would_show_is_that_among_all_rows_of_the_table() -> None:
    known = np.ones(300, bool)
    one = found(asked("color", 15, 15, known))
    three = found(asked("color", 15, 15, known), asked("type", 15, 15, known))
    assert "where 5.3 points would show" in one.sentence
    assert "where 6.0 points would show" in three.sentence
    assert "four times of five, a smaller one less often" in three.sentence


def test_no_difference_names_every_group_and_all_only_where_enough_are_known_in_all() -> None:
    places = np.arange(4000)
    apart = found(
        asked("color", 20, 20, places < 2006), asked("type", 20, 20, places >= 1994)
    ).sentence
    assert "no difference that 2,006 pictures could show: color right from" in apart
    assert "type right from" in apart
    assert "of 12 pictures" not in apart
    together = found(asked("color", 20, 20, places < 2006), asked("type", 20, 20, places < 1500))
    assert "all right from" in together.sentence
    assert "of 1,500 pictures" in together.sentence
