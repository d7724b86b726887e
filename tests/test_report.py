"""The report of real nights: what the page says is what the rows say, strangers' text is text, and
it opens anywhere."""

import base64
import json
import os
import re
import shutil
import zlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
import pytest
from browser import chromium
from conftest import Command, current_rows, in_this_process, jpeg, settle, textured
from reviewing import HOSTILE, hostile_catalog
from saying import said, say

from jobs.report import report
from jobs.tag_catalog import TagOptions, tag_catalog
from schemas.review import Wanted
from schemas.runs import RunRecord
from tagger.datasets.sample import Sample
from tagger.errors import InputError, StoreError
from tagger.index.corrections import InForce
from tagger.index.samples import Samples
from tagger.index.store import Index
from tagger.report.gathered import gather
from tagger.report.night import LEAST_SURE, read_night
from tagger.review.table import NightTable


class Told(NamedTuple):
    """Two nights and the page about them.

    Attributes
    ----------
    before, after : DataFrame
        The rows of each.
    moved : list of str
        Pictures that have other bytes in the second night.
    """

    options: TagOptions
    before: pd.DataFrame
    after: pd.DataFrame
    moved: list[str]
    page: str


@pytest.fixture(scope="module")
def told(sample: Sample, bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("told")
    catalog = hostile_catalog(sample.catalog, folder / "catalog")
    settle(catalog)
    options = TagOptions(
        str(catalog), str(bundle_path), str(folder / "index"), workers=1, max_error_rate=1
    )
    tag_catalog(options)
    before = current_rows(options)
    ok = before[before.status == "ok"]
    say(options.index, ok.content_sha256.iloc[5], "color", label="red")
    moved = [str(ok.index[7]), str(ok.index[8])]
    for seed, name in enumerate(moved):
        path = catalog / name
        path.write_bytes(jpeg(textured(90, 60, seed=100 + seed)))
        os.utime(path, (1.71e9, 1.71e9))
    (catalog / "new.jpg").write_bytes(jpeg(textured(50, 80, seed=200)))
    os.utime(catalog / "new.jpg", (1.71e9, 1.71e9))
    (catalog / ok.index[9]).unlink()
    tag_catalog(options)
    say(options.index, ok.content_sha256.iloc[11], "color", "none")
    _judge(options.index)
    report(options.index, str(folder / "night.html"))
    page = (folder / "night.html").read_text()
    return Told(options, before, current_rows(options), moved, page)


def _judge(index: str) -> None:
    """Have a person say of a sample what the model says of it."""
    snapshot = Index(index).current()
    assert snapshot is not None
    samples = Samples(Path(index))
    drawn = samples.draw_or_continue(snapshot, 5, seed=1)
    words = [
        said(item.content, group, "is" if label else "none", label=label)
        for item in drawn.items
        for group, label in item.answers.items()
    ]
    samples.update(drawn, InForce(words, drawn.groups))


def records(index: str) -> list[RunRecord]:
    """Return the records of published nights, the newest first."""
    return [each for each in Index(index).runs.newest_first() if each.state == "published"]


def counted(rows: pd.DataFrame, groups: list[str]) -> dict[tuple[str, str | None], int]:
    ok = rows[rows.status == "ok"]
    return {
        (group, None if pd.isna(label) else label): n
        for group in groups
        for label, n in ok[group].value_counts(dropna=False).items()
    }


def test_a_published_night_keeps_how_many_rows_have_each_answer(told: Told) -> None:
    second, first = records(told.options.index)
    for record, rows in ((first, told.before), (second, told.after)):
        assert record.answers is not None
        found = {(e.group, e.label): e.rows for e in record.answers.answers if e.rows}
        assert found == counted(rows, ["color", "garment"])
        assert record.answers.rows == (rows.status == "ok").sum()


def test_and_how_many_of_them_came_that_night(told: Told) -> None:
    second, first = records(told.options.index)
    assert first.answers is not None
    assert second.answers is not None
    assert first.answers.arrived == first.answers.rows
    came = told.after.loc[[*told.moved, "new.jpg"]]
    found = {(e.group, e.label): e.arrived for e in second.answers.answers if e.arrived}
    assert found == counted(came, ["color", "garment"])
    assert second.answers.arrived == 3


def test_and_how_many_of_those_before_went(told: Told) -> None:
    second, first = records(told.options.index)
    assert first.answers is not None
    assert second.answers is not None
    assert first.answers.gone == 0
    taken = told.before.index.difference(told.after.index)
    went = told.before.loc[[*told.moved, *taken]]
    assert len(taken) == 1
    found = {(e.group, e.label): e.gone for e in second.answers.answers if e.gone}
    assert found == counted(went, ["color", "garment"])
    assert second.answers.gone == 3


def test_a_night_that_links_all_parts_counts_them_too(told: Told, tmp_path: Path) -> None:
    index = Path(shutil.copytree(told.options.index, tmp_path / "index", symlinks=True))
    moved = Path(shutil.copytree(told.options.catalog, tmp_path / "catalog"))
    options = TagOptions(
        str(moved),
        told.options.model,
        str(index),
        workers=1,
        max_error_rate=1,
        same_catalog=True,
    )
    before = records(str(index))[0].answers
    say(index, "0" * 64, "color", label="red")
    tag_catalog(options)
    after = records(str(index))[0].answers
    assert before is not None
    assert after is not None
    assert after.rows == before.rows


def test_what_was_read_of_a_night_is_what_its_rows_are(told: Told) -> None:
    snapshot = Index(told.options.index).current()
    assert snapshot is not None
    night = read_night(snapshot)
    found = {(e.group, e.label): e.rows for e in night.counts.answers if e.rows}
    assert found == counted(told.after, ["color", "garment"])
    for (group, label), pictures in night.examples.items():
        for picture in pictures:
            row = told.after.loc[picture.image_id]
            assert row.status == "ok"
            assert row.content_sha256 == picture.content_sha256
            assert row[group] == label if label else pd.isna(row[group])
    failed = told.after[told.after.status != "ok"]
    assert {e.status: e.rows for e in night.failed} == failed.status.value_counts().to_dict()
    assert night.corrected == told.after.corrected.notna().sum()


def test_least_sure_is_what_the_review_shows_as_least_sure(told: Told) -> None:
    index = Index(told.options.index)
    snapshot = index.current()
    assert snapshot is not None
    table = NightTable.load(index, snapshot)
    for group, least in gather(index).night.least_sure.items():
        shown = table.find(Wanted(order="least_sure", group=group), 0, LEAST_SURE).pictures
        mine = [each.sure for each in least]
        assert mine == [picture.answers[group].sure for picture in shown]
        assert [each.answer for each in least] == [
            table.picture(each.picture.image_id).answers[group].label for each in least
        ]


def test_the_page_names_what_failed_what_was_said_and_what_was_judged(told: Told) -> None:
    assert "no picture.jpg" in told.page
    for status, rows in told.after.status.value_counts().drop("ok").items():
        assert f"<h3>{status}: {rows}" in told.page
    assert "In 1 rows a person answers" in told.page
    assert "1 of them came since" in told.page
    assert "By a random sample of 5 pictures" in told.page
    assert "Whether shares moved is not known for this night: that takes 16" in told.page


def test_strangers_text_is_text(told: Told) -> None:
    assert HOSTILE not in told.page
    assert "&lt;img src=x onerror=alert(1)&gt;" in told.page


def test_pictures_are_small_and_encoded_anew(told: Told) -> None:
    files = {path.read_bytes() for path in Path(told.options.catalog).rglob("*.jpg")}
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', told.page)
    assert len(found) > 10
    for text in set(found):
        data = base64.b64decode(text)
        assert data not in files
        assert max(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape) <= 128


def test_it_opens_from_a_file_asks_for_nothing_and_fits_a_phone(told: Told, tmp_path: Path) -> None:
    path = tmp_path / "mail attachment.html"
    path.write_text(told.page)
    with chromium() as browser:
        page = browser.new_context(viewport={"width": 375, "height": 800}).new_page()
        asked: list[str] = []
        wrong: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on("console", lambda message: wrong.append(message.text))
        page.goto(path.as_uri())
        assert page.locator("h1").inner_text().startswith(("Last night was good", "Look at this"))
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        loaded = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
        assert page.evaluate(loaded)
        styled = page.locator("header").evaluate("node => getComputedStyle(node).borderLeftWidth")
        assert styled == "6px"  # the policy lets our own style in
    assert not wrong
    assert all(url.startswith(("file:", "data:")) for url in asked)


def test_printed_on_paper_no_picture_is_cut(told: Told, tmp_path: Path) -> None:
    path = tmp_path / "night.html"
    path.write_text(told.page)
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 794 - 90, "height": 1123})  # A4 less its margins
        page.emulate_media(media="print", color_scheme="dark")
        page.goto(path.as_uri())
        right = "Math.max(...[...document.images].map(i => i.getBoundingClientRect().right))"
        assert page.evaluate(right) <= page.evaluate("innerWidth")
        assert page.evaluate("document.documentElement.scrollWidth") <= 794 - 90
        for whole in (".answer", ".pictures li", "tr"):
            kept = page.locator(whole).first.evaluate("node => getComputedStyle(node).breakInside")
            assert kept == "avoid", whole
        paper = page.locator("body").evaluate("node => getComputedStyle(node).backgroundColor")
        assert paper == "rgb(255, 255, 255)"
        # What is printed in two pieces is drawn twice.
        drawn = _pictures_drawn(page.pdf(format="A4"))
        assert drawn == page.evaluate("document.images.length")


