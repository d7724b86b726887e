"""Retraining: columns stay, unknown is not absent, parts stay, and nothing worse is promoted
unasked."""

import hashlib
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from conftest import TINY, passed, set_gate
from hypothesis import given
from hypothesis import strategies as st

from jobs.models import list_models, promote
from jobs.models_text import models_text
from jobs.retrain import RetrainOptions, gate_text, retrain
from jobs.tag_catalog import TagOptions, tag_catalog
from jobs.train import TrainOptions, train
from jobs.verify import verify
from schemas.bundle import Gate
from schemas.models import ModelsReport, ModelVersion, PromoteReport
from schemas.record import to_json
from schemas.split import SPLIT
from schemas.training import RetrainReport
from tagger.datasets.sample import Sample
from tagger.errors import GateFailed, InputError, VocabularyError
from tagger.evaluation.gate import compare, judge
from tagger.evaluation.questions import Answers
from tagger.files import Lock
from tagger.labels.growing import grow, unjudged
from tagger.labels.vocabulary import Vocabulary, parse_groups
from tagger.models.bundle import load_bundle
from tagger.pipeline.old_labels import silent_unknown

pytestmark = pytest.mark.tensorflow

OLD = Vocabulary.build(
    parse_groups("color,use+"),
    [("color", "blue"), ("color", "red"), ("use", "home"), ("use", "work")],
)


