"""What the model itself answers, from stored scores: where a person answered, and how sure it is of
none."""

from typing import NamedTuple

import numpy as np

from tagger.arrays import Float64Array, Int64Array
from tagger.labels.views import DECIMALS, group_probabilities, logits_near, view
from tagger.review.labels import MISSING, SCALE, UInt16Array


class OwnAnswers(NamedTuple):
    """A model's answers of one group.

    Attributes
    ----------
    answer : int64 (n,)
        Position in the group's labels; -1 is none.
    sure : float64 (n,)
        p(answer), or p(none) where that is the answer; four decimals.
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
    n = scores.shape[1]
    members = np.flatnonzero(limits != MISSING)
    if not len(members):
        return OwnAnswers(np.full(n, -1, np.int64), np.ones(n))
    stored = scores[members].T  # (n, members)
    logits = np.where(stored == MISSING, -np.inf, logits_near(stored / SCALE))  # (n, members)
    columns = list(range(len(members)))
    answer = view(logits, limits[members] / SCALE, columns).answer  # (n,)
    with_none = group_probabilities(logits, columns)  # (n, members + 1), none last
    sure = np.round(with_none[np.arange(n), answer], DECIMALS)  # -1 is the last, none
    return OwnAnswers(np.where(answer < 0, -1, members[answer]), sure)
