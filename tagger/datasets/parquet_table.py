"""Parquet files as label tables: whatever their columns hold, as what it says."""

from collections.abc import Callable
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tagger.datasets.label_cells import Cell
from tagger.datasets.label_table import LabelTable
from tagger.errors import DatasetError
from tagger.labels.vocabulary import canonical_name


def read_parquet(path: Path, *, shown: str) -> LabelTable:
    """Return a Parquet file.

    Raises
    ------
    DatasetError
        If it cannot be read.
    """
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{shown} cannot be read: {str(error).splitlines()[0]}") from error
    written = file.schema_arrow.names

    def stored(i: int) -> pa.ChunkedArray:
        name = written[i]
        return file.read(columns=[name]).column(written[:i].count(name))

    def values(i: int) -> list[Any]:
        return list(stored(i).to_pylist())

    def column(i: int) -> list[Cell]:
        try:
            return _cells(stored(i))
        except (OSError, ValueError, TypeError, pa.ArrowException) as error:
            raise DatasetError(
                f"{shown}: column {written[i]!r}: {str(error).splitlines()[0]}"
            ) from error

    names = [canonical_name(name) for name in written]
    numbers = range(2, file.metadata.num_rows + 2)
    return LabelTable(shown, names, written, numbers, column, values)


def _cells(column: pa.ChunkedArray) -> list[Cell]:
    """Return a column's cells: whole numbers without a point, all else as it is.

    A gap among whole numbers makes Arrow store them with a point.
    """
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    values = column.to_pylist()
    if not _is_list(kind):
        write = _writer(kind, values)
        return [write(value) for value in values]
    write = _writer(kind.value_type, [item for cell in values if cell is not None for item in cell])
    return [None if cell is None else [write(item) for item in cell] for cell in values]


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _writer(kind: pa.DataType, values: list[Any]) -> Callable[[Any], str | None]:
    """Return what writes a value of this type as text, None where there is none."""
    types = pa.types
    kind = kind.value_type if types.is_dictionary(kind) else kind
    if types.is_floating(kind):
        return _number_writer(kind, values)
    textual = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    if textual or types.is_integer(kind) or types.is_boolean(kind) or types.is_null(kind):
        return lambda value: None if value is None else str(value)
    raise TypeError(f"it holds values of type {kind}; labels are text, so write them as text")


def _number_writer(kind: pa.DataType, values: list[Any]) -> Callable[[Any], str | None]:
    """Return what writes a number, without its point where all are whole; NaN is no number."""
    known = [value for value in values if value is not None and not isnan(value)]
    whole = all(float(value).is_integer() for value in known)
    as_stored = np.dtype(kind.to_pandas_dtype()).type  # else a float32 would show float64's digits

    def write(value: Any) -> str | None:
        if value is None or isnan(value):
            return None
        return str(int(value)) if whole else str(as_stored(value))

    return write
