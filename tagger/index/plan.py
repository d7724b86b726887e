"""The plan of a night: which rows stay, which pictures are read.

Tables in, tables out; touches no file.
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
from msgspec import structs

from schemas.runs import PlanCounts
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
class Before:
    """What there is already, in the current snapshot and in staging.

    Attributes
    ----------
    known : iterable of pa.Table
        The rows, as `KNOWN`, part by part: they are not held as a whole.
    unsettled : pa.Array of large_string
        Ids of rows that are to be read again though they look the same.
    staged : Staged
    contents : Contents
        Those that have scores of tonight's model, in the current snapshot or in staging.
    buckets : int or None
        Of the index; None before its first snapshot.
    """

    known: Iterable[pa.Table]
    unsettled: pa.Array
    staged: Staged
    contents: Contents
    buckets: int | None


@dataclass(frozen=True, kw_only=True)
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
    counts : PlanCounts
    """

    listing: pa.Table
    bucket: npt.NDArray[np.int32]
    buckets: int
    carried: BoolArray
    retried: BoolArray
    outdated: BoolArray
    staged: Int64Array
    from_features: BoolArray
    counts: PlanCounts

    def taking(self, from_features: BoolArray) -> "Plan":
        """Return the plan with these pictures taken from features, and no others."""
        n = int(from_features.sum())
        both = self.counts.to_read + self.counts.from_features
        counts = structs.replace(self.counts, from_features=n, to_read=both - n)
        return replace(self, from_features=from_features, counts=counts)

    def ids(self, places: Int64Array) -> list[str]:
        """Return the image_ids at these positions."""
        ids: list[str] = self.listing["image_id"].take(pa.array(places)).to_pylist()
        return ids

    def by_bucket(self, wanted: BoolArray) -> Iterator[tuple[int, Int64Array]]:
        """Yield, for each bucket that has any, the positions of the wanted pictures.

        They are in order of the listing.
        """
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
        to_read = ~self.carried & (self.staged < 0) & ~self.from_features
        for bucket, places in self.by_bucket(to_read):
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


# What the plan does with a picture. From the top, the first line that fits decides.
#
#   its row    its file          model, reader  rules             then          counted as
#                                of the row
#   ---------  ----------------  -------------  ----------------  ------------  ------------------
#   none       there             -              -                 to read       new
#   any        other size, time  -              -                 to read       changed
#   any        the same          any            full              to read       rescored
#   any        the same          another        within the limit  to read       rescored
#   failed     the same          any            retry_errors      to read       rescored
#   unsettled  the same          any            -                 to read       unchanged (1)
#   any        the same          another        beyond the limit  carried over  unchanged, behind
#   any        the same          tonight's      -                 carried over  unchanged
#   any        gone              -              -                 dropped       deleted
#
# A row of another model is behind if it is ok; one of another reader is behind whatever it says.
# The limit is `backfill_limit`, and takes the newest pictures first; without one, all are within.
# (1) Reading tells whether it is, see `tagger.index.merge`.
#
# What is to read need not be read
#   - if staging has a row of the very same file, size and time, that was read well enough and whose
#     scores are known: `staged`;
#   - else if only the model is another, and the trunk's features are stored: `from_features`.


def make_plan(listing: pa.Table, before: Before, rules: Rules) -> Plan:
    """Return the plan for `listing`, as `LISTING`, against what there is already."""
    # Taking from chunks would copy them all, every time.
    listing, index = _each_once(listing.combine_chunks())
    rows = _compare(listing, index, before.known)
    buckets = before.buckets or before.staged.buckets or bucket_count(len(listing))
    _add_buckets(rows, listing["image_id"], buckets)
    later = _left_for_later(rows.behind, listing, rules.backfill_limit)
    again = rows.same & _marked(index, before.unsettled, len(listing))
    if rules.full:
        rescored = rows.same
    elif rules.retry_errors:
        rescored = (rows.behind & ~later) | rows.failed
    else:
        rescored = rows.behind & ~later
    carried = rows.same & ~rescored & ~again
    staged = _staged_places(listing, index, ~carried, before)
    nothing = np.zeros(len(listing), bool)
    counts = PlanCounts(
        found=len(listing),
        new=int((~rows.there).sum()),
        changed=int((rows.there & ~rows.same).sum()),
        rescored=int(rescored.sum()),
        unchanged=int((rows.same & ~rescored).sum()),
        deleted=rows.total - int(rows.there.sum()),
        staged=int((staged >= 0).sum()),
        to_read=int((~carried & (staged < 0)).sum()),
        behind=int((rows.behind & ~rescored).sum()),
    )
    return Plan(
        listing=listing,
        bucket=rows.bucket,
        buckets=buckets,
        carried=carried,
        retried=rows.failed & ~carried,
        outdated=nothing if rules.full else rows.behind & ~rows.misread & ~carried & ~again,
        staged=staged,
        from_features=nothing,
        counts=counts,
    )


