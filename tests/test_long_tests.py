"""Which of the long tests a day runs."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st
from long_tests import draw, recorded

SECONDS = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=3), st.floats(0.1, 900))


@given(SECONDS, st.dates())
def test_a_day_s_draw_keeps_to_its_time_and_is_the_same_all_day(
    seconds: dict[str, float], day: date
) -> None:
    drawn = draw(seconds, seconds, 600, day)
    assert sum(seconds[name] for name in drawn) <= 600
    assert drawn == draw(reversed(seconds), seconds, 600, day)
    left = seconds.keys() - set(drawn)
    assert all(sum(seconds[n] for n in drawn) + seconds[name] > 600 for name in left)


def test_what_can_be_drawn_is_drawn_some_day() -> None:
    seconds = recorded()
    days = [date(2026, 1, 1) + timedelta(n) for n in range(100)]
    drawn = {name for day in days for name in draw(seconds, seconds, 600, day)}
    assert drawn == {name for name, took in seconds.items() if took <= 600}


def test_what_has_no_record_waits_for_the_whole_run() -> None:
    assert draw(["known", "new"], {"known": 3.0}, 600, date(2026, 1, 1)) == ["known"]
