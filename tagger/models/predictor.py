"""From pixels to logits, with the OpenVINO network or, as the reference, the Keras one."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from tagger.arrays import Float32Array, Pixels
from tagger.cpus import usable_cpus
from tagger.errors import BundleError, MachineFault, TaggerError
from tagger.imaging.worker import CHUNK
from tagger.labels.views import uncertain
from tagger.machine import machine_fault
from tagger.models.bfloat16 import PICTURES, Comparison, remember, remembered
from tagger.models.bundle import Bundle
from tagger.models.network_file import check_network_config
from tagger.settings import setting

Backend = Literal["auto", "openvino", "keras"]


class Inferred(NamedTuple):
    """What the network makes of pictures.

    Attributes
    ----------
    logits : float32 (n, n_labels)
    features : float32 (n, n_features)
        What the head is applied to.
    """

    logits: Float32Array
    features: Float32Array


class Predictor(Protocol):
    """What all of them are; `backend` is what the run's record calls it."""

    @property
    def backend(self) -> str:
        """Return what computes the next picture."""
        ...

    def infer(self, pixels: Pixels) -> Inferred:
        """Return logits and features for uint8 (n, size, size, 3) RGB, n at most `CHUNK`."""
        ...

    def logits(self, pixels: Pixels) -> Float32Array:
        """Return float32 (n, n_labels) for uint8 (n, size, size, 3) RGB, n at most `CHUNK`."""
        ...


def make_predictor(
    bundle: Bundle,
    backend: Backend = "auto",
    *,
    pictures: float = math.inf,
    threads: int = 0,
    report: Callable[[str], object] = lambda _: None,
) -> Predictor:
    """Return the predictor of a bundle.

    `openvino` computes in float32 and needs no TensorFlow; `auto` is the same, mostly in bfloat16
    where the processor has it and the comparison of `tagger.models.bfloat16` allows it.

    Parameters
    ----------
    pictures : float
        How many are coming: on fewer than `PICTURES` no comparison is begun.
    threads : int
        How many OpenVINO may use; 0 is as many as this process may keep busy.
    report : callable (str)
        Called with the outcome if a comparison is made.

    Raises
    ------
    BundleError
        If the network's outputs do not fit the vocabulary.
    MachineFault
        If the network is sound and cannot be compiled here.
    """
    if backend == "keras":
        return KerasPredictor(bundle)
    if backend == "openvino" or not _has_bfloat16():
        return OpenVinoPredictor(bundle, threads=threads)
    known = remembered(bundle, machine())
    if known is None and pictures >= PICTURES:
        return ComparingPredictor(bundle, report, threads=threads)
    if known is not None and known.passed:
        return MixedPredictor(bundle, known.margin, threads=threads)
    return OpenVinoPredictor(bundle, threads=threads)


def logits_of(predictor: Predictor, pixels: Pixels) -> Float32Array:
    """Return float32 (n, n_labels) for uint8 (n, size, size, 3) RGB, of any number n that is not
    0."""
    return np.concatenate(
        [predictor.logits(pixels[at : at + CHUNK]) for at in range(0, len(pixels), CHUNK)]
    )


def compare_precisions(
    bundle: Bundle,
    pixels: Pixels,
    targets: Float32Array,
    report: Callable[[str], object],
) -> None:
    """Find out now, on the pictures that a model was made with, whether this machine may compute it
    in bfloat16.

    Parameters
    ----------
    pixels : uint8 (n, size, size, 3)
        RGB; nothing is done on fewer than `PICTURES`.
    targets : float32 (n, n_labels)
        1, 0, or NaN for unknown.
    report : callable (str)
        Called with the outcome.
    """
    if len(pixels) < PICTURES or not _has_bfloat16():
        return
    exact, fast = (
        logits_of(OpenVinoPredictor(bundle, precision), pixels) for precision in ("f32", "bf16")
    )
    comparison = Comparison.of(exact, fast, bundle, targets)
    remember(bundle, machine(), comparison)
    report(comparison.text())


def machine() -> str:
    """Return what a comparison of precisions holds for: this processor and this release of
    OpenVINO."""
    from tagger.models.openvino_runtime import openvino

    name = openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")  # may be as vague as "AMD EPYC"
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:  # not Linux
        lines = []
    kind = [
        " ".join(line.split())
        for line in lines
        if line.startswith(("cpu family", "model\t", "stepping"))
    ]
    return ", ".join([name, *kind, f"OpenVINO {openvino.__version__}"])