class _Compared(NamedTuple):
    """How many rows there are; and of each listed picture, what is known of its row.

    It is there, of the same file; and of those of the same file: it failed, is behind, and so on.
    """

    total: int
    there: BoolArray
    same: BoolArray
    failed: BoolArray
    behind: BoolArray
    misread: BoolArray
    bucket: npt.NDArray[np.int32]


def _compare(listing: pa.Table, index: IdIndex, known: Iterable[pa.Table]) -> _Compared:
    total = 0
    bucket = np.zeros(len(listing), np.int32)
    there, same, failed, behind, misread = np.zeros((5, len(listing)), bool)
    size = _numbers(listing, "size")
    mtime_ns = _numbers(listing, "mtime_ns")
    for part in known:
        total += len(part)
        places = index.find(part["image_id"].combine_chunks())
        here = np.flatnonzero(places >= 0)
        part = part.take(pa.array(here))
        at = places[here]
        there[at] = True
        bucket[at] = part["bucket"].to_numpy()
        same_size = size[at] == _numbers(part, "size")
        same[at] = same_size & (mtime_ns[at] == _numbers(part, "mtime_ns"))
        failed[at] = part["failed"].to_numpy()
        behind[at] = part["behind"].to_numpy()
        misread[at] = part["misread"].to_numpy()
    return _Compared(total, there, same, same & failed, same & behind, same & misread, bucket)


def _add_buckets(rows: _Compared, ids: pa.ChunkedArray, buckets: int) -> None:
    """Fill in the buckets of pictures that have no row; some at a time, for they become objects."""
    for places in np.array_split(np.flatnonzero(~rows.there), 1 + len(ids) // _BATCH):
        texts = ids.take(pa.array(places)).to_pylist()
        rows.bucket[places] = [bucket_of(image_id, buckets) for image_id in texts]


def _marked(index: IdIndex, ids: pa.Array, n: int) -> BoolArray:
    """Return bool (n,): which listed pictures have these ids."""
    result = np.zeros(n, bool)
    places = index.find(ids)
    result[places[places >= 0]] = True
    return result


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
    """Return bool (n,): rows of older models or readers that are beyond the limit.

    The newest pictures come first.
    """
    later = np.zeros_like(behind)
    if limit is not None and behind.sum() > limit:
        places = np.flatnonzero(behind)
        newest = np.argsort(-_numbers(listing, "mtime_ns")[places], kind="stable")
        later[places[newest[limit:]]] = True
    return later


def _staged_places(
    listing: pa.Table, index: IdIndex, wanted: BoolArray, before: Before
) -> Int64Array:
    """Return int64 (n,): the newest staged row that answers for the very same file, or -1."""
    result = np.full(len(listing), -1, np.int64)
    keys = before.staged.keys
    if not len(keys) or not wanted.any():
        return result
    keys = keys.combine_chunks()
    usable = np.flatnonzero(keys["good"].to_numpy() & ~_waits_for_ever(keys, before.contents))
    at = index.find(keys["image_id"].take(pa.array(usable)))
    # Of one picture read twice, the newer reading comes first and counts; an older one is of an
    # older file.
    places, first = np.unique(at, return_index=True)
    here = (places >= 0) & wanted[places]
    row = usable[first[here]]
    places = places[here]
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
