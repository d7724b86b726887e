"""The end of a training: calibrate, set thresholds, measure, and gather what a bundle is made of."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.bundle import FORMAT_VERSION
from tagger.combinations import Pair, count_pairs
from tagger.vocabulary import Vocabulary

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Fitted:
    """What fitting leaves for the bundle, beside the network."""

    parts: Any
    facts: dict[str, Any]
    curves: bytes


@dataclass(frozen=True)
class Concluded:
    """All that a bundle is made of."""

    network: Any
    thresholds: list[dict[str, Any]]
    metrics: dict[str, Any]
    plots: dict[str, bytes]
    parts: Any
    facts: dict[str, Any]


def conclude(
    network: Any,
    data: Any,
    test: npt.NDArray[np.int64],
    vocabulary: Vocabulary,
    min_precision: float | None,
    fitted: Fitted,
) -> Concluded:
    """Return all that a bundle is made of, calibrated and with thresholds by the tune part, measured on the test part.

    Parameters
    ----------
    network : keras.Model
        As fitted; its head takes in the calibration.
    data : tagger.training.TrainingData
    test : int64
        Row numbers of the test part.
    min_precision : float or None
        See `tagger.calibration.choose_thresholds`.
    """
    from tagger.calibration import calibrate, choose_thresholds
    from tagger.model import add_views, fold_calibration
    from tagger.training import predict_logits

    tuning = predict_logits(network, data.pixels, data.tune)
    scale, shift = calibrate(tuning, data.targets[data.tune])
    fold_calibration(network, scale, shift)
    thresholds = choose_thresholds(
        (tuning * scale + shift).astype(np.float32),
        data.targets[data.tune],
        vocabulary,
        min_precision=min_precision,
    )
    tested = predict_logits(network, data.pixels, test)
    metrics, reliability = _measure(
        (tested - shift) / scale,
        tested,
        data.targets[test],
        thresholds=np.array([threshold.value for threshold in thresholds]),
        trained=count_pairs(data.targets[data.train], vocabulary),
        vocabulary=vocabulary,
    )
    return Concluded(
        network=add_views(network, vocabulary),
        thresholds=[threshold.to_json() for threshold in thresholds],
        metrics=metrics,
        plots={"history.png": fitted.curves, "reliability.png": reliability},
        parts=fitted.parts,
        facts=fitted.facts,
    )


def _measure(
    uncalibrated: Floats,
    calibrated: Floats,
    truth: Floats,
    *,
    thresholds: Floats,
    trained: dict[Pair, int],
    vocabulary: Vocabulary,
) -> tuple[dict[str, Any], bytes]:
    """Return metrics.json and reliability.png: what the test part says, and what calibration did to it."""
    from tagger.metrics import BINS, mean_calibration_error, measure
    from tagger.plots import reliability_png
    from tagger.views import sigmoid

    evaluation = measure(calibrated, truth, vocabulary=vocabulary, thresholds=thresholds, trained=trained)
    known = ~np.isnan(truth)
    plot = reliability_png(sigmoid(uncalibrated)[known], sigmoid(calibrated)[known], truth[known] == 1, bins=BINS)
    metrics = {
        "format_version": FORMAT_VERSION,
        "evaluation": evaluation,
        "calibration": {
            "before": mean_calibration_error(uncalibrated, truth),
            "after": evaluation["calibration_error"],
        },
        "pairs_in_training": [[*pair, n] for pair, n in trained.items()],
    }
    return metrics, plot
