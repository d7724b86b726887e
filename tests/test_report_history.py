"""Which nights a night is held against, and what is said of its shares where too few are known."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.report import MovedShare
from schemas.runs import AnswerCounts, AnswerRows, RunRecord, State
from tagger.report.shares import CountedNight, Shares, counted_nights, moved_shares
from tagger.report.verdict import moved_words, still_words

COLORS = ("black", "blue", "white")
BLACK, BLUE, WHITE = range(3)
START = datetime(2026, 1, 1, 3, tzinfo=UTC)


def run_id(night: int) -> str:
    return f"{START + timedelta(days=night):%Y%m%dT%H%M%SZ}-0000"


def record(
    night: int, state: State, snapshot: int, answers: AnswerCounts | None = None
) -> RunRecord:
    return RunRecord(
        format_version=1,
        run_id=run_id(night),
        state=state,
        message=None,
        exit_code=0,
        command=[],
        host="shop",
        process=1,
        started_at=(START + timedelta(days=night)).isoformat(),
        ended_at=None,
        catalog=None,
        model_id="m",
        backend=None,
        snapshot=run_id(snapshot),
        plan=None,
        counts=None,
        skipped={},
        idle_patterns=[],
        seconds={},
        peak_mib=0,
        versions={},
        answers=answers,
    )


def counts(
    rows: Sequence[int], arrived: Sequence[int] = (0, 0, 0), gone: Sequence[int] | None = None
) -> AnswerCounts:
    """Return what a night counted; without `gone` as earlier versions did."""
    went = (0, 0, 0) if gone is None else gone
    answers = [
        AnswerRows(group="color", label=color, rows=rows[i], arrived=arrived[i], gone=went[i])
        for i, color in enumerate(COLORS)
    ]
    all_gone = None if gone is None else sum(gone)
    return AnswerCounts(rows=sum(rows), arrived=sum(arrived), answers=answers, gone=all_gone)


class Catalog:
    """Nights of a catalog to which as many pictures come as leave, of the same colors."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self.held = self._random.multinomial(20_000, [0.4, 0.35, 0.25])

    def night(self) -> AnswerCounts:
        arrived = self._random.multinomial(100, [0.4, 0.35, 0.25])
        gone = self._random.multivariate_hypergeometric(self.held, 100)
        self.held = self.held - gone + arrived
        return counts(self.held.tolist(), arrived.tolist(), gone.tolist())


def published(nights: int, seed: int = 0) -> tuple[list[RunRecord], Catalog]:
    """Return the records of so many nights, the oldest first."""
    catalog = Catalog(seed)
    return [record(i, "published", i, catalog.night()) for i in range(nights)], catalog


def told(records: Sequence[RunRecord], night: int) -> Shares:
    return moved_shares(counted_nights(reversed(records), run_id(night)))


def test_the_first_good_night_after_a_rollback_is_held_against_the_one_it_was_made_of() -> None:
    records, catalog = published(40)
    black, blue, white = catalog.held.tolist()
    records.append(record(40, "published", 40, counts([0, blue + black, white])))
    assert {each.label for each in told(records, 40).moved} == {"black", "blue"}
    records.append(record(41, "rolled_back", 39))
    records.append(record(42, "published", 42, catalog.night()))
    assert told(records, 42).moved == []
    assert told(records, 42).nights == 41


@given(st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=1, max_size=12))
def test_the_nights_that_led_to_a_night_are_its_parent_and_the_parents_before(
    goes_back: list[int | None],
) -> None:
    """Each is a night, or going to one of those that there are by then, back or forth."""
    records: list[RunRecord] = []
    parents: dict[int, int | None] = {}
    current: int | None = None
    for at, choice in enumerate(goes_back):
        if choice is None or not parents:
            parents[at] = current
            current = at
            records.append(record(at, "published", at))
        else:
            current = list(parents)[choice % len(parents)]
            records.append(record(at, "rolled_back", current))
    assert current is not None
    expected = []
    night: int | None = current
    while night is not None:
        expected.append(run_id(night))
        night = parents[night]
    found = counted_nights(reversed(records), run_id(current))
    assert [each.run_id for each in found] == expected[::-1]


def test_a_night_whose_record_is_lost_leaves_the_nights_before_it() -> None:
    records, _ = published(5)
    del records[3]
    found = counted_nights(reversed(records), run_id(3))
    assert [each.run_id for each in found] == [run_id(i) for i in range(3)]


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_pictures_that_were_taken_off_are_no_step_of_those_that_stayed(share: float) -> None:
    records, catalog = published(40)
    off = int(catalog.held[BLACK] * share)
    left = [int(catalog.held[BLACK]) - off, *catalog.held[BLUE:].tolist()]
    records.append(record(40, "published", 40, counts(left, gone=[off, 0, 0])))
    assert told(records, 40).moved == []


def test_records_that_do_not_say_what_went_are_held_against_all_of_the_night_before() -> None:
    records, catalog = published(40)
    left = [int(catalog.held[BLACK]) // 2, *catalog.held[BLUE:].tolist()]
    records.append(record(40, "published", 40, counts(left)))
    assert "black" in {each.label for each in told(records, 40).moved}


def test_what_dies_while_others_are_taken_off_alarms() -> None:
    records, catalog = published(40)
    black, blue, white = catalog.held.tolist()
    off = blue // 2
    now = counts([black // 2, blue - off, white + black - black // 2], gone=[0, off, 0])
    records.append(record(40, "published", 40, now))
    black_moved, white_moved = sorted(told(records, 40).moved, key=lambda each: each.label or "")
    assert (black_moved.label, white_moved.label) == ("black", "white")
    assert black_moved.usual == pytest.approx(black / (20_000 - off), abs=1e-4)
    assert black_moved.now == pytest.approx(black // 2 / (20_000 - off), abs=0.01)


def test_what_could_not_be_asked_is_not_said_to_be_still() -> None:
    records, _ = published(40)
    assert still_words(told(records, 39)) == "No share moved by more than nights vary"
    few = still_words(told(records[:15], 14))
    assert few.endswith(
        "not known for this night: that takes 16 published nights, and 15 are known"
    )
    uncounted = [*records, record(40, "published", 40)]
    assert "for this night: its answers were not counted" in still_words(told(uncounted, 40))


def test_of_what_came_nothing_is_said_where_nights_brought_nothing() -> None:
    records, catalog = published(17)
    assert still_words(told(records, 16)) == "No share moved by more than nights vary"
    quiet = [*records[:14]]
    held = catalog.held.tolist()
    quiet += [record(i, "published", i, counts(held, gone=[0, 0, 0])) for i in range(14, 40)]
    assert still_words(told(quiet, 39)).startswith("Of the pictures that stayed, no share moved")
    assert "came that is not known yet: it takes 17 nights" in still_words(told(quiet, 39))


@pytest.mark.parametrize(("nights", "words"), [(29, "29 nights now"), (30, "30 or more nights")])
def test_an_alarm_that_is_followed_back_as_far_as_it_goes_says_so(nights: int, words: str) -> None:
    moved = MovedShare(
        group="color",
        label="black",
        of="arrived",
        nights=7,
        usual=0.2,
        now=0.4,
        in_a_row=nights,
    )
    assert f"(for {words}" in moved_words(moved)


def test_a_night_that_nothing_is_known_of_has_no_share() -> None:
    assert CountedNight("n", "", "m", None).share(("color", "black")) is None
