"""Rows with persons' answers in place of the model's. Tables in, tables out; touches no file.

A person's answer stands for an exclusive group, or for one label of another group. The scores stay
the model's, and its own answers are kept as overruled: so what a person takes back leaves no trace.
(They could be made of the scores again, but not well: of two scores near 1 their four decimals may
leave open which is the answer.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.corrections import Correction
from tagger.arrays import BoolArray, Int64Array
from tagger.index.corrections import InForce, Question

Row = Mapping[str, Any]
"""A row of the index, column by column."""


class RowLabel(NamedTuple):
    """A label as the rows of a model have it."""

    group: str
    name: str
    column: str
    threshold: float
    retired: bool

    @property
    def key(self) -> tuple[str, str]:
        """The group and the name."""
        return self.group, self.name


Models = Mapping[str, Sequence[RowLabel]]
"""The labels of each model that rows name, in column order."""


def labels_of_models(labels: pa.Table) -> dict[str, list[RowLabel]]:
    """Return the labels of each model in a table of `schemas.index.LABELS`, in column order."""
    models: dict[str, list[RowLabel]] = {}
    for row in labels.to_pylist():
        label = RowLabel(
            row["group"], row["label"], row["column"], row["threshold"], row["retired"]
        )
        models.setdefault(row["model_id"], []).append(label)
    return models


@dataclass(frozen=True)
class Judge:
    """Says who answers for a picture: persons where they spoke, else the model of its row.

    Attributes
    ----------
    words : InForce
        What persons said.
    models : Models
    model_id : str
        The model of the night: a row can answer its labels alone.
    exclusive : sequence of str
        The exclusive groups, in column order.
    """

    words: InForce
    models: Models
    model_id: str
    exclusive: Sequence[str]

    def concerned(self, rows: pa.Table) -> BoolArray:
        """Return bool (n,): rows that persons' answers are in, or may come to be in.

        Needs content_sha256 and corrected.
        """
        said = pc.is_in(rows["content_sha256"].cast(pa.large_string()), value_set=self._contents)
        return np.asarray(pc.or_(said, pc.is_valid(rows["corrected"])).to_numpy(), bool)

    def judged(self, rows: pa.Table) -> pa.Table:
        """Return the rows, in their order, with the answers that stand now."""
        here = self.concerned(rows)
        if not here.any():
            return rows
        old = rows.filter(pa.array(here))
        answers = [self._answers(row) for row in old.to_pylist()]
        places = np.full(len(rows), -1, np.int64)
        places[here] = np.arange(len(old))
        for at, field in enumerate(rows.schema):
            if any(field.name in one for one in answers):
                before = old[field.name].to_pylist()
                new = [one.get(field.name, b) for one, b in zip(answers, before, strict=True)]
                column = _replaced(rows[field.name], here, pa.array(new, field.type), places)
                rows = rows.set_column(at, field, column)
        return rows

    def _answers(self, row: Row) -> dict[str, Any]:
        """Return what a row says now, in the columns that persons' answers decide."""
        if row["status"] != "ok":
            return {"corrected": None, "overruled": None}
        words = self._standing(row["content_sha256"])
        answers: dict[str, Any] = {}
        overruled = []
        for group in self.exclusive:
            answer, score = _by_model(row, group)
            if (group, None) in words:
                overruled.append({"group": group, "answer": answer, "score": score})
                answer, score = self._by_person(words[group, None]), None
            answers |= {group: answer, f"{group}_score": score}
        answers["tags"] = self._tags({**row, **answers}, words)
        answers["corrected"] = self._named(words)
        answers["overruled"] = overruled or None
        return answers

    def _standing(self, content: str) -> dict[Question, Correction]:
        """Return what persons said of a content that a row of tonight's model can answer."""
        return {
            question: said
            for question, said in self.words.of(content).items()
            if self._stands(question, said)
        }

    def _stands(self, question: Question, said: Correction) -> bool:
        group, label = question
        if label is not None:
            return said.answer in ("is", "is_not") and self._is_active(group, label)
        if said.answer == "none" or said.label is None:
            return said.answer == "none"
        # One that the model does not have says that none of its labels is right.
        known = self._tonight.get((group, said.label))
        return said.answer == "is" and (known is None or not known.retired)

    def _by_person(self, said: Correction) -> str | None:
        return said.label if said.label and self._is_active(said.group, said.label) else None

    def _tags(self, row: Row, words: Mapping[Question, Correction]) -> list[str]:
        """Return the tags of a row whose answers are right already, in vocabulary order."""
        own = self.models[row["model_id"]]
        keys = {label.key for label in own}
        younger = [label for label in self._tonight.values() if label.key not in keys]
        return [
            label.name
            for label in [*own, *younger]
            if not label.retired and self._has(row, label, words)
        ]

    def _has(self, row: Row, label: RowLabel, words: Mapping[Question, Correction]) -> bool:
        if label.group in self.exclusive:
            return bool(row[label.group] == label.name)
        said = words.get(label.key)
        if said is not None:
            return said.answer == "is"
        score = row[label.column]
        return score is not None and bool(score >= label.threshold)

    def _named(self, words: Mapping[Question, Correction]) -> list[str] | None:
        """Return the content of the column `corrected`."""
        groups = [group for group in self.exclusive if (group, None) in words]
        labels = [f"{group}:{name}" for group, name in self._tonight if (group, name) in words]
        return [*groups, *labels] or None

    def _is_active(self, group: str, label: str) -> bool:
        found = self._tonight.get((group, label))
        return found is not None and not found.retired

    @cached_property
    def _tonight(self) -> dict[tuple[str, str], RowLabel]:
        return {label.key: label for label in self.models[self.model_id]}

    @cached_property
    def _contents(self) -> pa.Array:
        return pa.array(self.words.contents(), pa.large_string())


def _by_model(row: Row, group: str) -> tuple[str | None, float | None]:
    """Return the model's own answer for a group, and its p(answer)."""
    for one in row["overruled"] or ():
        if one["group"] == group:
            return one["answer"], one["score"]
    return row[group], row[f"{group}_score"]


def _replaced(
    column: pa.ChunkedArray, here: BoolArray, new: pa.Array, places: Int64Array
) -> pa.ChunkedArray:
    """Return a column with `new` at the rows `here`."""
    both = pa.chunked_array([*column.chunks, new], column.type)
    at = np.where(here, len(column) + places, np.arange(len(column)))
    return both.take(pa.array(at))


def words_in(rows: pa.Table) -> list[frozenset[tuple[str, str | None]]]:
    """Return what persons answered in each row: groups with their answers, labels with yes or no.

    Needs the columns corrected, tags, and those of the exclusive groups.
    """
    return [
        frozenset(_word(row, name) for name in row["corrected"] or ()) for row in rows.to_pylist()
    ]


def _word(row: Row, name: str) -> tuple[str, str | None]:
    if name in row:
        return name, row[name]
    label = name.partition(":")[2]
    return name, label if label in row["tags"] else None
