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
  something else. That costs a third more error.

The first convolution makes half of the error that is left. In float32 it takes a third of the time
that int8 saves. Neither equal ranges of channels (SmoothQuant) nor more pictures made it better.
"""

import io
import logging
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from schemas.bundle import HEAD, INT8
from tagger.arrays import Pixels

CALIBRATION = 300
"""Training pictures that ranges and biases are measured on; with fewer there is no such network."""


def write_int8(folder: Path, pixels: Pixels) -> None:
    """Write a bundle's network in int8 beside the one in float32.

    Parameters
    ----------
    folder : Path
        Of the bundle; it has `openvino/model.xml`.
    pixels : uint8 (n, size, size, 3)
        RGB, training pictures.
    """
    from tagger.models.openvino_runtime import openvino  # first: it keeps telemetry out of NNCF

    network = openvino.Core().read_model(folder / "openvino" / "model.xml")
    openvino.save_model(_quantized(network, pixels), folder / INT8[0], compress_to_fp16=False)


def _quantized(network: Any, pixels: Pixels) -> Any:
    import nncf
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    nncf.set_log_level(logging.ERROR)
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


def _head(network: Any) -> list[str]:
    """Return the name of the product that makes logits of features."""
    node = network.output(HEAD).get_node()
    while node.get_type_name() != "MatMul":
        node = node.input_value(0).get_node()
    return [node.get_friendly_name()]
