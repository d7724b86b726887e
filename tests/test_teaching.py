"""What persons said of pictures teaches: as labels, by content, above what a labelled set gives."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TINY, Command, passed, settle
from hypothesis import given
from hypothesis import strategies as st
from persons import Person

from jobs.check import check_training
from jobs.check_text import check_text
from jobs.retrain import RetrainOptions, retrain
from jobs.tag_catalog import TagOptions, tag_catalog
from jobs.train import TrainOptions, train
from schemas.training import CheckReport, CorrectedParts, RetrainReport
from tagger.datasets.corrected import settle as settled
from tagger.datasets.corrected import with_said, without_labels
from tagger.datasets.labelled_set import Example, LabelledSet, Said
from tagger.datasets.sample import Sample
from tagger.errors import DatasetError, InputError, StoreError
from tagger.labels.vocabulary import Vocabulary, parse_groups
from tagger.models.bundle import load_bundle
from tagger.pipeline.corrected_set import pictures_with_label, read_corrected

GROUPS = parse_groups("color,use+")
VOCABULARY = Vocabulary.build(
    GROUPS, [("color", "blue"), ("color", "red"), ("use", "home"), ("use", "work")]
)
DIGEST = "a" * 64


@pytest.fixture(scope="module")
def night(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a catalog, and its index by the starter, in which nobody said anything."""
    folder = tmp_path_factory.mktemp("night")
    settle(Path(shutil.copytree(sample.catalog, folder / "catalog")))
    tag_catalog(TagOptions(str(folder / "catalog"), None, str(folder / "index"), max_error_rate=1))
    return folder


@pytest.fixture
def index(night: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(night / "index", tmp_path / "index", symlinks=True))


@pytest.fixture
def pictures(night: Path, sample: Sample) -> list[Path]:
    return [night / "catalog" / image_id for image_id in sorted(sample.truth)]


def checked(tmp_path: Path, *sets: Path, **more: Any) -> CheckReport:
    return check_training(TrainOptions(tuple(map(str, sets)), str(tmp_path / "models"), **more))


def became(report: CheckReport) -> tuple[int, int, int, int]:
    """Return how many corrected pictures are used, in a set too, changed and gone."""
    found = report.corrected
    assert found is not None
    return found.used, found.both, found.changed, found.gone


def copied(pictures: list[Path], root: Path, label: str) -> Path:
    """Return a labelled set in which these pictures are in the folder of a label."""
    (root / label).mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        shutil.copy(picture, root / label / picture.name)
    return root


def test_in_an_exclusive_group_the_last_word_counts(index: Path, pictures: list[Path]) -> None:
    ann, ben = Person(index), Person(index, who="ben")
    for picture in pictures[:5]:
        ann.says(picture, "color", "red")
    ben.says(pictures[1], "color", None, "none")
    ben.says(pictures[2], "color", None, "unknown")
    ben.says(pictures[3], "color", None, "withdrawn")
    ben.says(pictures[4], "color", "blue")
    vocabulary = Vocabulary.build(GROUPS, [("color", "blue"), ("color", "red")])
    found = read_corrected(str(index), GROUPS[:1])
    targets = {
        Path(example.path): row
        for example, row in zip(found.examples, found.targets(vocabulary), strict=True)
    }
    expected = [[0, 1], [0, 0], [np.nan, np.nan], None, [1, 0]]
    for picture, row in zip(pictures, expected, strict=False):
        assert (picture in targets) == (row is not None)
        if row is not None:
            assert np.array_equal(targets[picture], row, equal_nan=True)


def test_labels_of_other_groups_are_known_one_by_one() -> None:
    said = Said(DIGEST, {}, {("use", "home"): True, ("use", "work"): None})
    example = with_said(Example("a.jpg", "a.jpg", frozenset(), frozenset()), said)
    targets = LabelledSet("set", [example], tuple(GROUPS)).targets(VOCABULARY)
    assert np.array_equal(targets, [[np.nan, np.nan, 1, np.nan]], equal_nan=True)
    given = Example("a.jpg", "a.jpg", frozenset({("use", "work")}), frozenset({"use"}))
    for shows, expected in ((True, [1, 1]), (False, [0, 1]), (None, [np.nan, 1])):
        corrected = with_said(given, Said(DIGEST, {}, {("use", "home"): shows}))
        targets = LabelledSet("set", [corrected], tuple(GROUPS)).targets(VOCABULARY)
        assert np.array_equal(targets[0, 2:], expected, equal_nan=True)


