"""A label table written anew: the cells of pictures of which persons spoke, all others as given."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tagger.datasets.corrected import with_said
from tagger.datasets.label_cells import cell_text
from tagger.datasets.labelled_set import Example, LabelKeys, Said
from tagger.datasets.row_statement import labels_of_cell
from tagger.errors import DatasetError
from tagger.labels.vocabulary import Group

UNSAYABLE = "unsayable"
"""What a picture is that a cell has no words for, such as that one of several labels is unknown."""

Statement = LabelKeys | None | str
"""The labels that a cell says its picture has, None for an empty one, or `UNSAYABLE`."""


@dataclass
class Sheet:
    """A label table as text, with the picture that each row is about.

    Attributes
    ----------
    header : list of str
    rows : list of list of str
    examples : list of Example
        One per row, as its cells label it; without a path where its picture is missing.
    columns : mapping from int to str
        Number of a column of labels to its name: a group's, or `labels`, which speaks of all.
    groups : sequence of Group
        All groups.
    separator : str
        Between cells.
    """

    header: list[str]
    rows: list[list[str]]
    examples: list[Example]
    columns: Mapping[int, str]
    groups: Sequence[Group]
    separator: str = ","


@dataclass
class Changes:
    """What became of a table.

    Attributes
    ----------
    spoken : int
        Rows of pictures of which persons spoke.
    rows, cells : int
        How many changed.
    emptied : int
        Cells that are empty because a cell cannot say what a person said.
    missing : int
        Rows whose pictures are missing: they are as they were.
    """

    spoken: int = 0
    rows: int = 0
    cells: int = 0
    emptied: int = 0
    missing: int = 0


@dataclass(frozen=True)
class Relabelled:
    """A table as what persons said has it, and how it differs.

    Attributes
    ----------
    sheet : Sheet
    changes : Changes
    """

    sheet: Sheet
    changes: Changes = field(default_factory=Changes)


def relabel(sheet: Sheet, said: Sequence[Said | None]) -> Relabelled:
    """Return the table in which what was said of a row's picture replaces what was given.

    A cell that says the same already is left as it is written.

    Raises
    ------
    DatasetError
        If a label cannot be written in a table.
    """
    changes = Changes()
    rows = []
    examples = []
    for row, given, word in zip(sheet.rows, sheet.examples, said, strict=True):
        now = given if word is None else with_said(given, word)
        changes.spoken += word is not None
        fresh = list(row)
        for at, column in sheet.columns.items():
            before = statement(given, column, sheet.groups)
            after = statement(now, column, sheet.groups)
            if before == after:
                continue
            fresh[at] = written(after, column, sheet.groups)
            changes.emptied += after == UNSAYABLE
            changes.cells += fresh[at] != row[at]
        changes.rows += fresh != row
        changes.missing += not given.path
        rows.append(fresh)
        examples.append(now)
    return Relabelled(replace(sheet, rows=rows, examples=examples), changes)


def statement(example: Example, column: str, groups: Sequence[Group]) -> Statement:
    """Return what the cell of a column would have to say of a picture."""
    every = {group.name for group in groups}
    names = {column} if column in every else every
    asked = [shows for key, shows in example.single.items() if key[0] in names]
    known = example.known & names
    if known == names:
        if None in asked:
            return UNSAYABLE
        return frozenset(key for key in example.present if key[0] in names)
    return UNSAYABLE if known or any(shows is not None for shows in asked) else None


def written(said: Statement, column: str, groups: Sequence[Group]) -> str:
    """Return the cell of a column that says this: readers of tables read it as exactly that.

    Raises
    ------
    DatasetError
        If there is none.
    """
    if said is None or isinstance(said, str):
        return ""
    keys = sorted(said)
    full = [f"{group}:{name}" for group, name in keys]
    short = [name for group, name in keys if group == column] or full
    for items in (short, full):
        plain = items if len(items) == 1 else []
        for cell in (*plain, cell_text(items)):
            if _reads_as(cell, said, column, groups):
                return cell
    raise DatasetError(
        f"labels {', '.join(full)}: they cannot be written in a table, for readers would take "
        "their brackets or quotes for those of a list; correct the label's name"
    )


def _reads_as(cell: str, said: LabelKeys, column: str, groups: Sequence[Group]) -> bool:
    try:
        return labels_of_cell(column, cell, groups)[0] == said
    except DatasetError:
        return False


def as_csv(sheet: Sheet) -> str:
    """Return the table as the text of a CSV file.

    Raises
    ------
    DatasetError
        If a cell holds what no CSV file can.
    """
    lines = [sheet.header, *sheet.rows]
    text = "".join(_line(cells, sheet.separator) for cells in lines)
    if "\0" in text:
        bad = next(cell for cells in lines for cell in cells if "\0" in cell)
        raise DatasetError(f"{json.dumps(bad)[:80]}: a cell of a CSV file cannot hold a NUL")
    return text


def _line(cells: Iterable[str], separator: str) -> str:
    # A blank line would be no row.
    line = separator.join(_quoted(cell, separator) for cell in cells)
    return (line or '""') + "\n"


def _quoted(cell: str, separator: str) -> str:
    if cell == cell.strip() and not any(mark in cell for mark in (separator, '"', "\r", "\n")):
        return cell
    return '"' + cell.replace('"', '""') + '"'
