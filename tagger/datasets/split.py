"""The split: near-duplicates together, 70 % for training, 10 % for validation, 20 % for testing.

Every combination of labels is in each part, as far as there are enough of it.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tagger.arrays import Float32Array, Float64Array, Int64Array, Pixels, StrArray

PARTS = ("train", "validation", "test")
SHARES = (0.7, 0.1, 0.2)

SIDE = 32
"""Near-duplicates are compared at this side, in pixels."""

MAX_DISTANCE = 8.0
"""Root mean square difference, of 255, below which two pictures of one shape are the same one.

Measured on shop cut-outs over white, where a 64-bit difference hash called 182 of 357 different
pairs equal; this separated them cleanly.
"""

RARE = 10
"""Combinations of fewer clusters are split together: one by one they would all go to train."""

_ASPECT_TOLERANCE = 0.02
_BLOCK = 1024


def near_duplicates(
    thumbnails: Pixels, aspects: Float64Array, digests: Sequence[str]
) -> Int64Array:
    """Return int64 (n,): the cluster of each picture, named by the smallest index in it.

    Parameters
    ----------
    thumbnails : uint8 (n, SIDE, SIDE, 3)
    aspects : float64 (n,)
        Width over height.
    digests : sequence of str
        sha256 of each file; equal bytes are always one cluster.
    """
    _, first, same = np.unique(digests, return_index=True, return_inverse=True)
    clusters = first[same]  # (n,), by bytes alone
    for one, other in _alike(thumbnails, aspects):
        clusters = _joined(clusters, one, other)
    return clusters


def _alike(thumbnails: Pixels, aspects: Float64Array) -> Iterator[tuple[Int64Array, Int64Array]]:
    """Yield pairs of pictures that look the same, block by block, as two arrays of indices."""
    n = len(thumbnails)
    flat = thumbnails.reshape(n, -1)  # (n, SIDE * SIDE * 3)
    means = flat.mean(axis=1, dtype=np.float32)  # (n,)
    # The distance of means never exceeds that of pixels, so only a window of the order by mean
    # needs comparing.
    order = np.argsort(means, kind="stable")
    flat = flat[order]
    means = means[order]
    logs = np.log(aspects[order])
    squares = [(_floats(flat, at, at + _BLOCK) ** 2).sum(axis=1) for at in range(0, n, _BLOCK)]
    lengths = np.concatenate([np.zeros(0, np.float32), *squares])  # (n,)
    limit = MAX_DISTANCE**2 * flat.shape[1]
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        end = int(np.searchsorted(means, means[stop - 1] + MAX_DISTANCE, side="right"))
        for left in range(start, end, 4 * _BLOCK):
            right = min(left + 4 * _BLOCK, end)
            products = _floats(flat, start, stop) @ _floats(flat, left, right).T
            distance = lengths[start:stop, None] + lengths[None, left:right] - 2 * products
            same_shape = np.abs(logs[start:stop, None] - logs[None, left:right]) < _ASPECT_TOLERANCE
            i, j = np.nonzero((distance < limit) & same_shape)
            apart = start + i < left + j  # each pair once, and none with itself
            if apart.any():
                yield order[start + i[apart]], order[left + j[apart]]


def _joined(clusters: Int64Array, one: Int64Array, other: Int64Array) -> Int64Array:
    """Return the clusters after joining those of each pair, named by their smallest index."""
    n = len(clusters)
    rows = np.concatenate([np.arange(n), one])
    columns = np.concatenate([clusters, other])
    links = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(n, n))
    _, component = connected_components(links, directed=False)  # (n,)
    _, smallest = np.unique(component, return_index=True)
    return np.asarray(smallest[component], np.int64)


def split_clusters(clusters: Int64Array, strata: Sequence[Hashable], *, seed: int) -> StrArray:
    """Return str (n,): train, validation or test for each picture; a cluster is never divided.

    Within each stratum (a combination of labels, that of the cluster's first picture) clusters are
    shuffled and each goes where most is missing from 70, 10 and 20 %, so that rare combinations are
    spread too.
    """
    random = np.random.default_rng(seed)
    names, counts = np.unique(clusters, return_counts=True)
    sizes = dict(zip(names.tolist(), counts.tolist(), strict=True))
    by_stratum = _by_stratum(sizes, strata)
    part_of: dict[int, str] = {}
    for stratum in sorted(by_stratum, key=str):
        members = random.permutation(by_stratum[stratum]).tolist()
        wanted = np.array(SHARES) * sum(sizes[cluster] for cluster in members)
        filled = np.zeros(len(PARTS))
        # Large clusters first: late ones could no longer be balanced.
        for cluster in sorted(members, key=lambda cluster: -sizes[cluster]):
            k = int(np.argmax(wanted - filled))
            part_of[cluster] = PARTS[k]
            filled[k] += sizes[cluster]
    return np.array([part_of[cluster] for cluster in clusters.tolist()])


def _by_stratum(clusters: Iterable[int], strata: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    """Return the clusters of each combination of labels; rare combinations count as one."""
    by_stratum: dict[Hashable, list[int]] = {}
    for cluster in clusters:
        by_stratum.setdefault(strata[cluster], []).append(cluster)
    rare = [stratum for stratum, members in by_stratum.items() if len(members) < RARE]
    pool = [cluster for stratum in rare for cluster in by_stratum.pop(stratum)]
    if pool:
        by_stratum[("rare",)] = sorted(pool)
    return by_stratum


def _floats(flat: Pixels, start: int, stop: int) -> Float32Array:
    """Return some rows as float32: all of a million thumbnails at once would take 12 GB."""
    return flat[start:stop].astype(np.float32)
