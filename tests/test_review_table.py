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
import pytest
from conftest import current_rows, settle
from hypothesis import given, settings
from hypothesis import strategies as st
from sharing import made_once

from jobs.tag_catalog import TagOptions, tag_catalog
from schemas.corrections import Answer, Correction
from schemas.review import Picture, Said, SaidAtOnce, Wanted
from tagger.datasets.sample import Sample
from tagger.errors import InputError, StoreError
from tagger.index.store import Index
from tagger.models.bundle import model_id_of
from tagger.review import lines
from tagger.review.table import NightTable

RETIRED = {("color", "green"), ("garment", "jeans")}
FOREIGN = "f" * 64
GONE = "gone.jpg"
RATES: dict[str, Any] = {"workers": 1, "max_error_rate": 1.0}


def changed_bundle(bundle: Path, folder: Path, thresholds: dict[str, float]) -> Path:
    """Return a copy of a bundle whose garments are not exclusive, with two labels retired."""
    shutil.copytree(bundle, folder)
    files = {
        name: json.loads((folder / name).read_text())
        for name in ("vocabulary.json", "thresholds.json", "bundle.json")
    }
    for group in files["vocabulary.json"]["groups"]:
        group["exclusive"] = group["name"] == "color"
    for label in files["vocabulary.json"]["labels"]:
        label["retired"] = (label["group"], label["name"]) in RETIRED
    for row in files["thresholds.json"]["labels"]:
        row["threshold"] = thresholds.get(row["label"], row["threshold"])
    described = files.pop("bundle.json")
    for name, value in files.items():
        (folder / name).write_text(json.dumps(value))
        described["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    described["model_id"] = model_id_of(folder)
    (folder / "bundle.json").write_text(json.dumps(described))
    return folder


class World(NamedTuple):
    """A catalog with copies and broken pictures, and a night of it; tests copy its index."""

    options: TagOptions
    rows: pd.DataFrame
    labels: pd.DataFrame


@pytest.fixture(scope="module")
def world(sample: Sample, bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two nights: the second has thresholds that half of the pictures reach."""

    def tagged(folder: Path) -> None:
        catalog = Path(shutil.copytree(sample.catalog, folder / "catalog"))
        shutil.copy(next(catalog.rglob("item-00000.jpg")), catalog / "Copy Ä (1).jpg")
        settle(catalog)
        options = TagOptions(str(catalog), str(bundle_path), str(folder / "index"), **RATES)
        tag_catalog(options)
        rows = current_rows(options)
        middle = {
            f"{label.group}:{label.label}": round(float(rows[label.column].quantile(0.6)), 4)
            for label in labels_of(options).itertuples()
        }
        changed_bundle(bundle_path, folder / "model", middle)
        options = replace(options, model=str(folder / "model"), replace_columns=True)
        tag_catalog(options)
        shutil.copy(next(catalog.rglob("item-00007.jpg")), catalog / "later.jpg")
        settle(catalog)
        tag_catalog(options)

    folder = made_once(tmp_path_factory, "reviewed", tagged)
    options = TagOptions(
        str(folder / "catalog"), str(folder / "model"), str(folder / "index"), **RATES
    )
    return World(options, current_rows(options), labels_of(options))


def labels_of(options: TagOptions) -> pd.DataFrame:
    return pd.read_parquet(
        Path(os.path.realpath(Path(options.index) / "current")).parent / "labels.parquet"
    )


def opened(options: TagOptions, **more: Any) -> NightTable:
    index = Index(options.index)
    snapshot = index.current()
    assert snapshot is not None
    return NightTable.load(index, snapshot, **more)


@pytest.fixture
def mine(world: World, tmp_path: Path) -> TagOptions:
    """The night in an index of a test's own."""
    index = shutil.copytree(world.options.index, tmp_path / "index", symlinks=True)
    return replace(world.options, index=str(index))


def correction(
    content: str,
    group: str,
    label: str | None,
    answer: Answer,
    *,
    image_id: str = GONE,
    who: str = "ada",
) -> Correction:
    return Correction(
        format_version=1,
        at="2026-11-23T03:15:00.000000Z",
        who=who,
        content_sha256=content,
        image_id=image_id,
        group=group,
        label=label,
        answer=answer,
    )


def say(options: TagOptions, *said: Correction) -> None:
    Index(options.index).corrections.append(said)


Question = tuple[str, str | None]


class Plain:
    """The same night, by loops over rows and corrections."""

    def __init__(self, world: World, said: list[Correction]) -> None:
        self.rows = world.rows
        self.known = {(row.group, row.label): row for row in world.labels.itertuples()}
        self.others = [key for key in self.known if key[0] != "color" and key not in RETIRED]
        self.standing: dict[tuple[str, Question], tuple[int, Correction]] = {}
        self.said = [one for one in said if self.question(one)]
        for line, one in enumerate(said):
            if question := self.question(one):
                self.standing[one.content_sha256, question] = (line, one)

    @staticmethod
    def question(one: Correction) -> Question | None:
        if one.group == "color":
            senseless = one.answer == "is_not" or (one.answer == "is" and one.label is None)
            return None if senseless else ("color", None)
        return None if one.label is None else (one.group, one.label)

    def words(self, image_id: str) -> dict[Question, tuple[int, Correction]]:
        """What is in force about a row, taken back or not."""
        row = self.rows.loc[image_id]
        if row["status"] != "ok":
            return {}
        return {
            question: word
            for (content, question), word in self.standing.items()
            if content == row["content_sha256"]
        }

    def spoken(self, image_id: str) -> dict[Question, Correction]:
        words = self.words(image_id)
        return {q: one for q, (_, one) in words.items() if one.answer != "withdrawn"}

    def counts(self, one: Correction) -> bool:
        return one.answer in ("is", "is_not", "none") and (one.group, one.label) not in RETIRED

    def color(self, image_id: str) -> str | None:
        one = self.spoken(image_id).get(("color", None))
        return one.label if one and self.counts(one) else self.own(image_id)

    def own(self, image_id: str) -> str | None:
        answer = self.rows.loc[image_id, "color"]
        return answer if isinstance(answer, str) else None

    def sure(self, image_id: str) -> float:
        row = self.rows.loc[image_id]
        if self.own(image_id):
            return float(row["color_score"])
        active = [
            label for key, label in self.known.items() if key[0] == "color" and key not in RETIRED
        ]
        odds = [row[label.column] / (1 - row[label.column]) for label in active]
        return round(1 / (1 + sum(odds)), 4)

    def model_has(self, image_id: str, key: tuple[str, str]) -> bool:
        label = self.known.get(key)
        return label is not None and bool(self.rows.loc[image_id, label.column] >= label.threshold)

    def tags(self, image_id: str) -> set[str]:
        has = {key for key in self.others if self.model_has(image_id, key)}
        for (group, label), one in self.spoken(image_id).items():
            if label and self.counts(one) and one.answer != "none":
                (has.add if one.answer == "is" else has.discard)((group, label))
        return {f"{group}:{label}" for group, label in has}

    def asked(self, image_id: str) -> set[Question]:
        """The questions that were answered of other bytes under this name, and not of these."""
        row = self.rows.loc[image_id]
        if row["status"] != "ok":
            return set()
        found = set()
        for one in self.said:
            question = self.question(one)
            if one.image_id != image_id or one.content_sha256 == row["content_sha256"]:
                continue
            last = self.standing[one.content_sha256, question][1]
            if self.counts(last) and question not in self.spoken(image_id):
                found.add(question)
        return found

    def against(self, image_id: str) -> bool:
        if self.color(image_id) != self.own(image_id):
            return True
        return any(
            self.counts(one)
            and one.answer != "none"
            and (one.answer == "is") != self.model_has(image_id, (group, label))
            for (group, label), one in self.spoken(image_id).items()
            if label
        )

    def is_said(self, image_id: str, by: str) -> bool:
        spoken = self.spoken(image_id)
        if by == "proposed":
            return any(
                one.answer == "is" and (one.group, one.label) not in self.known
                for one in spoken.values()
            )
        return {
            "anyone": bool(spoken),
            "nobody": not spoken,
            "against_model": self.rows.loc[image_id, "status"] == "ok" and self.against(image_id),
            "asked_again": bool(self.asked(image_id)),
            "unknown": any(one.answer == "unknown" for one in spoken.values()),
        }[by]

    def has(self, image_id: str, wanted: Wanted) -> bool:
        row = self.rows.loc[image_id]
        ok = row["status"] == "ok"
        group, _, name = (wanted.label or ":").partition(":")
        score = row[self.known[group, name].column] if wanted.label else 0.0
        return (
            all(ok and self.color(image_id) == answer for answer in wanted.answers.values())
            and all(ok and tag in self.tags(image_id) for tag in wanted.tags)
            and wanted.status in (None, row["status"])
            and wanted.path.lower() in image_id.lower()
            and (wanted.label is None or wanted.least <= score <= wanted.most)
            and (not wanted.changed or image_id == "later.jpg")
            and (wanted.said is None or self.is_said(image_id, wanted.said))
        )

    def find(self, wanted: Wanted) -> list[str]:
        found = [image_id for image_id in self.rows.index if self.has(image_id, wanted)]
        if wanted.order == "score":
            group, _, name = str(wanted.label).partition(":")
            column = self.known[group, name].column
            return sorted(found, key=lambda image_id: -self.rows.loc[image_id, column])
        if wanted.order == "least_sure":
            found = [one for one in found if self.rows.loc[one, "status"] == "ok"]
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
    ids = [*world.rows.index[:6], GONE, world.rows.index[-1]]
    contents = [*world.rows["content_sha256"].iloc[:6], FOREIGN, "0" * 63 + "1"]
    return [
        correction(contents[c], *subject, answer, image_id=ids[i], who=who)
        for c, i, subject, answer, who in told
    ]


@settings(max_examples=150, deadline=None)
@given(SAID, st.lists(WANTED, min_size=1, max_size=6), st.integers(0, 25))
def test_what_is_found_is_what_loops_over_rows_and_corrections_find(
    world: World, told: list[tuple[Any, ...]], questions: list[Wanted], before: int
) -> None:
    said = corrections(world, told)
    log = Index(world.options.index).corrections
    log.path.unlink(missing_ok=True)
    try:
        log.append(said[:before])
        with mock.patch.object(lines, "_AT_A_TIME", 1500):  # two or three lines
            table = opened(world.options)
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
