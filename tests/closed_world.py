"""Nights whose truth is known, so that intervals can be held against it.

Twenty-four labels from 30 % to 0.05 % of the rows, and the answer none of two exclusive groups.
Pictures with a rare answer are wrong four times as often as others: a sample that takes more of
them and forgets that it did is misled.
"""

from typing import NamedTuple

import numpy as np

from tagger.arrays import BoolArray, Float64Array, Int64Array
from tagger.evaluation.estimates import Estimates, Interval, Judged, estimate
from tagger.evaluation.sampling import combinations, draw

EXCLUSIVE = (
    (0.30, 0.18, 0.12, 0.08, 0.05, 0.03, 0.02, 0.01, 0.005, 0.0025, 0.001, 0.0005),
    (0.25, 0.20, 0.15, 0.10, 0.04, 0.01, 0.002, 0.0005),
)
OTHERS = (0.30, 0.05, 0.005, 0.0005)
RARITIES = {
    "10 % and more": (0.1, 1.0),
    "2 to 10 %": (0.02, 0.1),
    "0.4 to 2 %": (0.004, 0.02),
    "0.15 to 0.4 %": (0.0015, 0.004),
    "under 0.15 %": (0.0, 0.0015),
}
WHERE = ("anywhere", "alike", "none")
"""Where the pictures are that a label misses: anywhere, among two other labels, among none."""


class World(NamedTuple):
    """What each row answers and shows, bool (rows, answers)."""

    answered: BoolArray
    shows: BoolArray

    @property
    def precision(self) -> Float64Array:
        with np.errstate(invalid="ignore"):
            return np.asarray(
                (self.answered & self.shows).sum(axis=0) / self.answered.sum(axis=0), np.float64
            )

    @property
    def missing(self) -> Float64Array:
        with np.errstate(invalid="ignore"):
            return np.asarray(
                (~self.answered & self.shows).sum(axis=0) / self.shows.sum(axis=0), np.float64
            )


def closed_world(seed: int, *, rows: int = 20_000, where: str = "anywhere") -> World:
    """Return a night: precision from 0.5 to 0.99, up to 40 % missing, both before what is rare."""
    random = np.random.default_rng(seed)
    answers = [_answers(np.array(shares), rows, random) for shares in EXCLUSIVE]
    rare = np.zeros(rows, bool)
    for shares, answer in zip(EXCLUSIVE, answers, strict=True):
        rare |= np.append(np.array(shares) <= 0.03, False)[answer]
    hard = random.random(rows) < np.where(rare, 0.7, 0.15)
    answered, shows = [], []
    for answer in answers:
        labels = answer.max()
        truth = _truth(answer, hard, where, random)
        answered.append(answer[:, None] == np.arange(labels + 1))
        shows.append(truth[:, None] == np.arange(labels + 1))
    for share in OTHERS:
        has = random.permutation(rows) < share * rows
        shown = has & (random.random(rows) < random.uniform(0.5, 0.99))
        missed = random.uniform(0, 0.4) * shown.sum() / (~has).sum()
        answered.append(has[:, None])
        shows.append((shown | (~has & (random.random(rows) < missed)))[:, None])
    return World(np.hstack(answered), np.hstack(shows))


def _answers(shares: Float64Array, rows: int, random: np.random.Generator) -> Int64Array:
    """Return int64 (rows,): the label of each row, the number after the last one being none."""
    ends = np.cumsum(np.round(shares * rows))
    return np.searchsorted(ends, random.permutation(rows), side="right").astype(np.int64)


def _truth(
    answer: Int64Array, hard: BoolArray, where: str, random: np.random.Generator
) -> Int64Array:
    none = int(answer.max())
    error = 1 - np.append(random.uniform(0.5, 0.99, none), 0.75)[answer]
    error = error / (1 + 3 * hard.mean()) * np.where(hard, 4, 1)
    wrong = random.random(len(answer)) < np.minimum(error, 0.98)
    truth = np.where(wrong, none, answer)
    free = random.permutation(np.flatnonzero(wrong))
    for label in random.permutation(none):
        missing = random.uniform(0, 0.4)
        wanted = round(missing / (1 - missing) * int((truth == label).sum()))
        places = {"alike": [(label - 1) % none, (label + 1) % none], "none": [none]}
        among = np.isin(answer[free], places.get(where, list(range(none + 1))))
        taken = free[among & (answer[free] != label)][:wanted]
        truth[taken] = label
        free = free[~np.isin(free, taken)]
    truth[free[answer[free] == none]] = 0
    return truth