def test_a_label_of_another_group_that_nobody_teaches_leaves_the_others_known() -> None:
    given = Example("a.jpg", "a.jpg", frozenset({("use", "work")}), frozenset({"use"}))
    said = Said(DIGEST, {}, {("use", "beach"): True})
    targets = LabelledSet("set", [with_said(given, said)], tuple(GROUPS)).targets(VOCABULARY)
    assert np.array_equal(targets[0, 2:], [0, 1])


ANSWERS = st.one_of(st.none(), st.sampled_from([frozenset(), {"red"}, {"blue"}]).map(frozenset))
SAID = st.builds(
    Said,
    st.sampled_from([letter * 64 for letter in "abc"]),
    st.dictionaries(st.just("color"), ANSWERS),
    st.dictionaries(
        st.sampled_from([("use", "home"), ("use", "work")]), st.sampled_from([True, False, None])
    ),
)
GIVEN = st.builds(
    lambda present, known: Example("g.jpg", "g.jpg", present, known),
    st.frozensets(st.sampled_from([("color", "red"), ("use", "work")])),
    st.just(frozenset({"color", "use"})),
)


@given(GIVEN, SAID)
def test_what_a_person_says_holds_and_what_not_stays(given: Example, said: Said) -> None:
    now = with_said(given, said)
    assert with_said(now, said) == now
    targets = LabelledSet("set", [given, now], tuple(GROUPS)).targets(VOCABULARY)
    for i, label in enumerate(VOCABULARY.labels):
        key = (label.group, label.name)
        if label.group in said.answers:
            names = said.answers[label.group]
            expected = np.nan if names is None else label.name in names
        elif key in said.single:
            shows = said.single[key]
            expected = np.nan if shows is None else shows
        else:
            expected = targets[0, i]
        assert np.array_equal(targets[1, i], expected, equal_nan=True)


@given(
    st.lists(st.sampled_from("abcd")),
    st.lists(
        st.tuples(SAID, st.sampled_from(["same", "other", "gone"])),
        unique_by=lambda x: x[0].content,
    ),
)
def test_every_content_is_labelled_once_and_a_person_s_word_is_the_last(
    given: list[str], corrected: list[tuple[Said, str]]
) -> None:
    examples = [
        Example(f"{i}.jpg", f"{i}.jpg", frozenset({("color", "red")}), frozenset({"color"}))
        for i in range(len(given))
    ]
    blank = Example("c.jpg", "c.jpg", frozenset(), frozenset())
    examples += [with_said(blank, said) for said, _ in corrected]
    digests: list[str | None] = [letter * 64 for letter in given]
    now = {"other": "f" * 64, "gone": None}
    digests += [now.get(what, said.content) for said, what in corrected]
    result = settled(LabelledSet("set", examples, tuple(GROUPS)), digests)
    kept = [i for i in range(len(examples)) if i not in result.left_out]
    assert set(range(len(given))) <= set(kept)
    for said, what in corrected:
        i = len(given) + [one for one, _ in corrected].index(said)
        assert what != "other" or i in result.left_out
        here = [k for k, digest in enumerate(digests[: len(given)]) if digest == said.content]
        assert what != "same" or not here or i in result.left_out
        for k in here:
            assert result.labelled.examples[k] == with_said(examples[k], said)
    assert result.changed == sum(what == "other" for _, what in corrected)
    assert result.both == {said.content for said, _ in corrected} & {x * 64 for x in given}


def test_corrections_alone_are_a_labelled_set(
    index: Path, pictures: list[Path], sample: Sample, night: Path, tmp_path: Path
) -> None:
    ann = Person(index)
    for picture in pictures:
        color, garment = sample.truth[str(picture.relative_to(night / "catalog"))]
        ann.says(picture, "color", color)
        ann.says(picture, "type", "pants" if garment == "jeans" else garment)
    found = checked(tmp_path, corrections=str(index))
    assert found.pictures == len(pictures)
    assert found.labels["color:red"] == sum(color == "red" for color, _ in sample.truth.values())
    assert became(found) == (len(pictures), 0, 0, 0)


