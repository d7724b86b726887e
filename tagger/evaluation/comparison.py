"""A and B on the same pictures: what is right, what flipped, per label, group and in all.

Arrays in, records out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from schemas.comparison import (
    ComparedAnswers,
    ComparedLabel,
    Comparison,
    Flip,
    LabelFigures,
)
from tagger.arrays import BoolArray, FloatArray, Int64Array, IntArray
from tagger.evaluation.comparison_verdict import give_verdict
from tagger.evaluation.metrics import average_precision
from tagger.evaluation.paired import corrected, paired

_FIRST = 10
"""So many pictures of a flip are named."""


@dataclass(frozen=True)
class Question:
    """What both were asked of n pictures: which label of an exclusive group, or whether one label.

    Attributes
    ----------
    group : str
    names : tuple of str
        The labels that may be answered; a question about one label has that one.
    shared : tuple of str
        Those of them that both know.
    exclusive : bool
        Whether it is about a whole group.
    a, b : integers (n,)
        Positions in `names`; -1 is none.
    truth : integers (n,)
        The right answer, likewise.
    known : bool (n,)
        Where that is known.
    older : mapping
        Positions of labels that one alone knows, to those that each was split from: it counts as
        the right one of them where one is right, else as the first.
    """

    group: str
    names: tuple[str, ...]
    shared: tuple[str, ...]
    exclusive: bool
    a: IntArray
    b: IntArray
    truth: IntArray
    known: BoolArray
    older: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    @property
    def a_counted(self) -> IntArray:
        """Return integers (n,): what A's answers count as, see `older`."""
        return self._counted(self.a)

    @property
    def b_counted(self) -> IntArray:
        """Return integers (n,): what B's answers count as."""
        return self._counted(self.b)

    @property
    def a_right(self) -> BoolArray:
        """Return bool (n,): where A is right, read where that is known."""
        return np.equal(self.a_counted, self.truth)

    @property
    def b_right(self) -> BoolArray:
        """Return bool (n,): where B is right, read where that is known."""
        return np.equal(self.b_counted, self.truth)

    @property
    def same(self) -> BoolArray:
        """Return bool (n,): where both answer the same."""
        return np.equal(self.a, self.b)

    def _counted(self, answers: IntArray) -> IntArray:
        counted = answers.copy() if self.older else answers
        for newer, olds in self.older.items():
            here = answers == newer
            truth = self.truth[here]
            counted[here] = np.where(np.isin(truth, olds), truth, olds[0])
        return counted


Scores = Mapping[str, tuple[FloatArray, FloatArray]]
"""group:name to the logits of A and of B, each (n,)."""


class FlippedPictures(NamedTuple):
    """A flip, and the positions of its pictures."""

    flip: Flip
    places: Int64Array


class Found(NamedTuple):
    """What a comparison found: the record, and where its flips are."""

    comparison: Comparison
    flips: list[FlippedPictures]


def compare_answers(
    questions: Sequence[Question],
    name_of: Callable[[int], str],
    *,
    scores: Scores,
    only: tuple[Sequence[str], Sequence[str]],
    tested: bool = True,
) -> Found:
    """Return how A and B do on the same pictures.

    Parameters
    ----------
    questions : sequence of Question
        At least one, all about the same n pictures.
    name_of : callable
        What the picture at a position is called.
    scores : Scores
        For average precision; empty where there are none.
    only : two sequences of str
        Labels that A alone knows, and those that B alone knows.
    tested : bool
        Whether known pictures were picked without an eye to the answers.
    """
    names = list(dict.fromkeys(question.group for question in questions))
    groups = [
        _answers(name, [one for one in questions if one.group == name], tested) for name in names
    ]
    together = _answers(None, questions, tested)
    groups, together = _corrected_groups(groups, together)
    labels = _corrected_labels(
        [_label(one, name, scores, tested) for one in questions for name in one.shared]
    )
    flips = flips_of(questions, name_of)
    verdict, sentence = give_verdict(groups, together, labels, tested=tested)
    comparison = Comparison(
        verdict=verdict,
        sentence=sentence,
        pictures=together.pictures,
        flipped=together.pictures - together.same,
        all=together,
        groups=groups,
        labels=labels,
        flips=[found.flip for found in flips],
        only_a=list(only[0]),
        only_b=list(only[1]),
        counts_as=_counts_as(questions),
    )
    return Found(comparison, flips)


