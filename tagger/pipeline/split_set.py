"""A labelled set as a training takes it: decoded, split, and with a target per label."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from schemas.training import CorrectedParts, UnteachablePair
from tagger.arrays import Float32Array, Int64Array, Pixels, StrArray
from tagger.datasets.labelled_set import LabelKeys
from tagger.datasets.prepared_set import PreparedSet
from tagger.labels.vocabulary import Vocabulary


@dataclass(frozen=True)
class SplitSet:
    """Pictures, what they show, and which part each is in.

    Attributes
    ----------
    prepared : PreparedSet
    parts : str (n_readable,)
        train, validation, test, or empty for a picture that is in none.
    targets : float32 (n_pictures, n_labels)
        For all examples of the set: 1, 0, or NaN for unknown.
    vocabulary : Vocabulary
    table : pa.Table
        The content of split.parquet.
    held_out : tuple of pairs of labels
        Those that training is kept from.
    unteachable : tuple of UnteachablePair
        Pairs that the train part cannot teach.
    replays : bool
        Whether all that the model is to know can be learned from these pictures; if not, a parent
        answers for what they do not say.
    """

    prepared: PreparedSet
    parts: StrArray
    targets: Float32Array
    vocabulary: Vocabulary
    table: pa.Table
    held_out: tuple[LabelKeys, ...] = ()
    unteachable: tuple[UnteachablePair, ...] = ()
    replays: bool = True

    @property
    def pixels(self) -> Pixels:
        """Return uint8 (n_pictures, size, size, 3)."""
        return self.prepared.cache.pixels

    @property
    def corrected(self) -> CorrectedParts | None:
        """Return how many corrected pictures each part has; None without corrections."""
        return self.prepared.corrected_parts(self.parts)

    def rows(self, part: str) -> Int64Array:
        """Return int64: the positions of a part's pictures in `targets` and `pixels`."""
        return np.asarray(self.prepared.rows[self.parts == part], np.int64)
