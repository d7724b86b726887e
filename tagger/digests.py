"""Which contents are known already: a set of sha256 digests, small enough for millions, that
workers share."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # decode workers know contents, and need no Arrow
    import pyarrow as pa

DigestKeys = npt.NDArray[np.uint64]
"""uint64 (n, 2): the first 16 bytes of each digest. To make two contents agree in them takes 2^64
tries."""

_SHARDS = 64
_MERGE_AT = 1024


class Contents:
    """A set of contents by digest: 16 bytes each in sorted arrays, and the latest additions beside
    them.

    Parameters
    ----------
    keys : uint64 (n, 2)
        Sorted as `sorted_keys` does it; not copied.
    """

    def __init__(self, keys: DigestKeys) -> None:
        self._keys = keys
        self._added = [_Shard() for _ in range(_SHARDS)]

    def __contains__(self, key: tuple[int, int]) -> bool:
        return key in self._added[key[0] * _SHARDS >> 64] or _has(self._keys, key)

    def add(self, key: tuple[int, int]) -> None:
        """Add one content. Additions are merged into arrays now and then, so a million costs 16 MB,
        not 100."""
        self._added[key[0] * _SHARDS >> 64].add(key)


class _Shard:
    """Contents that were added, of one of the shards that the first bits of a digest name: what is
    copied when some are merged is small."""

    def __init__(self) -> None:
        self._recent: set[tuple[int, int]] = set()
        self._runs: list[DigestKeys] = []  # the largest first, each many times the next

    def __contains__(self, key: tuple[int, int]) -> bool:
        return key in self._recent or any(_has(run, key) for run in self._runs)

    def add(self, key: tuple[int, int]) -> None:
        self._recent.add(key)
        if len(self._recent) == _MERGE_AT:
            run = np.array(list(self._recent), np.uint64)
            while self._runs and len(self._runs[-1]) <= 8 * len(run):
                run = np.concatenate([self._runs.pop(), run])
            self._runs.append(sorted_keys(run))
            self._recent = set()


def _has(keys: DigestKeys, key: tuple[int, int]) -> bool:
    first = keys[:, 0]
    at = int(np.searchsorted(first, np.uint64(key[0])))
    while at < len(first) and int(first[at]) == key[0]:
        if int(keys[at, 1]) == key[1]:
            return True
        at += 1
    return False


def key_of(digest: bytes) -> tuple[int, int]:
    """Return the key of a sha256 digest of 32 bytes."""
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big")


def sorted_keys(keys: DigestKeys) -> DigestKeys:
    """Return the keys in order of their first half, C-contiguous."""
    return np.ascontiguousarray(keys[np.argsort(keys[:, 0], kind="stable")])


def are_in(keys: DigestKeys, among: DigestKeys) -> npt.NDArray[np.bool_]:
    """Return bool (n,): which keys are in `among`, sorted as `sorted_keys` does it."""
    if not len(among):
        return np.zeros(len(keys), bool)
    at = np.minimum(np.searchsorted(among[:, 0], keys[:, 0]), len(among) - 1)
    return np.asarray((among[at] == keys).all(axis=1))


def keys_of(digests: "pa.ChunkedArray") -> DigestKeys:
    """Return the sorted keys of digests given as 64 hex digits; nulls are left out."""
    return sorted_keys(raw_keys(digests))


def raw_keys(digests: "pa.ChunkedArray") -> DigestKeys:
    """Return the keys of digests given as 64 hex digits, in their order; nulls are left out."""
    blocks = [np.zeros((0, 2), np.uint64)]
    for chunk in digests.drop_null().chunks:
        text = "".join(chunk.cast("large_string").to_pylist())
        raw = np.frombuffer(bytes.fromhex(text), ">u8").reshape(-1, 4)[:, :2]
        blocks.append(raw.astype(np.uint64))
    return np.concatenate(blocks)
