"""Label tables: CSV and Parquet files, cell by cell as they are written.

Only an empty cell says nothing.
"""

import codecs
import io
from collections.abc import Callable
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tagger.datasets.label_cells import Cell, cell_text
from tagger.errors import DatasetError
from tagger.labels.vocabulary import canonical_name

_SEPARATORS = ",;\t"
_UTF16_AND_32 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)


@dataclass(frozen=True)
class LabelTable:
    """A table whose columns are read when they are asked for.

    Attributes
    ----------
    shown : str
        What messages call it.
    names : list of str
        The header, as labels are compared: without blanks around names, in one Unicode form.
    rows : int
    written : list of str
        The header as it stands there.
    separator : str
        Between the cells of a CSV file.
    """

    shown: str
    names: list[str]
    rows: int
    written: list[str]
    _read: Callable[[int], list[Cell]]
    _values: Callable[[int], list[Any]]
    separator: str = ","

    def column(self, name: str) -> list[Cell]:
        """Return the cells of a column.

        Raises
        ------
        DatasetError
            If the header has the name twice, or the column cannot be read as text, numbers or lists
            of them.
        """
        if self.names.count(name) > 1:
            raise DatasetError(
                f"{self.shown} has {self.names.count(name)} columns {name!r}; rename or remove one"
            )
        return self._read(self.names.index(name))

    def texts(self, i: int) -> list[str]:
        """Return the cells of column number `i` as a CSV file has them, whatever they hold.

        A list becomes JSON, and what labels cannot be, such as a date, what Python writes.
        """
        try:
            cells = self._read(i)
        except DatasetError:
            cells = [None if value is None else str(value) for value in self._values(i)]
        return [cell_text(cell) for cell in cells]


def read_csv(path: Path, *, key: str, shown: str) -> LabelTable:
    """Return a CSV file in UTF-8.

    It is separated by semicolons or tabs if only so its header has the column `key`.

    Raises
    ------
    DatasetError
        If it cannot be read.
    """
    text = _decoded(path, shown)
    separator = _separator(text, key)
    try:
        # The header is read as a row, or pandas would rename a name that is there twice; no word
        # means an empty cell.
        table = pd.read_csv(
            io.StringIO(text), sep=separator, header=None, dtype=str, na_filter=False
        )
    except (ValueError, OverflowError) as error:
        reason = str(error).strip().splitlines()[0].removeprefix("Error tokenizing data. C error: ")
        raise DatasetError(
            f"{shown} cannot be read: {reason}; each row needs as many cells as the header, and a "
            f"cell that holds {separator!r} stands in double quotes"
        ) from error
    rows = table.iloc[1:]
    written = [_text_or_none(name) or "" for name in table.iloc[0]]

    def column(i: int) -> list[Cell]:
        return [_text_or_none(cell) for cell in rows[i]]

    names = [canonical_name(name) for name in written]
    return LabelTable(shown, names, len(rows), written, column, column, separator)


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
    return LabelTable(shown, names, file.metadata.num_rows, written, column, values)


def _separator(text: str, key: str) -> str:
    """Return what separates the header so that it has the column `key`; a comma if nothing does."""
    header = next(iter(text.splitlines()), "")
    for separator in _SEPARATORS:
        names = (name.strip().strip('"') for name in header.split(separator))
        if key in map(canonical_name, names):
            return separator
    return ","


def _decoded(path: Path, shown: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{shown} cannot be read: {error.strerror}") from error
    if data.startswith(_UTF16_AND_32) or b"\0" in data:
        raise DatasetError(
            f"{shown} cannot be read: it is UTF-16, or no text at all; save it as CSV in UTF-8"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DatasetError(
            f"{shown} cannot be read: byte 0x{data[error.start]:02x} in line {line} is not UTF-8, "
            "perhaps Windows-1252; save it as CSV in UTF-8"
        ) from error


def _text_or_none(cell: Any) -> str | None:
    return cell if isinstance(cell, str) else None  # a row that is shorter than the header


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