def _has_bfloat16() -> bool:
    from tagger.models.openvino_runtime import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


BATCH = 16
"""Pictures that OpenVINO computes at once. Larger batches are 4 % faster alone, and slower beside
decode workers: they sweep the caches that those share with it."""


class OpenVinoPredictor:
    """The network in OpenVINO, in one precision and a fixed batch: scores do not depend on how many
    pictures there are.

    It is compiled anew each time: 0.12 s. OpenVINO's own cache maps a file that it never checks,
    and gave wrong scores after damage; reading a compiled copy and checking its digest took 0.11 s.
    """

    backend = "openvino"

    def __init__(
        self,
        bundle: Bundle,
        precision: Literal["f32", "bf16"] = "f32",
        *,
        batch: int = BATCH,
        threads: int = 0,
    ) -> None:
        from tagger.models.openvino_runtime import openvino

        core = openvino.Core()
        network = _read_network(core, bundle, batch)
        # Without the hint, machines with bfloat16 units would use them.
        settings = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
        settings["INFERENCE_NUM_THREADS"] = str(threads or usable_cpus())
        try:
            self._compiled: Any = core.compile_model(network, "CPU", settings)
        except RuntimeError as error:
            raise _not_compiled(core, bundle, error) from error
        self._request: Any = self._compiled.create_infer_request()
        self._batch = np.zeros((batch, bundle.size, bundle.size, 3), np.uint8)

    def infer(self, pixels: Pixels) -> Inferred:
        """Return logits and features for uint8 (n, size, size, 3) RGB, n at least 1."""
        size = len(self._batch)
        found = [self._infer_batch(pixels[at : at + size]) for at in range(0, len(pixels), size)]
        return Inferred(*(np.concatenate(values) for values in zip(*found, strict=True)))

    def _infer_batch(self, pixels: Pixels) -> Inferred:
        batch = pixels
        if len(pixels) < len(self._batch):
            batch = self._batch
            batch[: len(pixels)] = pixels
        self._request.infer([batch], share_inputs=True)
        found = (self._request.get_tensor(name).data[: len(pixels)] for name in Inferred._fields)
        return Inferred(*(np.array(values, np.float32) for values in found))

    def logits(self, pixels: Pixels) -> Float32Array:
        """Return float32 (n, n_labels) for uint8 (n, size, size, 3) RGB, n at least 1."""
        return self.infer(pixels).logits


def _read_network(core: Any, bundle: Bundle, batch: int) -> Any:
    """Return the bundle's network, checked, for uint8 pictures, `batch` at a time."""
    from tagger.models.openvino_runtime import openvino

    try:
        network = core.read_model(bundle.path / "openvino" / "model.xml")
        widths = [
            (output.get_names(), output.partial_shape[-1].get_length())
            for output in network.outputs
        ]
        _check_outputs(bundle, {name: width for names, width in widths for name in names})
        if network.input().partial_shape[1].get_length() != bundle.size:
            raise BundleError(
                f"model {str(bundle.path)!r}: its network takes another size than {bundle.size}"
            )
        network.reshape([batch, bundle.size, bundle.size, 3])
        steps = openvino.preprocess.PrePostProcessor(network)
        steps.input().tensor().set_element_type(openvino.Type.u8)
        steps.input().preprocess().convert_element_type(openvino.Type.f32).scale(255.0)
        return steps.build()
    except RuntimeError as error:
        raise BundleError(
            f"model {str(bundle.path)!r}: {_CANNOT_USE}: {_last_line(error)}"
        ) from error


def _not_compiled(core: Any, bundle: Bundle, error: RuntimeError) -> TaggerError:
    """Return whose fault it is that a network which was read cannot be compiled: this machine's, or
    the network's."""
    if machine_fault(error) is None and _compiles_anything(core):
        return BundleError(f"model {str(bundle.path)!r}: {_CANNOT_USE}: {_last_line(error)}")
    fault = machine_fault(error) or f"this machine compiles no network at all ({_last_line(error)})"
    return MachineFault(f"{_CANNOT_USE}, and the model {str(bundle.path)!r} is sound: {fault}")


_CANNOT_USE = "OpenVINO cannot use its network"