def _counts_as(questions: Sequence[Question]) -> dict[str, list[str]]:
    """Return, of labels that one alone knows, those that each was split from, as group:name."""
    found: dict[str, list[str]] = {}
    for one in questions:
        for newer, olds in one.older.items():
            names = found.setdefault(f"{one.group}:{one.names[newer]}", [])
            names += [f"{one.group}:{one.names[old]}" for old in olds]
    return found


def flips_of(questions: Sequence[Question], name_of: Callable[[int], str]) -> list[FlippedPictures]:
    """Return what A and B answer differently, the most frequent first.

    Parameters
    ----------
    questions : sequence of Question
        All about the same pictures.
    name_of : callable
        What the picture at a position is called.
    """
    found = (flip for one in questions for flip in _flips(one, name_of))
    return sorted(found, key=lambda each: -each.flip.pictures)


def _answers(group: str | None, questions: Sequence[Question], tested: bool) -> ComparedAnswers:
    """Return how often all of the questions are answered alike, and rightly."""
    known = np.logical_and.reduce([one.known for one in questions])  # (n,)
    same = np.logical_and.reduce([one.same for one in questions])
    a = np.logical_and.reduce([one.a_right for one in questions])
    b = np.logical_and.reduce([one.b_right for one in questions])
    return ComparedAnswers(
        group=group,
        pictures=len(known),
        same=int(same.sum()),
        right=paired(a[known], b[known], tested=tested) if known.any() else None,
    )


def _label(question: Question, name: str, scores: Scores, tested: bool) -> ComparedLabel:
    """Return how both do on one label of a question."""
    at = question.names.index(name)
    key = f"{question.group}:{name}"
    known = question.known
    has = question.truth == at  # (n,)
    a = question.a == at, question.a_counted == at
    b = question.b == at, question.b_counted == at
    a_logits, b_logits = scores.get(key, (None, None))
    return ComparedLabel(
        label=key,
        pictures=int(known.sum()),
        positives=int((has & known).sum()),
        a=_figures(*a, has, known, a_logits),
        b=_figures(*b, has, known, b_logits),
        right=(
            paired((a[1] == has)[known], (b[1] == has)[known], tested=tested)
            if known.any()
            else None
        ),
    )


def _figures(
    given: BoolArray,
    counted: BoolArray,
    has: BoolArray,
    known: BoolArray,
    logits: FloatArray | None,
) -> LabelFigures:
    """Return the figures of a label: who is given it, whose answer counts as it, who has it, each
    bool (n,)."""
    hits = int((counted & has & known).sum())
    claimed = int((counted & known).sum())
    positives = int((has & known).sum())
    return LabelFigures(
        pictures=int(given.sum()),
        ap=None if logits is None else average_precision(logits[known], has[known]),
        precision=hits / claimed if claimed else None,
        recall=hits / positives if positives else None,
        f1=2 * hits / (claimed + positives) if positives else None,
    )


def _flips(question: Question, name_of: Callable[[int], str]) -> list[FlippedPictures]:
    """Return what flipped, by the answers of A and B."""
    places = np.flatnonzero(~question.same)
    a_right, b_right = question.a_right, question.b_right
    gained, lost = b_right & ~a_right, a_right & ~b_right
    answers = len(question.names) + 1
    # One number for both answers: none is 0 here.
    pairs = (question.a[places].astype(np.int64) + 1) * answers + question.b[places] + 1
    found = []
    for pair in np.unique(pairs).tolist():
        mine = places[pairs == pair]
        a, b = pair // answers - 1, pair % answers - 1
        known = mine[question.known[mine]]
        flip = Flip(
            group=question.group,
            a=question.names[a] if a >= 0 else None,
            b=question.names[b] if b >= 0 else None,
            pictures=len(mine),
            to_right=int(gained[known].sum()),
            to_wrong=int(lost[known].sum()),
            first=[name_of(int(place)) for place in mine[:_FIRST]],
        )
        found.append(FlippedPictures(flip, mine))
    return found


def _corrected_groups(
    groups: list[ComparedAnswers], together: ComparedAnswers
) -> tuple[list[ComparedAnswers], ComparedAnswers]:
    """Return groups and all with their tests corrected for each other.

    All is no other test where there is one group.
    """
    rows = [*groups, together] if len(groups) > 1 else groups
    tests = corrected([row.right for row in rows])
    rows = [replace(row, right=right) for row, right in zip(rows, tests, strict=True)]
    if len(groups) > 1:
        return rows[:-1], rows[-1]
    return rows, replace(together, right=rows[0].right)


def _corrected_labels(labels: list[ComparedLabel]) -> list[ComparedLabel]:
    tests = corrected([row.right for row in labels])
    return [replace(row, right=right) for row, right in zip(labels, tests, strict=True)]
