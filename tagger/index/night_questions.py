"""What two nights both answer, and what the models of each answered."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.corrections import Correction
from schemas.index import Part
from tagger.arrays import Int16Array
from tagger.index.corrected_rows import Models, labels_of_models
from tagger.index.model_answers import group_answers, label_answers
from tagger.index.snapshots import Snapshot
from tagger.labels.vocabulary import LabelKey

_FACTS = ["status", "content_sha256", "model_id"]


class Asked(NamedTuple):
    """What the rows of both nights answer.

    Attributes
    ----------
    group : str
    label : str or None
        One label of a group with any number of them; None for an exclusive group as a whole.
    names : tuple of str
        The labels that may be answered.
    shared : tuple of str
        Those of them that both nights know.
    """

    group: str
    label: str | None
    names: tuple[str, ...]
    shared: tuple[str, ...]

    def place_of(self, word: Correction) -> int | None:
        """Return a person's answer as a place in `names`, -1 for none; None if it is one that not
        both nights could give."""
        if word.answer in ("none", "is_not"):
            return -1
        if word.answer == "is" and word.label in self.shared:
            return self.names.index(word.label)
        return None

    def places_of(self, keys: Sequence[LabelKey]) -> list[int]:
        """Return the places in `names` of those of some labels that may be answered."""
        return [self.names.index(name) for group, name in keys if self._may_answer(group, name)]

    def _may_answer(self, group: str, name: str) -> bool:
        return group == self.group and name in self.names


class NightSide:
    """One of the two nights, with the labels of its models.

    Parameters
    ----------
    snapshot : Snapshot
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.models: Models = labels_of_models(snapshot.labels())
        self.exclusive = snapshot.manifest.groups
        schema = snapshot.schema()
        self._columns = set(schema.names if schema is not None else [])

    @property
    def known(self) -> list[LabelKey]:
        """Return the labels that the night's own model answers."""
        own = self.models.get(self.snapshot.manifest.model_id, [])
        return [label.key for label in own if not label.retired]

    def not_known_to(self, other: "NightSide") -> list[LabelKey]:
        """Return the labels that this night knows and the other one does not."""
        theirs = set(other.known)
        return [key for key in self.known if key not in theirs]

    def read(
        self, parts: Sequence[Part], asked: Sequence[Asked], also: Sequence[str] = ()
    ) -> pa.Table:
        """Return the columns of some parts that answers follow from, and others.

        Raises
        ------
        StoreError
            If a part is missing or damaged.
        """
        groups = dict.fromkeys(one.group for one in asked if one.group in self.exclusive)
        columns = [*_FACTS, *also, *groups]
        columns += ["overruled"] if "overruled" in self._columns else []
        keys = {(one.group, one.label) for one in asked}
        scores = {
            label.column
            for labels in self.models.values()
            for label in labels
            if label.key in keys
            and label.group not in self.exclusive
            and label.column in self._columns
        }
        tables = [self.snapshot.read(part.file, columns + sorted(scores)) for part in parts]
        if not tables:
            schema = self.snapshot.schema() or pa.schema([(name, pa.string()) for name in columns])
            return schema.empty_table().select(columns)
        return pa.concat_tables(tables).combine_chunks()

    def answers(self, rows: pa.Table, asked: Sequence[Asked]) -> Int16Array:
        """Return int16 (k, n): the models' own answer to each question, -1 for none."""
        found = np.full((len(asked), len(rows)), -1, np.int16)
        for answer, one in zip(found, asked, strict=True):
            if not len(rows):
                continue
            if one.label is None:
                names = pa.array(one.names, pa.string())
                places = pc.index_in(group_answers(rows, one.group), value_set=names)
                answer[:] = pc.fill_null(places, -1).to_numpy()
            elif one.group in self.exclusive:
                own = group_answers(rows, one.group)
                answer[np.array(pc.fill_null(pc.equal(own, one.label), False), bool)] = 0
            else:
                answer[label_answers(rows, self.models, one.group, one.label)] = 0
        return found


def asked_of(a: NightSide, b: NightSide) -> list[Asked]:
    """Return what both nights answer: groups that are exclusive in both, and other labels one by
    one, also of groups that are exclusive in one night alone."""
    ours = a.known
    theirs = set(b.known)
    found = []
    for group in dict.fromkeys(group for group, _ in ours):
        shared = tuple(name for at, name in ours if at == group and (group, name) in theirs)
        if not shared:
            continue
        if group in a.exclusive and group in b.exclusive:
            names = tuple(dict.fromkeys(_ever(a, group) + _ever(b, group)))
            found.append(Asked(group, None, names, shared))
        else:
            found += [Asked(group, name, (name,), (name,)) for name in shared]
    return found


def _ever(night: NightSide, group: str) -> list[str]:
    """Return the labels of a group that any model of the night knows: old rows may answer them."""
    return [
        label.name for labels in night.models.values() for label in labels if label.group == group
    ]
