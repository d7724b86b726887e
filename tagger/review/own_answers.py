"""What the model itself answers, from stored scores: where a person answered, and how sure it is of
none. Pure NumPy; the formula is that of the format page."""

from typing import NamedTuple

import numpy as np

from tagger.arrays import Float64Array, Int64Array
from tagger.review.labels import MISSING, SCALE, UInt16Array

_HIGHEST = 1 - 0.5 / SCALE
"""A score that is stored as 1 was rounded from at least this."""


class OwnAnswers(NamedTuple):
    """A model's answers of one group.

    Attributes
    ----------
    answer : int64 (n,)
        Position in the group's labels; -1 is none.
    sure : float64 (n,)
        p(answer), or p(none) where that is the answer.
    """

    answer: Int64Array
    sure: Float64Array


def own_answers(scores: UInt16Array, limits: UInt16Array) -> OwnAnswers:
    """Return what a model answers for a group.

    Parameters
    ----------
    scores : uint16 (k, n)
        Times `SCALE`; `MISSING` where there is none.
    limits : uint16 (k,)
        Thresholds, likewise; `MISSING` for labels that do not count.
    """
    k, n = scores.shape
    if not k:
        return OwnAnswers(np.full(n, -1, np.int64), np.ones(n))
    counts = (scores != MISSING) & (limits != MISSING)[:, None]  # (k, n)
    odds = np.where(counts, _odds(scores), 0.0)  # (k, n)
    holds = counts & (scores >= limits[:, None])  # (k, n)
    margin = np.where(holds, odds / np.maximum(_odds(limits), 1e-9)[:, None], -1.0)  # (k, n)
    best = margin.argmax(axis=0)  # (n,): the first of equals, as in the views
    some = holds.any(axis=0)  # (n,)
    best_odds = np.where(some, odds[best, np.arange(n)], 1.0)  # none has the odds 1
    sure = best_odds / (1 + odds.sum(axis=0))  # (n,)
    return OwnAnswers(np.where(some, best, -1).astype(np.int64), sure)


def _odds(stored: UInt16Array) -> Float64Array:
    probability = np.minimum(stored / SCALE, _HIGHEST)
    return np.asarray(probability / (1 - probability))
