"""Which shares alarm: those that moved by more than nights vary, and no others."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_year import DAYS, HAPPENS, LABELS, simulated_year

from schemas.runs import AnswerCounts, AnswerRows
from tagger.report.alarms import LEAST_HISTORY, STEPS, Nights, moved, nights_in_a_row
from tagger.report.plot import HEIGHT, WIDTH, plot
from tagger.report.shares import CountedNight, Shares, moved_shares


def nights(days: int, seed: int = 0, *, vary: float = 0.05) -> Nights:
    """Return nights of a catalog of 100,000 pictures to which a thousand come each night."""
    random = np.random.default_rng(seed)
    shares = np.array([0.4, 0.2, 0.2, 0.1, 0.05, 0.05])
    logits = np.log(shares) + random.normal(0, vary, (days, 6))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    arrived = np.array([random.multinomial(1000, each) for each in p])
    rows = 100_000 * np.tile(shares, (days, 1)).astype(float)
    rows += np.cumsum(arrived - 1000 * shares, axis=0)
    return Nights(
        rows.astype(np.int64),
        arrived.astype(np.int64),
        np.zeros_like(arrived, np.int64),
        np.full(days, 100_000),
        np.full(days, 1000),
        np.zeros(days, np.int64),
        np.zeros(days, np.int64),
    )


@given(st.integers(1, LEAST_HISTORY), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_nothing_is_said_before_it_is_known_how_nights_vary(days: int, seed: int) -> None:
    few = nights(days, seed)
    few.arrived[-1] = [1000, 0, 0, 0, 0, 0]
    assert not moved(few, 6).alarm.any()


@given(st.permutations(range(6)), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_labels_are_asked_about_each_on_its_own(order: list[int], seed: int) -> None:
    year = nights(50, seed)
    year.arrived[-4:, 2] *= 3
    swapped = year._replace(rows=year.rows[:, order], arrived=year.arrived[:, order])
    assert (moved(swapped, 6).alarm == moved(year, 6).alarm[:, order]).all()


def test_a_label_that_dies_alarms_the_same_night() -> None:
    year = nights(50)
    year.rows[-1, 3] = year.arrived[-1, 3] = 0
    found = moved(year, 6)
    assert found.alarm[0].tolist() == [False, False, False, True, False, False]
    assert found.now[0, 3] < 0.0001
    assert found.usual[0, 3] == pytest.approx(0.1, abs=0.01)


def test_what_comes_dark_night_after_night_alarms_and_one_delivery_does_not() -> None:
    delivery = nights(50)
    delivery.arrived[-1] = [200, 600, 100, 50, 25, 25]
    assert not moved(delivery, 6).alarm.any()
    camera = nights(50)
    camera.arrived[-3:] = [200, 600, 100, 50, 25, 25]
    assert moved(camera, 6).alarm[len(STEPS), 1]
    assert not moved(camera, 6).alarm[: len(STEPS)].any()  # those that stayed are as they were


def test_it_is_told_for_how_many_nights_an_alarm_has_been_on() -> None:
    camera = nights(60)
    camera.arrived[-6:] = [200, 600, 100, 50, 25, 25]
    assert nights_in_a_row(camera, 6)[1] == 5  # the first of the six was like a delivery


def test_a_move_that_is_small_wakes_nobody_however_steady_the_nights_were() -> None:
    steady = nights(50, vary=0.0)
    steady.rows[-1, 0] += 1500  # 40 % becomes 41.5 %
    assert not moved(steady, 6).alarm.any()


@given(
    st.sampled_from([1.0, 0.0]),  # nearly all vary by chance: how often is a benchmark's
    st.sampled_from([10, 100, 5000]),
    st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_a_label_that_all_have_or_none_alarms_in_no_night(p: float, came: int, seed: int) -> None:
    year = steady(p, came, seed)
    assert not any(moved(year.until(end), 1).alarm.any() for end in (40, 50, 60))


def steady(p: float, came: int, seed: int) -> Nights:
    """Return sixty nights of one label that is as frequent in what comes as in all."""
    random = np.random.default_rng(seed)
    every = 200 * came
    arrived = random.binomial(came, p, (60, 1))
    held = [random.binomial(every, p)]
    gone = [0]
    for new in arrived[1:, 0].tolist():
        gone.append(random.hypergeometric(held[-1], every - held[-1], came))
        held.append(held[-1] - gone[-1] + new)
    some = np.full(60, came)
    rows, went = np.array([held, gone])[:, :, None]
    return Nights(
        rows, arrived, went, np.full(60, every), some, some.copy(), np.zeros(60, np.int64)
    )


@pytest.mark.parametrize("p", [1.0, 0.0])
def test_nor_does_it_where_three_times_as_many_pictures_come(p: float) -> None:
    year = steady(p, 10, 0)
    year.arrived[-21:] *= 3
    year.all_arrived[-21:] *= 3
    year.rows[-21:] += 20 * np.arange(1, 22)[:, None] * int(p)
    year.all_rows[-21:] += 20 * np.arange(1, 22)
    assert not any(moved(year.until(end), 1).alarm.any() for end in range(40, 61))


def test_a_label_that_all_had_alarms_where_half_of_what_comes_lacks_it() -> None:
    year = steady(1.0, 20, 0)
    year.arrived[-7:] = 10
    year.rows[-7:, 0] -= 10 * np.arange(1, 8)
    assert moved(year, 1).alarm[len(STEPS) :].any()


def test_the_first_night_of_a_catalog_does_not_say_what_is_usual() -> None:
    year = nights(50)
    year.rows[0] = year.arrived[0] = [0, 0, 0, 0, 0, 100_000]
    year.all_arrived[0] = 100_000
    assert not moved(year.until(30), 6).alarm.any()


@pytest.mark.parametrize("rows", [5000, 1_000_000])
def test_a_year_of_deliveries_seldom_alarms_and_a_dead_label_always_does(rows: int) -> None:
    quiet = simulated_year("noise alone", rows, seed=7).nights
    loud = sum(moved(quiet.until(end), LABELS).alarm.any() for end in range(30, DAYS, 3))
    assert loud <= 15
    dead = simulated_year("label dies", rows, seed=7)
    assert moved(dead.nights.until(HAPPENS + 1), LABELS).alarm[:, dead.label].any()


def counted(day: int, rows: dict[str, int], model: str = "m") -> CountedNight:
    at = datetime(2026, 1, 1, 3, tzinfo=UTC) + timedelta(days=day)
    answers = [AnswerRows(group="c", label=k, rows=n, arrived=n // 100) for k, n in rows.items()]
    total = sum(rows.values())
    counts = AnswerCounts(rows=total, arrived=total // 100, answers=answers)
    return CountedNight(f"{at:%Y%m%dT%H%M%SZ}-0000", at.isoformat(), model, counts)


def test_a_label_that_a_new_model_brought_is_not_held_against_nights_without_it() -> None:
    old = [counted(day, {"red": 50_000, "blue": 50_000}) for day in range(40)]
    new = [counted(40, {"red": 49_000, "blue": 49_000, "teal": 2000}, "n")]
    found = moved_shares([*old, *new])
    assert found.moved == []
    assert (found.answers, found.stayed) == (3, 2)  # it is not said that teal did not move
    gone = moved_shares([*old, counted(40, {"red": 100_000, "blue": 0}, "n")])
    assert {each.label for each in gone.moved} == {"red", "blue"}


def test_nights_of_which_nothing_is_known_alarm_nothing_and_break_the_line() -> None:
    known = [counted(day, {"red": 50_000, "blue": 50_000}) for day in range(20)]
    gap = known[10]._replace(counts=None)
    told = plot([*known[:10], gap, *known[11:]], ("c", "red"))
    assert len(told.lines) == 2
    assert moved_shares([*known, known[10]._replace(counts=None)]) == Shares([], 20)


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 100)), min_size=1, max_size=90),
    st.lists(st.integers(0, 5), min_size=90, max_size=90),
)
@settings(deadline=None)
def test_a_plot_stays_within_its_frame(shares: list[int | None], models: list[int]) -> None:
    made = []
    for day, (share, model) in enumerate(zip(shares, models, strict=False)):
        night = counted(day, {"red": share or 0, "blue": 100 - (share or 0)}, str(model))
        made.append(night if share is not None else night._replace(counts=None))
    found = plot(made, ("c", "red"))
    points = [point.split(",") for line in found.lines for point in line.split()]
    assert all(0 <= float(x) <= WIDTH and 0 <= float(y) <= HEIGHT for x, y in points)
    assert all(0 <= x <= WIDTH for x in found.models)
    assert (found.last is None) == (shares[-1] is None)
