"""A sample of a real night: drawn, judged in corrections.jsonl, gone on with, shown by the runs."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace as replace_options
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from conftest import TINY, current_rows, passed, settle
from msgspec.structs import replace

from jobs.runs import list_runs, runs_text
from jobs.tag_catalog import TagOptions, tag_catalog
from jobs.train import TrainOptions, train
from schemas.corrections import Answer, Correction
from schemas.record import to_json
from schemas.rows import OVERRULED_TYPE
from schemas.samples import Estimate, Sample, SampledPicture
from tagger.datasets.sample import Sample as Drawn
from tagger.errors import InputError, StoreError
from tagger.index.corrected_rows import RowLabel
from tagger.index.corrections import InForce
from tagger.index.judging import judge
from tagger.index.model_answers import group_answers, label_answers
from tagger.index.samples import Samples, figures
from tagger.index.snapshots import Snapshot
from tagger.index.store import Index

Tagger = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def options(sample: Drawn, tmp_path_factory: pytest.TempPathFactory) -> TagOptions:
    """A night of the starter, whose groups are exclusive; tests add samples at most."""
    folder = tmp_path_factory.mktemp("sampled")
    return tagged(sample, folder, None)


def tagged(sample: Drawn, folder: Path, model: str | None) -> TagOptions:
    catalog = Path(shutil.copytree(sample.catalog, folder / "catalog"))
    settle(catalog)
    index = str(folder / "index")
    options = TagOptions(str(catalog), model, index, workers=1, max_error_rate=1)
    tag_catalog(options)
    return options


@pytest.fixture
def night(options: TagOptions) -> Snapshot:
    snapshot = Index(options.index).current()
    assert snapshot is not None
    return snapshot


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    """Samples of a folder of the test's own."""
    return Samples(tmp_path)


def said(
    item: SampledPicture, group: str, label: str | None, answer: Answer, sample: str | None
) -> Correction:
    return Correction(
        format_version=1,
        at="2026-11-27T00:00:00.000000+00:00",
        who="ann",
        content_sha256=item.content,
        image_id=item.image_id,
        group=group,
        label=label,
        answer=answer,
        sample=sample,
    )


def right_as_it_is(item: SampledPicture, drawn: Sample) -> list[Correction]:
    """Return what a person says who finds all answers of a picture right."""
    words = []
    for each in drawn.estimates:
        if each.group not in drawn.groups:
            holds = f"{each.group}:{each.label}" in item.tags
            answer: Answer = "is" if holds else "is_not"
            words.append(said(item, each.group, each.label, answer, drawn.sample_id))
    for group, label in item.answers.items():
        answer = "none" if label is None else "is"
        words.append(said(item, group, label, answer, drawn.sample_id))
    return words


def of(drawn: Sample, group: str, label: str | None) -> Estimate:
    return next(e for e in drawn.estimates if (e.group, e.label) == (group, label))


def test_a_sample_says_what_the_night_answers(
    options: TagOptions, night: Snapshot, samples: Samples
) -> None:
    drawn = samples.draw_or_continue(night, 20, seed=4)
    rows = current_rows(options)
    ok = rows[rows["status"] == "ok"]
    assert (drawn.rows, drawn.drawn, drawn.judged) == (len(ok), 20, 0)
    assert len({item.image_id for item in drawn.items}) == 20
    for item in drawn.items:
        row = ok.loc[item.image_id]
        assert item.content == row["content_sha256"]
        for group in ("color", "type", "pattern"):
            assert item.answers[group] == (row[group] if pd.notna(row[group]) else None)
        assert item.tags == []
    for each in drawn.estimates:
        counts = ok[each.group].value_counts(dropna=False).rename({np.nan: None})
        assert each.answered_rows == counts.get(each.label, 0)
    assert sum(each.answered_rows for each in drawn.estimates) == 3 * len(ok)
    assert sum(each.answered_rows > 0 for each in drawn.estimates) > 5


