"""The end of a training: calibrate, set thresholds, measure, and gather what a bundle is made
of."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from schemas.bundle import CalibrationChange, Metrics, Threshold
from schemas.evaluation import Verdict
from tagger.arrays import BoolArray, FloatArray
from tagger.datasets.labelled_set import LabelKeys
from tagger.errors import TaggerError
from tagger.labels.pairs import Pair, count_pairs
from tagger.labels.vocabulary import Vocabulary
from tagger.models.bfloat16 import PICTURES
from tagger.models.bundle import Bundle
from tagger.pipeline.fitting import Fitted
from tagger.progress import say


@dataclass(frozen=True)
class Concluded:
    """All that a bundle is made of."""

    network: Any
    thresholds: list[Threshold]
    metrics: Metrics
    plots: dict[str, bytes]
    verdict: Verdict


def conclude(
    fitted: Fitted,
    vocabulary: Vocabulary,
    min_precision: float | None,
    *,
    without_pictures_of: Bundle | None = None,
    held_out: Sequence[LabelKeys] = (),
) -> Concluded:
    """Return all that a bundle is made of, calibrated and with thresholds by the validation part,
    measured on the test part.

    Parameters
    ----------
    fitted : Fitted
        The head of its network takes in the calibration.
    min_precision : float or None
        See `tagger.training.calibration.choose_thresholds`.
    without_pictures_of : Bundle, optional
        A parent whose pictures are gone: its labels keep thresholds and calibration, its pairs
        count as trained.
    held_out : sequence of pairs of labels
        Those that training was kept from: the verdict leaves their pictures out.
    """
    from tagger.evaluation.verdict import give_verdict
    from tagger.training.calibration import calibrate, choose_thresholds
    from tagger.training.fit import predict_logits
    from tagger.training.network import add_views, fold_calibration

    kept = without_pictures_of.threshold_rows() if without_pictures_of else []
    trained = Counter(count_pairs(fitted.data.targets[fitted.data.train], vocabulary))
    trained.update(without_pictures_of.trained_pairs() if without_pictures_of else {})
    network, data = fitted.network, fitted.data
    logits = predict_logits(network, data.pixels, data.validation)
    scale, shift = calibrate(logits, data.targets[data.validation])
    scale[: len(kept)], shift[: len(kept)] = 1, 0
    fold_calibration(network, scale, shift)
    chosen = choose_thresholds(
        (logits * scale + shift).astype(np.float32),
        data.targets[data.validation],
        vocabulary,
        min_precision=min_precision,
    )
    thresholds = [*kept, *chosen[len(kept) :]]
    tested = predict_logits(network, data.pixels, fitted.test)
    truth, limits = data.targets[fitted.test], np.array([row.threshold for row in thresholds])
    metrics, reliability = _measure(
        (tested - shift) / scale,
        tested,
        truth,
        thresholds=limits,
        trained=dict(trained),
        vocabulary=vocabulary,
    )
    shown = ~_shows_any(truth, vocabulary, held_out)
    return Concluded(
        network=add_views(network, vocabulary),
        thresholds=thresholds,
        metrics=metrics,
        plots={"history.png": fitted.curves, "reliability.png": reliability},
        verdict=give_verdict(tested[shown], truth[shown], limits, vocabulary),
    )


def _shows_any(
    targets: FloatArray, vocabulary: Vocabulary, pairs: Sequence[LabelKeys]
) -> BoolArray:
    """Return bool (n,): the pictures that show one of the pairs."""
    result = np.zeros(len(targets), bool)
    for pair in pairs:
        columns = [
            i for i, label in enumerate(vocabulary.labels) if (label.group, label.name) in pair
        ]
        result |= (targets[:, columns] == 1).all(axis=1)
    return result


def compare_on(fitted: Fitted, path: Path) -> None:
    """Compare bfloat16 with float32 for the model just saved, on test and validation pictures
    first, which are the harder."""
    from tagger.models.bundle import load_bundle
    from tagger.models.predictor import compare_precisions

    rows = np.concatenate([fitted.test, fitted.data.validation, fitted.data.train])[:PICTURES]
    try:
        compare_precisions(
            load_bundle(path), fitted.data.pixels[rows], fitted.data.targets[rows], say
        )
    except (TaggerError, OSError) as error:  # the model is saved; the first night compares
        say(f"bfloat16 was not compared with float32: {error}")


def _measure(
    uncalibrated: FloatArray,
    calibrated: FloatArray,
    truth: FloatArray,
    *,
    thresholds: FloatArray,
    trained: dict[Pair, int],
    vocabulary: Vocabulary,
) -> tuple[Metrics, bytes]:
    """Return metrics.json and reliability.png: what the test part says, and what calibration did to
    it."""
    from tagger.evaluation.metrics import BINS, mean_calibration_error, measure
    from tagger.evaluation.plots import reliability_png
    from tagger.labels.views import sigmoid

    evaluation = measure(
        calibrated, truth, vocabulary=vocabulary, thresholds=thresholds, trained=trained
    )
    known = ~np.isnan(truth)
    plot = reliability_png(
        sigmoid(uncalibrated)[known], sigmoid(calibrated)[known], truth[known] == 1, bins=BINS
    )
    metrics = Metrics(
        evaluation=evaluation,
        calibration=CalibrationChange(
            before=mean_calibration_error(uncalibrated, truth),
            after=evaluation.calibration_error,
        ),
        pairs_in_training=[(*pair, n) for pair, n in trained.items()],
    )
    return metrics, plot
