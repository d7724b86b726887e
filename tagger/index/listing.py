"""The walked catalog: in memory, or in files where it is large, a partition each."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa

from tagger.catalog import Found
from tagger.index.arrow_files import ArrowWriter, read_batches, read_table
from tagger.index.buckets import Partitions, buckets_of
from tagger.index.spill import Spill

LISTING = pa.schema(
    [("image_id", pa.large_string()), ("size", pa.int64()), ("mtime_ns", pa.int64())]
)
"""Pictures as the walk found them: 24 bytes each and the id."""

DEALT = LISTING.append(pa.field("bucket", pa.int32()))
"""The pictures of a partition, with their buckets."""

_FILES = 256
"""At most, since they are open together. Beyond 256 million pictures, partitions are larger."""


class Listing:
    """The pictures that a walk has found so far.

    Parameters
    ----------
    spill : Spill
        Says how many are held in memory; with one more all lie there, in the order of the walk.

    Attributes
    ----------
    found : int
        How many; one that a folder lists twice counts twice.
    """

    def __init__(self, spill: Spill) -> None:
        self.found = 0
        self._spill = spill
        self._held = [LISTING.empty_table()]
        self._file: ArrowWriter | None = None
        self._dealt: list[Path] = []

    @property
    def partitions(self) -> int:
        """How many partitions the pictures take."""
        return 1 if self._file is None else min(_FILES, -(-self.found // self._spill.held))

    def add(self, found: Found) -> None:
        """Take in the next pictures."""
        table = _table(found)
        self.found += len(table)
        self._held.append(table)
        if self.found > self._spill.held:
            self._file = self._file or ArrowWriter(self._spill.path("walk.arrow"), LISTING)
            for one in self._held:
                self._file.write(one)
            self._held = []

    def deal(self, partitions: Partitions) -> None:
        """Deal the pictures out to partitions, if they are not in memory."""
        if self._file is None:
            return
        self._file.close()
        self._dealt = [self._spill.path(f"listing-{at}.arrow") for at in range(len(partitions))]
        with ExitStack() as stack:
            writers = [stack.enter_context(ArrowWriter(path, DEALT)) for path in self._dealt]
            for rows in read_batches(self._file.path):
                buckets = buckets_of(rows["image_id"].combine_chunks(), partitions.buckets)
                dealt = rows.append_column(DEALT.field("bucket"), pa.array(buckets))
                for at, some in _by_number(dealt, partitions.of[buckets]):
                    writers[at].write(some)
        self._file.path.unlink()

    def __iter__(self) -> Iterator[pa.Table]:
        """Yield the pictures of each partition: all of them, as `LISTING`, where they are in
        memory; else as `DEALT`."""
        if self._file is None:
            yield pa.concat_tables(self._held)
        for path in self._dealt:
            yield read_table(path)

    def clear(self) -> None:
        """Remove what lies in files: the plan has it."""
        for path in self._dealt:
            path.unlink()
        self._dealt = []


def _by_number(rows: pa.Table, numbers: np.ndarray) -> Iterator[tuple[int, pa.Table]]:
    """Yield each number, and the rows that have it."""
    order = np.argsort(numbers, kind="stable")
    ordered = rows.take(pa.array(order))
    found, starts = np.unique(numbers[order], return_index=True)
    ends = [*starts[1:], len(numbers)]
    for number, start, end in zip(found, starts, ends, strict=True):
        yield int(number), ordered.slice(start, end - start)


def _table(found: Found) -> pa.Table:
    # From the bytes as they are: a list of texts takes ten times as long.
    ends = np.zeros(len(found.ids) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, found.ids), np.int64, len(found.ids)), out=ends[1:])
    ids = pa.LargeStringArray.from_buffers(
        len(found.ids), pa.py_buffer(ends), pa.py_buffer(b"".join(found.ids))
    )
    return pa.table(
        [ids, np.array(found.sizes, np.int64), np.array(found.times, np.int64)], schema=LISTING
    )
