"""How far a picture lies from what a model was trained on, by logits and features. Pure NumPy.

What the model sees of anything it knows is L = ln(sum_i softplus(z_i)) over the logits z of the
labels that say what a thing is: those of groups judged by shape, or of all groups where none is. Of
shoes and walls a model of dresses and shirts sees little of either. The unlikeness is where L lies
between an ordinary picture of the validation part, 0, and the one in a hundred that is least like
the others, 1. So 1 is the limit of every model. Where there are pictures enough, what lies outside
of the training pictures' features counts as much, see `tagger.labels.feature_space`.

The sum over labels is the free energy of W. Liu et al., "Energy-based Out-of-distribution
Detection", 2020, for one sigmoid per label: H. Wang et al., "Can multi-label classification
networks know what they don't know?", 2021. What else was tried is on the benchmarks' page.
"""

import numpy as np
from msgspec import structs

from schemas.bundle import Likeness, Outside
from tagger.arrays import Float32Array, Float64Array, Int64Array
from tagger.labels.views import DECIMALS
from tagger.labels.vocabulary import Vocabulary

LIMIT = 1.0
"""Beyond it a picture is unlike what the model was trained on."""
SHARE_BEYOND = 0.01
"""Of the validation pictures, those that lie beyond the limit."""
FEWEST = 5
"""Validation pictures below which nothing can be said."""
ENOUGH = 100
"""Validation pictures from which on one in a hundred is counted rather than reckoned."""
_LEAST_SPREAD = 1e-3
"""Between an ordinary picture and the limit, where a model answers the same of all."""


def measure_likeness(
    logits: Float32Array,
    vocabulary: Vocabulary,
    outside: Float64Array | None = None,
    *,
    space: str = "",
) -> Likeness | None:
    """Return what unlikeness is measured by, or None of fewer than `FEWEST` pictures.

    Of fewer than `ENOUGH`, the one in a hundred that is least like the others is next to the
    farthest of them, which another such picture passes once in so many: there the limit is that of
    a normal distribution whose mean and spread are known from so few (Student's t).

    Parameters
    ----------
    logits : float32 (n, n_labels)
        Of the validation part, calibrated.
    outside : float64 (n,), optional
        How much of each one's features lies outside; of fewer than `ENOUGH` it says nothing.
    space : str
        Outside of what: the digest of a `FeatureSpace`.
    """
    n = len(logits)
    if n < FEWEST:
        return None
    seen = _seen(logits, vocabulary)
    ordinary = float(np.median(seen))
    least = float(np.quantile(seen, SHARE_BEYOND))
    if n < ENOUGH:
        import scipy.stats  # late: it takes a second, and no night needs it

        tail = float(scipy.stats.t.ppf(SHARE_BEYOND, n - 1)) * np.sqrt(1 + 1 / n)
        least = min(least, float(seen.mean() + tail * seen.std(ddof=1)))
    likeness = Likeness(ordinary=ordinary, least=min(least, ordinary - _LEAST_SPREAD), pictures=n)
    if outside is None or n < ENOUGH:
        return likeness
    middle, most = _middle_and_limit(outside)
    sums = _far(seen, likeness) + (outside - middle) / (most - middle)
    center, limit = _middle_and_limit(sums)
    return structs.replace(
        likeness,
        outside=Outside(ordinary=middle, most=most, middle=center, limit=limit, space=space),
    )


def _middle_and_limit(values: Float64Array) -> tuple[float, float]:
    """Return the median, and what one in a hundred lies above."""
    middle = float(np.median(values))
    return middle, max(float(np.quantile(values, 1 - SHARE_BEYOND)), middle + _LEAST_SPREAD)


def with_parent(likeness: Likeness | None, parent: Likeness | None) -> Likeness | None:
    """Return what unlikeness is measured by where a parent's pictures are gone.

    The validation part has pictures of the new kind alone then. So an ordinary picture stays the
    parent's, and the limit is the farther of both: with more labels no less is seen of a picture.
    Features say nothing then: those of the old pictures would lie outside.
    """
    if parent is None:
        return likeness
    if likeness is None:
        return structs.replace(parent, outside=None)
    return Likeness(
        ordinary=parent.ordinary,
        least=min(parent.least, likeness.least),
        pictures=parent.pictures + likeness.pictures,
    )


def unlikeness(
    logits: Float32Array, vocabulary: Vocabulary, likeness: Likeness, outside: Float64Array
) -> Float64Array:
    """Return float64 (n,), four decimals: 0 for an ordinary picture, over 1 for one unlike all.

    Parameters
    ----------
    logits : float32 (n, n_labels)
        Calibrated.
    outside : float64 (n,)
        How much of each one's features lies outside; ignored where the model does not go by it.
    """
    far = _far(_seen(logits, vocabulary), likeness)
    by = likeness.outside
    if by is not None:
        far += (outside - by.ordinary) / (by.most - by.ordinary)
        far = (far - by.middle) / (by.limit - by.middle)
    return np.round(far, DECIMALS) + 0.0  # no -0.0


def _far(seen: Float64Array, likeness: Likeness) -> Float64Array:
    """Return float64 (n,): 0 where as much is seen as of an ordinary picture, 1 at the limit."""
    return (likeness.ordinary - seen) / (likeness.ordinary - likeness.least)


def _seen(logits: Float32Array, vocabulary: Vocabulary) -> Float64Array:
    """Return float64 (n,): how much is seen of anything that is known, as a logarithm."""
    chosen = logits[:, _labels(vocabulary)].astype(np.float64)
    # Below -500 softplus is 0 in float64, and its logarithm no number.
    total = np.logaddexp(0, np.maximum(chosen, -500)).sum(axis=1)
    return np.asarray(np.log(total), np.float64)


def _labels(vocabulary: Vocabulary) -> Int64Array:
    """Return the columns of labels that say what a thing is."""
    by_shape = {group.name for group in vocabulary.groups if group.evidence == "shape"}
    named = [
        column
        for column, label in enumerate(vocabulary.labels)
        if (not by_shape or label.group in by_shape) and not label.retired
    ]
    return np.array(named or range(len(vocabulary)), np.int64)
