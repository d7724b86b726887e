"""Rows of a night as documents, one a picture. Tables in, tables out; touches no file."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.documents import (
    DocumentField,
    document_fields,
    document_schema,
    group_field,
    score_field,
)
from tagger.arrays import BoolArray, Float16Array, Int64Array
from tagger.index.night_labels import MISSING, SCALE, NightLabel, NightLabels
from tagger.search.url_template import addresses
from tagger.search.words import Words, all_words

VECTOR_DECIMALS = 5


@dataclass(frozen=True)
class DocumentSettings:
    """What the documents of a night are made by.

    Attributes
    ----------
    labels : NightLabels
    words : Words
        What labels are found by besides their names.
    url : str or None
        The template of addresses.
    vector_size : int
        Features a picture; 0 without a look-alike vector.
    by_product : bool
    """

    labels: NightLabels
    words: Words
    url: str | None = None
    vector_size: int = 0
    by_product: bool = False

    @cached_property
    def answered(self) -> list[NightLabel]:
        """The labels that are not retired, in column order."""
        return [label for label in self.labels.all if not label.retired]

    @cached_property
    def open_groups(self) -> list[str]:
        """The groups that are not exclusive, in column order."""
        return list(dict.fromkeys(x.group for x in self.answered if not x.exclusive))

    @cached_property
    def names_differ(self) -> bool:
        """Whether no two labels have one name."""
        return len({label.name.casefold() for label in self.labels.all}) == len(self.labels.all)

    @cached_property
    def fields(self) -> list[DocumentField]:
        """The fields of the documents, in their order."""
        return document_fields(
            self.labels.exclusive,
            self.answered,
            by_product=self.by_product,
            with_url=self.url is not None,
            vector_size=self.vector_size,
        )

    @cached_property
    def schema(self) -> pa.Schema:
        """Of tables of documents."""
        return document_schema(self.fields)


def picture_documents(
    rows: pa.Table, settings: DocumentSettings, vectors: pa.Array | None
) -> pa.Table:
    """Return one document per row, in their order.

    Parameters
    ----------
    rows : pa.Table
        Of the index, all of them ok.
    vectors : list array of float32 (n,), optional
        See `unit_vectors`.
    """
    rows = rows.combine_chunks()
    path = _plain(rows["image_id"])
    tags = _plain(rows["tags"])
    columns = {"id": document_ids(path), "path": path, "tags": tags}
    columns["words"] = words_of(tags, settings)
    columns["first_seen"] = pc.floor_temporal(_plain(rows["first_seen"]), unit="second")
    for group in settings.labels.exclusive:
        columns[group_field(group)] = _plain(rows[group])
    for group in settings.open_groups:
        columns[group_field(group)] = _of_group(rows, group, settings)
    for label in settings.answered:
        columns[score_field(label.column)] = _plain(rows[label.column])
    if settings.url is not None:
        columns["url"] = addresses(settings.url, {"path": path, "id": columns["id"]})
    if vectors is not None:
        columns["vector"] = vectors
    return as_documents(columns, settings)


def as_documents(columns: dict[str, pa.Array], settings: DocumentSettings) -> pa.Table:
    """Return columns as a table of documents, in the order of their fields."""
    arrays = [columns[field.name].cast(field.type) for field in settings.schema]
    return pa.Table.from_arrays(arrays, schema=settings.schema)


def document_ids(names: pa.Array) -> pa.Array:
    """Return the ids of documents by their paths, or by their products."""
    digests = [hashlib.sha256(name.encode()).hexdigest()[:32] for name in names.to_pylist()]
    return pa.array(digests, pa.string())


def words_of(tags: pa.Array, settings: DocumentSettings) -> pa.Array:
    """Return the words that each of the lists of tags is found by, each once."""
    words = settings.words
    if not words and settings.names_differ:  # each tag is found by its own name: no list to make
        coded = tags.flatten().dictionary_encode()
        own = [all_words(name, words)[0] for name in coded.dictionary.to_pylist()]
        values = pa.array(own, pa.string()).take(coded.indices)
        return pa.ListArray.from_arrays(offsets(pc.list_value_length(tags).to_numpy()), values)
    known: dict[tuple[str, ...], list[str]] = {}
    found = []
    for names in map(tuple, tags.to_pylist()):
        if names not in known:
            every = (word for name in names for word in all_words(name, words))
            known[names] = list(dict.fromkeys(every))
        found.append(known[names])
    return pa.array(found, pa.list_(pa.string()))


def unit_vectors(features: Float16Array, there: BoolArray) -> pa.Array:
    """Return features as vectors of length 1, five decimals; null where there are none, or all are
    0.

    Parameters
    ----------
    features : float16 (n, size)
    there : bool (n,)
    """
    values = features.astype(np.float32)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    known = there & (length[:, 0] > 0) & np.isfinite(length[:, 0])
    values = np.round(values / np.where(known[:, None], length, 1), VECTOR_DECIMALS)
    sizes = np.where(known, features.shape[1], 0)
    flat = pa.array(values[known].ravel(), pa.float32())
    return pa.ListArray.from_arrays(offsets(sizes), flat, mask=pa.array(~known))


def lists_by_row(values: pa.Array, row: Int64Array, rows: int) -> pa.Array:
    """Return lists of the values, which are in the order of their rows; a row may have none."""
    return pa.ListArray.from_arrays(offsets(np.bincount(row, minlength=rows)), values)


def holds(rows: pa.Table, label: NightLabel, labels: NightLabels) -> BoolArray:
    """Return bool (n,): rows whose stored score reaches the label's threshold of their own
    model."""
    at = labels.all.index(label)
    limits = labels.limits[model_numbers(rows, labels), at]
    scores = np.asarray(pc.fill_null(rows[label.column], -1).to_numpy(), np.float64)
    return np.asarray((limits != MISSING) & (np.round(scores * SCALE) >= limits))


def model_numbers(rows: pa.Table, labels: NightLabels) -> Int64Array:
    """Return int64 (n,): which of the night's models each row is of."""
    at = pc.index_in(rows["model_id"], value_set=pa.array(labels.models, pa.string()))
    return np.asarray(pc.fill_null(at, 0).to_numpy(), np.int64)


