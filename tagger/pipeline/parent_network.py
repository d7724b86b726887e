"""The network of a model that is continued, whole or packed."""

from typing import Any

from tagger.models.bundle import Bundle
from tagger.models.keras_network import load_network
from tagger.models.trainable import Weights, trainable_weights, unreadable
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

    try:
        network = build_network(_architecture(bundle, weights), len(bundle.vocabulary))
        _fill(network, weights)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise unreadable(bundle, error) from error
    return add_views(network, bundle.vocabulary)


def _architecture(bundle: Bundle, weights: Weights) -> Architecture:
    """Return the sizes that the weights have.

    Raises
    ------
    ValueError
        If those of the convolutions contradict each other: a network is never larger than what was
        read.
    """
    one, two, three = (len(weights[f"block{block}_conv1"][1]) for block in (1, 2, 3))
    for block, filters in ((2, two), (3, three)):
        shape = weights[f"block{block}_conv2"][0].shape
        if shape != (3, 3, filters, filters):
            raise ValueError(f"block{block}_conv2 has the shape {shape}")
    return Architecture(bundle.size, (one, two, three), len(weights["dense"][1]))


def _fill(network: Any, weights: Weights) -> None:
    """Give the network its weights.

    Raises
    ------
    ValueError
        If there are more, fewer or others than it has.
    """
    layers = {layer.name: layer for layer in network.layers if layer.weights}
    others = sorted(layers.keys() ^ weights.keys())
    if others:
        raise ValueError(f"its layers and those of the network differ: {', '.join(others)}")
    for name, layer in layers.items():
        layer.set_weights(weights[name])