def test_the_person_s_word_counts_above_the_set_s_and_the_picture_once(
    index: Path, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labelled = copied(pictures[:4], tmp_path / "set", "red_dress")
    copied(pictures[4:8], tmp_path / "set", "blue_shirt")
    ann = Person(index)
    ann.says(pictures[0], "color", "green")
    ann.says(pictures[1], "color", None, "unknown")
    ann.says(pictures[9], "color", "green")
    found = checked(tmp_path, labelled, groups="color,type", corrections=str(index))
    assert (found.pictures, found.named) == (9, 9)
    assert found.labels == {
        "color:blue": 4,
        "color:green": 2,
        "color:red": 2,
        "type:dress": 4,
        "type:shirt": 4,
    }
    assert became(found) == (3, 2, 0, 0)
    assert found.duplicates == []
    assert "2 pictures are both labelled and corrected" in capsys.readouterr().err


def test_a_new_label_s_pictures_in_sets_and_in_corrections_are_counted_apart() -> None:
    teal = frozenset({("color", "teal")})
    given = [Example(f"{i}.jpg", f"{i}.jpg", teal, frozenset({"color"})) for i in range(3)]
    one = with_said(given[0], Said("a" * 64, {"color": frozenset({"teal"})}))
    found = {
        n: pictures_with_label(LabelledSet("set", examples, tuple(GROUPS)), "color:teal")
        for n, examples in (("sets", given), ("both", [*given, one]), ("corrections", [one]))
    }
    assert found == {
        "sets": "3 pictures",
        "both": "3 pictures of the sets, and 1 corrected ones",
        "corrections": "1 pictures",
    }


def test_what_was_said_of_other_bytes_or_of_pictures_that_are_gone_is_left_out_and_counted(
    sample: Sample, catalog: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(catalog)
    index = tmp_path / "index"
    options = TagOptions(str(catalog), None, str(index), max_error_rate=1, max_delete_rate=1)
    tag_catalog(options)
    pictures = [catalog / image_id for image_id in sorted(sample.truth)]
    ann = Person(index)
    for picture in pictures[:6]:
        ann.says(picture, "color", "red")
        ann.says(picture, "type", "dress")
    pictures[0].unlink()
    tag_catalog(options)  # this night has one less
    shutil.copy(pictures[7], pictures[1])  # and this has changed since
    pictures[2].unlink()
    found = checked(tmp_path, corrections=str(index))
    assert became(found) == (3, 0, 1, 2)
    assert found.labels == {"color:red": 3, "type:dress": 3}
    assert len(found.unreadable) == 1
    said = capsys.readouterr().err
    assert "1 corrected pictures that are not in the catalog any more" in said
    assert "1 corrected pictures whose files have other bytes now" in said


def test_a_corrected_picture_that_cannot_be_read_is_neither_used_nor_counted_by_label(
    sample: Sample, catalog: Path, tmp_path: Path
) -> None:
    settle(catalog)
    index = tmp_path / "index"
    tag_catalog(TagOptions(str(catalog), None, str(index), max_error_rate=1))
    pictures = [catalog / image_id for image_id in sorted(sample.truth)]
    labelled = copied(pictures[:3], tmp_path / "set", "red_dress")
    copied(pictures[6:8], tmp_path / "set", "blue_shirt")
    ann = Person(index)
    for picture in pictures[:6]:
        ann.says(picture, "color", "green")
    (labelled / "red_dress" / pictures[0].name).write_bytes(b"not a picture any more")
    pictures[0].unlink()
    pictures[5].unlink()
    found = checked(tmp_path, labelled, groups="color,type", corrections=str(index))
    assert became(found) == (4, 2, 0, 2)
    assert found.labels["color:green"] == 4
    assert len(found.unreadable) == 3


def test_a_correction_teaches_by_whichever_copy_is_still_there(
    sample: Sample, catalog: Path, tmp_path: Path
) -> None:
    settle(catalog)
    picture, other = (catalog / image_id for image_id in sorted(sample.truth)[:2])
    for name in ("0-first.jpg", "1-second.jpg", "zz-last.jpg"):
        shutil.copy2(picture, catalog / name)
    index = tmp_path / "index"
    tag_catalog(TagOptions(str(catalog), None, str(index), max_error_rate=1))
    Person(index).says(picture, "color", "red")
    Person(index).says(other, "color", "blue")
    picture.unlink()
    (catalog / "0-first.jpg").unlink()
    shutil.copy(other, catalog / "1-second.jpg")
    found = read_corrected(str(index), None)
    assert "zz-last.jpg" in [example.image_id for example in found.examples]
    assert became(checked(tmp_path, corrections=str(index))) == (2, 0, 0, 0)


def test_the_parts_in_which_corrected_pictures_are_are_counted_and_what_that_means_is_said(
    index: Path, pictures: list[Path], sample: Sample, night: Path, tmp_path: Path
) -> None:
    ann = Person(index)
    for picture in pictures[4:]:
        color, _ = sample.truth[str(picture.relative_to(night / "catalog"))]
        ann.says(picture, "color", color)
    labelled = copied(pictures[:2], tmp_path / "set", "red_dress")
    copied(pictures[2:4], tmp_path / "set", "blue_shirt")
    found = checked(tmp_path, labelled, groups="color,type", corrections=str(index))
    assert found.corrected is not None
    parts = found.corrected.parts
    assert isinstance(parts, CorrectedParts)
    assert parts.train + parts.validation + parts.test == found.corrected.used == len(pictures) - 4
    assert parts.test
    said = check_text(found)
    assert f"corrected pictures: {parts.train} in the part for training, " in said
    assert f"{parts.test} for testing; figures of the test part rest partly on pictures" in said
    assert checked(tmp_path, labelled, groups="color,type").corrected is None


def test_names_in_a_log_that_somebody_else_wrote_do_not_reach_the_terminal_as_they_are(
    index: Path, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ann = Person(index)
    ann.says(pictures[0], "hue\x1b[2J", "deep")
    with pytest.raises(DatasetError) as refused:
        checked(tmp_path, corrections=str(index))
    ann.says(pictures[0], "color", "te\x1b[2Jal")
    ann.says(pictures[1], "color", "red")
    ann.says(pictures[2], "color", "blue")
    found = checked(tmp_path, corrections=str(index))
    entries = [{"group": "color", "name": name} for name in ("red", "blue")]
    (tmp_path / "v.json").write_text(json.dumps({"groups": [{"name": "color"}], "labels": entries}))
    checked(tmp_path, corrections=str(index), vocabulary=str(tmp_path / "v.json"))
    said = capsys.readouterr().err
    assert "color:te\\x1b[2Jal" in said
    for text in (said, str(refused.value), check_text(found)):
        assert "x1b[2J" in text
        assert "\x1b[2J" not in text


def test_a_renamed_picture_keeps_what_was_said(
    sample: Sample, catalog: Path, tmp_path: Path
) -> None:
    settle(catalog)
    index = tmp_path / "index"
    options = TagOptions(str(catalog), None, str(index), max_error_rate=1, max_delete_rate=1)
    tag_catalog(options)
    picture = catalog / min(sample.truth)
    Person(index).says(picture, "color", "red")
    picture.rename(catalog / "renamed.jpg")
    tag_catalog(options)
    assert [e.image_id for e in read_corrected(str(index), None).examples] == ["renamed.jpg"]


def test_what_fits_nothing_is_refused_in_words(
    index: Path, pictures: list[Path], tmp_path: Path, tagger: Command
) -> None:
    with pytest.raises(InputError, match=r"name a DATASET, or give (--)?corrections INDEX"):
        checked(tmp_path)
    with pytest.raises(InputError, match="are about labelled sets, and none is named"):
        checked(tmp_path, corrections=str(index), exclude=("*.png",))
    with pytest.raises(StoreError, match="has no snapshot"):
        checked(tmp_path, corrections=str(tmp_path / "nowhere"))
    with pytest.raises(DatasetError, match="persons spoke of nothing yet"):
        checked(tmp_path, corrections=str(index))
    Person(index).says(pictures[0], "color", "red")
    labelled = copied(pictures[:2], tmp_path / "set", "red_dress")
    with pytest.raises(
        DatasetError, match=r"persons spoke of 'color', and taught are 'fit', 'hue'"
    ):
        checked(tmp_path, labelled, groups="hue,fit", corrections=str(index))
    with pytest.raises(DatasetError, match="the index has the group as color; write it so"):
        checked(tmp_path, labelled, groups="color+,type", corrections=str(index))
    (index / "corrections.jsonl").write_text("{}\n")
    ended = tagger("train", "--models", tmp_path / "m", "--corrections", index, "--check")
    assert ended.returncode == 2
    assert "the line at byte 0 is damaged" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_labels_that_a_given_vocabulary_lacks_are_unknown_and_counted(
    index: Path, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ann = Person(index)
    for picture, color in zip(pictures, ["red", "blue", "teal", "blue"], strict=False):
        ann.says(picture, "color", color)
    entries = [{"group": "color", "name": name} for name in ("red", "blue")]
    entries[1]["retired"] = True  # type: ignore[assignment]
    (tmp_path / "v.json").write_text(json.dumps({"groups": [{"name": "color"}], "labels": entries}))
    found = checked(tmp_path, corrections=str(index), vocabulary=str(tmp_path / "v.json"))
    assert found.labels == {"color:red": 1}
    said = capsys.readouterr().err
    assert "retired labels that persons named, unknown on their pictures: 'color:blue' 2" in said
    assert "the model does not have, unknown on their pictures: 'color:teal' 1" in said


def test_a_proposed_label_makes_what_the_set_gives_unknown_rather_than_true() -> None:
    given = Example("a.jpg", "a.jpg", frozenset({("color", "red")}), frozenset({"color"}))
    said = without_labels(Said(DIGEST, {"color": frozenset({"teal"})}), {("color", "teal")})
    now = with_said(given, said)
    assert not now.present
    assert not now.known


@pytest.fixture(scope="module")
def tagged(sample: Sample, bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models, a catalog and its index by a trained model of color and garment."""
    folder = tmp_path_factory.mktemp("tagged")
    shutil.copytree(bundle_path.parent, folder / "models", symlinks=True)
    settle(Path(shutil.copytree(sample.catalog, folder / "catalog")))
    tag_catalog(
        TagOptions(
            str(folder / "catalog"),
            str(folder / "models" / "tiny-v1"),
            str(folder / "index"),
            max_error_rate=1,
        )
    )
    return folder


@pytest.fixture
def world(tagged: Path, tmp_path: Path) -> Path:
    """Models and an index of a test's own; the catalog is everybody's."""
    for name in ("models", "index"):
        shutil.copytree(tagged / name, tmp_path / name, symlinks=True)
    return tmp_path


def corrected_as(world: Path, tagged: Path, sample: Sample, **other: str) -> None:
    """Say of every picture what it shows, colors by other names where they have some."""
    ann = Person(world / "index")
    for image_id, (color, garment) in sample.truth.items():
        ann.says(tagged / "catalog" / image_id, "color", other.get(color, color))
        ann.says(tagged / "catalog" / image_id, "garment", garment)


def again(world: Path, *sets: Path, **more: Any) -> RetrainReport:
    models = world / "models"
    options = {"epochs": 1, "tolerance": 100.0, "corrections": str(world / "index")} | more
    return retrain(
        RetrainOptions(tuple(map(str, sets)), str(models / "tiny-v1"), str(models), **options)
    )


@pytest.mark.tensorflow
@pytest.mark.usefixtures("eagerly")
def test_a_model_is_retrained_by_corrections_beside_its_set_and_its_card_says_so(
    world: Path, tagged: Path, sample: Sample
) -> None:
    corrected_as(world, tagged, sample)
    result = again(world, sample.labelled)
    assert result.replayed
    before = load_bundle(world / "models" / "tiny-v1").split()["content_sha256"].to_pylist()
    after = load_bundle(result.bundle).split()["content_sha256"].to_pylist()
    assert len(after) == len(before) + len(sample.truth)
    card = (Path(result.bundle) / "README.md").read_text()
    assert "trained on: labelled and the corrections of index" in card
    assert "--corrections index" in card
    assert "\n- corrected pictures: " in card
    assert "figures of the test part rest partly on pictures that somebody chose" in card
    assert str(world) not in card


@pytest.mark.tensorflow
@pytest.mark.usefixtures("eagerly")
def test_corrections_alone_retrain_a_model_whose_answers_stand_in_for_the_rest(
    world: Path, tagged: Path, sample: Sample
) -> None:
    corrected_as(world, tagged, sample)
    result = again(world)
    assert not result.replayed
    assert result.pictures.train + result.pictures.validation + result.pictures.test == 36


@pytest.mark.tensorflow
@pytest.mark.usefixtures("eagerly")
def test_a_proposed_label_is_taught_once_it_is_added_and_unknown_before(
    world: Path, tagged: Path, sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    corrected_as(world, tagged, sample, green="teal")
    result = again(world, sample.labelled)
    assert result.added == []
    said = capsys.readouterr().err
    assert "does not have, unknown on their pictures: 'color:teal' 9" in said
    result = again(world, sample.labelled, add=("color:teal",))
    assert result.added == ["color:teal"]
    assert result.evaluation.labels[-1].label == "color:teal"
    assert "'color:teal' (9 pictures)" in capsys.readouterr().err


@pytest.mark.tensorflow
@pytest.mark.usefixtures("eagerly")
def test_none_of_these_says_nothing_of_a_label_that_came_later(
    world: Path, tagged: Path, sample: Sample
) -> None:
    from tagger.pipeline.from_parent import FromParent
    from tagger.pipeline.labelled_sets import decode_set
    from tagger.pipeline.options import TrainingOptions

    ids = sorted(sample.truth)
    ann = Person(world / "index")
    for image_id in ids:
        ann.says(tagged / "catalog" / image_id, "color", "teal")
    ann.says(tagged / "catalog" / ids[0], "color", None, "none")
    ann.says(tagged / "catalog" / ids[1], "color", "red")
    start = FromParent(parent=load_bundle(world / "models" / "tiny-v1"), add=("color:teal",))
    options = TrainingOptions(
        datasets=(),
        models=world / "models",
        family="tiny",
        corrections=str(world / "index"),
    )
    labelled = start.sets(options)
    vocabulary = start.taught(labelled, options)
    prepared = decode_set(labelled, world / "pixels", start.reading(), workers=1)
    split = start.split(prepared, vocabulary, seed=0)
    targets = split.targets[[e.image_id for e in labelled.examples].index(ids[0])]
    red = vocabulary.index("color", "red")
    assert np.isnan(targets[-1])  # what the person was asked did not have teal
    others = [i for i in vocabulary.members("color") if i != len(vocabulary) - 1]
    assert split.replays or (np.isnan(targets[others]) | (targets[others] == 0)).all()
    answered = split.targets[[e.image_id for e in labelled.examples].index(ids[1])]
    assert answered[red] == 1
    assert answered[-1] == 0


@pytest.mark.tensorflow
@pytest.mark.usefixtures("eagerly")
def test_an_interrupted_training_does_not_go_on_with_other_corrections(
    world: Path, tagged: Path, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tagger.pipeline import training

    corrected_as(world, tagged, sample)
    sets, models = (str(sample.labelled),), str(world / "models")
    options = TrainOptions(
        sets, models, "mine", "color,garment", epochs=1, architecture=TINY,
        corrections=str(world / "index"),
    )  # fmt: skip

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(training, "calibrate_network", die)
        with pytest.raises(KeyboardInterrupt):
            train(options)
    Person(world / "index").says(tagged / "catalog" / min(sample.truth), "color", None, "unknown")
    with pytest.raises(InputError, match="had other pictures, labels or options"):
        train(replace(options, resume=True))
    color, _ = sample.truth[min(sample.truth)]
    Person(world / "index").says(tagged / "catalog" / min(sample.truth), "color", color)
    assert Path(passed(train(replace(options, resume=True)))).is_dir()