def _compiles_anything(core: Any) -> bool:
    """Return whether a network of one small convolution can be compiled here."""
    from tagger.models.openvino_runtime import openvino

    ops = openvino.opset13
    pixels = ops.parameter([1, 3, 8, 8], np.float32)
    kernel = ops.constant(np.ones((4, 3, 3, 3), np.float32))
    convolved = ops.relu(ops.convolution(pixels, kernel, [1, 1], [0, 0], [0, 0], [1, 1]))
    try:
        core.compile_model(openvino.Model([convolved], [pixels]), "CPU")
    except RuntimeError:
        return False
    return True


def _last_line(error: RuntimeError) -> str:
    return str(error).strip().splitlines()[-1]


class MixedPredictor:
    """Bfloat16, and float32 again for pictures whose tags might be others if each logit were off by
    `margin`."""

    backend = "openvino bfloat16"

    def __init__(self, bundle: Bundle, margin: float, *, threads: int = 0) -> None:
        self._bundle = bundle
        self._margin = margin
        self._fast = OpenVinoPredictor(bundle, "bf16", threads=threads)
        self._exact = OpenVinoPredictor(bundle, batch=_AGAIN, threads=threads)

    def infer(self, pixels: Pixels) -> Inferred:
        """Return logits and features for uint8 (n, size, size, 3) RGB, n at most `CHUNK`."""
        inferred = self._fast.infer(pixels)
        doubtful = uncertain(
            inferred.logits, self._bundle.thresholds, self._bundle.vocabulary, self._margin
        )
        again = np.flatnonzero(doubtful)
        if len(again):
            for values, exact in zip(inferred, self._exact.infer(pixels[again]), strict=True):
                values[again] = exact
        return inferred

    def logits(self, pixels: Pixels) -> Float32Array:
        """Return float32 (n, n_labels) for uint8 (n, size, size, 3) RGB, n at most `CHUNK`."""
        return self.infer(pixels).logits


_AGAIN = 4
"""Pictures computed again at a time: some three of 64 are, and a batch costs as much as if it were
full."""


class ComparingPredictor:
    """Float32, with bfloat16 beside it until enough pictures were compared; from then on what the
    comparison allows."""

    def __init__(
        self, bundle: Bundle, report: Callable[[str], object], *, threads: int = 0
    ) -> None:
        self._bundle = bundle
        self._report = report
        self._threads = threads
        self._current: Predictor = OpenVinoPredictor(bundle, threads=threads)
        self._fast: OpenVinoPredictor | None = OpenVinoPredictor(bundle, "bf16", threads=threads)
        self._compared: list[tuple[Float32Array, Float32Array]] = []

    @property
    def backend(self) -> str:
        """Return what computes the next picture."""
        return self._current.backend

    def infer(self, pixels: Pixels) -> Inferred:
        """Return logits and features for uint8 (n, size, size, 3) RGB, n at most `CHUNK`."""
        inferred = self._current.infer(pixels)
        if self._fast is not None:
            self._compared.append((inferred.logits, self._fast.logits(pixels)))
            if sum(len(exact) for exact, _ in self._compared) >= PICTURES:
                self._decide()
        return inferred

    def logits(self, pixels: Pixels) -> Float32Array:
        """Return float32 (n, n_labels) for uint8 (n, size, size, 3) RGB, n at most `CHUNK`."""
        return self.infer(pixels).logits

    def _decide(self) -> None:
        exact, other = (np.concatenate(logits) for logits in zip(*self._compared, strict=True))
        comparison = Comparison.of(exact, other, self._bundle)
        remember(self._bundle, machine(), comparison)
        self._report(comparison.text())
        if comparison.passed:
            self._current = MixedPredictor(self._bundle, comparison.margin, threads=self._threads)
        self._fast = None
        self._compared = []


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

    def logits(self, pixels: Pixels) -> Float32Array:
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
    _check_outputs(bundle, {name: tensor.shape[-1] for name, tensor in network.output.items()})
    return network


def _check_outputs(bundle: Bundle, found: dict[str, int]) -> None:
    vocabulary = bundle.vocabulary
    wanted = {"logits": len(vocabulary), "scores": len(vocabulary), "features": bundle.width}
    wanted |= {
        group.name: len(vocabulary.members(group.name)) + 1 for group in vocabulary.exclusive_groups
    }
    if found != wanted:
        raise BundleError(
            f"model {str(bundle.path)!r}: the network's outputs {found} are not those of its "
            f"vocabulary, {wanted}"
        )
