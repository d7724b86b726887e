"""Where the features of training pictures lie, and how much of others lies outside. Pure NumPy.

The features of what a network was trained on keep to few directions. Of a shoe that a model of
dresses takes for a dress, more lies outside of them than of a dress. After H. Wang et al., "ViM:
Out-of-Distribution with Virtual-logit Matching", 2022; what it gave is on the benchmarks' page.
"""

import hashlib
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
    mean : float64 (n_features,)
    directions : float64 (n_features, `DIRECTIONS`)
        Orthonormal columns. A bundle keeps both as float32.
    """

    mean: Float64Array
    directions: Float64Array

    @property
    def digest(self) -> str:
        """Return the sha256 of both, as little-endian float32."""
        return hashlib.sha256(b"".join(each.astype("<f4").tobytes() for each in self)).hexdigest()

    def fits(self, features: int) -> bool:
        """Return whether it is one of so many features, and its directions are such."""
        if (self.mean.shape, self.directions.shape) != ((features,), (features, DIRECTIONS)):
            return False
        if not np.isfinite(self.mean).all() or not (np.abs(self.directions) <= 1.001).all():
            return False
        product = self.directions.T @ self.directions
        return bool(np.abs(product - np.eye(DIRECTIONS)).max() < 1e-3)


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
    return FeatureSpace(mean, np.ascontiguousarray(directions[:, -DIRECTIONS:]))


def share_outside(features: Float32Array, space: FeatureSpace) -> Float64Array:
    """Return float64 (n,) in [0, 1]: how much of each picture's features lies outside, by length.

    It is 0 for a picture in the very middle. In float64, so that it does not depend on how many
    pictures there are.

    Parameters
    ----------
    features : float32 (n, n_features)
    """
    apart = features.astype(np.float64) - space.mean  # (n, n_features)
    inside = apart @ space.directions  # (n, DIRECTIONS)
    whole = np.einsum("ij,ij->i", apart, apart)
    rest = np.maximum(whole - np.einsum("ij,ij->i", inside, inside), 0)
    return np.asarray(np.sqrt(rest / np.maximum(whole, 1e-12)), np.float64)
