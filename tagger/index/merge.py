"""Merging a bucket: old rows that stay, new rows, and what that changes. Tables in, tables out."""

from collections import Counter
from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.index import CHANGES
from tagger.arrays import BoolArray
from tagger.errors import StoreError
from tagger.index.corrected_rows import words_in
from tagger.index.staging import is_pointer

_OF_THE_FILE = ("image_id", "status", "error", "content_sha256", "size_bytes", "mtime_ns")
_SAME = (
    "status",
    "error",
    "content_sha256",
    "size_bytes",
    "mtime_ns",
    "reader",
    "model_id",
    "scored_at",
)
"""Rows that agree in these have the same scores.

They follow from the content, the model and when it was asked.
"""


class Merged(NamedTuple):
    """A bucket's rows, the changes against the rows before, and counts named as in `Counts`.

    Attributes
    ----------
    arrived : bool (n,)
        Rows whose picture was not there before, or has other bytes than before.
    gone : pa.Table
        Rows before that have no more answers for the same bytes.
    """

    rows: pa.Table
    changes: pa.Table
    counts: Counter[str]
    arrived: BoolArray
    gone: pa.Table


def merge(before: pa.Table, kept: pa.Table, fresh: pa.Table) -> Merged:
    """Return the new rows of a bucket.

    Parameters
    ----------
    before, kept, fresh : pa.Table
        Of one schema; the bucket's rows in the parent snapshot, those of them that stay as they
        are, and all others that there are now.
    """
    at = pc.index_in(fresh["image_id"], value_set=before["image_id"])
    old = before.take(at)
    new = _mask(pc.is_null(at))
    moved = ~new & ~(_agree(fresh, old, "size_bytes") & _agree(fresh, old, "mtime_ns"))
    same_bytes = _agree(fresh, old, "content_sha256") & _mask(pc.is_valid(fresh["content_sha256"]))
    same_scores = ~new & np.logical_and.reduce([_agree(fresh, old, name) for name in _SAME])
    same_answers = np.logical_and.reduce([_agree(fresh, old, name) for name in _answers(fresh)])
    other_words = _other_words(fresh, old, same_scores)
    spoken = ~new & same_bytes & other_words
    rows = pa.concat_tables([kept, fresh])
    stays = pc.is_in(before["image_id"], value_set=rows["image_id"])
    deleted = before["image_id"].filter(pc.invert(stays))
    counts = Counter(
        {
            "new": int(new.sum()),
            "changed": int(moved.sum()),
            "touched": int((moved & same_bytes).sum()),
            "unchanged": len(kept) + int(same_scores.sum()),
            "rescored": int((~new & ~moved & ~same_scores).sum()),
            "corrected": int(spoken.sum()),
            "deleted": len(deleted),
            "published_rows": len(rows),
        }
    )
    identical = same_scores & same_answers & ~other_words
    changes = _changes(fresh["image_id"].filter(pa.array(~identical)), deleted)
    arrived = np.concatenate([np.zeros(len(kept), bool), new | (moved & ~same_bytes)])
    stayed = rows["image_id"].filter(pc.and_(pc.equal(rows["status"], "ok"), pa.array(~arrived)))
    gone = before.filter(pc.invert(pc.is_in(before["image_id"], value_set=stayed)))
    return Merged(rows, changes, counts, arrived, gone)


def with_first_seen(fresh: pa.Table, before: pa.Table, now: datetime) -> pa.Table:
    """Return `fresh` with the moment at which each picture was found first: now, unless the night
    before had it.

    Parameters
    ----------
    before : pa.Table
        The bucket's rows in the parent snapshot.
    """
    at = pc.index_in(fresh["image_id"], value_set=before["image_id"])
    known = before["first_seen"].take(at)
    place = fresh.schema.get_field_index("first_seen")
    field = fresh.schema.field(place)
    moments = pc.if_else(pc.is_null(at), pa.scalar(now, field.type), known)
    return fresh.set_column(place, field, moments)


