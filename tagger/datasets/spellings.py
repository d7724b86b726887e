"""Spellings of one label, told apart by case, blanks or Unicode form alone, made one."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from tagger.datasets.labelled_set import LabelKeys, LabelledSet
from tagger.datasets.problems import Folded
from tagger.labels.folding import folded
from tagger.labels.vocabulary import LabelKey, Vocabulary


@dataclass(frozen=True)
class Spellings:
    """What each label is called from now on.

    Attributes
    ----------
    names : mapping from (group, name) to name
        Of those that change.
    folded : tuple of Folded
    """

    names: Mapping[LabelKey, str] = field(default_factory=dict)
    folded: tuple[Folded, ...] = ()

    def of(self, keys: LabelKeys) -> LabelKeys:
        """Return labels as they are called from now on."""
        return frozenset((key[0], self.names.get(key, key[1])) for key in keys)


def spellings_of(labels: Iterable[LabelKeys], vocabulary: Vocabulary | None) -> Spellings:
    """Return how labels are spelled: as the vocabulary does, else as most pictures have it.

    Parameters
    ----------
    labels : iterable of LabelKeys
        Those of each picture.
    vocabulary : Vocabulary, optional
        Its names stay as they are.
    """
    uses = Counter(key for keys in labels for key in keys)
    alike: dict[LabelKey, list[LabelKey]] = defaultdict(list)
    for group, name in uses:
        alike[group, folded(name)].append((group, name))
    known = _known(vocabulary)
    names: dict[LabelKey, str] = {}
    found = []
    for form, keys in sorted(alike.items()):
        own = known.get(form, [])
        # The commonest; of two as common the first, so that no order of files decides.
        name = own[0] if own else min(keys, key=lambda key: (-uses[key], key[1]))[1]
        others = sorted(key for key in keys if key[1] != name and key[1] not in own)
        names |= dict.fromkeys(others, name)
        if others:
            spelled = tuple(other for _, other in others)
            found.append(Folded(form[0], name, spelled, sum(uses[key] for key in others)))
    return Spellings(names, tuple(found))


def with_one_spelling(labelled: LabelledSet, vocabulary: Vocabulary | None) -> LabelledSet:
    """Return a set in which every label has one spelling, and which says what was folded."""
    spellings = spellings_of((each.present for each in labelled.examples), vocabulary)
    if not spellings.names:
        return labelled
    examples = [replace(each, present=spellings.of(each.present)) for each in labelled.examples]
    return replace(labelled, examples=examples, folded=_together(labelled.folded, spellings))


def _known(vocabulary: Vocabulary | None) -> dict[LabelKey, list[str]]:
    """Return the names of a vocabulary by their common form, living ones first."""
    known: dict[LabelKey, list[str]] = defaultdict(list)
    for label in sorted(vocabulary.labels if vocabulary else (), key=lambda each: each.retired):
        known[label.group, folded(label.name)].append(label.name)
    return known


def _together(before: Iterable[Folded], now: Spellings) -> tuple[Folded, ...]:
    """Return what was folded in two steps, the second of whole sets, as if it were one."""
    others: dict[LabelKey, set[str]] = defaultdict(set)
    pictures: Counter[LabelKey] = Counter()
    first = [
        replace(each, name=now.names.get((each.group, each.name), each.name)) for each in before
    ]
    for each in (*first, *now.folded):
        key = (each.group, each.name)
        others[key] |= {*each.others} - {each.name}
        pictures[key] += each.pictures
    return tuple(
        Folded(group, name, tuple(sorted(spelled)), pictures[group, name])
        for (group, name), spelled in sorted(others.items())
        if spelled
    )
