"""Which rows have which bytes: digests whole, in 32 bytes each, and an order to find them by."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tagger.arrays import Int64Array

Digests = npt.NDArray[np.uint64]
"""uint64 (n, 4): sha256 digests; all zeros where a file was never read."""


def digests_of(texts: Iterable[str]) -> Digests:
    """Return digests that are given as 64 hex digits each.

    Raises
    ------
    ValueError
        If one is not that.
    """
    raw = bytes.fromhex("".join(texts))
    return np.frombuffer(raw, ">u8").reshape(-1, 4).astype(np.uint64)


def texts_of(digests: Digests) -> list[str | None]:
    """Return digests as hex digits; None for a file that was never read."""
    digits = digests.astype(">u8").tobytes().hex()
    read: list[bool] = np.asarray(digests.any(axis=1)).tolist()
    return [digits[64 * i : 64 * i + 64] if each else None for i, each in enumerate(read)]


class Pairs(NamedTuple):
    """Which of the contents that were asked for are where.

    Attributes
    ----------
    which : int64 (n,)
        Place among those asked for.
    row : int64 (n,)
        A row with these bytes.
    """

    which: Int64Array
    row: Int64Array


class ContentIndex:
    """The rows in the order of their contents: 12 bytes a row beside the digests.

    Parameters
    ----------
    digests : uint64 (n, 4)
        Of each row; not copied.
    """

    def __init__(self, digests: Digests) -> None:
        self._digests = digests
        order = np.argsort(digests[:, 0], kind="stable")
        self._sorted = digests[order, 0]
        self._order = order.astype(np.uint32)

    def find(self, digests: Digests) -> Pairs:
        """Return every row that has one of these contents, copies too."""
        left = np.searchsorted(self._sorted, digests[:, 0], "left")
        right = np.searchsorted(self._sorted, digests[:, 0], "right")
        count = right - left
        which = np.repeat(np.arange(len(digests)), count)
        first = np.repeat(left - np.cumsum(count) + count, count)
        row = self._order[first + np.arange(len(which))].astype(np.int64)
        same = (self._digests[row] == digests[which]).all(axis=1)
        return Pairs(which[same], row[same])
