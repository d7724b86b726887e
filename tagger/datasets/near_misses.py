"""Labels that are perhaps one label: misspelt, in the plural, or with and without an accent."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from unicodedata import category

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

_BETWEEN = " -_.,:;/\\'\"’´`·‐‑–—()"
"""Signs between words: labels that differ in them alone may be one."""


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

    What another label is meant to be is looked up too: `hosn`, perhaps `hosen`, is perhaps `hose`
    where `hosen` is, so that all of them can be renamed at once.

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
    found = []
    for group, names in by_group.items():
        right = {name for of, name in known if of == group}
        becomes = _becomes(names, right)
        for name in becomes:
            end = becomes[name]
            while end in becomes:
                end = becomes[end]
            found.append(NearMiss(group, name, names[name], end, names[end]))
    return sorted(found, key=lambda miss: (-miss.pictures, miss.group, miss.name))


class _Word:
    """A label as it is compared, made once."""

    def __init__(self, name: str, pictures: int, *, known: bool) -> None:
        self.name = name
        self.pictures = pictures
        self.known = known
        self.lower = name.lower()
        self.slug = slug(name)
        self.signs = _signs(name)
        self.letters = Counter(self.lower)
        self.numbered = any(letter.isdigit() for letter in self.lower)


def _becomes(names: Mapping[str, int], known: Collection[str]) -> dict[str, str]:
    """Return the labels of a group that are perhaps another one, and the nearest of those."""
    words = [_Word(name, n, known=name in known) for name, n in names.items()]
    alike: dict[tuple[str, str], list[_Word]] = defaultdict(list)
    for word in words:
        alike["slug", word.slug].append(word)
        alike["letter", word.lower[:1]].append(word)
    found = {}
    for word in words:
        if word.known:
            continue
        others = {
            other.name: other
            for other in (*alike["slug", word.slug], *alike["letter", word.lower[:1]])
            if other is not word and _may_be(word, other)
        }
        if others:
            nearest = max(
                others.values(),
                key=lambda other: (_likeness(word, other), other.pictures, other.name),
            )
            found[word.name] = nearest.name
    return found


def _may_be(word: _Word, other: _Word) -> bool:
    if word.signs != other.signs:
        return False
    commoner = other.known or (other.pictures, other.name) > (word.pictures, word.name)
    if commoner and (word.slug == other.slug or _is_plural(word.lower, other.lower)):
        return True
    rare = commoner and word.pictures < FEW and other.pictures >= _COMMONER * word.pictures
    return (rare or other.known) and _likeness(word, other) >= _ALIKE


def _signs(name: str) -> str:
    """Return the signs that tell labels apart, as in C# and C++, but not those between words."""
    return "".join(
        letter
        for letter in name
        if not letter.isalnum() and letter not in _BETWEEN and category(letter)[0] not in "MZC"
    )


def _is_plural(word: str, other: str) -> bool:
    """Return whether one of two words in lower case is the other with an ending."""
    short, long = sorted((word, other), key=len)
    return len(short) >= _SHORTEST and long.startswith(short) and long[len(short) :] in _PLURALS


def _likeness(word: _Word, other: _Word) -> float:
    """Return 0 to 1 for two words that begin with one letter, and are not numbers.

    It is 0 where it is less than `_ALIKE` in any case, by the letters that both have.
    """
    if word.lower[:1] != other.lower[:1] or word.numbered or other.numbered:
        return 0.0
    lengths = len(word.lower), len(other.lower)
    if 2 * min(lengths) < _ALIKE * sum(lengths):
        return 0.0
    if 2 * (word.letters & other.letters).total() < _ALIKE * sum(lengths):
        return 0.0
    # Either way round the same.
    first, second = sorted((word.lower, other.lower))
    return SequenceMatcher(None, first, second).ratio()
