"""A desk over a made night: what counts of a log that others write too, and what is asked back."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
from made_nights import MODEL, MadeNight, correction, row_labels

from schemas.corrections import Answer, Correction
from schemas.review import AnswerNow, Kept, Said, SaidAtOnce, Wanted
from tagger.errors import StoreError
from tagger.index.corrections import CorrectionLog
from tagger.index.store import Index
from tagger.review.desk import Desk
from tagger.review.sample_now import RunningSample

N = 12
RETIRED = {("color", "green"), ("garment", "jeans")}
LABELS = [
    label._replace(retired=label.key in RETIRED)
    for label in row_labels({"color": ["blue", "green", "red"], "garment": ["dress", "jeans"]}, 0.1)
]
FOREIGN = "f" * 64


def content(i: int) -> str:
    return hashlib.sha256(b"%d" % i).hexdigest()


def name(i: int) -> str:
    return f"item-{i:02d}.jpg"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of a night in which every picture is ok; color is exclusive, garment is not."""
    night = MadeNight(N, name, content, {MODEL: LABELS}, ["color"], broken=0, bucket=N)
    return night.publish(tmp_path_factory.mktemp("made") / "index").path


@pytest.fixture
def index(made: Path, tmp_path: Path) -> Index:
    return Index(Path(shutil.copytree(made, tmp_path / "index", symlinks=True)))


@pytest.fixture
def log(index: Index) -> CorrectionLog:
    return index.corrections


def color(desk: Desk, i: int) -> AnswerNow:
    return desk.detail(name(i)).picture.answers["color"]


def tags_said(desk: Desk, i: int) -> dict[str, Answer]:
    return {one.label: one.said for one in desk.detail(name(i)).picture.said_tags}


def found(desk: Desk, wanted: Wanted) -> set[str]:
    return {picture.image_id for picture in desk.find(wanted, 0, N).pictures}


def test_an_answer_to_a_whole_group_clears_what_was_said_of_its_labels(
    index: Index, log: CorrectionLog
) -> None:
    log.append([correction(content(i), "garment", "dress", "is") for i in (0, 1, 2)])
    log.append([correction(content(1), "garment", None, "none")])  # garment was exclusive then
    desk = Desk(index, "Anna")
    assert [tags_said(desk, i) for i in (0, 1, 2)] == [{"dress": "is"}, {}, {"dress": "is"}]
    log.append([correction(content(0), "garment", None, "withdrawn")])
    log.append([correction(content(2), "garment", None, "unknown")])
    log.append([correction(content(2), "garment", "dress", "is_not")])
    assert [tags_said(desk, i) for i in (0, 1, 2)] == [{}, {}, {"dress": "is_not"}]
    assert desk.now().corrected == 1


def test_other_bytes_do_not_ask_again_about_words_that_were_cleared(
    index: Index, log: CorrectionLog
) -> None:
    log.append([correction(FOREIGN, "garment", "dress", "is", image_id=name(3))])
    desk = Desk(index, "Anna")
    assert len(desk.detail(name(3)).picture.asks) == 1
    log.append([correction(FOREIGN, "garment", None, "none", image_id=name(3))])
    assert desk.detail(name(3)).picture.asks == []


@pytest.mark.parametrize("answer", ["withdrawn", "unknown", "none"])
def test_of_an_exclusive_group_only_the_label_in_force_is_taken_back_or_not_known_by_name(
    index: Index, log: CorrectionLog, answer: Answer
) -> None:
    log.append([correction(content(i), "color", "red", "is") for i in (0, 1)])
    log.append([correction(content(0), "color", "blue", answer)])  # color was not exclusive then
    log.append([correction(content(1), "color", "red", answer)])
    log.append([correction(content(2), "color", "red", "is_not")])
    desk = Desk(index, "Anna")
    assert (color(desk, 0).label, color(desk, 0).said) == ("red", "is")
    assert color(desk, 1).said == (None if answer == "withdrawn" else answer)
    assert color(desk, 2).last == -1
    log.append([correction(content(0), "color", "red", answer)])
    assert color(desk, 0).said == color(desk, 1).said


def written(folder: Path, said: list[Correction]) -> Path:
    """Write a log elsewhere."""
    folder.mkdir(exist_ok=True)
    log = CorrectionLog(folder)
    log.append(said)
    return log.path


def test_another_log_in_place_of_the_one_that_was_read_is_read_from_its_start(
    index: Index, log: CorrectionLog, tmp_path: Path
) -> None:
    log.append([correction(content(0), "color", "red", "is")])
    desk = Desk(index, "Anna")
    assert color(desk, 0).said == "is"
    same_size = written(tmp_path / "a", [correction(content(1), "color", "red", "is")])
    assert same_size.stat().st_size == log.size()
    os.replace(same_size, log.path)
    assert [color(desk, i).said for i in (0, 1)] == [None, "is"]
    said = [correction(content(i), "garment", "dress", "is_not", who="b" * i) for i in (2, 3, 4)]
    log.path.write_bytes(written(tmp_path / "b", said).read_bytes())  # longer, the same file
    assert color(desk, 1).said is None
    assert tags_said(desk, 4) == {"dress": "is_not"}
    assert desk.now().lines == 3


