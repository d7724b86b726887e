"""Two on the same pictures: is what they differ by more than chance? Counts in, figures out."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import scipy.special
from msgspec.structs import replace

from schemas.comparison import Paired
from tagger.arrays import BoolArray, Float64Array, Int64Array

SURE: Final = 0.05
"""Below it a difference is called more than chance."""

_Z = 1.959964
"""Of a normal variable, 95 % lie within as many standard deviations."""
_POWER = 0.8
"""A difference that shows itself so often is said to show."""
_FEWEST = 6
"""Pictures that differ, all in favour of one, before the exact test can call it more than chance:
2 / 2^6 < 0.05."""
_EXACT = 1e-5
"""A least difference is known so well."""
_WIDE = 4
"""Standard deviations: nothing worth counting lies farther from the mean."""


def paired(a_right: BoolArray, b_right: BoolArray, *, tested: bool = True) -> Paired:
    """Return how two do on the same pictures; the test is corrected for no other one.

    See `corrected`.

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
    of this one difference calls it chance, so that the two never contradict each other.
    """
    a = (a_alone + 1) / (n + 2)
    b = (b_alone + 1) / (n + 2)
    half = _Z * float(np.sqrt(max(a + b - (b - a) ** 2, 0) / (n + 2)))
    low = max(-1.0, b - a - half)
    high = min(1.0, b - a + half)
    if mcnemar(a_alone, b_alone) >= SURE:
        return min(low, 0.0), max(high, 0.0)
    return low, high


def shows_from(apart: int, n: int, *, sure: float = SURE) -> float:
    """Return the least difference of shares that n pictures, at least 1, show four times of five.

    It is that of the exact test: how many pictures are apart varies by chance too. 1 where no
    difference would show so often. The share of pictures on which the two are apart is the observed
    one, or as much as the difference itself needs.

    Parameters
    ----------
    apart : int
        Pictures that one of the two alone has right.
    sure : float
        What p has to stay below.
    """
    share = apart / n
    counts, weights = _apart(share, n)
    lost = _most_lost(counts, sure)
    some = lost >= 0
    counts, weights, lost = counts[some], weights[some], lost[some]

    def shown(difference: float) -> float:
        rate = (1 - difference / share) / 2
        return float((weights * scipy.special.bdtr(lost, counts, rate)).sum())

    if not apart or shown(share) < _POWER:
        return _shows_alone(n, sure)
    from scipy.optimize import brentq  # heavy

    return float(brentq(lambda difference: shown(difference) - _POWER, 0, share, xtol=_EXACT))


def _apart(share: float, n: int) -> tuple[Int64Array, Float64Array]:
    """Return int64 and float64 (k,): how many of n pictures may be apart, and how likely it is."""
    spread = _WIDE * float(np.sqrt(n * share * (1 - share))) + 1
    counts = np.arange(max(0, int(n * share - spread)), min(n, int(n * share + spread)) + 1)
    ways = scipy.special.gammaln(n + 1) - scipy.special.gammaln(counts + 1)
    ways -= scipy.special.gammaln(n - counts + 1)
    rates = scipy.special.xlogy(counts, share) + scipy.special.xlog1py(n - counts, -share)
    return counts.astype(np.int64), np.exp(ways + rates)


def _shows_alone(n: int, sure: float) -> float:
    """Return the least difference that n pictures show if the better one alone has pictures."""
    fewest = int(np.floor(np.log2(2 / sure))) + 1
    if fewest > n:
        return 1.0
    return float(scipy.special.betaincinv(fewest, n - fewest + 1, _POWER))


def _most_lost(apart: Int64Array, sure: float) -> Float64Array:
    """Return float64 (k,): of so many pictures apart, the most that the better one may lose for the
    exact test to call it better; -1 where it may not lose a single one."""
    z = -float(scipy.special.ndtri(sure / 2))
    lost = np.clip(np.ceil((apart - 1 - z * np.sqrt(apart)) / 2), -1, apart)
    # The normal curve is one or two off, either way.
    for _ in range(2):
        lost += _is_sure(np.minimum(lost + 1, apart), apart, sure)
        lost -= (lost >= 0) & ~_is_sure(lost, apart, sure)
    return np.asarray(lost)


def _is_sure(lost: Float64Array, apart: Int64Array, sure: float) -> BoolArray:
    """Return bool (k,): whether the exact test is below `sure`."""
    p = 2 * scipy.special.bdtr(np.maximum(lost, 0), apart, 0.5)
    return np.asarray(p < sure)


def corrected(tests: Sequence[Paired | None]) -> list[Paired | None]:
    """Return tests that are made together, corrected for their number; None stays.

    Those with so few pictures apart that they could show nothing are not counted, which is
    Tarone's (1990) remark. An interval holds 0 where the corrected test says chance.
    """
    made = [test for test in tests if test is not None and test.p is not None]
    could_show = [test.a_alone + test.b_alone >= _FEWEST for test in made]
    p_adjusted = holm([test.p for test in made if test.p is not None], could_show)
    together = iter(
        _among(test, p, sum(could_show) + (not counted))
        for test, p, counted in zip(made, p_adjusted, could_show, strict=True)
    )
    return [test if test is None or test.p is None else next(together) for test in tests]


def _among(test: Paired, p_adjusted: float, tests: int) -> Paired:
    """Return a test as one of so many."""
    low, high = test.low, test.high
    if p_adjusted >= SURE and low is not None and high is not None:
        low, high = min(low, 0.0), max(high, 0.0)
    least = shows_from(test.a_alone + test.b_alone, test.pictures, sure=SURE / tests)
    return replace(test, p_adjusted=p_adjusted, low=low, high=high, shows_from=least)


def holm(p: Sequence[float], could_show: Sequence[bool] | None = None) -> list[float]:
    """Return each p, corrected for how many there are: Holm (1979).

    If all are called more than chance that are below 0.05 then, chance alone makes one of them so
    in one of twenty cases at most.

    Parameters
    ----------
    could_show : sequence of bool, optional
        Whether each could be below 0.05, however its pictures fell; those that could not are not
        counted. Without it all are.
    """
    values = np.asarray(p, np.float64)  # (k,)
    order = np.argsort(values, kind="stable")
    counted = np.ones(len(values), np.int64) if could_show is None else np.array(could_show, int)
    not_smaller = np.cumsum(counted[order][::-1])[::-1]  # (k,): of those that are counted
    factors = np.maximum(not_smaller, 1)
    adjusted = np.minimum(np.maximum.accumulate(values[order] * factors), 1)
    result = np.empty(len(values))
    result[order] = adjusted
    return [float(value) for value in result]
