"""What lies outside of the features of training pictures: by itself, in a bundle, in a night."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from changed_bundles import described_again
from conftest import current_rows, settle
from hypothesis import given, settings
from hypothesis import strategies as st

import tagger
from jobs.retrain import RetrainOptions, retrain
from jobs.tag_catalog import TagOptions, tag_catalog
from jobs.train import TrainOptions, train
from schemas.bundle import Outside
from schemas.training import RetrainReport
from tagger.arrays import Float32Array
from tagger.datasets.sample import Sample, draw_sample
from tagger.errors import BundleError
from tagger.labels.feature_space import (
    DIRECTIONS,
    FEWEST,
    FeatureSpace,
    measure_space,
    share_outside,
)
from tagger.labels.unlikeness import (
    ENOUGH,
    measure_likeness,
    unlikeness,
    with_parent,
)
from tagger.labels.vocabulary import Group, Vocabulary
from tagger.models.bundle import load_bundle

WIDTH = DIRECTIONS + 22
VOCABULARY = Vocabulary.build([Group("garment", True, "shape")], [("garment", "dress")])


def flat(n: int, *, seed: int = 0) -> Float32Array:
    """Return features that vary in `DIRECTIONS` of `WIDTH` directions alone, about 3."""
    features = np.full((n, WIDTH), 3, np.float32)
    features[:, :DIRECTIONS] += np.random.default_rng(seed).normal(0, 1, (n, DIRECTIONS))
    return features


def space_of_flat() -> FeatureSpace:
    space = measure_space(flat(FEWEST))
    assert space is not None
    return space


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31 - 1), st.floats(0, 1e4, width=32))
def test_what_varies_as_training_pictures_do_lies_inside_and_what_does_not_lies_outside(
    seed: int, apart: float
) -> None:
    space = space_of_flat()
    others = flat(5, seed=seed)
    assert share_outside(others, space).max() < 0.01
    others[:, -1] += apart
    shares = share_outside(others, space)
    length = np.linalg.norm(others - space.mean, axis=1)
    assert shares == pytest.approx(apart / length, abs=0.01)
    assert (shares <= 1).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31 - 1), st.integers(1, 63))
def test_what_lies_outside_does_not_depend_on_how_many_pictures_there_are(
    seed: int, batch: int
) -> None:
    space = space_of_flat()
    others = flat(200, seed=seed) + np.random.default_rng(seed).normal(0, 1, (200, WIDTH))
    others = others.astype(np.float32)
    parts = [share_outside(others[at : at + batch], space) for at in range(0, 200, batch)]
    assert np.concatenate(parts) == pytest.approx(share_outside(others, space), abs=1e-12)


def test_the_very_middle_lies_inside_and_few_pictures_or_features_say_nothing() -> None:
    space = space_of_flat()
    assert share_outside(space.mean[None], space).tolist() == [0.0]
    assert measure_space(flat(FEWEST - 1)) is None
    assert measure_space(flat(FEWEST)[:, :DIRECTIONS]) is None


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31 - 1), st.integers(ENOUGH, 400))
def test_one_in_a_hundred_lies_beyond_by_logits_and_features_together_and_farther_out_is_more(
    seed: int, n: int
) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(3, 2, (n, 1)).astype(np.float32)
    outside = random.uniform(0.2, 0.6, n)
    likeness = measure_likeness(logits, VOCABULARY, outside)
    assert likeness is not None
    assert likeness.outside is not None
    far = unlikeness(logits, VOCABULARY, likeness, outside)
    assert np.median(far) == pytest.approx(0, abs=1e-3)
    assert (far > 1).mean() <= 0.02
    assert (unlikeness(logits, VOCABULARY, likeness, outside + 0.1) > far).all()
    assert measure_likeness(logits[: ENOUGH - 1], VOCABULARY, outside[: ENOUGH - 1]) == (
        measure_likeness(logits[: ENOUGH - 1], VOCABULARY)
    )
    # Where a parent's pictures are gone, theirs would lie outside: features say nothing.
    for one, other in ((likeness, likeness), (None, likeness)):
        both = with_parent(one, other)
        assert both is not None
        assert both.outside is None


@given(st.sampled_from([(1.0, 1.0), (0.5, 0.2), (float("nan"), 1.0), (0.0, float("inf"))]))
def test_a_stranger_s_limits_that_cannot_be_are_refused(values: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"ordinary .* must be less than most"):
        Outside(ordinary=values[0], most=values[1], middle=0, limit=1)
    with pytest.raises(ValueError, match=r"middle .* must be less than limit"):
        Outside(ordinary=0, most=1, middle=values[0], limit=values[1])


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return draw_sample(tmp_path_factory.mktemp("drawn"), labelled=1100, catalog=40)


@pytest.fixture(scope="module")
def model(drawn: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with features and pictures enough."""
    architecture = {"size": 24, "filters": (4, 8, 8), "dense": WIDTH}
    options = TrainOptions(
        (str(drawn.labelled),),
        str(tmp_path_factory.mktemp("models")),
        groups="color,garment",
        epochs=2,
        architecture=architecture,
    )
    return Path(train(options).bundle)


