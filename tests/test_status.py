"""`tagger status`: the line that a monitor shows, for everything that a night may have come to."""

import json
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import jpeg, textured
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from shop import Shop

from jobs.runs import list_runs, roll_back
from jobs.status import NOT_GOOD, seconds_of, status
from schemas.nightly import StatusReport
from schemas.runs import RunRecord
from tagger.errors import InputError, StoreError
from tagger.index.snapshots import new_id
from tagger.index.store import Index
from tagger.nightly.current_night import began_at, span

Tagger = Callable[..., subprocess.CompletedProcess[str]]
DAY = 26 * 3600


def after(shop: Shop, **span_of_time: float) -> datetime:
    """Return the moment so long after the shop's first night began."""
    return datetime.fromisoformat(first(shop).started_at) + timedelta(**span_of_time)


def first(shop: Shop) -> RunRecord:
    return list_runs(str(shop.index)).runs[-1]


def line(shop: Shop, good: bool, max_age: float = DAY, **span_of_time: float) -> str:
    report = status(str(shop.index), max_age, now=after(shop, **span_of_time))
    assert (report.good, report.exit_code) == (good, 0 if good else NOT_GOOD), report.line
    assert "\n" not in report.line
    return re.sub(r"(\d{4}-\d\d-\d\d )?\d\d:\d\d", "03:15", report.line)


def record(shop: Shop, **changes: object) -> RunRecord:
    """Write the record of another run, a little later than the first; return it."""
    run_id = f"{began_at(first(shop).run_id) + timedelta(hours=1):%Y%m%dT%H%M%SZ}-0000"
    began = began_at(run_id).isoformat()
    fresh = structs.replace(first(shop), **{"run_id": run_id, "started_at": began} | changes)
    Index(shop.index).runs.write(fresh)
    return fresh


def test_a_good_night_is_one_line_and_0(shop: Shop, tagger: Tagger) -> None:
    assert line(shop, True, hours=6) == "OK: night of 03:15, 6 h ago, 48 rows, 0 failed (0.0 %)"
    ended = tagger("status", shop.index)
    assert (ended.returncode, ended.stdout.count("\n")) == (0, 1)
    ended = tagger("status", shop.index, "--max-age", "2d", "--json")
    report = json.loads(ended.stdout)
    assert set(report) == set(StatusReport.__struct_fields__)
    assert (report["good"], report["rows"], report["max_age_seconds"]) == (True, 48, 2 * 86_400)


def test_failed_rows_are_a_share(shop: Shop) -> None:
    shop.deliver("2026/broken.jpg")
    shop.deliver("2026/whole.jpg", jpeg(textured(24, 24)))
    assert shop.tag().returncode == 0
    assert "50 rows, 1 failed (2.0 %)" in line(shop, True, hours=6)


def test_a_night_that_is_too_old_asks_for_cron(shop: Shop, tagger: Tagger) -> None:
    assert line(shop, False, days=3) == (
        "CRITICAL: too old (limit 26h), and no run has begun since: look at cron; "
        "night of 03:15, 3 d ago, 48 rows, 0 failed (0.0 %)"
    )
    ended = tagger("status", shop.index, "--max-age", "0.001s")
    assert (ended.returncode, ended.stdout.startswith("CRITICAL: too old")) == (8, True)


def test_a_night_that_found_nothing_to_do_makes_an_old_snapshot_young(shop: Shop) -> None:
    record(shop, state="unchanged", message=None)
    assert line(shop, True, hours=26) == "OK: night of 03:15, 25 h ago, 48 rows, 0 failed (0.0 %)"


@pytest.mark.parametrize("state", ["refused", "failed", "stopped", "killed"])
def test_a_bad_last_run_is_named_with_its_reason(shop: Shop, state: str) -> None:
    record(shop, state=state, exit_code=3, message="48 of 48 pictures\nare gone; is it mounted?")
    assert line(shop, False, hours=2) == (
        f"CRITICAL: the last run, of 03:15, was {state} (exit code 3): 48 of 48 pictures are gone; "
        "night of 03:15, 2 h ago, 48 rows, 0 failed (0.0 %)"
    )


def test_a_run_that_only_found_the_lock_taken_says_nothing_of_the_night(shop: Shop) -> None:
    record(shop, state="refused", exit_code=4, message="held by process 1")
    assert line(shop, True, hours=2).startswith("OK: night of 03:15, 2 h ago")


