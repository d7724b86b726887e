"""Fitting: epochs over the decoded pictures, a checkpoint after each, the best one by the
validation part.

Everything random is drawn from (seed, epoch, step), so that a training that was killed and resumed
goes on as if it had not been, and the same seed on the same machine gives the same network.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tagger.arrays import BoolArray, Float32Array, Int64Array, Pixels
from tagger.backend import keras, tf
from tagger.errors import TrainingDiverged
from tagger.evaluation.metrics import macro_average_precision
from tagger.labels.vocabulary import Vocabulary
from tagger.settings import setting
from tagger.training.augmentation import GRIDS, Mix, augment, recombine
from tagger.training.checkpoints import Checkpoints, History, WeightAverage
from tagger.training.cutmix import patch
from tagger.training.losses import combined_loss, masked_loss
from tagger.training.network import at_half_size
from tagger.training.recipe import Recipe

_RECOMBINED = 4000  # validation pictures at most that are recombined: they are held in memory


@dataclass(frozen=True)
class TrainingData:
    """Pictures and targets, and which part each row is in.

    Attributes
    ----------
    pixels : uint8 (n, size, size, 3)
        May be memory-mapped.
    targets : float32 (n, n_labels)
        1, 0, or NaN for unknown.
    train, validation : int64
        Row numbers.
    """

    pixels: Pixels
    targets: Float32Array
    train: Int64Array
    validation: Int64Array


def fit(
    network: keras.Model,
    data: TrainingData,
    vocabulary: Vocabulary,
    recipe: Recipe,
    *,
    checkpoints: Path,
    resume: bool,
    teacher: Callable[[Any, Any], Any] | None = None,
    report: Callable[[int, int, int, float], object] = lambda *_: None,
    epoch_done: Callable[[int, dict[str, float]], object] = lambda *_: None,
) -> History:
    """Train `network` in place and return the history; it ends with the weights of the best epoch.

    Parameters
    ----------
    checkpoints : Path
        Folder for the state after each epoch; with `resume` the last one found there is the start.
    teacher : callable (pictures, targets), optional
        Returns the targets, unknown ones filled in; see `tagger.training.fine_tuning`.
    report : callable (epoch, step, steps, loss)
        Called after each step.
    epoch_done : callable (epoch, row of the history)

    Raises
    ------
    TrainingDiverged
        If the loss is not a number.
    """
    keras.utils.set_random_seed(recipe.seed)
    steps = max(1, len(data.train) // recipe.batch)
    optimizer = keras.optimizers.AdamW(_schedule(recipe, steps), weight_decay=recipe.weight_decay)
    optimizer.build(network.trainable_variables)
    smaller = at_half_size(network) if recipe.coarse else None
    coarse = (
        min(round(recipe.coarse * recipe.epochs), recipe.epochs - 1) if smaller is not None else 0
    )
    steps_at = [
        _step(model, data, vocabulary, recipe, optimizer, teacher)
        for model in (smaller, network)
        if model
    ]
    average = WeightAverage(network, recipe.average)
    state = Checkpoints(network, optimizer, average, checkpoints)
    history = state.load() if resume else History()
    some = np.random.default_rng([recipe.seed, 2]).permutation(data.validation)[
        : _RECOMBINED if recipe.dyed else 0
    ]
    seen = recombined(data, vocabulary, some, seed=recipe.seed)
    for epoch in range(len(history.epochs), recipe.epochs):
        start, losses, take_step = time.perf_counter(), [], steps_at[0 if epoch < coarse else -1]
        for step, batch in enumerate(_batches(data, recipe, epoch)):
            losses.append(take_step(*batch))
            if not np.isfinite(losses[-1]):
                raise TrainingDiverged(
                    f"the loss became {losses[-1]} in epoch {epoch + 1}, step {step + 1}; nothing "
                    "was saved. "
                    f"Look at the pictures with {setting('check')}, or train with another "
                    f"{setting('seed')}"
                )
            average.update(epoch * steps + step)
            report(epoch, step, steps, float(np.mean(losses[-50:])))
        average.exchange()
        row = {"loss": float(np.mean(losses))} | _validate(network, data, seen)
        average.exchange()
        if not np.isfinite(row["validation_loss"]):
            raise TrainingDiverged(
                f"the validation loss became {row['validation_loss']} in epoch {epoch + 1}; "
                "nothing was saved"
            )
        row["seconds"] = time.perf_counter() - start
        history.epochs.append(row)
        state.save(history)
        epoch_done(epoch, row)
    state.load_best()
    return history


def predict_logits(
    network: keras.Model, pixels: Pixels, rows: Int64Array, *, batch: int = 64
) -> Float32Array:
    """Return float32 (len(rows), n_labels): the network's logits of these pictures."""
    parts = []
    for start in range(0, len(rows), batch):
        chosen = np.asarray(pixels[rows[start : start + batch]])
        padded = np.zeros((batch, *chosen.shape[1:]), np.float32)  # one shape, one trace
        padded[: len(chosen)] = chosen.astype(np.float32) / 255
        parts.append(network(padded, training=False).numpy()[: len(chosen)])
    return np.concatenate(parts) if parts else np.zeros((0, network.output_shape[-1]), np.float32)


def _schedule(recipe: Recipe, steps: int) -> Any:
    warm = min(2, recipe.epochs - 1) * steps
    return keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / 20 if warm else recipe.learning_rate,
        max(1, recipe.epochs * steps - warm),
        warmup_target=recipe.learning_rate if warm else None,
        warmup_steps=warm,
    )


