"""Which predictor a bundle gets: from pixels to logits, with the OpenVINO network or, as the
reference, the Keras one."""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np

from tagger.arrays import Float32Array, Pixels
from tagger.imaging.worker import CHUNK
from tagger.models.bundle import Bundle
from tagger.models.inferred import Predictor
from tagger.models.keras_network import KerasPredictor
from tagger.models.mixed import ComparingPredictor, MixedPredictor, SideBySide
from tagger.models.openvino_network import OpenVinoPredictor, capabilities, machine
from tagger.models.precision import PICTURES, precisions_to_compare, remember, remembered

Backend = Literal["auto", "openvino", "keras"]


def make_predictor(
    bundle: Bundle,
    backend: Backend = "auto",
    *,
    pictures: float = math.inf,
    threads: int = 0,
    report: Callable[[str], object] = lambda _: None,
) -> Predictor:
    """Return the predictor of a bundle.

    `openvino` computes in float32 and needs no TensorFlow; `auto` is the same, mostly in the
    cheapest precision that the comparison of `tagger.models.precision` allows.

    Parameters
    ----------
    pictures : float
        How many are coming: on fewer than `PICTURES` no comparison is begun.
    threads : int
        How many OpenVINO may use; 0 is as many as this process may keep busy.
    report : callable (str)
        Called with the outcome if a comparison is made, and if float32 turns out to be cheaper.

    Raises
    ------
    BundleError
        If the network's outputs do not fit the vocabulary.
    MachineFault
        If the network is sound and cannot be compiled here.
    """
    if backend == "keras":
        return KerasPredictor(bundle)
    precisions = precisions_to_compare(bundle, capabilities()) if backend == "auto" else []
    known = remembered(bundle, machine()) if precisions else None
    if known is not None and known.chosen is not None:
        return MixedPredictor(bundle, known.chosen, report, threads=threads)
    if precisions and known is None and pictures >= PICTURES:
        return ComparingPredictor(bundle, precisions, report, threads=threads)
    return OpenVinoPredictor(bundle, threads=threads)


def logits_of(predictor: Predictor, pixels: Pixels) -> Float32Array:
    """Return float32 (n, n_labels) for uint8 (n, size, size, 3) RGB, of any number n that is not
    0."""
    return np.concatenate(
        [predictor.infer(pixels[at : at + CHUNK]).logits for at in range(0, len(pixels), CHUNK)]
    )


def compare_precisions(
    bundle: Bundle,
    pixels: Pixels,
    targets: Float32Array,
    report: Callable[[str], object],
) -> None:
    """Find out now, on the pictures that a model was made with, which precision this machine may
    compute it in.

    Parameters
    ----------
    pixels : uint8 (n, size, size, 3)
        RGB; nothing is done on fewer than `PICTURES`.
    targets : float32 (n, n_labels)
        1, 0, or NaN for unknown.
    report : callable (str)
        Called with the outcome.
    """
    precisions = precisions_to_compare(bundle, capabilities())
    if len(pixels) < PICTURES or not precisions:
        return
    side_by_side = SideBySide(bundle, OpenVinoPredictor(bundle), precisions)
    for at in range(0, len(pixels), CHUNK):
        side_by_side.infer(pixels[at : at + CHUNK])
    compared = side_by_side.compared(targets)
    remember(bundle, machine(), compared)
    report(compared.text())
