"""The middle of a training: fit a network to the train part, with what is said on the way."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.training import Epoch, History
from tagger.errors import DatasetError
from tagger.labels.vocabulary import Vocabulary
from tagger.pipeline.resuming import WorkFolder
from tagger.pipeline.split_set import SplitSet
from tagger.pipeline.starting_point import NetworkStart
from tagger.progress import Progress, say
from tagger.training.recipe import Recipe
from tagger.training.training_data import TrainingData

if TYPE_CHECKING:
    from tagger.training.fine_tuning import Inheritance

_PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Fitted:
    """A fitted network with Keras's own layers, without views.

    Attributes
    ----------
    network : keras.Model
    best_epoch, epochs : int
        The epoch that was kept, from 1, and how many there were.
    way : float
        How much of the way from what it began with to what was fitted the weights went; 1 of one
        that began with nothing.
    history : bytes
        history.png.
    """

    network: Any
    best_epoch: int
    epochs: int
    way: float
    history: bytes


def fit_set(
    split: SplitSet,
    start: NetworkStart,
    recipe: Recipe,
    work: WorkFolder,
    *,
    lesson: TrainingData | None = None,
) -> Fitted:
    """Return the network fitted to the train part, the best epoch chosen by the validation part.

    Parameters
    ----------
    work : WorkFolder
        Where its state is kept after each epoch, and perhaps found.
    lesson : TrainingData, optional
        What it is fitted to and chosen by; by default the set's own parts. A row may be there
        several times.

    Raises
    ------
    DatasetError
        If a part has no pictures, or nothing is known about them.
    """
    from tagger.evaluation.plots import history_png
    from tagger.training.linear_head import fit_head
    from tagger.training.network import begin_anew, build_network
    from tagger.training.validation import calibrated_loss

    begin_anew()
    inherited = start.inherited
    check_parts(split, inherited=inherited.labels if inherited is not None else 0)
    labels = len(split.vocabulary)
    network = build_network(
        start.architecture, labels, seed=recipe.seed, fitting=True, dropout=recipe.dropout
    )
    counts = {part: len(split.rows(part)) for part in _PARTS}
    say(
        f"{network.count_params():,} parameters, {labels} labels; {counts}; epochs: {recipe.epochs}"
    )
    data = lesson or lesson_of(split)
    if inherited is not None:
        inherited.start(network, data.targets[data.train])
        if recipe.head_first:
            fit_head(network, data, split.vocabulary, recipe)
    history = _fit(network, data, split.vocabulary, recipe, work, inherited=inherited)
    curves = history_png(history.epochs, best=history.best)
    weights = network.get_weights()
    begin_anew()
    plain = build_network(start.architecture, labels, seed=recipe.seed)
    plain.set_weights(weights)
    way = 1.0
    if inherited is not None:
        # Of a trunk for others, validation pictures stand before their own backgrounds and would
        # call it back; of a small set there are too few to say anything.
        can_say = not (recipe.backdrops or recipe.head_first)
        loss = partial(calibrated_loss, plain, data) if can_say else None
        way = inherited.settle(plain, loss)
    if way < 1:
        say(f"the model went {way:.0%} of the way from what it began with to what was fitted")
    return Fitted(plain, history.best + 1, recipe.epochs, way, curves)


def lesson_of(split: SplitSet) -> TrainingData:
    """Return what a network is fitted to and chosen by: the set's own parts."""
    train = split.rows("train")
    return TrainingData(split.pixels, split.targets, train, split.rows("validation"))


def check_parts(split: SplitSet, *, inherited: int) -> None:
    """Raise DatasetError if a part cannot do its work; say which labels no training picture has.

    The first `inherited` labels are known from a parent.
    """
    rows = {part: split.rows(part) for part in _PARTS}
    if len(rows["train"]) < 2 or not len(rows["validation"]) or not len(rows["test"]):
        sizes = {part: len(of_part) for part, of_part in rows.items()}
        raise DatasetError(
            f"too few different pictures to split into train, validation and test: {sizes}; give "
            "some 20 more"
        )
    unknown = [part for part, of_part in rows.items() if np.isnan(split.targets[of_part]).all()]
    if unknown:
        raise DatasetError(
            f"nothing is known about the pictures of the {unknown[0]} part; label more of the set"
        )
    positives = (split.targets[rows["train"]] == 1).sum(axis=0)  # (n_labels,)
    labels = list(zip(split.vocabulary.labels, positives, strict=True))[inherited:]
    if never := [label.key for label, n in labels if not n and not label.retired]:
        say(f"no training picture has {', '.join(never)}: the model cannot learn it")


def _fit(
    network: Any,
    data: TrainingData,
    vocabulary: Vocabulary,
    recipe: Recipe,
    work: WorkFolder,
    *,
    inherited: "Inheritance | None",
) -> History:
    """Fit the network in place, in sight of the user."""
    from tagger.training.fit import fit

    steps = recipe.epochs * recipe.steps(len(data.train))
    with Progress(steps, "training", unit="step") as progress:
        return fit(
            network,
            data,
            vocabulary,
            recipe,
            checkpoints=work.checkpoints,
            resume=work.resume,
            teacher=inherited.teacher if inherited is not None else None,
            report=_reporter(progress, recipe.epochs),
            epoch_done=_say_epoch,
        )


def _reporter(progress: Progress, epochs: int) -> Callable[[int, int, int, float], None]:
    def report(epoch: int, step: int, steps: int, loss: float) -> None:
        progress.advance(1, f"epoch {epoch + 1}/{epochs} loss {loss:.4f}")

    return report


def _say_epoch(number: int, epoch: Epoch) -> None:
    ap = float("nan") if epoch.validation_macro_ap is None else epoch.validation_macro_ap
    say(
        f"epoch {number + 1}: loss {epoch.loss:.4f}, validation loss {epoch.validation_loss:.4f}, "
        f"validation macro AP {ap:.4f}, {epoch.seconds:.1f} s"
    )
