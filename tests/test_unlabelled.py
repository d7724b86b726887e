"""`--unlabelled`: a model's sure answers teach, what measures it never does, and it says so when
they teach nothing."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import TINY
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.train import TrainOptions, train
from schemas.training import History
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


@settings(deadline=None)
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
    surely = p[:, :2].argmax(axis=1)[p[:, :2].max(axis=1) >= SURE]
    assert blue <= max(10, 2 * (surely == 1).sum())
    assert red <= max(10, 2 * (surely == 0).sum())
    singles = taught[:, 2:]
    assert ((logits[:, 2:] > 0) == (singles == 1))[~np.isnan(singles)].all()


def test_that_nothing_is_shown_is_never_taught() -> None:
    nothing = np.full((5, 4), -20, np.float32)
    assert np.isnan(pseudo_labels(nothing, VOCABULARY)).all()
    hooded = np.array([[-20, -20, 9, -20]], np.float32)
    assert pseudo_labels(hooded, VOCABULARY)[0, 2:].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("answered", "taught"),
    [
        ([200, 20, 20], [40, 20, 20]),
        ([200, 0, 0], [10, 0, 0]),
        ([30, 40, 50], [30, 40, 50]),
        ([500, 10], [20, 10]),
    ],
)
def test_of_an_over_answered_label_the_surest_alone_teach(
    answered: list[int], taught: list[int]
) -> None:
    keys = [("kind", name) for name in "abc"[: len(answered)]]
    vocabulary = Vocabulary.build([Group("kind", True, "shape")], keys)
    n = sum(answered)
    logits = np.full((n, len(answered)), -9, np.float32)
    logits[np.arange(n), np.repeat(range(len(answered)), answered)] = 3 + np.arange(n) / 100
    found = pseudo_labels(logits, vocabulary)
    assert np.nansum(found, axis=0).tolist() == taught
    first = answered[0]
    assert (found[first - taught[0] : first, 0] == 1).all()


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
    given_ = {"epochs": 2, "architecture": TINY, "name": "tiny", "seed": 5} | more
    return TrainOptions((str(sample.labelled),), str(models), groups="color,garment", **given_)


@pytest.fixture
def every_answer_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network of a few filters is sure of nothing after seconds."""
    from tagger.labels import pseudo_labels as module
    from tagger.pipeline import self_teaching

    monkeypatch.setattr(module, "SURE", 0.3)
    monkeypatch.setattr(self_teaching, "FEWEST", 1)


@pytest.mark.tensorflow
@pytest.mark.parametrize("better", [True, False])
def test_what_a_catalog_taught_is_kept_if_it_is_better_and_then_known_to_the_model(
    better: bool,
    sample: Sample,
    tmp_path: Path,
    eagerly: None,
    every_answer_counts: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tagger.pipeline import self_teaching

    # What the validation part says of so small a network is chance.
    monkeypatch.setattr(self_teaching, "NOISE", -1e9 if better else 1e9)
    options = asked(sample, tmp_path, unlabelled=str(sample.catalog))
    result = train(options)
    found = result.unlabelled
    assert found is not None
    assert 0 < found.sure <= found.pictures <= 36
    assert found.kept == better
    words = "without labels taught something" if better else "without labels are left out again"
    assert words in capsys.readouterr().err
    bundle = load_bundle(result.bundle)
    alone = [row for row in bundle.split().to_pylist() if row["judged"] == 0]
    assert len(alone) == (found.sure if better else 0)
    assert {row["part"] for row in alone} <= {"train"}
    card = (bundle.path / "README.md").read_text()
    assert "--unlabelled catalog" in card
    assert ("these taught this one" if better else "these were left out again") in card
    without = train(replace(options, models=str(tmp_path / "without"), unlabelled=None))
    assert (without.evaluation == result.evaluation) == (not better)


@pytest.mark.tensorflow
def test_a_model_that_is_sure_of_nothing_learns_nothing_and_says_so(
    sample: Sample,
    tmp_path: Path,
    eagerly: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tagger.labels import pseudo_labels as module

    monkeypatch.setattr(module, "SURE", 1.1)
    result = train(asked(sample, tmp_path, unlabelled=str(sample.catalog)))
    assert result.unlabelled is not None
    assert (result.unlabelled.sure, result.unlabelled.kept) == (0, False)
    assert result.unlabelled.loss_with is None
    assert "too few to learn from" in capsys.readouterr().err


def test_what_it_cannot_go_with_is_refused(sample: Sample, tmp_path: Path) -> None:
    catalog = str(sample.catalog)
    pair = ("color:blue,garment:dress",)
    with pytest.raises(InputError, match="--unlabelled and --hold-out-pair: give one of them"):
        train(asked(sample, tmp_path, unlabelled=catalog, hold_out_pairs=pair))
    with pytest.raises(InputError, match="--unlabelled and --recipe trunk: give one of them"):
        train(asked(sample, tmp_path, unlabelled=catalog, recipe="trunk"))


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
@pytest.mark.parametrize("changed", [False, True])
def test_a_training_killed_while_the_catalog_teaches_goes_on_or_learns_from_what_is_there_now(
    changed: bool,
    sample: Sample,
    catalog: Path,
    tmp_path: Path,
    eagerly: None,
    every_answer_counts: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tagger.training.checkpoints import Checkpoints

    saved = Checkpoints.save

    def save_and_die(self: Checkpoints, history: History) -> None:
        saved(self, history)
        if self._folder.name == "checkpoints-again" and len(history.epochs) == 1:
            raise KeyboardInterrupt

    options = asked(sample, tmp_path / "killed", unlabelled=str(catalog))
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            train(options)
    if changed:
        for path in sorted(catalog.rglob("*.jpg"))[:10]:
            path.unlink()
    resumed = train(replace(options, resume=True))
    whole = train(replace(options, models=str(tmp_path / "whole")))
    assert resumed.evaluation == whole.evaluation
    assert resumed.unlabelled == whole.unlabelled
    assert resumed.model_id == whole.model_id
