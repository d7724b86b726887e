"""Is a fall of average precision more than chance? Scores of both models change places, picture by
picture, many times over.

If B is as good as A, it does not matter which of them a score came from: so often as swapping gives
so large a fall, chance does.
"""

import numpy as np
import scipy.stats

from tagger.arrays import BoolArray, Float64Array, FloatArray

_BATCH = 100
_BATCH_NUMBERS = 8_000_000
"""Scores that are swapped at once: 64 MB, however many pictures and labels there are."""
_ENOUGH = 20
"""Rounds that fell as far: then p is large, and known well enough. Besag and Clifford (1991)."""


def fall_by_chance(
    before: FloatArray, after: FloatArray, positive: BoolArray, known: BoolArray, *, rounds: int
) -> float:
    """Return the one-sided p of the fall of the mean average precision of L labels.

    Scores count by their order alone, which is all that average precision sees: a model that is
    calibrated otherwise does not look worse for it.

    Parameters
    ----------
    before, after : float (n, L)
        Scores of n pictures, by two models.
    positive, known : bool (n, L)
        Which pictures have each label, read where that is known; every label has one that has it.
    rounds : int
        How many, at most: p is never below one over so many, and one.
    """
    random = np.random.default_rng(0)
    ours = _places(before, known, random)
    theirs = _places(after, known, random)
    fall = float(
        (_mean_ap(ours[None], positive, known) - _mean_ap(theirs[None], positive, known))[0]
    )
    batch = max(1, min(_BATCH, _BATCH_NUMBERS // ours.size))
    as_far = 0
    done = 0
    while done < rounds:
        swapped = random.random((batch, len(before), 1)) < 0.5
        first = _mean_ap(np.where(swapped, theirs, ours), positive, known)
        second = _mean_ap(np.where(swapped, ours, theirs), positive, known)
        far = first - second >= fall - 1e-12  # (batch,)
        reached = as_far + np.cumsum(far)
        if reached[-1] >= _ENOUGH:
            return _ENOUGH / (done + int(np.argmax(reached >= _ENOUGH)) + 1)
        as_far = int(reached[-1])
        done += batch
    return (as_far + 1) / (done + 1)


def _places(scores: FloatArray, known: BoolArray, random: np.random.Generator) -> Float64Array:
    """Return float64 (n, L): the place of each score among those of its label; ties are broken by
    lot, so that the order of the pictures decides nothing."""
    places = np.zeros(scores.shape)
    for column in range(scores.shape[1]):
        here = known[:, column]
        lot = random.uniform(-0.25, 0.25, int(here.sum()))
        places[here, column] = scipy.stats.rankdata(scores[here, column]) + lot
    return places


def _mean_ap(places: Float64Array, positive: BoolArray, known: BoolArray) -> Float64Array:
    """Return float64 (m,): of each of m rounds the mean over labels of average precision.

    Parameters
    ----------
    places : float64 (m, n, L)
    """
    total = np.zeros(len(places))
    for column in range(places.shape[2]):
        here = known[:, column]
        order = np.argsort(-places[:, here, column], axis=1)  # (m, n_known)
        hit = positive[here, column][order]
        precision = np.cumsum(hit, axis=1) / np.arange(1, hit.shape[1] + 1)
        total += (precision * hit).sum(axis=1) / hit.sum(axis=1)
    return np.asarray(total / places.shape[2], np.float64)
