"""Whether a share moved by more than earlier nights vary. Arrays in, arrays out.

At a million rows sampling explains nothing: every share differs from yesterday's by more than
that. What counts is how much the shares differ from night to night anyhow. So a night is held
against the nights before it, by their median and their median absolute deviation, on the scale of
log-odds, where a share of 1 % that doubles and one of 40 % that falls by half move alike.

Two questions are asked of each label:

- of the pictures that were there before and still are: did its share step since the night before,
  or in a week? A label that dies with a new model does. Seasons and deliveries do not: they come
  and go, and what stayed is answered as it was.
- of the pictures that came, in the last three nights, seven or twenty-one: is its share another
  than usual? A camera that turned dark shows there, and in the whole only after weeks. The oddest
  night of those is left out: one delivery of shoes is no alarm. Twenty-one nights are for labels
  and catalogs to which so few pictures come that seven say little; they must say it three nights in
  a row.
"""

from typing import NamedTuple

import numpy as np

from tagger.arrays import BoolArray, Float64Array, Int64Array

HISTORY = 42
"""Nights that a night is held against, the newest: long enough to know how they vary, too short
for a season."""
LEAST_HISTORY = 14
"""Below so many nights nothing is said."""
STEPS = (1, 7)
"""In how many nights what stayed may step: at once, or in parts where a new model takes some rows a
night."""
WINDOWS = (3, 7, 21)
"""Over how many nights it is asked what came."""
HELD = {3: 1, 7: 1, 21: 3}
"""In how many nights in a row the answer must be yes, per window. Three weeks have the same odd
nights in them for three weeks: most false alarms of small catalogs came from there, for a night or
two."""
FALSE_ALARMS = 1 / 1000
"""Of a night, by all labels and questions together, if nights vary as a normal distribution does.
They vary more wildly than that, and what comes in a week resembles the week before: the page of
the report says what a year gave."""

LONGEST = 30
"""Nights in a row that an alarm is followed back."""

_LEAST_ROWS = 20
"""A share moves by single pictures where there are few: whatever moved concerns so many rows."""
_FOUNDING = 0.3
"""Nights in which a larger share of everything is new are no nights like others."""
_PLENTY = 100
"""Pictures with and without a label, as 1 / (1 / with + 1 / without), of which a week says enough:
its share is known to a tenth of its odds."""
_LEAST_STEP = 0.10
_LEAST_MOVE = 0.35
"""Log-odds that the whole must step, or what came must move, before anybody is woken: a share of
20 % that becomes 21.6 %, or one that becomes 26 %."""
_FAR = 0.85
"""What comes in three weeks must move by so much where a week says enough: a season whose odds go
up and down by a factor of 2.7 moves it by 0.5 against the six weeks before."""
_LIKE_YESTERDAY = 0.5
"""Correlation of a night with the next one, as it is taken to be: a week says less than seven
nights that know nothing of one another."""
_EFFICIENCY = 0.37
"""Of the median absolute deviation, as an estimate of a normal distribution's scale (Rousseeuw and
Croux 1993): n nights say as much as 0.37 n would by their standard deviation."""
_OF_NORMAL = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

QUESTIONS = len(STEPS) + len(WINDOWS)


class Nights(NamedTuple):
    """What T nights counted, the oldest first.

    Attributes
    ----------
    rows, arrived : int64 (T, labels)
        Rows that have a label; those of them whose picture is new or has other bytes that night.
    gone : int64 (T, labels)
        Rows of the night before that had a label, and whose picture that night took away or that
        have other bytes or no answers in it; 0 where that is not known.
    all_rows, all_arrived, all_gone : int64 (T,)
        Of how many.
    models : int64 (T,)
        A number per model. What came is held against nights of the same model, if they are enough.
    """

    rows: Int64Array
    arrived: Int64Array
    gone: Int64Array
    all_rows: Int64Array
    all_arrived: Int64Array
    all_gone: Int64Array
    models: Int64Array

    def until(self, end: int) -> "Nights":
        """Return the first `end` nights, as far back as the last of them is held against."""
        # A week before the oldest week that counts.
        part = slice(max(0, end - HISTORY - WINDOWS[-1]), end)
        return Nights(*(each[part] for each in self))


