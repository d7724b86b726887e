"""Two on the same pictures: is what they differ by more than chance? Counts in, figures out."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import scipy.special

from schemas.comparison import Paired
from tagger.arrays import BoolArray

SURE: Final = 0.05
"""Below it a difference is called more than chance."""

_Z = 1.959964
"""Of a normal variable, 95 % lie within as many standard deviations."""
_Z_POWER = 0.841621
"""80 % lie below as many."""
_FEWEST = 6
"""Pictures that differ, all in favour of one, before the exact test can call it more than chance:
2 / 2^6 < 0.05."""


def paired(a_right: BoolArray, b_right: BoolArray, *, tested: bool = True) -> Paired:
    """Return how two do on the same pictures; the test is corrected for no other one.

    Parameters
    ----------
    a_right, b_right : bool (n,)
        Of the pictures about which it is known what is right.
    tested : bool
        Whether the pictures were picked without an eye to the answers; else no test means anything.
    """
    n = len(a_right)
    a_alone = int((a_right & ~b_right).sum())
    b_alone = int((b_right & ~a_right).sum())
    tested = tested and n > 0
    low, high = difference_interval(a_alone, b_alone, n) if tested else (None, None)
    p = mcnemar(a_alone, b_alone) if tested else None
    return Paired(
        pictures=n,
        a_right=int(a_right.sum()),
        b_right=int(b_right.sum()),
        a_alone=a_alone,
        b_alone=b_alone,
        difference=(b_alone - a_alone) / n if n else None,
        low=low,
        high=high,
        p=p,
        p_adjusted=p,
        shows_from=shows_from(a_alone + b_alone, n) if tested else None,
    )


def mcnemar(a_alone: int, b_alone: int) -> float:
    """Return the two-sided p of the exact test of McNemar (1947): 1 where none differs.

    Pictures that both have right, or neither, say nothing. The others are a coin's heads and tails
    if the two are equal.
    """
    fewer = min(a_alone, b_alone)
    return min(1.0, 2 * float(scipy.special.bdtr(fewer, a_alone + b_alone, 0.5)))


def fallen(a_alone: int, b_alone: int) -> float:
    """Return the one-sided p of the same test: how often an equal B loses so many or more."""
    return float(scipy.special.bdtr(b_alone, a_alone + b_alone, 0.5))


def difference_interval(a_alone: int, b_alone: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of the share of B minus that of A, on n pictures, at least 1.

    It is the adjusted Wald interval of Bonett and Price (2012), and holds 0 whenever the exact test
    calls the difference chance, so that the two never contradict each other.
    """
    a = (a_alone + 1) / (n + 2)
    b = (b_alone + 1) / (n + 2)
    half = _Z * float(np.sqrt(max(a + b - (b - a) ** 2, 0) / (n + 2)))
    low = max(-1.0, b - a - half)
    high = min(1.0, b - a + half)
    if mcnemar(a_alone, b_alone) >= SURE:
        return min(low, 0.0), max(high, 0.0)
    return low, high


def shows_from(apart: int, n: int) -> float:
    """Return the least difference of shares that n pictures, at least 1, show four times of five.

    Source: Connor (1987), solved for the difference; the share of pictures on which the two are
    apart is the observed one, or as much as the difference itself needs.

    Parameters
    ----------
    apart : int
        Pictures that one of the two alone has right.
    """
    difference = np.linspace(min(1.0, _FEWEST / n), 1.0, 4001)
    share = np.maximum(apart / n, difference)
    needed = (_Z * np.sqrt(share) + _Z_POWER * np.sqrt(share - difference**2)) ** 2
    enough = n * difference**2 >= needed
    return float(difference[enough.argmax()]) if enough.any() else 1.0


def holm(p: Sequence[float]) -> list[float]:
    """Return each p, corrected for how many there are: Holm (1979).

    If all are called more than chance that are below 0.05 then, chance alone makes one of them so
    in one of twenty cases at most.
    """
    values = np.asarray(p, np.float64)  # (k,)
    order = np.argsort(values, kind="stable")
    factors = np.arange(len(values), 0, -1)
    corrected = np.minimum(np.maximum.accumulate(values[order] * factors), 1)
    result = np.empty(len(values))
    result[order] = corrected
    return [float(value) for value in result]
