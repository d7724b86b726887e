"""Tables in files of Arrow's own format, while a night runs: neither compressed nor durable."""

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pyarrow as pa


class ArrowWriter:
    """A file in the making.

    Parameters
    ----------
    path : Path
        Where it lies.
    schema : pa.Schema
        Of all tables.

    Raises
    ------
    OSError
        If it cannot be written, now or later.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self._file = pa.OSFile(str(path), "wb")
        self._stream = pa.ipc.new_stream(self._file, schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, table: pa.Table) -> None:
        """Append the rows of a table."""
        self._stream.write_table(table)

    def close(self) -> None:
        """Write what is left."""
        self._stream.close()
        self._file.close()


def read_batches(path: Path) -> Iterator[pa.Table]:
    """Yield the rows of a file, as they were appended."""
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        for batch in reader:
            yield pa.Table.from_batches([batch])


def read_table(path: Path) -> pa.Table:
    """Return all rows of a file."""
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        table = reader.read_all()
    return table if len(table) else table.schema.empty_table()  # that has chunks