class Donors(NamedTuple):
    """One row per content that waits for scores, in order of its digest."""

    rows: pa.Table
    digests: npt.NDArray[np.bytes_]  # (n,), 64 hex digits each


def as_donors(rows: pa.Table) -> Donors:
    """Return the first row of each content."""
    digests, first = np.unique(_digests(rows), return_index=True)
    return Donors(rows.take(pa.array(first)).combine_chunks(), digests)


def one_of_each(rows: pa.Table) -> pa.Table:
    """Return the first row of each content."""
    _, first = np.unique(_digests(rows), return_index=True)
    return rows.take(pa.array(first))


def without(digests: pa.Array, others: pa.ChunkedArray) -> pa.Array:
    """Return those of some digests, large_string, that are not among others."""
    return digests.filter(
        pc.invert(pc.is_in(digests, value_set=others.cast(pa.large_string()).combine_chunks()))
    )


def fill_in(fresh: pa.Table, donors: Donors) -> pa.Table:
    """Return `fresh` with the scores of known contents taken from rows that have the same bytes.

    Raises
    ------
    StoreError
        If a content that was known has no row.
    """
    pointer = is_pointer(fresh)
    waiting = fresh.filter(pointer)
    if not len(waiting):
        return fresh
    digests = _digests(waiting)
    at = np.searchsorted(donors.digests, digests)
    there = np.append(donors.digests, b"")[at] == digests
    if not there.all():
        digest = digests[~there][0].decode()
        raise StoreError(
            f"the scores of {digest} were there at the start of the run and are gone; is anyone "
            "else writing?"
        )
    filled = donors.rows.take(pa.array(at))
    for name in _OF_THE_FILE:
        place = filled.schema.get_field_index(name)
        filled = filled.set_column(place, filled.schema.field(place), waiting[name])
    return pa.concat_tables([fresh.filter(pc.invert(pointer)), filled])


def _digests(rows: pa.Table) -> npt.NDArray[np.bytes_]:
    return np.array(rows["content_sha256"].to_pylist(), "S64")


def _answers(rows: pa.Table) -> list[str]:
    """Return the columns of answers and of what they rest on."""
    whose = ((field.name, field.metadata or {}) for field in rows.schema)
    return [name for name, facts in whose if b"group" in facts and b"label" not in facts]


def _other_words(fresh: pa.Table, old: pa.Table, same_scores: BoolArray) -> BoolArray:
    """Return bool (n,): rows in which persons answered something else, or no more, or anew.

    Of the same scores every difference is a person's. Of other scores answers are compared: tags
    are names alone, and two labels may have one name.
    """
    result = np.zeros(len(fresh), bool)
    said = pc.or_(pc.is_valid(fresh["corrected"]), pc.is_valid(old["corrected"]))
    here = np.flatnonzero(_mask(said))
    if len(here):
        columns = ["tags", "corrected", *_answers(fresh)]
        places = pa.array(here)
        now = fresh.select(columns).take(places)
        then = old.select(columns).take(places)
        rows = [a != b for a, b in zip(now.to_pylist(), then.to_pylist(), strict=True)]
        words = [a != b for a, b in zip(words_in(now), words_in(then), strict=True)]
        result[here] = np.where(same_scores[here], rows, words)
    return result


def _agree(fresh: pa.Table, old: pa.Table, column: str) -> BoolArray:
    """Return bool (n,): equal, or both null."""
    both_null = pc.and_(pc.is_null(fresh[column]), pc.is_null(old[column]))
    return _mask(pc.or_(pc.fill_null(pc.equal(fresh[column], old[column]), False), both_null))


def _mask(values: pa.ChunkedArray) -> BoolArray:
    return np.asarray(values.to_numpy(), bool)


def _changes(upserted: pa.ChunkedArray, deleted: pa.ChunkedArray) -> pa.Table:
    ops = ["upsert"] * len(upserted) + ["delete"] * len(deleted)
    ids = pa.chunked_array([*upserted.chunks, *deleted.chunks], pa.string())
    return pa.table([ids, pa.array(ops, pa.string())], schema=CHANGES)
