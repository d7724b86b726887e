"""Where the features of training pictures lie, and how much of others lies outside. Pure NumPy.

The features of what a network was trained on keep to few directions. Of shoes that a model of
dresses took for one, more lies outside of them than of dresses. After H. Wang et al., "ViM:
Out-of-Distribution with Virtual-logit Matching", 2022; what it gave is on the benchmarks' page.
"""

from typing import NamedTuple

import numpy as np

from tagger.arrays import Float32Array, Float64Array

DIRECTIONS = 128
FEWEST = 4 * DIRECTIONS
"""Pictures below which directions are those of single pictures."""
MOST = 2000
"""Pictures that say enough."""


class FeatureSpace(NamedTuple):
    """The directions that features vary in most.

    Attributes
    ----------
    mean : float32 (n_features,)
    directions : float32 (n_features, `DIRECTIONS`)
        Orthonormal columns.
    """

    mean: Float32Array
    directions: Float32Array

    def fits(self, features: int) -> bool:
        """Return whether it is one of so many features, and holds numbers alone."""
        shapes = (self.mean.shape, self.directions.shape)
        return shapes == ((features,), (features, DIRECTIONS)) and all(
            bool(np.isfinite(each).all()) for each in self
        )


def measure_space(features: Float32Array) -> FeatureSpace | None:
    """Return the space of some features, or None where there are too few pictures or features.

    Parameters
    ----------
    features : float32 (n, n_features)
        Of training pictures.
    """
    n, width = features.shape
    if n < FEWEST or width <= DIRECTIONS:
        return None
    mean = features.mean(axis=0, dtype=np.float64)
    _, directions = np.linalg.eigh(np.cov((features - mean).T))  # from least to most
    kept = directions[:, -DIRECTIONS:]
    return FeatureSpace(mean.astype(np.float32), np.ascontiguousarray(kept, np.float32))


def share_outside(features: Float32Array, space: FeatureSpace) -> Float64Array:
    """Return float64 (n,) in [0, 1]: how much of each picture's features lies outside, by length.

    It is 0 for a picture in the very middle.

    Parameters
    ----------
    features : float32 (n, n_features)
    """
    apart = features - space.mean  # (n, n_features)
    inside = apart @ space.directions  # (n, DIRECTIONS)
    whole = (apart.astype(np.float64) ** 2).sum(axis=1)
    rest = np.maximum(whole - (inside.astype(np.float64) ** 2).sum(axis=1), 0)
    return np.asarray(np.sqrt(rest / np.maximum(whole, 1e-12)), np.float64)