@pytest.mark.tensorflow
def test_a_night_the_library_and_scores_from_stored_features_say_the_same(
    model: Path, drawn: Sample, tmp_path: Path
) -> None:
    bundle = load_bundle(model)
    assert bundle.likeness is not None
    assert bundle.likeness.outside is not None
    settle(drawn.catalog)
    options = TagOptions(
        str(drawn.catalog), str(model), str(tmp_path / "index"), features=True, force_model=True
    )
    tag_catalog(options)
    rows = current_rows(options)
    with tagger.load(model) as loaded:
        table = loaded.predict([drawn.catalog / name for name in rows.index])
    assert table["unlikeness"].tolist() == pytest.approx(
        rows["unlikeness"].tolist(), abs=2e-3, nan_ok=True
    )
    # Another model with the same trunk needs no picture; here the same one, described again.
    copy = tmp_path / "again"
    shutil.copytree(model, copy)
    chosen = json.loads((copy / "thresholds.json").read_text())
    chosen["labels"][0]["threshold"] = 0.51
    (copy / "thresholds.json").write_text(json.dumps(chosen))
    described_again(copy)
    again = TagOptions(
        str(drawn.catalog), str(copy), options.index, features=True, force_model=True
    )
    done = tag_catalog(again)
    assert done.plan.from_features == (rows["status"] == "ok").sum()
    after = current_rows(again)["unlikeness"]
    assert after.tolist() == pytest.approx(rows["unlikeness"].tolist(), abs=2e-2, nan_ok=True)


@pytest.mark.tensorflow
@pytest.mark.parametrize("earlier", [False, True])
def test_a_model_whose_old_pictures_are_gone_goes_by_logits_alone(
    earlier: bool, model: Path, tmp_path: Path
) -> None:
    """Also if its parent is of an earlier version, which had no unlikeness."""
    models = tmp_path / "models"
    shutil.copytree(model.parent, models, symlinks=True)
    if earlier:
        chosen = json.loads((models / model.name / "thresholds.json").read_text())
        del chosen["likeness"]
        (models / model.name / "thresholds.json").write_text(json.dumps(chosen))
        described_again(models / model.name)
    new = draw_sample(tmp_path / "new", labelled=1100, catalog=1, seed=9).labelled
    grown = retrain(
        RetrainOptions(
            (str(new),), str(models / model.name), str(models), epochs=1, tolerance=100.0
        )
    )
    assert isinstance(grown, RetrainReport)
    assert grown.pictures.train >= FEWEST
    assert grown.pictures.validation >= ENOUGH
    likeness = load_bundle(grown.bundle).likeness
    assert likeness is not None
    assert likeness.outside is None


@pytest.mark.tensorflow
def test_a_bundle_without_the_directions_that_it_measures_by_is_refused(
    model: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "bad"
    shutil.copytree(model, copy)
    with np.load(copy / "head.npz") as arrays:
        kept = {name: arrays[name] for name in ("kernel", "bias", "mean", "directions")}
    for changed in (
        kept | {"directions": kept["directions"][:, 1:]},
        kept | {"directions": kept["directions"] * 2},
        kept | {"mean": kept["mean"] + np.float32(1)},  # another space than the one measured by
        kept | {"mean": kept["mean"] * np.float32("nan")},
        {name: kept[name] for name in ("kernel", "bias")},
    ):
        np.savez(copy / "head.npz", **changed)
        described_again(copy)
        with pytest.raises(BundleError, match=r"^model [^:]*: head\.npz has not the directions"):
            load_bundle(copy)
