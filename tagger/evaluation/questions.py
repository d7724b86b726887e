"""What two models were both asked, and what each answered; what only one of them can answer is put
aside."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tagger.arrays import BoolArray, Float32Array, FloatArray, Int64Array
from tagger.evaluation.comparison import Question, Scores
from tagger.labels.views import tag_matrix, true_answers, view
from tagger.labels.vocabulary import LabelKey, Vocabulary


class Answers(NamedTuple):
    """What one of the two models says, and what it is to be read with.

    Attributes
    ----------
    logits : float32 (n, n_labels)
        Calibrated; in the columns of its own vocabulary.
    thresholds : float64 (n_labels,)
    vocabulary : Vocabulary
    """

    logits: FloatArray
    thresholds: FloatArray
    vocabulary: Vocabulary


class Said(NamedTuple):
    """What one of the two models says of pictures, and what is known of them.

    Attributes
    ----------
    answers : Answers
    targets : float32 (n, n_labels)
        In the columns of the model; 1, 0, or NaN for unknown.
    """

    answers: Answers
    targets: Float32Array


def questions_of(a: Said, b: Said) -> list[Question]:
    """Return what both were asked: each exclusive group of both, and each other label of both."""
    ours = a.answers.vocabulary
    theirs = b.answers.vocabulary
    in_both = _exclusive(ours) & _exclusive(theirs)
    found = []
    for group in ours.groups:
        shared = [name for at, name in shared_keys(ours, theirs) if at == group.name]
        if not shared:
            continue
        if group.name in in_both:
            found.append(_of_group(a, b, group.name, shared))
        else:
            found += [_of_label(a, b, (group.name, name)) for name in shared]
    return found


def scores_of(a: Answers, b: Answers) -> Scores:
    """Return the logits of each label that both know."""
    scores = {}
    for group, name in shared_keys(a.vocabulary, b.vocabulary):
        columns = [_column(one.vocabulary, (group, name)) for one in (a, b)]
        scores[f"{group}:{name}"] = (a.logits[:, columns[0]], b.logits[:, columns[1]])
    return scores


def shared_keys(a: Vocabulary, b: Vocabulary) -> list[LabelKey]:
    """Return the labels that both answer, in the order of A."""
    theirs = set(_active(b))
    return [key for key in _active(a) if key in theirs]


def only_known(a: Vocabulary, b: Vocabulary) -> tuple[list[str], list[str]]:
    """Return the labels that A alone answers, and those that B alone answers, as group:name."""
    shared = set(shared_keys(a, b))
    alone = [[":".join(key) for key in _active(each) if key not in shared] for each in (a, b)]
    return alone[0], alone[1]


def _of_group(a: Said, b: Said, group: str, shared: Sequence[str]) -> Question:
    """Return the question about a group; pictures whose right answer only one has are unknown."""
    names = list(dict.fromkeys(name for each in (a, b) for name in _names(each, group)))
    truth, a_known = _truth(a, group, names)
    also, b_known = _truth(b, group, names)
    return Question(
        group=group,
        names=tuple(names),
        shared=tuple(shared),
        exclusive=True,
        a=_answers(a, group, names),
        b=_answers(b, group, names),
        truth=truth,
        known=a_known & b_known & (truth == also),
    )


def _of_label(a: Said, b: Said, key: LabelKey) -> Question:
    """Return the question about one label."""
    truths = []
    tags = []
    known = []
    for targets, (answers, column) in (
        (each.targets, (each.answers, _column(each.answers.vocabulary, key))) for each in (a, b)
    ):
        tags.append(tag_matrix(*answers)[:, column])
        truths.append(targets[:, column] == 1)
        known.append(~np.isnan(targets[:, column]))
    return Question(
        group=key[0],
        names=(key[1],),
        shared=(key[1],),
        exclusive=False,
        a=_as_answer(tags[0]),
        b=_as_answer(tags[1]),
        truth=_as_answer(truths[0]),
        known=known[0] & known[1] & (truths[0] == truths[1]),
    )


def _as_answer(has: BoolArray) -> Int64Array:
    """Return int64 (n,): 0 where the one label is there, -1 where it is not."""
    return np.where(has, 0, -1).astype(np.int64)


def _answers(said: Said, group: str, names: Sequence[str]) -> Int64Array:
    """Return int64 (n,): the answer of a group as a position in `names`, -1 for none."""
    vocabulary = said.answers.vocabulary
    members = vocabulary.members(group)
    column = view(said.answers.logits, said.answers.thresholds, members).answer
    place = np.full(len(vocabulary) + 1, -1, np.int64)  # the last is that of -1, none
    place[members] = [names.index(vocabulary.labels[at].name) for at in members]
    return np.asarray(place[column])


def _truth(said: Said, group: str, names: Sequence[str]) -> tuple[Int64Array, BoolArray]:
    """Return what a group should answer, likewise, and where that is known."""
    members = said.answers.vocabulary.members(group)
    position, known = true_answers(said.targets, members)
    place = np.array([*(names.index(name) for name in _names(said, group)), -1], np.int64)
    return np.asarray(place[position]), known


def _names(said: Said, group: str) -> list[str]:
    vocabulary = said.answers.vocabulary
    return [vocabulary.labels[at].name for at in vocabulary.members(group)]


def _exclusive(vocabulary: Vocabulary) -> set[str]:
    return {group.name for group in vocabulary.exclusive_groups}


def _active(vocabulary: Vocabulary) -> list[LabelKey]:
    return [(label.group, label.name) for label in vocabulary.labels if not label.retired]


def _column(vocabulary: Vocabulary, key: LabelKey) -> int:
    column = vocabulary.index(*key)
    assert column is not None, key  # noqa: S101 - it was found there
    return column
