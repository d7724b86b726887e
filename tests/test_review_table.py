"""A night in memory: what it shows and finds is what a plain computation over its rows and the log
of corrections gives, and what the next night writes."""

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import current_rows, settle
from hypothesis import given, settings
from hypothesis import strategies as st
from made_nights import MODEL, OLDER, MadeNight, correction, row_labels

from jobs.tag_catalog import TagOptions, tag_catalog
from schemas.corrections import Correction
from schemas.review import Picture, Said, SaidAtOnce, Wanted
from tagger.errors import InputError, StoreError
from tagger.index.store import Index
from tagger.review import log_reader
from tagger.review.table import NightTable

RETIRED = {("color", "green"), ("garment", "jeans")}
FOREIGN = "f" * 64
NAMES = {"color": ["black", "blue", "green", "red"], "garment": ["dress", "jeans", "shirt"]}
OLD_LABELS = row_labels(NAMES, 0.1)
LABELS = [
    label._replace(threshold=round(label.threshold + 0.05, 4), retired=label.key in RETIRED)
    for label in OLD_LABELS
]
COPIES = {4: 3, 17: 2}
"""Pictures with the bytes of another."""


def image_id(i: int) -> str:
    return ["Copy Ä (1).jpg", "<b>&.png", "a\nb.jpg"][i] if i < 3 else f"2026/0{i % 7}/item-{i}.jpg"


def content(i: int) -> str:
    return hashlib.sha256(b"%d" % COPIES.get(i, i)).hexdigest()


NIGHT = MadeNight(
    60,
    image_id,
    content,
    {MODEL: LABELS, OLDER: OLD_LABELS},
    ["color"],
    broken=0.1,
    bucket=20,
)


class World(NamedTuple):
    """A made night, and its rows by image_id."""

    index: Path
    rows: pd.DataFrame


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Rows of two models, with copies, broken pictures and names that want to be code."""
    index = NIGHT.publish(tmp_path_factory.mktemp("made") / "index").path
    rows = pd.read_parquet(os.path.realpath(index / "current")).set_index("image_id")
    return World(index, rows.loc[sorted(rows.index, key=str.encode)])


@pytest.fixture
def index(world: World, tmp_path: Path) -> Path:
    """The made night in an index of a test's own."""
    return Path(shutil.copytree(world.index, tmp_path / "index", symlinks=True))


def opened(path: str | Path, **more: Any) -> NightTable:
    index = Index(path)
    snapshot = index.current()
    assert snapshot is not None
    return NightTable.load(index, snapshot, **more)


Question = tuple[str, str | None]