@pytest.mark.tensorflow
@pytest.mark.usefixtures("eagerly")
def test_labels_of_a_group_that_is_not_exclusive_are_asked_about_one_by_one(
    sample: Drawn, tmp_path: Path
) -> None:
    sets, groups = (str(sample.labelled),), "color,garment+"
    how = TrainOptions(sets, str(tmp_path), "t", groups, epochs=1, architecture=TINY)
    options = tagged(sample, tmp_path, str(passed(train(how))))
    night = Index(options.index).current()
    assert night is not None
    samples = Samples(tmp_path)
    drawn = samples.draw_or_continue(night, 20)
    ok = current_rows(options).query("status == 'ok'")
    assert drawn.groups == ["color"]
    for each in drawn.estimates:
        if each.group == "garment":
            assert each.answered_rows == sum(each.label in tags for tags in ok["tags"])
    for item in drawn.items:
        names = [tag.partition(":")[2] for tag in item.tags]
        assert [*filter(None, item.answers.values()), *names] == list(ok.loc[item.image_id]["tags"])
    one = drawn.items[0]
    label = next(each.label for each in drawn.estimates if each.group == "garment")
    right = right_as_it_is(one, drawn)
    for answer, judged in (("is", 1), ("is_not", 1), ("unknown", 0)):
        words = [*right, said(one, "garment", label, answer, drawn.sample_id)]
        found = of(samples.update(drawn, InForce(words, drawn.groups)), "garment", label)
        holds = f"garment:{label}" in one.tags
        assert found.judged + found.missed == (judged if holds else int(answer == "is"))
        assert found.right == int(holds and answer == "is")
    words = [word for item in drawn.items for word in right_as_it_is(item, drawn)]
    assert samples.update(drawn, InForce(words, drawn.groups)).judged == 20


def test_the_same_seed_draws_the_same_and_another_another(night: Snapshot, tmp_path: Path) -> None:
    def pictures(folder: str, seed: int) -> list[SampledPicture]:
        (tmp_path / folder).mkdir()
        return Samples(tmp_path / folder).draw_or_continue(night, 9, seed=seed).items

    assert pictures("a", 1) == pictures("b", 1) != pictures("c", 2)


def test_a_sample_that_is_not_finished_is_gone_on_with(night: Snapshot, samples: Samples) -> None:
    first = samples.draw_or_continue(night, 8)
    assert samples.draw_or_continue(night, 8) == first
    other = samples.draw_or_continue(night, 9)
    assert other.sample_id != first.sample_id
    words = [word for item in first.items for word in right_as_it_is(item, first)]
    finished = samples.update(first, InForce(words, first.groups))
    assert finished.judged == finished.drawn == 8
    assert samples.draw_or_continue(night, 8).sample_id not in {first.sample_id, other.sample_id}
    assert len(list(samples.newest_first())) == 3


def test_all_right_is_one_hundred_percent_and_an_unfinished_sample_counts_what_was_said(
    night: Snapshot, samples: Samples
) -> None:
    drawn = samples.draw_or_continue(night, 20)
    words = [word for item in drawn.items[:5] for word in right_as_it_is(item, drawn)]
    updated = samples.update(drawn, InForce(words, drawn.groups))
    assert updated.judged == 5
    for each in updated.estimates:
        answered = [
            item
            for item in drawn.items[:5]
            if item.answers.get(each.group, 0) == each.label
            or f"{each.group}:{each.label}" in item.tags
        ]
        assert each.judged == each.right == len(answered)
        if each.judged:
            assert each.precision == each.precision_high == 1
            assert each.precision_low is not None
            assert each.precision_low < 1 or each.judged == each.answered_rows
            assert each.missing_low in (0, None)
        else:
            assert each.precision is each.precision_low is each.precision_high is None
    assert samples.newest() == updated


def test_unknown_is_left_out_and_a_withdrawn_or_proposed_answer_is_what_it_is(
    night: Snapshot, samples: Samples
) -> None:
    drawn = samples.draw_or_continue(night, 20)
    item = drawn.items[0]
    answered = item.answers["color"]

    def estimates(label: str | None, answer: Answer) -> Sample:
        word = said(item, "color", label, answer, drawn.sample_id)
        return samples.update(drawn, InForce([*right_as_it_is(item, drawn), word], drawn.groups))

    unknown = of(estimates(None, "unknown"), "color", answered)
    assert (unknown.judged, unknown.unknown, unknown.precision) == (0, 1, None)
    withdrawn = of(estimates(None, "withdrawn"), "color", answered)
    assert (withdrawn.judged, withdrawn.unknown) == (0, 0)
    proposed = estimates("turquoise", "is")
    none = of(proposed, "color", None)
    mine = of(proposed, "color", answered)
    assert (mine.judged, mine.right) == (1, int(answered is None))
    assert none.right + none.missed == 1


