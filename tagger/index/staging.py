"""Staging: rows of a run that has not published yet.

The next run uses those that still answer for their file.
"""

import math
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tagger.arrays import Int64Array
from tagger.files import replacing
from tagger.index.buckets import Numbers
from tagger.machine import raise_machine_fault
from tagger.parquet import read_parquet

UNSETTLED_COLUMN = "_unsettled"
"""Beside a row's own columns: whether its file was read within 2 s of its last change."""

_READ = [
    "image_id",
    "size_bytes",
    "mtime_ns",
    "status",
    "content_sha256",
    "model_id",
    UNSETTLED_COLUMN,
]

KEYS = pa.schema(
    [
        # Large: a column of staged digests outgrows 2 GiB at 33 million rows.
        ("image_id", pa.large_string()),
        ("content_sha256", pa.large_string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("failed", pa.bool_()),
        ("good", pa.bool_()),
        ("pointer", pa.bool_()),
        ("scored", pa.bool_()),
        ("file", pa.int64()),
        ("row", pa.int64()),
    ]
)
_PASSING = pa.array(["denied", "timeout", "crashed"])


class StagedFiles(NamedTuple):
    """The files that lie in staging, newest first.

    Attributes
    ----------
    paths : list of Path
    buckets : int or None
        How many buckets the index was to have, if anything is there: an index without a snapshot
        has no other place to remember that.
    """

    paths: list[Path]
    buckets: int | None


class Staging:
    """The staged units of one model: Parquet files of up to 2,000 rows of one bucket.

    Their names sort by time. A row without a model is the row of a content that is known from
    elsewhere; its scores are filled in at publishing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def unit(self, run_id: str, number: int, bucket: int, buckets: int) -> Path:
        """Return where a run's unit lies, of one of so many buckets."""
        return self.path / f"unit-{run_id}-{number:06d}-{bucket:05d}-of-{buckets:05d}.parquet"

    def write(self, path: Path, rows: pa.Table) -> None:
        """Write a unit, its content durably, by way of a sibling and one rename."""
        self.path.mkdir(parents=True, exist_ok=True)
        with replacing(path) as sibling:
            pq.write_table(rows, sibling, compression="zstd", write_page_checksum=True)

    def files(self, schema: pa.Schema) -> StagedFiles:
        """Return what is there, but for files that are damaged or not of this schema."""
        names = sorted(self.path.glob("unit-*.parquet"), reverse=True)
        paths = [path for path in names if schema.equals(_schema_of(path), check_metadata=True)]
        return StagedFiles(paths, _named(paths[0])[1] if paths else None)

    def clear(self) -> None:
        """Remove all units; they have been published, or nobody wants them."""
        shutil.rmtree(self.path, ignore_errors=True)


def may_hold(path: Path, buckets: Numbers, of: int) -> bool:
    """Return whether a unit may have rows of some of these buckets, of `of`: its name says of which
    bucket it is, though perhaps of another number. Names of earlier versions do not say that."""
    bucket, total = _named(path)
    if bucket is None or total is None:
        return True
    both = math.gcd(total, of)  # numbers that have both remainders exist if these agree
    return bool(np.any(buckets % both == bucket % both))


def _named(path: Path) -> tuple[int | None, int | None]:
    """Return which bucket a unit is of by its name, and of how many."""
    found = re.search(r"(?:-(\d{5}))?-of-(\d+)\.parquet$", path.name)
    if found is None:
        return None, None
    return int(found[1]) if found[1] else None, int(found[2])


def staged_keys(files: Sequence[Path], buckets: Numbers, of: int) -> pa.Table:
    """Return what the plan needs of the staged rows of these buckets, of `of`, as `KEYS`."""
    tables = [KEYS.empty_table()]
    for number, path in enumerate(files):
        rows = read_unit(path, _READ) if may_hold(path, buckets, of) else None
        if rows is not None:
            tables.append(_keys(rows, number))
    return pa.concat_tables(tables)


def staged_contents(files: Iterable[Path]) -> Iterator[pa.ChunkedArray]:
    """Yield the contents of staged rows that have scores, file by file."""
    for path in files:
        rows = read_unit(path, ["content_sha256", "model_id"])
        if rows is not None:
            yield rows.filter(pc.is_valid(rows["model_id"]))["content_sha256"]


def read_unit(path: Path, columns: list[str] | None = None) -> pa.Table | None:
    """Return a staged unit, or some of its columns.

    None if it is missing or damaged, as a power cut may leave it.
    """
    try:
        return read_parquet(path, columns)
    except (OSError, pa.ArrowException) as error:
        raise_machine_fault(error)
        return None


def staged_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema of units whose rows will have `schema`."""
    return schema.append(pa.field(UNSETTLED_COLUMN, pa.bool_(), nullable=False))


def _keys(rows: pa.Table, file: int) -> pa.Table:
    columns = [
        rows["image_id"].cast(pa.large_string()),
        rows["content_sha256"].cast(pa.large_string()),
        pc.fill_null(rows["size_bytes"], -1),
        pc.fill_null(rows["mtime_ns"], -1),
        pc.not_equal(rows["status"], "ok"),
        _still_good(rows),
        is_pointer(rows),
        pc.is_valid(rows["model_id"]),
        np.full(len(rows), file),
        np.arange(len(rows)),
    ]
    return pa.table(columns, schema=KEYS)


def _schema_of(path: Path) -> pa.Schema | None:
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise_machine_fault(error)
        return None


def _still_good(keys: pa.Table) -> pa.Array:
    """Return bool (n,): rows that may answer for a file of the same size and modification time.

    Not those that were read too soon after the file's last change, and not failures that may not
    have been the file's own fault (no permission, no time, no answer): the interrupted run's next
    try may go better.
    """
    unread = pc.and_(pc.is_null(keys["content_sha256"]), pc.not_equal(keys["status"], "too_large"))
    passing = pc.is_in(keys["status"], value_set=_PASSING)
    return pc.invert(pc.or_(keys[UNSETTLED_COLUMN], pc.or_(unread, passing)))


def failures_in(path: Path, rows: Int64Array) -> pa.Table:
    """Return image_id, status and error of the rows at these places in a unit."""
    columns = ["image_id", "status", "error"]
    table = read_unit(path, columns)
    if table is None:
        return pa.table({name: pa.array([], pa.string()) for name in columns})
    return table.take(pa.array(rows))


def is_pointer(rows: pa.Table) -> pa.ChunkedArray:
    """Return bool (n,): rows of known contents, whose scores are yet to be filled in."""
    return pc.and_(pc.equal(rows["status"], "ok"), pc.is_null(rows["model_id"]))