class Plain:
    """The same night, by loops over rows and corrections."""

    def __init__(self, world: World, said: list[Correction]) -> None:
        self.rows = world.rows.to_dict("index")
        self.known = {label.key: label for label in LABELS}
        self.of_model = {
            model: {label.key: label for label in labels} for model, labels in NIGHT.models.items()
        }
        self.standing: dict[tuple[str, Question], tuple[int, Correction]] = {}
        self.said: list[Correction] = []
        for line, one in enumerate(said):
            if self.answers_something(one):
                self.said.append(one)
                self.standing[one.content_sha256, self.question(one)] = (line, one)
            elif one.group != "color" and one.label is None:
                self.clear(one.content_sha256, one.group)

    @staticmethod
    def question(one: Correction) -> Question:
        return (one.group, None if one.group == "color" else one.label)

    def answers_something(self, one: Correction) -> bool:
        if one.group != "color":
            return one.label is not None
        if one.answer == "is_not":
            return False
        if one.answer == "is" or one.label is None:
            return True
        _, now = self.standing.get((one.content_sha256, ("color", None)), (-1, None))
        return now is not None and now.label == one.label

    def clear(self, content: str, group: str) -> None:
        for about, question in list(self.standing):
            if (about, question[0]) == (content, group):
                del self.standing[about, question]

    def words(self, image_id: str) -> dict[Question, tuple[int, Correction]]:
        """What is in force about a row, taken back or not."""
        row = self.rows[image_id]
        if row["status"] != "ok":
            return {}
        return {
            question: word
            for (content, question), word in self.standing.items()
            if content == row["content_sha256"]
        }

    def spoken(self, image_id: str) -> dict[Question, Correction]:
        words = self.words(image_id)
        said = {q: one for q, (_, one) in words.items()}
        return {q: one for q, one in said.items() if one.answer == "unknown" or self.counts(one)}

    def counts(self, one: Correction) -> bool:
        if one.answer == "none":
            return one.group == "color"
        named = one.label is not None and (one.group, one.label) not in RETIRED
        return one.answer in ("is", "is_not") and named

    def color(self, image_id: str) -> str | None:
        one = self.spoken(image_id).get(("color", None))
        if one is None or not self.counts(one):
            return self.own(image_id)
        return one.label if one.answer == "is" else None

    def own(self, image_id: str) -> str | None:
        answer = self.rows[image_id]["color"]
        return answer if isinstance(answer, str) else None

    def sure(self, image_id: str) -> float:
        row = self.rows[image_id]
        if self.own(image_id):
            return float(row["color_score"])
        labels = self.of_model[row["model_id"]].values()
        scores = [row[x.column] for x in labels if x.group == "color" and not x.retired]
        return round(1 / (1 + sum(score / (1 - score) for score in scores)), 4)

    def model_has(self, image_id: str, key: tuple[str, str]) -> bool:
        row = self.rows[image_id]
        label = self.of_model[row["model_id"]].get(key)
        return label is not None and not label.retired and row[label.column] >= label.threshold

    def tags(self, image_id: str) -> set[str]:
        has = {key for key in self.known if key[0] != "color" and self.model_has(image_id, key)}
        for (group, label), one in self.spoken(image_id).items():
            if label and self.counts(one):
                (has.add if one.answer == "is" else has.discard)((group, label))
        return {f"{group}:{label}" for group, label in has}

    def asked(self, image_id: str) -> set[Question]:
        """The questions that were answered of other bytes under this name, and not of these."""
        row = self.rows[image_id]
        if row["status"] != "ok":
            return set()
        found = set()
        for one in self.said:
            question = self.question(one)
            if one.image_id != image_id or one.content_sha256 == row["content_sha256"]:
                continue
            _, last = self.standing.get((one.content_sha256, question), (-1, None))
            if last is not None and self.counts(last) and question not in self.spoken(image_id):
                found.add(question)
        return found

    def against(self, image_id: str) -> bool:
        if self.color(image_id) != self.own(image_id):
            return True
        return any(
            self.counts(one) and (one.answer == "is") != self.model_has(image_id, (group, label))
            for (group, label), one in self.spoken(image_id).items()
            if label
        )

    def is_said(self, image_id: str, by: str) -> bool:
        spoken = self.spoken(image_id)
        if by == "proposed":
            return any(
                one.answer == "is"
                and one.group in NAMES
                and one.label
                and (one.group, one.label) not in self.known
                for one in spoken.values()
            )
        return {
            "anyone": bool(spoken),
            "nobody": not spoken,
            "against_model": self.rows[image_id]["status"] == "ok" and self.against(image_id),
            "asked_again": bool(self.asked(image_id)),
            "unknown": any(one.answer == "unknown" for one in spoken.values()),
        }[by]

    def has(self, image_id: str, wanted: Wanted) -> bool:
        row = self.rows[image_id]
        ok = row["status"] == "ok"
        group, _, name = (wanted.label or ":").partition(":")
        score = row[self.known[group, name].column] if wanted.label else 0.0
        return (
            all(ok and self.color(image_id) == answer for answer in wanted.answers.values())
            and all(ok and tag in self.tags(image_id) for tag in wanted.tags)
            and wanted.status in (None, row["status"])
            and wanted.path.lower() in image_id.lower()
            and (wanted.label is None or wanted.least <= score <= wanted.most)
            and (not wanted.changed or image_id in {NIGHT.image_id(i) for i in range(0, 60, 10)})
            and (wanted.said is None or self.is_said(image_id, wanted.said))
        )

    def find(self, wanted: Wanted) -> list[str]:
        found = [image_id for image_id in self.rows if self.has(image_id, wanted)]
        if wanted.order == "score":
            group, _, name = str(wanted.label).partition(":")
            column = self.known[group, name].column
            return sorted(found, key=lambda image_id: -self.rows[image_id][column])
        if wanted.order == "least_sure":
            found = [one for one in found if self.rows[one]["status"] == "ok"]
            if wanted.said in (None, "nobody"):
                found = [one for one in found if ("color", None) not in self.spoken(one)]
            return sorted(found, key=self.sure)
        return found


