"""The end of a training: calibrate, choose thresholds, measure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from schemas.bundle import CalibrationChange, Likeness, Metrics, Threshold
from schemas.evaluation import Verdict
from tagger.arrays import BoolArray, Float32Array, Float64Array, FloatArray, Pixels
from tagger.datasets.labelled_set import LabelKeys
from tagger.errors import TaggerError
from tagger.labels.feature_space import (
    FEWEST,
    MOST,
    FeatureSpace,
    measure_space,
    share_outside,
)
from tagger.labels.pairs import Pair, count_pairs
from tagger.labels.unlikeness import ENOUGH, measure_likeness, with_parent
from tagger.labels.vocabulary import Vocabulary
from tagger.models.precision import PICTURES
from tagger.pipeline.split_set import SplitSet
from tagger.progress import say


@dataclass(frozen=True)
class Remembered:
    """What is known of a parent's labels whose pictures are gone.

    Attributes
    ----------
    thresholds : sequence of Threshold
        Of the first labels; these keep their calibration too.
    pairs : mapping from pair to int
        Training pictures that had each pair of labels.
    likeness : Likeness or None
        What the unlikeness of a picture was measured by.
    """

    thresholds: Sequence[Threshold] = ()
    pairs: Mapping[Pair, int] = field(default_factory=dict)
    likeness: Likeness | None = None


@dataclass(frozen=True)
class Calibrated:
    """A network whose head takes in the calibration.

    Attributes
    ----------
    network : keras.Model
        Logits alone.
    scale, shift : float64 (n_labels,)
        Its logits are scale * z + shift where they were z.
    thresholds : list of Threshold
    likeness : Likeness or None
        None without pictures to measure it by.
    space : FeatureSpace or None
        What the likeness goes by besides, if it does.
    """

    network: Any
    scale: Float64Array
    shift: Float64Array
    thresholds: list[Threshold]
    likeness: Likeness | None
    space: FeatureSpace | None

    @property
    def limits(self) -> Float64Array:
        """Return float64 (n_labels,): the thresholds alone."""
        return np.array([row.threshold for row in self.thresholds])


@dataclass(frozen=True)
class Measured:
    """A network with views, and how good it is on the test part."""

    network: Any
    thresholds: list[Threshold]
    likeness: Likeness | None
    space: FeatureSpace | None
    metrics: Metrics
    plots: dict[str, bytes]
    verdict: Verdict


def calibrate_network(
    network: Any, split: SplitSet, remembered: Remembered, *, min_precision: float | None
) -> Calibrated:
    """Return the network calibrated, and its thresholds, both by the validation part.

    Parameters
    ----------
    network : keras.Model
        Fitted; it is changed in place.
    min_precision : float or None
        See `tagger.training.calibration.choose_thresholds`.
    """
    from tagger.training.calibration import calibrate, choose_thresholds
    from tagger.training.network import fold_calibration
    from tagger.training.validation import predict_logits

    rows = split.rows("validation")
    logits = predict_logits(network, split.pixels, rows)  # (n, n_labels)
    targets = split.targets[rows]  # (n, n_labels)
    scale, shift = calibrate(logits, targets)
    kept = len(remembered.thresholds)
    scale[:kept] = 1
    shift[:kept] = 0
    fold_calibration(network, scale, shift)
    calibrated = (logits * scale + shift).astype(np.float32)
    chosen = choose_thresholds(
        calibrated,
        targets,
        split.vocabulary,
        min_precision=min_precision,
    )
    gone = kept > 0  # a parent's pictures: features of theirs would lie outside
    space, outside = (None, None) if gone else _space(network, split)
    measured = measure_likeness(
        calibrated, split.vocabulary, outside, space=space.digest if space is not None else ""
    )
    return Calibrated(
        network,
        scale,
        shift,
        [*remembered.thresholds, *chosen[kept:]],
        with_parent(measured, remembered.likeness),
        space,
    )


def _space(network: Any, split: SplitSet) -> tuple[FeatureSpace | None, Float64Array | None]:
    """Return where the features of labelled training pictures lie, and how much of those of the
    validation part lies outside; None where there are too few."""
    from tagger.training.network import features_of
    from tagger.training.validation import predict_logits

    train = np.random.default_rng(0).permutation(split.rows("train"))[:MOST]
    if len(train) < FEWEST or len(split.rows("validation")) < ENOUGH:
        return None, None
    features = features_of(network)
    space = measure_space(predict_logits(features, split.pixels, np.sort(train)))
    if space is None:
        return None, None
    seen = predict_logits(features, split.pixels, split.rows("validation"))
    return space, share_outside(seen, space)


def measure_network(
    calibrated: Calibrated, split: SplitSet, remembered: Remembered, *, history: bytes
) -> Measured:
    """Return the network with its views, and all that the test part says of it.

    Parameters
    ----------
    history : bytes
        history.png.
    """
    from tagger.evaluation.verdict import give_verdict
    from tagger.training.network import add_views
    from tagger.training.validation import predict_logits

    rows = split.rows("test")
    logits = predict_logits(calibrated.network, split.pixels, rows)  # (n, n_labels)
    truth = split.targets[rows]  # (n, n_labels)
    trained = Counter(count_pairs(split.targets[split.rows("train")], split.vocabulary))
    trained.update(remembered.pairs)
    metrics, reliability = _metrics(
        calibrated, logits, truth, trained=trained, vocabulary=split.vocabulary
    )
    shown = ~_shows_any(truth, split.vocabulary, split.held_out)
    return Measured(
        network=add_views(calibrated.network, split.vocabulary),
        thresholds=calibrated.thresholds,
        likeness=calibrated.likeness,
        space=calibrated.space,
        metrics=metrics,
        plots={"history.png": history, "reliability.png": reliability},
        verdict=give_verdict(logits[shown], truth[shown], calibrated.limits, split.vocabulary),
    )


def calibration_pictures(split: SplitSet) -> Pixels | None:
    """Return training pictures that a network for 8 bits is calibrated on, drawn without a seed of
    the user's; None where there are too few."""
    from tagger.models.quantization import CALIBRATION, HEAD_PICTURES

    train = split.rows("train")
    if len(train) < CALIBRATION:
        return None
    drawn = np.random.default_rng(0).permutation(train)[:HEAD_PICTURES]
    return np.asarray(split.pixels[drawn])


