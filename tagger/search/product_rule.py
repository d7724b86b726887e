"""One answer per product from those of its pictures: the rule. Arrays in, arrays out.

Of each label, the margin of a picture is logit(score) - logit(threshold), by the threshold of the
model that scored it, with scores and thresholds clipped to 0.00005 and 0.99995 (half of their last
decimal: a stored 0 or 1 is not infinitely sure). A product's margin is the mean over its pictures
that are ok, weighed by role. An exclusive group answers the label with the largest margin, and none
where all are below 0; of equal ones, the label that more of its pictures answer. Any other label
holds where its margin is not below 0. A product's score is sigmoid(margin + logit(threshold)), by
the threshold of the night's model. What a person answered of any of its pictures wins over all;
where persons answered differently, the answer whose pictures weigh most.
"""

import re

import numpy as np
import numpy.typing as npt

from tagger.arrays import BoolArray, Float64Array, Int64Array
from tagger.labels.views import DECIMALS, logit, sigmoid

LEAST = 0.5 * 10**-DECIMALS
_EQUAL = 1e-9

ROLES = {
    4.0: ("front", "main", "primary", "hero", "vorne", "vorn", "face", "1"),
    2.0: ("back", "side", "left", "right", "hinten", "seite", "dos", "worn", "model", "outfit"),
    1.0: ("detail", "zoom", "close-up", "closeup", "swatch", "fabric", "label", "box"),
}
"""Weight to roles; a role of several words has the weight of the first that is here."""

OTHER_ROLE = 2.0
"""The weight of a picture without a role, or with another one."""

_WEIGHTS = {role: weight for weight, roles in ROLES.items() for role in roles}


def role_weight(role: str | None) -> float:
    """Return how much a picture counts by its role, in any case.

    >>> role_weight("Front"), role_weight("detail 2"), role_weight(None), role_weight("lookbook")
    (4.0, 1.0, 2.0, 2.0)
    """
    words = re.split(r"[\s_]+", (role or "").strip().casefold())
    return next((_WEIGHTS[word] for word in words if word in _WEIGHTS), OTHER_ROLE)


def margins(scores: Float64Array, thresholds: Float64Array) -> Float64Array:
    """Return logit(score) - logit(threshold), of any shape; NaN where there is no score, or where
    the label can never hold, which is a threshold of NaN."""
    return logit(_clipped(scores)) - logit(_clipped(thresholds))


def mean_margins(
    margin: Float64Array, weight: Float64Array, product: Int64Array, products: int
) -> Float64Array:
    """Return float64 (products, labels): the weighted mean over each product's pictures; NaN where
    none of them has one.

    Parameters
    ----------
    margin : float64 (n, labels)
    weight : float64 (n,)
    product : int64 (n,)
        Of each picture, from 0.
    """
    known = np.isfinite(margin)
    parts = np.where(known, margin, 0) * weight[:, None]
    total = np.zeros((products, margin.shape[1]))
    weights = np.zeros_like(total)
    np.add.at(total, product, parts)
    np.add.at(weights, product, known * weight[:, None])
    with np.errstate(invalid="ignore"):
        return np.asarray(total / weights)


def product_scores(mean: Float64Array, thresholds: Float64Array) -> Float64Array:
    """Return the scores of products, four decimals; NaN where there is no margin."""
    return np.round(sigmoid(mean + logit(_clipped(thresholds))), DECIMALS)


def exclusive_answers(mean: Float64Array, votes: Float64Array) -> Int64Array:
    """Return int64 (products,): the label of a group that is answered, -1 for none.

    Parameters
    ----------
    mean : float64 (products, labels of the group)
    votes : float64 (products, labels of the group)
        How much the pictures weigh that answer each label: that decides between equal margins,
        which clipped scores may have where the pictures' own logits had not.
    """
    if not mean.shape[1]:
        return np.full(len(mean), -1)
    able = np.where(np.isfinite(mean), mean, -np.inf)
    most = able.max(axis=1, keepdims=True)
    best = np.where(able >= most - _EQUAL, votes, -1).argmax(axis=1)
    return np.where(most[:, 0] >= 0, best, -1)


def persons_answers(
    answers: npt.NDArray[np.object_], weight: Float64Array, product: Int64Array
) -> dict[int, object]:
    """Return what persons answered of products: of several answers the one that weighs most, then
    the first.

    Parameters
    ----------
    answers : object (n,)
        What a person answered of each picture; those of which nobody did are left out.
    weight : float64 (n,)
    product : int64 (n,)
    """
    weights: dict[int, dict[object, float]] = {}
    for answer, of, weighs in zip(answers, product.tolist(), weight.tolist(), strict=True):
        found = weights.setdefault(of, {})
        found[answer] = found.get(answer, 0.0) + weighs
    return {of: max(found, key=lambda answer: found[answer]) for of, found in weights.items()}


def disagreeing(answers: Int64Array, product: Int64Array, products: int) -> BoolArray:
    """Return bool (products,): those whose pictures have different answers; none is no answer.

    Parameters
    ----------
    answers : int64 (n,)
        The label of each picture, -1 for none.
    """
    some = answers >= 0
    highest = np.full(products, -1)
    lowest = np.full(products, np.iinfo(np.int64).max)
    np.maximum.at(highest, product[some], answers[some])
    np.minimum.at(lowest, product[some], answers[some])
    return np.asarray((highest >= 0) & (lowest != highest))


def _clipped(values: Float64Array) -> Float64Array:
    return np.clip(values, LEAST, 1 - LEAST)