SUBJECTS = [
    ("color", "red"),
    ("color", "blue"),
    ("color", "teal"),
    ("color", "green"),
    ("color", None),
    ("garment", "dress"),
    ("garment", "shirt"),
    ("garment", "jeans"),
    ("garment", "cape"),
    ("garment", None),
    ("season", "summer"),
]
SAID = st.lists(
    st.tuples(
        st.integers(0, 7),  # a content, of rows close together so that they meet
        st.integers(0, 7),  # a name
        st.sampled_from(SUBJECTS),
        st.sampled_from(["is", "is", "is_not", "none", "unknown", "withdrawn"]),
        st.sampled_from(["ada", "bob"]),
    ),
    max_size=25,
)
SCORES = st.sampled_from(["color:red", "color:green", "garment:dress"])
WANTED = st.builds(
    Wanted,
    answers=st.one_of(
        st.just({}),
        st.builds(
            lambda answer: {"color": answer},
            st.sampled_from(["red", "blue", "black", "teal", "no such", None]),
        ),
    ),
    tags=st.lists(
        st.sampled_from(["garment:dress", "garment:shirt", "garment:cape", "garment:jeans"]),
        max_size=1,
    ),
    status=st.sampled_from([None, None, "ok", "truncated", "crashed"]),
    path=st.sampled_from(["", "", "ITEM", "ä (", "no such", "2026/00", ".jpg"]),
    label=SCORES,
    least=st.sampled_from([0.0, 0.0, 0.35]),
    most=st.sampled_from([1.0, 1.0, 0.4]),
    changed=st.sampled_from([False, False, True]),
    said=st.sampled_from(
        [None, "anyone", "nobody", "against_model", "asked_again", "proposed", "unknown"]
    ),
    order=st.sampled_from(["path", "least_sure", "score"]),
    group=st.sampled_from([None, "color"]),
).flatmap(
    lambda wanted: st.sampled_from(
        [wanted, wanted if wanted.order == "score" else msgspec.structs.replace(wanted, label=None)]
    )
)


def corrections(world: World, told: list[tuple[Any, ...]]) -> list[Correction]:
    """Return what was told, of contents and under names of the night and others."""
    ids = [*world.rows.index[:6], "gone.jpg", world.rows.index[-1]]
    contents = [*world.rows["content_sha256"].iloc[:6], FOREIGN, "0" * 63 + "1"]
    return [
        correction(contents[c], *subject, answer, image_id=ids[i], who=who)
        for c, i, subject, answer, who in told
    ]


@settings(max_examples=100, deadline=None)
@given(SAID, st.lists(WANTED, min_size=1, max_size=6), st.integers(0, 25))
def test_what_is_found_is_what_loops_over_rows_and_corrections_find(
    world: World, told: list[tuple[Any, ...]], questions: list[Wanted], before: int
) -> None:
    said = corrections(world, told)
    log = Index(world.index).corrections
    log.path.unlink(missing_ok=True)
    try:
        log.append(said[:before])
        with mock.patch.object(log_reader, "_AT_A_TIME", 1500):  # two or three lines
            table = opened(world.index)
            table.find(Wanted(), 0, 10)
            log.append(said[before:])
            assert table.refresh() == bool(said[before:])
        plain = Plain(world, said)
        for wanted in questions:
            found = table.find(wanted, 0, 1000)
            assert [picture.image_id for picture in found.pictures] == plain.find(wanted), wanted
            assert found.total == len(found.pictures) == table.all_of(wanted)
            for picture in found.pictures:
                agrees(picture, plain)
        assert table.corrected() == sum(bool(plain.spoken(one)) for one in world.rows.index)
        assert table.lines == len(said)
    finally:
        log.path.unlink(missing_ok=True)