def compare_precisions_of(path: Path, split: SplitSet) -> None:
    """Compare the precisions that this machine has for the model just saved, on the harder pictures
    first."""
    from tagger.models.bundle import load_bundle
    from tagger.models.predictor import compare_precisions

    parts = [split.rows(part) for part in ("test", "validation", "train")]
    rows = np.concatenate(parts)[:PICTURES]
    try:
        compare_precisions(load_bundle(path), split.pixels[rows], split.targets[rows], say)
    except (TaggerError, OSError) as error:  # the model is saved; the first night compares
        say(f"precisions were not compared: {error}")


def _metrics(
    calibrated: Calibrated,
    logits: Float32Array,
    truth: Float32Array,
    *,
    trained: Mapping[Pair, int],
    vocabulary: Vocabulary,
) -> tuple[Metrics, bytes]:
    """Return metrics.json and reliability.png.

    That is what the test part says, and what calibration did to it.
    """
    from tagger.evaluation.metrics import BINS, mean_calibration_error, measure
    from tagger.evaluation.plots import reliability_png
    from tagger.labels.views import sigmoid

    before = (logits - calibrated.shift) / calibrated.scale  # (n, n_labels)
    evaluation = measure(
        logits, truth, vocabulary=vocabulary, thresholds=calibrated.limits, trained=dict(trained)
    )
    known = ~np.isnan(truth)
    plot = reliability_png(
        sigmoid(before)[known], sigmoid(logits)[known], truth[known] == 1, bins=BINS
    )
    metrics = Metrics(
        evaluation=evaluation,
        calibration=CalibrationChange(
            before=mean_calibration_error(before, truth), after=evaluation.calibration_error
        ),
        pairs_in_training=[(*pair, n) for pair, n in trained.items()],
    )
    return metrics, plot


def _shows_any(
    targets: FloatArray, vocabulary: Vocabulary, pairs: Sequence[LabelKeys]
) -> BoolArray:
    """Return bool (n,): the pictures that show one of the pairs."""
    result = np.zeros(len(targets), bool)
    keys = [(label.group, label.name) for label in vocabulary.labels]
    for pair in pairs:
        columns = [i for i, key in enumerate(keys) if key in pair]
        result |= (targets[:, columns] == 1).all(axis=1)
    return result
