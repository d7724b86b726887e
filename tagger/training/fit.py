"""Fitting: epochs over the decoded pictures, a checkpoint after each, the best is kept.

Everything random is drawn from (seed, epoch, step), so that a training that was killed and resumed
goes on as if it had not been, and the same seed on the same machine gives the same network.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.training import Epoch, History
from tagger.arrays import BoolArray, Float32Array, Int64Array, Pixels
from tagger.backend import keras, tf
from tagger.errors import TrainingDiverged
from tagger.evaluation.metrics import macro_average_precision
from tagger.exit_codes import deferred, end_if_asked
from tagger.labels.vocabulary import Vocabulary
from tagger.settings import setting
from tagger.training.augmentation import GRIDS, Mix, augment, recombine
from tagger.training.calibration import least_at_any_scale
from tagger.training.checkpoints import Checkpoints, WeightAverage
from tagger.training.cutmix import patch
from tagger.training.judged import Judged, judged
from tagger.training.losses import combined_loss, masked_loss
from tagger.training.network import at_half_size
from tagger.training.recipe import Recipe

_BATCH = 64  # pictures that go through the network at once where it is not trained
_RECOMBINED = 4000  # validation pictures at most that are recombined: they are held in memory

Teacher = Callable[[Any, Any], Any]
"""(pictures, targets) to targets, unknown ones filled in; see `tagger.training.fine_tuning`."""
Batch = tuple[Pixels, Float32Array, npt.NDArray[np.int32]]
"""Pixels, targets, and the seed of what is done to them."""


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


@deferred()
def fit(
    network: keras.Model,
    data: TrainingData,
    vocabulary: Vocabulary,
    recipe: Recipe,
    *,
    checkpoints: Path,
    resume: bool,
    teacher: Teacher | None = None,
    report: Callable[[int, int, int, float], object] = lambda *_: None,
    epoch_done: Callable[[int, Epoch], object] = lambda *_: None,
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
    epoch_done : callable (epoch, its entry of the history)

    Raises
    ------
    TrainingDiverged
        If the loss is not a number.
    """
    keras.utils.set_random_seed(recipe.seed)
    lesson = _Lesson(data, vocabulary, recipe, teacher)
    optimizer = keras.optimizers.AdamW(_schedule(lesson), weight_decay=recipe.weight_decay)
    optimizer.build(network.trainable_variables)
    smaller = at_half_size(network) if recipe.coarse else None
    small_epochs = _small_epochs(recipe) if smaller is not None else 0
    models = [network] if smaller is None else [smaller, network]
    take_steps = [_step(model, lesson, optimizer) for model in models]
    average = WeightAverage(network, recipe.average)
    state = Checkpoints(network, optimizer, average, checkpoints)
    history = state.load() if resume else History(epochs=[])
    combinations = _recombined_validation(lesson)
    for epoch in range(len(history.epochs), recipe.epochs):
        start = time.perf_counter()
        take_step = take_steps[0 if epoch < small_epochs else -1]
        losses: list[float] = []
        for step, batch in enumerate(_batches(lesson, epoch)):
            losses.append(take_step(*batch))
            _check_loss(losses[-1], epoch, step)
            average.update(epoch * lesson.steps + step)
            report(epoch, step, lesson.steps, float(np.mean(losses[-50:])))
            end_if_asked()
        with average.in_its_place():
            seen = _validate(network, lesson, combinations)
        _check_validation_loss(seen.loss, epoch)
        row = Epoch(
            loss=float(np.mean(losses)),
            validation_loss=seen.loss,
            validation_recombined_loss=seen.recombined_loss,
            choice_loss=seen.choice_loss,
            validation_macro_ap=seen.macro_ap,
            seconds=time.perf_counter() - start,
        )
        history = History(epochs=[*history.epochs, row])
        state.save(history)
        epoch_done(epoch, row)
    state.load_best()
    return history


def predict_logits(
    network: keras.Model, pixels: Pixels, rows: Int64Array, *, batch: int = _BATCH
) -> Float32Array:
    """Return float32 (len(rows), n_labels): the network's logits of these pictures."""
    parts = [np.zeros((0, network.output_shape[-1]), np.float32)]
    for start in range(0, len(rows), batch):
        chosen = np.asarray(pixels[rows[start : start + batch]])  # (<= batch, size, size, 3)
        padded = np.zeros((batch, *chosen.shape[1:]), np.float32)  # one shape, one trace
        padded[: len(chosen)] = chosen.astype(np.float32) / 255
        parts.append(network(padded, training=False).numpy()[: len(chosen)])
        end_if_asked()
    return np.concatenate(parts)