def agrees(picture: Picture, plain: Plain) -> None:
    """Hold a picture to what loops say of it."""
    answer, image_id = picture.answers["color"], picture.image_id
    if picture.status != "ok":
        assert (answer.label, answer.model, answer.sure, picture.tags) == (None, None, None, [])
        return
    assert (answer.label, answer.model) == (plain.color(image_id), plain.own(image_id))
    assert answer.sure == pytest.approx(plain.sure(image_id), abs=1e-9)
    line, one = plain.words(image_id).get(("color", None), (-1, None))
    person = one is not None and plain.counts(one)
    assert answer.last == line
    assert answer.who == (one.who if one and person else None)
    assert answer.said == (one.answer if one and (person or one.answer == "unknown") else None)
    assert answer.proposed == (person and answer.label == "teal")
    assert set(picture.tags) == plain.tags(image_id)
    asked = {plain.question(one) for one in picture.asks}
    assert (asked, len(picture.asks)) == (plain.asked(image_id), len(asked))


def test_the_next_night_writes_what_was_shown_and_shows_the_same(options: TagOptions) -> None:
    shutil.copy(
        next(Path(options.catalog).rglob("item-00000.jpg")), Path(options.catalog) / "c.jpg"
    )
    settle(Path(options.catalog))
    options = replace(options, max_error_rate=1)
    tag_catalog(options)
    rows = current_rows(options)
    contents = rows[rows["status"] == "ok"]["content_sha256"].tolist()
    log = Index(options.index).corrections
    log.append(
        [
            correction(contents[0], "color", "black", "is"),
            correction(contents[1], "color", None, "none"),
            correction(contents[2], "garment", "cape", "is"),
            correction(contents[3], "garment", None, "unknown"),
            correction(contents[4], "color", "red", "is"),
            correction(contents[4], "color", None, "withdrawn"),
            correction(
                rows[rows["status"] != "ok"]["content_sha256"].iloc[0], "color", "red", "is"
            ),
        ]
    )
    before = opened(options.index)
    tag_catalog(options)
    corrected = current_rows(options)
    assert corrected["corrected"].notna().sum() == 4  # one of three has a copy
    after = opened(options.index)
    assert after.snapshot != before.snapshot
    shown, later = (table.find(Wanted(), 0, 100).pictures for table in (before, after))
    for old, new in zip(shown, later, strict=True):
        row = corrected.loc[new.image_id]
        for group, answer in new.answers.items():
            assert answer == old.answers[group]
            written = None if answer.proposed else answer.label
            assert written == (row[group] if isinstance(row[group], str) else None)
    changed = after.find(Wanted(changed=True), 0, 100).pictures
    assert {p.image_id for p in changed} == set(corrected[corrected["corrected"].notna()].index)
    log.append([correction(contents[0], "color", None, "withdrawn")])
    assert after.refresh()
    own = after.picture(rows.index[0]).answers[
        "color"
    ]  # of its scores, since its row is a person's
    assert own.label == own.model == rows["color"].iloc[0]
    assert own.score == pytest.approx(rows["color_score"].iloc[0], abs=1e-9)


