"""The network in Keras: slower, needs TensorFlow, and is what OpenVINO's is held to."""

from typing import Any

import numpy as np

from tagger.arrays import Pixels
from tagger.errors import BundleError
from tagger.imaging.worker import CHUNK
from tagger.models.bundle import Bundle
from tagger.models.inferred import Inferred, check_outputs
from tagger.models.network_file import check_network_config
from tagger.settings import setting


class KerasPredictor:
    """The network in Keras, in float32 and batches of `CHUNK`."""

    backend = "keras"

    def __init__(self, bundle: Bundle) -> None:
        self._network = load_network(bundle)
        self._batch = np.zeros((CHUNK, bundle.size, bundle.size, 3), np.float32)

    def infer(self, pixels: Pixels) -> Inferred:
        """Return logits and features for uint8 (n, size, size, 3) RGB, n at most `CHUNK`."""
        self._batch[: len(pixels)] = pixels.astype(np.float32) / 255
        outputs = self._network(self._batch, training=False)
        return Inferred(*(np.asarray(outputs[name])[: len(pixels)] for name in Inferred._fields))


def load_network(bundle: Bundle) -> Any:
    """Return the bundle's keras.Model, whose outputs are by name.

    Raises
    ------
    BundleError
        If Keras cannot read it, or its outputs do not fit the vocabulary.
    """
    if not (bundle.path / "model.keras").exists():
        raise BundleError(
            f"model {str(bundle.path)!r} is packed, for tagging alone: it has no Keras network. "
            f"Use {setting('backend')} auto; "
            "retrain from the model that it was packed from"
        )
    check_network_config(bundle.path / "model.keras")
    from tagger.backend import keras

    try:
        network = keras.models.load_model(
            bundle.path / "model.keras", compile=False, safe_mode=True
        )
    except (ValueError, TypeError, OSError) as error:
        raise BundleError(
            f"model {str(bundle.path)!r}: Keras cannot read its network: {error}"
        ) from error
    check_outputs(bundle, {name: tensor.shape[-1] for name, tensor in network.output.items()})
    return network
