"""From pixels to logits, with the OpenVINO network or, as the reference, the Keras one."""

from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from tagger.bundle import Bundle, check_network_config
from tagger.decode_worker import CHUNK
from tagger.errors import BundleError

Pixels = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]
Backend = Literal["auto", "openvino", "keras"]


class Inferred(NamedTuple):
    """What the network makes of pictures.

    Attributes
    ----------
    logits : float32 (n, n_labels)
    features : float32 (n, n_features)
        What the head is applied to.
    """

    logits: Logits
    features: npt.NDArray[np.float32]


class Predictor(Protocol):
    """What both backends are."""

    backend: str

    def infer(self, pixels: Pixels) -> Inferred:
        """Return logits and features for uint8 (n, size, size, 3) RGB, n at most `CHUNK`."""
        ...

    def logits(self, pixels: Pixels) -> Logits:
        """Return float32 (n, n_labels) for uint8 (n, size, size, 3) RGB, n at most `CHUNK`."""
        ...


def make_predictor(bundle: Bundle, backend: Backend = "auto") -> Predictor:
    """Return the predictor of a bundle; `auto` is OpenVINO, which needs no TensorFlow.

    Raises
    ------
    BundleError
        If the network's outputs do not fit the vocabulary.
    """
    return KerasPredictor(bundle) if backend == "keras" else OpenVinoPredictor(bundle)


class OpenVinoPredictor:
    """The network in OpenVINO, float32, a fixed batch (scores then do not depend on how many there are)."""

    backend = "openvino"

    def __init__(self, bundle: Bundle) -> None:
        import openvino
        from openvino.preprocess import PrePostProcessor

        core = openvino.Core()
        try:
            network = core.read_model(bundle.path / "openvino" / "model.xml")
            widths = [(output.get_names(), output.partial_shape[-1].get_length()) for output in network.outputs]
            _check_outputs(bundle, {name: width for names, width in widths for name in names})
            if network.input().partial_shape[1].get_length() != bundle.size:
                raise BundleError(f"model {str(bundle.path)!r}: its network takes another size than {bundle.size}")
            network.reshape([CHUNK, bundle.size, bundle.size, 3])
            steps = PrePostProcessor(network)
            steps.input().tensor().set_element_type(openvino.Type.u8)
            steps.input().preprocess().convert_element_type(openvino.Type.f32).scale(255.0)
            # Without the hint, machines with bfloat16 units would use them.
            settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
            self._compiled: Any = core.compile_model(steps.build(), "CPU", settings)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise BundleError(f"model {str(bundle.path)!r}: OpenVINO cannot use its network: {reason}") from error
        self._request: Any = self._compiled.create_infer_request()
        self._batch = np.zeros((CHUNK, bundle.size, bundle.size, 3), np.uint8)

    def infer(self, pixels: Pixels) -> Inferred:
        """Return logits and features for uint8 (n, size, size, 3) RGB, n at most `CHUNK`."""
        self._batch[: len(pixels)] = pixels
        self._request.infer([self._batch], share_inputs=True)
        found = (self._request.get_tensor(name).data[: len(pixels)] for name in Inferred._fields)
        return Inferred(*(np.array(values, np.float32) for values in found))

    def logits(self, pixels: Pixels) -> Logits:
        """Return float32 (n, n_labels) for uint8 (n, size, size, 3) RGB, n at most `CHUNK`."""
        return self.infer(pixels).logits


class KerasPredictor:
    """The network in Keras: slower, needs TensorFlow, and is what the other is held to."""

    backend = "keras"

    def __init__(self, bundle: Bundle) -> None:
        self._network = load_network(bundle)
        self._batch = np.zeros((CHUNK, bundle.size, bundle.size, 3), np.float32)

    def infer(self, pixels: Pixels) -> Inferred:
        """Return logits and features for uint8 (n, size, size, 3) RGB, n at most `CHUNK`."""
        self._batch[: len(pixels)] = pixels.astype(np.float32) / 255
        outputs = self._network(self._batch, training=False)
        return Inferred(*(np.asarray(outputs[name])[: len(pixels)] for name in Inferred._fields))

    def logits(self, pixels: Pixels) -> Logits:
        """Return float32 (n, n_labels) for uint8 (n, size, size, 3) RGB, n at most `CHUNK`."""
        return self.infer(pixels).logits


def load_network(bundle: Bundle) -> Any:
    """Return the bundle's keras.Model, whose outputs are by name.

    Raises
    ------
    BundleError
        If Keras cannot read it, or its outputs do not fit the vocabulary.
    """
    if not (bundle.path / "model.keras").exists():
        raise BundleError(
            f"model {str(bundle.path)!r} is packed, for tagging alone: it has no Keras network. Use --backend auto; "
            "retrain from the model that it was packed from"
        )
    check_network_config(bundle.path / "model.keras")
    from tagger.backend import keras

    try:
        network = keras.models.load_model(bundle.path / "model.keras", compile=False, safe_mode=True)
    except (ValueError, TypeError, OSError) as error:
        raise BundleError(f"model {str(bundle.path)!r}: Keras cannot read its network: {error}") from error
    _check_outputs(bundle, {name: tensor.shape[-1] for name, tensor in network.output.items()})
    return network


def _check_outputs(bundle: Bundle, found: dict[str, int]) -> None:
    vocabulary = bundle.vocabulary
    wanted = {"logits": len(vocabulary), "scores": len(vocabulary), "features": bundle.width}
    wanted |= {group.name: len(vocabulary.members(group.name)) + 1 for group in vocabulary.exclusive_groups}
    if found != wanted:
        raise BundleError(
            f"model {str(bundle.path)!r}: the network's outputs {found} are not those of its vocabulary, {wanted}"
        )
