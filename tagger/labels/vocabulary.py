"""The vocabulary: ordered, append-only labels in named groups.

A label's index is its column, everywhere.
"""

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self, cast

import msgspec

from schemas.evidence import Source
from schemas.record import parse
from schemas.rows import FIXED_COLUMNS, MODEL_COLUMNS, NIGHT_COLUMNS, TAGS_COLUMNS
from schemas.vocabulary import (
    RESERVED_GROUP_NAMES,
    UNGROUPED,
    Evidence,
    GroupEntry,
    LabelEntry,
    VocabularyFile,
)
from tagger.errors import VocabularyError
from tagger.labels.columns import new_column
from tagger.labels.evidence_words import EVIDENCE_OF, kind_of_name
from tagger.labels.folding import folded
from tagger.settings import setting

_FIXED = (*FIXED_COLUMNS, *TAGS_COLUMNS, *MODEL_COLUMNS, *NIGHT_COLUMNS)
_UNSEEN = "\u200b\u200c\u200d\u2060\ufeff"
"""Marks without width, which spreadsheets and web pages leave around words."""

_SHAPE = (
    'at least: {"groups": [{"name": "color"}], "labels": [{"group": "color", "name": "red"}]}; '
    "exclusive is true or false, retired true or false, since text, splits a list of text"
)


SAID = "because you said so"
"""Why a group is judged by what a person wrote."""

LabelKey = tuple[str, str]
"""A label as (group, name)."""


@dataclass(frozen=True)
class Group:
    """A named set of labels and what it is judged by (see `schemas.vocabulary`).

    Attributes
    ----------
    name : str
    exclusive : bool
    evidence : Evidence
    source : Source
        What decided the evidence (see `schemas.evidence`); groups that differ in it are the same.
    why : str
        The same in words.
    """

    name: str
    exclusive: bool = True
    evidence: Evidence = "both"
    source: Source = field(default="said", compare=False)
    why: str = field(default=SAID, compare=False)