def _pictures_drawn(pdf: bytes) -> int:
    """Return how often the pages of a file that Chromium printed draw a picture."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    drawn = 0
    for stream in streams:
        with suppress(zlib.error):
            drawn += len(re.findall(rb"/X\d+ Do\b", zlib.decompressobj().decompress(stream)))
    return drawn


@pytest.fixture
def index(told: Told, tmp_path: Path) -> Path:
    """A copy of the index, to be meddled with."""
    return Path(shutil.copytree(told.options.index, tmp_path / "index", symlinks=True))


def test_a_file_that_changed_since_is_not_shown_as_it_is_now(
    told: Told, index: Path, tmp_path: Path
) -> None:
    catalog = Path(shutil.copytree(told.options.catalog, tmp_path / "catalog"))
    for path in catalog.rglob("*"):
        if path.is_file():
            path.write_bytes(jpeg(textured(40, 40, seed=9)))
    manifest = _manifest(index)
    facts = json.loads(manifest.read_text()) | {"catalog": str(catalog)}
    manifest.write_text(json.dumps(facts))
    report(str(index), str(tmp_path / "night.html"))
    page = (tmp_path / "night.html").read_text()
    assert "changed since" in page
    assert "data:image" not in page


def test_a_catalog_that_is_gone_leaves_the_figures(index: Path, tmp_path: Path) -> None:
    manifest = _manifest(index)
    facts = json.loads(manifest.read_text()) | {"catalog": str(tmp_path / "unmounted")}
    manifest.write_text(json.dumps(facts))
    written = report(str(index), str(tmp_path / "night.html"))
    assert written.snapshot == manifest.parent.name
    assert "gone" in (tmp_path / "night.html").read_text()


def _manifest(index: Path) -> Path:
    return Path(os.path.realpath(index / "current")).parent / "manifest.json"


def test_it_says_when_the_night_before_is_gone(index: Path, tmp_path: Path) -> None:
    parent = json.loads(_manifest(index).read_text())["parent"]
    shutil.rmtree(index / "snapshots" / parent)
    report(str(index), str(tmp_path / "night.html"))
    assert f"The night before, {parent}, is not kept any more" in (
        tmp_path / "night.html"
    ).read_text().replace("&#39;", "'")


def test_a_damaged_night_is_an_error_and_a_damaged_parent_is_not(
    index: Path, tmp_path: Path
) -> None:
    parent = json.loads(_manifest(index).read_text())["parent"]
    for part in (index / "snapshots" / parent / "rows").iterdir():
        part.unlink()
        part.write_bytes(b"no parquet")
    report(str(index), str(tmp_path / "night.html"))
    assert "cannot be read" in (tmp_path / "night.html").read_text()
    for part in (_manifest(index).parent / "rows").iterdir():
        part.unlink()
        part.write_bytes(b"no parquet")
    before = (tmp_path / "night.html").read_bytes()
    with pytest.raises(StoreError, match="cannot be read"):
        report(str(index), str(tmp_path / "night.html"))
    assert (tmp_path / "night.html").read_bytes() == before


@pytest.mark.parametrize(
    ("out", "words"),
    [("", "it is a folder"), ("missing/night.html", "there is no folder")],
)
def test_a_page_that_cannot_be_written_is_said_before_the_work(
    index: Path, tmp_path: Path, out: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        report(str(index), str(tmp_path / out))


def test_no_index_and_no_night_are_said(tagger: Command, tmp_path: Path) -> None:
    ended = tagger("report", tmp_path / "none", "--out", tmp_path / "night.html")
    assert ended.returncode == 2
    assert "there is no such folder; make one with 'tagger tag'" in ended.stderr
    (tmp_path / "empty" / "snapshots").mkdir(parents=True)
    ended = tagger("report", tmp_path / "empty", "--out", tmp_path / "night.html")
    assert ended.returncode == 2
    assert "tagger tag" in ended.stderr
    assert not (tmp_path / "night.html").exists()


def test_the_command_says_what_the_page_says(tagger: Command, index: Path, tmp_path: Path) -> None:
    ended = tagger("report", index, "--out", tmp_path / "night.html", "--json")
    found = json.loads(ended.stdout)
    assert found["good"]
    assert found["sentence"].startswith("Last night was good: ")
    assert found["sentence"] in (tmp_path / "night.html").read_text()
    assert found["bytes"] == (tmp_path / "night.html").stat().st_size


def tag(options: TagOptions, *more: object) -> Any:
    return in_this_process(
        *("tag", options.catalog, "--model", options.model, "--index", options.index),
        *("--workers", 1, *more),
    )


def test_a_night_writes_its_page_also_when_it_is_refused(
    options: TagOptions, tmp_path: Path
) -> None:
    page = tmp_path / "night.html"
    config = tmp_path / "nightly.toml"
    config.write_text(f'report = "{page}"\n')
    assert tag(options, "--config", config).returncode == 0
    assert "Last night was good" in page.read_text()
    for path in list(Path(options.catalog).rglob("*.jpg"))[:30]:
        path.unlink()
    assert tag(options, "--report", page).returncode == 3
    text = page.read_text()
    assert "Look at this: the run of" in text
    assert "refused and published nothing" in text
    assert "--max-delete-rate" in text


def test_a_page_that_could_not_be_written_is_refused_before_the_night(options: TagOptions) -> None:
    ended = tag(options, "--report", "/no such folder/night.html")
    assert ended.returncode == 2
    assert "--report '/no such folder/night.html' cannot be written" in ended.stderr
    assert not (Path(options.index) / "current").exists()


def test_a_strangers_record_is_passed_over(index: Path, tmp_path: Path) -> None:
    newest = max((index / "runs").glob("*.json"))
    facts = json.loads(newest.read_text()) | {"run_id": "99991231T000000Z-0000"}
    facts |= {"started_at": "yesterday", "snapshot": None}
    (index / "runs" / "99991231T000000Z-0000.json").write_text(json.dumps(facts))
    (index / "runs" / "99991232T000000Z-0000.json").write_text("no JSON")
    written = report(str(index), str(tmp_path / "night.html"))
    assert written.snapshot == _manifest(index).parent.name
    assert written.nights == 2


def test_a_night_that_is_overdue_is_told(index: Path, tmp_path: Path) -> None:
    for path in (index / "runs").glob("*.json"):
        facts = json.loads(path.read_text()) | {"started_at": "2026-01-02T03:15:00+00:00"}
        path.write_text(json.dumps(facts))
    written = report(str(index), str(tmp_path / "night.html"))
    assert "days ago, at 02 Jan 2026, 03:15 UTC; did cron" in written.sentence


def test_going_back_is_told(index: Path, tagger: Command, tmp_path: Path) -> None:
    parent = json.loads(_manifest(index).read_text())["parent"]
    assert tagger("rollback", index, parent).returncode == 0
    written = report(str(index), str(tmp_path / "night.html"))
    assert not written.good
    assert "not that of the newest run" in written.sentence
    assert "somebody went back to it with 'tagger rollback'" in written.sentence


def _another_record(index: Path, started: datetime) -> None:
    """Write a record as a run leaves it that published by another clock."""
    newest = max((index / "runs").glob("*.json"))
    name = f"{started:%Y%m%dT%H%M%SZ}-0000"
    facts = json.loads(newest.read_text()) | {"run_id": name, "snapshot": name}
    facts["started_at"] = started.isoformat()
    (index / "runs" / f"{name}.json").write_text(json.dumps(facts))


def test_a_clock_that_ran_ahead_is_told_and_is_nobody_who_went_back(
    index: Path, tmp_path: Path
) -> None:
    _another_record(index, datetime.now(UTC) + timedelta(hours=10))
    written = report(str(index), str(tmp_path / "night.html"))
    assert "10.0 hours from now: the clock of" in written.sentence
    assert len(written.concerns) == 1
    assert written.run_id == written.snapshot  # the page tells of the run that made the night


def test_a_newer_run_than_the_night_is_no_rollback_where_none_is_recorded(
    index: Path, tmp_path: Path
) -> None:
    _another_record(index, datetime.now(UTC) + timedelta(minutes=2))
    written = report(str(index), str(tmp_path / "night.html"))
    assert "no 'tagger rollback' is recorded, so a clock was put back" in written.sentence
    assert "somebody went back" not in written.sentence


def test_failures_are_told_of_how_many_were_tried_and_old_ones_apart(
    options: TagOptions, tmp_path: Path
) -> None:
    tag_catalog(options)
    rows = current_rows(options)
    old = int((rows.status != "ok").sum())
    out = str(tmp_path / "night.html")
    assert f"{old} of the {len(rows)} pictures tried could not be read" in (
        report(options.index, out).sentence
    )
    broken = rows.index[rows.status == "ok"][:25]
    for name in broken:
        (Path(options.catalog) / name).write_bytes(b"no picture")
    tag_catalog(TagOptions(**vars(options) | {"retry_errors": True, "max_error_rate": 1}))
    (concern,) = report(options.index, out).concerns
    assert concern == (
        "25 of the 25 pictures tried could not be read; besides, "
        f"{old} that had failed before were tried again and failed again"
    )
    # Old failures alone are no news.
    tag_catalog(TagOptions(**vars(options) | {"retry_errors": True, "max_error_rate": 1}))
    written = report(options.index, out)
    assert written.good
    assert f"none failed anew; besides, {old + 25} that had failed before" in written.sentence
