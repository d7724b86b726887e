"""Sizes, ages and strangers' words as a terminal shows them."""

from datetime import UTC, datetime, timedelta

import pytest

from jobs.console.table import age, plain, size

NOW = datetime(2026, 11, 23, 3, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("n", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (1_500, "1.5 kB"),
        (9_960, "10 kB"),
        (999_499, "999 kB"),
        (999_600, "1.0 MB"),
        (138_400_000, "138 MB"),
        (7_000 * 10**12, "7,000 TB"),
    ],
)
def test_a_size_has_two_or_three_digits_and_a_unit(n: int, words: str) -> None:
    assert size(n) == words


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=59), "59 minutes"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(hours=47), "1 day"),
        (timedelta(days=31), "31 days"),
    ],
)
def test_an_age_is_in_the_largest_unit_that_fits(ago: timedelta, words: str) -> None:
    assert age(NOW - ago, NOW) == words


def test_control_characters_are_spelt_out() -> None:
    assert plain("na\x1b[2Jme\n") == "na\\x1b[2Jme\\n"
    assert plain("größe €") == "größe €"