class Coverage(NamedTuple):
    """Of the intervals of some labels: how many there were, held the truth; how wide they were."""

    intervals: int
    share: float
    width: float
    worst: float
    """The share of the label that did worst, of those with 100 intervals or more."""


def coverage(size: int, repetitions: int, worlds: list[World]) -> dict[tuple[str, str], Coverage]:
    """Return how often intervals hold the truth, by method and rarity, over many samples."""
    kept: dict[str, list[list[Float64Array]]] = {}
    rarity = []
    for number, world in enumerate(worlds):
        found = combinations(world.answered)
        rows = world.answered.sum(axis=0)
        rarity.append(rows / len(world.answered))
        for repetition in range(repetitions // len(worlds)):
            drawn = draw(found, size, np.random.default_rng((number, repetition)))
            sample = world.answered[drawn.rows], world.shows[drawn.rows]
            judged = Judged(drawn.weight, sample[0], np.ones_like(sample[0]), sample[1])
            figures = estimate(judged, rows, len(world.answered))
            for method, (interval, truth) in _methods(figures, judged, world).items():
                table = kept.setdefault(method, [[] for _ in worlds])
                held = (interval.low <= truth + 1e-9) & (truth - 1e-9 <= interval.high)
                width = interval.high - interval.low  # (L,)
                table[number].append(np.stack([np.where(np.isnan(width), np.nan, held), width]))
    result = {}
    for method, tables in kept.items():
        whole = [np.stack(table) for table in tables]  # each (repetitions, 2, L)
        for name, (least, most) in RARITIES.items():
            mine = [t[:, :, (r >= least) & (r < most)] for t, r in zip(whole, rarity, strict=True)]
            result[method, name] = _coverage(np.concatenate(mine, axis=2))
    return result


def _coverage(table: Float64Array) -> Coverage:
    """Return the figures of held and width, float64 (repetitions, 2, labels)."""
    held, width = table[:, 0], table[:, 1]
    often = (~np.isnan(held)).sum(axis=0) >= min(100, len(held))
    worst = np.nanmean(held[:, often], axis=0).min() if often.any() else np.nan
    known = ~np.isnan(held)
    return Coverage(int(known.sum()), float(held[known].mean()), float(width[known].mean()), worst)


def _methods(
    figures: Estimates, judged: Judged, world: World
) -> dict[str, tuple[Interval, Float64Array]]:
    """Return our intervals and those of textbooks, which know no weights, with the truth."""
    _, answered, _, shows = judged
    right = (answered & shows).sum(axis=0)
    own = answered.sum(axis=0)
    missed = (~answered & shows).sum(axis=0)
    return {
        "right, ours": (figures.precision, world.precision),
        "right, Wilson": (_wilson(right, own), world.precision),
        "right, Wald": (_wald(right, own), world.precision),
        "missing, ours": (figures.missing, world.missing),
        "missing, Wilson": (_wilson(missed, missed + right), world.missing),
        "missing, Wald": (_wald(missed, missed + right), world.missing),
    }


def _wald(hits: Int64Array, size: Int64Array) -> Interval:
    with np.errstate(invalid="ignore"):
        share = hits / size
        half = 1.96 * np.sqrt(share * (1 - share) / size)
    return Interval(share, share - half, share + half)


def _wilson(hits: Int64Array, size: Int64Array) -> Interval:
    z = 1.96
    with np.errstate(invalid="ignore"):
        share = hits / size
        middle = (hits + z**2 / 2) / (size + z**2)
        half = z * np.sqrt(size * share * (1 - share) + z**2 / 4) / (size + z**2)
    return Interval(share, middle - half, middle + half)
