"""Precision and the share of missing answers of each label, from a sample that a person judged.

Both come with 95 % intervals. A weighted share has the interval of Clopper and Pearson on Kish's
effective size (Korn and Graubard, 1998), within what was seen for certain; the page
[how good is it here](../../jobs/SAMPLES.md) shows by simulation that they hold. Pure NumPy.
"""

from typing import NamedTuple

import numpy as np
import scipy.stats

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
    precision = weighted_share(
        sample.weight, mine, sample.shows, answered_rows, error=1 - CONFIDENCE
    )
    return Estimates(
        mine.sum(axis=0),
        (mine & sample.shows).sum(axis=0),
        (others & sample.shows).sum(axis=0),
        precision,
        _missing(sample, answered_rows, rows),
    )


def _missing(sample: Judged, answered_rows: Int64Array, rows: int) -> Interval:
    """Return missed / (missed + found), from two intervals that each hold with 97.5 %.

    So both hold with 95 % at least (Bonferroni), and the share between their ends.
    """
    half = (1 - CONFIDENCE) / 2
    other_rows = rows - answered_rows
    mine = sample.answered & sample.known  # (n, L)
    others = ~sample.answered & sample.known
    right = weighted_share(sample.weight, mine, sample.shows, answered_rows, error=half)
    miss = weighted_share(sample.weight, others, sample.shows, other_rows, error=half)
    found = Interval(*(np.where(answered_rows, answered_rows * each, 0) for each in right))
    missed = Interval(*(np.where(other_rows, other_rows * each, 0) for each in miss))
    return Interval(
        _part(missed.estimate, found.estimate),
        _part(missed.low, found.high),
        _part(missed.high, found.low),
    )


def _part(missed: Float64Array, found: Float64Array) -> Float64Array:
    """Return missed / (missed + found); NaN where both are 0."""
    with np.errstate(invalid="ignore"):
        return missed / (missed + found)


def weighted_share(
    weight: Float64Array, counted: BoolArray, hit: BoolArray, rows: Int64Array, *, error: float
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
    error : float
        The probability, at most, that the interval misses the share.
    """
    hits = counted & hit
    total = weight @ counted  # (L,)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = weight @ hits / total
        effective = total**2 / (weight**2 @ counted)  # Kish (1965)
        seen = hits.sum(axis=0) / rows
        unseen = (counted & ~hit).sum(axis=0) / rows
        low, high = clopper_pearson(share * effective, effective, error)
    # So many rows were seen that the share cannot be less, or more.
    return Interval(*(np.clip(each, seen, 1 - unseen) for each in (share, low, high)))


def clopper_pearson(
    hits: Float64Array, size: Float64Array, error: float
) -> tuple[Float64Array, Float64Array]:
    """Return the ends of the exact interval of a share; hits and size need not be whole."""
    hits = np.clip(hits, 0, size)
    low = scipy.stats.beta.ppf(error / 2, hits, size - hits + 1)
    high = scipy.stats.beta.ppf(1 - error / 2, hits + 1, size - hits)
    return np.where(hits == 0, 0, low), np.where(hits == size, 1, high)