def _batches(
    data: TrainingData, recipe: Recipe, epoch: int
) -> Iterator[tuple[Pixels, Float32Array, npt.NDArray[np.int32]]]:
    """Yield pixels, targets and a seed per step; which picture comes where depends on the recipe's
    seed and epoch.

    A plain loop: with `tf.data.Dataset.from_generator` every second epoch waited 7 s for the old
    pipeline to end.
    """
    batch = min(recipe.batch, len(data.train))
    order = np.random.default_rng([recipe.seed, epoch]).permutation(data.train)
    for step in range(len(order) // batch):
        rows = np.sort(order[step * batch : (step + 1) * batch])
        rows = rows[np.random.default_rng([recipe.seed, epoch, step]).permutation(batch)]
        yield (
            np.asarray(data.pixels[rows]),
            data.targets[rows],
            np.array([recipe.seed, epoch * 65536 + step], np.int32),
        )


def _step(
    model: keras.Model,
    data: TrainingData,
    vocabulary: Vocabulary,
    recipe: Recipe,
    optimizer: Any,
    teacher: Callable[[Any, Any], Any] | None,
) -> Callable[..., float]:
    """Return what fits `model` to a batch (pixels, targets, seed) and returns the loss."""
    groups = [vocabulary.members(group.name) for group in vocabulary.exclusive_groups]
    model.compile(
        optimizer=optimizer,
        loss=lambda y, z: combined_loss(y, z, groups, view=recipe.view, smoothing=recipe.smoothing),
    )
    prepare = _augmentation(data, vocabulary, recipe, teacher, size=model.input_shape[1])
    return lambda *batch: float(model.train_on_batch(*prepare(*batch)))


def _augmentation(
    data: TrainingData,
    vocabulary: Vocabulary,
    recipe: Recipe,
    teacher: Callable[[Any, Any], Any] | None,
    *,
    size: int,
) -> Callable[..., tuple[Any, Any]]:
    """Return what turns (pixels, targets, seed) into what a training step sees at `size`, as one
    compiled graph."""
    shape, colour = _evidence(vocabulary)
    batch, whole = min(recipe.batch, len(data.train)), data.pixels.shape[1]
    mix = Mix(
        recoloured=round(recipe.recoloured * batch) if shape.any() else 0,
        shuffled=round(recipe.shuffled * batch)
        if colour.any() and any(size % grid == 0 for grid in GRIDS)
        else 0,
        dyed=round(recipe.dyed * batch) if shape.any() and colour.any() else 0,
    )

    def prepare(pixels: Any, targets: Any, seed: Any) -> tuple[Any, Any]:
        pixels = (
            pixels
            if size == whole
            else tf.nn.avg_pool2d(tf.cast(pixels, tf.float32), 2, 2, "VALID")
        )
        x, y = augment(
            pixels, targets, seed, mix=mix, shape=shape, colour=colour, geometry=recipe.geometry
        )
        x, y = patch(x, y, seed + 1, share=recipe.patched) if recipe.patched else (x, y)
        return x, teacher(x, y) if teacher else y

    signature = [
        tf.TensorSpec((batch, whole, whole, 3), tf.uint8),
        tf.TensorSpec((batch, len(vocabulary)), tf.float32),
        tf.TensorSpec((2,), tf.int32),
    ]
    compiled: Callable[..., tuple[Any, Any]] = tf.function(prepare, input_signature=signature)
    return compiled


def _evidence(vocabulary: Vocabulary) -> tuple[BoolArray, BoolArray]:
    """Return bool (n_labels,) twice: which labels are judged by shape, and which by pixels."""
    evidence = {group.name: group.evidence for group in vocabulary.groups}
    of_label = np.array([evidence[label.group] for label in vocabulary.labels])
    return of_label == "shape", of_label == "pixels"


def recombined(
    data: TrainingData, vocabulary: Vocabulary, rows: Int64Array, *, seed: int
) -> tuple[Pixels, Float32Array]:
    """Return the pictures `rows`, each dyed as another of them is, and what they then show.

    They stand for combinations that the labelled set does not have, as far as a drawing can: which
    epoch is best must not be judged by the combinations of the training set alone. Where groups
    cannot be recombined there are none.
    """
    shape, colour = _evidence(vocabulary)
    if not (shape.any() and colour.any() and len(rows)):
        return np.zeros((0, *data.pixels.shape[1:]), np.uint8), np.zeros(
            (0, len(vocabulary)), np.float32
        )
    order = np.random.default_rng([seed, 1]).permutation(rows)
    parts = []
    for start in range(0, len(order), 64):
        chosen = order[start : start + 64]
        x, targets = (
            tf.constant(data.pixels[chosen].astype(np.float32) / 255),
            tf.constant(data.targets[chosen]),
        )
        which = tf.range(len(chosen))
        dyed, taught = recombine(
            x, targets, which, tf.constant([seed, start]), shape=shape, colour=colour
        )
        parts.append((np.round(dyed.numpy() * 255).astype(np.uint8), taught.numpy()))
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _validate(
    network: keras.Model, data: TrainingData, dyed: tuple[Pixels, Float32Array]
) -> dict[str, float]:
    """Return the validation metrics of an epoch; `choice_loss`, the mean of both losses, is what
    chooses it."""
    logits, targets = (
        predict_logits(network, data.pixels, data.validation),
        data.targets[data.validation],
    )
    ap = macro_average_precision(logits, targets) if len(data.validation) else None
    losses = [float(masked_loss(targets, logits))]
    pixels, taught = dyed
    if len(pixels):
        losses.append(
            float(masked_loss(taught, predict_logits(network, pixels, np.arange(len(pixels)))))
        )
    return {
        "validation_loss": losses[0],
        "validation_recombined_loss": losses[-1],
        "choice_loss": float(np.mean(losses)),
        "validation_macro_ap": float("nan") if ap is None else ap,
    }
