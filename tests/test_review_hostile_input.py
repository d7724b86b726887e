"""Hostile paths, names, labels, JSON and pictures: what the server of a review makes of them.

The table of jobs/REVIEW.md lists these.
"""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from conftest import jpeg, textured
from reviewing import HOSTILE, Reviewing, hostile_catalog, reviewing, said_of, tagged

from tagger.datasets.sample import Sample

OURS = {"Content-Type": "application/json", "X-Tagger": "review"}


@pytest.fixture(scope="module")
def world(sample: Sample, bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("attacked")
    catalog = hostile_catalog(sample.catalog, folder / "catalog")
    (folder / "secret.txt").write_text("a secret")
    tagged(catalog, bundle_path, folder / "index")
    return folder


@pytest.fixture(scope="module")
def page(world: Path) -> Iterator[Reviewing]:
    with reviewing(world / "index", "--as", "Anna") as running:
        yield running
        assert running.end()[1].splitlines()[:-1] == [], "an attack made a fault of ours"


@pytest.fixture
def untouched(page: Reviewing, world: Path) -> Iterator[None]:
    """Nothing that the test does changes what was said."""
    log = world / "index" / "corrections.jsonl"
    before = log.read_bytes() if log.exists() else None
    yield
    assert (log.read_bytes() if log.exists() else None) == before
    assert page.get("api/night").code == 200


@pytest.mark.parametrize(
    "path",
    [
        "page/../server.py",
        "page/..%2fserver.py",
        "page/%2e%2e/server.py",
        "page/....//server.py",
        "page//etc/passwd",
        "page/%2fetc%2fpasswd",
        "page/page.html",
        "page/__init__.py",
        "page/review.js%00.png",
        "page/",
        "page",
        "../../etc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "picture/../../etc/passwd",
        "picture/..%2f..%2fetc%2fpasswd?id=a&side=256",
    ],
)
def test_no_path_leads_to_a_file_of_this_machine(page: Reviewing, path: str) -> None:
    refused = page.get(path)
    assert refused.code in (400, 404)
    assert b"root:" not in refused.content
    assert b"import" not in refused.content


@pytest.mark.parametrize(
    "name",
    [
        "../secret.txt",
        "../index/corrections.jsonl",
        "/etc/passwd",
        "..\\secret.txt",
        "\\x2e\\x2e/secret.txt",
        "a\0.jpg",
        "",
        "%2e%2e/secret.txt",
        "\ud7ff\ufffd",
        "x" * 5000,
    ],
)
def test_no_name_of_a_picture_leads_out_of_the_night(page: Reviewing, name: str) -> None:
    picture = page.find(status="ok")[0]
    for content in (picture["content"], "0" * 64, "..", "%2e%2e%2f"):
        path = f"picture/{content}?id={quote(name, safe='')}&side=256"
        assert page.get(path).code in (400, 404)
    assert page.get(f"api/picture?id={quote(name, safe='')}").code in (400, 404, 422)
    assert page.get("api/picture?id=%ff%fe").code in (400, 404, 422)
    assert page.get("api/picture").code == 400
    assert page.get("api/picture?id=a&id=b").code == 400


def test_a_link_that_took_a_picture_s_place_shows_nothing_from_outside(
    world: Path, bundle_path: Path, tmp_path: Path
) -> None:
    catalog = tmp_path / "catalog"
    outside = tmp_path / "outside.jpg"
    (catalog / "deep").mkdir(parents=True)
    outside.write_bytes(jpeg(textured(64, 64)))
    for name in ("one.jpg", "deep/two.jpg"):
        shutil.copy(outside, catalog / name)
    tagged(catalog, bundle_path, tmp_path / "index")
    with reviewing(tmp_path / "index") as page:
        one, two = sorted(page.find(), key=lambda picture: str(picture["image_id"]))[::-1]
        (catalog / "one.jpg").unlink()
        (catalog / "one.jpg").symlink_to(outside)  # the very same bytes
        shutil.rmtree(catalog / "deep")
        (catalog / "deep").symlink_to(tmp_path)
        outside.rename(tmp_path / "two.jpg")
        assert (one["image_id"], two["image_id"]) == ("one.jpg", "deep/two.jpg")
        assert [page.picture(picture).code for picture in (one, two)] == [404, 404]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("path", ["api/find", "api/ids", "api/say"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"[" * 100_000,
        b'{"wanted": ' + b'{"answers":' * 50_000,
        b'{"items": [' + b"[" * 5_000 + b"]" * 5_000 + b"]}",
        b'{"wanted": {"path": "\\ud800"}}',
        b'{"wanted": {"path": "\xff\xfe"}}',
        b'{"wanted": {"least": NaN}}',
        b'{"wanted": {"least": "0"}}',
        b'{"wanted": {"order": "../.."}}',
        b'{"wanted": {"said": "<script>"}}',
        b'{"wanted": {"label": "color:\\u0000"}}',
        b'{"wanted": {"group": "<script>", "order": "least_sure"}}',
    ],
    ids=range(16),
)
def test_json_that_is_no_question_is_refused_in_words(
    page: Reviewing, body: bytes, path: str
) -> None:
    refused = page.ask("POST", f"{page.root}{path}", body, OURS)
    assert refused.code in (400, 422)
    assert refused.error


@pytest.mark.parametrize("more", [{"offset": -1}, {"limit": 501}, {"limit": True}, {"limit": 1.5}])
def test_a_page_of_the_grid_is_bounded(page: Reviewing, more: dict[str, Any]) -> None:
    assert page.post("api/find", {"wanted": {}} | more).code == 400
    assert page.post("api/ids", {"wanted": {}, "most": 20_001}).code == 400


def test_a_very_far_page_of_the_grid_is_empty(page: Reviewing) -> None:
    for offset in (2**62, 10**20):
        asked = {"wanted": {}, "offset": offset, "limit": 1}
        assert page.post("api/find", asked).json()["pictures"] == []


def test_a_name_or_label_with_script_comes_back_as_json_and_text_alone(page: Reviewing) -> None:
    hostile = page.one(HOSTILE)
    label = "<script>alert(1)</script>"
    assert page.say(said_of(hostile, label), insist=True).code == 200
    answered = page.one(HOSTILE)["answers"]["color"]
    assert (answered["label"], answered["proposed"]) == (label, True)
    for answer in (
        page.get("api/night"),
        page.get(f"api/picture?id={quote(HOSTILE)}"),
        page.get("api/picture?id=%3Cscript%3Ealert(1)%3C/script%3E"),
        page.post("api/say", {"items": "<script>alert(1)</script>"}),
    ):
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
    for address in ("<script>alert(1)</script>", "%3Cscript%3E", "page/<script>"):
        answer = page.ask("GET", f"{page.root}{quote(address, safe='%/')}")
        assert b"<script>" not in answer.content
    taken_back = said_of(page.one(HOSTILE), None, answer="withdrawn")
    assert page.say(taken_back, insist=True).code == 200


def test_a_picture_that_kills_its_decoder_costs_its_own_tile(
    world: Path, bundle_path: Path, tmp_path: Path
) -> None:
    """OpenCV 5.0.0 dies on some animated PNGs; whatever does it, here a worker is killed."""
    catalog = tmp_path / "catalog"
    catalog.mkdir()
    for seed in range(6):
        (catalog / f"{seed}.jpg").write_bytes(jpeg(textured(900, 700, seed=seed)))
    tagged(catalog, bundle_path, tmp_path / "index")
    with reviewing(tmp_path / "index") as page:
        pictures = page.find()
        assert page.picture(pictures[0]).code == 200
        for pid in decoders_of(page):
            os.kill(pid, signal.SIGKILL)
        assert [page.picture(picture).code for picture in pictures] == [200] * 6
        assert [page.picture(picture, 1024).code for picture in pictures] == [200] * 6
        assert page.get("api/night").code == 200


def decoders_of(page: Reviewing) -> list[int]:
    children = Path(f"/proc/{page.process.pid}/task/{page.process.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


@pytest.mark.shared
def test_odd_pictures_are_shown_or_said_in_words(
    shared: Path, bundle_path: Path, tmp_path: Path
) -> None:
    catalog = tmp_path / "catalog"
    shutil.copytree(shared / "odd", catalog)
    tagged(catalog, bundle_path, tmp_path / "index")
    with reviewing(tmp_path / "index") as page:
        pictures: list[dict[str, Any]] = page.find()
        assert len(pictures) > 20
        for picture in pictures:
            if picture["content"] is None:
                continue
            shown = page.picture(picture)
            if picture["status"] == "ok":
                assert shown.content[:3] == b"\xff\xd8\xff", picture["image_id"]
            else:
                assert shown.code == 415, picture["image_id"]
                assert picture["status"] in shown.error
        assert page.get("api/night").code == 200