def has_label(rows: pa.Table, label: NightLabel, settings: DocumentSettings) -> BoolArray:
    """Return bool (n,): rows whose tags name a label of a group that is not exclusive.

    Tags are names alone: of several labels of one name, scores say which it is, or a person, whose
    yes is one name more than the others account for.
    """
    counts = _counts(rows["tags"], label.name)
    others = [x for x in settings.answered if x.name == label.name and x != label]
    if not others:
        return counts > 0
    accounted = np.zeros(len(rows), np.int64)
    for other in others:
        accounted += _has_other(rows, other, settings.labels)
    said = spoken(rows, label.key)
    return (counts > 0) & np.where(said, counts > accounted, holds(rows, label, settings.labels))


def spoken(rows: pa.Table, name: str) -> BoolArray:
    """Return bool (n,): rows in which a person answered this group, or this group:label."""
    found = (name in (said or ()) for said in rows["corrected"].to_pylist())
    return np.fromiter(found, bool, len(rows))


def _has_other(rows: pa.Table, label: NightLabel, labels: NightLabels) -> BoolArray:
    if not label.exclusive:
        return holds(rows, label, labels)
    same = pc.fill_null(pc.equal(rows[label.group], label.name), False)
    return np.asarray(same.to_numpy(), bool)


def _counts(tags: pa.ChunkedArray, name: str) -> Int64Array:
    """Return int64 (n,): how often each of the lists has a name."""
    lists = _plain(tags)
    row = np.asarray(pc.list_parent_indices(lists).to_numpy(), np.int64)
    here = pc.equal(lists.flatten(), name).to_numpy(zero_copy_only=False)
    return np.bincount(row[np.asarray(here, bool)], minlength=len(lists))


def _of_group(rows: pa.Table, group: str, settings: DocumentSettings) -> pa.Array:
    """Return which labels of a group that is not exclusive each row has."""
    mine = [label for label in settings.answered if label.group == group]
    has = np.stack([has_label(rows, label, settings) for label in mine], axis=1)
    row, place = np.nonzero(has)
    names = pa.array([label.name for label in mine], pa.string())
    return lists_by_row(names.take(pa.array(place)), row, len(rows))


def offsets(sizes: Int64Array) -> pa.Array:
    """Return where lists of these sizes begin and end, as Arrow has it."""
    return pa.array(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32))


def _plain(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
