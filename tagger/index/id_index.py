"""Where each image_id is in a listing of millions.

12 bytes an id, where a hash table of texts takes some 80.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.arrays import Int64Array

_BLOCK = 65_536


class IdIndex:
    """The ids of a listing in order of their hashes.

    Parameters
    ----------
    ids : pa.LargeStringArray
        Not copied.
    hashed : callable
        From an id's UTF-8 to 64 bits. Python's own, unless a test wants collisions.
    """

    def __init__(self, ids: pa.Array, hashed: Callable[[bytes], int] = hash) -> None:
        self._ids = ids
        self._hashed = hashed
        hashes = self._hashes(ids)
        position = np.uint32 if len(ids) < 2**32 else np.int64
        self._order = np.argsort(hashes, kind="stable").astype(position)
        self._sorted = hashes[self._order]

    def find(self, ids: pa.Array) -> Int64Array:
        """Return int64 (n,): where each id first is in the listing, or -1."""
        wanted = self._hashes(ids)
        found = np.full(len(ids), -1, np.int64)
        at = np.searchsorted(self._sorted, wanted)
        open_ = np.arange(len(ids))
        while len(open_):  # once, but for different ids of one hash
            open_ = open_[at[open_] < len(self._sorted)]
            open_ = open_[self._sorted[at[open_]] == wanted[open_]]
            places = self._order[at[open_]]
            same = pc.equal(self._ids.take(pa.array(places)), ids.take(pa.array(open_)))
            same = np.asarray(same.to_numpy(zero_copy_only=False), bool)
            found[open_[same]] = places[same]
            open_ = open_[~same]
            at[open_] += 1
        return found

    def repeated(self) -> Int64Array:
        """Return the positions of ids that come again later in the listing."""
        alike = np.flatnonzero(self._sorted[1:] == self._sorted[:-1])
        suspects = np.unique(self._order[np.concatenate([alike, alike + 1])])
        ids = self._ids.take(pa.array(suspects)).to_pylist()
        last = dict(zip(ids, suspects, strict=True))  # the later place of two counts
        return np.setdiff1d(suspects, np.array(list(last.values()), np.int64))

    def _hashes(self, ids: pa.Array) -> Int64Array:
        raw = ids.cast(pa.large_binary())
        result = np.empty(len(ids), np.int64)
        for at in range(0, len(ids), _BLOCK):  # the objects of a block at a time
            block = raw.slice(at, _BLOCK).to_numpy(zero_copy_only=False)
            hashes = map(self._hashed, block)
            result[at : at + len(block)] = np.fromiter(hashes, np.int64, len(block))
        return result