def test_a_run_at_work_is_told_and_its_process_is_looked_at(shop: Shop) -> None:
    process = subprocess.Popen(["sleep", "60"])
    host, ours = first(shop).host, ["tagger", "60"]
    facts = {"state": "running", "exit_code": None, "host": host, "process": process.pid}
    record(shop, **facts, command=ours)
    assert line(shop, True, hours=3).endswith("; a run works since 03:15 (2 h)")
    assert line(shop, False, hours=30) == (
        "CRITICAL: too old (limit 26h); night of 03:15, 30 h ago, 48 rows, 0 failed (0.0 %); "
        "a run works since 03:15 (29 h)"
    )
    # Another process has the number now.
    record(shop, **facts, command=["tagger", "tag", "catalog"])
    assert "the last run, of 03:15, ended without a word" in line(shop, False, hours=3)
    record(shop, **facts, command=ours)
    process.kill()
    process.wait()
    assert line(shop, False, hours=3).startswith(
        "CRITICAL: the last run, of 03:15, ended without a word (killed, out of memory"
    )


def test_a_run_on_another_machine_cannot_be_asked_and_is_taken_for_at_work(shop: Shop) -> None:
    record(shop, state="running", exit_code=None, host="another", process=1)
    assert line(shop, True, hours=3).endswith("; a run works since 03:15 (2 h)")


def test_a_run_killed_between_publishing_and_saying_so_did_publish(shop: Shop) -> None:
    written = structs.replace(first(shop), state="running", exit_code=None, process=2**22 - 1)
    Index(shop.index).runs.write(written)
    assert line(shop, True, hours=1).startswith("OK: night of 03:15, 60 min ago")


def test_a_clock_that_jumped_is_said_to_be_wrong(shop: Shop) -> None:
    assert line(shop, False, days=-800) == (
        "CRITICAL: the current night lies 800 d ahead of this machine's clock, which is wrong now, "
        "or was then: compare 'date' with a watch; night of 03:15, 48 rows, 0 failed (0.0 %)"
    )
    assert line(shop, True, minutes=-4).startswith("OK: ")


def test_after_a_rollback_the_older_night_counts(shop: Shop) -> None:
    older = shop.current().name
    shop.deliver_many(2)
    assert shop.tag().returncode == 0
    roll_back(str(shop.index), older)
    assert re.fullmatch(
        r"OK: night of 03:15, \d+ h ago, rolled back to at 03:15, 48 rows, 0 failed \(0.0 %\)",
        line(shop, True, hours=20),
    )
    assert "too old" in line(shop, False, hours=27)


def test_an_index_without_a_night_says_how_its_runs_ended(shop: Shop, tmp_path: Path) -> None:
    index = tmp_path / "new"
    for folder in ("snapshots", "runs"):
        (index / folder).mkdir(parents=True)
    assert status(str(index), DAY).line == (
        "CRITICAL: no night was ever published, and no run has ever ended"
    )
    refused = structs.replace(first(shop), state="refused", exit_code=3, message="no picture")
    Index(index).runs.write(refused)
    report = status(str(index), DAY)
    assert "no night was ever published; the last run, of " in report.line
    assert (report.exit_code, report.snapshot, report.rows) == (NOT_GOOD, None, None)
    working = structs.replace(refused, state="running", exit_code=None, host="another")
    Index(index).runs.write(working)
    assert "no night was ever published; the first run works since " in status(str(index), DAY).line


def test_a_night_that_cannot_be_read_is_not_good(shop: Shop) -> None:
    (shop.current() / "manifest.json").write_text("{")
    assert "CRITICAL: the current night cannot be read: " in line(shop, False)


def test_a_folder_that_is_no_index_is_a_mistake_of_who_asks(shop: Shop, tagger: Tagger) -> None:
    with pytest.raises(StoreError, match="no such folder"):
        status(str(shop.home / "nowhere"), DAY)
    assert tagger("status", shop.home).returncode == 2


@given(st.sampled_from("smhd"), st.integers(1, 10**6))
def test_a_length_of_time_is_a_number_and_a_unit(unit: str, n: int) -> None:
    assert seconds_of(f"{n}{unit}") == n * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[unit]


@pytest.mark.parametrize(
    "text", ["", "26", "h", "-1h", "0h", "1w", "1h30m", "nan h", "1e3s", "3 h"]
)
def test_what_is_no_length_of_time_says_what_is(text: str) -> None:
    with pytest.raises(InputError, match="such as 26h, 90m or 2d"):
        seconds_of(text)


@given(st.floats(0, 1e9))
def test_a_span_says_at_least_two_of_its_unit(seconds: float) -> None:
    n, unit = span(seconds).split()
    whole = {"s": 1, "min": 60, "h": 3600, "d": 86_400}[unit]
    assert unit == "s" or int(n.replace(",", "")) >= 2
    assert abs(int(n.replace(",", "")) * whole - seconds) <= whole


def test_ids_tell_when_a_run_began() -> None:
    assert abs(began_at(new_id()) - datetime.now(UTC)) < timedelta(seconds=5)
