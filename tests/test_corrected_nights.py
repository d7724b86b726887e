"""Persons' answers in the nights: the next one has them, and no later one loses them."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import Command, current_rows, settle
from fixtures import renew_index
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nights import NOTHING, World, consumer
from saying import say
from test_columns import changed

from jobs.runs import list_runs, roll_back
from jobs.tag_catalog import TagOptions, tag_catalog
from jobs.verify import verify
from tagger.index.store import Index

Said = Callable[..., None]
SCORES = "score_"


@pytest.fixture
def night(options: TagOptions) -> TagOptions:
    """An index with a first night behind it."""
    tag_catalog(options)
    return options


def content(options: TagOptions, image_id: str) -> str:
    return str(current_rows(options).loc[image_id, "content_sha256"])


def changes(options: TagOptions) -> dict[str, str]:
    rows = Path(os.path.realpath(Path(options.index) / "current"))
    return dict(pd.read_parquet(rows.parent / "changes.parquet").to_numpy().tolist())


def any_id(options: TagOptions, at: int = 0) -> str:
    rows = current_rows(options)
    return str(rows[rows["status"] == "ok"].drop_duplicates("content_sha256").index[at])


def other_color(options: TagOptions, image_id: str) -> str:
    return "red" if current_rows(options).loc[image_id, "color"] != "red" else "blue"


def answer_of(options: TagOptions, image_id: str, group: str = "color") -> str | None:
    answer = current_rows(options).loc[image_id, group]
    return None if pd.isna(answer) else str(answer)


def is_sound(options: TagOptions) -> None:
    assert verify(options.index).faults == []


def test_the_next_night_has_the_person_s_answer_and_says_so(night: TagOptions) -> None:
    before = current_rows(night)
    image_id = any_id(night)
    color = other_color(night, image_id)
    say(night.index, content(night, image_id), "color", label=color)
    report = tag_catalog(night)
    assert (report.corrected, report.unchanged, report.found) == (1, len(before), len(before))
    assert (report.scored, report.rescored, report.changed) == (0, 0, 0)
    row = current_rows(night).loc[image_id]
    assert row["color"] == color
    assert np.isnan(row["color_score"])
    assert list(row["corrected"]) == ["color"]
    (model,) = row["overruled"]
    own = before.loc[image_id]
    assert (model["answer"] or "", model["score"]) == (own["color"], own["color_score"])
    assert list(row["tags"]) == [color, *([row["garment"]] if row["garment"] else [])]
    scores = [name for name in before if name.startswith(SCORES)]
    assert row[scores].tolist() == before.loc[image_id, scores].tolist()
    assert row["garment_score"] == before.loc[image_id, "garment_score"]
    assert changes(night) == {image_id: "upsert"}
    others = [name for name in before.index if name != image_id]
    pd.testing.assert_frame_equal(current_rows(night).loc[others], before.loc[others])
    is_sound(night)


def test_a_night_that_has_heard_all_has_nothing_to_do(night: TagOptions) -> None:
    say(night.index, content(night, any_id(night)), "color", label="red")
    published = tag_catalog(night).snapshot
    report = tag_catalog(night)
    assert (report.snapshot, report.corrected) == (published, 0)
    assert list_runs(night.index).runs[0].state == "unchanged"


def test_what_changes_no_row_is_heard_once(night: TagOptions) -> None:
    before = current_rows(night)
    say(night.index, "a" * 64, "color", label="red")  # a picture that is not here
    say(night.index, content(night, any_id(night)), "color", "unknown")
    report = tag_catalog(night)
    assert (report.corrected, report.unchanged, changes(night)) == (0, len(before), {})
    pd.testing.assert_frame_equal(current_rows(night), before)
    assert tag_catalog(night).snapshot == report.snapshot
    is_sound(night)


def test_what_is_taken_back_leaves_the_model_s_answer(night: TagOptions) -> None:
    before = current_rows(night)
    image_id = any_id(night)
    for answer, color in (("is", other_color(night, image_id)), ("none", None)):
        say(night.index, content(night, image_id), "color", answer, label=color)
        assert tag_catalog(night).corrected == 1
        assert answer_of(night, image_id) == color
        is_sound(night)
    say(night.index, content(night, image_id), "color", "withdrawn")
    assert tag_catalog(night).corrected == 1
    assert changes(night) == {image_id: "upsert"}
    pd.testing.assert_frame_equal(current_rows(night), before)
    is_sound(night)


def test_a_correction_goes_with_the_bytes(night: TagOptions) -> None:
    image_id = any_id(night)
    color = other_color(night, image_id)
    say(night.index, content(night, image_id), "color", label=color)
    tag_catalog(night)
    catalog = Path(night.catalog)
    (catalog / "copies").mkdir()
    shutil.copyfile(catalog / image_id, catalog / "copies/another.jpg")
    (catalog / image_id).rename(catalog / "renamed.jpg")
    other = any_id(night, 1)
    shutil.copyfile(catalog / other, catalog / image_id)
    settle(catalog)
    report = tag_catalog(night)
    rows = current_rows(night)
    for name in ("renamed.jpg", "copies/another.jpg"):
        assert (rows.loc[name, "color"], list(rows.loc[name, "corrected"])) == (color, ["color"])
    assert rows.loc[image_id, "corrected"] is None
    assert rows.loc[image_id, "color"] == rows.loc[other, "color"]
    assert report.corrected == 0  # nobody said anything
    is_sound(night)


def test_a_correction_outlives_going_back_and_a_full_night(night: TagOptions) -> None:
    first = tag_catalog(night).snapshot
    assert first is not None
    image_id = any_id(night)
    color = other_color(night, image_id)
    say(night.index, content(night, image_id), "color", label=color)
    tag_catalog(night)
    roll_back(night.index, first)
    assert current_rows(night).loc[image_id, "corrected"] is None
    is_sound(night)
    assert tag_catalog(night).corrected == 1
    tag_catalog(replace(night, full=True))
    assert current_rows(night).loc[image_id, "color"] == color
    is_sound(night)


def test_a_correction_outlives_the_model(night: TagOptions, tmp_path: Path) -> None:
    image_id = any_id(night)
    color = other_color(night, image_id)
    say(night.index, content(night, image_id), "garment", "none")
    say(night.index, content(night, image_id), "color", label=color)
    tag_catalog(night)
    newer = changed(Path(str(night.model)), tmp_path / "newer", another_model)
    report = tag_catalog(replace(night, model=str(newer)))
    rows = current_rows(night)
    assert (report.rescored, report.corrected) == ((rows["status"] == "ok").sum(), 0)
    assert list(rows.loc[image_id, "corrected"]) == ["color", "garment"]
    assert (answer_of(night, image_id), answer_of(night, image_id, "garment")) == (color, None)
    is_sound(night)


def another_model(vocabulary: dict[str, Any]) -> None:
    vocabulary["labels"][0]["since"] = "tiny-v2"


def test_rows_of_an_older_model_follow_what_is_said_too(night: TagOptions, tmp_path: Path) -> None:
    newer = changed(Path(str(night.model)), tmp_path / "newer", another_model)
    later = replace(night, model=str(newer), backfill_limit=3)
    tag_catalog(later)
    rows = current_rows(night)
    assert sorted(rows["model_id"].value_counts())[0] <= 4
    image_id = str(rows[rows["model_id"] == rows["model_id"].mode()[0]].index[0])
    color = other_color(night, image_id)
    say(night.index, content(night, image_id), "color", label=color)
    assert tag_catalog(replace(later, backfill_limit=0)).corrected >= 1
    assert answer_of(night, image_id) == color
    is_sound(night)


def test_a_proposed_label_says_that_no_answer_of_the_model_is_right(night: TagOptions) -> None:
    image_id = any_id(night)
    say(night.index, content(night, image_id), "color", label="teal")
    assert tag_catalog(night).corrected == 1
    row = current_rows(night).loc[image_id]
    assert (answer_of(night, image_id), list(row["corrected"])) == (None, ["color"])
    assert "teal" not in list(row["tags"])
    is_sound(night)


def test_pictures_that_cannot_be_read_take_no_answer(night: TagOptions) -> None:
    catalog = Path(night.catalog)
    whole = (catalog / any_id(night)).read_bytes()
    (catalog / "half.jpg").write_bytes(whole[: len(whole) // 2])
    settle(catalog)
    tag_catalog(night)
    say(night.index, content(night, "half.jpg"), "color", label="red")
    tag_catalog(night)
    row = current_rows(night).loc["half.jpg"]
    assert (row["status"], row["corrected"]) == ("truncated", None)
    assert answer_of(night, "half.jpg") is None
    is_sound(night)


def test_a_damaged_log_stops_the_night_and_changes_nothing(
    night: TagOptions, tagger: Command
) -> None:
    say(night.index, content(night, any_id(night)), "color", label="red")
    log = Path(night.index) / "corrections.jsonl"
    log.write_bytes(log.read_bytes().replace(b"red", b"rad"))
    before = Index(night.index).current()
    ended = tagger("tag", night.catalog, "--model", night.model, "--index", night.index)
    assert ended.returncode == 2
    assert "the line at byte 0 is damaged" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert Index(night.index).current() == before


@pytest.mark.parametrize("left", [0, 1])
def test_what_people_said_is_not_taken_back_because_the_log_is_gone(
    night: TagOptions, tagger: Command, left: int
) -> None:
    first = tag_catalog(night).snapshot
    for at in range(2):
        say(night.index, content(night, any_id(night, at)), "garment", "none")
    tag_catalog(night)
    log = Path(night.index) / "corrections.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.unlink()
    if left:
        log.write_bytes(lines[0])
    before = Index(night.index).current()
    ended = tagger("tag", night.catalog, "--model", night.model, "--index", night.index)
    assert ended.returncode == 2
    assert "restore the file from a backup" in ended.stderr
    assert Index(night.index).current() == before
    assert first is not None
    roll_back(night.index, first)  # a night that follows what is left
    assert tag_catalog(night).corrected == left


def test_verify_holds_rows_to_the_log(night: TagOptions) -> None:
    image_id = any_id(night)
    say(night.index, content(night, image_id), "color", label=other_color(night, image_id))
    say(night.index, content(night, any_id(night, 1)), "garment", "none")
    tag_catalog(night)
    log = Path(night.index) / "corrections.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole[: whole.find(b"\n") + 1])
    (fault,) = verify(night.index).faults
    assert "its beginning is not what the rows follow" in fault
    log.unlink()
    assert "its beginning is not what the rows follow" in verify(night.index).faults[0]
    log.write_bytes(whole + whole[:40] + b"\n")
    assert "is damaged" in verify(night.index).faults[0]
    log.write_bytes(whole)
    say(night.index, content(night, image_id), "color", "withdrawn")
    is_sound(night)  # the next night's business


def test_verify_finds_an_answer_that_nobody_gave(night: TagOptions) -> None:
    image_id = any_id(night)
    color = other_color(night, image_id)
    say(night.index, content(night, image_id), "color", label=color)
    tag_catalog(night)
    log = Path(night.index) / "corrections.jsonl"
    rows = Path(os.path.realpath(Path(night.index) / "current"))
    log.unlink()
    say(night.index, content(night, image_id), "color", "none")
    manifest = json.loads((rows.parent / "manifest.json").read_text())
    mark = Index(night.index).corrections.read().mark()
    assert mark is not None
    manifest["corrections"] = {"bytes": mark.bytes, "sha256": mark.sha256}
    (rows.parent / "manifest.json").write_text(json.dumps(manifest))
    (fault,) = verify(night.index).faults
    assert f"{image_id!r}" in fault
    assert "by corrections.jsonl it is" in fault


def test_an_index_of_an_earlier_version_takes_corrections(tmp_path: Path) -> None:
    shutil.copytree(renew_index.INDEX, tmp_path / "index", symlinks=True)
    shutil.copytree(renew_index.CATALOG, tmp_path / "catalog")
    renew_index.settle(tmp_path / "catalog")
    options = TagOptions(
        str(tmp_path / "catalog"),
        str(renew_index.BUNDLE),
        str(tmp_path / "index"),
        workers=1,
        max_error_rate=1,
        same_catalog=True,
    )
    assert "corrected" not in current_rows(options)
    say(options.index, content(options, "red.png"), "color", label="blue")
    assert tag_catalog(options).corrected == 2  # it has a copy
    assert current_rows(options).loc["red.png", "color"] == "blue"
    is_sound(options)


@pytest.mark.serial
def test_ray_s_nights_have_the_answers_too(night: TagOptions) -> None:
    pytest.importorskip("ray", reason="the ray extra is not installed")
    image_id = any_id(night)
    color = other_color(night, image_id)
    say(night.index, content(night, image_id), "color", label=color)
    report = tag_catalog(replace(night, full=True, engine="ray", workers=1))
    assert report.corrected == 1
    assert current_rows(night).loc[image_id, "color"] == color
    is_sound(night)


GONE = ("withdrawn", None)
ANSWERS = st.sampled_from(
    [("is", "red"), ("is", "blue"), ("is", "teal"), ("none", None), ("unknown", None), GONE]
)
WORDS = st.tuples(st.integers(0, 5), st.sampled_from(["color", "garment"]), ANSWERS)


@pytest.fixture(scope="module")
def small_world(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("world"), bundle_path, seed=3, pictures=14)
    world.run()
    return world


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(nights=st.lists(st.lists(WORDS, max_size=4), min_size=1, max_size=3))
def test_rows_are_the_model_s_and_the_last_word_of_persons(
    small_world: World, nights: list[list[tuple[int, str, tuple[str, str | None]]]]
) -> None:
    world = small_world
    shutil.rmtree(world.index)
    world.run()
    plain = world.read().to_pandas().set_index("image_id")
    assert plain["corrected"].isna().all()
    contents = plain[plain["status"] == "ok"]["content_sha256"].unique()
    table, seen = consumer()(world.index, NOTHING, None)
    last: dict[tuple[str, str], tuple[str, str | None]] = {}
    for words in nights:
        for at, group, (answer, label) in words:
            say(world.index, contents[at % len(contents)], group, answer, label=label)
            last[contents[at % len(contents)], group] = (answer, label)
        world.meddle(2)
        world.run()
        table, seen = consumer()(world.index, table, seen)
        assert table.sort_by("image_id").equals(world.read().sort_by("image_id"))
        assert verify(str(world.index)).faults == []
        expect(world.read().to_pandas(), plain, last)


def expect(rows: pd.DataFrame, plain: pd.DataFrame, last: dict[Any, Any]) -> None:
    model = plain.drop_duplicates("content_sha256").set_index("content_sha256")
    known = {"color": ("red", "blue"), "garment": ()}
    for _, row in rows[rows["content_sha256"].isin(model.index)].iterrows():
        for group in ("color", "garment"):
            answer, label = last.get((row["content_sha256"], group), ("withdrawn", None))
            spoken = answer in ("is", "none") and row["status"] == "ok"
            assert (group in list(row["corrected"] if row["corrected"] is not None else [])) == (
                spoken
            )
            own = model.loc[row["content_sha256"], group]
            now = (label if label in known[group] else None) if spoken else own
            assert (row[group] if pd.notna(row[group]) else None) == (
                now if pd.notna(now) else None
            )


def test_the_change_feed_s_columns_stay_as_they_were(night: TagOptions) -> None:
    say(night.index, content(night, any_id(night)), "color", label="red")
    tag_catalog(night)
    rows = Path(os.path.realpath(Path(night.index) / "current"))
    assert pq.read_schema(rows.parent / "changes.parquet").names == ["image_id", "op"]
