"""The head before the trunk: fitted to the features, and the trunk stays as it was."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.train import TrainOptions, train
from tagger.datasets.sample import Sample

pytestmark = pytest.mark.tensorflow


def test_a_small_set_begins_with_the_head_and_keeps_its_last_epoch() -> None:
    from schemas.training import Epoch, History
    from tagger.training.recipe import SMALL, Recipe

    few, some, many = (Recipe.begun(pictures) for pictures in (56, 560, SMALL))
    assert few.head_first
    assert some.head_first
    assert many == Recipe.continued(SMALL)
    steps = [recipe.epochs * recipe.steps(n) for recipe, n in ((few, 56), (some, 560))]
    assert 200 < steps[0] < steps[1] < 600

    def epochs(*choices: float | None) -> History:
        rows = [
            Epoch(
                loss=1.0,
                validation_loss=1.0,
                validation_recombined_loss=1.0,
                choice_loss=choice,
                validation_macro_ap=None,
                seconds=1.0,
            )
            for choice in choices
        ]
        return History(epochs=rows)

    assert epochs(None, None, None).best == 2
    assert epochs(3.0, 1.0, 2.0).best == 1


def test_a_training_that_begins_with_a_trunk_fits_the_head_first(
    sample: Sample, bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tagger.training import linear_head, recipe

    monkeypatch.setattr(recipe, "STEPS", 12)
    fitted: list[int] = []
    fit_head = linear_head.fit_head

    def fit_and_note(*args: Any) -> None:
        fit_head(*args)
        fitted.append(len(args[1].train))

    monkeypatch.setattr(linear_head, "fit_head", fit_and_note)
    options = TrainOptions(
        (str(sample.labelled),), str(tmp_path), "begun", "color,garment", trunk=str(bundle_path)
    )
    result = train(options)
    assert fitted == [result.pictures.train]
    assert result.best_epoch == 6


def test_the_head_learns_what_the_features_tell_apart_and_nothing_else_changes() -> None:
    from schemas.bundle import HEAD
    from tagger.labels.vocabulary import Group, Vocabulary
    from tagger.training.linear_head import fit_head
    from tagger.training.network import Architecture, begin_anew, build_network
    from tagger.training.recipe import Recipe
    from tagger.training.training_data import TrainingData
    from tagger.training.validation import predict_logits

    random = np.random.default_rng(0)
    bright = random.random(60) < 0.5
    pixels = random.integers(0, 100, (60, 24, 24, 3), np.uint8)
    pixels[bright] += 120
    targets = np.stack([bright, ~bright], axis=1).astype(np.float32)
    targets[:10, 0] = np.nan  # unknown teaches nothing
    vocabulary = Vocabulary.build(
        [Group("light", True, "pixels")], [("light", "bright"), ("light", "dark")]
    )
    data = TrainingData(pixels, targets, np.arange(40), np.arange(40, 60))
    begin_anew()
    sizes = Architecture(size=24, filters=(4, 4, 4), dense=8)
    network = build_network(sizes, 2, seed=1, fitting=True)
    before = {layer.name: layer.get_weights() for layer in network.layers}
    fit_head(network, data, vocabulary, Recipe(seed=3))
    for layer in network.layers:
        same = all(map(np.array_equal, before[layer.name], layer.get_weights()))
        assert same == (layer.name != HEAD or not layer.get_weights())
    logits = predict_logits(network, pixels, data.validation)
    assert (logits.argmax(axis=1) == targets[data.validation].argmax(axis=1)).mean() > 0.9
    once = network.get_layer(HEAD).get_weights()
    network.get_layer(HEAD).set_weights(before[HEAD])
    fit_head(network, data, vocabulary, Recipe(seed=3))
    assert all(map(np.array_equal, once, network.get_layer(HEAD).get_weights()))