def test_a_picture_large_has_every_score_its_history_and_its_copies(
    index: Path, world: World
) -> None:
    rows = world.rows
    original, copy = (NIGHT.image_id(i) for i in (2, 17))
    digest = content(2)
    log = Index(index).corrections
    log.append([correction(FOREIGN, "color", "red", "is", image_id=original)])
    log.append([correction(digest, "garment", "dress", "is", who="bob")])
    log.append([correction(digest, "garment", "shirt", "withdrawn")])
    log.append([correction(digest, "color", "teal", "is")])
    table = opened(index)
    detail = table.detail(original)
    assert detail.copies == [copy]
    assert [(one.group, one.label) for one in detail.history] == [
        ("garment", "dress"),
        ("garment", "shirt"),
        ("color", "teal"),
    ]
    assert detail.picture == table.picture(original)
    assert detail.picture.asks == []  # it has been said of these bytes
    labels = {(label.group, label.label): label for label in detail.labels}
    assert list(labels) == [label.key for label in LABELS if not label.retired]
    known = NIGHT.models[rows.loc[original, "model_id"]]
    for label in known:
        if label.key in labels:
            found = labels[label.key]
            score = rows.loc[original, label.column]
            assert (found.score, found.threshold) == (score, pytest.approx(label.threshold))
    dress, shirt, red = (
        labels[key] for key in (("garment", "dress"), ("garment", "shirt"), ("color", "red"))
    )
    assert (dress.said, dress.who, dress.last, dress.holds) == ("is", "bob", 1, True)
    assert (shirt.said, shirt.who, shirt.last) == (None, None, 2)
    assert (red.holds, red.last) == (False, 3)
    assert table.detail(copy).picture.answers["color"].label == "teal"
    broken = rows[rows["status"] != "ok"].iloc[0]
    large = table.detail(broken.name)
    assert (large.picture.error, large.picture.width) == (broken["error"], None)
    assert {label.score for label in large.labels} == {None}
    assert table.content_of(broken.name) == broken["content_sha256"]
    assert table.content_of("no such") is None
    with pytest.raises(InputError, match="'no such' is not in the night"):
        table.picture("no such")


def test_what_others_said_meanwhile_is_a_conflict_and_proposals_are_counted(index: Path) -> None:
    log = Index(index).corrections
    log.append(
        [
            correction(content(5), "color", "teal", "is"),
            correction(content(6), "color", "teal", "is"),
            correction(content(7), "garment", "cape", "is"),
            correction(content(8), "color", "green", "is"),  # retired: nothing to be proposed
            correction(content(9), "color", "teal", "is"),
            correction(content(9), "color", None, "withdrawn"),
            correction(FOREIGN, "season", "summer", "is"),
        ]
    )
    table = opened(index)
    assert [(one.group, one.label, one.pictures) for one in table.proposals()] == [
        ("color", "teal", 2),
        ("garment", "cape", 1),  # of the season this night asks nothing
    ]

    def conflicts(*items: tuple[int, str, str | None, int]) -> list[tuple[str, str | None]]:
        said = [
            Said(content=content(i), image_id="", group=g, label=label, answer="is", last=last)
            for i, g, label, last in items
        ]
        return [(one.group, one.label) for one in table.conflicts(SaidAtOnce(items=said))]

    assert conflicts((5, "color", "red", -1), (7, "garment", "cape", 1)) == [
        ("color", "teal"),
        ("garment", "cape"),
    ]
    assert conflicts((5, "color", None, 0), (7, "garment", "shirt", -1)) == []
    assert conflicts((9, "color", "red", 4)) == [("color", None)]
    assert not table.refresh()
    log.append([correction(content(5), "color", None, "none", who="bob")])
    assert conflicts((5, "color", "red", 0)) == []
    assert table.refresh()
    assert conflicts((5, "color", "red", 0)) == [("color", None)]
    assert table.lines == 8


