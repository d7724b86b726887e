"""Pictures of a catalog that nobody labelled, and which of them may teach."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from tagger.arrays import Int64Array
from tagger.catalog import Walk, absolute_path
from tagger.datasets.pixel_cache import PixelCache
from tagger.datasets.prepared_set import PreparedSet, clusters_of

MOST = 20_000
"""Pictures of a catalog that teach; more are drawn from."""


@dataclass(frozen=True)
class Unlabelled:
    """Decoded pictures without labels.

    Attributes
    ----------
    cache : PixelCache
    rows : int64 (n,)
        Positions in it of the pictures that may teach.
    """

    cache: PixelCache
    rows: Int64Array

    @property
    def digests(self) -> list[str]:
        """Return the content_sha256 of each picture that may teach."""
        return [self.cache.facts[row].content_sha256 or "" for row in self.rows]


def paths_of(walk: Walk, *, seed: int) -> list[str]:
    """Return the paths of the catalog's pictures, in order; of very many, `MOST` drawn by `seed`.

    Raises
    ------
    InputError, Refused
        See `tagger.catalog.Walk`.
    """
    ids = sorted(image.image_id for image in walk)
    if len(ids) > MOST:
        chosen = np.random.default_rng([seed, 4]).permutation(len(ids))[:MOST]
        ids = [ids[at] for at in np.sort(chosen).tolist()]
    return [absolute_path(walk.root, image_id) for image_id in ids]


def may_teach(cache: PixelCache, prepared: PreparedSet, measured: Collection[str]) -> Unlabelled:
    """Return the readable pictures that look like none of a labelled set, each content once.

    A labelled picture teaches by its labels or measures the model; neither may come in again by
    another door.

    Parameters
    ----------
    measured : collection of str
        Digests of further pictures that must not be trained on.
    """
    readable = np.flatnonzero(cache.ok)
    clusters = clusters_of([(prepared.cache, prepared.rows), (cache, readable)])
    labelled = set(clusters[: len(prepared.rows)].tolist())
    seen: set[int] = set()
    rows = []
    for row, cluster in zip(
        readable.tolist(), clusters[len(prepared.rows) :].tolist(), strict=True
    ):
        is_known = cluster in labelled or cluster in seen
        if not is_known and cache.facts[row].content_sha256 not in measured:
            rows.append(row)
        seen.add(cluster)
    return Unlabelled(cache, np.array(rows, np.int64))