@pytest.fixture(scope="module")
def old_set(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The labelled sample without its green pictures."""
    folder = tmp_path_factory.mktemp("old") / "set"
    return Path(shutil.copytree(sample.labelled, folder, ignore=shutil.ignore_patterns("green_*")))


@pytest.fixture(scope="module")
def new_set(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its green pictures alone."""
    folder = tmp_path_factory.mktemp("new") / "set"
    return Path(
        shutil.copytree(
            sample.labelled, folder, ignore=lambda _, names: {n for n in names if "_" in n} - GREEN
        )
    )


GREEN = {"green_dress", "green_jeans", "green_shirt"}


@pytest.fixture(scope="module")
def parent(old_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = tmp_path_factory.mktemp("family")
    options = TrainOptions(
        (str(old_set),), str(models), "tiny", "color,garment", epochs=2, architecture=TINY
    )
    return passed(train(options))


@pytest.fixture
def family(parent: Path, tmp_path: Path) -> Path:
    """A folder of models of its own, with the parent as the current one."""
    return Path(shutil.copytree(parent.parent, tmp_path / "models", symlinks=True))


def again(family: Path, *sets: Path, **more: Any) -> RetrainReport:
    options = {"add": ("color:green",), "epochs": 1, "tolerance": 100.0} | more
    return retrain(
        RetrainOptions(tuple(map(str, sets)), str(family / "tiny-v1"), str(family), **options)
    )


def test_new_labels_are_appended_and_old_columns_keep_name_and_place(
    family: Path, old_set: Path, new_set: Path
) -> None:
    result = again(family, old_set, new_set)
    assert isinstance(result, RetrainReport)
    assert isinstance(result.gate, Gate)
    before, after = load_bundle(family / "tiny-v1"), load_bundle(result.bundle)
    assert after.vocabulary.labels[: len(before.vocabulary)] == before.vocabulary.labels
    assert [
        (x.key, x.column, x.since) for x in after.vocabulary.labels[len(before.vocabulary) :]
    ] == [("color:green", "score_green", "tiny-v2")]
    assert json.loads((after.path / "bundle.json").read_text())["parent"] == before.model_id
    assert result.replayed
    assert result.promoted
    assert (family / "current").resolve() == after.path
    assert "retrained from tiny-v1" in (after.path / "README.md").read_text()
    assert "macro AP" in gate_text(result.gate)


@pytest.mark.usefixtures("eagerly")
def test_every_picture_keeps_its_part_for_ever_and_near_duplicates_join_theirs(
    family: Path, old_set: Path, new_set: Path, tmp_path: Path
) -> None:
    import cv2

    before = load_bundle(family / "tiny-v1").split().to_pylist()
    digests = {
        hashlib.sha256(path.read_bytes()).hexdigest(): path for path in old_set.rglob("*.jpg")
    }
    more = tmp_path / "more" / "blue_dress"
    more.mkdir(parents=True)
    expected = {}
    for i, row in enumerate(before[:12]):  # the same pictures, compressed again
        path = more / f"{i}.jpg"
        cv2.imwrite(
            str(path),
            cv2.imread(str(digests[row["content_sha256"]])),
            [cv2.IMWRITE_JPEG_QUALITY, 80],
        )
        expected[hashlib.sha256(path.read_bytes()).hexdigest()] = row["part"]
    result = again(family, old_set, new_set, tmp_path / "more")
    after = {row["content_sha256"]: row for row in load_bundle(result.bundle).split().to_pylist()}
    assert all(after[row["content_sha256"]] == row for row in before)
    assert {digest: after[digest]["part"] for digest in expected} == expected
    assert {row["judged"] for row in after.values()} == {6, 7}


def test_a_picture_that_looks_like_old_ones_of_two_parts_is_in_none() -> None:
    from tagger.datasets.labelled_set import Example, LabelledSet
    from tagger.datasets.pixel_cache import PixelCache
    from tagger.datasets.prepared_set import PreparedSet
    from tagger.imaging.file_facts import FileFacts

    digests = [f"{i:064x}" for i in range(4)]
    examples = [
        Example(f"{i}.jpg", f"{i}.jpg", frozenset({("color", "red")}), frozenset({"color"}))
        for i in range(4)
    ]
    facts = [FileFacts("ok", content_sha256=digest) for digest in digests]
    cache = PixelCache(np.zeros((4, 8, 8, 3), np.uint8), facts)
    prepared = PreparedSet(
        LabelledSet("set", examples, []), cache, np.arange(4), np.array([0, 0, 0, 3])
    )
    rows = [(digests[0], digests[0], "train", 1), (digests[1], digests[1], "test", 1)]
    before = pa.Table.from_pylist(
        [dict(zip(SPLIT.names, row, strict=True)) for row in rows], schema=SPLIT
    )
    parts = prepared.continued_split(before, seed=0)
    assert parts[:3].tolist() == ["train", "test", ""]
    assert parts[3]
    assert (
        digests[2]
        not in prepared.split_table(parts, judged=1, parent=before)["content_sha256"].to_pylist()
    )


@pytest.mark.usefixtures("eagerly")
def test_a_version_grown_from_an_older_one_does_not_take_the_place_of_a_newer(
    family: Path, old_set: Path, new_set: Path
) -> None:
    assert again(family, old_set, new_set).promoted
    aside = again(
        family, old_set, new_set, seed=1
    )  # from tiny-v1 again: it need not know what tiny-v2 learned
    assert aside.gate.passed
    assert not aside.promoted
    assert (family / "current").resolve().name == "tiny-v2"


@pytest.mark.usefixtures("eagerly")
def test_a_model_that_cannot_be_promoted_now_is_saved_and_says_how_to_promote_it(
    family: Path, old_set: Path, new_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Lock(family / "_lock"):
        result = again(family, old_set, new_set)
    assert result.gate.passed
    assert not result.promoted
    assert load_bundle(result.bundle).model_id == result.model_id
    assert (family / "current").resolve().name == "tiny-v1"
    said = capsys.readouterr().err
    assert "not promoted: " in said
    assert f"'tagger promote {result.bundle}' makes it current" in said


@pytest.mark.usefixtures("eagerly")
def test_undeclared_labels_of_few_pictures_can_be_left_out(
    family: Path, old_set: Path, new_set: Path
) -> None:
    with pytest.raises(VocabularyError, match="color:green"):
        again(family, old_set, new_set, add=(), min_pictures=2)
    result = again(family, old_set, new_set, add=(), min_pictures=10_000)
    assert result.added == []


def test_without_the_old_pictures_the_parent_s_answers_keep_old_labels_alive(
    family: Path, new_set: Path
) -> None:
    before = load_bundle(family / "tiny-v1")
    result = again(family, new_set, epochs=2)
    after = load_bundle(result.bundle)
    assert not result.replayed
    assert {part.part for part in result.gate.parts} == {"new test part"}
    assert (after.thresholds[: len(before.vocabulary)] == before.thresholds).all()
    rows = {row["content_sha256"] for row in after.split().to_pylist()}
    assert {row["content_sha256"] for row in before.split().to_pylist()} < rows


def test_the_teacher_answers_for_what_is_unknown_of_old_labels_alone(parent: Path) -> None:
    from tagger.models.keras_network import load_network
    from tagger.training.fine_tuning import Inheritance

    network = load_network(load_bundle(parent))
    old = network.get_layer("logits").units
    pixels = np.random.default_rng(0).random((3, 32, 32, 3)).astype(np.float32)
    targets = np.array([[1, 0, *[np.nan] * (old - 2), 1, np.nan]] * 3, np.float32)
    teacher = Inheritance(network, distils=True).teacher
    assert teacher is not None
    filled = teacher(pixels, targets).numpy()
    assert np.array_equal(filled[:, :2], targets[:, :2])
    assert np.allclose(
        filled[:, 2:old], network(pixels, training=False)["scores"].numpy()[:, 2:], atol=1e-6
    )
    assert (filled[:, old] == 1).all()
    assert np.isnan(filled[:, old + 1]).all()
    assert Inheritance(network).teacher is None


@pytest.mark.usefixtures("eagerly")
def test_without_old_pictures_labels_that_the_new_ones_lack_are_the_teacher_s(
    family: Path, new_set: Path
) -> None:
    """All new pictures are green: that they are not blue is no reason to forget blue; nor can it be
    measured."""
    result = again(family, new_set, tolerance=100)
    worse = result.gate.worse
    assert [text for text in worse if "has color:blue" in text]
    assert not result.promoted
    part = np.array([0, 1, 2])
    targets = np.array([[0, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 1]], np.float32)
    softened = silent_unknown(targets, part, 2)
    assert np.isnan(softened[:3, 0]).all()
    assert np.array_equal(softened[:, 1:], targets[:, 1:])
    assert softened[3, 0] == 0


@pytest.mark.usefixtures("eagerly")
def test_a_retired_label_is_scored_and_neither_answered_nor_a_tag(
    family: Path, old_set: Path, new_set: Path, catalog: Path, tmp_path: Path
) -> None:
    result = again(family, old_set, new_set, retire=("color:blue",))
    assert result.retired == ["color:blue"]
    index = tmp_path / "index"
    tag_catalog(
        TagOptions(str(catalog), result.bundle, str(index), max_error_rate=1, force_model=True)
    )
    assert not verify(str(index)).faults
    rows = pd.read_parquet((index / "current").resolve())
    assert "blue" not in set(rows["color"].dropna())
    assert rows["score_blue"].notna().any()
    labels = pd.read_parquet((index / "current").resolve().parent / "labels.parquet").set_index(
        "label"
    )
    assert labels.loc["blue", "retired"]
    assert not labels.loc["red", "retired"]
    gone = again(
        family, old_set, add=(), retire=("color:black", "color:blue", "color:red"), name="gone"
    )
    assert [row.group for row in gone.gate.parts[0].groups] == ["garment"]


def test_a_frozen_trunk_stays_as_it_is_bit_for_bit(
    family: Path, old_set: Path, new_set: Path
) -> None:
    result = again(family, old_set, new_set, freeze_trunk=True)
    assert result.same_trunk
    assert load_bundle(result.bundle).trunk == load_bundle(family / "tiny-v1").trunk
    assert not again(family, old_set, new_set).same_trunk


def test_new_columns_start_at_their_share_and_old_ones_where_the_parent_was(parent: Path) -> None:
    from tagger.models.keras_network import load_network
    from tagger.training.fine_tuning import Inheritance
    from tagger.training.network import architecture_of, build_network, logits_alone

    network = load_network(load_bundle(parent))
    old = network.get_layer("logits").units
    grown = build_network(architecture_of(network), old + 2)
    targets = np.zeros((20, old + 2), np.float32)
    targets[:5, old] = 1
    targets[:, old + 1] = np.nan
    Inheritance(network).start(grown, targets)
    pixels = np.random.default_rng(0).random((4, 32, 32, 3)).astype(np.float32)
    z, before = (
        grown(pixels, training=False).numpy(),
        logits_alone(network)(pixels, training=False).numpy(),
    )
    assert np.allclose(z[:, :old], before, atol=1e-5)
    assert np.allclose(1 / (1 + np.exp(-z[:, old:])), [6 / 22, 1 / 2], atol=1e-6)


def test_labels_that_were_not_declared_stop_it_with_counts_and_near_misses() -> None:
    found = Counter({"color:green": 9, "color:blu": 2})
    with pytest.raises(
        VocabularyError, match=r"color:blu \(2 pictures, did you mean blue\?\)"
    ) as error:
        grow(OLD, found, [("color", "green")], accept=False, splits=[], since="v2")
    assert "color:green" not in str(error.value)
    taken = grow(OLD, found, [("color", "green")], accept=True, splits=[], since="v2")
    assert [label.name for label in taken.labels[4:]] == ["green", "blu"]
    with pytest.raises(VocabularyError, match="has this label already"):
        grow(OLD, found, [("color", "red")], accept=False, splits=[], since="v2")
    with pytest.raises(VocabularyError, match=r"color:teal: no picture.*color:green \(9\)"):
        grow(OLD, found, [("color", "teal")], accept=False, splits=[], since="v2")


def test_an_undeclared_label_saves_nothing(family: Path, old_set: Path, new_set: Path) -> None:
    with pytest.raises(VocabularyError, match=r"color:green \(\d+ pictures\)"):
        again(family, old_set, new_set, add=())
    with pytest.raises(InputError, match="GROUP is one of color, garment"):
        again(family, old_set, new_set, add=("size:large",))
    with pytest.raises(InputError, match="no label of that name"):
        again(family, old_set, new_set, retire=("color:teal",))
    assert not (family / "tiny-v2").exists()


def test_what_was_never_judged_is_unknown_and_not_absent() -> None:
    navy = OLD.extend([("color", "navy")], splits={("color", "navy"): ("blue",)})
    navy = navy.extend([("color", "green"), ("use", "party")])
    blue, red, home, _, is_navy, green, party = range(7)
    targets = np.zeros((5, 7), np.float32)
    targets[0, [blue, home]] = 1  # old
    targets[1, red] = 1  # old
    targets[2, [blue, home]] = 1  # new
    targets[3, [is_navy, party]] = 1  # an old picture that was labelled again
    known = ~np.isnan(unjudged(targets, navy, np.array([4, 4, 7, 4, 4])))
    assert known[:, :4].all()
    assert known[2].all()
    assert known[:, is_navy].tolist() == [
        False,
        True,
        True,
        True,
        False,
    ]  # blue may be navy; no color says nothing
    assert known[:, green].tolist() == [True, True, True, True, False]
    assert known[:, party].tolist() == [False, False, True, True, False]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6), st.integers(0, 99))
def test_nothing_becomes_known_by_growing(judged: list[int], seed: int) -> None:
    targets = (
        np.random.default_rng(seed).choice([0, 1, np.nan], (len(judged), 4)).astype(np.float32)
    )
    result = unjudged(targets, OLD, np.array(judged))
    assert (np.isnan(result) | (result == targets)).all()
    assert (result[targets == 1] == 1).all()


def test_splits_and_retirement_are_kept_in_the_vocabulary() -> None:
    navy = OLD.extend([("color", "navy")], splits={("color", "navy"): ("blue",)}).retire(
        [("color", "blue")]
    )
    read = Vocabulary.parse(to_json(navy.to_record()))
    assert read == navy
    assert read.labels[4].splits == ("blue",)
    assert read.members("color") == [1, 4]


def test_only_the_new_label_that_is_meant_is_split_from_an_old_one() -> None:
    found = Counter({"color:green": 9, "color:navy": 5})
    new, blue = [("color", "navy"), ("color", "green")], ("color", "blue")
    for unclear in ("", "teal"):
        with pytest.raises(VocabularyError, match=r"NEW=blue; new in color: navy, green"):
            grow(OLD, found, new, accept=False, splits=[(unclear, blue)], since="v2")
    grown = grow(OLD, found, new, accept=False, splits=[("navy", blue)], since="v2")
    assert [label.splits for label in grown.labels[4:]] == [("blue",), ()]
    alone = grow(
        OLD, Counter({"color:navy": 5}), new[:1], accept=False, splits=[("", blue)], since="v2"
    )
    assert alone.labels[4].splits == ("blue",)


def answers(logits: np.ndarray, vocabulary: Vocabulary) -> Answers:
    return Answers(logits, np.full(logits.shape[1], 0.5), vocabulary)


def test_what_was_split_is_compared_as_a_whole() -> None:
    """Old blue is blue or navy now: a model that tells them apart has lost nothing."""
    navy = OLD.extend([("color", "navy")], splits={("color", "navy"): ("blue",)})
    kind = np.repeat(["light", "dark", "red"], 40)
    targets = np.zeros((120, 5), np.float32)
    targets[kind == "red", 1] = targets[kind != "red", 0] = 1
    targets[kind != "red", 4] = np.nan
    was, now = np.full((120, 4), -3.0), np.full((120, 5), -3.0)
    was[kind != "red", 0] = now[kind == "light", 0] = now[kind == "dark", 4] = 3
    was[kind == "red", 1] = now[kind == "red", 1] = 3
    found = compare("part", answers(was, OLD), answers(now, navy), targets)
    assert {row.label: (row.positives, row.now) for row in found.labels} == {
        "color:red": (40, 1.0),
        "color:blue": (80, 1.0),
    }
    gate = judge([found], "v1", 0.5, measurable=["color:red", "color:blue"])
    assert gate.passed
    now[kind == "dark", 4] = -3  # neither any more
    found = compare("part", answers(was, OLD), answers(now, navy), targets)
    assert not judge([found], "v1", 0.5).passed


def test_the_gate_refuses_what_lost_more_than_is_allowed_and_names_it() -> None:
    random = np.random.default_rng(0)
    grown = OLD.extend([("color", "green")])
    targets = np.zeros((300, 5), np.float32)
    targets[np.arange(300), random.choice([0, 1, 4], 300)] = 1
    targets[:, 2:4] = random.random((300, 2)) < 0.3
    good = (targets - 0.5) * 6 + random.normal(0, 1, targets.shape)
    bad = good.copy()
    bad[:, 1] = random.normal(0, 1, 300)  # red is forgotten
    same = compare("new test part", answers(good[:, :4], OLD), answers(good, grown), targets)
    worse = compare("new test part", answers(good[:, :4], OLD), answers(bad, grown), targets)
    assert judge([same], "v1", 0.5).passed
    gate = judge([same, worse], "v1", 0.5)
    assert not gate.passed
    assert [text.split(":")[1].split()[0] for text in gate.worse] == ["macro", "AP", "color"]
    assert re.fullmatch(
        r"new test part: AP of color:red from \d+\.\d % to \d+\.\d %, more than the 2 points "
        r"allowed and more than chance \(p = 0\.00\d+\)",
        gate.worse[1],
    )
    assert judge([worse], "v1", 25).passed
    assert judge([same], "v1", 0.5, measurable=["color:red"]).passed
    missing = judge([same], "v1", 0.5, measurable=["color:red", "use:rare"])
    assert missing.worse == ["not measured: no test picture of the data has use:rare"]
    gone = judge([same], "v1", 0.5, measurable=["color:red", "use:rare"], nobody_has_the_old=True)
    assert (gone.passed, gone.unmeasured) == (True, ["use:rare"])
    assert not judge([], "v1", 0.5, measurable=["use:rare"], nobody_has_the_old=True).passed
    assert same.tags_changed < 0.05 < 0.1 < worse.tags_changed
    color = next(row for row in same.groups if row.group == "color")
    assert color.pictures == int(
        (targets[:, 4] == 0).sum()
    )  # what only the new model can answer is left out
    assert color.parent == color.now


@pytest.fixture
def failed(family: Path) -> Path:
    """A bundle whose gate failed, everything else being as it was saved."""
    path = Path(shutil.copytree(family / "tiny-v1", family / "tiny-v2"))
    set_gate(
        path,
        parent="tiny-v1",
        passed=False,
        worse=["new test part: macro AP from 90.0 % to 80.0 %"],
    )
    return path


def test_a_model_that_did_not_pass_is_promoted_only_by_force(failed: Path) -> None:
    with pytest.raises(GateFailed, match=r"tiny-v2 is worse than its parent tiny-v1: .*--force"):
        promote(str(failed))
    assert (failed.parent / "current").resolve().name == "tiny-v1"
    report = promote(str(failed), force=True)
    assert isinstance(report, PromoteReport)
    assert (report.current, report.before) == ("tiny-v2", "tiny-v1")
    assert (failed.parent / "current").resolve() == failed


def test_tag_refuses_a_model_that_did_not_pass(
    failed: Path, catalog: Path, tmp_path: Path, tagger: Any
) -> None:
    arguments = ["tag", catalog, "--model", failed, "--index", tmp_path / "index"]
    refused = tagger(*arguments)
    assert refused.returncode == 5
    assert "--force-model" in refused.stderr
    assert not (tmp_path / "index" / "current").exists()
    assert tagger(*arguments, "--dry-run").returncode == 5
    assert tagger(*arguments, "--force-model", "--max-error-rate", 1).returncode == 0


def test_a_retraining_that_made_old_labels_worse_is_saved_and_not_promoted(
    family: Path, old_set: Path, new_set: Path, tmp_path: Path, tagger: Any
) -> None:
    wrong = tmp_path / "wrong"
    for folder in old_set.iterdir():  # every color another one's
        color, garment = folder.name.split("_")
        other = {"black": "red", "red": "blue", "blue": "black"}[color]
        for i, path in enumerate(sorted(folder.iterdir())):
            for copy in range(3):
                target = wrong / f"{other}_{garment}" / f"{i}-{copy}.jpg"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes() + bytes([copy]))
    result = tagger(
        *(
            "retrain",
            old_set,
            new_set,
            wrong,
            "--from",
            family / "tiny-v1",
            "--models",
            family,
            "--add",
        ),
        *("color:green", "--epochs", 3, "--tolerance", 0, "--json"),
    )
    assert result.returncode == 5, result.stderr
    report = json.loads(result.stdout)
    assert not report["promoted"]
    assert report["gate"]["worse"]
    assert (family / "tiny-v2" / "bundle.json").exists()
    assert (family / "current").resolve().name == "tiny-v1"


