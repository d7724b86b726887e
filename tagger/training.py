"""Fitting: epochs over the decoded pictures, a checkpoint after each, the best one by the tune part.

Everything random is drawn from (seed, epoch, step), so that a training that was killed and resumed goes on as if it had
not been, and the same seed on the same machine gives the same network.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tagger.augmentation import TILES, augment
from tagger.backend import keras, tf
from tagger.errors import TrainingDiverged
from tagger.metrics import macro_average_precision
from tagger.vocabulary import Vocabulary

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Recipe:
    """How to fit; what is not said here is as in `tagger.augmentation`.

    Attributes
    ----------
    epochs, batch, seed : int
    learning_rate : float
        At the end of the first two epochs; it then falls to zero along a cosine.
    weight_decay : float
        Of AdamW.
    smoothing : float
        Targets are this much less sure than 0 and 1.
    recoloured, shuffled : float
        Shares of each batch, where the vocabulary has groups that they teach. With an eighth each, pairs seen in
        training were as good, but of black shirts, a pair never seen, 3 % were fully right, not 46 % (one seed each).
    """

    epochs: int = 30
    batch: int = 32
    seed: int = 0
    learning_rate: float = 1.5e-3
    weight_decay: float = 1e-4
    smoothing: float = 0.02
    recoloured: float = 0.25
    shuffled: float = 0.25


@dataclass
class History:
    """What each epoch gave, and which was kept."""

    epochs: list[dict[str, float]] = field(default_factory=list)

    @property
    def best(self) -> int:
        """Return the index of the epoch with the least tune loss."""
        return int(np.argmin([row["tune_loss"] for row in self.epochs]))


@dataclass(frozen=True)
class TrainingData:
    """Pictures and targets, and which part each row is in.

    Attributes
    ----------
    pixels : uint8 (n, size, size, 3)
        May be memory-mapped.
    targets : float32 (n, n_labels)
        1, 0, or NaN for unknown.
    train, tune : int64
        Row numbers.
    """

    pixels: Pixels
    targets: Floats
    train: npt.NDArray[np.int64]
    tune: npt.NDArray[np.int64]


def masked_loss(targets: Any, logits: Any) -> Any:
    """Return the mean sigmoid cross-entropy over the known targets; NaN is unknown and costs nothing."""
    known = tf.logical_not(tf.math.is_nan(targets))
    loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.where(known, targets, 0.0), logits=logits)
    count = tf.maximum(tf.reduce_sum(tf.cast(known, tf.float32)), 1.0)
    return tf.reduce_sum(tf.where(known, loss, 0.0)) / count


def fit(
    network: keras.Model,
    data: TrainingData,
    vocabulary: Vocabulary,
    recipe: Recipe,
    *,
    checkpoints: Path,
    resume: bool,
    report: Callable[[int, int, int, float], object] = lambda *_: None,
    epoch_done: Callable[[int, dict[str, float]], object] = lambda *_: None,
) -> History:
    """Train `network` in place and return the history; it ends with the weights of the best epoch.

    Parameters
    ----------
    checkpoints : Path
        Folder for the state after each epoch; with `resume` the last one found there is the start.
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
    network.compile(optimizer=optimizer, loss=masked_loss)
    optimizer.build(network.trainable_variables)
    state = _State(network, optimizer, checkpoints)
    history = state.load() if resume else History()
    prepare = _augmentation(data, vocabulary, recipe)
    for epoch in range(len(history.epochs), recipe.epochs):
        start, losses = time.perf_counter(), []
        for step, batch in enumerate(_batches(data, recipe, epoch)):
            losses.append(float(network.train_on_batch(*prepare(*batch))))
            if not np.isfinite(losses[-1]):
                raise TrainingDiverged(
                    f"the loss became {losses[-1]} in epoch {epoch + 1}, step {step + 1}; nothing was saved. "
                    "Look at the pictures with --check, or train with another --seed"
                )
            report(epoch, step, steps, float(np.mean(losses[-50:])))
        row = {"loss": float(np.mean(losses))} | _tune(network, data)
        if not np.isfinite(row["tune_loss"]):
            raise TrainingDiverged(f"the tuning loss became {row['tune_loss']} in epoch {epoch + 1}; nothing was saved")
        row["seconds"] = time.perf_counter() - start
        history.epochs.append(row)
        state.save(history)
        epoch_done(epoch, row)
    state.load_best()
    return history


