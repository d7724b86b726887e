"""What persons said is kept: whole lines, durably, whoever else writes and whatever happens."""

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from conftest import clean_environment
from hypothesis import given
from hypothesis import strategies as st
from saying import said, say
from test_faults import small_disk

import tagger.index.corrections
from schemas.corrections import ANSWERS, Correction
from tagger.errors import InputError, MachineFault, StoreError
from tagger.index.corrections import CorrectionLog, InForce

__all__ = ["small_disk"]  # a fixture
ONE, TWO = "1" * 64, "2" * 64

_WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from saying import said
from tagger.index.corrections import CorrectionLog
log = CorrectionLog(Path(sys.argv[1]))
number = 0
while number < int(sys.argv[4]):
    several = [said("1" * 64, "color", label=f"{number}-{i}", who=sys.argv[2]) for i in range(3)]
    log.append(several)
    print(number, flush=True)
    number += 1
"""


def writer(index: Path, who: str, times: int = 10**9) -> "subprocess.Popen[str]":
    here = str(Path(__file__).parent)
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(index), who, here, str(times)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment() | {"PYTHONPATH": os.getcwd()},
    )


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@given(st.lists(st.tuples(texts, texts, texts, st.sampled_from(list(ANSWERS))), max_size=8))
def test_what_is_said_comes_back_as_it_was_said(
    tmp_path_factory: pytest.TempPathFactory, words: list[tuple[str, str, str, str]]
) -> None:
    log = CorrectionLog(tmp_path_factory.mktemp("index"))
    lines = [
        said(ONE, group, answer, label=label, image_id=image_id)
        for group, label, image_id, answer in words
    ]
    log.append(lines[:3])
    log.append(lines[3:])
    part = log.read()
    assert part.corrections == lines
    assert part.end == log.size() == len(part.data)
    middle = log.read().data.find(b"\n") + 1
    assert log.read(middle).corrections == lines[1:]


def test_pandas_reads_the_log_without_us(tmp_path: Path) -> None:
    say(tmp_path, ONE, "size", label="38")
    say(tmp_path, TWO, "garment", "none", who="bob")
    table = pd.read_json(tmp_path / "corrections.jsonl", lines=True, dtype=False)
    assert table["label"].fillna("").tolist() == ["38", ""]
    assert table["who"].tolist() == ["anna", "bob"]
    assert table["content_sha256"].tolist() == [ONE, TWO]


def test_a_half_line_of_a_killed_writer_is_nobody_s_and_goes_with_the_next(tmp_path: Path) -> None:
    log = CorrectionLog(tmp_path)
    say(tmp_path, ONE, "color", label="red")
    whole = log.path.read_bytes()
    with open(log.path, "ab") as file:
        file.write(whole[:100])
    assert log.read().data == whole
    say(tmp_path, TWO, "color", label="blue")
    assert [one.label for one in log.read().corrections] == ["red", "blue"]


@pytest.mark.parametrize("place", [1, 40, 200, -8, -2])
def test_a_bit_that_turned_is_never_somebody_s_word(tmp_path: Path, place: int) -> None:
    log = CorrectionLog(tmp_path)
    say(tmp_path, ONE, "color", label="red")
    say(tmp_path, TWO, "color", label="blue")
    data = bytearray(log.path.read_bytes())
    data[place] ^= 1
    log.path.write_bytes(data)
    with pytest.raises(StoreError, match=r"the line at byte [0-9,]+ is damaged .*restore"):
        log.read()


def test_a_log_that_ends_in_something_else_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagger.index.corrections, "_MOST_OF_A_STROKE", 1 << 20)
    log = CorrectionLog(tmp_path)
    log.path.write_bytes(b"\0" * 9_000_000)
    with pytest.raises(StoreError, match="ends in something that is no correction"):
        say(tmp_path, ONE, "color", label="red")
    assert log.size() == 9_000_000


@pytest.mark.serial
def test_two_who_write_at_once_lose_nothing(tmp_path: Path) -> None:
    both = [writer(tmp_path, who, times=60) for who in ("anna", "bob")]
    for process in both:
        _, said_on_error = process.communicate(timeout=60)
        assert process.returncode == 0, said_on_error
    lines = CorrectionLog(tmp_path).read().corrections
    for who in ("anna", "bob"):
        own = [one.label for one in lines if one.who == who]
        assert own == [f"{number}-{i}" for number in range(60) for i in range(3)]
    # What is said with one stroke stands together.
    assert all(len({one.who for one in lines[at : at + 3]}) == 1 for at in range(0, 360, 3))


@pytest.mark.serial
def test_a_writer_that_is_killed_has_kept_what_it_said_was_kept(tmp_path: Path) -> None:
    log = CorrectionLog(tmp_path)
    for turn in range(4):
        process = writer(tmp_path, f"turn {turn}")
        assert process.stdout is not None
        last = int(process.stdout.readline())
        time.sleep(random.Random(turn).uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        last = max([last, *map(int, process.stdout.read().split())])
        process.communicate()
        own = [one.label for one in log.read().corrections if one.who == f"turn {turn}"]
        assert own[: 3 * (last + 1)] == [f"{n}-{i}" for n in range(last + 1) for i in range(3)]
        assert len(own) - 3 * (last + 1) in (0, 3)  # perhaps one stroke more, not yet told


@pytest.mark.serial
def test_on_a_full_disk_nothing_is_kept_by_half(small_disk: Path) -> None:
    log = CorrectionLog(small_disk)
    filler = small_disk / "filler"
    say(small_disk, ONE, "color", label="red")
    filler.write_bytes(b"\0" * 3_900_000)
    many = [said(ONE, "color", label=f"{number:0150d}") for number in range(200)]
    kept = fill(log, many)
    assert len(log.read().corrections) == 1 + kept
    assert log.read().end == log.size()
    filler.unlink()
    log.append(many)
    assert len(log.read().corrections) == 1 + kept + len(many)


def fill(log: CorrectionLog, many: list[Correction]) -> int:
    """Append until the disk is full; return how many were kept, as far as we were told."""
    for times in range(1000):
        try:
            log.append(many)
        except MachineFault as fault:
            assert "lacks room on a disk" in str(fault)
            return times * len(many)
    raise AssertionError("the disk was never full")


def test_what_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nobody could read again"):
        CorrectionLog(tmp_path).append([said(ONE, "color", label="red"), said("short", "color")])
    assert CorrectionLog(tmp_path).size() == 0


def test_a_log_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "corrections.jsonl").mkdir()
    with pytest.raises(InputError, match=r"corrections.jsonl' cannot be written .* is not kept"):
        say(tmp_path, ONE, "color", label="red")


def test_a_stroke_that_was_cut_short_counts_for_nothing(tmp_path: Path) -> None:
    log = CorrectionLog(tmp_path)
    say(tmp_path, ONE, "color", label="red")
    one = log.size()
    log.append([said(TWO, "color", label=f"{number}") for number in range(400)])
    whole = log.path.read_bytes()
    for length in (one + 1, one + 300, len(whole) - 1, len(whole) - 400, (one + len(whole)) // 2):
        log.path.write_bytes(whole[:length])
        assert [line.label for line in log.read().corrections] == ["red"]
        say(tmp_path, TWO, "color", label="blue")
        assert [line.label for line in log.read().corrections] == ["red", "blue"]
    log.path.write_bytes(whole)
    assert len(log.read().corrections) == 401


@pytest.mark.serial
def test_who_stops_in_the_middle_of_writing_is_named_and_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagger.index.corrections, "_PATIENCE", 0.2)
    say(tmp_path, ONE, "color", label="red")
    with open(tmp_path / "corrections.jsonl") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="somebody else has been writing"):
            say(tmp_path, TWO, "color", label="blue")
    say(tmp_path, TWO, "color", label="blue")


def test_a_group_that_is_answered_otherwise_than_before_brings_back_nothing() -> None:
    """Under one model a group is answered as a whole, under another label by label."""
    red, gone = said(ONE, "color", label="red"), said(ONE, "color", "withdrawn")
    assert InForce([red, gone], []).of(ONE) == {}
    assert InForce([red, said(ONE, "color", "none")], []).of(ONE) == {}
    assert InForce([red], []).of(ONE) == {("color", "red"): red}
    other = said(ONE, "color", "withdrawn", label="blue")
    assert InForce([red, other], ["color"]).of(ONE) == {("color", None): red}
    own = said(ONE, "color", "withdrawn", label="red")
    assert InForce([red, own], ["color"]).of(ONE) == {("color", None): own}


def test_the_last_word_counts_and_only_on_its_question() -> None:
    lines = [
        said(ONE, "color", label="red"),
        said(ONE, "color", label="blue"),
        said(ONE, "pattern", label="striped"),
        said(ONE, "pattern", "is_not", label="checked"),
        said(TWO, "color", "unknown"),
        said(ONE, "color", "is_not", label="blue"),  # of a group that was not exclusive then
    ]
    words = InForce(lines, ["color"])
    assert words.of(ONE) == {
        ("color", None): lines[1],
        ("pattern", "striped"): lines[2],
        ("pattern", "checked"): lines[3],
    }
    assert words.of(TWO) == {("color", None): lines[4]}
    assert words.of("3" * 64) == {}


def test_fields_of_a_later_version_are_let_pass(tmp_path: Path) -> None:
    import hashlib

    from msgspec import to_builtins

    say(tmp_path, ONE, "color", label="red")
    log = CorrectionLog(tmp_path)
    (one,) = log.read().corrections
    body = json.dumps(to_builtins(one) | {"mood": "fine"}).encode()[:-1]
    check = hashlib.sha256(body).hexdigest()[:16].encode()
    log.path.write_bytes(body + b', "check": "' + check + b'"}\n')
    assert log.read().corrections == [one]
    assert isinstance(one, Correction)
