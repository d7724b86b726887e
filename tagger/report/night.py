"""What a night answers and what failed, read part by part in one go: a part and a few pictures of
each answer are in memory, never the night."""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.index import CHANGES_FILE
from schemas.runs import AnswerCounts
from tagger.arrays import BoolArray, Float64Array, Int64Array
from tagger.index.answer_counts import UNLIKENESS, AnswerCounter, Key
from tagger.index.corrected_rows import labels_of_models
from tagger.index.night_labels import MISSING, SCALE, NightLabels
from tagger.index.own_answers import as_stored, own_answers, places_in
from tagger.index.snapshots import Snapshot
from tagger.labels.unlikeness import LIMIT
from tagger.report.drawn import Drawn, Picture

PICTURES = 8
"""Of each answer."""
LEAST_SURE = 12
"""Of each group."""
UNLIKE = 12
_CANDIDATES = 100
"""Least sure rows of which persons may have spoken since: so many are looked at."""
FIRST = 10
"""Pictures that are named of each status."""


class Failed(NamedTuple):
    """Pictures of one status that is not ok.

    Attributes
    ----------
    status : str
    rows, tonight : int
        How many there are; how many of them this night changed.
    first : list of (str, str, bool)
        Of ten of them image_id, the reason, and whether this night changed it: those first.
    """

    status: str
    rows: int
    tonight: int
    first: list[tuple[str, str, bool]]


class LeastSure(NamedTuple):
    """A row and its answer.

    Attributes
    ----------
    sure : float
        How sure the model is of it.
    answer : str or None
    """

    sure: float
    answer: str | None
    picture: Picture


class ReadNight(NamedTuple):
    """What one reading of a night gave.

    Attributes
    ----------
    counts : AnswerCounts
        Its `arrived` are not known from the rows, and 0.
    examples, changed : dict of Key to list of Picture
        Pictures of each answer, drawn at random: of all rows, and of those that the night changed.
    least_sure : dict of str to list of LeastSure
        Exclusive group to those of its answers that the models are least sure of.
    failed : list of Failed
        The most frequent status first.
    corrected : int
        Rows in which a person answers something.
    unlike : list of (float, Picture)
        The pictures that are most unlike what the model was trained on, beyond the limit alone,
        each with its unlikeness.
    """

    counts: AnswerCounts
    examples: dict[Key, list[Picture]]
    changed: dict[Key, list[Picture]]
    least_sure: dict[str, list[LeastSure]]
    failed: list[Failed]
    corrected: int
    unlike: list[tuple[float, Picture]]


def read_night(snapshot: Snapshot) -> ReadNight:
    """Return what a report shows of the rows of a night.

    Raises
    ------
    StoreError
        If a file is missing or damaged.
    """
    reader = _Reader(snapshot, NightLabels(snapshot))
    for file, rows in _tables(snapshot, reader.columns()):
        try:
            reader.take(rows)
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise snapshot.damaged(file, error) from error
    return reader.read()


def _upserted(snapshot: Snapshot) -> pa.Array:
    """Return the image_ids, large_string, of the rows that a night added or changed."""
    changes = snapshot.read(CHANGES_FILE, ["image_id", "op"])
    ids = changes.filter(pc.equal(changes["op"], "upsert"))["image_id"]
    return ids.cast(pa.large_string()).combine_chunks()


def _tables(snapshot: Snapshot, columns: list[str]) -> Iterator[tuple[str, pa.Table]]:
    for part in snapshot.manifest.parts:
        yield part.file, snapshot.read(part.file, columns)


