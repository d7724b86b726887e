"""Recipes: how to fit a network. What was tried is on the benchmarks' page."""

from dataclasses import dataclass, replace
from typing import Literal, Self

SMALL = 700
"""Pictures of the train part below which a training that begins with a trunk fits the head first.
"""
STEPS = 240
"""Of such a training, of up to 168 pictures."""
RecipeName = Literal["evidence", "trunk", "plain"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to fit; what is not said here is as in `tagger.training.augmentation`.

    The defaults are the evidence-aware recipe.

    Attributes
    ----------
    epochs, batch, seed : int
    passes : int
        How often an epoch goes through the train part.
    head_first : bool
        Whether the head of a network that begins with a trunk is fitted before the trunk is, see
        `tagger.training.linear_head`, and the last epoch kept: of some dozens of validation
        pictures the loss rises with every step that makes answers surer, while they become better.
    learning_rate : float
        At the end of the first two epochs; it then falls to zero along a cosine.
    smoothing : float
        Targets are this much less sure than 0 and 1.
    recoloured, shuffled, dyed, blurred : float
        Shares of each batch, where the vocabulary has groups that they teach.
    patched : float
        Share of each batch, changed or not, with a piece of another picture in it; see
        `tagger.training.cutmix`.
    backdrops : float
        Share of each batch, changed or not, before other backgrounds and in other light; see
        `tagger.training.backdrops`.
    view : float
        Weight of the views' softmax cross-entropy beside the sigmoid one.
    geometry : float
        How strongly pictures are turned, shifted, zoomed, stretched and sheared; 1 is as in the
        method.
    coarse : float
        Share of the epochs, the first ones, that see pictures of half the side; these cost a third.
    dropout : float
        After each block of the trunk.
    average : float
        Decay of the running mean of weights that is measured and kept, per step; 0 keeps the
        weights themselves.
    """

    epochs: int = 45
    batch: int = 64
    passes: int = 1
    head_first: bool = False
    seed: int = 0
    learning_rate: float = 3e-3
    smoothing: float = 0.02
    recoloured: float = 0.125
    shuffled: float = 0.0625
    dyed: float = 0.3125
    blurred: float = 0.0625
    patched: float = 0.0
    backdrops: float = 0.0
    view: float = 0.5
    geometry: float = 1.0
    coarse: float = 0.0
    dropout: float = 0.25
    average: float = 0.995

    @classmethod
    def evidence(cls, pictures: int) -> Self:
        """Return the evidence-aware recipe for a train part of so many pictures.

        Below 3,000 it is as above. In a larger set more pairs are among the pictures, so fewer are
        made; the pictures themselves vary, so they are moved less and less is dropped; half have a
        piece of another in them; and most epochs see them at half the side. What each of these gave
        on 11,900 pictures is on the benchmarks' page.
        """
        times = max(pictures / 1500, 1.0)
        if times < 2:
            return cls()
        changed = times**-1.5
        return cls(
            epochs=round(60 * min(1.0, 8 / times) ** 0.5),
            recoloured=cls.recoloured * changed,
            shuffled=cls.shuffled * changed,
            dyed=cls.dyed * changed,
            blurred=cls.blurred * changed,
            patched=0.5,
            geometry=max(0.25, times**-0.67),
            coarse=0.6,
            dropout=cls.dropout * times**-0.45,
        )

    @classmethod
    def begun(cls, pictures: int) -> Self:
        """Return what a training with labels of its own goes on from a trunk with.

        Of fewer than `SMALL` pictures the head is fitted first, and the rate is so small that the
        trunk's features stay; it takes as many steps as that takes to come to rest, more where
        there are more pictures. What that gave is on the benchmarks' page of few labels.
        """
        recipe = cls.continued(pictures)
        if pictures >= SMALL:
            return recipe
        batch = 32
        steps = STEPS * max(1.0, pictures / 168) ** 0.5
        epochs = 6
        return replace(
            recipe,
            batch=batch,
            epochs=epochs,
            passes=max(1, round(steps / epochs / max(1, pictures // batch))),
            learning_rate=3e-4,
            head_first=True,
        )

    @classmethod
    def continued(cls, pictures: int) -> Self:
        """Return what a trained network is trained on with: half the work, at a smaller rate.

        All of it is at full side: a trunk that stays as it is gives other features at half the
        side, and a parent's answers need the whole. No pieces of other pictures: so short a
        training ended before it had digested them. In a third of the work with them, one old label
        of six lost 4 points of AP.
        """
        recipe = cls.evidence(pictures)
        work = recipe.epochs * (1 - 2 / 3 * recipe.coarse)
        return replace(
            recipe,
            epochs=max(4, round(work / 2)),
            learning_rate=1e-3,
            coarse=0.0,
            patched=0.0,
        )

    def for_others(self) -> Self:
        """Return this recipe for a trunk that trainings on pictures of other kinds begin with.

        It sees clothes before other backgrounds, in other light, and moved in full. What that gave
        is on the benchmarks' page of few labels.
        """
        return replace(
            self, geometry=1.0, backdrops=0.7, patched=0.3, dropout=min(self.dropout, 0.1)
        )

    @classmethod
    def plain(cls) -> Self:
        """Return the method's own recipe.

        It has changes of geometry, binary cross-entropy, Adam at 0.001, 30 epochs, batches of 32.
        Not the method's: the rate falls along a cosine, and the best epoch is kept.
        """
        return cls(
            epochs=30,
            batch=32,
            learning_rate=1e-3,
            smoothing=0,
            recoloured=0,
            shuffled=0,
            dyed=0,
            blurred=0,
            view=0,
            average=0,
        )

    def batch_of(self, pictures: int) -> int:
        """Return how many pictures a step sees, of a train part of so many."""
        return min(self.batch, pictures)

    def steps(self, pictures: int) -> int:
        """Return how many steps an epoch has."""
        return self.passes * max(1, pictures // self.batch)

    def choice_loss(self, validation: float, recombined: float) -> float:
        """Return the loss by which an epoch is chosen: recombined pictures count as they are
        taught.

        In a small set, where a third of each batch is dyed, they count half; in a large one, where
        one picture of a batch is, next to nothing. From nothing, on 18,400 pictures of which none
        was dyed, their loss rose from epoch 40 of 48 on, and epoch 40 was kept. The losses are
        those at the best scale of the logits: as they are, epoch 1 of 14 on 20,800 pictures, begun
        with a trunk, was kept, with a macro AP 4 points below the last.

        Parameters
        ----------
        validation, recombined : float
            Losses on the validation part, and on its pictures recombined.
        """
        share = 0.5 * min(1.0, self.dyed / Recipe.dyed)
        return (1 - share) * validation + share * recombined
