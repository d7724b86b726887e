"""How a plan is made: which rows stay, which pictures are read.

Tables in, tables out; touches no file.
A picture is known by `(image_id, size, mtime_ns)` and its row by `model_id`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from schemas.runs import PlanCounts
from tagger.arrays import BoolArray, Int64Array
from tagger.digests import Contents, key_of
from tagger.index.buckets import Numbers, buckets_of
from tagger.index.id_index import IdIndex
from tagger.index.listing import LISTING
from tagger.index.plan import Plan

KNOWN = pa.schema(
    [
        *LISTING,
        ("bucket", pa.int32()),  # of tonight
        ("failed", pa.bool_()),  # not ok
        ("behind", pa.bool_()),  # ok, and scored by another model, or read by another reader
        ("misread", pa.bool_()),  # read by another reader
    ]
)
"""What the plan needs to know of the rows of the current snapshot."""


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
    staged : pa.Table
        The rows in staging, as `tagger.index.staging.KEYS`, newest first.
    contents : Contents
        Those that have scores of tonight's model, in the current snapshot or in staging.
    """

    known: Iterable[pa.Table]
    unsettled: pa.Array
    staged: pa.Table
    contents: Contents


class Newest(NamedTuple):
    """Which rows of older models and readers are within the limit: those of files that were changed
    later than `mtime_ns`, and the first `ties` of just then."""

    mtime_ns: int
    ties: int

    def after(self, ties: int) -> "Newest":
        """Return what is left to others of so many rows of just then."""
        return self._replace(ties=max(0, self.ties - ties))


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


def make_plan(
    listing: pa.Table, before: Before, rules: Rules, buckets: int, newest: Newest | None = None
) -> Plan:
    """Return the plan for pictures of some buckets, against what there is already of those.

    Parameters
    ----------
    listing : pa.Table
        As `LISTING`, and perhaps the buckets.
    buckets : int
        How many the index has tonight.
    newest : Newest, optional
        Says which rows are within `rules.backfill_limit`, see `within_limit`; by default that
        follows from these pictures alone.
    """
    # Taking from chunks would copy them all, every time.
    listing, index = _each_once(listing.combine_chunks())
    rows = _compare(listing, index, before.known)
    bucket = _buckets(rows, listing, buckets)
    listing = listing.select(LISTING.names)
    mtime_ns = _numbers(listing, "mtime_ns")
    if newest is None and rules.backfill_limit is not None:
        newest = within_limit([mtime_ns[rows.behind]], rules.backfill_limit)
    later = _left_for_later(rows.behind, mtime_ns, newest)
    again = rows.same & _marked(index, before.unsettled, len(listing))
    if rules.full:
        rescored = rows.same
    elif rules.retry_errors:
        rescored = (rows.behind & ~later) | rows.failed
    else:
        rescored = rows.behind & ~later
    carried = rows.same & ~rescored & ~again
    file, row, failed = _staged_places(listing, index, ~carried, before)
    nothing = np.zeros(len(listing), bool)
    counts = PlanCounts(
        found=len(listing),
        new=int((~rows.there).sum()),
        changed=int((rows.there & ~rows.same).sum()),
        rescored=int(rescored.sum()),
        unchanged=int((rows.same & ~rescored).sum()),
        deleted=rows.total - int(rows.there.sum()),
        staged=int((file >= 0).sum()),
        to_read=int((~carried & (file < 0)).sum()),
        behind=int((rows.behind & ~rescored).sum()),
    )
    return Plan(
        listing=listing,
        bucket=bucket,
        carried=carried,
        retried=rows.failed & ~carried,
        outdated=nothing if rules.full else rows.behind & ~rows.misread & ~carried & ~again,
        from_features=nothing,
        staged_file=file,
        staged_row=row,
        staged_failed=failed,
        ties=len(_ties(rows.behind, mtime_ns, newest)) if newest else 0,
        counts=counts,
    )


