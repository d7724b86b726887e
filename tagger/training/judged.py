"""Which labels are judged by what: masks over the columns of a vocabulary."""

from typing import NamedTuple

import numpy as np

from tagger.arrays import BoolArray
from tagger.labels.vocabulary import Vocabulary


class Judged(NamedTuple):
    """What labels are judged by, bool (n_labels,) each; those judged by `both` are in none.

    Attributes
    ----------
    shape, pixels, texture : bool (n_labels,)
    """

    shape: BoolArray
    pixels: BoolArray
    texture: BoolArray

    @property
    def by_recolouring(self) -> BoolArray:
        """Return what a picture of other colours still shows: shape and texture."""
        return self.shape | self.texture

    @property
    def by_shuffling(self) -> BoolArray:
        """Return what a picture that is cut up still shows: pixels and texture."""
        return self.pixels | self.texture

    @property
    def by_blurring(self) -> BoolArray:
        """Return what a blurred picture still shows: shape and pixels."""
        return self.shape | self.pixels


def judged(vocabulary: Vocabulary) -> Judged:
    """Return what the labels of a vocabulary are judged by."""
    evidence = {group.name: group.evidence for group in vocabulary.groups}
    of_label = np.array([evidence[label.group] for label in vocabulary.labels])
    return Judged(of_label == "shape", of_label == "pixels", of_label == "texture")
