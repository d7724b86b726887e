"""Two nights of made rows: which of the words that persons said are the truth, and of what."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from made_nights import MODEL, OLDER, MadeNight, correction, row_labels
from msgspec.structs import replace

from jobs.compare import CompareOptions, compare
from jobs.compare_text import report_text
from schemas.comparison import CompareReport
from schemas.corrections import Correction
from tagger.index.corrections import CorrectionLog
from tagger.index.store import Index

COLORS = {"color": ["red", "blue"]}
GREEN = {"color": ["red", "blue", "green"]}
BEFORE, AFTER = "2026-01-01T00:00:00.000000+00:00", "2999-01-01T00:00:00.000000+00:00"


def digest(i: int) -> str:
    return hashlib.sha256(str(i).encode()).hexdigest()


Night = Callable[..., Index]


@pytest.fixture
def night(tmp_path: Path) -> Night:
    """Makes a night in an index of its own."""

    def make(
        name: str, labels: dict[str, Sequence[str]], exclusive: list[str], **others: Any
    ) -> Index:
        facts: dict[str, Any] = {"n": 300, "image_id": "{}.jpg".format, "content": digest}
        model = others.pop("model", MODEL)
        models = {model: row_labels(labels, 0.2)}
        facts |= {"models": models, "exclusive": exclusive, "broken": 0.0} | others
        return MadeNight(**facts).publish(tmp_path / name)

    return make


def said(index: Index, words: Sequence[Correction], at: str) -> None:
    CorrectionLog(index.path).append([replace(word, at=at) for word in words])


def compared(a: Index, b: Index) -> CompareReport:
    return compare(CompareOptions(str(a.path), str(b.path)))


def known(report: CompareReport, group: str = "color") -> int:
    """Return of how many pictures it is known what is right."""
    (row,) = (each for each in report.comparison.groups if each.group == group)
    return row.right.pictures if row.right is not None else 0


def test_none_said_before_a_label_was_there_does_not_judge_the_model_that_knows_it(
    night: Night,
) -> None:
    a, b = night("a", COLORS, ["color"]), night("b", GREEN, ["color"], model=OLDER)
    none = [correction(digest(i), "color", None, "none") for i in range(100)]
    said(b, none, BEFORE)
    early = compared(a, b)
    assert known(early) == 0
    assert early.rows is not None
    assert early.rows.unheard == 100
    assert "of 100 pictures persons spoke when a label that one night alone" in report_text(early)
    said(b, none, AFTER)  # green was a choice: none is none
    late = compared(a, b)
    assert known(late) == 100
    assert "unheard" not in report_text(late)


def test_a_color_said_before_judges_all_but_answers_that_may_have_been_split_from_it(
    night: Night,
) -> None:
    a, b = night("a", COLORS, ["color"]), night("b", GREEN, ["color"], model=OLDER)
    blue = [correction(digest(i), "color", "blue", "is") for i in range(100)]
    said(b, blue, BEFORE)
    report = compared(a, b)
    green = sum(
        row["color"] == "green" and row["content_sha256"] in {each.content_sha256 for each in blue}
        for row in rows(b)
    )
    assert 0 < green < 100
    assert known(report) == 100 - green
    said(b, blue, AFTER)
    assert known(compared(a, b)) == 100


def rows(index: Index) -> list[dict[str, Any]]:
    snapshot = index.current()
    assert snapshot is not None
    return [row for part in snapshot.manifest.parts for row in snapshot.read(part.file).to_pylist()]


def test_what_was_said_of_bytes_that_many_rows_have_counts_once(night: Night) -> None:
    def shared(i: int) -> str:
        return digest(0 if i < 200 else i)

    a = night("a", COLORS, ["color"], content=shared)
    b = night("b", COLORS, ["color"], content=shared, bucket=60)
    said(b, [correction(digest(i), "color", "red", "is") for i in (0, 250)], AFTER)
    report = compared(a, b)
    assert known(report) == 2
    assert report.rows is not None
    assert (report.rows.compared, report.rows.copies) == (300, 199)
    assert "199 rows are copies of a picture of which persons spoke" in report_text(report)


def test_of_two_indexes_the_last_word_counts_in_whichever_it_was_said(night: Night) -> None:
    a, b = night("a", COLORS, ["color"]), night("b", COLORS, ["color"], model=OLDER)
    said(a, [correction(digest(1), "color", "blue", "is")], AFTER)
    said(b, [correction(digest(1), "color", "red", "is")], BEFORE)
    for report in (compared(a, b), compared(b, a)):
        assert {row.label: row.positives for row in report.comparison.labels} == {
            "color:red": 0,
            "color:blue": 1,
        }


def test_a_group_that_is_exclusive_in_one_night_alone_is_compared_label_by_label(
    night: Night,
) -> None:
    labels = {**COLORS, "style": ["striped", "dotted"]}
    a = night("a", labels, ["color", "style"])
    b = night("b", labels, ["color"], model=OLDER)
    said(b, [correction(digest(1), "style", "dotted", "is")], AFTER)
    report = compared(a, b)
    assert [row.group for row in report.comparison.groups] == ["color", "style"]
    ours = {row["image_id"]: row["style"] for row in rows(a)}
    theirs = {row["image_id"]: row["tags"] for row in rows(b)}
    striped = sum((ours[name] == "striped") != ("striped" in theirs[name]) for name in ours)
    flips = [flip for flip in report.comparison.flips if "striped" in (flip.a, flip.b)]
    assert sum(flip.pictures for flip in flips) == striped > 0
    found = {row.label: row.pictures for row in report.comparison.labels}
    assert found["style:dotted"] == 1
    assert found["style:striped"] == 0  # dotted may be striped as well


def test_rows_that_were_never_read_have_no_scores_rather_than_other_bytes(night: Night) -> None:
    def unread(i: int) -> str | None:
        return None if i < 20 else digest(i)

    a = night("a", COLORS, ["color"], content=unread, broken=1.0)
    b = night("b", COLORS, ["color"], content=unread, broken=1.0, n=301)
    found = compared(a, b).rows
    assert found is not None
    assert (found.other_bytes, found.without_scores, found.only_b) == (0, 300, 1)


@pytest.mark.parametrize("sizes", [(0, 0), (0, 300), (300, 0)])
def test_nights_without_pictures_have_nothing_to_compare(
    night: Night, sizes: tuple[int, int]
) -> None:
    a = night("a", COLORS, ["color"], n=sizes[0], bucket=100)
    b = night("b", COLORS, ["color"], n=sizes[1], bucket=100, model=OLDER)
    report = compared(a, b)
    assert report.comparison.sentence.startswith("no picture is in both nights")
    assert report.rows is not None
    assert (report.rows.only_a, report.rows.only_b) == sizes


def test_another_model_may_have_been_taught_with_what_it_is_judged_by(night: Night) -> None:
    a, b = night("a", COLORS, ["color"]), night("b", COLORS, ["color"], model=OLDER)
    assert compared(a, b).comparison.sentence.endswith(". The two nights have different models")
    said(b, [correction(digest(1), "color", "red", "is")], AFTER)
    sentence = compared(a, b).comparison.sentence
    assert sentence.endswith(
        "The two nights have different models, and B's may have been trained with these answers"
    )
    assert "different models" not in compared(b, b).comparison.sentence
