"""Precision and the share of missing answers of each label, from a sample that a person judged.

Both come with 95 % intervals. A weighted share has the interval of Clopper and Pearson on Kish's
effective size (Korn and Graubard, 1998), within what was seen for certain; the page
[how good is it here](../../jobs/SAMPLES.md) shows by simulation that they hold. Pure NumPy.
"""

from typing import NamedTuple

import numpy as np
import scipy.special

from tagger.arrays import BoolArray, Float64Array, Int64Array

CONFIDENCE = 0.95


class Judged(NamedTuple):
    """What a person said of the pictures of a sample, about each of L answers.

    Attributes
    ----------
    weight : float64 (n,)
        How many rows each picture stands for.
    answered : bool (n, L)
        What the model answered.
    known : bool (n, L)
        Of what the person said whether the picture shows it.
    shows : bool (n, L)
        What the picture shows; read where it is known.
    """

    weight: Float64Array
    answered: BoolArray
    known: BoolArray
    shows: BoolArray


class Interval(NamedTuple):
    """A figure of each label between two ends, float64 (L,); NaN where nothing can be said."""

    estimate: Float64Array
    low: Float64Array
    high: Float64Array


class Estimates(NamedTuple):
    """How good the answers of each label are.

    Attributes
    ----------
    judged, right, missed : int64 (L,)
        Pictures that are answered so and known; that also show it; that show it and are answered
        otherwise.
    precision : Interval
        Of rows that are answered so, the share that show it.
    missing : Interval
        Of rows that show it, the share that are answered otherwise.
    """

    judged: Int64Array
    right: Int64Array
    missed: Int64Array
    precision: Interval
    missing: Interval


def estimate(sample: Judged, answered_rows: Int64Array, rows: int) -> Estimates:
    """Return the figures of each label.

    Parameters
    ----------
    answered_rows : int64 (L,)
        How many rows of the night have each answer.
    rows : int
        How many there are.
    """
    mine = sample.answered & sample.known  # (n, L)
    others = ~sample.answered & sample.known
    precision = weighted_share(sample.weight, mine, sample.shows, answered_rows)
    return Estimates(
        mine.sum(axis=0),
        (mine & sample.shows).sum(axis=0),
        (others & sample.shows).sum(axis=0),
        precision,
        _missing(sample, precision, answered_rows, rows),
    )


def _missing(sample: Judged, found: Interval, answered_rows: Int64Array, rows: int) -> Interval:
    """Return missed / (missed + found) of each label.

    Parameters
    ----------
    found : Interval
        The precision of each label.
    """
    other_rows = rows - answered_rows
    others = ~sample.answered & sample.known  # (n, L)
    missed = weighted_share(sample.weight, others, sample.shows, other_rows)
    return share_of_both(_counts(missed, other_rows), _counts(found, answered_rows))


def _counts(share: Interval, rows: Int64Array) -> Interval:
    """Return how many rows a share is: none of no rows."""
    return Interval(*(np.where(rows, rows * each, 0) for each in share))


def share_of_both(one: Interval, other: Interval) -> Interval:
    """Return one / (one + other), from counts of rows that were estimated apart; NaN where both
    are 0.

    The lower end is that of the lower and the upper end of both, so that no fewer rows than were
    seen are between the ends. The upper end is that of the ratio of both by the method of variance
    estimates recovery: MOVER-R of Donner and Zou (2012), Newcombe (2016).
    """
    a, low, a_high = one
    b, b_low, b_high = other
    with np.errstate(invalid="ignore", divide="ignore"):
        estimate = a / (a + b)
        low = np.where(low > 0, low / (low + b_high), 0)
        spread = a_high * b_low * (2 * a - a_high) * (2 * b - b_low)
        square = np.maximum((a * b) ** 2 - spread, 0)  # never less, but for the last bit
        ratio = (a * b + np.sqrt(square)) / (b_low * (2 * b - b_low))
        high = np.where(b_low > 0, ratio / (1 + ratio), 1)
    low, high = np.minimum(low, estimate), np.maximum(high, estimate)
    return Interval(estimate, low, high)  # the least of NaN is NaN


def weighted_share(
    weight: Float64Array, counted: BoolArray, hit: BoolArray, rows: Int64Array
) -> Interval:
    """Return the share of hits in each of L parts of the rows, NaN where nothing is counted.

    Parameters
    ----------
    weight : float64 (n,)
    counted : bool (n, L)
        Which pictures are of the part, and known.
    hit : bool (n, L)
        What is counted of them.
    rows : int64 (L,)
        How many rows each part has.
    """
    hits = counted & hit
    total = weight @ counted  # (L,)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = weight @ hits / total
        effective = total**2 / (weight**2 @ counted)  # Kish (1965)
        seen = hits.sum(axis=0) / rows
        unseen = (counted & ~hit).sum(axis=0) / rows
        ends = clopper_pearson(share, effective)
    # So many rows were seen that the share cannot be less, or more.
    return Interval(*(np.clip(each, seen, 1 - unseen) for each in (share, *ends)))


def clopper_pearson(share: Float64Array, size: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return the ends of the exact interval of a share of `size` draws, which may be a fraction."""
    error = 1 - CONFIDENCE
    hits = np.clip(share, 0, 1) * size
    low = scipy.special.betaincinv(hits, size - hits + 1, error / 2)
    high = scipy.special.betaincinv(hits + 1, size - hits, 1 - error / 2)
    return np.where(share <= 0, 0, low), np.where(share >= 1, 1, high)
