"""A label table as a file: CSV, an Excel workbook or Parquet."""

import os
from collections.abc import Collection
from pathlib import Path

from tagger.datasets.csv_table import read_csv_rows
from tagger.datasets.excel_table import read_excel_rows
from tagger.datasets.label_table import LabelTable, table_of_rows
from tagger.datasets.parquet_table import read_parquet

ENDINGS = (".csv", ".xlsx", ".parquet")
"""Of files that are tables."""

KEYS = ("image",)


def open_table(path: Path, *, keys: Collection[str] = KEYS, shown: str | None = None) -> LabelTable:
    """Return a table of labels.

    Parameters
    ----------
    keys : collection of str
        Headers by which its header row and its separator are known, if it has one of them.
    shown : str, optional
        What messages call it.

    Raises
    ------
    DatasetError
        If it cannot be read.
    """
    called = shown or f"table {os.fspath(path)!r}"
    ending = path.suffix.lower()
    if ending == ".parquet":
        return read_parquet(path, shown=called)
    if ending == ".xlsx":
        found, called = read_excel_rows(path, shown=called, keys=keys)
        return table_of_rows(found, called)
    return table_of_rows(read_csv_rows(path, shown=called, keys=keys), called)