def predict_logits(network: keras.Model, pixels: Pixels, rows: npt.NDArray[np.int64], *, batch: int = 64) -> Floats:
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


def _batches(data: TrainingData, recipe: Recipe, epoch: int) -> Iterator[tuple[Pixels, Floats, npt.NDArray[np.int32]]]:
    """Yield pixels, targets and a seed per step; which picture comes where depends on the recipe's seed and epoch.

    A plain loop: with `tf.data.Dataset.from_generator` every second epoch waited 7 s for the old pipeline to end.
    """
    batch = min(recipe.batch, len(data.train))
    order = np.random.default_rng([recipe.seed, epoch]).permutation(data.train)
    for step in range(len(order) // batch):
        rows = np.sort(order[step * batch : (step + 1) * batch])
        rows = rows[np.random.default_rng([recipe.seed, epoch, step]).permutation(batch)]
        yield np.asarray(data.pixels[rows]), data.targets[rows], np.array([recipe.seed, epoch * 65536 + step], np.int32)


def _augmentation(data: TrainingData, vocabulary: Vocabulary, recipe: Recipe) -> Callable[..., tuple[Any, Any]]:
    """Return what turns (pixels, targets, seed) into what a training step sees, as one compiled graph."""
    evidence = {group.name: group.evidence for group in vocabulary.groups}
    shape = np.array([evidence[label.group] == "shape" for label in vocabulary.labels])
    colour = np.array([evidence[label.group] == "pixels" for label in vocabulary.labels])
    batch, size = min(recipe.batch, len(data.train)), data.pixels.shape[1]
    recoloured = int(recipe.recoloured * batch) if shape.any() else 0
    shuffled = int(recipe.shuffled * batch) if colour.any() and size % TILES == 0 else 0

    def prepare(pixels: Any, targets: Any, seed: Any) -> tuple[Any, Any]:
        x, y = augment(pixels, targets, seed, recoloured=recoloured, shuffled=shuffled, shape=shape, colour=colour)
        return x, y * (1 - recipe.smoothing) + recipe.smoothing / 2

    signature = [
        tf.TensorSpec((batch, size, size, 3), tf.uint8),
        tf.TensorSpec((batch, len(vocabulary)), tf.float32),
        tf.TensorSpec((2,), tf.int32),
    ]
    compiled: Callable[..., tuple[Any, Any]] = tf.function(prepare, input_signature=signature)
    return compiled


def _tune(network: keras.Model, data: TrainingData) -> dict[str, float]:
    if not len(data.tune):
        return {"tune_loss": 0.0, "tune_macro_ap": float("nan")}
    logits = predict_logits(network, data.pixels, data.tune)
    targets = data.targets[data.tune]
    ap = macro_average_precision(logits, targets)
    return {
        "tune_loss": float(masked_loss(targets, logits)),
        "tune_macro_ap": float("nan") if ap is None else ap,
    }


class _State:
    """The state of a training on disk: plain arrays, replaced by one rename after each epoch."""

    def __init__(self, network: keras.Model, optimizer: Any, folder: Path) -> None:
        self._network, self._optimizer, self._folder = network, optimizer, folder
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, history: History) -> None:
        if history.best == len(history.epochs) - 1:
            self._write("best.npz", self._network.variables)
        self._write("last.npz", [*self._network.variables, *self._optimizer.variables])
        text = json.dumps(asdict(history), indent=1)
        # The history is written last: without it the arrays of an epoch do not count.
        (self._folder / "history.json.new").write_text(text)
        os.replace(self._folder / "history.json.new", self._folder / "history.json")

    def load(self) -> History:
        history = History(**json.loads((self._folder / "history.json").read_text()))
        self._read("last.npz", [*self._network.variables, *self._optimizer.variables])
        return history

    def load_best(self) -> None:
        self._read("best.npz", self._network.variables)

    def _write(self, name: str, variables: list[Any]) -> None:
        with open(self._folder / f"{name}.new", "wb") as file:
            np.savez(file, *[np.asarray(variable) for variable in variables], allow_pickle=False)
        os.replace(self._folder / f"{name}.new", self._folder / name)

    def _read(self, name: str, variables: list[Any]) -> None:
        with np.load(self._folder / name, allow_pickle=False) as arrays:
            for i, variable in enumerate(variables):
                variable.assign(arrays[f"arr_{i}"])
