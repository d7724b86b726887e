"""The head before the trunk: fitted to the features, and the trunk stays as it was."""

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow


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