class _Reader:
    """What was gathered from the parts so far."""

    def __init__(self, snapshot: Snapshot, labels: NightLabels) -> None:
        self._snapshot = snapshot
        self._labels = labels
        models = labels_of_models(snapshot.labels())
        self._counter = AnswerCounter(labels.exclusive, models)
        self._upserted = ids = _upserted(snapshot)
        # Where everything changed, as in a first night, one picture is as good as another.
        self._changed_ids = ids if 2 * len(ids) < snapshot.manifest.rows else None
        self._random = np.random.default_rng(list(snapshot.path.name.encode()))
        self._examples: dict[Key, Drawn] = defaultdict(lambda: Drawn(PICTURES))
        self._changed: dict[Key, Drawn] = defaultdict(lambda: Drawn(PICTURES))
        self._least: dict[str, list[LeastSure]] = {group: [] for group in labels.exclusive}
        self._failed = [_FAILED.empty_table()]
        self._corrected = 0
        self._unlike: list[tuple[float, Picture]] = []

    def columns(self) -> list[str]:
        """Return the columns that are read."""
        schema = self._snapshot.schema()
        there = [] if schema is None else schema.names
        answers = [name for group in self._labels.exclusive for name in (group, f"{group}_score")]
        wanted = [
            *("image_id", "status", "error", "content_sha256", "model_id"),
            *("tags", "corrected", "overruled"),
            *answers,
            *(label.column for label in self._labels.all if label.exclusive),
            *self._counter.columns(schema),
        ]
        optional = ("corrected", "overruled")
        return [x for x in dict.fromkeys(wanted) if x in there or x not in optional]

    def take(self, rows: pa.Table) -> None:
        """Gather from the rows of a part."""
        self._counter.add(rows)
        if "corrected" in rows.column_names:
            self._corrected += len(rows) - rows["corrected"].null_count
        changed = self._changed_of(rows)
        ok = np.asarray(pc.equal(rows["status"], "ok").to_numpy(), bool)
        self._failed.append(rows.select(_FAILED.names).filter(pa.array(~ok)).cast(_FAILED))
        keys = self._random.random(len(rows))
        keys[~ok] = np.inf
        for key, having in self._having(rows, ok):
            self._examples[key].offer(rows, _least(having, keys), keys)
            self._changed[key].offer(rows, _least(having[changed[having]], keys), keys)
        self._take_least_sure(rows, ok)
        self._take_unlike(rows)

    def _changed_of(self, rows: pa.Table) -> BoolArray:
        if self._changed_ids is None:
            return np.ones(len(rows), bool)
        ids = rows["image_id"].cast(pa.large_string())
        return np.asarray(pc.is_in(ids, value_set=self._changed_ids).to_numpy(), bool)

    def _having(self, rows: pa.Table, ok: BoolArray) -> Iterator[tuple[Key, Int64Array]]:
        """Yield every answer that rows have, with the rows that have it."""
        for group in self._labels.exclusive:
            names = self._labels.names[group]
            answers = places_in(rows[group], names)
            for answer in np.unique(answers[ok]).tolist():
                label = None if answer < 0 else names[answer]
                yield (group, label), np.flatnonzero((answers == answer) & ok)
        parents, tags = _flat(rows["tags"])
        for label in self._labels.all:
            if label.exclusive or label.retired:
                continue
            having = parents[np.asarray(pc.equal(tags, label.name).to_numpy(False), bool)]
            yield (label.group, label.name), having[ok[having]]

    def _take_unlike(self, rows: pa.Table) -> None:
        """Take the rows of a part that are most unlike what the model was trained on."""
        if UNLIKENESS not in rows.column_names:
            return
        far = np.nan_to_num(rows[UNLIKENESS].to_numpy(), nan=-np.inf)
        most = np.argsort(-far, kind="stable")[:UNLIKE]
        most = most[far[most] > LIMIT]
        pictures = rows.select(["image_id", "content_sha256"]).take(pa.array(most)).to_pylist()
        self._unlike += [
            (value, Picture(**picture))
            for value, picture in zip(far[most].tolist(), pictures, strict=True)
        ]
        self._unlike.sort(key=lambda each: (-each[0], each[1].image_id))
        del self._unlike[UNLIKE:]

    def _take_least_sure(self, rows: pa.Table, ok: BoolArray) -> None:
        """Take the rows of a part that models are least sure of, by `tagger.index.own_answers`."""
        labels = self._labels
        model = np.where(ok, places_in(rows["model_id"], labels.models), 0)
        for group in labels.exclusive:
            members = labels.members(group)
            scores = np.array([as_stored(rows[labels.all[i].column]) for i in members])
            own = own_answers(rows, labels, group, ok=ok, model=model, scores=scores)
            sure = np.where(_spoken(rows, group), MISSING, own.sure)
            least = np.argsort(sure, kind="stable")[:_CANDIDATES]
            least = least[sure[least] != MISSING]
            pictures = rows.select(["image_id", "content_sha256"]).take(pa.array(least))
            names = [*labels.names[group], None]
            self._least[group] += [
                LeastSure(int(sure[at]) / SCALE, names[own.answer[at]], Picture(**picture))
                for at, picture in zip(least.tolist(), pictures.to_pylist(), strict=True)
            ]
            self._least[group].sort(key=lambda each: (each.sure, each.picture.image_id))
            del self._least[group][_CANDIDATES:]

    def read(self) -> ReadNight:
        """Return what was gathered."""
        return ReadNight(
            counts=self._counter.record(self._snapshot.manifest.model_id),
            examples={key: drawn.pictures() for key, drawn in self._examples.items()},
            changed={key: drawn.pictures() for key, drawn in self._changed.items()},
            least_sure=self._least,
            failed=_by_status(pa.concat_tables(self._failed), self._upserted),
            corrected=self._corrected,
            unlike=self._unlike,
        )


def _least(rows: Int64Array, keys: Float64Array) -> Int64Array:
    """Return the few of these rows whose keys are smallest, in the order of their keys."""
    few = rows
    if len(rows) > PICTURES:
        few = rows[np.argpartition(keys[rows], PICTURES)[:PICTURES]]
    return few[np.argsort(keys[few])]


_FAILED = pa.schema(
    [
        ("status", pa.string()),
        ("image_id", pa.large_string()),
        ("error", pa.large_string()),
    ]
)


def _by_status(failed: pa.Table, upserted: pa.Array) -> list[Failed]:
    changed = pc.is_in(failed["image_id"], value_set=upserted)
    failed = failed.append_column("changed", changed)
    found = []
    for counted in failed["status"].value_counts().to_pylist():
        mine = failed.filter(pc.equal(failed["status"], counted["values"]))
        first = mine.sort_by([("changed", "descending"), ("image_id", "ascending")])[:FIRST]
        found.append(
            Failed(
                counted["values"],
                counted["counts"],
                int(pc.sum(mine["changed"]).as_py() or 0),
                [(r["image_id"], r["error"] or "", r["changed"]) for r in first.to_pylist()],
            )
        )
    return sorted(found, key=lambda each: -each.rows)


def _spoken(rows: pa.Table, group: str) -> BoolArray:
    """Return bool (n,): rows in which a person answers for a group."""
    if "corrected" not in rows.column_names:
        return np.zeros(len(rows), bool)
    parents, words = _flat(rows["corrected"])
    spoken = np.zeros(len(rows), bool)
    spoken[parents[np.asarray(pc.equal(words, group).to_numpy(False), bool)]] = True
    return spoken


def _flat(column: pa.ChunkedArray) -> tuple[Int64Array, pa.Array]:
    """Return the rows that the elements of lists are of, int64, and the elements."""
    lists = pa.concat_arrays([pa.array([], column.type), *column.chunks])
    return np.asarray(pc.list_parent_indices(lists).to_numpy(), np.int64), pc.list_flatten(lists)
