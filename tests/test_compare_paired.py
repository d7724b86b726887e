"""Paired figures: what chance does to two equal ones is not called a difference, and intervals hold
what they should."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from tagger.evaluation.paired import (
    SURE,
    difference_interval,
    fallen,
    holm,
    mcnemar,
    paired,
    shows_from,
)

counts = st.integers(0, 300)


def test_the_test_is_the_exact_one_of_mcnemar() -> None:
    """The worked example of many textbooks: 4 against 14."""
    assert mcnemar(4, 14) == pytest.approx(2 * binom.cdf(4, 18, 0.5))
    assert mcnemar(0, 5) == pytest.approx(2 / 2**5)
    assert mcnemar(0, 0) == 1.0
    assert fallen(5, 0) == pytest.approx(1 / 2**5)
    assert fallen(0, 0) == 1.0


@given(counts, counts)
def test_it_does_not_matter_which_is_called_a(one: int, other: int) -> None:
    assert mcnemar(one, other) == pytest.approx(mcnemar(other, one))
    low, high = difference_interval(one, other, 700)
    assert difference_interval(other, one, 700) == pytest.approx((-high, -low))


@given(counts, counts, st.integers(0, 300))
def test_the_interval_holds_0_exactly_where_the_test_says_chance(
    one: int, other: int, both: int
) -> None:
    n = max(1, one + other + both)
    low, high = difference_interval(one, other, n)
    assert (low <= 0 <= high) == (mcnemar(one, other) >= SURE)
    assert -1 <= low <= (other - one) / n <= high <= 1


@pytest.mark.parametrize("n", [50, 300, 2000])
@pytest.mark.parametrize("alone", [(0.05, 0.05), (0.02, 0.06), (0.2, 0.1), (0.0, 0.03)])
def test_intervals_hold_the_true_difference_in_19_of_20_cases(
    n: int, alone: tuple[float, float]
) -> None:
    random = np.random.default_rng(n)
    a, b, _ = random.multinomial(n, [*alone, 1 - sum(alone)], size=1000).T
    truth = alone[1] - alone[0]
    ends = [difference_interval(int(x), int(y), n) for x, y in zip(a, b, strict=True)]
    held = np.mean([low <= truth <= high for low, high in ends])
    assert held >= 0.92  # 0.93 where A never has a picture alone, 0.95 elsewhere


@given(st.lists(st.floats(0, 1), max_size=12))
def test_corrected_ps_keep_their_order_and_are_never_smaller(p: list[float]) -> None:
    corrected = holm(p)
    assert all(after >= before for before, after in zip(p, corrected, strict=True))
    assert [corrected[i] for i in np.argsort(p, kind="stable")] == sorted(corrected)
    assert max(corrected, default=0) <= 1


def test_holm_is_stepwise() -> None:
    """The smallest of four counts four times, the next three times, and none less than one before
    it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_of_many_equal_labels_one_is_called_different_in_one_of_twenty_tables_at_most() -> None:
    random = np.random.default_rng(5)
    wrong = 0
    for _ in range(300):
        alone = random.binomial(120, 0.5, size=20)
        wrong += min(holm([mcnemar(int(x), 120 - int(x)) for x in alone])) < SURE
    assert wrong <= 300 * 0.08


@pytest.mark.parametrize(("apart", "n"), [(30, 300), (160, 1600), (4, 60)])
def test_a_difference_of_the_least_size_shows_about_four_times_of_five(apart: int, n: int) -> None:
    random = np.random.default_rng(n)
    least = shows_from(apart, n)
    share = max(apart / n, least)
    alone = [(share - least) / 2, (share + least) / 2]
    a, b, _ = random.multinomial(n, [*alone, 1 - sum(alone)], size=600).T
    seen = np.mean([mcnemar(int(x), int(y)) < SURE for x, y in zip(a, b, strict=True)])
    assert 0.65 <= seen <= 0.92


def test_nothing_known_is_no_figure_and_no_test_means_no_p() -> None:
    nothing = paired(np.zeros(0, bool), np.zeros(0, bool))
    assert (nothing.difference, nothing.p, nothing.low) == (None, None, None)
    right = np.array([True, False, True])
    picked = paired(right, ~right, tested=False)
    assert (picked.a_alone, picked.b_alone, picked.p, picked.low) == (2, 1, None, None)
