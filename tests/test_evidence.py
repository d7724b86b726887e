"""What each group is judged by: what is said, else its name, its labels, its pictures; and told."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import TINY, Command

from jobs.check import check_training
from jobs.check_text import check_text
from jobs.retrain import RetrainOptions, retrain
from jobs.train import TrainOptions, train
from schemas.evidence import GroupEvidence
from schemas.training import CheckReport
from tagger.datasets.dataset_reader import read_dataset
from tagger.datasets.descriptions import color_description, outline_description
from tagger.datasets.picture_evidence import Proposal, describe, propose, sample
from tagger.datasets.prepared_set import prepare
from tagger.datasets.sample import COLORS, GARMENTS, Sample, draw, draw_sample
from tagger.errors import InputError
from tagger.imaging.preprocessing import Reading
from tagger.labels.evidence import evidence_sentence, judged_by_labels
from tagger.labels.vocabulary import Vocabulary, parse_groups
from tagger.models.bundle import load_bundle
from tagger.pipeline.resuming import WorkFolder
from tagger.training.recipe import Recipe

NONSENSE = {
    **dict(zip(COLORS, ("bivo", "dalu", "fane", "gomi"), strict=True)),
    **dict(zip(GARMENTS, ("keru", "lopa", "minu"), strict=True)),
}


@pytest.fixture(scope="module")
def drawn() -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Descriptions of 360 drawn pictures, their colors and their garments."""
    random = np.random.default_rng(5)
    pairs = [(c, g) for c in range(len(COLORS)) for g in range(len(GARMENTS))]
    shown = np.array([pairs[i % len(pairs)] for i in range(360)])
    names = list(COLORS), list(GARMENTS)
    pixels = np.stack(
        [
            cv2.resize(
                draw(names[0][c], names[1][g], random), (96, 96), interpolation=cv2.INTER_AREA
            )
            for c, g in shown
        ]
    )
    return describe(pixels, np.arange(len(pixels))), shown[:, 0], shown[:, 1]


