"""Staging: rows of a run that has not published yet.

The next run uses those that still answer for their file.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tagger.arrays import Int64Array
from tagger.files import replacing
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


class Staged(NamedTuple):
    """The rows that lie in staging, newest first.

    Attributes
    ----------
    files : list of Path
    keys : pa.Table
        image_id and content_sha256 (large_string), size, mtime_ns, failed, good (see
        `_still_good`), pointer (see `is_pointer`), scored, file (position in `files`), row.
    buckets : int or None
        How many buckets the index was to have, if anything is there: an index without a snapshot
        has no other place to remember that.
    """

    files: list[Path]
    keys: pa.Table
    buckets: int | None


class Staging:
    """The staged units of one model: Parquet files of up to 2,000 rows.

    Their names sort by time. A row without a model is the row of a content that is known from
    elsewhere; its scores are filled in at publishing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def unit(self, run_id: str, number: int, buckets: int) -> Path:
        """Return where a run's unit lies."""
        return self.path / f"unit-{run_id}-{number:06d}-of-{buckets:03d}.parquet"

    def write(self, path: Path, rows: pa.Table) -> None:
        """Write a unit, its content durably, by way of a sibling and one rename."""
        self.path.mkdir(parents=True, exist_ok=True)
        with replacing(path) as sibling:
            pq.write_table(rows, sibling, compression="zstd", write_page_checksum=True)

    def list(self, schema: pa.Schema) -> Staged:
        """Return what is there, but for files that are damaged or not of this schema."""
        files: list[Path] = []
        tables = []
        for path in sorted(self.path.glob("unit-*.parquet"), reverse=True):
            found = _schema_of(path)
            if found is None or not schema.equals(found, check_metadata=True):
                continue
            rows = read_unit(path, _READ)
            if rows is not None:
                tables.append(_keys(rows, len(files)))
                files.append(path)
        buckets = re.search(r"-of-(\d+)\.parquet$", files[0].name) if files else None
        keys = pa.concat_tables([KEYS.empty_table(), *tables])
        return Staged(files, keys, int(buckets[1]) if buckets else None)

    def clear(self) -> None:
        """Remove all units; they have been published, or nobody wants them."""
        shutil.rmtree(self.path, ignore_errors=True)


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


def failures_in(staged: Staged, places: Int64Array) -> Iterator[pa.Table]:
    """Yield image_id, status and error of failed rows, a file at a time; `places` are theirs in the
    staged keys."""
    keys = staged.keys.select(["file", "row"]).take(pa.array(places))
    files = keys["file"].to_numpy()
    rows = keys["row"].to_numpy()
    for file in np.unique(files):
        table = read_unit(staged.files[int(file)], ["image_id", "status", "error"])
        if table is not None:
            yield table.take(pa.array(rows[files == file]))


def is_pointer(rows: pa.Table) -> pa.ChunkedArray:
    """Return bool (n,): rows of known contents, whose scores are yet to be filled in."""
    return pc.and_(pc.equal(rows["status"], "ok"), pc.is_null(rows["model_id"]))
