"""A random sample of a night that has pictures of rare answers too, each with a known probability.

Every picture has some chance of being drawn, and those of a rare answer a greater one: among the
pictures of each answer, about as many are wanted as of any other. The weight of a picture, one over
its probability, undoes that in what is estimated. Pure NumPy.
"""

from typing import NamedTuple

import numpy as np

from tagger.arrays import BoolArray, Float64Array, Int64Array

_EVENLY = 0.5
"""The part of a sample that is spread over all rows alike: it finds what no answer tells of."""
_HALVINGS = 60


class Combinations(NamedTuple):
    """Which rows have the same answers.

    Attributes
    ----------
    of_row : int64 (rows,)
        The number of each row's combination of answers.
    answers : bool (combinations, answers)
        Which answers each combination has.
    """

    of_row: Int64Array
    answers: BoolArray


class Drawn(NamedTuple):
    """A sample, in random order.

    Attributes
    ----------
    rows : int64 (drawn,)
    weight : float64 (drawn,)
        One over the probability that this row is in a sample.
    """

    rows: Int64Array
    weight: Float64Array


def combinations(answers: BoolArray) -> Combinations:
    """Return which rows of `answers`, bool (rows, answers), are alike.

    Combinations are numbered by their answers, the first answers counting most.
    """
    packed = np.packbits(answers, axis=1)  # uint8 (rows, bytes)
    words = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(">u8")  # (rows, words)
    of_row = first = np.zeros(len(answers), np.int64)
    for word in words.T:
        number = np.unique(word.astype(np.uint64), return_inverse=True)[1]
        both = of_row * len(answers) + number
        _, first, of_row = np.unique(both, return_index=True, return_inverse=True)
    return Combinations(of_row, answers[first])


def inclusion_probabilities(found: Combinations, size: int) -> Float64Array:
    """Return float64 (combinations,): the probability of a row of each; over all rows they add up
    to `size`.

    A row is drawn with the probability that an even spread over all rows gives it, or that one of
    its answers gives it, whichever is most: of each answer with enough rows the same number is
    wanted.

    Parameters
    ----------
    size : int
        Less than there are rows.
    """
    rows = np.bincount(found.of_row)  # (combinations,)
    nothing = ~found.answers.any(axis=1, keepdims=True)
    answers = np.hstack([found.answers, nothing])  # to answer nothing is an answer, too
    of_answer = rows.astype(np.float64) @ answers  # (answers,)
    rarity = (answers / np.maximum(of_answer, 1)).max(axis=1)  # (combinations,)
    evenly = _EVENLY * size / rows.sum()

    def probability(wanted: float) -> Float64Array:
        return np.asarray(np.minimum(1, np.maximum(evenly, wanted * rarity)))

    low, high = 0.0, float(size)
    while rows @ probability(high) < size:
        high *= 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rows @ probability(middle) < size else (low, middle)
    return probability(high)


def draw(found: Combinations, size: int, random: np.random.Generator) -> Drawn:
    """Return a sample of `size` rows, or of all rows if there are no more.

    Rows are laid in a line by their answers, in random order where these are the same, each as long
    as its probability; steps of length one along that line, from a random start, hit the sample.
    So the number of rows of each combination is as even as it can be.
    """
    total = len(found.of_row)
    if size >= total:
        return Drawn(random.permutation(total), np.ones(total))
    probability = inclusion_probabilities(found, size)[found.of_row]  # (rows,)
    line = random.permutation(total)
    line = line[np.argsort(found.of_row[line], kind="stable")]
    ends = np.cumsum(probability[line])  # (rows,)
    steps = (random.random() + np.arange(size)) * (ends[-1] / size)
    hit = random.permutation(line[np.searchsorted(ends, steps, side="right")])
    return Drawn(hit, 1 / probability[hit])