def behind_since(listing: pa.Table, known: Iterable[pa.Table]) -> Int64Array:
    """Return int64 (n,): when the files were changed whose rows are of older models or readers.

    Parameters are those of `make_plan` and `Before`.
    """
    listing, index = _each_once(listing.combine_chunks())
    return _numbers(listing, "mtime_ns")[_compare(listing, index, known).behind]


def within_limit(times: Iterable[Int64Array], limit: int) -> Newest | None:
    """Return which of these times are the `limit` latest; None if all are.

    No more than `limit` and one of the arrays are held.
    """
    latest = np.zeros(0, np.int64)
    whole = 0
    for some in times:
        whole += len(some)
        latest = np.concatenate([latest, some])
        if len(latest) > limit:
            latest = np.sort(latest)[len(latest) - limit :]
    if whole <= limit:
        return None
    if not limit:
        return Newest(np.iinfo(np.int64).max, 0)
    earliest = latest.min()
    return Newest(int(earliest), int((latest == earliest).sum()))


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
    bucket: Numbers


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


def _buckets(rows: _Compared, listing: pa.Table, buckets: int) -> Numbers:
    """Return int32 (n,): the bucket of each picture; of those that have a row it is known."""
    if "bucket" in listing.column_names:
        return np.asarray(listing["bucket"].to_numpy(), np.int32)
    new = np.flatnonzero(~rows.there)
    ids = listing["image_id"].take(pa.array(new)).combine_chunks()
    rows.bucket[new] = buckets_of(ids, buckets)
    return rows.bucket


def _marked(index: IdIndex, ids: pa.Array, n: int) -> BoolArray:
    """Return bool (n,): which listed pictures have these ids."""
    result = np.zeros(n, bool)
    places = index.find(ids)
    result[places[places >= 0]] = True
    return result


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


def _left_for_later(behind: BoolArray, mtime_ns: Int64Array, newest: Newest | None) -> BoolArray:
    """Return bool (n,): rows of older models or readers that are beyond the limit."""
    if newest is None:
        return np.zeros_like(behind)
    later = behind & (mtime_ns < newest.mtime_ns)
    later[_ties(behind, mtime_ns, newest)[newest.ties :]] = True
    return later


def _ties(behind: BoolArray, mtime_ns: Int64Array, newest: Newest) -> Int64Array:
    return np.flatnonzero(behind & (mtime_ns == newest.mtime_ns))


def _staged_places(
    listing: pa.Table, index: IdIndex, wanted: BoolArray, before: Before
) -> tuple[Numbers, Numbers, BoolArray]:
    """Return int32 (n,) twice and bool (n,): the newest staged row that answers for the very same
    file, as the plan has it."""
    file, row = np.full((2, len(listing)), -1, np.int32)
    failed = np.zeros(len(listing), bool)
    keys = before.staged
    if not len(keys) or not wanted.any():
        return file, row, failed
    keys = keys.combine_chunks()
    usable = np.flatnonzero(keys["good"].to_numpy() & ~_waits_for_ever(keys, before.contents))
    at = index.find(keys["image_id"].take(pa.array(usable)).combine_chunks())
    # Of one picture read twice, the newer reading comes first and counts; an older one is of an
    # older file.
    places, first = np.unique(at, return_index=True)
    here = (places >= 0) & wanted[places]
    key = usable[first[here]]
    places = places[here]
    same = np.ones(len(places), bool)
    for name in ("size", "mtime_ns"):
        same &= _numbers(listing, name)[places] == _numbers(keys, name)[key]
    places = places[same]
    key = key[same]
    file[places] = _numbers(keys, "file")[key]
    row[places] = _numbers(keys, "row")[key]
    failed[places] = keys["failed"].to_numpy()[key]
    return file, row, failed


def _waits_for_ever(keys: pa.Table, contents: Contents) -> BoolArray:
    """Return bool (n,): rows of known contents whose scores are nowhere any more."""
    result = np.zeros(len(keys), bool)
    pointers = np.flatnonzero(keys["pointer"].to_numpy())
    digests = keys["content_sha256"].take(pa.array(pointers)).to_pylist()
    result[pointers] = [key_of(bytes.fromhex(digest)) not in contents for digest in digests]
    return result
