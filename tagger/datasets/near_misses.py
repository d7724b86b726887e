"""Labels that are perhaps one label: misspelt, in the plural, or with and without an accent."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher

from tagger.labels.columns import slug
from tagger.labels.pairs import FEW
from tagger.labels.vocabulary import LabelKey

_ALIKE = 0.75
"""Twice the letters that two words share in order, by all their letters: drees and dress have 0.8,
grey and gray 0.75."""

_COMMONER = 5
"""A misspelling is rare, and what was meant is commoner by this factor at least."""

_PLURALS = ("s", "es", "n", "en", "e", "er")
_SHORTEST = 4
"""Letters of a word whose plural is looked for."""


@dataclass(frozen=True)
class NearMiss:
    """A label that is perhaps another one.

    Attributes
    ----------
    group, name : str
    pictures : int
        With this label.
    becomes : str
        The label that is perhaps meant.
    common : int
        Pictures with that one.
    """

    group: str
    name: str
    pictures: int
    becomes: str
    common: int


def near_misses(
    counts: Mapping[LabelKey, int], known: Collection[LabelKey] = frozenset()
) -> list[NearMiss]:
    """Return the labels that are perhaps another label of their group, most pictures first.

    Parameters
    ----------
    counts : mapping from (group, name) to int
        Pictures per label.
    known : collection of (group, name)
        Labels of a given vocabulary: they are right as they are written, whatever is there.
    """
    by_group: dict[str, dict[str, int]] = defaultdict(dict)
    for group, name in [*counts, *known]:
        by_group[group][name] = counts.get((group, name), 0)
    found = [
        miss
        for group, names in by_group.items()
        for name in names
        if (group, name) not in known
        and (miss := _meant(group, name, names, {n for g, n in known if g == group}))
    ]
    return sorted(found, key=lambda miss: (-miss.pictures, miss.group, miss.name))


def _meant(
    group: str, name: str, names: Mapping[str, int], known: Collection[str]
) -> NearMiss | None:
    """Return what a label was perhaps meant to be: the nearest word of those that may be it."""
    words = [
        (_likeness(name, other), names[other], other)
        for other in names
        if other != name and _may_be(name, other, names, known)
    ]
    if not words:
        return None
    _, common, becomes = max(words)
    return NearMiss(group, name, names[name], becomes, common)


def _may_be(name: str, other: str, names: Mapping[str, int], known: Collection[str]) -> bool:
    few, many = names[name], names[other]
    commoner = other in known or (many, other) > (few, name)
    if commoner and (slug(name) == slug(other) or _is_plural(name, other)):
        return True
    rare = few < FEW and many >= _COMMONER * few
    return (rare or other in known) and _likeness(name, other) >= _ALIKE


def _is_plural(name: str, other: str) -> bool:
    """Return whether one of two words is the other with an ending, whatever their case."""
    short, long = sorted((name.lower(), other.lower()), key=len)
    return len(short) >= _SHORTEST and long in {short + ending for ending in _PLURALS}


def _likeness(name: str, other: str) -> float:
    """Return 0 to 1 for two words that begin with one letter, and are not numbers."""
    one, two = name.lower(), other.lower()
    if one[:1] != two[:1] or any(letter.isdigit() for letter in one + two):
        return 0.0
    return SequenceMatcher(None, min(one, two), max(one, two)).ratio()  # either way round the same
