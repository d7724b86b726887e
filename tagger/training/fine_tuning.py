"""What a retraining takes over from its parent: weights, and answers where old pictures are gone.

Source of the latter: Z. Li and D. Hoiem, "Learning without forgetting", 2016, here with the
parent's sigmoid scores as targets for labels about which a picture says nothing, changed pictures
included.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.bundle import HEAD
from tagger.arrays import Float32Array
from tagger.backend import keras, tf
from tagger.labels.views import logit

KEPT = 0.6
"""How much of the way from the parent a model goes that was fitted without the parent's pictures.

M. Wortsman et al., "Robust fine-tuning of zero-shot models", 2022: weights between two such
networks forget much less than they unlearn. Chosen on validation pictures of apparel, macro AP of
old and of new labels: at 1.0 95.7 and 98.3, at 0.6 98.0 and 96.0, at 0.4 98.6 and 90.2; the parent
had 98.8. A third of the learning rate and half the epochs instead gave 97.0 and 94.9.
"""

WAYS = (1.0, 0.85, 0.7, 0.55, 0.4)
"""How much of the way a model with a vocabulary of its own may go: the first of the best.

The packaged starter, which goes on from an earlier one with pictures of another kind, is best at
0.85 on its validation part: with all of the way colors lost 0.4 points, and the new pictures, too,
gained 1.
"""


@dataclass(frozen=True)
class Inheritance:
    """A parent network, and how it is used.

    Attributes
    ----------
    parent : keras.Model
        Of a bundle.
    distils : bool
        Whether its scores stand in for what pictures do not say about old labels.
    frozen : bool
        Whether its trunk stays as it is, bit for bit.
    columns : tuple of int or None, optional
        Of each label of a vocabulary of its own, which column of the parent's it is. Without, the
        parent's labels are the first ones.
    """

    parent: keras.Model
    distils: bool = False
    frozen: bool = False
    columns: tuple[int | None, ...] | None = None

    @property
    def labels(self) -> int:
        """Return how many labels, the first, need no picture, since the parent knows them."""
        return 0 if self.columns is not None else int(self.parent.get_layer(HEAD).units)

    def start(self, network: keras.Model, targets: Float32Array) -> None:
        """Give `network` the parent's weights; new labels start at their share of `targets`.

        Parameters
        ----------
        targets : float32 (n, n_labels)
            Of the train part.
        """
        for layer in _trunk(network):
            layer.set_weights(self.parent.get_layer(layer.name).get_weights())
            layer.trainable = not self.frozen
        old_kernel, old_bias = self.parent.get_layer(HEAD).get_weights()
        known = (~np.isnan(targets)).sum(axis=0)
        prior = (np.nansum(targets, axis=0) + 1) / (known + 2)  # (n_labels,)
        kernel = np.zeros((len(old_kernel), len(prior)), np.float32)  # (n_features, n_labels)
        bias = logit(prior).astype(np.float32)  # (n_labels,)
        for mine, its in self._rows:
            kernel[:, mine] = old_kernel[:, its]
            bias[mine] = old_bias[its]
        network.get_layer(HEAD).set_weights([kernel, bias])

    def settle(self, network: keras.Model, loss: Callable[[], float] | None) -> float:
        """Bring the fitted `network` back towards the parent as far as it is to stay as that was,
        and return how much of the way it went.

        A frozen trunk becomes the parent's bit for bit: the running mean of equal weights is equal
        but for rounding. Where old pictures are gone, all that the parent has goes back by 1 -
        `KEPT`. A model with a vocabulary of its own stays where its loss is least, see `WAYS`.
        Columns of labels that the parent does not have stay.

        Parameters
        ----------
        loss : callable (), optional
            The loss of `network` as it is, on pictures that it was not fitted to. Without, a model
            with a vocabulary of its own goes all of the way.
        """
        fitted = {layer.name: layer.get_weights() for layer in network.layers}
        way = KEPT if self.distils else 1.0
        if self.columns is not None and loss is not None:
            losses = {}
            for each in WAYS:
                self._go(network, fitted, each)
                losses[each] = loss()
            way = min(losses, key=lambda each: losses[each])
        self._go(network, fitted, way)
        return way

    def _go(self, network: keras.Model, fitted: Mapping[str, list[Any]], way: float) -> None:
        """Put `network` so much of the way from the parent's weights to the fitted ones."""
        for layer in _trunk(network):
            old = self.parent.get_layer(layer.name).get_weights()
            layer.set_weights(old if self.frozen else _between(old, fitted[layer.name], way))
        kernel, bias = (array.copy() for array in fitted[HEAD])
        old_kernel, old_bias = self.parent.get_layer(HEAD).get_weights()
        for mine, its in self._rows:
            old = [old_kernel[:, its], old_bias[its]]
            kernel[:, mine], bias[mine] = _between(old, [kernel[:, mine], bias[mine]], way)
        network.get_layer(HEAD).set_weights([kernel, bias])

    @property
    def _rows(self) -> list[tuple[int, int]]:
        """Return which label of the new model is which of the parent's."""
        columns = range(self.labels) if self.columns is None else self.columns
        return [(mine, its) for mine, its in enumerate(columns) if its is not None]

    @property
    def teacher(self) -> Callable[[Any, Any], Any] | None:
        """Return what fills in unknown targets of old labels, or None.

        It takes pictures and targets, and returns targets.
        """
        if not self.distils:
            return None

        def fill_in(pictures: Any, targets: Any) -> Any:
            scores = tf.stop_gradient(self.parent(pictures, training=False)["scores"])  # (n, old)
            new = tf.shape(targets)[1] - tf.shape(scores)[1]
            answers = tf.pad(scores, [[0, 0], [0, new]], constant_values=float("nan"))
            return tf.where(tf.math.is_nan(targets), answers, targets)

        return fill_in


def _trunk(network: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers that have weights, but the head."""
    return [layer for layer in network.layers if layer.name != HEAD and layer.weights]


def _between(old: list[Any], new: list[Any], way: float) -> list[Any]:
    return [(1 - way) * before + way * now for before, now in zip(old, new, strict=True)]
