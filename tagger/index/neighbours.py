"""The nearest pictures by the trunk's features.

Exact, and block by block, so memory does not grow with the catalog.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from tagger.arrays import Float16Array, Float32Array


class Neighbour(NamedTuple):
    """A content and how like the question it is: the cosine of both features, at most 1."""

    content_sha256: str
    similarity: float


def nearest(
    question: Float32Array,
    blocks: Iterable[tuple[list[str], Float16Array]],
    top: int,
    *,
    but: str | None = None,
) -> list[Neighbour]:
    """Return the `top` most similar contents, the most similar first, each once.

    Parameters
    ----------
    question : float32 (n_features,)
    blocks : iterable of (contents, float16 (n, n_features))
        Contents as hex digests.
    but : str, optional
        A content to leave out: the question's own.
    """
    from sklearn.neighbors import NearestNeighbors

    best: dict[str, float] = {}
    for contents, features in blocks:
        # The question's own content and copies of earlier blocks may take places of the block.
        some = min(len(contents), top + 1 + len(best))
        search = NearestNeighbors(n_neighbors=some, metric="cosine", algorithm="brute").fit(
            features.astype(np.float32)
        )
        distances, places = search.kneighbors(question[None])
        for distance, place in zip(distances[0], places[0], strict=True):
            if contents[place] != but:
                best[contents[place]] = max(best.get(contents[place], -1.0), 1.0 - float(distance))
        best = dict(sorted(best.items(), key=lambda item: (-item[1], item[0]))[:top])
    return [Neighbour(content, round(similarity, 4)) for content, similarity in best.items()]
