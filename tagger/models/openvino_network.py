"""The network in OpenVINO, in one precision.

What each precision costs on which processor is on the benchmarks' page.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from schemas.bundle import INT8
from tagger.arrays import Pixels
from tagger.cpus import usable_cpus
from tagger.errors import BundleError, MachineFault, TaggerError
from tagger.machine import executable_memory_fault, machine_fault
from tagger.models.bundle import Bundle
from tagger.models.inferred import Inferred, check_outputs
from tagger.models.precision import Precision

BATCH = 16
"""Pictures that OpenVINO computes at once. Larger batches are 4 % faster alone, and slower beside
decode workers: they sweep the caches that those share with it."""
_AT_ONCE = 4
"""Batches that are computed side by side, where there are as many processors: a chunk is four."""

_FILES: dict[Precision, str] = {
    "float32": "openvino/model.xml",
    "bfloat16": "openvino/model.xml",
    "int8": INT8[0],
}
_HINTS: dict[Precision, str] = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}


class OpenVinoPredictor:
    """The network in OpenVINO, in one precision and a fixed batch: scores do not depend on how many
    pictures there are.

    Each processor takes a batch of its own, so that none waits for another in the middle of one:
    beside decode workers, which interrupt now this one and now that one, they would wait for long.
    It is compiled anew each time: 0.12 s. OpenVINO's own cache maps a file that it never checks,
    and gave wrong scores after damage; reading a compiled copy and checking its digest took 0.11 s.
    """

    backend = "openvino"

    def __init__(
        self,
        bundle: Bundle,
        precision: Precision = "float32",
        *,
        batch: int = BATCH,
        threads: int = 0,
    ) -> None:
        from tagger.models.openvino_runtime import openvino

        core = openvino.Core()
        network = _read_network(core, bundle, _FILES[precision], batch)
        threads = threads or usable_cpus()
        streams = min(threads, _AT_ONCE)
        # Without the hint, machines with bfloat16 units would use them.
        settings = {"INFERENCE_PRECISION_HINT": _HINTS[precision]}
        settings |= {"INFERENCE_NUM_THREADS": str(threads), "NUM_STREAMS": str(streams)}
        try:
            self._compiled: Any = core.compile_model(network, "CPU", settings)
        except RuntimeError as error:
            raise _not_compiled(core, bundle, error) from error
        self._requests: list[Any] = [self._compiled.create_infer_request() for _ in range(streams)]
        self._batch = np.zeros((batch, bundle.size, bundle.size, 3), np.uint8)

    def infer(self, pixels: Pixels) -> Inferred:
        """Return logits and features for uint8 (n, size, size, 3) RGB, n at least 1."""
        size = len(self._batch)
        batches = [pixels[at : at + size] for at in range(0, len(pixels), size)]
        found = []
        at_once = len(self._requests)
        for at in range(0, len(batches), at_once):
            found += self._infer_batches(batches[at : at + at_once])
        return Inferred(*(np.concatenate(values) for values in zip(*found, strict=True)))

    def _infer_batches(self, batches: Sequence[Pixels]) -> list[Inferred]:
        """Return what each of these says, at most one for each request; only the last may be less
        than a batch."""
        for request, pixels in zip(self._requests, batches, strict=False):
            request.start_async([self._filled(pixels)], share_inputs=True)
        return [
            _result(request, len(pixels))
            for request, pixels in zip(self._requests, batches, strict=False)
        ]

    def _filled(self, pixels: Pixels) -> Pixels:
        """Return these pixels, with others below them where they are less than a batch."""
        if len(pixels) == len(self._batch):
            return pixels
        self._batch[: len(pixels)] = pixels
        return self._batch


def _result(request: Any, pictures: int) -> Inferred:
    """Return what a request says of its first pictures, once it has ended."""
    request.wait()
    found = (request.get_tensor(name).data[:pictures] for name in Inferred._fields)
    return Inferred(*(np.array(values, np.float32) for values in found))


def _read_network(core: Any, bundle: Bundle, file: str, batch: int) -> Any:
    """Return a network of the bundle, checked, for uint8 pictures, `batch` at a time."""
    from tagger.models.openvino_runtime import openvino

    try:
        network = core.read_model(bundle.path / file)
        widths = [
            (output.get_names(), output.partial_shape[-1].get_length())
            for output in network.outputs
        ]
        check_outputs(bundle, {name: width for names, width in widths for name in names})
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
    fault: object = machine_fault(error) or executable_memory_fault()
    if fault is None:
        if _compiles_anything(core):
            return BundleError(f"model {str(bundle.path)!r}: {_CANNOT_USE}: {_last_line(error)}")
        fault = f"this machine compiles no network at all ({_last_line(error)})"
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


def capabilities() -> list[str]:
    """Return what this processor computes in, in OpenVINO's words."""
    from tagger.models.openvino_runtime import openvino

    return list(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
