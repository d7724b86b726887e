"""The network of a model that is continued, whole or packed."""

from typing import Any

from schemas.bundle import HEAD
from tagger.models.bundle import Bundle
from tagger.models.predictor import load_network
from tagger.models.trainable import Weights, trainable_weights
from tagger.training.architecture import Architecture


def parent_network(bundle: Bundle) -> Any:
    """Return a bundle's keras.Model with its outputs by name; that of a packed one is built anew.

    Raises
    ------
    BundleError
        If it cannot be trained, or not be read.
    """
    if not bundle.packed:
        return load_network(bundle)
    weights = trainable_weights(bundle)
    from tagger.training.network import add_views, build_network

    network = build_network(_architecture(bundle, weights), len(weights[HEAD][1]))
    for layer in network.layers:
        if layer.weights:
            layer.set_weights(weights[layer.name])
    return add_views(network, bundle.vocabulary)


def _architecture(bundle: Bundle, weights: Weights) -> Architecture:
    one, two, three = (len(weights[f"block{block}_conv1"][1]) for block in (1, 2, 3))
    return Architecture(bundle.size, (one, two, three), len(weights["dense"][1]))