def test_what_was_said_before_the_sample_counts_when_its_turn_has_come(
    night: Snapshot, samples: Samples
) -> None:
    drawn = samples.draw_or_continue(night, 10)
    before = [replace(word, sample=None) for word in right_as_it_is(drawn.items[2], drawn)]
    assert samples.update(drawn, InForce(before, drawn.groups)).judged == 0
    first = [word for item in drawn.items[:2] for word in right_as_it_is(item, drawn)]
    now = samples.update(drawn, InForce([*before, *first], drawn.groups))
    assert now.judged == 3
    assert sum(each.judged for each in now.estimates if each.group == "color") == 3


def test_who_corrects_only_what_is_wrong_is_not_told_that_all_is_wrong(
    night: Snapshot, samples: Samples
) -> None:
    drawn = samples.draw_or_continue(night, 20)
    wrong = [
        said(item, "color", None, "none" if item.answers["color"] else "unknown", drawn.sample_id)
        for item in (drawn.items[7], drawn.items[15])
    ]
    corrected = samples.update(drawn, InForce(wrong, drawn.groups))
    assert corrected.judged == 0
    assert corrected.estimates == drawn.estimates
    rest = [word for item in drawn.items[:10] for word in right_as_it_is(item, drawn)]
    confirmed = [word for word in rest if (word.content_sha256, word.group) not in _about(wrong)]
    now = samples.update(drawn, InForce([*wrong, *confirmed], drawn.groups))
    assert now.judged == 10
    colors = [each for each in now.estimates if each.group == "color"]
    of_seventh = int(drawn.items[7].answers["color"] is not None)
    assert sum(each.judged for each in colors) == 10 - (1 - of_seventh)
    assert sum(each.right for each in colors) == 9


def _about(words: list[Correction]) -> set[tuple[str, str]]:
    return {(word.content_sha256, word.group) for word in words}


def test_a_question_left_open_ends_what_counts_and_not_known_is_an_answer(
    night: Snapshot, samples: Samples
) -> None:
    drawn = samples.draw_or_continue(night, 6)
    words = [word for item in drawn.items for word in right_as_it_is(item, drawn)]
    third = drawn.items[2]

    def judged(answer: Answer) -> int:
        word = said(third, "color", None, answer, drawn.sample_id)
        return samples.update(drawn, InForce([*words, word], drawn.groups)).judged

    assert (judged("unknown"), judged("withdrawn"), judged("none")) == (6, 2, 6)


def test_a_night_of_few_pictures_is_judged_as_a_whole_and_exactly(
    options: TagOptions, night: Snapshot, samples: Samples
) -> None:
    drawn = samples.draw_or_continue(night, 500)
    assert drawn.drawn == drawn.rows < drawn.size
    words = []
    for place, item in enumerate(drawn.items):
        label = "red" if place % 3 == 0 else "blue"
        words += right_as_it_is(item, drawn)
        words.append(said(item, "color", label, "is", drawn.sample_id))
    updated = samples.update(drawn, InForce(words, drawn.groups))
    for each in updated.estimates:
        if each.precision is not None:
            assert each.precision == pytest.approx(each.right / each.answered_rows, abs=1e-6)
            assert each.precision_low == each.precision == each.precision_high
        if each.missing is not None:
            assert each.missing == pytest.approx(each.missed / (each.missed + each.right), abs=1e-6)
            assert each.missing_low == each.missing == each.missing_high


def test_runs_show_the_newest_sample_of_which_something_was_judged(
    options: TagOptions, night: Snapshot, tagger: Tagger
) -> None:
    assert list_runs(options.index).samples == []
    kept = Samples(Path(options.index))
    drawn = kept.draw_or_continue(night, 12)
    words = [word for item in drawn.items[:6] for word in right_as_it_is(item, drawn)]
    judged = kept.update(drawn, InForce(words, drawn.groups))
    kept.draw_or_continue(night, 13)
    report = list_runs(options.index)
    assert report.samples == [figures(judged)]
    text = runs_text(report)
    assert f"by a sample of 12 pictures of the night {night.path.name}, 6 judged:" in text
    assert "100%" in text
    printed = json.loads(tagger("runs", options.index, "--json").stdout)
    assert printed["samples"][0]["judged"] == 6
    assert "items" not in printed["samples"][0]