@pytest.fixture(scope="module")
def nonsense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn set whose folders are called by words that mean nothing."""
    folder = tmp_path_factory.mktemp("nonsense")
    labelled = draw_sample(folder, labelled=220, catalog=1, seed=4).labelled
    for path in sorted(labelled.iterdir()):
        color, garment = path.name.split("_")
        path.rename(labelled / f"{NONSENSE[color]}_{NONSENSE[garment]}")
    return labelled


def asked(dataset: Path, groups: str, **more: object) -> TrainOptions:
    return TrainOptions((str(dataset),), "unused", groups=groups, workers=1, **more)


def by_name(report: CheckReport) -> dict[str, GroupEvidence]:
    return {record.group: record for record in report.evidence}


def test_pictures_tell_what_colors_decide_from_what_outlines_decide(drawn) -> None:  # type: ignore[no-untyped-def]
    described, colors, garments = drawn
    assert propose(described, colors, garments).evidence == "pixels"
    assert propose(described, garments, colors).evidence == "shape"


def test_where_color_and_garment_always_come_together_nothing_is_proposed(drawn) -> None:  # type: ignore[no-untyped-def]
    described, colors, garments = drawn
    together = np.flatnonzero(colors == garments)
    some = {name: values[together] for name, values in described.items()}
    found = propose(some, colors[together], garments[together])
    assert (found.evidence, found.pictures) == (None, 0)
    alone = propose(some, colors[together], np.zeros(len(together), np.int64))
    assert alone.evidence is None


def test_neither_noise_nor_both_at_once_is_proposed(drawn) -> None:  # type: ignore[no-untyped-def]
    described, colors, garments = drawn
    nothing = np.zeros(len(colors), np.int64)
    for seed in range(10):
        noise = np.random.default_rng(seed).integers(0, 3, len(colors))
        assert propose(described, noise, nothing).evidence is None
    assert propose(described, colors * 3 + garments, nothing).evidence is None
    assert propose(described, (colors + garments) % 2, nothing).evidence is None


def test_one_label_few_pictures_and_unknown_ones_are_not_asked_about(drawn) -> None:  # type: ignore[no-untyped-def]
    described, colors, garments = drawn
    silent = Proposal(None, np.nan, np.nan, 0)
    for labels in (np.zeros_like(colors), np.full_like(colors, -1)):
        found = propose(described, labels, garments)
        assert (found.evidence, found.pictures) == (silent.evidence, silent.pictures)
    few = {name: values[:60] for name, values in described.items()}
    assert propose(few, colors[:60], garments[:60]).evidence is None


def test_a_label_on_nine_tenths_of_the_pictures_decides_nothing_wrong(drawn) -> None:  # type: ignore[no-untyped-def]
    described, colors, garments = drawn
    keep = np.flatnonzero((colors == 0) | (np.arange(len(colors)) % 12 == 1))
    some = {name: values[keep] for name, values in described.items()}
    assert propose(some, colors[keep], garments[keep]).evidence in (None, "pixels")
    assert propose(some, garments[keep], colors[keep]).evidence in (None, "shape")


def test_the_same_pictures_say_the_same_again(drawn) -> None:  # type: ignore[no-untyped-def]
    described, colors, garments = drawn
    assert propose(described, colors, garments) == propose(described, colors, garments)


def test_one_of_each_family_of_near_duplicates_is_looked_at() -> None:
    clusters = np.repeat(np.arange(50) * 4, 4)
    rows = sample(clusters)
    assert sorted(clusters[rows]) == sorted(set(clusters))
    assert len(sample(clusters, size=7)) == 7


def test_outlines_know_no_color_and_colors_no_place() -> None:
    picture = draw("red", "dress", np.random.default_rng(1))
    square = cv2.resize(picture, (96, 96), interpolation=cv2.INTER_AREA)
    swapped = np.ascontiguousarray(square[:, ::-1])
    np.testing.assert_allclose(color_description(square), color_description(swapped), atol=0.05)
    grey = cv2.cvtColor(cv2.cvtColor(square, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    np.testing.assert_allclose(outline_description(square), outline_description(grey), atol=0.02)


def test_a_person_wins_over_name_and_labels_and_a_name_decides_where_labels_do_not() -> None:
    colors = {"red": 9, "blue": 9, "green": 9}
    said, same, silent = (
        judged_by_labels(parse_groups(text)[0], colors) for text in ("type:shape", "farbe", "wert")
    )
    assert (said.evidence, said.source) == ("shape", "said")
    assert (same.evidence, same.source) == ("pixels", "group name")
    assert (silent.evidence, silent.source) == ("pixels", "label words")
    named = judged_by_labels(parse_groups("type")[0], {"keru": 9, "lopa": 9, "minu": 9})
    assert (named.evidence, named.source) == ("shape", "group name")


@pytest.mark.parametrize(
    ("group", "labels"),
    [
        ("typ", ("black", "white", "blue")),
        ("farbe", ("kleid", "hose", "schuhe")),
        ("pattern", ("black", "white", "blue")),
    ],
)
def test_a_name_that_its_labels_contradict_decides_nothing_and_neither_do_they(
    group: str, labels: tuple[str, ...]
) -> None:
    judged = judged_by_labels(parse_groups(group)[0], dict.fromkeys(labels, 9))
    assert (judged.evidence, judged.source) == ("both", "nothing")
    assert judged.why.startswith("since its name is a word for ")
    assert all(label in judged.why for label in labels)


@pytest.mark.parametrize(
    ("group", "labels"),
    [
        ("stoff", ("Jersey", "Denim", "Jeans")),
        ("fabric_type", ("jersey", "jeans", "t-shirt", "skirt")),
        ("designer", ("Schwarz", "Weiss", "Braun")),
        ("marke", ("Rose", "Blau", "Grün", "Rot")),
    ],
)
def test_a_name_about_something_else_keeps_words_from_deciding(
    group: str, labels: tuple[str, ...]
) -> None:
    judged = judged_by_labels(parse_groups(group)[0], dict.fromkeys(labels, 9))
    assert (judged.evidence, judged.source) == ("both", "nothing")


@pytest.mark.parametrize(
    ("labels", "evidence", "source"),
    [
        ("bedruckt gestreift uni", "texture", "label words"),
        ("Uni blau-kariert", "texture", "label words"),
        ("ja nein", "both", "nothing"),
        ("ja nein uni", "both", "nothing"),
        ("A1 B1 gestreift uni", "both", "nothing"),
        ("schwarz rot blau", "pixels", "label words"),
    ],
)
def test_muster_is_a_pattern_where_its_labels_are_for_it_is_a_sample_too(
    labels: str, evidence: str, source: str
) -> None:
    judged = judged_by_labels(parse_groups("muster")[0], dict.fromkeys(labels.split(), 9))
    assert (judged.evidence, judged.source) == (evidence, source)
    assert ("its name may mean patterns" in judged.why) is (evidence == "texture")


def test_a_fabric_s_color_is_a_color() -> None:
    judged = judged_by_labels(parse_groups("fabric_color")[0], {"rot": 9, "blau": 8, "grün": 7})
    assert judged.evidence == "pixels"


def test_a_vocabulary_that_leaves_it_out_is_asked_by_its_names() -> None:
    text = '{"groups": [{"name": "farbe"}, {"name": "x"}, {"name": "y", "evidence": "shape"}], '
    vocabulary = Vocabulary.parse(text + '"labels": []}')
    assert [group.source for group in vocabulary.groups] == ["group name", "nothing", "said"]
    assert [group.evidence for group in vocabulary.groups] == ["pixels", "both", "shape"]


@pytest.mark.parametrize(
    ("group", "sentence"),
    [
        ("farbe", "farbe: judged by pixels, because its name is a word for colors"),
        ("farbe:both", "farbe: judged by both, because you said so"),
        ("wert", "wert: judged by pixels, because its labels are color words (rot, blau, grün)"),
        (
            "typ",
            "typ: judged by both, since its name is a word for garments, but its labels are color "
            "words (rot, blau, grün); write --groups typ:pixels, typ:shape or typ:texture if you "
            "know better",
        ),
    ],
)
def test_what_decided_is_said_in_a_line(group: str, sentence: str) -> None:
    judged = judged_by_labels(parse_groups(group)[0], {"rot": 9, "blau": 8, "grün": 7})
    record = GroupEvidence(
        group=judged.name, evidence=judged.evidence, source=judged.source, why=judged.why
    )
    assert evidence_sentence(record) == sentence


def test_check_says_what_names_and_labels_decide(tagger: Command, sample: Sample) -> None:
    ended = tagger("train", sample.labelled, "--models", "unused", "--groups", "wert,warengruppe",
                   "--check", "--workers", 1)  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    for line in (
        "wert: judged by pixels, because its labels are color words (",
        "warengruppe: judged by shape, because its name is a word for garments",
    ):
        assert line in ended.stderr
        assert line in ended.stdout


def test_check_asks_the_pictures_where_words_say_nothing(nonsense: Path) -> None:
    found = by_name(check_training(asked(nonsense, "uno,due")))
    assert (found["uno"].evidence, found["uno"].source) == ("pixels", "pictures")
    assert (found["due"].evidence, found["due"].source) == ("shape", "pictures")
    assert "colors alone tell" in found["uno"].why


def test_what_a_person_says_is_not_asked_of_the_pictures(nonsense: Path) -> None:
    found = by_name(check_training(asked(nonsense, "uno:both,due:pixels")))
    assert {(x.evidence, x.source) for x in found.values()} == {
        ("both", "said"),
        ("pixels", "said"),
    }


def test_where_nothing_speaks_both_count_and_the_way_out_is_shown(tmp_path: Path) -> None:
    labelled = draw_sample(tmp_path, labelled=22, catalog=1).labelled
    for path in sorted(labelled.iterdir()):
        color, garment = path.name.split("_")
        path.rename(labelled / f"{NONSENSE[color]}_{NONSENSE[garment]}")
    report = check_training(asked(labelled, "uno,due"))
    assert {(x.evidence, x.source) for x in report.evidence} == {("both", "nothing")}
    assert "uno: judged by both, since nothing says otherwise" in check_text(report)
    assert "uno:pixels" in check_text(report)


def table_of(folder: Path, tmp_path: Path, *others: str) -> Path:
    """A table of a folder's pictures and their first label, a row for each of the other cells."""
    lines = [
        f"{path},{path.parent.name.split('_')[0]},{other}"
        for path in sorted(folder.glob("*/*"))
        for other in others
    ]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["image,uno,due", *lines, ""]))
    return table


