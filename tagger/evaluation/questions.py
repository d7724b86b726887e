"""What two models were both asked, and what each answered; what only one of them can answer is put
aside, or counts as the label that it was split from."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tagger.arrays import BoolArray, Float32Array, FloatArray, Int64Array
from tagger.evaluation.comparison import Question, Scores
from tagger.labels.growing import older_names
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
    """Return the logits of each label that both know, or of what was split from it if larger."""
    older = _older(a.vocabulary, b.vocabulary)
    scores = {}
    for key in shared_keys(a.vocabulary, b.vocabulary):
        ours, theirs = (
            one.logits[:, _columns(one.vocabulary, [key, *_split_off(key, older)])].max(axis=1)
            for one in (a, b)
        )
        scores[":".join(key)] = (ours, theirs)
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
    older = _older(a.answers.vocabulary, b.answers.vocabulary)
    return Question(
        group=group,
        names=tuple(names),
        shared=tuple(shared),
        exclusive=True,
        a=_answers(a, group, names),
        b=_answers(b, group, names),
        truth=truth,
        known=a_known & b_known & (truth == also),
        older={
            names.index(name): tuple(map(names.index, olds))
            for (at, name), olds in older.items()
            if at == group
        },
    )


def _of_label(a: Said, b: Said, key: LabelKey) -> Question:
    """Return the question about one label; what was split from it may be answered in its place."""
    split_off = _split_off(key, _older(a.answers.vocabulary, b.answers.vocabulary))
    truths = []
    known = []
    for said in (a, b):
        targets = said.targets[:, _columns(said.answers.vocabulary, [key])[0]]
        truths.append(targets == 1)
        known.append(~np.isnan(targets))
    return Question(
        group=key[0],
        names=(key[1], *(name for _, name in split_off)),
        shared=(key[1],),
        exclusive=False,
        a=_first_given(a.answers, [key, *split_off]),
        b=_first_given(b.answers, [key, *split_off]),
        truth=np.where(truths[0], 0, -1).astype(np.int64),
        known=known[0] & known[1] & (truths[0] == truths[1]),
        older={place: (0,) for place in range(1, 1 + len(split_off))},
    )


def _first_given(answers: Answers, keys: Sequence[LabelKey]) -> Int64Array:
    """Return int64 (n,): the place of the first of labels that is given, -1 where none is."""
    tags = tag_matrix(*answers)
    found = np.full(len(tags), -1, np.int64)
    for place, key in reversed([*enumerate(keys)]):
        for column in _columns(answers.vocabulary, [key]):
            found[tags[:, column]] = place
    return found


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


def _older(a: Vocabulary, b: Vocabulary) -> Mapping[LabelKey, Sequence[str]]:
    """Return, of labels that one alone answers, those of both that each was split from."""
    ours, theirs = _active(a), _active(b)
    shared = set(ours) & set(theirs)
    found = older_names(a.labels, theirs) | older_names(b.labels, ours)
    in_both = {
        key: [name for name in olds if (key[0], name) in shared] for key, olds in found.items()
    }
    return {key: olds for key, olds in in_both.items() if olds}


def _split_off(key: LabelKey, older: Mapping[LabelKey, Sequence[str]]) -> list[LabelKey]:
    """Return the labels that were split from one."""
    return [each for each, olds in older.items() if each[0] == key[0] and key[1] in olds]


def _columns(vocabulary: Vocabulary, keys: Sequence[LabelKey]) -> list[int]:
    """Return the columns of those of the labels that a vocabulary answers."""
    places = (vocabulary.index(*key) for key in keys)
    return [at for at in places if at is not None and not vocabulary.labels[at].retired]
