"""Grouped views: one firm answer per exclusive group, from the logits of the one head. Pure NumPy.

With the logits z of a group's labels, p(label i) = exp(z_i) / (1 + sum_j exp(z_j)), and "none"
takes the remainder: a softmax in which "none" has the logit 0. For a group of one label that is the
sigmoid itself. The answer is the label with the largest z_i - logit(threshold_i) among those whose
*stored* score reaches its threshold, and none if there is no such label; so scores, thresholds,
tags and answers never contradict each other.

SciPy has the three formulas below too. Loading it takes a third of a second, at the start of every
night.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tagger.arrays import BoolArray, Float32Array, Float64Array, Int64Array
from tagger.labels.vocabulary import Vocabulary

DECIMALS = 4
"""Scores and thresholds are stored rounded to this many decimals."""


class View(NamedTuple):
    """The answers of one group.

    Attributes
    ----------
    answer : int64 (n,)
        Column index of the answered label; -1 is none.
    probability : float64 (n,)
        p(answer), four decimals; NaN where the answer is none.
    """

    answer: Int64Array
    probability: Float64Array


def sigmoid(logits: npt.ArrayLike) -> Float64Array:
    """Return 1 / (1 + exp(-z)), in float64 whatever the logits are."""
    z = np.asarray(logits, np.float64)
    small = np.exp(-np.abs(z))  # never overflows
    return np.asarray(np.where(z >= 0, 1.0, small) / (1 + small))


def logit(probability: npt.ArrayLike) -> Float64Array:
    """Return log(p / (1 - p)) for p strictly between 0 and 1, in float64."""
    p = np.asarray(probability, np.float64)
    return np.asarray(np.log(p) - np.log1p(-p))


def stored_scores(logits: npt.ArrayLike) -> Float64Array:
    """Return the scores as they are written: float64, `round(sigmoid(z), 4)`."""
    return np.round(sigmoid(logits), DECIMALS)


def group_probabilities(logits: npt.ArrayLike, members: list[int]) -> Float64Array:
    """Return float64 (n, k + 1): p of each of a group's k labels, "none" last; rows add up to 1."""
    z = np.asarray(logits, np.float64)[:, members]  # (n, k)
    with_none = np.pad(z, ((0, 0), (0, 1)))  # (n, k + 1)
    weights = np.exp(with_none - with_none.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def view(logits: npt.ArrayLike, thresholds: npt.ArrayLike, members: list[int]) -> View:
    """Return the answers of the group whose labels are the columns `members`.

    Parameters
    ----------
    logits : float32 (n, n_labels)
        Calibrated, not rounded.
    thresholds : float64 (n_labels,)
        Each strictly between 0 and 1.
    members : list of int
        Column indices.
    """
    z = np.asarray(logits, np.float64)[:, members]  # (n, k)
    limits = np.asarray(thresholds, np.float64)[members]  # (k,)
    holds = stored_scores(z) >= limits  # (n, k)
    margin = np.where(holds, z - logit(limits), -np.inf)  # (n, k)
    best = margin.argmax(axis=1)  # (n,): position in `members`
    some = holds.any(axis=1)  # (n,)
    probability = group_probabilities(logits, members)[np.arange(len(z)), best]  # (n,)
    return View(
        np.where(some, np.asarray(members)[best], -1).astype(np.int64),
        np.where(some, np.round(probability, DECIMALS), np.nan),
    )


def uncertain(
    logits: npt.ArrayLike, thresholds: npt.ArrayLike, vocabulary: Vocabulary, error: float
) -> BoolArray:
    """Return bool (n,): whether tags might be others if each logit were off by up to `error`."""
    z = np.asarray(logits, np.float64)  # (n, n_labels)
    limits = np.asarray(thresholds, np.float64)  # (n_labels,)
    # The least logit whose stored score, which is rounded, reaches the threshold.
    above = z - logit(limits - 0.5 * 10**-DECIMALS)  # (n, n_labels)
    near = np.abs(above) < error  # (n, n_labels)
    near[:, [label.retired for label in vocabulary.labels]] = False
    for group in vocabulary.exclusive_groups:
        members = vocabulary.members(group.name)
        rank = z[:, members] - logit(limits[members])  # (n, k)
        near[:, members] = _contested(above[:, members], rank, error)[:, None]
    return np.asarray(near.any(axis=1))


def expected_move(logits: npt.ArrayLike, vocabulary: Vocabulary, shift: float) -> Float64Array:
    """Return float64 (n,): how far scores would move if each logit were off by a small `shift`, on
    average over the labels that are not retired."""
    live = [not label.retired for label in vocabulary.labels]
    scores = sigmoid(np.asarray(logits, np.float64)[:, live])  # (n, live)
    return np.asarray(shift * (scores * (1 - scores)).mean(axis=1))


def _contested(above: Float64Array, rank: Float64Array, error: float) -> BoolArray:
    """Return bool (n,): whether a group's answer might be another if logits were so far off.

    Parameters
    ----------
    above : float64 (n, k)
        How far each logit is over the least that reaches its threshold.
    rank : float64 (n, k)
        By what the answer is chosen.
    error : float
        How far off each logit may be.
    """
    possible = above > -error  # (n, k)
    rank = np.where(possible, rank, -1e9)  # finite, to be subtracted
    every = np.arange(len(rank))
    best = rank.argmax(axis=1)  # (n,)
    lead = rank[every, best][:, None] - rank  # (n, k)
    lead[every, best] = np.inf
    close = (above[every, best] < error) | (lead < 2 * error).any(axis=1)  # (n,)
    return np.asarray(possible.any(axis=1) & close)


def true_answers(targets: Float32Array, members: list[int]) -> tuple[Int64Array, BoolArray]:
    """Return what a group should answer, and where that is known.

    The answer is a position in `members`, len(members) for none.

    Parameters
    ----------
    targets : float32 (n, n_labels)
        1, 0, or NaN for unknown; a picture is known if all labels of the group are.
    """
    has = targets[:, members] == 1  # (n, k)
    has_none = ~has.any(axis=1, keepdims=True)  # (n, 1)
    answers = np.hstack([has, has_none]).argmax(axis=1)  # (n,): of the first that is true
    known = ~np.isnan(targets[:, members]).any(axis=1)  # (n,)
    return answers.astype(np.int64), np.asarray(known)


def tag_matrix(
    logits: npt.ArrayLike, thresholds: npt.ArrayLike, vocabulary: Vocabulary
) -> BoolArray:
    """Return bool (n, n_labels): answers of exclusive groups, and other labels that hold."""
    z = np.asarray(logits)  # (n, n_labels)
    tags = stored_scores(z) >= np.asarray(thresholds, np.float64)  # (n, n_labels)
    tags[:, [label.retired for label in vocabulary.labels]] = False
    for group in vocabulary.exclusive_groups:
        members = vocabulary.members(group.name)
        answer = view(z, thresholds, members).answer
        tags[:, members] = answer[:, None] == np.asarray(members)
    return np.asarray(tags)
