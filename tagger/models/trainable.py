"""What a packed bundle keeps so that it can be retrained: every weight, but one, as float32.

The kernel of the dense layer, nine tenths of all weights, is in the OpenVINO network already, as
float16, and is read from there.
"""

from pathlib import Path
from typing import Any

import numpy as np

from schemas.bundle import HEAD
from tagger.arrays import Float32Array
from tagger.errors import BundleError
from tagger.models.arrays_file import UNREADABLE, read_arrays
from tagger.models.bundle import Bundle

FILE = "trainable.npz"
_DENSE = "dense"

Weights = dict[str, list[Float32Array]]
"""Layer to its weights, in Keras's order."""


def write_trainable(network: Any, path: Path) -> None:
    """Write the weights of a bundle's keras.Model, but for the kernel of the dense layer."""
    weights: dict[str, Any] = {
        f"{layer.name}/{i}": np.asarray(weight, "<f4")
        for layer in network.layers
        for i, weight in enumerate(layer.get_weights())
    }
    del weights[f"{_DENSE}/0"]
    np.savez(path, **weights)


def trainable_weights(bundle: Bundle) -> Weights:
    """Return the weights of a packed bundle.

    Raises
    ------
    BundleError
        If it was packed without them, or they cannot be read.
    """
    shown = repr(str(bundle.path))
    if not bundle.trainable:
        raise BundleError(
            f"model {shown} is packed, for tagging alone; retrain from the model that it was "
            "packed from, or pack that anew"
        )
    try:
        weights = _read(bundle.path / FILE)
        weights[_DENSE].insert(0, _dense_kernel(bundle, weights))
        _check_values(weights)
        _check_head(bundle, weights)
    except UNREADABLE as error:
        raise unreadable(bundle, error) from error
    return weights


def unreadable(bundle: Bundle, error: Exception) -> BundleError:
    """Return what to say of a bundle whose weights are not what they should be."""
    said = f"it has no {error}" if isinstance(error, KeyError) else str(error)
    return BundleError(
        f"model {str(bundle.path)!r}: {FILE} cannot be read: {said}; take it from a backup"
    )


def _read(path: Path) -> Weights:
    weights: Weights = {}
    for key, array in read_arrays(path).items():  # in order: a layer has four weights at most
        layer, _, _ = key.partition("/")
        weights.setdefault(layer, []).append(array)
    return weights


def _check_values(weights: Weights) -> None:
    for layer, arrays in weights.items():
        if not all(np.isfinite(array).all() for array in arrays):
            raise ValueError(f"{layer} holds what is no number")


def _check_head(bundle: Bundle, weights: Weights) -> None:
    """Raise ValueError unless the head is the one that tags: rows are taken over by name."""
    head = bundle.head()
    kernel, bias = weights[HEAD]
    if not (np.array_equal(kernel, head.kernel) and np.array_equal(bias, head.bias)):
        raise ValueError(f"{HEAD} is another than that of head.npz")


def _dense_kernel(bundle: Bundle, weights: Weights) -> Float32Array:
    """Return float32 (inputs, units), as Keras has it; OpenVINO keeps it the other way round."""
    from tagger.models.openvino_runtime import openvino

    units = len(weights[_DENSE][0])
    filters = weights["block3_conv2"][1].shape[0]
    wanted = (units, (bundle.size // 12) ** 2 * filters)
    network = openvino.Core().read_model(bundle.path / "openvino" / "model.xml")
    found = [
        each.data
        for each in network.get_ordered_ops()
        if each.get_type_name() == "Constant" and tuple(each.get_output_shape(0)) == wanted
    ]
    if len(found) != 1:
        raise ValueError(f"{len(found)} constants of the shape {wanted} in openvino/model.xml")
    return np.ascontiguousarray(np.asarray(found[0], np.float32).T)
