"""The server of a review, asked over HTTP: what it shows, and says where it cannot."""

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np
import pytest
from conftest import Command, jpeg, textured
from reviewing import ODD_NAMES, Reviewing, hostile_catalog, reviewing, said_of, tagged

from schemas.corrections import Correction
from schemas.evaluation import AUDIT_COLUMNS
from schemas.review import NightNow
from tagger.datasets.sample import Sample
from tagger.index.corrections import CorrectionLog


@pytest.fixture(scope="module")
def world(sample: Sample, bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a catalog and the index of its night; tests here only add corrections."""
    folder = tmp_path_factory.mktemp("review")
    catalog = hostile_catalog(sample.catalog, folder / "catalog")
    tagged(catalog, bundle_path, folder / "index", features=True)
    return folder


@pytest.fixture(scope="module")
def page(world: Path) -> Iterator[Reviewing]:
    """The page of Anna."""
    with reviewing(world / "index", "--as", "Anna") as running:
        yield running


@pytest.fixture
def own(world: Path, tmp_path: Path) -> Path:
    """A copy of catalog and index that a test may change; the index knows its own catalog."""
    shutil.copytree(world, tmp_path / "own", symlinks=True)
    return tmp_path / "own"


def lines_of(index: Path) -> list[Correction]:
    return CorrectionLog(index).read().corrections


def test_the_page_says_what_is_looked_at(page: Reviewing, world: Path) -> None:
    night = page.get("api/night").json()
    assert set(night) == set(NightNow.__struct_fields__)
    assert night["snapshot"] == Path(os.path.realpath(world / "index" / "current")).parent.name
    assert night["newer"] is None
    assert night["catalog"] == str(world / "catalog")
    assert night["who"] == "Anna"
    assert [group["name"] for group in night["groups"]] == ["color", "garment"]
    assert night["rows"] == sum(night["statuses"].values()) == len(page.find())
    assert night["audit"] is None
    assert night["sample"] is None


def test_the_page_and_its_files_are_served(page: Reviewing) -> None:
    shell = page.get("")
    assert shell.code == 200
    assert shell.headers["content-type"] == "text/html; charset=utf-8"
    assert b"<!doctype html" in shell.content.lower()


def test_an_address_without_its_last_slash_leads_to_the_page(page: Reviewing) -> None:
    led = page.ask("GET", page.root.rstrip("/"))
    assert (led.code, led.headers["location"]) == (307, page.root)


def test_other_commands_load_no_server() -> None:
    code = "import sys, jobs.cli; print({'starlette', 'uvicorn', 'jinja2'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stdout == "set()\n"


def test_every_name_of_a_picture_leads_to_its_picture(page: Reviewing) -> None:
    for picture in page.find(status="ok"):
        small, large = page.picture(picture, 256), page.picture(picture, 1024)
        for shown, side in ((small, 256), (large, 1024)):
            assert shown.code == 200, (picture["image_id"], shown.content)
            assert shown.headers["content-type"] == "image/jpeg"
            assert "immutable" in shown.headers["cache-control"]
            pixels = cv2.imdecode(np.frombuffer(shown.content, np.uint8), cv2.IMREAD_COLOR)
            height, width = pixels.shape[:2]
            scale = min(1, side / max(picture["width"], picture["height"]))
            assert abs(width - picture["width"] * scale) <= 1
            assert abs(height - picture["height"] * scale) <= 1
    names = {picture["image_id"] for picture in page.find()}
    assert {name.replace("\\", "\\\\") for name in ODD_NAMES} <= names


def test_a_picture_looks_like_its_file(page: Reviewing, world: Path) -> None:
    picture = page.one("two\nlines.jpg")
    shown = cv2.imdecode(np.frombuffer(page.picture(picture, 1024).content, np.uint8), 1)
    stored = cv2.imread(str(world / "catalog" / "two\nlines.jpg"))
    assert np.abs(shown.astype(int) - cv2.resize(stored, shown.shape[1::-1])).mean() < 6


def test_a_row_that_is_not_ok_has_words_in_place_of_a_picture_and_takes_no_correction(
    page: Reviewing,
) -> None:
    broken = page.one("no picture.jpg")
    shown = page.picture(broken)
    assert shown.code == 415
    assert broken["status"] in shown.error
    kept = page.say(said_of(broken, "red"))
    assert kept.code == 422
    assert "no answers that could be corrected" in kept.error


def test_look_alikes_are_pictures_of_the_night_the_most_alike_first(
    page: Reviewing, world: Path
) -> None:
    picture = page.find(status="ok")[0]
    found = page.get(f"api/like?id={quote(picture['image_id'])}").json()
    assert len(found) == 24
    assert picture["image_id"] not in {other["image_id"] for other in found}
    assert page.get("api/night").json()["features"]


def test_without_features_look_alikes_are_a_plain_word(own: Path) -> None:
    shutil.rmtree(own / "index" / "features")
    with reviewing(own / "index") as page:
        picture = page.find(status="ok")[0]
        refused = page.get(f"api/like?id={quote(picture['image_id'])}")
        assert refused.code == 404
        assert "keeps no features" in refused.error
        assert not page.get("api/night").json()["features"]


def test_a_picture_that_is_gone_or_has_other_bytes_by_now_is_not_shown(
    own: Path, bundle_path: Path
) -> None:
    tagged(own / "catalog", bundle_path, own / "again")
    with reviewing(own / "again", "--as", "Anna") as page:
        gone, changed, replaced = page.find(status="ok")[:3]
        (own / "catalog" / gone["image_id"]).unlink()
        (own / "catalog" / changed["image_id"]).write_bytes(jpeg(textured(40, 40, seed=9)))
        (own / "catalog" / replaced["image_id"]).unlink()
        (own / "catalog" / replaced["image_id"]).symlink_to("/etc/hostname")
        answers = [page.picture(picture) for picture in (gone, changed, replaced)]
        assert [answer.code for answer in answers] == [404, 409, 404]
        assert "gone" in answers[0].error
        assert "changed since the night" in answers[1].error
        assert all(answer.headers["cache-control"] == "no-store" for answer in answers)
        assert page.say(said_of(gone, "red")).code == 200  # what was seen may be corrected


def test_a_night_published_meanwhile_is_offered_and_opened_and_nothing_is_lost(
    own: Path, bundle_path: Path
) -> None:
    index = own / "again"
    tagged(own / "catalog", bundle_path, index)
    with reviewing(index, "--as", "Anna") as page:
        seen, renamed, changed = page.find(status="ok")[:3]
        assert page.say(said_of(seen, "red"), said_of(renamed, "blue")).code == 200
        catalog = own / "catalog"
        (catalog / renamed["image_id"]).rename(catalog / "another name.jpg")
        (catalog / changed["image_id"]).write_bytes(jpeg(textured(50, 50, seed=5)))
        before = page.get("api/night").json()
        tagged(catalog, bundle_path, index)
        newer = Path(os.path.realpath(index / "current")).parent.name
        assert page.get("api/night").json() == before | {"newer": newer}
        shutil.rmtree(index / "snapshots" / before["snapshot"])  # what is in memory goes on
        assert page.one(seen["image_id"])["answers"]["color"]["label"] == "red"
        opened = page.post("api/night?open=newer").json()
        assert (opened["snapshot"], opened["newer"]) == (newer, None)
        assert page.one(seen["image_id"])["answers"]["color"]["label"] == "red"
        assert page.one("another name.jpg")["answers"]["color"]["label"] == "blue"
        stale = page.say(said_of(changed, "red"))  # a tab that still shows the older night
        assert stale.code == 422
        assert "other bytes" in stale.error
        assert page.post("api/night?open=other").code == 400


def test_a_catalog_that_is_not_there_is_said_and_answers_are_still_corrected(own: Path) -> None:
    with reviewing(own / "index", "--as", "Anna") as page:
        assert page.find(status="ok")
    # The index names the catalog where it lay: its copy's is the world's, so move that name.
    manifest = Path(os.path.realpath(own / "index" / "current")).parent / "manifest.json"
    manifest.write_text(manifest.read_text().replace("/catalog", "/nowhere"))
    with reviewing(own / "index", "--as", "Anna") as page:
        picture = page.find(status="ok")[0]
        assert page.picture(picture).code == 404
        assert page.say(said_of(picture, "red"), insist=True).code == 200
        code, said = page.end(signal.SIGINT)
        assert code == 130
        assert "is not there" in said


def audit_file(path: Path, rows: list[dict[str, str]]) -> Path:
    with open(path, "w", newline="") as file:
        table = csv.DictWriter(file, [*AUDIT_COLUMNS, "content_sha256"])
        table.writeheader()
        table.writerows(rows)
    return path


def test_findings_of_an_audit_are_shown_with_their_pictures(
    page: Reviewing, world: Path, tmp_path: Path
) -> None:
    doubted = page.find(status="ok")[0]
    common = {"finding": "doubt", "group": "color", "given": "red", "suggested": "blue"}
    rows = [
        common | {"p_suggested": "0.93", "content_sha256": doubted["content"]},
        common | {"p_suggested": "0.8", "content_sha256": "0" * 64},
    ]
    audit = audit_file(tmp_path / "audit.csv", rows)
    with reviewing(world / "index", "--audit", audit) as other:
        assert other.get("api/night").json()["audit"] == 1
        (found,) = other.find(audit=True)
        assert found["image_id"] == doubted["image_id"]
        assert found["finding"] == "color: given red, suggested blue (0.93)"
        _, said = other.end()
        assert "2 contents; 1 pictures of this night; tag the folder of the rest" in said


def test_a_sample_is_asked_about_and_says_more_with_every_answer(own: Path) -> None:
    with reviewing(own / "index", "--as", "Anna", "--sample", 8) as page:
        first = page.get("api/sample").json()
        assert (first["drawn"], first["judged"], len(first["order"])) == (8, 0, 8)
        sample_id = page.get("api/night").json()["sample"]
        assert first["sample_id"] == sample_id
        assert len(page.find(sample=sample_id)) >= 8
        items = []
        for image_id, _ in first["order"]:
            picture = page.one(image_id)
            for group in ("color", "garment"):
                label = picture["answers"][group]["model"]
                items.append(said_of(picture, label, group=group))
        assert page.say(*items, sample=sample_id, insist=True).code == 200
        judged = page.get("api/sample").json()
        assert judged["judged"] == 8
        assert any(estimate["precision"] == 1.0 for estimate in judged["estimates"])
        assert page.say(items[0], sample="another", insist=True).code == 422
    assert {line.sample for line in lines_of(own / "index")[-16:]} == {sample_id}


def test_a_sample_that_cannot_be_written_is_no_page_that_is_not_there(own: Path) -> None:
    with reviewing(own / "index", "--as", "Anna", "--sample", 8) as page:
        image_id, _ = page.get("api/sample").json()["order"][0]
        shutil.rmtree(own / "index" / "samples")
        (own / "index" / "samples").write_text("in its place")
        assert page.say(said_of(page.one(image_id), "red"), insist=True).code == 200
        for _ in range(2):
            refused = page.get("api/sample")
            assert refused.code == 422
            assert "cannot be written" in refused.error
        (own / "index" / "samples").unlink()
        assert page.get("api/sample").code == 200


def test_without_a_sample_the_page_is_told_how_to_get_one(page: Reviewing) -> None:
    refused = page.get("api/sample")
    assert refused.code == 404
    assert "--sample 200" in refused.error


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_it_and_its_workers(world: Path, number: int, code: int) -> None:
    with reviewing(world / "index") as page:
        assert page.picture(page.find(status="ok")[0]).code == 200
        workers = children_of(page.process.pid)
        assert workers
        ended, said = page.end(number)
        assert ended == code
        name = signal.Signals(number).name
        assert said.strip().splitlines()[-1] == f"tagger: interrupted ({name})"
        assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def children_of(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]


def test_what_cannot_be_started_is_one_plain_sentence(
    world: Path, tmp_path: Path, tagger: Command
) -> None:
    index = world / "index"
    (tmp_path / "empty").mkdir()
    (tmp_path / "table.csv").write_text("image,label\na.jpg,red\n")
    (tmp_path / "old.csv").write_text(",".join(c for c in AUDIT_COLUMNS if "sha256" not in c))
    (tmp_path / "noise.csv").write_bytes(bytes(range(256)))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for arguments, words in (
            ([tmp_path / "nowhere"], "there is no such folder"),
            ([tmp_path / "empty"], "has no night; run 'tagger tag' first"),
            ([index, "--port", taken.getsockname()[1]], "another program listens there"),
            ([index, "--as", " "], "letters that can be seen"),
            ([index, "--as", "x" * 201], "1 to 200 letters"),
            ([index, "--as", "a\nb"], "letters that can be seen"),
            ([index, "--audit", tmp_path / "none.csv"], "cannot be read"),
            ([index, "--audit", tmp_path / "table.csv"], "lacks the columns"),
            ([index, "--audit", tmp_path / "old.csv"], "earlier version"),
            ([index, "--audit", tmp_path / "noise.csv"], "is no table of"),
        ):
            ended = tagger("review", *arguments)
            assert ended.returncode == 2, arguments
            assert words in ended.stderr
            assert ended.stdout == ""
            assert len(ended.stderr.strip().splitlines()) == 1


def test_an_index_of_another_format_is_refused(own: Path, tagger: Command) -> None:
    manifest = Path(os.path.realpath(own / "index" / "current")).parent / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format_version": 2}))
    ended = tagger("review", own / "index")
    assert ended.returncode == 2
    assert "format_version 2" in ended.stderr


def test_a_damaged_log_is_no_reason_to_throw_words_away(own: Path, tagger: Command) -> None:
    (own / "index" / "corrections.jsonl").write_text('{"half": 1}\n')
    ended = tagger("review", own / "index")
    assert ended.returncode == 2
    assert "is damaged" in ended.stderr


def test_200_pictures_at_once_all_come_while_answers_go_on(page: Reviewing) -> None:
    pictures = page.find(status="ok")
    codes: list[int] = []
    asked = [
        threading.Thread(target=lambda p=p: codes.append(page.picture(p).code))  # type: ignore[misc]
        for p in (pictures * 20)[:200]
    ]
    for thread in asked:
        thread.start()
    assert page.get("api/night").code == 200
    for thread in asked:
        thread.join(timeout=60)
    assert codes == [200] * 200