class Moved(NamedTuple):
    """How far shares moved in the last night, each array (questions, labels): what stayed, by
    `STEPS`, then what came, by `WINDOWS`.

    Attributes
    ----------
    alarm : bool
    usual, now : float64
        The share that was usual, and that of the last nights; NaN where too little is known to ask.
    """

    alarm: BoolArray
    usual: Float64Array
    now: Float64Array

    @property
    def asked(self) -> BoolArray:
        """Return bool (questions, labels): of which enough is known to ask."""
        return ~np.isnan(self.usual)


def moved(nights: Nights, labels: int) -> Moved:
    """Return which labels' shares moved in the last night by more than nights vary.

    Parameters
    ----------
    labels : int
        How many are asked about in all, here and in other calls.
    """
    end = len(nights.all_rows)
    limit = FALSE_ALARMS / (QUESTIONS * labels)
    answers = [_stayed(nights.until(end), window, limit) for window in STEPS]
    told = np.zeros(nights.rows.shape[1], bool)
    for window in WINDOWS:
        answer, plenty = _came(nights.until(end), window, limit)
        # Where a week says enough, three weeks must say more: seasons move them.
        far = np.abs(_odds(answer[2]) - _odds(answer[1])) > _FAR
        holds = answer[0] & (far | ~told)
        for before in range(end - 1, end - HELD[window], -1):
            if holds.any():
                holds &= _came(nights.until(before), window, limit)[0][0]
        answers.append((holds, *answer[1:]))
        if window > WINDOWS[0]:
            told |= plenty
    return Moved(*map(np.array, zip(*answers, strict=True)))


def nights_in_a_row(nights: Nights, labels: int) -> Int64Array:
    """Return int64 (k,): for how many nights up to the last one each label's alarm has been on, as
    far back as `LONGEST`."""
    count = np.zeros(nights.rows.shape[1], np.int64)
    going = np.ones(len(count), bool)
    for end in range(len(nights.all_rows), max(0, len(nights.all_rows) - LONGEST), -1):
        going &= moved(nights.until(end), labels).alarm.any(axis=0)
        if not going.any():
            break
        count += going
    return count


_Answer = tuple[BoolArray, Float64Array, Float64Array]


def _stayed(nights: Nights, window: int, limit: float) -> _Answer:
    """Answer whether the share of the pictures that stayed stepped in the last nights: each night
    is held against the one before it, without what came or went, and the steps are added up."""
    rows = nights.rows[1:] - nights.arrived[1:]
    total = nights.all_rows[1:] - nights.all_arrived[1:]
    rows_before = nights.rows[:-1] - nights.gone[1:]
    total_before = nights.all_rows[:-1] - nights.all_gone[1:]
    steps = _log_odds(rows, total) - _log_odds(rows_before, total_before)
    history = steps[:-window][-HISTORY:]
    if len(history) < LEAST_HISTORY or not (total * total_before)[-window:].all():
        return _unknown(nights)
    before = rows_before[-window] / total_before[-window]
    step = (steps[-window:] - np.median(history, axis=0)).sum(axis=0)
    now = _shifted(before, step)
    p = np.clip(before, 1e-9, 1 - 1e-9)
    # What would happen by chance alone if as many pictures had gone as came.
    gone = max(int(nights.all_arrived[-window:].sum()), 1)
    chance = gone / (total[-1] ** 2 * p * (1 - p))
    vary = window * _deviation(history, np.median(history, axis=0)) ** 2
    alarm = (np.abs(step) > _LEAST_STEP) & (np.abs(now - before) * total[-1] >= _LEAST_ROWS)
    alarm &= np.abs(step) > _limit(limit, len(history), vary, chance)
    return alarm, before, now


def _shifted(share: Float64Array, step: Float64Array) -> Float64Array:
    """Return shares after a step in log-odds."""
    odds = share * np.exp(step)
    return np.asarray(odds / (1 - share + odds))


