"""Reading one of our Parquet files, by this thread alone.

Where a memory limit keeps Arrow from starting threads, its readers of data sets wait for them for
ever, in C++, where no signal reaches them; a night that hangs holds the lock.
"""

from os import PathLike

import pyarrow as pa
import pyarrow.parquet as pq


def read_parquet(
    source: str | PathLike[str] | pa.BufferReader, columns: list[str] | None = None
) -> pa.Table:
    """Return the rows of one file, or some of its columns, after checking the checksums of its
    pages.

    Raises
    ------
    OSError, pa.ArrowException
        If it is missing or damaged, or lacks a column.
    """
    with pq.ParquetFile(source, page_checksum_verification=True) as file:
        missing = set(columns or ()) - set(file.schema_arrow.names)
        if missing:
            raise pa.ArrowInvalid(f"no column {', '.join(sorted(missing))}")
        return file.read(columns=columns, use_threads=False)
