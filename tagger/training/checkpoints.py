"""The state of a training: the running mean of its weights, and what is on disk after each
epoch."""

import json
import os
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tagger.backend import keras, tf
from tagger.errors import InputError
from tagger.files import atomic_text
from tagger.settings import setting


@dataclass
class History:
    """What each epoch gave, and which was kept."""

    epochs: list[dict[str, float]] = field(default_factory=list)

    @property
    def best(self) -> int:
        """Return the index of the epoch with the least loss on the validation part, recombined
        pictures included."""
        return int(np.argmin([row["choice_loss"] for row in self.epochs]))


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
        self._compiled = tf.function(self._update)

    def update(self, step: int) -> None:
        """Take in the network's weights after step number `step`, from 0."""
        if self._decay:
            self._compiled(tf.constant(min(self._decay, (1 + step) / (10 + step)), tf.float32))

    def exchange(self) -> None:
        """Put the mean into the network, and the network's weights here; a second call undoes
        it."""
        for mean, weight in zip(self.variables, self._weights, strict=True):
            before = weight.numpy()
            weight.assign(mean)
            mean.assign(before)

    def _update(self, decay: Any) -> None:
        for mean, weight in zip(self.variables, self._weights, strict=True):
            mean.assign(mean * decay + weight * (1 - decay))


class Checkpoints:
    """The state of a training on disk: plain arrays, replaced by one rename after each epoch."""

    def __init__(
        self, network: keras.Model, optimizer: Any, average: WeightAverage, folder: Path
    ) -> None:
        self._network, self._average, self._folder = network, average, folder
        self._all = [*network.variables, *optimizer.variables, *average.variables]
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, history: History) -> None:
        """Write what the next epoch starts from, and the mean weights if the last epoch is the
        best."""
        if history.best == len(history.epochs) - 1:
            self._average.exchange()
            self._write("best.npz", self._network.variables)
            self._average.exchange()
        # Arrays and history are one file: a kill between two would train an epoch on top of itself.
        text = json.dumps(asdict(history), indent=1)
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
            return History(**json.loads(self._read("last.npz", self._all)))
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{setting('resume')}: {str(self._folder / 'last.npz')!r} is damaged ({error}); "
                "start it "
                f"without {setting('resume')}"
            ) from error

    def load_best(self) -> None:
        """Give the network the weights of the best epoch."""
        self._read("best.npz", self._network.variables)

    def _write(self, name: str, variables: list[Any], text: str = "") -> None:
        with open(self._folder / f"{name}.new", "wb") as file:
            arrays = [np.asarray(variable) for variable in variables]
            np.savez(file, *arrays, text=np.frombuffer(text.encode(), np.uint8), allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(self._folder / f"{name}.new", self._folder / name)

    def _read(self, name: str, variables: list[Any]) -> str:
        with open(self._folder / name, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            for i, variable in enumerate(variables):
                variable.assign(arrays[f"arr_{i}"])
            return bytes(arrays["text"]).decode()
