"""The split: near-duplicates together, 70 % for training, 10 % for validation, 20 % for testing,
every combination in each."""

from collections.abc import Hashable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from tagger.arrays import Float32Array, Float64Array, Int64Array, StrArray

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
"""Combinations of fewer clusters than this are split together: one by one they would all go to
train."""

_ASPECT_TOLERANCE = 0.02
_BLOCK = 1024


def near_duplicates(
    thumbnails: npt.NDArray[np.uint8], aspects: Float64Array, digests: Sequence[str]
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
    n = len(thumbnails)
    flat = thumbnails.reshape(n, -1)
    means = flat.mean(axis=1, dtype=np.float32)
    # The distance of means never exceeds that of pixels, so only a window of the order by mean
    # needs comparing.
    order = np.argsort(means, kind="stable")
    flat, means, shapes = flat[order], means[order], aspects[order]
    squares = np.concatenate(
        [(_floats(flat, at, at + _BLOCK) ** 2).sum(axis=1) for at in range(0, n, _BLOCK)]
    )
    limit = MAX_DISTANCE**2 * flat.shape[1]
    parent = np.arange(n)
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        end = int(np.searchsorted(means, means[stop - 1] + MAX_DISTANCE, side="right"))
        for other in range(start, end, 4 * _BLOCK):
            window = slice(other, min(other + 4 * _BLOCK, end))
            products = _floats(flat, start, stop) @ _floats(flat, window.start, window.stop).T
            distance = squares[start:stop, None] + squares[None, window] - 2 * products
            same_shape = (
                np.abs(np.log(shapes[start:stop, None] / shapes[None, window])) < _ASPECT_TOLERANCE
            )
            for i, j in np.argwhere((distance < limit) & same_shape):
                _join(parent, int(order[start + i]), int(order[other + j]))
    by_digest = sorted(range(n), key=lambda i: (digests[i], i))
    for i, j in pairwise(by_digest):
        if digests[i] == digests[j]:
            _join(parent, i, j)
    return np.array([_root(parent, i) for i in range(n)], np.int64)


def split_clusters(clusters: Int64Array, strata: Sequence[Hashable], *, seed: int) -> StrArray:
    """Return str (n,): train, validation or test for each picture; a cluster is never divided.

    Within each stratum (a combination of labels, that of the cluster's first picture) clusters are
    shuffled and each goes where most is missing from 70, 10 and 20 %, so that rare combinations are
    spread too.
    """
    random = np.random.default_rng(seed)
    sizes = dict(zip(*np.unique(clusters, return_counts=True), strict=True))
    by_stratum: dict[Hashable, list[int]] = {}
    for cluster in sizes:
        by_stratum.setdefault(strata[cluster], []).append(int(cluster))
    rare = [stratum for stratum, members in by_stratum.items() if len(members) < RARE]
    pool = [cluster for stratum in rare for cluster in by_stratum.pop(stratum)]
    if pool:
        by_stratum[("rare",)] = sorted(pool)
    part_of: dict[int, str] = {}
    for stratum in sorted(by_stratum, key=str):
        members = by_stratum[stratum]
        total = sum(sizes[cluster] for cluster in members)
        filled = np.zeros(len(PARTS))
        # Large clusters first: late ones could no longer be balanced.
        for cluster in sorted(random.permutation(members), key=lambda c: -sizes[c]):
            k = int(np.argmax(np.array(SHARES) * total - filled))
            part_of[int(cluster)] = PARTS[k]
            filled[k] += sizes[cluster]
    return np.array([part_of[int(cluster)] for cluster in clusters])


def _floats(flat: npt.NDArray[np.uint8], start: int, stop: int) -> Float32Array:
    """Return some rows as float32: all of a million thumbnails at once would take 12 GB."""
    return flat[start:stop].astype(np.float32)


def _root(parent: Int64Array, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = int(parent[i])
    return i


def _join(parent: Int64Array, i: int, j: int) -> None:
    a, b = _root(parent, i), _root(parent, j)
    parent[max(a, b)] = min(a, b)
