"""Which product each row of a night shows. Arrays in, arrays out."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.arrays import BoolArray, Int64Array
from tagger.index.snapshots import Snapshot
from tagger.review.rows import Int32Array

ProductsOf = Callable[[Snapshot, pa.Array], pa.ChunkedArray]
"""Returns the product of each of these image_ids of a night, as texts; null where there is none."""


class NightProducts:
    """The products of the rows of a night: 4 bytes a row, and each product's name once.

    Parameters
    ----------
    skus : pa.ChunkedArray (n,)
        Of each row, in order of image_id; null where it shows none.
    """

    def __init__(self, skus: pa.ChunkedArray) -> None:
        names = pc.unique(skus).drop_null()
        self._names = names.take(pc.sort_indices(names))
        numbers = pc.fill_null(pc.index_in(skus, value_set=self._names), -1)
        self._number: Int32Array = np.asarray(numbers.to_numpy(), np.int32)

    def __len__(self) -> int:
        return len(self._names)

    def of(self, places: Int64Array) -> list[str | None]:
        """Return the product of each of these rows."""
        numbers = self._number[places]
        names: list[str | None] = self._names.take(pa.array(numbers, mask=numbers < 0)).to_pylist()
        return names

    def shows(self, sku: str) -> BoolArray:
        """Return bool (n,): rows that show a product."""
        number = pc.index(self._names, pa.scalar(sku, self._names.type)).as_py()
        return np.asarray((self._number == number) & (self._number >= 0))

    def disagreeing(self, answers: Int32Array, ok: BoolArray) -> BoolArray:
        """Return bool (n,): rows of products whose pictures answer differently; none is no answer.

        Parameters
        ----------
        answers : int32 (n,)
            Of one group; -1 is none.
        ok : bool (n,)
            Rows that are asked.
        """
        some = ok & (answers >= 0) & (self._number >= 0)
        number, answer = self._number[some], answers[some]
        highest = np.full(len(self), -1, np.int32)
        lowest = np.full(len(self), np.iinfo(np.int32).max, np.int32)
        np.maximum.at(highest, number, answer)
        np.minimum.at(lowest, number, answer)
        differ = np.append(lowest < highest, False)  # the last one is no product's
        return np.asarray(differ[self._number])

    def in_order(self, rows: Int64Array) -> Int64Array:
        """Return rows by the names of their products; those of one product stay in order."""
        return rows[np.argsort(self._number[rows], kind="stable")]
