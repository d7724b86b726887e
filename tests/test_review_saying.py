"""What a person says on the page: kept as a whole and durably, or refused in words."""

import json
import os
import resource
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reviewing import Reviewing, hostile_catalog, reviewing, said_of, tagged

from schemas.corrections import Correction
from schemas.index import LABELS
from schemas.review import GroupNow, Said, SaidAtOnce
from tagger.datasets.sample import Sample
from tagger.errors import InputError
from tagger.files import file_digest
from tagger.index.corrections import CorrectionLog
from tagger.labels.vocabulary import canonical_name
from tagger.review.saying import Saying, corrections


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


def test_what_is_said_is_kept_and_seen_at_once(page: Reviewing, world: Path) -> None:
    picture = page.find(status="ok")[0]
    before = len(lines_of(world / "index"))
    kept = page.say(said_of(picture, "red"))
    assert (kept.code, kept.json()["kept"], kept.json()["conflicts"]) == (200, 1, [])
    (line,) = lines_of(world / "index")[before:]
    assert (line.who, line.image_id, line.label) == ("Anna", picture["image_id"], "red")
    assert line.at.endswith("+00:00")
    assert len(line.at) == len("2026-11-27T18:00:00.000000+00:00")
    now = page.one(picture["image_id"])["answers"]["color"]
    assert (now["label"], now["who"], now["last"]) == ("red", "Anna", before)
    page.say(said_of(page.one(picture["image_id"]), None, answer="withdrawn"))
    taken_back = page.one(picture["image_id"])["answers"]["color"]
    assert (taken_back["who"], taken_back["label"]) == (None, picture["answers"]["color"]["label"])


def test_a_label_that_the_model_does_not_have_is_proposed_with_the_command_that_adds_it(
    page: Reviewing,
) -> None:
    picture = page.find(status="ok")[1]
    assert page.say(said_of(picture, "  Navy; rm -rf $HOME ")).code == 200
    night = page.get("api/night").json()
    named = {"group": "color", "label": "Navy; rm -rf $HOME", "pictures": 1}
    assert named in night["proposals"]
    assert "--add 'color:Navy; rm -rf $HOME'" in night["add_command"]
    assert page.say(said_of(page.one(picture["image_id"]), None, answer="withdrawn")).code == 200


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": "", "answer": "is"}, "not understood"),
        ({"label": "x" * 201}, "not understood"),
        ({"label": "a\nb"}, "letters that can be seen"),
        ({"label": "a\0b"}, "letters that can be seen"),
        ({"label": "deR\u202eb"}, "letters that can be seen"),
        ({"label": "\u200b \u200b"}, "letters that can be seen"),
        ({"label": "a" + "\u0958" * 150}, "1 to 200 letters"),  # composed it is longer
        ({"label": "RED"}, "collide"),
        ({"label": None}, "which label"),
        ({"answer": "none"}, "no label"),
        ({"answer": "is_not"}, "one says is, none, unknown, withdrawn"),
        ({"answer": "maybe"}, "not understood"),
        ({"group": "brand"}, "no such group"),
        ({"content": "0" * 64}, "other bytes"),
        ({"content": "../../etc/passwd"}, "not understood"),
        ({"image_id": "../../etc/passwd"}, "no such picture"),
        ({"last": "new"}, "not understood"),
    ],
)
def test_what_is_no_answer_is_refused_in_words_and_not_kept(
    page: Reviewing, world: Path, changes: dict[str, Any], words: str
) -> None:
    before = lines_of(world / "index")
    good, other = page.find(status="ok")[2:4]
    refused = page.say(said_of(good, "red"), said_of(other, "red") | changes)
    assert refused.code in (400, 422)
    assert words in refused.error
    assert lines_of(world / "index") == before


def test_a_retired_label_is_refused_in_words(own: Path) -> None:
    retire(own / "index", "color", "red")
    with reviewing(own / "index", "--as", "Anna") as page:
        assert "red" not in page.get("api/night").json()["groups"][0]["labels"]
        picture = page.find(status="ok")[0]
        refused = page.say(said_of(picture, "red"), insist=True)
        assert refused.code == 422
        assert "is retired" in refused.error
        unknown = said_of(picture, None, answer="unknown")
        assert page.say(unknown, insist=True).code == 200


def retire(index: Path, group: str, name: str) -> None:
    """Make a label of the current night one that its model has retired."""
    night = Path(os.path.realpath(index / "current")).parent
    labels = pq.read_table(night / "labels.parquet")
    retired = [
        row["retired"] or (row["group"], row["label"]) == (group, name)
        for row in labels.to_pylist()
    ]
    place = labels.schema.get_field_index("retired")
    labels = labels.set_column(place, labels.schema.field(place), pa.array(retired))
    pq.write_table(labels, night / "labels.parquet")
    manifest = json.loads((night / "manifest.json").read_text())
    manifest["labels_sha256"] = file_digest(night / "labels.parquet")
    (night / "manifest.json").write_text(json.dumps(manifest))