def recombined(
    data: TrainingData, vocabulary: Vocabulary, rows: Int64Array, *, seed: int
) -> tuple[Pixels, Float32Array]:
    """Return the pictures `rows`, each dyed as another of them is, and what they then show.

    They stand for combinations that the labelled set does not have, as far as a drawing can: which
    epoch is best must not be judged by the combinations of the training set alone. Where groups
    cannot be recombined there are none.
    """
    by = judged(vocabulary)
    pictures = [np.zeros((0, *data.pixels.shape[1:]), np.uint8)]
    taught = [np.zeros((0, len(vocabulary)), np.float32)]
    if not (by.shape.any() and by.pixels.any() and len(rows)):
        return pictures[0], taught[0]
    order = np.random.default_rng([seed, 1]).permutation(rows)
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        dyed, shown = recombine(
            tf.constant(data.pixels[chosen].astype(np.float32) / 255),
            tf.constant(data.targets[chosen]),
            tf.range(len(chosen)),
            tf.constant([seed, start]),
            by=by,
        )
        pictures.append(np.round(dyed.numpy() * 255).astype(np.uint8))
        taught.append(shown.numpy())
        end_if_asked()
    return np.concatenate(pictures), np.concatenate(taught)


@dataclass(frozen=True)
class _Lesson:
    """What all steps of a training have in common."""

    data: TrainingData
    vocabulary: Vocabulary
    recipe: Recipe
    teacher: Teacher | None

    @property
    def batch(self) -> int:
        """Return how many pictures a step sees."""
        return min(self.recipe.batch, len(self.data.train))

    @property
    def steps(self) -> int:
        """Return how many steps an epoch has."""
        return max(1, len(self.data.train) // self.recipe.batch)


class _Validation(NamedTuple):
    """What the validation part says after an epoch."""

    loss: float
    recombined_loss: float
    choice_loss: float
    macro_ap: float | None


def _schedule(lesson: _Lesson) -> Any:
    """Return the learning rate by step: two epochs of rise, then a cosine down to zero."""
    recipe = lesson.recipe
    warm = min(2, recipe.epochs - 1) * lesson.steps
    return keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / 20 if warm else recipe.learning_rate,
        max(1, recipe.epochs * lesson.steps - warm),
        warmup_target=recipe.learning_rate if warm else None,
        warmup_steps=warm,
    )


def _small_epochs(recipe: Recipe) -> int:
    """Return how many epochs, the first ones, see pictures of half the side; never the last."""
    return min(round(recipe.coarse * recipe.epochs), recipe.epochs - 1)


