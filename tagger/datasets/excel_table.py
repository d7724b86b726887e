"""Excel workbooks as label tables: the first sheet with a header and rows, its cells as text."""

import datetime
import re
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tagger.datasets.label_table import NumberedRow, RowTable
from tagger.datasets.table_header import header_at
from tagger.errors import DatasetError
from tagger.labels.vocabulary import canonical_name

_OLD = b"\xd0\xcf\x11\xe0"
_PROTECTED = "EncryptedPackage".encode("utf-16-le")
_MOST_BYTES = 2**30
"""Of a workbook unpacked: a sheet of a million rows and twenty columns has less."""

_MOST_CELLS = 20_000_000
"""Of one sheet's rectangle, blank cells too: the reader keeps each of them in memory."""

_CELL = re.compile(rb"<(?:\w+:)?c\s[^>]*?\br=\"([A-Z]+)([0-9]+)\"")
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml", re.IGNORECASE)


def read_excel_rows(path: Path, *, shown: str, keys: Collection[str]) -> tuple[RowTable, str]:
    """Return the rows of the first sheet that has a header and rows, and what messages call it.

    Numbers are written without a point where they are whole, dates as in 2026-11-27.

    Parameters
    ----------
    keys : collection of str
        Headers that a table of this kind has.

    Raises
    ------
    DatasetError
        If it is no workbook, is protected, or is larger than a table can be.
    """
    _check_file(path, shown)
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_path(path)
        names = [each.name for each in book.sheets_metadata]
        for name in names:
            found = _table(book.get_sheet_by_name(name).to_python(skip_empty_area=False), keys)
            if found is not None:
                return found, shown if len(names) == 1 else f"{shown}, sheet {name!r}"
    except (CalamineError, OSError, ValueError) as error:
        raise DatasetError(
            f"{shown} cannot be read: the workbook is damaged ({error}); open it and save it anew"
        ) from error
    sheets = ", ".join(map(repr, names)) or "none"
    raise DatasetError(
        f"{shown} cannot be read: no sheet has a header and a row below it; its sheets: {sheets}"
    )


def _table(values: list[list[Any]], keys: Collection[str]) -> RowTable | None:
    """Return the table of a sheet, None if it has none."""
    rows = [
        NumberedRow(number, cells)
        for number, cells in enumerate(([_text(each) for each in row] for row in values), start=1)
        if any(map(canonical_name, cells))
    ]
    at = header_at([row.cells for row in rows[:200]], keys)
    if at is None or at + 1 == len(rows):
        return None
    return RowTable(rows[at].cells, rows[at + 1 :])


def _text(value: Any) -> str:
    """Return a cell as a spreadsheet shows it."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    return str(value)


def _check_file(path: Path, shown: str) -> None:
    """Raise DatasetError unless this is a workbook of a size that can be read."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_OLD))
        if start == _OLD:
            raise DatasetError(f"{shown} cannot be read: {_why_not(path)}")
        with zipfile.ZipFile(path) as packed:
            _check_packed(packed, shown)
    except OSError as error:
        raise DatasetError(f"{shown} cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        raise DatasetError(
            f"{shown} cannot be read: it is no Excel workbook, or a damaged one; open it in a "
            "spreadsheet and save it as .xlsx or CSV"
        ) from error


def _why_not(path: Path) -> str:
    if _PROTECTED in path.read_bytes():
        return "the workbook is protected by a password; save it without one"
    return "it is an older Excel workbook (.xls); open it and save it as .xlsx"


def _check_packed(packed: zipfile.ZipFile, shown: str) -> None:
    """Raise DatasetError for what would fill the memory: little files can claim endless sheets."""
    unpacked = sum(each.file_size for each in packed.infolist())
    if unpacked > _MOST_BYTES:
        raise DatasetError(
            f"{shown} cannot be read: unpacked it has {unpacked / 1e9:,.1f} GB, more than a table "
            "of labels can have; save the sheet as CSV"
        )
    if (damaged := packed.testzip()) is not None:  # reads no more than was claimed
        raise zipfile.BadZipFile(damaged)
    for name in filter(_SHEET.fullmatch, packed.namelist()):
        area = _area(packed.read(name))
        if area > _MOST_CELLS:
            raise DatasetError(
                f"{shown} cannot be read: a sheet reaches over {area:,} cells, most of them blank; "
                "delete what stands far below or right of the table, or save the sheet as CSV"
            )


def _area(sheet: bytes) -> int:
    """Return how many cells the rectangle of a sheet has, down to its last one."""
    columns, rows = {b"A"}, 1
    for match in _CELL.finditer(sheet):
        columns.add(match[1])
        rows = max(rows, int(match[2]))
    return rows * max(map(_column_number, columns))


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
