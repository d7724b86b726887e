"""What a model's own sure answers teach of pictures that nobody labelled. Pure NumPy.

After D.-H. Lee, "Pseudo-Label", 2013, and K. Sohn et al., "FixMatch", 2020: an answer counts as a
label where the model is sure of it, and only there.
"""

import numpy as np

from tagger.arrays import BoolArray, Float32Array, Float64Array
from tagger.labels.views import group_probabilities, sigmoid
from tagger.labels.vocabulary import Vocabulary

SURE = 0.8
"""p(answer) from which on an answer counts."""
MOST_TIMES = 2.0
"""A label is given to no more pictures than this many times the mean of the other labels of its
group: one that is over-answered would swallow the others."""
_FEWEST = 10
"""Pictures that a label may have in any case."""


def pseudo_labels(logits: Float32Array, vocabulary: Vocabulary) -> Float32Array:
    """Return float32 (n, n_labels): 1 and 0 where the model is sure of it, else NaN.

    An exclusive group is taught as a whole, or not at all. Of other groups the labels that are
    surely there are taught, and beside them those that surely are not. That a picture shows none of
    a group's labels is never taught, since of a picture unlike all others that is what a model says
    first.

    Parameters
    ----------
    logits : float32 (n, n_labels)
        Calibrated.
    """
    taught = np.full(logits.shape, np.nan, np.float32)
    exclusive = {group.name for group in vocabulary.exclusive_groups}
    for group in vocabulary.groups:
        members = vocabulary.members(group.name)
        if group.name in exclusive:
            taught[:, members] = _of_choices(group_probabilities(logits, members)[:, :-1])
            continue
        taught[:, members] = _of_tags(sigmoid(logits[:, members]))
    return taught


def _of_choices(p: Float64Array) -> Float32Array:
    """Return float32 (n, k): of a group's labels, one where it is surely the answer."""
    answer = p.argmax(axis=1)
    sure = p.max(axis=1) >= SURE
    kept = _balanced(p, np.eye(p.shape[1], dtype=bool)[answer] & sure[:, None])
    taught = np.full(p.shape, np.nan, np.float32)
    taught[kept.any(axis=1)] = 0
    taught[kept] = 1
    return taught


def _of_tags(scores: Float64Array) -> Float32Array:
    """Return float32 (n, k): of a group's labels, those that are surely there and, of the same
    pictures, those that surely are not."""
    kept = _balanced(scores, scores >= SURE)
    absent = kept.any(axis=1, keepdims=True) & (scores <= 1 - SURE)
    return np.where(kept, 1.0, np.where(absent, 0.0, np.nan)).astype(np.float32)


def _balanced(p: Float64Array, given: BoolArray) -> BoolArray:
    """Return bool (n, k): of each label the surest of its pictures, as many as it may have."""
    counts = given.sum(axis=0)
    kept = np.zeros_like(given)
    for label in np.flatnonzero(counts):
        others = np.delete(counts, label)
        most = max(_FEWEST, round(MOST_TIMES * float(others.mean()))) if len(others) else len(p)
        rows = np.flatnonzero(given[:, label])
        surest = rows[np.argsort(-p[rows, label], kind="stable")[:most]]
        kept[surest, label] = True
    return kept