def _batches(lesson: _Lesson, epoch: int) -> Iterator[Batch]:
    """Yield a batch per step; which picture comes where depends on the recipe's seed and epoch.

    A plain loop: with `tf.data.Dataset.from_generator` every second epoch waited 7 s for the old
    pipeline to end.
    """
    data = lesson.data
    seed = lesson.recipe.seed
    batch = lesson.batch
    order = np.random.default_rng([seed, epoch]).permutation(data.train)
    for step in range(len(order) // batch):
        rows = np.sort(order[step * batch : (step + 1) * batch])  # (batch,)
        rows = rows[np.random.default_rng([seed, epoch, step]).permutation(batch)]
        drawn = np.array([seed, epoch * 65536 + step], np.int32)
        yield np.asarray(data.pixels[rows]), data.targets[rows], drawn


def _step(model: keras.Model, lesson: _Lesson, optimizer: Any) -> Callable[..., float]:
    """Return what fits `model` to a batch (pixels, targets, seed) and returns the loss."""
    recipe = lesson.recipe
    vocabulary = lesson.vocabulary
    groups = [vocabulary.members(group.name) for group in vocabulary.exclusive_groups]

    def loss(targets: Any, logits: Any) -> Any:
        return combined_loss(targets, logits, groups, view=recipe.view, smoothing=recipe.smoothing)

    model.compile(optimizer=optimizer, loss=loss)
    prepare = _augmentation(lesson, size=model.input_shape[1])
    return lambda *batch: float(model.train_on_batch(*prepare(*batch)))


def _augmentation(lesson: _Lesson, *, size: int) -> Callable[..., tuple[Any, Any]]:
    """Return the compiled graph that turns a batch into what a training step sees at `size`."""
    recipe = lesson.recipe
    teacher = lesson.teacher
    whole = lesson.data.pixels.shape[1]
    by = judged(lesson.vocabulary)
    mix = _mix(lesson, by, size)

    def prepare(pixels: Any, targets: Any, seed: Any) -> tuple[Any, Any]:
        if size != whole:
            pixels = tf.nn.avg_pool2d(tf.cast(pixels, tf.float32), 2, 2, "VALID")
        x, y = augment(pixels, targets, seed, mix=mix, by=by, geometry=recipe.geometry)
        if recipe.patched:
            x, y = patch(x, y, seed + 1, share=recipe.patched)
        return x, teacher(x, y) if teacher else y

    signature = [
        tf.TensorSpec((lesson.batch, whole, whole, 3), tf.uint8),
        tf.TensorSpec((lesson.batch, len(lesson.vocabulary)), tf.float32),
        tf.TensorSpec((2,), tf.int32),
    ]
    compiled: Callable[..., tuple[Any, Any]] = tf.function(
        prepare, input_signature=signature, autograph=False
    )
    return compiled


def _mix(lesson: _Lesson, by: Judged, size: int) -> Mix:
    """Return how many pictures of a batch are changed in which way, where groups teach by it."""
    recipe = lesson.recipe

    def many(share: float, *taught: BoolArray) -> int:
        if not share or not all(labels.any() for labels in taught):
            return 0
        return max(1, round(share * lesson.batch))  # else nothing teaches by what a group is judged

    can_shuffle = any(size % grid == 0 for grid in GRIDS)
    return Mix(
        recoloured=many(recipe.recoloured, by.by_recolouring),
        shuffled=many(recipe.shuffled, by.by_shuffling) if can_shuffle else 0,
        dyed=many(recipe.dyed, by.shape, by.pixels),
        blurred=many(recipe.blurred, by.texture),
    )


def _recombined_validation(lesson: _Lesson) -> tuple[Pixels, Float32Array]:
    """Return some pictures of the validation part, recombined, where training recombines."""
    seed = lesson.recipe.seed
    order = np.random.default_rng([seed, 2]).permutation(lesson.data.validation)
    rows = order[: _RECOMBINED if lesson.recipe.dyed else 0]
    return recombined(lesson.data, lesson.vocabulary, rows, seed=seed)


def _validate(
    network: keras.Model, lesson: _Lesson, combinations: tuple[Pixels, Float32Array]
) -> _Validation:
    """Return the losses on the validation part and on recombined pictures, and the former's AP."""
    data = lesson.data
    logits = predict_logits(network, data.pixels, data.validation)  # (n, n_labels)
    targets = data.targets[data.validation]  # (n, n_labels)
    pixels, taught = combinations
    if not len(pixels):
        pixels, taught = data.pixels[:0], targets[:0]
    dyed = predict_logits(network, pixels, np.arange(len(pixels)))  # (n_recombined, n_labels)

    def losses(scale: float) -> tuple[float, float]:
        loss = float(masked_loss(targets, logits * np.float32(scale)))
        if not len(dyed):
            return loss, loss
        return loss, float(masked_loss(taught, dyed * np.float32(scale)))

    loss, recombined_loss = losses(1.0)
    return _Validation(
        loss=loss,
        recombined_loss=recombined_loss,
        choice_loss=least_at_any_scale(lambda scale: lesson.recipe.choice_loss(*losses(scale))),
        macro_ap=macro_average_precision(logits, targets) if len(targets) else None,
    )


def _check_loss(loss: float, epoch: int, step: int) -> None:
    if not np.isfinite(loss):
        raise TrainingDiverged(
            f"the loss became {loss} in epoch {epoch + 1}, step {step + 1}; nothing was saved. "
            f"Look at the pictures with {setting('check')}, or train with another "
            f"{setting('seed')}"
        )


def _check_validation_loss(loss: float, epoch: int) -> None:
    if not np.isfinite(loss):
        raise TrainingDiverged(
            f"the validation loss became {loss} in epoch {epoch + 1}; nothing was saved"
        )