def test_models_lists_versions_parents_measures_and_which_is_current(failed: Path) -> None:
    shutil.copytree(failed, failed.parent / "tiny-v3")
    (failed.parent / "tiny-v3" / "head.npz").write_bytes(b"")
    report = list_models(str(failed.parent))
    assert isinstance(report, ModelsReport)
    assert isinstance(report.versions[0], ModelVersion)
    assert report.current == "tiny-v1"
    by_name = {row.name: row for row in report.versions}
    assert (by_name["tiny-v1"].labels, by_name["tiny-v1"].gate_passed) == (5 + 1, True)
    assert by_name["tiny-v2"].gate_passed is False
    assert "head.npz was changed" in by_name["tiny-v3"].error
    assert "* tiny-v1" in models_text(report)
    with pytest.raises(InputError, match="no such folder"):
        list_models(str(failed.parent / "none"))


def test_a_model_that_lost_its_pictures_goes_only_part_of_the_way_and_new_labels_all_of_it() -> (
    None
):
    from schemas.bundle import HEAD
    from tagger.training.fine_tuning import KEPT, Inheritance
    from tagger.training.network import Architecture, build_network

    sizes = Architecture(size=24, filters=(2, 2, 2), dense=4)
    parent, fitted, before = (
        build_network(sizes, labels, seed=seed) for labels, seed in ((2, 1), (3, 2), (3, 2))
    )
    assert Inheritance(parent, distils=True).settle(fitted, lambda: 0.0) == KEPT
    for layer in fitted.layers:
        old, was = (network.get_layer(layer.name).get_weights() for network in (parent, before))
        for a, b, now in zip(old, was, layer.get_weights(), strict=True):
            n = a.shape[-1]
            assert np.allclose(now[..., :n], (1 - KEPT) * a + KEPT * b[..., :n], atol=1e-6)
            assert np.array_equal(now[..., n:], b[..., n:])
    assert fitted.get_layer(HEAD).units == 3


@pytest.mark.parametrize("best", [1.0, 0.7, 0.4])
def test_a_model_begun_with_a_trunk_stays_where_pictures_it_was_not_fitted_to_are_known_best(
    best: float,
) -> None:
    from schemas.bundle import HEAD
    from tagger.training.fine_tuning import Inheritance
    from tagger.training.network import Architecture, build_network

    sizes = Architecture(size=24, filters=(2, 2, 2), dense=4)
    parent, fitted = (build_network(sizes, labels, seed=labels) for labels in (2, 3))
    its, mine = (network.get_layer("dense").get_weights()[0] for network in (parent, fitted))
    bias = fitted.get_layer(HEAD).get_weights()[1] + np.array([1, 2, 3], np.float32)
    fitted.get_layer(HEAD).set_weights([fitted.get_layer(HEAD).get_weights()[0], bias])
    wanted = (1 - best) * its + best * mine

    def loss() -> float:
        return float(np.abs(fitted.get_layer("dense").get_weights()[0] - wanted).sum())

    assert Inheritance(parent, columns=(None, 1, None)).settle(fitted, loss) == best
    assert loss() < 1e-4
    assert fitted.get_layer(HEAD).get_weights()[1] == pytest.approx([1, 2 * best, 3], abs=1e-6)
