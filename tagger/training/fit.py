"""Fitting: epochs over the decoded pictures, a checkpoint after each, the best is kept.

Everything random is drawn from (seed, epoch, step), so that a training that was killed and resumed
goes on as if it had not been, and the same seed on the same machine gives the same network.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.training import Epoch, History
from tagger.arrays import BoolArray, Float32Array, Int64Array, Pixels
from tagger.backend import keras, tf
from tagger.errors import TrainingDiverged
from tagger.exit_codes import deferred, end_if_asked
from tagger.labels.vocabulary import Vocabulary
from tagger.settings import setting
from tagger.training.augmentation import GRIDS, Mix, augment
from tagger.training.backdrops import put_before_backdrops
from tagger.training.checkpoints import Checkpoints, WeightAverage
from tagger.training.cutmix import patch
from tagger.training.fused_adam import FusedAdam
from tagger.training.judged import Judged, judged
from tagger.training.losses import combined_loss
from tagger.training.network import at_half_size
from tagger.training.recipe import Recipe
from tagger.training.training_data import TrainingData
from tagger.training.validation import (
    recombined_validation,
    validate,
    validation_elsewhere,
)

Teacher = Callable[[Any, Any], Any]
"""(pictures, targets) to targets, unknown ones filled in; see `tagger.training.fine_tuning`."""
Batch = tuple[Pixels, Float32Array, npt.NDArray[np.int32]]
"""Pixels, targets, and the seed of what is done to them."""
_APART = 4
"""Steps between weights of which the mean is taken."""


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
    optimizer = FusedAdam(_schedule(lesson))
    optimizer.build(network.trainable_variables)
    smaller = at_half_size(network) if recipe.coarse else None
    small_epochs = _small_epochs(recipe) if smaller is not None else 0
    whole_stage = _Stage(network, lesson, optimizer)
    small_stage = _Stage(smaller, lesson, optimizer) if smaller is not None else whole_stage
    average = WeightAverage(network, recipe.average)
    state = Checkpoints(network, optimizer, average, checkpoints)
    history = state.load() if resume else History(epochs=[])
    combinations = recombined_validation(data, vocabulary, recipe)
    elsewhere = validation_elsewhere(data, recipe)
    for epoch in range(len(history.epochs), recipe.epochs):
        start = time.perf_counter()
        small = epoch < small_epochs
        stage = small_stage if small else whole_stage
        losses: list[float] = []
        for step, batch in enumerate(stage.prepared(_batches(lesson, epoch))):
            losses.append(stage.take_step(*batch))
            _check_loss(losses[-1], epoch, step)
            if steps := _averaged(step, lesson.steps):
                average.update(epoch * lesson.steps + step, steps=steps)
            report(epoch, step, lesson.steps, float(np.mean(losses[-50:])))
            end_if_asked()
        with average.in_its_place():
            seen = validate(stage.model, data, recipe, combinations, elsewhere)
        _check_validation_loss(seen.loss, epoch)
        row = Epoch(
            loss=float(np.mean(losses)),
            validation_loss=seen.loss,
            validation_recombined_loss=seen.recombined_loss,
            # What a smaller picture says is said of other features: no such epoch is kept.
            choice_loss=None if recipe.head_first or small else seen.choice_loss,
            validation_macro_ap=seen.macro_ap,
            seconds=time.perf_counter() - start,
        )
        history = History(epochs=[*history.epochs, row])
        state.save(history)
        epoch_done(epoch, row)
    state.load_best()
    return history


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
        return self.recipe.batch_of(len(self.data.train))

    @property
    def steps(self) -> int:
        """Return how many steps an epoch has."""
        return self.recipe.steps(len(self.data.train))


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


def _averaged(step: int, steps: int) -> int:
    """Return for how many steps of an epoch the weights after this one stand in their mean, or 0.

    They do so for every fourth, and the last, which is measured.
    """
    last = step == steps - 1
    return step % _APART + 1 if last or step % _APART == _APART - 1 else 0


def _batches(lesson: _Lesson, epoch: int) -> Iterator[Batch]:
    """Yield a batch per step; which picture comes where depends on the recipe's seed and epoch.

    A plain loop: with `tf.data.Dataset.from_generator` every second epoch waited 7 s for the old
    pipeline to end.
    """
    data = lesson.data
    seed = lesson.recipe.seed
    batch = lesson.batch
    passes = lesson.recipe.passes
    orders = [_shuffled(data.train, [seed, epoch * passes + i]) for i in range(passes)]
    whole = len(data.train) // batch * batch
    order = np.concatenate([order[:whole] for order in orders])
    for step in range(lesson.steps):
        rows = np.sort(order[step * batch : (step + 1) * batch])  # (batch,)
        rows = rows[np.random.default_rng([seed, epoch, step]).permutation(batch)]
        drawn = np.array([seed, epoch * 65536 + step], np.int32)
        yield np.asarray(data.pixels[rows]), data.targets[rows], drawn


def _shuffled(rows: Int64Array, seed: list[int]) -> Int64Array:
    return np.random.default_rng(seed).permutation(rows)


class _Stage:
    """What is done in epochs that see pictures of one size."""

    def __init__(self, model: keras.Model, lesson: _Lesson, optimizer: Any) -> None:
        recipe = lesson.recipe
        vocabulary = lesson.vocabulary
        groups = [vocabulary.members(group.name) for group in vocabulary.exclusive_groups]

        def loss(targets: Any, logits: Any) -> Any:
            return combined_loss(
                targets, logits, groups, view=recipe.view, smoothing=recipe.smoothing
            )

        model.compile(optimizer=optimizer, loss=loss)
        self.model = model
        self._prepare = _augmentation(lesson, size=model.input_shape[1])

    def take_step(self, pixels: Any, targets: Any) -> float:
        """Return the loss of a prepared batch, after fitting the network to it."""
        return float(self.model.train_on_batch(pixels, targets))

    def prepared(self, batches: Iterable[Batch]) -> Iterator[tuple[Any, Any]]:
        """Yield the batches as training sees them, each prepared while the last one is fitted to.

        In a thread: what TensorFlow and OpenCV do holds no lock of Python.
        """
        with ThreadPoolExecutor(1, "changes") as thread:
            ahead: deque[Future[tuple[Any, Any]]] = deque()
            for batch in batches:
                ahead.append(thread.submit(self._prepare, *batch))
                if len(ahead) > 1:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()


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
        if recipe.backdrops:
            x = put_before_backdrops(x, seed + 2, share=recipe.backdrops)
        if recipe.patched:
            x, y = patch(x, y, seed + 1, share=recipe.patched)
        return x, teacher(x, y) if teacher else y

    signature = [
        tf.TensorSpec((lesson.batch, whole, whole, 3), tf.uint8),
        tf.TensorSpec((lesson.batch, len(lesson.vocabulary)), tf.float32),
        tf.TensorSpec((2,), tf.int32),
    ]
    compiled = tf.function(prepare, input_signature=signature, autograph=False)
    if not tf.config.functions_run_eagerly():
        compiled.get_concrete_function()  # traced here: Keras names layers by counting
    result: Callable[..., tuple[Any, Any]] = compiled
    return result


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
