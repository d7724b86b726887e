"""Recipes: how to fit a network. What is tried and kept is in the README."""

from dataclasses import dataclass
from typing import Self


def enough_epochs(pictures: int) -> int:
    """Return how many epochs the evidence-aware recipe goes over a train part of so many pictures.

    90 up to 1,500 pictures: from 30 to 60 to 90 the pairs it never saw went on getting better. More pictures need more
    steps, but fewer looks at each: 46 epochs for 3,800, 20 for 12,000, 8 at least.
    """
    return max(8, round(90 * float(min(1.0, (1500 / max(pictures, 1)) ** 0.72))))


@dataclass(frozen=True)
class Recipe:
    """How to fit; what is not said here is as in `tagger.augmentation`. The defaults are the evidence-aware recipe.

    Attributes
    ----------
    epochs, batch, seed : int
    learning_rate : float
        At the end of the first two epochs; it then falls to zero along a cosine.
    weight_decay : float
        Of AdamW.
    smoothing : float
        Targets are this much less sure than 0 and 1.
    recoloured, shuffled, dyed : float
        Shares of each batch, where the vocabulary has groups that they teach.
    view : float
        Weight of the views' softmax cross-entropy beside the sigmoid one.
    average : float
        Decay of the running mean of weights that is measured and kept, per step; 0 keeps the weights themselves.
    """

    epochs: int = 90
    batch: int = 64
    seed: int = 0
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    smoothing: float = 0.02
    recoloured: float = 0.125
    shuffled: float = 0.0625
    dyed: float = 0.3125
    view: float = 0.5
    average: float = 0.995

    @classmethod
    def continued(cls) -> Self:
        """Return what a trained network is trained on with: fewer epochs at a smaller rate."""
        return cls(epochs=12, learning_rate=1e-3)

    @classmethod
    def plain(cls) -> Self:
        """Return the method's own: changes of geometry, binary cross-entropy, Adam at 0.001, 30 epochs, batches of 32.

        Not the method's: the rate falls along a cosine, and the best epoch is kept.
        """
        return cls(
            epochs=30,
            batch=32,
            learning_rate=1e-3,
            weight_decay=0,
            smoothing=0,
            recoloured=0,
            shuffled=0,
            dyed=0,
            view=0,
            average=0,
        )
