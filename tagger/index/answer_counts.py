"""How many rows of a night have each answer: small enough to be kept when its snapshot is gone."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.runs import AnswerCounts, AnswerRows, UnlikeRows
from tagger.arrays import BoolArray
from tagger.index.corrected_rows import Models
from tagger.index.model_answers import label_answers
from tagger.labels.unlikeness import LIMIT

UNLIKENESS = "unlikeness"
"""The column, of rows of this version."""
Key = tuple[str, str | None]
"""A group and one of its labels; None is the answer none of an exclusive group."""


class AnswerCounter:
    """Counts the answers of rows, table by table.

    Parameters
    ----------
    exclusive : sequence of str
        The exclusive groups.
    models : Models
        The labels of each model that rows name.
    """

    def __init__(self, exclusive: Sequence[str], models: Models) -> None:
        self._exclusive = list(exclusive)
        self._models = models
        self._keys = list(dict.fromkeys(x.key for own in models.values() for x in own))
        named = Counter(name for _, name in self._keys)
        others = [key for key in self._keys if key[0] not in self._exclusive]
        # Tags are bare names: they say whose they are only where no other group has the name too.
        self._tags = {name: (group, name) for group, name in others if named[name] == 1}
        self._by_scores = [key for key in others if named[key[1]] > 1]
        self._rows = Counter[Key]()
        self._arrived = Counter[Key]()
        self._gone = Counter[Key]()
        self._totals = [0, 0, 0]
        self._unlike = Counter[str]()

    def columns(self, schema: pa.Schema | None) -> list[str]:
        """Return the columns that rows need, of those that the parts of a snapshot have."""
        scores = {
            label.column
            for own in self._models.values()
            for label in own
            if label.key in self._by_scores
        }
        wanted = ["status", "model_id", "tags", UNLIKENESS, *self._exclusive, *sorted(scores)]
        return [name for name in wanted if schema is None or name in schema.names]

    def add(self, rows: pa.Table, arrived: BoolArray | None = None) -> None:
        """Count rows; those that are not ok answer nothing.

        Parameters
        ----------
        arrived : bool (n,), optional
            Rows whose picture is new or has other bytes than before; by default none.
        """
        ok = pc.equal(rows["status"], "ok")
        self._totals[0] += self._count(rows.filter(ok), self._rows)
        self._count_unlike(rows, arrived)
        if arrived is not None and arrived.any():
            self._totals[1] += self._count(rows.filter(pc.and_(ok, arrived)), self._arrived)

    def add_gone(self, rows: pa.Table) -> None:
        """Count rows of the night before that are not there any more."""
        self._totals[2] += self._count(rows.filter(pc.equal(rows["status"], "ok")), self._gone)

    def _count(self, rows: pa.Table, counts: Counter[Key]) -> int:
        for group in self._exclusive:
            for answer in rows[group].value_counts().to_pylist():
                counts[group, answer["values"]] += answer["counts"]
        for tag in pc.value_counts(pc.list_flatten(rows["tags"])).to_pylist():
            if tag["values"] in self._tags:
                counts[self._tags[tag["values"]]] += tag["counts"]
        for group, name in self._by_scores:
            # The models' answers: in such a group, what persons said is told apart by nothing.
            holds = label_answers(rows, self._models, group, name)
            counts[group, name] += int(np.count_nonzero(holds))
        return len(rows)

    def _count_unlike(self, rows: pa.Table, arrived: BoolArray | None) -> None:
        if UNLIKENESS not in rows.column_names:  # of an earlier version
            return
        far = rows[UNLIKENESS].to_numpy()  # (n,), NaN where there is none
        came = np.zeros(len(rows), bool) if arrived is None else arrived
        known = ~np.isnan(far)
        beyond = far > LIMIT
        masks = {
            "rows": beyond,
            "of": known,
            "arrived": beyond & came,
            "of_arrived": known & came,
        }
        self._unlike.update({name: int(np.count_nonzero(mask)) for name, mask in masks.items()})

    def record(self, model_id: str) -> AnswerCounts:
        """Return the counts, of the labels of a model and of none."""
        own: list[Key] = [label.key for label in self._models[model_id] if not label.retired]
        keys = own + [(group, None) for group in self._exclusive]
        return AnswerCounts(
            rows=self._totals[0],
            arrived=self._totals[1],
            gone=self._totals[2],
            unlike=UnlikeRows(**self._unlike) if self._unlike["of"] else None,
            answers=[
                AnswerRows(
                    group=group,
                    label=label,
                    rows=self._rows[group, label],
                    arrived=self._arrived[group, label],
                    gone=self._gone[group, label],
                )
                for group, label in keys
            ],
        )