def _came(nights: Nights, window: int, limit: float) -> tuple[_Answer, BoolArray]:
    """Answer whether what came in the last `window` nights differs from what came before."""
    own = nights.models == nights.models[-1]
    own[-window:] = True
    if own.sum() < LEAST_HISTORY + window:
        own[:] = True
    # The night in which a catalog was new says nothing of what comes to it.
    some = own & (nights.all_arrived > 0) & (nights.all_arrived < _FOUNDING * nights.all_rows)
    fresh = nights.arrived[some]
    total = nights.all_arrived[some]
    before, sizes = fresh[:-window][-HISTORY:], total[:-window][-HISTORY:]
    if len(before) < LEAST_HISTORY:
        return _unknown(nights), np.zeros(fresh.shape[1], bool)
    share = _log_odds(before, sizes)
    # A night of five pictures says little of what is usual: the middle of the pictures.
    usual = _weighted_median(share, sizes)
    p = 1 / (1 + np.exp(-usual))
    chance = 1 / (sizes[:, None] * p * (1 - p))
    between = np.maximum(_deviation(share, usual) ** 2 - np.median(chance, axis=0), 0)
    count, of = _without_the_oddest(fresh[-window:], total[-window:], p)
    nights_vary = _of_a_mean(window - 1) * between
    limits = _limit(limit, len(before), nights_vary, 1 / (of * p * (1 - p)))
    moves = np.abs(np.log((count + 0.5) / (of - count + 0.5)) - usual)
    # A label that all have is known by those that lack it: by none, whatever half a picture says.
    seen = before.sum(axis=0) / sizes.sum()
    having = np.maximum(count, of * np.minimum(p, seen))
    lacking = np.maximum(of - count, of * np.minimum(1 - p, 1 - seen))
    enough = np.minimum(having, lacking)
    alarm = (moves > _LEAST_MOVE) & (enough >= _LEAST_ROWS) & (moves > limits)
    all_of = max(int(total[-window:].sum()), 1)
    plenty = all_of * p * (1 - p) >= _PLENTY
    return (alarm, p, fresh[-window:].sum(axis=0) / all_of), plenty


def _of_a_mean(nights: int) -> float:
    """Return the variance of the mean of so many nights, over that of one of them."""
    apart = np.arange(1, nights)
    alike = 2 * np.sum((1 - apart / nights) * _LIKE_YESTERDAY**apart)
    return float((1 + alike) / nights)


def _without_the_oddest(
    fresh: Int64Array, total: Int64Array, usual: Float64Array
) -> tuple[Int64Array, Int64Array]:
    """Return of how many pictures how many have each label, without the night, or two of twenty,
    in which most more or most fewer had it than usual.

    A delivery of shoes is no alarm; shoes night after night are.
    """
    more = fresh - total[:, None] * usual
    away = np.sign(more.sum(axis=0)) * more
    kept = np.argsort(away, axis=0)[: len(total) - max(1, len(total) // 7)]
    count = np.take_along_axis(fresh, kept, axis=0).sum(axis=0)
    return count, total[kept].sum(axis=0)


def _unknown(nights: Nights) -> _Answer:
    labels = nights.rows.shape[1]
    nothing = np.full(labels, np.nan)
    return np.zeros(labels, bool), nothing, nothing


def _limit(limit: float, nights: int, vary: Float64Array, chance: Float64Array) -> Float64Array:
    """Return what a move must exceed to be rarer than `limit`.

    Parameters
    ----------
    nights : int
        From how many nights it is known how nights vary: Student's t. What chance alone does to a
        sample is known: the normal distribution.
    vary, chance : float64 (labels,)
        The two variances.
    """
    from scipy.special import ndtri, stdtrit

    by_nights = float(stdtrit(max(_EFFICIENCY * nights, 3.0), 1 - limit / 2))
    by_chance = float(ndtri(1 - limit / 2))
    return np.asarray(np.sqrt(by_nights**2 * vary + by_chance**2 * chance))


def _log_odds(count: Int64Array, of: Int64Array) -> Float64Array:
    """Return the log-odds of shares; half a picture more on both sides: none is infinite."""
    return np.asarray(np.log((count + 0.5) / (of[:, None] - count + 0.5)))


def _odds(share: Float64Array) -> Float64Array:
    """Return the log-odds of shares; NaN where they are not known."""
    p = np.clip(share, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(p / (1 - p)))


def _deviation(values: Float64Array, middle: Float64Array) -> Float64Array:
    """Return the median absolute deviation of each column, as a standard deviation."""
    return np.asarray(_OF_NORMAL * np.median(np.abs(values - middle), axis=0))


def _weighted_median(values: Float64Array, weights: Int64Array) -> Float64Array:
    """Return of each column the value below which half of the weight lies."""
    order = np.argsort(values, axis=0)
    total = np.cumsum(weights[order], axis=0)
    middle = (total >= total[-1] / 2).argmax(axis=0)
    columns = np.arange(values.shape[1])
    return np.asarray(values[order[middle, columns], columns])