@dataclass(frozen=True)
class Label:
    """One label.

    Attributes
    ----------
    group, name : str
    column : str
        Its score column, fixed when it is added.
    since : str
        The bundle that first had it.
    retired : bool
        Whether nothing answers it any more.
    splits : tuple of str
        What older pictures may have called it.
    """

    group: str
    name: str
    column: str
    since: str = ""
    retired: bool = False
    splits: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return `group:name`."""
        return f"{self.group}:{self.name}"


@dataclass(frozen=True)
class Vocabulary:
    """Groups, and labels in column order.

    Examples
    --------
    >>> groups = parse_groups("color,garment")
    >>> v = Vocabulary.build(groups, [("color", "red"), ("garment", "dress")])
    >>> [label.column for label in v.extend([("color", "Navy Blue")]).labels]
    ['score_red', 'score_dress', 'score_navy_blue']
    """

    groups: tuple[Group, ...]
    labels: tuple[Label, ...]

    def __post_init__(self) -> None:
        _check(self.groups, self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def build(cls, groups: Iterable[Group], keys: Iterable[LabelKey], *, since: str = "") -> Self:
        """Return a new vocabulary of `(group, name)` keys, in the order given."""
        return cls(tuple(groups), ()).extend(keys, since=since)

    def extend(
        self,
        keys: Iterable[LabelKey],
        *,
        since: str = "",
        splits: Mapping[LabelKey, tuple[str, ...]] | None = None,
    ) -> Self:
        """Return the vocabulary with `(group, name)` keys it does not have appended; nothing moves.

        `splits` says of new keys from which older names of their group they are split.

        Raises
        ------
        VocabularyError
            For a group it does not have, or two names that differ only in case, blanks, hyphens and
            underscores.
        """
        labels = list(self.labels)
        known = {(label.group, canonical_name(label.name)) for label in labels}
        taken = {label.column for label in labels} | set(_answer_columns(self.groups))
        for group, name in ((group, canonical_name(name)) for group, name in keys):
            if (group, name) not in known:
                of_it = (splits or {}).get((group, name), ())
                labels.append(
                    Label(group, name, new_column(group, name, taken), since, splits=of_it)
                )
                known.add((group, name))
                taken.add(labels[-1].column)
        return type(self)(self.groups, tuple(labels))

    def canonical(self) -> Self:
        """Return the vocabulary with all names as labels are compared, see `canonical_name`."""
        labels = (
            replace(x, name=canonical_name(x.name), splits=tuple(map(canonical_name, x.splits)))
            for x in self.labels
        )
        return type(self)(self.groups, tuple(labels))

    def born(self, since: str) -> Self:
        """Return the vocabulary with `since` on all labels that have none."""
        return type(self)(
            self.groups, tuple(replace(x, since=x.since or since) for x in self.labels)
        )

    def retire(self, keys: Iterable[LabelKey]) -> Self:
        """Return the vocabulary with these labels retired: columns stay, nothing answers them."""
        gone = set(keys)
        labels = (replace(x, retired=x.retired or (x.group, x.name) in gone) for x in self.labels)
        return type(self)(self.groups, tuple(labels))

    def index(self, group: str, name: str) -> int | None:
        """Return the column index of a label, or None."""
        return next(
            (i for i, x in enumerate(self.labels) if (x.group, x.name) == (group, name)), None
        )

    def split_from(self, old: Label) -> list[int]:
        """Return the column indices of the labels that were split from `old`."""
        return [
            i for i, x in enumerate(self.labels) if x.group == old.group and old.name in x.splits
        ]

    def group(self, name: str) -> Group:
        """Return the group called `name`."""
        return next(group for group in self.groups if group.name == name)

    def members(self, group: str) -> list[int]:
        """Return the column indices of a group's labels, retired ones left out."""
        return [i for i, x in enumerate(self.labels) if x.group == group and not x.retired]

    @property
    def groups_without_labels(self) -> list[str]:
        """Return the names of the groups that have no label, or none that is not retired."""
        return [group.name for group in self.groups if not self.members(group.name)]

    @property
    def exclusive_groups(self) -> list[Group]:
        """Return the groups that get an answer column; a group without labels has none."""
        return [group for group in self.groups if group.exclusive and self.members(group.name)]

    def to_record(self) -> VocabularyFile:
        """Return the content of vocabulary.json."""
        return VocabularyFile(
            groups=[
                GroupEntry(name=group.name, exclusive=group.exclusive, evidence=group.evidence)
                for group in self.groups
            ],
            labels=[_entry(label) for label in self.labels],
        )

    @classmethod
    def from_record(cls, record: VocabularyFile) -> Self:
        """Return the vocabulary that a vocabulary.json stands for, with what was left out.

        Raises
        ------
        VocabularyError
            If its groups and labels contradict each other.
        """
        groups = tuple(
            _group(group.name, exclusive=group.exclusive, evidence=group.evidence)
            for group in record.groups
        )
        vocabulary = cls(groups, ())
        for entry in record.labels:
            vocabulary = cls(groups, (*vocabulary.labels, vocabulary._label(entry)))
        return vocabulary

    @classmethod
    def parse(cls, text: str | bytes, *, source: str = "vocabulary") -> Self:
        """Return the vocabulary in the text of a vocabulary.json.

        Raises
        ------
        VocabularyError
            Naming `source` and what is wrong with it.
        """
        try:
            return cls.from_record(parse(text, VocabularyFile))
        except ValueError as error:
            raise VocabularyError(
                f"{source} cannot be read as a vocabulary: {error}; {_SHAPE}"
            ) from error

    def _label(self, entry: LabelEntry) -> Label:
        """Return the next label after those here; one without a column gets its own."""
        column = entry.column
        if column is None:
            column = self.extend([(entry.group, entry.name)]).labels[-1].column
        return Label(
            entry.group,
            entry.name,
            column,
            entry.since,
            retired=entry.retired,
            splits=tuple(entry.splits),
        )

    def digest(self) -> str:
        """Return the sha256 of the canonical JSON."""
        content = msgspec.to_builtins(self.to_record())
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def match_tokens(self, folder: str) -> list[LabelKey] | None:
        """Return the labels that a folder name spells, or None if it does not parse.

        The longest match is taken first. A label's own underscores, spaces and hyphens are all the
        same here, and so is case, so `Navy_blue_rain_coat` is `navy blue` and `rain-coat`. A name
        in several groups goes to the first group without a label so far.
        """
        words = _words(canonical_name(folder))
        spelled: dict[tuple[str, ...], list[Label]] = {}
        for label in self.labels:  # retired ones too: their folders are still there
            spelled.setdefault(_words(label.name), []).append(label)
        longest = max(map(len, spelled), default=0)
        found: list[LabelKey] = []
        while words:
            taken = {group for group, _ in found if self.group(group).exclusive}
            for n in range(min(longest, len(words)), 0, -1):
                free = [label for label in spelled.get(words[:n], []) if label.group not in taken]
                if free:
                    found.append((free[0].group, free[0].name))
                    words = words[n:]
                    break
            else:
                return None
        return found