def test_a_damaged_sample_is_refused_in_words_and_hides_no_nights(
    options: TagOptions, night: Snapshot, tmp_path: Path, tagger: Tagger
) -> None:
    samples = Samples(tmp_path)
    drawn = samples.draw_or_continue(night, 5)
    path = tmp_path / "samples" / f"{drawn.sample_id}.json"
    whole = json.loads(path.read_text())
    path.write_text(json.dumps(whole | {"of_a_later_version": 1}))
    assert samples.newest() == drawn
    for damaged in (
        "{",
        json.dumps(whole | {"format_version": 2}),
        json.dumps(whole | {"rows": 0}),
    ):
        path.write_text(damaged)
        with pytest.raises(StoreError, match=r"is no sample that can be read .* corrections.jsonl"):
            samples.newest()
        with pytest.raises(StoreError):
            samples.draw_or_continue(night, 5)
    stray = Path(options.index) / "samples" / "99990101T000000Z-0000.json"
    stray.parent.mkdir(exist_ok=True)
    stray.write_text("{")
    ran = tagger("runs", options.index)
    stray.unlink()
    assert ran.returncode == 0
    assert night.path.name in ran.stdout
    assert "is no sample" in ran.stderr


def test_no_picture_to_draw_and_a_folder_that_cannot_be_written_are_said(
    night: Snapshot, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="at least one picture"):
        Samples(tmp_path).draw_or_continue(night, 0)
    (tmp_path / "samples").write_text("a file")
    with pytest.raises(InputError, match="cannot be written"):
        Samples(tmp_path).draw_or_continue(night, 3)


def test_what_the_model_answered_is_known_under_what_persons_said() -> None:
    def own(group: str, answer: str | None) -> dict[str, object]:
        return {"group": group, "answer": answer, "score": None if answer is None else 0.7}

    labels = [RowLabel("trait", "long", "score_long", 0.3, False)]
    rows = pa.table(
        {
            "model_id": ["m", "m", "m", None],
            "color": pa.array(["red", "green", "gold", None], pa.string()),
            "overruled": pa.array(
                [
                    [own("type", "dress")],
                    [own("type", None), own("color", "blue")],
                    [own("color", None)],
                    None,
                ],
                OVERRULED_TYPE,
            ),
            "score_long": [0.3, 0.2, 0.9, None],
        }
    )
    assert group_answers(rows, "color").to_pylist() == ["red", "blue", None, None]
    assert group_answers(rows.drop_columns("overruled"), "color").to_pylist()[1] == "green"
    long = label_answers(rows, {"m": labels}, "trait", "long")
    assert long.tolist() == [True, False, True, False]


def test_a_sample_of_a_corrected_night_is_about_what_the_model_said(
    options: TagOptions, night: Snapshot, tmp_path: Path
) -> None:
    before = Samples(tmp_path).draw_or_continue(night, 500)
    path = shutil.copytree(options.index, tmp_path / "index", symlinks=True)
    words = [
        said(item, "color", None, "none", None)
        if item.answers["color"]
        else said(item, "color", "red", "is", None)
        for item in before.items[:9]
    ]
    Index(path).corrections.append(words)
    assert tag_catalog(replace_options(options, index=str(path))).corrected == 9
    corrected = Index(path).current()
    assert corrected is not None
    after = Samples(path).draw_or_continue(corrected, 500)
    assert after.estimates == before.estimates

    def answers(drawn: Sample) -> set[tuple[str, str | None, str | None]]:
        return {(i.image_id, i.answers["color"], i.answers["type"]) for i in drawn.items}

    assert answers(after) == answers(before)


def test_a_judgement_stands_though_the_night_is_gone(night: Snapshot, samples: Samples) -> None:
    """Whatever a sample needs is in its file."""
    drawn = samples.draw_or_continue(night, 6)
    kept = json.loads(to_json(drawn))
    assert {"snapshot", "model_id", "seed", "size", "rows", "items"} <= set(kept)
    words = [word for item in drawn.items for word in right_as_it_is(item, drawn)]
    found = judge(drawn, InForce(words, drawn.groups))
    assert found.complete == 6
    assert np.sum([item.weight for item in drawn.items]) == pytest.approx(drawn.rows, rel=0.5)
    assert not os.path.exists(drawn.snapshot)
