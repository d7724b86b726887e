"""The report and the night before: what `tagger compare` says of the two, with pictures."""

import html
from pathlib import Path

import pandas as pd
import pytest
from conftest import current_rows
from two_models import two_models_nights

from jobs.compare import CompareOptions, compare
from jobs.report import report
from jobs.tag_catalog import TagOptions
from schemas.comparison import Flip
from tagger.datasets.sample import Sample
from tagger.index.store import Index
from tagger.report.changes import MOST, PICTURES, Compared, compared_with_parent


@pytest.fixture
def nights(options: TagOptions, sample: Sample) -> tuple[TagOptions, str, str]:
    return two_models_nights(options, sample)


def compared(index: str) -> Compared:
    found = Index(index)
    snapshot = found.current()
    assert snapshot is not None
    told = compared_with_parent(snapshot, found.corrections.read().corrections)
    assert isinstance(told, Compared)
    return told


def test_the_report_says_of_two_nights_what_compare_says(
    nights: tuple[TagOptions, str, str], tmp_path: Path
) -> None:
    _, first, index = nights
    theirs = compare(CompareOptions(first, index))
    ours = compared(index)
    assert ours.comparison == theirs.comparison
    assert ours.rows == theirs.rows
    assert [each.flip for each in ours.changes] == theirs.comparison.flips[:MOST]
    assert "color right from" in theirs.comparison.sentence
    report(index, str(tmp_path / "night.html"))
    page = html.unescape((tmp_path / "night.html").read_text())
    assert theirs.comparison.sentence in page
    assert f"<code>tagger compare {first} {index}</code>" in page
    assert "Not compared: 1 new, 1 gone, 1 with other bytes" in page


def test_it_names_both_models_where_another_one_answers(
    nights: tuple[TagOptions, str, str], tmp_path: Path
) -> None:
    _, first, index = nights
    theirs = compare(CompareOptions(first, index))
    report(index, str(tmp_path / "night.html"))
    page = (tmp_path / "night.html").read_text()
    assert theirs.a.model_id != theirs.b.model_id
    assert f"{theirs.b.model_id[:12]}, after {theirs.a.model_id[:12]}" in page


def test_pictures_of_a_change_are_of_those_that_changed(
    nights: tuple[TagOptions, str, str],
) -> None:
    options, first, index = nights
    before = pd.read_parquet(Path(first) / "rows").set_index("image_id")
    after = current_rows(options)
    for flip, pictures in compared(index).changes:
        assert 0 < len(pictures) <= min(PICTURES, flip.pictures)
        for image_id, content in pictures:
            assert after.content_sha256[image_id] == content
            assert (before.color.fillna("")[image_id] or None) == flip.a


def test_pictures_with_other_bytes_are_told_apart(nights: tuple[TagOptions, str, str]) -> None:
    options, first, index = nights
    before = pd.read_parquet(Path(first) / "rows").set_index("image_id")
    after = current_rows(options)
    ids = before.index.intersection(after.index)
    ok = (before.status[ids] == "ok") & (after.status[ids] == "ok")
    (moved,) = ids[ok & (before.content_sha256[ids] != after.content_sha256[ids])]
    old, new = before.color.fillna("")[moved] or None, after.color.fillna("")[moved] or None
    found = [(flip.a, flip.b, pictures) for flip, pictures in compared(index).replaced]
    assert old != new
    assert found == [(old, new, [(moved, after.content_sha256[moved])])]
    assert all(isinstance(flip, Flip) for flip, _ in compared(index).changes)
