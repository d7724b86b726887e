"""Staging: rows of a run that has not published yet; the next run uses those that still answer for their file."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tagger.files import sync_file

UNSETTLED_COLUMN = "_unsettled"
"""Beside a row's own columns: whether its file was read within 2 s of its last change."""

_KEYS = ["image_id", "size_bytes", "mtime_ns", "status", "content_sha256", "model_id", UNSETTLED_COLUMN]
_PASSING = pa.array(["denied", "timeout", "crashed"])


class Staged(NamedTuple):
    """The rows that lie in staging, newest first.

    Attributes
    ----------
    files : list of Path
    keys : pa.Table
        image_id, size_bytes, mtime_ns, status, content_sha256, model_id, file (position in `files`), row.
    """

    files: list[Path]
    keys: pa.Table


class Staging:
    """The staged units of one model: Parquet files of up to 2,000 rows, named so that they sort by time.

    A row without a model is the row of a content that is known from elsewhere; its scores are filled in at publishing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, run_id: str, number: int, rows: pa.Table) -> Path:
        """Write a unit, durably, by way of a sibling and one rename; return its path."""
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / f"unit-{run_id}-{number:06d}.parquet"
        sibling = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            pq.write_table(rows, sibling, compression="zstd", write_page_checksum=True)
            sync_file(sibling)
            os.replace(sibling, path)
        finally:
            sibling.unlink(missing_ok=True)
        return path

    def list(self, schema: pa.Schema) -> Staged:
        """Return what is there; files that are damaged, or not of this schema, count as not there."""
        files: list[Path] = []
        tables = []
        for path in sorted(self.path.glob("unit-*.parquet"), reverse=True):
            rows = read_unit(path)
            if rows is not None and rows.schema.equals(schema, check_metadata=True):
                numbers = pa.array(np.arange(len(rows)), pa.int64())
                place = pa.array(np.full(len(rows), len(files)), pa.int64())
                tables.append(rows.select(_KEYS).append_column("file", place).append_column("row", numbers))
                files.append(path)
        empty = pa.schema([*(schema.field(name) for name in _KEYS), ("file", pa.int64()), ("row", pa.int64())])
        return Staged(files, pa.concat_tables([empty.empty_table().replace_schema_metadata(), *map(_plain, tables)]))

    def clear(self) -> None:
        """Remove all units; they have been published, or nobody wants them."""
        shutil.rmtree(self.path, ignore_errors=True)


def read_unit(path: Path, columns: list[str] | None = None) -> pa.Table | None:
    """Return a staged unit, or some of its columns, or None if it is missing or damaged (a power cut may do that)."""
    try:
        return pq.read_table(path, columns=columns, memory_map=False, page_checksum_verification=True)
    except (OSError, pa.ArrowException):
        return None


def staged_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema of units whose rows will have `schema`."""
    return schema.append(pa.field(UNSETTLED_COLUMN, pa.bool_(), nullable=False))


def still_good(keys: pa.Table) -> pa.Array:
    """Return bool (n,): rows that may answer for a file of the same size and modification time.

    Not those that were read too soon after the file's last change, and not failures that may not have been the file's
    own fault (no permission, no time, no answer): the interrupted run's next try may go better.
    """
    unread = pc.and_(pc.is_null(keys["content_sha256"]), pc.not_equal(keys["status"], "too_large"))
    passing = pc.is_in(keys["status"], value_set=_PASSING)
    return pc.invert(pc.or_(keys[UNSETTLED_COLUMN], pc.or_(unread, passing))).combine_chunks()


def is_pointer(rows: pa.Table) -> pa.ChunkedArray:
    """Return bool (n,): rows of known contents, whose scores are yet to be filled in."""
    return pc.and_(pc.equal(rows["status"], "ok"), pc.is_null(rows["model_id"]))


def scored_contents(rows: pa.Table) -> pa.ChunkedArray:
    """Return the digests of rows that have scores."""
    return rows.filter(pc.is_valid(rows["model_id"]))["content_sha256"]


def _plain(table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata()