def parse_groups(text: str) -> list[Group]:
    """Return the groups in `NAME[:pixels|:shape|:texture|:both][+],...`; `+` means not exclusive.

    Raises
    ------
    VocabularyError
        If the text is not of that form.
    """
    groups = []
    for item in text.split(","):
        match = re.fullmatch(r"\s*([a-z][a-z0-9_]*)(?::(pixels|shape|texture|both))?(\+?)\s*", item)
        if not match:
            raise VocabularyError(
                f"{setting('groups')} {text!r}: {item!r} is not "
                "NAME[:pixels|:shape|:texture|:both][+], lower case"
            )
        name, evidence, plus = match.groups()
        said = cast(Evidence | None, evidence)
        groups.append(_group(name, exclusive=not plus, evidence=said))
    return groups


def default_groups() -> list[Group]:
    """Return the one group of labels that were given none."""
    return [_group(UNGROUPED, exclusive=False, evidence=None)]


def in_column_order(keys: Iterable[LabelKey], groups: Sequence[Group]) -> list[LabelKey]:
    """Return distinct keys by group order, then by name: the column order of a new vocabulary."""
    order = {group.name: i for i, group in enumerate(groups)}
    return sorted(set(keys), key=lambda key: (order[key[0]], key[1]))


def label_key(text: str) -> LabelKey:
    """Return the canonical `(group, name)` of `GROUP:LABEL`; without a colon the name is empty.

    >>> label_key("color: Navy ")
    ('color', 'Navy')
    """
    group, _, name = text.partition(":")
    return canonical_name(group), canonical_name(name)


def canonical_name(text: str) -> str:
    """Return a label's name as it is compared.

    Its letters are composed (NFC), and nothing that cannot be seen is around it.

    >>> canonical_name(" rose\u0301 ")
    'rosé'
    """
    return unicodedata.normalize("NFC", text).strip().strip(_UNSEEN).strip()


def _entry(label: Label) -> LabelEntry:
    return LabelEntry(
        group=label.group,
        name=label.name,
        column=label.column,
        since=label.since,
        retired=label.retired,
        splits=list(label.splits),
    )


def _group(name: str, *, exclusive: bool, evidence: Evidence | None) -> Group:
    """Return a group; where nobody said what it is judged by, its name may."""
    if evidence is not None:
        return Group(name, exclusive, evidence)
    if (kind := kind_of_name(name)) is None:
        return Group(name, exclusive, source="nothing", why="since nothing says otherwise")
    why = f"because its name is a word for {kind}s"
    return Group(name, exclusive, EVIDENCE_OF[kind], "group name", why)


def _words(name: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[_\s-]+", folded(name)) if word)


def _check(groups: Sequence[Group], labels: Sequence[Label]) -> None:
    """Raise VocabularyError if groups or labels contradict each other."""
    names = [group.name for group in groups]
    for name in names:
        _check_group_name(name)
    if len(set(names)) != len(names):
        raise VocabularyError(f"groups {names}: a name is there twice")
    _check_labels(labels, names)
    answers = _answer_columns(groups)
    columns = [*_FIXED, *answers, *(label.column for label in labels)]
    if twice := sorted(column for column, n in Counter(columns).items() if n > 1):
        raise VocabularyError(f"columns {twice} would be there twice; rename the group or label")


def _alike(name: str) -> str:
    """Return what two names of one label have in common."""
    return re.sub(r"[\s_-]+", " ", name.lower()).strip()


def _answer_columns(groups: Iterable[Group]) -> list[str]:
    return [
        column
        for group in groups
        if group.exclusive
        for column in (group.name, f"{group.name}_score")
    ]


def _check_group_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise VocabularyError(f"group {name!r}: a name is [a-z][a-z0-9_]*")
    if name in (*RESERVED_GROUP_NAMES, *_FIXED):
        raise VocabularyError(
            f"group {name!r}: this name is a fixed column or output; choose another"
        )


def _check_labels(labels: Sequence[Label], groups: Sequence[str]) -> None:
    seen: dict[LabelKey, str] = {}
    for label in labels:
        if label.group not in groups:
            raise VocabularyError(f"label {label.key!r}: no such group; there are {groups}")
        if not canonical_name(label.name):
            raise VocabularyError(f"a label of {label.group} has no name; give it one")
        if not re.fullmatch(r"score_[a-z0-9_]+", label.column):
            raise VocabularyError(
                f"label {label.key!r}: column {label.column!r} is not score_<slug>"
            )
        key = (label.group, _alike(label.name))
        if key in seen:
            raise VocabularyError(
                f"labels {seen[key]!r} and {label.name!r} of {label.group} collide: they differ "
                "only in case, blanks, hyphens or underscores; rename one"
            )
        seen[key] = label.name
