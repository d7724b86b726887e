"""The middle of a training: fit a network to the train part, with what is said on the way."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tagger.arrays import Float32Array, FloatArray, Int64Array, StrArray
from tagger.datasets.prepared_set import PreparedSet
from tagger.errors import DatasetError
from tagger.labels.vocabulary import Vocabulary
from tagger.progress import Progress, say
from tagger.training.recipe import Recipe

if TYPE_CHECKING:
    from tagger.training.fine_tuning import Inheritance
    from tagger.training.fit import TrainingData


@dataclass(frozen=True)
class Fitted:
    """A fitted network with Keras's own layers, without views, and what it was fitted to.

    Attributes
    ----------
    network : keras.Model
    data : TrainingData
    test : int64
        Row numbers of the test part.
    best : int
        The epoch that was kept, from 1.
    epochs : int
        Of the recipe.
    curves : bytes
        history.png.
    """

    network: Any
    data: "TrainingData"
    test: Int64Array
    best: int
    epochs: int
    curves: bytes


def fit_set(
    prepared: PreparedSet,
    parts: StrArray,
    targets: Float32Array,
    vocabulary: Vocabulary,
    recipe: Recipe,
    architecture: dict[str, Any],
    *,
    checkpoints: Path,
    resume: bool = False,
    inherited: "Inheritance | None" = None,
) -> Fitted:
    """Return the network fitted to the train part, the best epoch chosen by the validation part.

    Parameters
    ----------
    parts : str (n_readable,)
        train, validation or test for each of `prepared.rows`.
    targets : float32 (n_pictures, n_labels)
        For all examples of the set.
    architecture : dict
        Of `tagger.training.network.Architecture`.
    inherited : Inheritance, optional
        What a parent model gives: weights to start from, and perhaps its answers.

    Raises
    ------
    DatasetError
        If a part has no pictures, or nothing is known about them.
    """
    from tagger.backend import keras, tf
    from tagger.evaluation.plots import history_png
    from tagger.training.fit import TrainingData, fit
    from tagger.training.network import Architecture, build_network

    tf.config.experimental.enable_op_determinism()
    # operations are named by counting: the same seed then gives the same bytes
    keras.utils.clear_session()
    rows = {part: prepared.rows[parts == part] for part in ("train", "validation", "test")}
    check_parts(
        rows, targets, vocabulary, inherited=inherited.labels if inherited is not None else 0
    )
    data = TrainingData(prepared.cache.pixels, targets, rows["train"], rows["validation"])
    sizes = Architecture(**architecture)
    network = build_network(
        sizes, len(vocabulary), seed=recipe.seed, fitting=True, dropout=recipe.dropout
    )
    if inherited is not None:
        inherited.start(network, targets[rows["train"]])
    counts = {part: len(of_part) for part, of_part in rows.items()}
    say(
        f"{network.count_params():,} parameters, {len(vocabulary)} labels; {counts}; epochs: "
        f"{recipe.epochs}"
    )
    with Progress(
        recipe.epochs * max(1, len(data.train) // recipe.batch), "training", unit="step"
    ) as progress:
        history = fit(
            network,
            data,
            vocabulary,
            recipe,
            checkpoints=checkpoints,
            resume=resume,
            teacher=inherited.teacher if inherited is not None else None,
            report=_reporter(progress, recipe.epochs),
            epoch_done=_say_epoch,
        )
    curves = history_png(
        history.epochs, best=history.best, title=Path(prepared.labelled.source).name
    )
    weights = network.get_weights()
    keras.utils.clear_session()
    plain = build_network(sizes, len(vocabulary), seed=recipe.seed)
    plain.set_weights(weights)
    if inherited is not None:
        inherited.settle(plain)
    return Fitted(plain, data, rows["test"], history.best + 1, recipe.epochs, curves)


def check_parts(
    rows: dict[str, Int64Array], targets: FloatArray, vocabulary: Vocabulary, *, inherited: int
) -> None:
    """Raise DatasetError if a part cannot do its work, and say which labels no training picture
    has.

    The first `inherited` labels are known from a parent.
    """
    if len(rows["train"]) < 2 or not len(rows["validation"]) or not len(rows["test"]):
        sizes = {part: len(of_part) for part, of_part in rows.items()}
        raise DatasetError(
            f"too few different pictures to split into train, validation and test: {sizes}; give "
            "some 20 "
            "more"
        )
    unknown = [part for part, of_part in rows.items() if np.isnan(targets[of_part]).all()]
    if unknown:
        raise DatasetError(
            f"nothing is known about the pictures of the {unknown[0]} part; label more of the set"
        )
    positives = (targets[rows["train"]] == 1).sum(axis=0)
    labels = list(zip(vocabulary.labels, positives, strict=True))[inherited:]
    if never := [label.key for label, n in labels if not n and not label.retired]:
        say(f"no training picture has {', '.join(never)}: the model cannot learn it")


def _reporter(progress: Progress, epochs: int) -> Callable[[int, int, int, float], None]:
    def report(epoch: int, step: int, steps: int, loss: float) -> None:
        progress.advance(1, f"epoch {epoch + 1}/{epochs} loss {loss:.4f}")

    return report


def _say_epoch(epoch: int, row: dict[str, float]) -> None:
    say(
        f"epoch {epoch + 1}: loss {row['loss']:.4f}, validation loss {row['validation_loss']:.4f}, "
        f"validation macro AP {row['validation_macro_ap']:.4f}, {row['seconds']:.1f} s"
    )