@pytest.mark.parametrize("cells", [("",), ("keru", "lopa")], ids=["empty", "contradicting"])
def test_pictures_are_not_asked_about_a_group_that_has_no_label(
    nonsense: Path, tmp_path: Path, cells: tuple[str, ...]
) -> None:
    table = table_of(nonsense, tmp_path, *cells)
    report = check_training(asked(table, "uno,due", image_root=str(nonsense)))
    assert by_name(report)["due"].source == "nothing"
    assert "due: not taught, since no picture has a label of it" in check_text(report)
    assert by_name(report)["uno"].source == "pictures"


@pytest.mark.tensorflow
@pytest.mark.usefixtures("eagerly")
def test_a_training_goes_on_without_a_group_that_has_no_label(
    nonsense: Path, tmp_path: Path
) -> None:
    report = train(
        TrainOptions(
            (str(table_of(nonsense, tmp_path, "")),),
            str(tmp_path),
            groups="uno,due",
            image_root=str(nonsense),
            skip_problems=5.0,
            workers=1,
            epochs=1,
            architecture=TINY,
        )
    )
    assert {label.group for label in load_bundle(report.bundle).vocabulary.labels} == {"uno"}


def test_a_training_does_not_go_on_where_groups_are_judged_otherwise(
    sample: Sample, tmp_path: Path
) -> None:
    labelled = read_dataset(sample.labelled, groups=parse_groups("uno,due"))
    prepared = prepare(
        labelled, tmp_path / "pixels", Reading(32), workers=1, progress=lambda n: None
    )
    first, other = (
        replace(labelled.vocabulary(), groups=tuple(parse_groups(groups)))
        for groups in ("uno:pixels,due:shape", "uno:both,due:shape")
    )
    (tmp_path / "training.json").write_text('{"asked": "the same"}')
    WorkFolder(tmp_path, resume=False).check_contents(prepared, Recipe(), first)
    WorkFolder(tmp_path, resume=True).check_contents(prepared, Recipe(), first)
    with pytest.raises(InputError, match="judges groups otherwise"):
        WorkFolder(tmp_path, resume=True).check_contents(prepared, Recipe(), other)


@pytest.mark.tensorflow
@pytest.mark.usefixtures("eagerly")
def test_a_model_is_trained_and_continued_with_what_was_decided(
    nonsense: Path, tmp_path: Path
) -> None:
    options = TrainOptions(
        (str(nonsense),), str(tmp_path), groups="uno,due", workers=1, epochs=1, architecture=TINY
    )
    report = train(options)
    saved = load_bundle(report.bundle).vocabulary
    assert {group.name: group.evidence for group in saved.groups} == {
        "uno": "pixels",
        "due": "shape",
    }
    assert [record.source for record in report.evidence] == ["pictures", "pictures"]
    again = retrain(
        RetrainOptions((str(nonsense),), report.bundle, str(tmp_path), epochs=1, workers=1)
    )
    assert [(x.evidence, x.source) for x in again.evidence] == [
        ("pixels", "said"),
        ("shape", "said"),
    ]
    assert again.evidence[0].why == "as fashion-v1 judges it"
