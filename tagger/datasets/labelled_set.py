"""Labelled pictures: what is said of each, by whom. What is not said is unknown, not absent."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from tagger.arrays import Float32Array
from tagger.datasets.problems import Folded, Problem
from tagger.errors import DatasetError
from tagger.imaging.file_facts import FileFacts
from tagger.labels.vocabulary import Group, Vocabulary, in_column_order

LabelKeys = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Said:
    """What persons said of one content, as far as it is in force.

    Attributes
    ----------
    content : str
        sha256 of the picture's bytes, hex.
    answers : mapping from group to frozenset of str, or None
        Groups answered as a whole: the label, no label at all, or None where they do not know.
    single : mapping from (group, name) to bool or None
        Labels answered one by one: shown, not shown, or None where they do not know.
    """

    content: str
    answers: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    single: Mapping[tuple[str, str], bool | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Example:
    """One labelled picture.

    Attributes
    ----------
    image_id : str
        Path below the set's folder.
    path : str
        As `open` takes it.
    present : frozenset of (group, name)
        Labels it is said to have.
    known : frozenset of str
        Groups of which all is said; all others are unknown, but for `single`.
    single : mapping from (group, name) to bool or None
        Labels of which something is said one by one: shown, not shown, or None for unknown.
    said : Said, optional
        What persons said of it, where they did; it is in the other fields already.
    row : int, optional
        The first row of a table that names it, as a spreadsheet counts. None for folders.
    """

    image_id: str
    path: str
    present: LabelKeys
    known: frozenset[str]
    single: Mapping[tuple[str, str], bool | None] = field(default_factory=dict)
    said: Said | None = None
    row: int | None = None

    @property
    def speaks(self) -> bool:
        """Return whether anything is known of it."""
        return bool(self.known) or any(shows is not None for shows in self.single.values())

    def unreadable(self, facts: FileFacts) -> Problem:
        """Return what is wrong with its file."""
        return Problem("unreadable file", self.image_id, self.row, f"{facts.status}: {facts.error}")


@dataclass(frozen=True)
class LabelledSet:
    """Labelled pictures in order of `image_id`, and the groups their labels are in.

    Attributes
    ----------
    source : str
    examples : list of Example
    groups : tuple of Group
    gone : int, optional
        How many corrected pictures the catalog does not have any more; None without corrections.
    problems : tuple of Problem
        What is not among the examples, or not whole, and why.
    folded : tuple of Folded
        Labels that are written in several ways.
    named : int, optional
        How many pictures the set names, those with problems too; None: as many as there are
        examples.
    replaced : tuple of str
        The pictures that an earlier one of several sets labels otherwise.
    notes : tuple of str
        What was assumed when it was read, as sentences.
    """

    source: str
    examples: list[Example]
    groups: tuple[Group, ...]
    gone: int | None = None
    problems: tuple[Problem, ...] = ()
    folded: tuple[Folded, ...] = ()
    named: int | None = None
    replaced: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def vocabulary(self, *, since: str = "", min_pictures: int = 1) -> Vocabulary:
        """Return a new vocabulary of all labels that have enough pictures, by group, then by name.

        Raises
        ------
        DatasetError
            If there are fewer than two labels.
        """
        counts = Counter(key for example in self.examples for key in example.present)
        keys = in_column_order((key for key, n in counts.items() if n >= min_pictures), self.groups)
        if len(keys) < 2:
            named = ", ".join(f"{group}:{name}" for group, name in keys) or "none"
            floor = f" with {min_pictures} pictures" if min_pictures > 1 else ""
            raise DatasetError(
                f"{self.source}: {len(keys)} label{floor} ({named}); training needs at least two "
                "to tell apart"
            )
        return Vocabulary.build(self.groups, keys, since=since)

    def targets(self, vocabulary: Vocabulary) -> Float32Array:
        """Return float32 (n_pictures, n_labels): 1 present, 0 absent, NaN unknown.

        A label outside the vocabulary, or a retired one, makes its whole group unknown for that
        picture: "pants" may well be jeans. Labels that were asked for one by one are known all the
        same.
        """
        column = {(x.group, x.name): i for i, x in enumerate(vocabulary.labels) if not x.retired}
        members = {group.name: vocabulary.members(group.name) for group in vocabulary.groups}
        targets = np.full((len(self.examples), len(vocabulary)), np.nan, np.float32)
        for row, example in zip(targets, self.examples, strict=True):
            as_a_whole = example.present - example.single.keys()
            strange = {key[0] for key in as_a_whole if key not in column}
            for group in example.known - strange:
                row[members.get(group, [])] = 0
            for key in as_a_whole:
                if key[0] not in strange:
                    row[column[key]] = 1
            for key, shows in example.single.items():
                if key in column:
                    row[column[key]] = np.nan if shows is None else shows
        return targets

    def showing_none(self) -> dict[str, int]:
        """Return how many pictures are said to show none of a group's labels, where some show one.

        A row of a table with one column for all labels says so of each group that it does not name.
        """
        found = {}
        for group in self.groups:
            known = [each for each in self.examples if group.name in each.known]
            shown = sum(any(key[0] == group.name for key in each.present) for each in known)
            if 0 < shown < len(known):
                found[group.name] = len(known) - shown
        return found

    def strangers(self, vocabulary: Vocabulary) -> Counter[str]:
        """Return how many pictures have each label that `vocabulary` does not have."""
        column = {(x.group, x.name) for x in vocabulary.labels}
        return Counter(
            f"{g}:{n}"
            for example in self.examples
            for g, n in example.present
            if (g, n) not in column
        )

    def counts(self) -> tuple[Counter[str], Counter[str]]:
        """Return pictures per label, `group:name`, and per pair, `group:name + group:name`."""
        order = [group.name for group in self.groups]
        singles: Counter[str] = Counter()
        pairs: Counter[str] = Counter()
        for example in self.examples:
            keys = [
                f"{g}:{n}"
                for g, n in sorted(example.present, key=lambda key: (order.index(key[0]), key[1]))
            ]
            singles.update(keys)
            pairs.update(" + ".join(pair) for pair in combinations(keys, 2))
        return singles, pairs