def test_pages_samples_findings_and_what_can_be_selected(index: Path, world: World) -> None:
    ids = list(world.rows.index)
    table = opened(index, findings={content(3): "said red, looks blue", FOREIGN: "gone"})
    assert [p.image_id for p in table.find(Wanted(), 10, 5).pictures] == ids[10:15]
    assert table.find(Wanted(), 58, 5).total == 60
    assert len(table.find(Wanted(), 58, 5).pictures) == 2
    audited = table.find(Wanted(audit=True), 0, 9).pictures
    assert {p.image_id for p in audited} == {NIGHT.image_id(3), NIGHT.image_id(4)}  # a copy too
    assert {p.finding for p in audited} == {"said red, looks blue"}
    table.add_sample("s", [content(8), content(9), FOREIGN])
    sampled = table.find(Wanted(sample="s"), 0, 9).pictures
    assert {p.image_id for p in sampled} == {NIGHT.image_id(8), NIGHT.image_id(9)}
    ok = world.rows[world.rows["status"] == "ok"]["content_sha256"]
    assert table.ids(Wanted(), 20_000) == list(ok.items())
    assert table.ids(Wanted(), 2) == list(ok.items())[:2]
    assert table.statuses == world.rows["status"].value_counts().to_dict()
    assert [(group.name, group.exclusive, group.labels) for group in table.groups] == [
        ("color", True, ["black", "blue", "red"]),
        ("garment", False, ["dress", "shirt"]),
    ]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(answers={"garment": "dress"}), "no exclusive group.*: color"),
        (Wanted(tags=["color:red"]), "not exclusive"),
        (Wanted(tags=["dress"]), "group:label"),
        (Wanted(status="fine"), "choose one of: ok"),
        (Wanted(label="color:teal"), "has no scores"),
        (Wanted(order="score"), "give the label too"),
        (Wanted(order="least_sure", group="garment"), "no exclusive group"),
        (Wanted(sample="x"), "not open here"),
    ],
)
def test_what_cannot_be_wanted_is_refused_in_words(world: World, wanted: Wanted, said: str) -> None:
    table = opened(world.index)
    with pytest.raises(InputError, match=said):
        table.find(wanted, 0, 10)


def test_a_night_of_an_earlier_version_has_no_columns_for_corrections(
    index: Path, world: World
) -> None:
    snapshot = Index(index).current()
    assert snapshot is not None
    for part in snapshot.manifest.parts:
        path = snapshot.path / part.file
        pq.write_table(pq.read_table(path).drop_columns(["corrected", "overruled"]), path)
    shown = opened(index).find(Wanted(), 0, 100).pictures
    assert shown == opened(world.index).find(Wanted(), 0, 100).pictures


def test_damage_is_told_from_corrections_that_are_gone(index: Path, world: World) -> None:
    snapshot = Index(index).current()
    assert snapshot is not None
    log = Index(index).corrections
    for _ in range(3):
        log.append([correction(content(5), "color", "red", "is")])
    whole = log.path.read_bytes()
    table = opened(index)
    log.path.write_bytes(whole.replace(b"red", b"rad", 1))
    with pytest.raises(StoreError, match="damaged"):
        opened(index)
    log.path.write_bytes(whole[: len(whole) // 3])
    assert table.refresh()
    assert table.lines == 1  # another log, read from its start
    manifest = snapshot.path / "manifest.json"
    said = json.loads(manifest.read_text())
    said["corrections"] = {"bytes": len(whole), "sha256": "0" * 64}
    manifest.write_text(json.dumps(said))
    with pytest.raises(StoreError, match="some of what people said is gone"):
        opened(index)
    log.path.unlink()
    with pytest.raises(StoreError, match="some of what people said is gone"):
        opened(index)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("status", "splendid"),
        ("model_id", "c" * 64),
        ("color", "mauve"),
        ("content_sha256", "abc"),
        ("score_red", 1.5),
    ],
)
def test_rows_that_are_not_what_rows_are_are_damaged(
    index: Path, column: str, value: object
) -> None:
    snapshot = Index(index).current()
    assert snapshot is not None
    path = snapshot.path / snapshot.manifest.parts[0].file
    rows = pq.read_table(path)
    at = rows.schema.get_field_index(column)
    values = pa.array([value] * len(rows), rows.schema.field(at).type)
    pq.write_table(rows.set_column(at, rows.schema.field(at), values), path)
    with pytest.raises(StoreError, match=r"part-00000.*cannot be read.*tagger verify"):
        opened(index)


def test_a_part_or_the_labels_cut_short_are_damaged(index: Path) -> None:
    snapshot = Index(index).current()
    assert snapshot is not None
    for file in (snapshot.manifest.parts[1].file, "labels.parquet", "changes.parquet"):
        path = snapshot.path / file
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(StoreError, match="cannot be read"):
            opened(index)
        path.write_bytes(whole)
    path = snapshot.path / snapshot.manifest.parts[0].file
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(StoreError, match="60 rows, the parts have 59"):
        opened(index)
