"""A plan of a night: what is to be done with each picture of some buckets, and as a table."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import structs

from schemas.runs import PlanCounts
from tagger.arrays import BoolArray, Int64Array
from tagger.index.buckets import Numbers
from tagger.index.listing import LISTING

UNIT = 2000
"""Pictures of one bucket that are scored and staged together."""

_OUTCOME = pa.schema(
    [
        *LISTING,
        ("bucket", pa.int32()),
        ("carried", pa.bool_()),
        ("retried", pa.bool_()),
        ("outdated", pa.bool_()),
        ("from_features", pa.bool_()),
        ("staged_file", pa.int32()),
        ("staged_row", pa.int32()),
        ("staged_failed", pa.bool_()),
    ]
)
"""A plan as a table."""

UNIT_PICTURES = pa.schema([*LISTING, ("retried", pa.bool_())])
"""What reading needs to know of a unit's pictures."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done with each listed picture of some buckets; all arrays are of the listing's
    length.

    Attributes
    ----------
    listing : pa.Table
        As `LISTING`, each image_id once.
    bucket : int32
    carried : bool
        Its row stays as it is.
    retried : bool
        It failed before, has not changed, and is tried again.
    outdated : bool
        It has not changed and was read by this reader, and its scores are of another model.
    from_features : bool
        Its row is made of its last row and stored features: it is not read.
    staged_file, staged_row : int32
        Where the row is that an interrupted run made of it: a number of a file, or -1.
    staged_failed : bool
        That row is not ok.
    ties : int, not an array
        How many of `Newest.ties` were behind here.
    counts : PlanCounts
    """

    listing: pa.Table
    bucket: Numbers
    carried: BoolArray
    retried: BoolArray
    outdated: BoolArray
    from_features: BoolArray
    staged_file: Numbers
    staged_row: Numbers
    staged_failed: BoolArray
    ties: int = 0
    counts: PlanCounts

    @property
    def staged(self) -> BoolArray:
        """Return bool (n,): the pictures of which an interrupted run made a row."""
        return self.staged_file >= 0

    def taking(self, from_features: BoolArray) -> "Plan":
        """Return the plan with these pictures taken from features, and no others."""
        n = int(from_features.sum())
        both = self.counts.to_read + self.counts.from_features
        counts = structs.replace(self.counts, from_features=n, to_read=both - n)
        return replace(self, from_features=from_features, counts=counts)

    def ids(self, places: Int64Array) -> pa.Array:
        """Return the image_ids at these positions, large_string."""
        return self.listing["image_id"].take(pa.array(places)).combine_chunks()

    def by_bucket(self, wanted: BoolArray) -> Iterator[tuple[int, Int64Array]]:
        """Yield, for each bucket that has any, the positions of the wanted pictures.

        They are in order of the listing.
        """
        places = np.flatnonzero(wanted)
        places = places[np.argsort(self.bucket[places], kind="stable")]
        numbers, starts = np.unique(self.bucket[places], return_index=True)
        for number, here in zip(numbers, np.split(places, starts[1:]), strict=False):
            yield int(number), here

    def units(self, most: float = math.inf) -> Iterator[tuple[int, pa.Table]]:
        """Yield buckets and pictures that are to be read, as `UNIT_PICTURES`, by bucket and
        image_id.

        At most `UNIT` each, and at most `most`.
        """
        size = int(min(UNIT, most))
        for bucket, places in self.by_bucket(~self.carried & ~self.staged & ~self.from_features):
            ordered = places[pc.sort_indices(self.ids(places)).to_numpy()]
            for at in range(0, len(ordered), size):
                here = ordered[at : at + size]
                pictures = self.listing.take(pa.array(here))
                retried = pa.array(self.retried[here])
                yield bucket, pictures.append_column(UNIT_PICTURES.field("retried"), retried)

    def table(self) -> pa.Table:
        """Return the plan as a table, all but its counts."""
        arrays = [getattr(self, name) for name in _OUTCOME.names[len(LISTING) :]]
        return pa.table([*self.listing.columns, *arrays], schema=_OUTCOME)

    @classmethod
    def of(cls, table: pa.Table, counts: PlanCounts) -> "Plan":
        """Return the plan that `table` made a table of."""
        arrays = {name: table[name].to_numpy() for name in _OUTCOME.names[len(LISTING) :]}
        listing = table.select(LISTING.names).combine_chunks()
        return cls(listing=listing, counts=counts, **arrays)
