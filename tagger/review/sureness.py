"""How sure a model is that no label of a group is right: no column says it."""

import numpy as np

from tagger.arrays import Float64Array
from tagger.review.labels import MISSING, SCALE, UInt16Array


def sure_of_none(scores: UInt16Array, limits: UInt16Array) -> Float64Array:
    """Return float64 (n,): p(none) by the formula of the format page, 1 / (1 + sum of odds).

    Parameters
    ----------
    scores : uint16 (k, n)
        Of a group's labels on rows that answer none, times `SCALE`; `MISSING` where there is none.
    limits : uint16 (k,)
        Thresholds, likewise; `MISSING` for labels that do not count.
    """
    odds = np.zeros(scores.shape[1])
    for stored in scores[limits != MISSING]:
        # None holds, so none is 1; the bound is for rows whose thresholds changed by hand.
        probability = np.where(stored == MISSING, 0, np.minimum(stored, SCALE - 0.5)) / SCALE
        odds += probability / (1 - probability)
    return 1 / (1 + odds)
