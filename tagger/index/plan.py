"""The plan of a night: which rows stay, which pictures are read. Tables in, tables out; touches no
file.

A picture is known by `(image_id, size, mtime_ns)` and its row by `model_id`.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tagger.arrays import BoolArray, Int64Array
from tagger.catalog import Found, bucket_count, bucket_of
from tagger.digests import Contents, key_of
from tagger.index.id_index import IdIndex
from tagger.index.staging import Staged

UNIT = 2000
"""Pictures of one bucket that are scored and staged together."""

LISTING = pa.schema(
    [("image_id", pa.large_string()), ("size", pa.int64()), ("mtime_ns", pa.int64())]
)
"""A walked catalog, in one chunk: 24 bytes a picture and its id."""

KNOWN = pa.schema(
    [
        *LISTING,
        ("bucket", pa.int32()),
        ("failed", pa.bool_()),  # not ok
        ("behind", pa.bool_()),  # ok, and scored by another model, or read by another reader
        ("misread", pa.bool_()),  # read by another reader
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
        How many rows of older models and readers at most, the newest pictures first; None is all.
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
        It has not changed and was read by this reader, and its scores are of another model.
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
    carried: BoolArray
    retried: BoolArray
    outdated: BoolArray
    staged: Int64Array
    from_features: BoolArray
    counts: dict[str, int]

    def taking(self, from_features: BoolArray) -> "Plan":
        """Return the plan with these pictures taken from features, and no others."""
        n = int(from_features.sum())
        both = self.counts["to_read"] + self.counts["from_features"]
        counts = self.counts | {"from_features": n, "to_read": both - n}
        return replace(self, from_features=from_features, counts=counts)

    def ids(self, places: Int64Array) -> list[str]:
        """Return the image_ids at these positions."""
        ids: list[str] = self.listing["image_id"].take(pa.array(places)).to_pylist()
        return ids

    def by_bucket(self, wanted: BoolArray) -> Iterator[tuple[int, Int64Array]]:
        """Yield, for each bucket that has any, the positions of the wanted pictures, in order of
        the listing."""
        places = np.flatnonzero(wanted)
        places = places[np.argsort(self.bucket[places], kind="stable")]
        numbers, starts = np.unique(self.bucket[places], return_index=True)
        for number, here in zip(numbers, np.split(places, starts[1:]), strict=False):
            yield int(number), here

    def units(self, most: float = math.inf) -> Iterator[tuple[int, Int64Array]]:
        """Yield `(bucket, positions)` of the pictures to be read, by bucket and image_id.

        At most `UNIT` each, and at most `most`.
        """
        size = int(min(UNIT, most))
        for bucket, places in self.by_bucket(
            ~self.carried & (self.staged < 0) & ~self.from_features
        ):
            ids = self.listing["image_id"].take(pa.array(places))
            ordered = places[pc.sort_indices(ids).to_numpy()]
            for at in range(0, len(ordered), size):
                yield bucket, ordered[at : at + size]


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
    known: Iterable[pa.Table],
    unsettled: pa.Array,
    staged: Staged,
    contents: Contents,
    buckets: int | None,
    rules: Rules,
) -> Plan:
    """Return the plan for `listing` against the current rows and what lies in staging.

    Parameters
    ----------
    listing : pa.Table
        As `LISTING`.
    known : iterable of pa.Table
        As `KNOWN`, part by part: it is not held as a whole.
    unsettled : pa.Array of large_string
        Ids of rows that are to be read again though they look the same.
    contents : Contents
        Those that have scores of this model, in the current snapshot or in staging.
    buckets : int or None
        Of the index; None before its first snapshot.
    """
    listing, index = _each_once(
        listing.combine_chunks()
    )  # taking from chunks would copy them all, every time
    rows, there, same, failed, behind, misread, bucket = _compare(listing, index, known)
    buckets = buckets or staged.buckets or bucket_count(len(listing))
    ids = listing["image_id"]
    for places in np.array_split(np.flatnonzero(~there), 1 + len(listing) // _BATCH):
        bucket[places] = [
            bucket_of(image_id, buckets) for image_id in ids.take(pa.array(places)).to_pylist()
        ]
    again = np.zeros_like(same)
    marked = index.find(unsettled)
    again[marked[marked >= 0]] = True
    again &= same
    later = _left_for_later(behind, listing, rules.backfill_limit)
    rescored = same if rules.full else (behind & ~later) | (failed if rules.retry_errors else False)
    carried = same & ~rescored & ~again
    found = _staged_places(listing, index, ~carried, staged, contents)
    counts = {
        "found": len(listing),
        "new": int((~there).sum()),
        "changed": int((there & ~same).sum()),
        "rescored": int(rescored.sum()),
        "unchanged": int((same & ~rescored).sum()),
        "deleted": rows - int(there.sum()),
        "staged": int((found >= 0).sum()),
        "to_read": int((~carried & (found < 0)).sum()),
        "from_features": 0,
        "behind": int((behind & ~rescored).sum()),
    }
    outdated = np.zeros_like(same) if rules.full else behind & ~misread & ~carried & ~again
    nothing = np.zeros_like(same)
    return Plan(
        listing, bucket, buckets, carried, failed & ~carried, outdated, found, nothing, counts
    )


class _Compared(NamedTuple):
    """How many rows there are; and of each listed picture, whether it has one, is the same file,
    failed, and so on."""

    rows: int
    there: BoolArray
    same: BoolArray
    failed: BoolArray
    behind: BoolArray
    misread: BoolArray
    bucket: npt.NDArray[np.int32]


def _compare(listing: pa.Table, index: IdIndex, known: Iterable[pa.Table]) -> _Compared:
    rows, bucket = 0, np.zeros(len(listing), np.int32)
    there, same, failed, behind, misread = np.zeros((5, len(listing)), bool)
    size, mtime_ns = _numbers(listing, "size"), _numbers(listing, "mtime_ns")
    for part in known:
        rows += len(part)
        places = index.find(part["image_id"].combine_chunks())
        here = np.flatnonzero(places >= 0)
        part, at = part.take(pa.array(here)), places[here]
        there[at], bucket[at] = True, part["bucket"].to_numpy()
        same[at] = (size[at] == _numbers(part, "size")) & (
            mtime_ns[at] == _numbers(part, "mtime_ns")
        )
        failed[at], behind[at] = part["failed"].to_numpy(), part["behind"].to_numpy()
        misread[at] = part["misread"].to_numpy()
    return _Compared(rows, there, same, same & failed, same & behind, same & misread, bucket)


def _listing(found: Found) -> pa.Table:
    # From the bytes as they are: a list of texts takes ten times as long.
    ends = np.zeros(len(found.ids) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, found.ids), np.int64, len(found.ids)), out=ends[1:])
    ids = pa.LargeStringArray.from_buffers(
        len(found.ids), pa.py_buffer(ends), pa.py_buffer(b"".join(found.ids))
    )
    return pa.table(
        [ids, np.array(found.sizes, np.int64), np.array(found.times, np.int64)], schema=LISTING
    )


def _numbers(table: pa.Table, column: str) -> Int64Array:
    return np.asarray(table[column].to_numpy(), np.int64)


def _each_once(listing: pa.Table) -> tuple[pa.Table, IdIndex]:
    """Return the listing and its index, without what a folder listed twice because it changed
    meanwhile.

    The last look counts.
    """
    index = IdIndex(listing["image_id"].chunk(0))  # combining, even of one chunk, copies
    repeated = index.repeated()
    if not len(repeated):
        return listing, index
    once = np.ones(len(listing), bool)
    once[repeated] = False
    return _each_once(listing.filter(pa.array(once)).combine_chunks())


def _left_for_later(behind: BoolArray, listing: pa.Table, limit: int | None) -> BoolArray:
    """Return bool (n,): rows of older models or readers that are beyond the limit, the newest
    pictures coming first."""
    later = np.zeros_like(behind)
    if limit is not None and behind.sum() > limit:
        places = np.flatnonzero(behind)
        newest = np.argsort(-_numbers(listing, "mtime_ns")[places], kind="stable")
        later[places[newest[limit:]]] = True
    return later


def _staged_places(
    listing: pa.Table, index: IdIndex, wanted: BoolArray, staged: Staged, contents: Contents
) -> Int64Array:
    """Return int64 (n,): the newest staged row that answers for the very same file, or -1."""
    result = np.full(len(listing), -1, np.int64)
    if not len(staged.keys) or not wanted.any():
        return result
    keys = staged.keys.combine_chunks()
    usable = np.flatnonzero(keys["good"].to_numpy() & ~_waits_for_ever(keys, contents))
    at = index.find(keys["image_id"].take(pa.array(usable)))
    # Of one picture read twice, the newer reading comes first and counts; an older one is of an
    # older file.
    places, first = np.unique(at, return_index=True)
    here = (places >= 0) & wanted[places]
    row, places = usable[first[here]], places[here]
    same = np.ones(len(places), bool)
    for name in ("size", "mtime_ns"):
        same &= _numbers(listing, name)[places] == _numbers(keys, name)[row]
    result[places[same]] = row[same]
    return result


def _waits_for_ever(keys: pa.Table, contents: Contents) -> BoolArray:
    """Return bool (n,): rows of known contents whose scores are nowhere any more."""
    result = np.zeros(len(keys), bool)
    pointers = np.flatnonzero(keys["pointer"].to_numpy())
    digests = keys["content_sha256"].take(pa.array(pointers)).to_pylist()
    result[pointers] = [key_of(bytes.fromhex(digest)) not in contents for digest in digests]
    return result
