"""`--unlabelled`: a model's sure answers teach, what measures it never does, and it says so when
they teach nothing."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import TINY
from hypothesis import given
from hypothesis import strategies as st

from jobs.train import TrainOptions, train
from tagger.datasets.dataset_reader import read_dataset
from tagger.datasets.pixel_cache import decode_to_disk
from tagger.datasets.prepared_set import PreparedSet, prepare
from tagger.datasets.sample import Sample
from tagger.datasets.unlabelled import may_teach
from tagger.errors import InputError
from tagger.imaging.preprocessing import Reading
from tagger.labels.pseudo_labels import SURE, pseudo_labels
from tagger.labels.views import group_probabilities
from tagger.labels.vocabulary import Group, Vocabulary, parse_groups
from tagger.models.bundle import load_bundle

GROUPS = [Group("color", True, "pixels"), Group("detail", False, "both")]
KEYS = [("color", "blue"), ("color", "red"), ("detail", "hood"), ("detail", "zip")]
VOCABULARY = Vocabulary.build(GROUPS, KEYS)


@given(st.integers(0, 2**31 - 1), st.integers(0, 300), st.floats(0.1, 10))
def test_only_sure_answers_teach_a_group_as_a_whole_and_no_label_swallows_the_others(
    seed: int, n: int, spread: float
) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal([spread, -spread, 0, 0], 5, (n, 4)).astype(np.float32)
    taught = pseudo_labels(logits, VOCABULARY)
    p = group_probabilities(logits, [0, 1])
    known = ~np.isnan(taught[:, :2])
    assert (known.all(axis=1) == known.any(axis=1)).all()
    said = known.all(axis=1)
    assert (taught[said, :2].sum(axis=1) == 1).all()
    assert (p[said, :2].max(axis=1) >= SURE).all()
    assert (taught[said, :2].argmax(axis=1) == p[said, :2].argmax(axis=1)).all()
    blue, red = taught[said, :2].sum(axis=0)
    if red:
        assert blue <= max(10, 2 * (blue + red) / 2 * 2)
    singles = taught[:, 2:]
    assert ((logits[:, 2:] > 0) == (singles == 1))[~np.isnan(singles)].all()


def test_that_nothing_is_shown_is_never_taught() -> None:
    nothing = np.full((5, 4), -20, np.float32)
    taught = pseudo_labels(nothing, VOCABULARY)
    assert np.isnan(taught[:, :2]).all()
    assert (taught[:, 2:] == 0).all()


def test_the_surest_of_an_over_answered_label_are_kept() -> None:
    groups = [Group("kind", True, "shape")]
    three = Vocabulary.build(groups, [("kind", "a"), ("kind", "b"), ("kind", "c")])
    answers = np.repeat([0, 1, 2], [200, 20, 20])
    logits = np.full((240, 3), -9, np.float32)
    logits[np.arange(240), answers] = 3 + np.arange(240) / 100
    taught = pseudo_labels(logits, three)
    assert np.nansum(taught, axis=0).tolist() == [40, 20, 20]
    assert (taught[160:200, 0] == 1).all()


@pytest.fixture(scope="module")
def prepared(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    labelled = read_dataset(sample.labelled, groups=parse_groups("color,garment"))
    folder = tmp_path_factory.mktemp("prepared")
    return prepare(labelled, folder, Reading(32), workers=1, progress=lambda _: None)


def test_pictures_that_look_like_labelled_ones_or_are_there_twice_do_not_teach(
    prepared: PreparedSet, sample: Sample, tmp_path: Path
) -> None:
    known = sorted(sample.labelled.rglob("*.jpg"))[0]
    new = sorted(sample.catalog.rglob("*.jpg"))[:2]
    brighter = np.clip(cv2.imread(str(known)).astype(int) + 2, 0, 255)
    cv2.imwrite(str(tmp_path / "alike.png"), brighter)
    (tmp_path / "broken.jpg").write_text("<html>")
    paths = [known, tmp_path / "alike.png", new[0], new[0], new[1], tmp_path / "broken.jpg"]
    cache = decode_to_disk(
        tmp_path / "cache", list(map(str, paths)), Reading(32), workers=1, progress=lambda _: None
    )
    assert may_teach(cache, prepared, set()).rows.tolist() == [2, 4]
    measured = cache.facts[4].content_sha256
    assert measured is not None
    found = may_teach(cache, prepared, {measured})
    assert found.rows.tolist() == [2]
    assert found.digests == [cache.facts[2].content_sha256]


def asked(sample: Sample, models: Path, **more: object) -> TrainOptions:
    given_ = {"epochs": 6, "architecture": TINY, "name": "tiny", "seed": 5} | more
    return TrainOptions((str(sample.labelled),), str(models), groups="color,garment", **given_)


@pytest.mark.tensorflow
def test_a_catalog_teaches_and_what_it_taught_is_known_to_the_model(
    sample: Sample,
    tmp_path: Path,
    eagerly: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tagger.labels import pseudo_labels as module
    from tagger.pipeline import self_teaching

    # A network of a few filters is sure of nothing after seconds: every answer counts here.
    monkeypatch.setattr(module, "SURE", 0.3)
    monkeypatch.setattr(self_teaching, "FEWEST", 1)
    result = train(asked(sample, tmp_path, unlabelled=str(sample.catalog)))
    found = result.unlabelled
    assert found is not None
    assert 0 < found.sure <= found.pictures <= 36
    assert found.loss_with is not None
    assert found.kept == (found.loss_with <= found.loss_without)
    said = capsys.readouterr().err
    words = "taught something" if found.kept else "left out again"
    assert f"pictures without labels {'' if found.kept else 'are '}{words}" in said
    bundle = load_bundle(result.bundle)
    split = bundle.split().to_pylist()
    alone = [row for row in split if row["judged"] == 0]
    assert len(alone) == (found.sure if found.kept else 0)
    assert {row["part"] for row in alone} <= {"train"}
    assert "--unlabelled catalog" in (bundle.path / "README.md").read_text()


@pytest.mark.tensorflow
def test_a_model_that_is_sure_of_nothing_learns_nothing_and_says_so(
    sample: Sample, tmp_path: Path, eagerly: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one").mkdir()
    shutil.copy(sorted(sample.catalog.rglob("*.jpg"))[0], tmp_path / "one")
    options = asked(sample, tmp_path / "with", epochs=2, unlabelled=str(tmp_path / "one"))
    result = train(options)
    assert result.unlabelled is not None
    assert not result.unlabelled.kept
    assert result.unlabelled.loss_with is None
    assert "too few to learn from" in capsys.readouterr().err
    without = train(replace(options, models=str(tmp_path / "without"), unlabelled=None))
    assert without.evaluation == result.evaluation  # it is the very same model
    assert without.unlabelled is None


@pytest.mark.parametrize("what", ["missing", "empty"])
def test_a_catalog_that_is_missing_or_empty_is_refused_before_anything_is_decoded(
    what: str, sample: Sample, tmp_path: Path
) -> None:
    if what == "empty":
        (tmp_path / what).mkdir()
    with pytest.raises(InputError, match=r"there is no"):
        train(asked(sample, tmp_path / "models", unlabelled=str(tmp_path / what)))
    assert not (tmp_path / "models" / "_training").exists()


@pytest.mark.tensorflow
def test_a_training_killed_while_the_catalog_teaches_goes_on(
    sample: Sample, tmp_path: Path, eagerly: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tagger.labels import pseudo_labels as module
    from tagger.pipeline import self_teaching
    from tagger.training.checkpoints import Checkpoints

    monkeypatch.setattr(module, "SURE", 0.3)
    monkeypatch.setattr(self_teaching, "FEWEST", 1)
    whole = train(asked(sample, tmp_path / "whole", unlabelled=str(sample.catalog)))
    saved = Checkpoints.save

    def save_and_die(self: Checkpoints, history: object) -> None:
        saved(self, history)  # type: ignore[arg-type]
        if self._folder.name == "checkpoints-again" and len(history.epochs) == 2:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    options = asked(sample, tmp_path / "killed", unlabelled=str(sample.catalog))
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            train(options)
    resumed = train(replace(options, resume=True))
    assert resumed.evaluation == whole.evaluation
    assert resumed.unlabelled == whole.unlabelled
    assert json.loads(Path(resumed.bundle, "bundle.json").read_text())["model_id"] == whole.model_id
