"""The network for processors that are faster in 8 bits, made when a bundle is saved.

By NNCF's quantization after training. Of what it offers, and of what was tried on two models and
four sources of pictures (the benchmarks' page has the figures):

- activations may lie off zero (`MIXED`): those behind a normalisation do. Half the error;
- the head stays in float32: some features are far larger than all others, and what is cut off there
  moves logits by up to 10. It costs nothing;
- each layer's bias is corrected on pictures, one layer after the other: a fifth of the error;
- ranges hold all that was seen. With medians of the pictures' own the error was a little smaller,
  and one picture of 17,057, of large activations, had a logit that was off by 3;
- weights have seven bits: with eight, processors without VNNI add up wrongly in silence, and answer
  something else. That costs a third more error;
- then the head is fitted to what the network in float32 says, on the features that there are: half
  of the error that was left, a third to a half of it on pictures of other sources, for nothing.

The first convolution made half of the error before that. In float32 it takes a third of the time
that int8 saves. Neither equal ranges of channels (SmoothQuant) nor more pictures made it better.
"""

import io
import logging
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from schemas.bundle import HEAD, INT8
from tagger.arrays import Float32Array, Pixels
from tagger.exit_codes import end_if_asked
from tagger.progress import warn

CALIBRATION = 300
"""Training pictures that ranges and biases are measured on; with fewer there is no such network."""

HEAD_PICTURES = 2000
"""Training pictures that the head is fitted on, at most."""

_RIDGE = 10.0
"""Weight of a weight, in variances of a feature. With less than 3, errors on the pictures that it
is fitted on are smaller than on others, and a comparison on them promises too much."""

_BATCH = 64


def try_int8(folder: Path, pixels: Pixels) -> None:
    """Write it, or leave it out and say why: without it nights take longer, and a training of hours
    is not lost to what only saves time. Else as `write_int8`."""
    try:
        write_int8(folder, pixels)
    except Exception as error:
        end_if_asked()  # libraries replace what a signal raised in them
        warn(f"the model is saved without a network in int8; nights compute in float32: {error}")
        for file in INT8:
            (folder / file).unlink(missing_ok=True)


def write_int8(folder: Path, pixels: Pixels) -> None:
    """Write a bundle's network in int8 beside the one in float32.

    Parameters
    ----------
    folder : Path
        Of the bundle; it has `openvino/model.xml`.
    pixels : uint8 (n, size, size, 3)
        RGB, training pictures in any order; ranges and biases are measured on the first
        `CALIBRATION`.
    """
    from tagger.models.openvino_runtime import openvino  # first: it keeps telemetry out of NNCF

    exact = openvino.Core().read_model(folder / "openvino" / "model.xml")
    network = _quantized(exact, pixels[:CALIBRATION])
    _fit_head(network, exact, pixels)
    openvino.save_model(network, folder / INT8[0], compress_to_fp16=False)


def _quantized(network: Any, pixels: Pixels) -> Any:
    import nncf
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    # Not `set_log_level`: that changes every handler which a program has put there, too.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    pictures = [(pixels[i : i + 1] / np.float32(255)) for i in range(len(pixels))]
    with redirect_stdout(io.StringIO()):  # progress bars
        return nncf.quantize(
            network,
            nncf.Dataset(pictures),
            subset_size=len(pictures),
            preset=nncf.QuantizationPreset.MIXED,
            fast_bias_correction=False,
            ignored_scope=nncf.IgnoredScope(names=_head(network)),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.ENABLE,
                activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
            ),
        )


def _fit_head(network: Any, exact: Any, pixels: Pixels) -> None:
    """Change the head of `network` in place, so that its logits come near those of `exact`: by
    ridge regression of what is between them on the features, from the head that there is."""
    from sklearn.linear_model import Ridge

    from tagger.models.openvino_runtime import openvino

    logits, features = _answers(network, pixels, HEAD, "features")
    (wanted,) = _answers(exact, pixels, HEAD)
    alpha = _RIDGE * len(pixels) * float(features.var(axis=0).mean())
    between = Ridge(alpha=alpha).fit(features, wanted - logits)
    product = _product(network)
    weights = between.coef_ if product.get_attributes()["transpose_b"] else between.coef_.T
    (total,) = product.output(0).get_target_inputs()
    added = total.get_node().input(1 - total.get_index())
    for place, change in ((product.input(1), weights), (added, between.intercept_)):
        before = place.get_source_output().get_node().data
        after = (before + change.reshape(before.shape)).astype(np.float32)
        place.replace_source_output(openvino.opset13.constant(after).output(0))


def _answers(network: Any, pixels: Pixels, *names: str) -> list[Float32Array]:
    """Return what a network says of pictures, (n, width) for each of these outputs."""
    from tagger.models.openvino_runtime import openvino

    compiled = openvino.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = []
    for at in range(0, len(pixels), _BATCH):
        said = compiled(pixels[at : at + _BATCH] / np.float32(255))
        found.append([np.array(said[name]) for name in names])
    return [np.concatenate(values) for values in zip(*found, strict=True)]


def _head(network: Any) -> list[str]:
    """Return the name of the product that makes logits of features."""
    return [_product(network).get_friendly_name()]


def _product(network: Any) -> Any:
    """Return the product that makes logits of features."""
    node = network.output(HEAD).get_node()
    while node.get_type_name() != "MatMul":
        node = node.input_value(0).get_node()
    return node