def test_a_log_that_the_night_does_not_follow_is_no_log_of_it(
    index: Index, log: CorrectionLog
) -> None:
    log.append([correction(content(0), "color", "red", "is")])
    follow(index, log)
    log.append([correction(content(1), "color", "red", "is")])
    desk = Desk(index, "Anna")
    whole = log.path.read_bytes()
    log.path.unlink()
    log.append([correction(content(i), "color", "red", "is") for i in (5, 6)])
    with pytest.raises(StoreError, match=r"not those that the night follows.*from a backup"):
        Desk(index, "Anna")
    for _ in range(2):
        with pytest.raises(StoreError, match="not those that the night follows"):
            desk.now()
    log.path.unlink()
    log.path.write_bytes(whole)
    assert desk.now().lines == 2
    assert color(desk, 1).said == "is"


def follow(index: Index, log: CorrectionLog) -> None:
    """Let the night follow the log as it is."""
    snapshot = index.current()
    assert snapshot is not None
    data = log.path.read_bytes()
    manifest = snapshot.path / "manifest.json"
    said = json.loads(manifest.read_text())
    said["corrections"] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest.write_text(json.dumps(said))


def right_as_none(about: str) -> list[Correction]:
    """Return an answer to everything: it shows nothing."""
    tags = [correction(about, label.group, label.name, "is_not") for label in LABELS[3:]]
    return [correction(about, "color", None, "none"), *tags]


def test_a_sample_notices_another_log_too(index: Index, log: CorrectionLog) -> None:
    snapshot = index.current()
    assert snapshot is not None
    sample = RunningSample(index, snapshot, 1)
    (asked,) = sample.contents
    log.append(right_as_none(asked))
    assert sample.now().judged == 1
    other = written(index.path.parent / "other", right_as_none(FOREIGN))
    assert other.stat().st_size == log.size()
    os.replace(other, log.path)
    assert sample.now().judged == 0


def test_a_label_is_proposed_of_groups_of_the_night_and_added_if_it_can_be_seen(
    index: Index, log: CorrectionLog
) -> None:
    log.append([correction(content(0), "season", "summer", "is")])
    desk = Desk(index, "Anna")
    assert (desk.now().proposals, desk.now().add_command) == ([], None)
    assert found(desk, Wanted(said="proposed")) == set()
    hidden = ["teal\nrm -rf /", "teal\x1b[2J", "\u202elaet"]
    log.append([correction(content(i), "color", label, "is") for i, label in enumerate(hidden)])
    assert {one.label for one in desk.now().proposals} == set(hidden)
    assert desk.now().add_command is None
    log.append([correction(content(4), "color", "teal", "is")])
    assert str(desk.now().add_command).endswith("--models models --add color:teal")


def test_what_was_said_of_a_label_that_is_retired_now_is_asked_about_again(
    index: Index, log: CorrectionLog
) -> None:
    log.append([correction(content(0), "color", "green", "is")])
    log.append([correction(content(1), "garment", "jeans", "is")])
    log.append([correction(FOREIGN, "color", "red", "is", image_id=name(0))])
    desk = Desk(index, "Anna")
    assert desk.now().corrected == 0
    assert found(desk, Wanted(said="anyone")) == set()
    assert found(desk, Wanted(said="nobody")) == set(map(name, range(N)))
    assert found(desk, Wanted(order="least_sure")) == set(map(name, range(N)))
    assert found(desk, Wanted(said="asked_again")) == {name(0)}
    assert tags_said(desk, 1) == {}
    assert [one.label for one in desk.detail(name(1)).history] == ["jeans"]


def say(desk: Desk, *items: tuple[int, str, str], last: int = -1) -> Kept:
    said = [
        Said(content=content(i), image_id=name(i), group=group, label=label, answer="is", last=last)
        for i, group, label in items
    ]
    return desk.say(SaidAtOnce(items=said))


def test_a_label_in_another_spelling_is_asked_about_as_the_label_that_it_is(
    index: Index, log: CorrectionLog
) -> None:
    desk = Desk(index, "Anna")
    log.append([correction(content(0), "garment", "dress", "is_not", who="bob")])
    log.append([correction(content(1), "garment", "caf\xe9 dress", "is_not", who="bob")])
    refused = say(desk, (0, "garment", " dress "), (1, "garment", "cafe\u0301 dress"))
    assert (refused.kept, refused.first) == (0, None)
    assert [one.who for one in refused.conflicts] == ["bob", "bob"]
    assert log.read().corrections[-1].who == "bob"


def test_a_stroke_knows_its_own_lines_and_not_what_came_before_or_after(
    index: Index, log: CorrectionLog
) -> None:
    desk = Desk(index, "Anna")
    log.append([correction(content(i), "color", "red", "is", who="bob") for i in (0, 1)])
    kept = say(desk, (2, "color", "blue"), (3, "color", "blue"))
    assert (kept.kept, kept.first, kept.lines) == (2, 2, 4)
    log.append([correction(content(2), "color", "red", "is", who="bob")])
    assert say(desk, (4, "color", "blue")).first == 5
    (asked,) = say(desk, (2, "color", "blue"), last=2).conflicts  # as the page knows it
    assert (asked.who, asked.label) == ("bob", "red")