def test_two_reviewers_see_each_other_and_are_asked_before_one_overrules_the_other(
    page: Reviewing, world: Path
) -> None:
    with reviewing(world / "index", "--as", "Ben") as other:
        seen = page.find(status="ok")[4]
        assert other.say(said_of(seen, "blue")).code == 200
        asked = page.say(said_of(seen, "red"))
        assert asked.code == 409
        assert asked.json()["kept"] == 0
        (conflict,) = asked.json()["conflicts"]
        assert (conflict["who"], conflict["label"]) == ("Ben", "blue")
        assert page.one(seen["image_id"])["answers"]["color"]["who"] == "Ben"
        assert page.say(said_of(seen, "red"), insist=True).json()["kept"] == 1
        assert other.one(seen["image_id"])["answers"]["color"]["label"] == "red"


def test_of_several_answers_at_once_that_do_not_know_of_each_other_one_is_kept(
    page: Reviewing,
) -> None:
    seen = page.find(status="ok")[5]
    codes: list[int] = []
    saying = [
        threading.Thread(target=lambda: codes.append(page.say(said_of(seen, "red")).code))
        for _ in range(8)
    ]
    for thread in saying:
        thread.start()
    for thread in saying:
        thread.join(timeout=60)
    assert sorted(codes) == [200] + [409] * 7


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=210), st.booleans())
def test_whatever_is_typed_is_refused_in_words_or_can_be_read_again(
    text: str, exclusive: bool
) -> None:
    groups = [GroupNow(name="color", exclusive=exclusive, labels=["red"])]
    red = {"model_id": "m", "group": "color", "label": "red", "column": "score_red"}
    labels = pa.Table.from_pylist([red | {"threshold": 0.5, "retired": False}], LABELS)
    item = Said(content="0" * 64, image_id="a.jpg", group="color", label=text, answer="is", last=-1)
    try:
        spelt = Saying(groups, labels, "m").spelt(SaidAtOnce(items=[item]))
    except InputError as refused:
        assert str(refused)
        return
    lines = corrections(spelt, "Anna", datetime.now(UTC))
    with TemporaryDirectory() as folder:
        log = CorrectionLog(Path(folder))
        log.append(lines)
        assert log.read().corrections == lines
    assert lines[0].label == canonical_name(text)


def test_many_are_corrected_with_one_stroke_or_none_of_them(page: Reviewing, world: Path) -> None:
    chosen = page.post("api/ids", {"wanted": {"status": "ok"}, "most": 20_000}).json()
    before = len(lines_of(world / "index"))
    bare = {"answers": {}}
    items = [
        said_of({"image_id": image_id, "content": content, **bare}, None, answer="unknown")
        for image_id, content in chosen
    ]
    assert page.say(*items, insist=True).json()["kept"] == len(chosen) > 30
    assert len(lines_of(world / "index")) == before + len(chosen)
    assert page.say().code == 400
    assert "not understood" in page.say(*items * (20_000 // len(items) + 1)).error


def test_a_full_disk_keeps_nothing_half_and_says_so(own: Path) -> None:
    with reviewing(own / "index", "--as", "Anna") as page:
        log = own / "index" / "corrections.jsonl"
        pictures = page.find(status="ok")[:20]
        page.say(said_of(pictures[0], "blue"), insist=True)
        before = log.read_bytes()
        room = len(before) + 500  # a line and a half
        resource.prlimit(page.process.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        refused = page.say(*(said_of(picture, "red") for picture in pictures), insist=True)
        assert refused.code == 507
        assert "lacks room on a disk" in refused.error
        assert log.read_bytes() == before
        assert page.one(pictures[0]["image_id"])["answers"]["color"]["label"] == "blue"
        no_limit = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(page.process.pid, resource.RLIMIT_FSIZE, no_limit)
        again = page.say(*(said_of(picture, "red") for picture in pictures), insist=True)
        assert again.json()["kept"] == 20


@pytest.mark.serial
def test_an_index_that_cannot_be_written_is_looked_at_and_each_answer_says_so(own: Path) -> None:
    index = own / "index"
    mounted = subprocess.run(["mount", "--bind", index, index], capture_output=True)
    if mounted.returncode:
        pytest.skip("this sandbox may not mount")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", index], check=True)
        with reviewing(index, "--as", "Anna") as page:
            refused = page.say(said_of(page.find(status="ok")[0], "red"), insist=True)
            assert refused.code == 422
            assert "cannot be written" in refused.error
            _, said = page.end()
            assert "corrections will not be kept" in said
    finally:
        subprocess.run(["umount", index], check=True)
