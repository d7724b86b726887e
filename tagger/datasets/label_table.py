"""Label tables, cell by cell as they are written: only an empty cell says nothing."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tagger.datasets.label_cells import Cell, cell_text
from tagger.errors import DatasetError
from tagger.labels.vocabulary import canonical_name

_WHOLE = re.compile(r"-?\d+(?:\.0)?")


class NumberedRow(NamedTuple):
    """A row that is not blank, and its number as a spreadsheet shows it."""

    number: int
    cells: list[str]


@dataclass(frozen=True)
class RowTable:
    """A file of rows of text.

    Attributes
    ----------
    header : list of str
    rows : list of NumberedRow
        Below the header.
    separator : str
        Between the cells of a CSV file.
    notes : tuple of str
        What had to be assumed, as sentences.
    """

    header: list[str]
    rows: list[NumberedRow]
    separator: str = ","
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelTable:
    """A table whose columns are read when they are asked for.

    Attributes
    ----------
    shown : str
        What messages call it.
    names : list of str
        The header, as labels are compared: without blanks around names, in one Unicode form.
    written : list of str
        The header as it stands there.
    row_numbers : sequence of int
        Of the rows, as a spreadsheet shows them: the header of a plain table is row 1.
    separator : str
        Between the cells of a CSV file.
    notes : tuple of str
        What had to be assumed to read it, as sentences.
    too_long : mapping from int to int
        Rows, from 0, with more cells than the header, and how many they have.
    """

    shown: str
    names: list[str]
    written: list[str]
    row_numbers: Sequence[int]
    _read: Callable[[int], list[Cell]]
    _values: Callable[[int], list[Any]]
    separator: str = ","
    notes: tuple[str, ...] = ()
    too_long: Mapping[int, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Return how many rows there are below the header."""
        return len(self.row_numbers)

    def column(self, name: str) -> list[Cell]:
        """Return the cells of a column.

        Raises
        ------
        DatasetError
            If the header has the name twice, or the column cannot be read as text, numbers or lists
            of them.
        """
        return self.cells(self.place(name))

    def place(self, name: str) -> int:
        """Return the number of a column.

        Raises
        ------
        DatasetError
            If the header has the name twice.
        """
        if self.names.count(name) > 1:
            raise DatasetError(
                f"{self.shown} has {self.names.count(name)} columns {name!r}; rename or remove one"
            )
        return self.names.index(name)

    def cells(self, i: int) -> list[Cell]:
        """Return the cells of column number `i`.

        Raises
        ------
        DatasetError
            If it cannot be read as text, numbers or lists of them.
        """
        return self._read(i)

    def texts(self, i: int) -> list[str]:
        """Return the cells of column number `i` as a CSV file has them, whatever they hold.

        A list becomes JSON, and what labels cannot be, such as a date, what Python writes.
        """
        try:
            cells = self._read(i)
        except DatasetError:
            cells = [None if value is None else str(value) for value in self._values(i)]
        return [cell_text(cell) for cell in cells]


def table_of_rows(found: RowTable, shown: str) -> LabelTable:
    """Return rows of text as a table; a row that is shorter than the header says less."""
    width = len(found.header)

    def column(i: int) -> list[Cell]:
        cells = [row.cells[i] if i < len(row.cells) else None for row in found.rows]
        return _without_points(cells)

    too_long = {
        at: len(row.cells)
        for at, row in enumerate(found.rows)
        if any(map(canonical_name, row.cells[width:]))
    }
    return LabelTable(
        shown=shown,
        names=[canonical_name(name) for name in found.header],
        written=found.header,
        row_numbers=[row.number for row in found.rows],
        _read=column,
        _values=column,
        separator=found.separator,
        notes=found.notes,
        too_long=too_long,
    )


def _without_points(cells: list[str | None]) -> list[Cell]:
    """Return numbers without the point that a program writes into whole ones beside a gap.

    As in Parquet, that holds for columns of nothing but whole numbers.
    """
    filled = [cell.strip() for cell in cells if cell is not None and cell.strip()]
    if not any(cell.endswith(".0") for cell in filled) or not all(map(_WHOLE.fullmatch, filled)):
        return list(cells)
    return [None if cell is None else cell.strip().removesuffix(".0") for cell in cells]
