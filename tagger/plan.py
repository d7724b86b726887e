"""The plan of a night: which rows stay, which pictures are read. Tables in, tables out; touches no file.

A picture is known by `(image_id, size, mtime_ns)` and its row by `model_id`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tagger.catalog import Found, bucket_count, bucket_of
from tagger.contents import Contents, key_of
from tagger.staging import Staged

Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]
"""Positions in a listing."""

UNIT = 2000
"""Pictures of one bucket that are scored and staged together."""

LISTING = pa.schema([("image_id", pa.large_string()), ("size", pa.int64()), ("mtime_ns", pa.int64())])
"""A walked catalog; some 100 bytes a picture."""

KNOWN = pa.schema(
    [
        *LISTING,
        ("bucket", pa.int32()),
        ("failed", pa.bool_()),  # not ok
        ("behind", pa.bool_()),  # ok, and scored by another model
    ]
)
"""What the plan needs to know of the rows of the current snapshot."""

_BATCH = 65_536


@dataclass(frozen=True)
class Rules:
    """What to read again though it looks the same.

    Attributes
    ----------
    full : bool
        Everything.
    retry_errors : bool
        What failed before.
    backfill_limit : int or None
        How many rows of older models at most, the newest pictures first; None is all.
    """

    full: bool = False
    retry_errors: bool = False
    backfill_limit: int | None = None


@dataclass(frozen=True)
class Plan:
    """What is to be done with each listed picture; all arrays are of the listing's length.

    Attributes
    ----------
    listing : pa.Table
        As `LISTING`, each image_id once.
    bucket : int32
    buckets : int, not an array
        How many the index has.
    carried : bool
        Its row stays as it is.
    retried : bool
        It failed before, has not changed, and is tried again.
    outdated : bool
        It has not changed, and its scores are of another model.
    from_features : bool
        Its row is made of its last row and stored features: it is not read.
    staged : int64
        Position in the staged keys of the row that an interrupted run made of it, or -1.
    counts : dict
        See `schemas.index.PLAN_FIELDS`.
    """

    listing: pa.Table
    bucket: npt.NDArray[np.int32]
    buckets: int
    carried: Mask
    retried: Mask
    outdated: Mask
    staged: Places
    from_features: Mask
    counts: dict[str, int]

    def taking(self, from_features: Mask) -> "Plan":
        """Return the plan with these pictures taken from features, and no others."""
        n = int(from_features.sum())
        both = self.counts["to_read"] + self.counts["from_features"]
        counts = self.counts | {"from_features": n, "to_read": both - n}
        return replace(self, from_features=from_features, counts=counts)

    def ids(self, places: Places) -> list[str]:
        """Return the image_ids at these positions."""
        ids: list[str] = self.listing["image_id"].take(pa.array(places)).to_pylist()
        return ids

    def carried_ids(self) -> dict[int, pa.Array]:
        """Return, for each bucket that has any, the ids whose rows stay, as large_string."""
        places = np.flatnonzero(self.carried)
        places = places[np.argsort(self.bucket[places], kind="stable")]
        numbers, starts = np.unique(self.bucket[places], return_index=True)
        ids = self.listing["image_id"].take(pa.array(places)).combine_chunks()
        ends = np.append(starts[1:], len(places))[: len(starts)]
        return {
            int(number): ids.slice(int(start), int(end - start))
            for number, start, end in zip(numbers, starts, ends, strict=True)
        }

    @property
    def to_read(self) -> Places:
        """Return the positions of the pictures to be read, in order of bucket and image_id."""
        places = np.flatnonzero(~self.carried & (self.staged < 0) & ~self.from_features)
        ids = self.listing["image_id"].take(pa.array(places))
        table = pa.table({"bucket": self.bucket[places], "id": ids, "place": places})
        return np.asarray(table.sort_by([("bucket", "ascending"), ("id", "ascending")])["place"].to_numpy(), np.int64)

    def units(self, most: float = math.inf) -> Iterator[tuple[int, Places]]:
        """Yield `(bucket, positions)` of at most `UNIT` pictures to be read each, and at most `most`."""
        size = int(min(UNIT, most))
        places = self.to_read
        buckets = self.bucket[places]
        for bucket in np.unique(buckets):
            start, end = np.searchsorted(buckets, [bucket, bucket + 1])
            for at in range(int(start), int(end), size):
                yield int(bucket), places[at : min(at + size, int(end))]


def tables_of(walked: Iterator[Found]) -> Iterator[pa.Table]:
    """Yield the walked pictures as tables of `LISTING`, of some 65,000 pictures or a folder."""
    batch = Found([], [], [])
    for found in walked:
        batch.ids.extend(found.ids)
        batch.sizes.extend(found.sizes)
        batch.times.extend(found.times)
        if len(batch.ids) >= _BATCH:
            yield _listing(batch)
            batch = Found([], [], [])
    yield _listing(batch)


def make_plan(
    listing: pa.Table,
    known: pa.Table,
    unsettled: pa.Array,
    staged: Staged,
    contents: Contents,
    buckets: int | None,
    rules: Rules,
) -> Plan:
    """Return the plan for `listing` against the current rows and what lies in staging.

    Parameters
    ----------
    listing, known : pa.Table
        As `LISTING` and `KNOWN`.
    unsettled : pa.Array of large_string
        Ids of rows that are to be read again though they look the same.
    contents : Contents
        Those that have scores of this model, in the current snapshot or in staging.
    buckets : int or None
        Of the index; None before its first snapshot.
    """
    listing = _each_once(listing).combine_chunks()  # taking from chunks would copy them all, every time
    ids = listing["image_id"]
    previous = _places(ids, known["image_id"])
    there = previous >= 0
    same, failed, behind, bucket = _compare(listing, known, previous)
    buckets = buckets or staged.buckets or bucket_count(len(listing))
    for places in np.array_split(np.flatnonzero(~there), 1 + len(listing) // _BATCH):
        bucket[places] = [bucket_of(image_id, buckets) for image_id in ids.take(pa.array(places)).to_pylist()]
    again = same & np.asarray(pc.is_in(ids, value_set=unsettled).to_numpy()) if len(unsettled) else np.zeros_like(same)
    later = _left_for_later(behind, listing, rules.backfill_limit)
    rescored = same if rules.full else (behind & ~later) | (failed if rules.retry_errors else False)
    carried = same & ~rescored & ~again
    found = _staged_places(listing, ~carried, staged, contents)
    counts = {
        "found": len(listing),
        "new": int((~there).sum()),
        "changed": int((there & ~same).sum()),
        "rescored": int(rescored.sum()),
        "unchanged": int((same & ~rescored).sum()),
        "deleted": len(known) - int(there.sum()),
        "staged": int((found >= 0).sum()),
        "to_read": int((~carried & (found < 0)).sum()),
        "from_features": 0,
        "behind": int((behind & ~rescored).sum()),
    }
    outdated = np.zeros_like(same) if rules.full else behind & ~carried & ~again
    nothing = np.zeros_like(same)
    return Plan(listing, bucket, buckets, carried, failed & ~carried, outdated, found, nothing, counts)


def _compare(listing: pa.Table, known: pa.Table, previous: Places) -> tuple[Mask, Mask, Mask, npt.NDArray[np.int32]]:
    """Return, per listed picture, whether it is the same file as its row; of those, failed, behind; and its bucket."""
    if not len(known):
        same, failed, behind = np.zeros((3, len(listing)), bool)
        return same, failed, behind, np.zeros(len(listing), np.int32)
    row = known.drop_columns("image_id").take(pa.array(np.maximum(previous, 0)))
    same = (previous >= 0) & (_numbers(row, "size") == _numbers(listing, "size"))
    same &= _numbers(row, "mtime_ns") == _numbers(listing, "mtime_ns")
    return same, same & row["failed"].to_numpy(), same & row["behind"].to_numpy(), row["bucket"].to_numpy().copy()


def _listing(found: Found) -> pa.Table:
    # From the bytes as they are: a list of texts takes ten times as long.
    ends = np.zeros(len(found.ids) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, found.ids), np.int64, len(found.ids)), out=ends[1:])
    ids = pa.LargeStringArray.from_buffers(len(found.ids), pa.py_buffer(ends), pa.py_buffer(b"".join(found.ids)))
    return pa.table([ids, np.array(found.sizes, np.int64), np.array(found.times, np.int64)], schema=LISTING)


def _numbers(table: pa.Table, column: str) -> npt.NDArray[np.int64]:
    return np.asarray(table[column].to_numpy(), np.int64)


def _each_once(listing: pa.Table) -> pa.Table:
    """Return the listing without what a folder listed twice because it changed meanwhile; the last look counts."""
    backwards = listing.take(pa.array(np.arange(len(listing))[::-1]))
    first = _places(backwards["image_id"], backwards["image_id"]) == np.arange(len(listing))
    return listing if first.all() else listing.filter(pa.array(first[::-1]))


def _places(ids: pa.ChunkedArray, among: pa.ChunkedArray) -> Places:
    """Return int64 (n,): where each id is first found, or -1."""
    return np.asarray(pc.fill_null(pc.index_in(ids, value_set=among), -1).to_numpy(), np.int64)


def _left_for_later(behind: Mask, listing: pa.Table, limit: int | None) -> Mask:
    """Return bool (n,): rows of older models that are beyond the limit, the newest pictures coming first."""
    later = np.zeros_like(behind)
    if limit is not None and behind.sum() > limit:
        places = np.flatnonzero(behind)
        newest = np.argsort(-_numbers(listing, "mtime_ns")[places], kind="stable")
        later[places[newest[limit:]]] = True
    return later


def _staged_places(listing: pa.Table, wanted: Mask, staged: Staged, contents: Contents) -> Places:
    """Return int64 (n,): the newest staged row that answers for the very same file, or -1."""
    result = np.full(len(listing), -1, np.int64)
    if not len(staged.keys) or not wanted.any():
        return result
    keys = staged.keys.combine_chunks()
    usable = np.flatnonzero(keys["good"].to_numpy() & ~_waits_for_ever(keys, contents))
    # Of one picture read twice, the newer reading comes first and counts; an older one is of an older file.
    at = _places(listing["image_id"], keys["image_id"].take(pa.array(usable)))
    places = np.flatnonzero(wanted & (at >= 0))
    row = usable[at[places]]
    same = np.ones(len(places), bool)
    for name in ("size", "mtime_ns"):
        same &= _numbers(listing, name)[places] == _numbers(keys, name)[row]
    result[places[same]] = row[same]
    return result


def _waits_for_ever(keys: pa.Table, contents: Contents) -> Mask:
    """Return bool (n,): rows of known contents whose scores are nowhere any more."""
    result = np.zeros(len(keys), bool)
    pointers = np.flatnonzero(keys["pointer"].to_numpy())
    digests = keys["content_sha256"].take(pa.array(pointers)).to_pylist()
    result[pointers] = [key_of(bytes.fromhex(digest)) not in contents for digest in digests]
    return result
