"""Excel workbooks as label tables: the sheet that is the table, its cells as text."""

import datetime
import re
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tagger.datasets.label_table import NumberedRow, RowTable
from tagger.datasets.sheet_cells import column_number, shown_cells
from tagger.datasets.table_header import ARTICLES, PICTURES, header_at
from tagger.errors import DatasetError
from tagger.labels.folding import folded
from tagger.labels.vocabulary import canonical_name

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

Range = tuple[tuple[int, int], tuple[int, int]]
"""First and last cell, each its row and column, from 0."""

_OLD = b"\xd0\xcf\x11\xe0"
_PROTECTED = "EncryptedPackage".encode("utf-16-le")
_MOST_BYTES = 2**30
"""Of a workbook unpacked: a sheet of a million rows and twenty columns has less."""

_MOST_CELLS = 20_000_000
"""Of one sheet's rectangle, blank cells too: the reader keeps each of them in memory."""

_CELL = re.compile(rb"<(?:\w+:)?c\s[^>]*?\br=\"([A-Z]+)([0-9]+)\"")
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml", re.IGNORECASE)


def read_excel_rows(path: Path, *, shown: str, keys: Collection[str]) -> tuple[RowTable, str]:
    """Return the rows of the sheet that is the table, and what messages call it.

    It is the visible sheet whose header has most of `keys`; else the first that names pictures or
    articles; else the first with a header and rows. Which were not read is said. Numbers are
    written without a point where they are whole, dates as in 2026-11-27. A cell that is merged over
    several rows is in each of them.

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
    from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum

    try:
        with zipfile.ZipFile(path) as packed, CalamineWorkbook.from_path(path) as book:
            sheets = book.sheets_metadata
            visible = [each.name for each in sheets if each.visible == SheetVisibleEnum.Visible]
            hidden = [each.name for each in sheets if each.name not in visible]
            found = {
                name: table
                for name in visible
                if (table := _table(book.get_sheet_by_name(name), packed, keys)) is not None
            }
    except (CalamineError, OSError, ValueError) as error:
        raise DatasetError(
            f"{shown} cannot be read: the workbook is damaged ({error}); open it and save it anew"
        ) from error
    if not found:
        raise DatasetError(_no_table(shown, visible, hidden))
    best = max(found, key=lambda name: _likeness(found[name].header, keys))
    if len(sheets) == 1:
        return found[best], shown
    others = _passed_over(best, found, visible, hidden)
    notes = (*found[best].notes, f"{shown}: its sheet {best!r} is read, {others}")
    return replace(found[best], notes=notes), f"{shown}, sheet {best!r}"


def _likeness(header: Sequence[str], keys: Collection[str]) -> tuple[int, bool]:
    """Return how much a header looks like the one that is wanted."""
    wanted = {canonical_name(key) for key in keys}
    known = PICTURES | ARTICLES
    return (
        len(wanted.intersection(map(canonical_name, header))),
        not known.isdisjoint(map(folded, header)),
    )


def _passed_over(
    best: str, found: Collection[str], visible: Sequence[str], hidden: Sequence[str]
) -> str:
    """Return what was not read, as the rest of a sentence."""
    tables = [name for name in visible if name in found and name != best]
    rest = [name for name in visible if name not in found]
    parts = []
    if tables:
        parts.append(f"{_listed(tables)} is not; to use it too, save it as a table of its own")
    if rest:
        parts.append(f"{_listed(rest)} has no table")
    if hidden:
        parts.append(f"{_listed(hidden)} is hidden and not read")
    return "; ".join(parts)


def _no_table(shown: str, visible: Sequence[str], hidden: Sequence[str]) -> str:
    unread = f"; hidden and not read: {_listed(hidden)}, show it if it is meant" if hidden else ""
    return (
        f"{shown} cannot be read: no sheet has a header and a row below it; its sheets: "
        f"{_listed(visible) or 'none'}{unread}"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" * (len(names) > 5))


def _table(
    sheet: "CalamineSheet", packed: zipfile.ZipFile, keys: Collection[str]
) -> RowTable | None:
    """Return the table of a sheet, None if it has none."""
    values = [[_text(each) for each in row] for row in sheet.to_python(skip_empty_area=False)]
    for (row, column), text in shown_cells(packed, sheet.name).items():
        if row < len(values) and column < len(values[row]):
            values[row][column] = text
    numbers = [at for at, row in enumerate(values) if any(map(canonical_name, row))]
    at = header_at([values[number] for number in numbers[:200]], keys)
    if at is None or at + 1 == len(numbers):
        return None
    header = numbers[at]
    merged = _spread(values, sheet.merged_cell_ranges or [], below=header)
    rows = [
        NumberedRow(number + 1, values[number])
        for number in range(header + 1, len(values))
        if any(map(canonical_name, values[number]))
    ]
    count = f"sheet {sheet.name!r}: merged cells, {merged:,}, count in each of their rows"
    return RowTable(values[header], rows, notes=(count,) if merged else ())


def _spread(values: list[list[str]], ranges: Sequence[Range], *, below: int) -> int:
    """Write each merged cell below the header into all its rows; return how many there were.

    One that is merged over columns stays in its first: it is a title.
    """
    done: dict[int, int] = {}
    spread = 0
    for (top, left), (bottom, _) in sorted(ranges):
        if top <= below or bottom == top or top >= len(values) or left >= len(values[top]):
            continue
        spread += 1
        for row in range(max(top + 1, done.get(left, 0)), min(bottom + 1, len(values))):
            values[row][left] = values[top][left]
        done[left] = max(done.get(left, 0), bottom + 1)
    return spread


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
    columns, rows = {"A"}, 1
    for match in _CELL.finditer(sheet):
        columns.add(match[1].decode())
        rows = max(rows, int(match[2]))
    return rows * max(map(column_number, columns))
