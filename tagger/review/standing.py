"""A line of the log of corrections as numbers, and which lines answer something."""

from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.corrections import Answer
from tagger.arrays import Int64Array

ANSWER_CODES: dict[Answer, int] = {
    "withdrawn": 0,
    "is": 1,
    "is_not": 2,
    "none": 3,
    "unknown": 4,
}
WITHDRAWN, IS, IS_NOT, NONE, UNKNOWN = range(5)
INERT = 5
"""Said, but nothing that a row can answer: the label is retired, or there is none. The model's
answer stands."""
NO_QUESTION = -1

LINE = np.dtype(
    [
        ("start", np.int64),  # its place in the log
        ("digest", np.uint64, (4,)),
        ("question", np.int32),  # place in `questions`, or NO_QUESTION if it answers none
        ("answer", np.uint8),
        ("name", np.int32),  # of an exclusive group: place of the label in `names`
        ("who", np.int32),  # place in `persons`
        ("row", np.int32),  # that now has its image_id; -1: there is none
        ("elsewhere", np.bool_),  # that row is ok and has other bytes
        ("stands", np.bool_),  # nothing was said of the same content and question since
    ]
)
Lines = npt.NDArray[Any]
"""Structured (n,) as `LINE`."""


def drop_words_on_other_answers(lines: Lines, before: int, exclusive: int) -> None:
    """Let lines answer nothing that name a label of an exclusive group without saying that it is
    the answer, unless the last word names it too. They were said when the group was not exclusive.

    Parameters
    ----------
    lines : structured (n,), see `LINE`
        Changed in place.
    before : int
        From which on they are new.
    exclusive : int
        How many questions are about exclusive groups.
    """
    said = lines["answer"][before:]
    of_one = (lines["name"][before:] >= 0) & (said != IS) & (said != INERT)  # inert: it is retired
    if not of_one.any():
        return
    counts = lines["stands"].copy()
    counts[before:] = True
    counts &= (lines["question"] >= 0) & (lines["question"] < exclusive)
    counts &= np.isin(lines["digest"][:, 0], lines["digest"][before:][of_one, 0])
    last_named: dict[tuple[int, ...], int] = {}
    for place in np.flatnonzero(counts).tolist():
        line = lines[place]
        topic = (*line["digest"].tolist(), int(line["question"]))
        names_one = place >= before and of_one[place - before]
        if names_one and last_named.get(topic, -1) != line["name"]:
            line["question"] = NO_QUESTION
        else:
            last_named[topic] = int(line["name"])


def topics(lines: Lines) -> Int64Array:
    """Return int64 (n,): a number for each content and question; the same for the same."""
    digest = lines["digest"]
    order = np.lexsort((lines["question"], digest[:, 1], digest[:, 0]))
    ordered = lines[order]
    other = (ordered["digest"][1:, :2] != ordered["digest"][:-1, :2]).any(axis=1)
    other |= ordered["question"][1:] != ordered["question"][:-1]
    numbers = np.zeros(len(lines), np.int64)
    numbers[order[1:]] = np.cumsum(other)
    return numbers


def last_of_each(lines: Lines) -> Int64Array:
    """Return the places of the last line on each content and question, in order."""
    last = np.full(len(lines), -1, np.int64)
    last[topics(lines)] = np.arange(len(lines))  # the last of equals is what stays
    return np.sort(last[last >= 0])
