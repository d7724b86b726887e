"""The state of a training: the running mean of its weights, and its files after each epoch."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from schemas.record import parse, to_json
from schemas.training import History
from tagger.backend import keras, tf
from tagger.errors import InputError
from tagger.files import atomic_text, replacing
from tagger.settings import setting


class WeightAverage:
    """A running mean of a network's variables, those of batch normalisation too.

    Late epochs then differ little from one another, so it matters little which is kept. Source:
    Polyak and Juditsky, 1992; the growing decay as in TensorFlow's ExponentialMovingAverage.

    Parameters
    ----------
    network : keras.Model
    decay : float
        Per step; 0 keeps no mean, and `exchange` does nothing.
    """

    def __init__(self, network: keras.Model, decay: float) -> None:
        self._weights = (
            [v.value for v in network.variables if v.dtype == "float32"] if decay else []
        )
        self.variables = [tf.Variable(value) for value in self._weights]
        self._decay = decay
        self._compiled = tf.function(self._update, autograph=False)

    def update(self, step: int, *, steps: int = 1) -> None:
        """Take in the network's weights after step number `step`, from 0.

        They stand for the last `steps` of them: neighbours hardly differ, and each costs a pass
        over all weights.
        """
        if self._decay:
            decay = min(self._decay, (1 + step) / (10 + step)) ** steps
            self._compiled(tf.constant(decay, tf.float32))

    @contextmanager
    def in_its_place(self) -> Iterator[None]:
        """Have the mean in the network for as long as this lasts."""
        self.exchange()
        yield
        self.exchange()

    def exchange(self) -> None:
        """Put the mean into the network, its weights here; a second call undoes it."""
        for mean, weight in zip(self.variables, self._weights, strict=True):
            before = weight.numpy()
            weight.assign(mean)
            mean.assign(before)

    def _update(self, decay: Any) -> None:
        for mean, weight in zip(self.variables, self._weights, strict=True):
            # One pass, where mean * decay + weight * (1 - decay) takes four.
            tf.raw_ops.ResourceApplyGradientDescent(
                var=mean.handle, alpha=1 - decay, delta=mean - weight
            )


class Checkpoints:
    """The state of a training on disk: plain arrays, replaced by one rename after each epoch."""

    def __init__(
        self, network: keras.Model, optimizer: Any, average: WeightAverage, folder: Path
    ) -> None:
        self._network = network
        self._average = average
        self._folder = folder
        self._all = [*network.variables, *optimizer.variables, *average.variables]
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, history: History) -> None:
        """Write what the next epoch starts from, and the mean weights if the last is the best."""
        if history.best == len(history.epochs) - 1:
            with self._average.in_its_place():
                self._write("best.npz", self._network.variables)
        # Arrays and history are one file: a kill between two would train an epoch on top of itself.
        text = to_json(history)
        self._write("last.npz", self._all, text)
        atomic_text(self._folder / "history.json", text)  # for people

    def load(self) -> History:
        """Return the history so far, after setting every variable as the last epoch left it.

        Raises
        ------
        InputError
            If the files are damaged, by a power cut say.
        """
        try:
            return parse(self._read("last.npz", self._all), History)
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{setting('resume')}: {str(self._folder / 'last.npz')!r} is damaged ({error}); "
                f"start it without {setting('resume')}"
            ) from error

    def load_best(self) -> None:
        """Give the network the weights of the best epoch."""
        self._read("best.npz", self._network.variables)

    def _write(self, name: str, variables: list[Any], text: str = "") -> None:
        arrays = [np.asarray(variable) for variable in variables]
        content = np.frombuffer(text.encode(), np.uint8)
        with replacing(self._folder / name) as sibling, open(sibling, "wb") as file:
            np.savez(file, *arrays, text=content, allow_pickle=False)

    def _read(self, name: str, variables: list[Any]) -> bytes:
        with open(self._folder / name, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            for i, variable in enumerate(variables):
                variable.assign(arrays[f"arr_{i}"])
            return bytes(arrays["text"])
