"""Combinations of labels: which were trained, which can be told apart, which are to be held out."""

from collections.abc import Mapping, Sequence
from itertools import combinations, product

import numpy as np

from tagger.arrays import Float32Array
from tagger.errors import InputError
from tagger.labels.vocabulary import LabelKey, Vocabulary, label_key

Pair = tuple[str, str]
"""Two labels of different exclusive groups, each as group:name, in the order of the groups."""

FEW = 10
"""A label with fewer training pictures than this does not teach what it looks like in another
combination."""


def count_pairs(targets: Float32Array, vocabulary: Vocabulary) -> dict[Pair, int]:
    """Return how many pictures have each pair of labels of different exclusive groups.

    In column order.

    Parameters
    ----------
    targets : float32 (n, n_labels)
        1, 0, or NaN for unknown. Pairs that no picture has are left out.
    """
    # float32 is exact up to 16 million pictures, and two hundred times as fast as integers.
    has = (targets == 1).astype(np.float32)  # (n, n_labels)
    together = has.T @ has  # (n_labels, n_labels)
    counts = {}
    for one, other in combinations(vocabulary.exclusive_groups, 2):
        for i, j in product(vocabulary.members(one.name), vocabulary.members(other.name)):
            if together[i, j]:
                counts[vocabulary.labels[i].key, vocabulary.labels[j].key] = int(together[i, j])
    return counts


def unteachable(
    targets: Float32Array, vocabulary: Vocabulary, *, recombines: bool
) -> list[tuple[Pair, str]]:
    """Return the pairs that these training pictures cannot teach, each with the reason in words.

    That is a pair that no picture has, where one of its labels has fewer than `FEW` pictures; or
    where one of them always comes with one and the same label of the other's group, so that nothing
    says which of the two it is that makes the look. The second does not count where training
    recombines the groups (one judged by pixels, the other by shape or texture).
    """
    counts = count_pairs(targets, vocabulary)
    shown = (targets == 1).sum(axis=0).tolist()
    positives = {label.key: n for label, n in zip(vocabulary.labels, shown, strict=True)}
    found: list[tuple[Pair, str]] = []
    for one, other in combinations(vocabulary.exclusive_groups, 2):
        evidence = {one.evidence, other.evidence}
        apart = recombines and evidence in ({"pixels", "shape"}, {"pixels", "texture"})
        keys = [
            [vocabulary.labels[i].key for i in vocabulary.members(group.name)]
            for group in (one, other)
        ]
        for pair in product(keys[0], keys[1]):
            if pair in counts:
                continue
            rare = [key for key in pair if positives[key] < FEW]
            if rare:
                found.append((pair, f"{rare[0]} has {positives[rare[0]]} training pictures"))
            elif not apart and (reason := _only_partner(pair, keys, counts)):
                found.append((pair, reason))
    return found


def _only_partner(
    pair: Pair, keys: Sequence[Sequence[str]], counts: Mapping[Pair, int]
) -> str | None:
    for label, partners in ((pair[0], keys[1]), (pair[1], keys[0])):
        with_it = [p for p in partners if (label, p) in counts or (p, label) in counts]
        if len(with_it) == 1:
            return f"{label} always comes with {with_it[0]}"
    return None


def parse_pair(text: str, vocabulary: Vocabulary) -> frozenset[LabelKey]:
    """Return the two labels that `red_dress`, or `color:red+garment:dress`, names.

    Raises
    ------
    InputError
        If they are not two labels of two different exclusive groups of the vocabulary.
    """
    exclusive = [group.name for group in vocabulary.exclusive_groups]
    known = {(label.group, label.name) for label in vocabulary.labels if not label.retired}
    keys = vocabulary.match_tokens(text) or []
    if ":" in text:
        keys = [label_key(part) for part in text.split("+")]
    groups = {group for group, _ in keys}
    if len(keys) == 2 and set(keys) <= known and len(groups & set(exclusive)) == 2:
        return frozenset(keys)
    names = ", ".join(label.key for label in vocabulary.labels[:12])
    raise InputError(
        f"pair {text!r}: give two labels of different exclusive groups "
        f"({', '.join(exclusive) or 'none here'}), as red_dress or color:red+garment:dress; "
        f"labels are {names}{' ...' if len(vocabulary) > 12 else ''}"
    )


def has_any(present: frozenset[LabelKey], pairs: Sequence[frozenset[LabelKey]]) -> bool:
    """Return whether a picture with the labels `present` shows one of the pairs."""
    return any(pair <= present for pair in pairs)
