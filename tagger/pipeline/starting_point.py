"""Where a training starts: what differs between a first training and a retraining, by name."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pyarrow as pa

from schemas.bundle import Gate
from tagger.arrays import StrArray
from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.prepared_set import PreparedSet
from tagger.imaging.preprocessing import Reading
from tagger.labels.vocabulary import Vocabulary
from tagger.models.bundle import Bundle
from tagger.pipeline.measuring import Measured, Remembered
from tagger.pipeline.options import TrainingOptions
from tagger.pipeline.split_set import SplitSet
from tagger.training.architecture import Architecture
from tagger.training.recipe import Recipe

if TYPE_CHECKING:
    from tagger.training.fine_tuning import Inheritance


class NetworkStart(NamedTuple):
    """What fitting begins with.

    Attributes
    ----------
    architecture : Architecture
    inherited : Inheritance or None
        What a parent model gives: weights to start from, and perhaps its answers.
    """

    architecture: Architecture
    inherited: "Inheritance | None" = None


class StartingPoint(Protocol):
    """Where a training starts. The methods are called in this order, each once or not at all."""

    @property
    def parent(self) -> Bundle | None:
        """Return the model that is continued, if there is one."""

    @property
    def recipe_name(self) -> str:
        """Return what the model's card calls the recipe."""

    def sets(self, options: TrainingOptions) -> LabelledSet:
        """Return the labelled sets as one.

        Raises
        ------
        InputError
            If they cannot be read, or have more problems than are allowed.
        """

    def taught(self, labelled: LabelledSet, options: TrainingOptions) -> Vocabulary:
        """Return the vocabulary of the model to be.

        Raises
        ------
        InputError
            If the sets do not fit what is asked for.
        """

    def decides(self) -> dict[str, object]:
        """Return what else decides the result, as JSON: a training resumes only from the same."""

    def reading(self) -> Reading:
        """Return how pictures become the network's input."""

    def seen(self) -> pa.Table | None:
        """Return the split.parquet of what the network has seen before, if it has seen anything."""

    def judged(self, prepared: PreparedSet, vocabulary: Vocabulary) -> Vocabulary:
        """Return the vocabulary with what each group is judged by, decided and said."""

    def parts(self, prepared: PreparedSet, vocabulary: Vocabulary, *, seed: int) -> StrArray:
        """Return the part of each readable picture, as `split` has it."""

    def split(self, prepared: PreparedSet, vocabulary: Vocabulary, *, seed: int) -> SplitSet:
        """Return the set with its parts and targets."""

    def recipe(self, pictures: int) -> Recipe:
        """Return how to fit a train part of so many pictures."""

    def network(self, split: SplitSet) -> NetworkStart:
        """Return what fitting begins with."""

    def remembered(self, split: SplitSet) -> Remembered:
        """Return what is known of labels whose pictures are gone."""

    def judge(self, split: SplitSet, measured: Measured) -> Gate:
        """Return whether the model is good enough to be promoted."""

    def may_follow(self, current: Path) -> bool:
        """Return whether a good model may take the place of what the link `current` names."""

    def lineage(self, split: SplitSet, gate: Gate) -> list[str]:
        """Return what the model's card says of where it comes from, line by line."""
