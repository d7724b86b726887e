"""The rows of a night as arrays, read part by part: some 250 bytes a row with 48 labels."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.index import CHANGES_FILE
from schemas.rows import STATUSES, rows_schema
from tagger.arrays import BoolArray
from tagger.index.columns import has_needed_columns
from tagger.index.id_index import IdIndex
from tagger.index.night_labels import MISSING, NightLabels, UInt16Array
from tagger.index.own_answers import as_stored, own_answers, places_in
from tagger.index.snapshots import Snapshot
from tagger.review.contents import ContentIndex, Digests, digests_of

STATUS_NAMES = list(STATUSES)
_OK = STATUS_NAMES.index("ok")
_FACTS = ["image_id", "status", "error", "content_sha256", "width", "height", "model_id"]

Int32Array = npt.NDArray[np.int32]
Int16Array = npt.NDArray[np.int16]
UInt8Array = npt.NDArray[np.uint8]


@dataclass
class NightRows:
    """The rows of a night, in order of image_id.

    Attributes
    ----------
    ids, lowered : pa.LargeStringArray (n,)
        The image_ids, and in small letters.
    place : IdIndex
        Where an image_id is.
    digests : uint64 (n, 4)
    contents : ContentIndex
        Where a content is.
    status : uint8 (n,)
        Place in `STATUS_NAMES`.
    ok, changed : bool (n,)
        `changed`: the night added or changed the row.
    errors : pa.LargeStringArray
        Of the rows that are not ok, in their order.
    width, height : int32 (n,)
        0 is unknown.
    model : int16 (n,)
        Place in `NightLabels.models`; 0 on rows that are not ok.
    scores : uint16 (labels, n)
        Times `SCALE`, or `MISSING`.
    own : int16 (exclusive groups, n)
        What the model answers, as place in `NightLabels.names`; -1 is none, or not ok.
    sure : uint16 (exclusive groups, n)
        How sure it is of that, times `SCALE`; `MISSING` if not ok.
    """

    ids: pa.Array
    lowered: pa.Array
    place: IdIndex
    digests: Digests
    contents: ContentIndex
    status: UInt8Array
    ok: BoolArray
    changed: BoolArray
    errors: pa.Array
    width: Int32Array
    height: Int32Array
    model: Int16Array
    scores: UInt16Array
    own: Int16Array
    sure: UInt16Array

    def __len__(self) -> int:
        return len(self.ids)

    def error(self, place: int) -> str | None:
        """Return why a row is not ok, in words."""
        if self.ok[place]:
            return None
        return str(self.errors[place - int(np.count_nonzero(self.ok[:place]))].as_py())


def load_rows(snapshot: Snapshot, labels: NightLabels) -> NightRows:
    """Return the rows of a snapshot.

    Raises
    ------
    StoreError
        If a part is missing or damaged.
    """
    n = snapshot.manifest.rows
    columns = _Columns(n, labels)
    at = 0
    for file, table in _tables(snapshot, labels):
        try:
            if at + len(table) > n:
                raise ValueError(f"more rows than the {n} of the manifest")
            columns.take(table, slice(at, at + len(table)))
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise snapshot.damaged(file, error) from error
        at += len(table)
        del table  # before the next one is read
    if at != n:
        raise snapshot.damaged("manifest.json", ValueError(f"{n} rows, the parts have {at}"))
    rows = columns.sorted()
    rows.changed = _changed(snapshot, rows)
    pa.default_memory_pool().release_unused()
    return rows


def _tables(snapshot: Snapshot, labels: NightLabels) -> Iterator[tuple[str, pa.Table]]:
    """Yield the name of each part and the columns of it that are held."""
    wanted = rows_schema(labels.exclusive, labels.all)
    answers = [name for group in labels.exclusive for name in (group, f"{group}_score")]
    columns = [*_FACTS, *answers, *(label.column for label in labels.all)]
    schema = snapshot.schema()
    if schema is not None and not has_needed_columns(schema, wanted):
        part = snapshot.manifest.parts[0]
        raise snapshot.damaged(part.file, ValueError("its columns are not those of its labels"))
    if schema is not None and "overruled" in schema.names:
        columns.append("overruled")
    for part in snapshot.manifest.parts:
        yield part.file, snapshot.read(part.file, columns)


class _Columns:
    """The arrays while they are filled, part after part."""

    def __init__(self, n: int, labels: NightLabels) -> None:
        self._labels = labels
        self._ids = [pa.array([], pa.large_string())]
        self._errors = [pa.array([], pa.large_string())]
        groups = len(labels.exclusive)
        self.digests = np.zeros((n, 4), np.uint64)
        self.status = np.zeros(n, np.uint8)
        self.width = np.zeros(n, np.int32)
        self.height = np.zeros(n, np.int32)
        self.model = np.zeros(n, np.int16)
        self.scores = np.empty((len(labels.all), n), np.uint16)
        self.own = np.full((groups, n), -1, np.int16)
        self.sure = np.full((groups, n), MISSING, np.uint16)

    def take(self, table: pa.Table, at: slice) -> None:
        """Fill in the rows of a part.

        Raises
        ------
        ValueError, pa.ArrowException
            If they are not what rows are.
        """
        labels = self._labels
        self._ids.append(_texts(table["image_id"]))
        self._errors.append(_texts(table["error"]))
        self.digests[at] = _digests(table["content_sha256"])
        self.status[at] = places_in(table["status"], STATUS_NAMES)
        if (self.status[at] == np.uint8(255)).any():
            raise ValueError("a row without status")
        self.width[at] = _numbers(table["width"])
        self.height[at] = _numbers(table["height"])
        ok = self.status[at] == _OK
        model = places_in(table["model_id"], labels.models)
        if (ok & (model < 0)).any():
            raise ValueError("a row with scores of no model")
        self.model[at] = np.where(ok, model, 0)
        for i, label in enumerate(labels.all):
            self.scores[i, at] = as_stored(table[label.column])
        for i, group in enumerate(labels.exclusive):
            self._answers(i, group, table, at)

    def _answers(self, i: int, group: str, table: pa.Table, at: slice) -> None:
        """Fill in what the model answers for a group, persons' words or not."""
        found = own_answers(
            table,
            self._labels,
            group,
            ok=self.status[at] == _OK,
            model=self.model[at].astype(np.int64),
            scores=self.scores[self._labels.members(group), at],
        )
        self.own[i, at] = found.answer
        self.sure[i, at] = found.sure

    def sorted(self) -> NightRows:
        """Return the rows in order of image_id; what was filled is given up, array by array."""
        ids = pa.concat_arrays(self._ids)
        self._ids.clear()
        order = pc.sort_indices(ids).to_numpy().astype(np.uint32)
        ids = ids.take(pa.array(order))
        bad = self.status != _OK
        errors = pa.concat_arrays(self._errors)
        self._errors.clear()
        for array in (*self.scores, *self.own, *self.sure):
            array[:] = array[order]
        digests = self.digests[order]
        status = self.status[order]
        return NightRows(
            ids=ids,
            lowered=pc.utf8_lower(ids),
            place=IdIndex(ids),
            digests=digests,
            contents=ContentIndex(digests),
            status=status,
            ok=status == _OK,
            changed=np.zeros(len(ids), bool),
            errors=errors.take(pa.array(order[bad[order]])),
            width=self.width[order],
            height=self.height[order],
            model=self.model[order],
            scores=self.scores,
            own=self.own,
            sure=self.sure,
        )


def _changed(snapshot: Snapshot, rows: NightRows) -> BoolArray:
    """Return bool (n,): rows that the night upserted."""
    changes = snapshot.read(CHANGES_FILE, ["image_id", "op"])
    try:
        upserted = changes.filter(pc.equal(changes["op"], "upsert"))["image_id"]
        places = rows.place.find(_texts(upserted))
    except (pa.ArrowException, TypeError) as error:
        raise snapshot.damaged(CHANGES_FILE, error) from error
    changed = np.zeros(len(rows), bool)
    changed[places[places >= 0]] = True
    return changed


def _texts(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(
        [pa.array([], pa.large_string()), *column.cast(pa.large_string()).chunks]
    )


def _digests(column: pa.ChunkedArray) -> Digests:
    """Return uint64 (n, 4); zeros where null."""
    texts = pc.fill_null(column, "0" * 64)
    if not pc.all(pc.equal(pc.binary_length(texts), 64), min_count=0).as_py():
        raise ValueError("a content_sha256 is not 64 hex digits")
    return digests_of(texts.to_pylist())


def _numbers(column: pa.ChunkedArray) -> Int32Array:
    return np.asarray(pc.fill_null(column, 0).to_numpy(), np.int32)
