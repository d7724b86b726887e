"""Buckets: which part of the index a row lives in. There are more of them as the catalog grows."""

import hashlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

PICTURES = 50_000
"""In a bucket of a new index; with more than twice as many, buckets are split."""

MOST = 65_536
"""Names of parts have five digits."""

_BLOCK = 65_536

Numbers = npt.NDArray[np.int32]


def bucket_of(image_id: str, buckets: int) -> int:
    """Return sha256(image_id) mod `buckets`, from 0: where a row lives."""
    return int.from_bytes(hashlib.sha256(image_id.encode()).digest(), "big") % buckets


def buckets_of(ids: pa.Array, buckets: int) -> Numbers:
    """Return int32 (n,): `bucket_of` each of these ids, large_string."""
    result = np.zeros(len(ids), np.int32)
    raw = ids.cast(pa.large_binary())
    for at in range(0, len(ids) if buckets > 1 else 0, _BLOCK):  # the objects of a block at a time
        block = raw.slice(at, _BLOCK).to_numpy(zero_copy_only=False)
        digests = b"".join([hashlib.sha256(one).digest() for one in block])
        words = np.frombuffer(digests, ">u4").reshape(-1, 8).astype(np.uint64)
        rest = np.zeros(len(words), np.uint64)
        for word in words.T:
            rest = ((rest << np.uint64(32)) | word) % np.uint64(buckets)
        result[at : at + len(block)] = rest
    return result


def bucket_count(found: int) -> int:
    """Return how many buckets a new index of `found` pictures gets: clamp(ceil(found / 50,000), 1,
    65,536)."""
    return max(1, min(MOST, -(-found // PICTURES)))


def bucket_count_tonight(before: int | None, found: int) -> int:
    """Return how many buckets an index has in which `found` pictures are to be: those that it had,
    or twice as many, as often as it takes to have 100,000 pictures a bucket at most.

    A bucket b is split in b and b + buckets, and so each new one has all its rows from one old one.

    Parameters
    ----------
    before : int or None
        None: it is new.
    """
    buckets = before or bucket_count(found)
    while found > 2 * PICTURES * buckets and 2 * buckets <= MOST:
        buckets *= 2
    return buckets


class Partitions:
    """All buckets, dealt out to partitions: what a night holds in memory at a time.

    Buckets that were one before tonight are neighbours.

    Parameters
    ----------
    buckets : int
        Of tonight.
    before : int
        How many there were before.
    wanted : int
        How many partitions there are to be; there are no more than buckets.

    Attributes
    ----------
    of : int32 (buckets,)
        The partition of each bucket.
    """

    def __init__(self, buckets: int, *, before: int, wanted: int = 1) -> None:
        numbers = np.arange(buckets, dtype=np.int32)
        self.buckets = buckets
        order = np.lexsort([numbers, numbers % before])
        self._parts = np.array_split(numbers[order], max(1, min(wanted, buckets)))
        self.of = np.zeros(buckets, np.int32)
        for at, part in enumerate(self._parts):
            self.of[part] = at

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[Numbers]:
        return iter(self._parts)

    def split(self, ids: pa.Array) -> list[pa.Array]:
        """Return the ids of each partition, large_string."""
        if len(self) == 1:
            return [ids]
        of = self.of[buckets_of(ids, self.buckets)]
        return [ids.filter(pa.array(of == at)) for at in range(len(self))]
