"""A label table as a labelled set: its rows read, spelled alike and joined by picture."""

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tagger.datasets.image_finder import ImageFinder, Lost
from tagger.datasets.label_cells import cell_text, may_mean_unknown
from tagger.datasets.label_table import LabelTable
from tagger.datasets.labelled_set import Example, LabelKeys, LabelledSet
from tagger.datasets.named_columns import IMAGE, LABELS, Columns
from tagger.datasets.problems import Problem, pictures_of
from tagger.datasets.row_statement import row_statement
from tagger.datasets.spellings import spellings_of
from tagger.datasets.table_file import KEYS, open_table
from tagger.datasets.table_layout import Layout, layout_of
from tagger.labels.vocabulary import Group, Vocabulary, default_groups
from tagger.settings import setting


class Row(NamedTuple):
    """What one row says of its picture."""

    number: int
    image: str
    path: str
    present: LabelKeys
    known: frozenset[str]


class TableAsFound(NamedTuple):
    """A table, what its columns are, and where its pictures are looked for."""

    table: LabelTable
    layout: Layout
    finder: ImageFinder


def open_label_table(
    path: Path,
    groups: Sequence[Group],
    columns: Columns,
    image_root: str | None,
    *,
    all_needed: bool,
) -> TableAsFound:
    """Return a table with what its columns are.

    Raises
    ------
    DatasetError
        If it cannot be read, or does not say clearly what its columns are.
    """
    named = [*(each.whole for each in columns.values())]
    named += [piece.header for each in columns.values() for piece in each.pieces]
    table = open_table(path, keys=named if IMAGE in columns else [*KEYS, *named])
    finder = ImageFinder(Path(image_root) if image_root is not None else path.parent)
    layout = layout_of(
        table,
        groups,
        columns,
        all_needed=all_needed,
        is_picture=lambda cell: isinstance(finder.find(cell), str),
    )
    return TableAsFound(table, layout, finder)


def read_table(
    path: Path,
    groups: Sequence[Group] | None,
    vocabulary: Vocabulary | None,
    columns: Columns,
    image_root: str | None,
    *,
    several: bool,
) -> LabelledSet:
    """Return the labelled set in a table; what is wrong with its rows is among its problems.

    One of several sets need not have a column for each of the groups.

    Raises
    ------
    DatasetError
        If it cannot be read, or does not say clearly what its columns are.
    """
    named = tuple(vocabulary.groups if vocabulary is not None else groups or ())
    all_needed = groups is not None and not several
    found = open_label_table(path, named, columns, image_root, all_needed=all_needed)
    all_groups = found.layout.groups or tuple(default_groups())
    rows, problems = _rows(found, all_groups, vocabulary)
    spellings = spellings_of((row.present for row in rows), vocabulary)
    rows = [row._replace(present=spellings.of(row.present)) for row in rows]
    pooled = _speaks_of_all(found.layout, all_groups)
    examples = []
    for of_one in _by_path(rows):
        example, more = _joined(of_one, all_groups, found.finder, pooled=pooled)
        examples.append(example)
        problems += more
    lost = pictures_of(problems) - {row.image for row in rows}
    return LabelledSet(
        source=os.fspath(path),
        examples=sorted(examples, key=lambda example: example.image_id),
        groups=all_groups,
        problems=tuple(sorted(problems, key=lambda problem: problem.row or 0)),
        folded=spellings.folded,
        named=len(examples) + len(lost),
        notes=(*found.table.notes, *found.layout.notes, *_placeholders(found.table, examples)),
    )


def _placeholders(table: LabelTable, examples: Sequence[Example]) -> tuple[str, ...]:
    """Return a sentence on labels that may be words for what nobody knows, if there are any."""
    counts = Counter(
        f"{group}:{name}"
        for example in examples
        for group, name in example.present
        if may_mean_unknown(name)
    )
    if not counts:
        return ()
    listed = ", ".join(f"{label!r} ({n:,} pictures)" for label, n in counts.most_common(5))
    return (
        f"{table.shown}: labels that may mean unknown are learned as labels: {listed}; leave the "
        "cells empty if nobody knows",
    )


def _speaks_of_all(layout: Layout, groups: Sequence[Group]) -> bool:
    """Return whether one column has the labels of all groups."""
    names = [group.name for group in groups]
    return layout.speakers[0].name == LABELS and LABELS not in names


def _rows(
    found: TableAsFound, groups: Sequence[Group], vocabulary: Vocabulary | None
) -> tuple[list[Row], list[Problem]]:
    """Return the rows whose pictures are there, and what is wrong with any."""
    table, layout, finder = found
    cells = {i: table.cells(i) for each in layout.speakers for i in each.places}
    rows = []
    problems = []
    for at, image_cell in enumerate(table.cells(layout.image)):
        number = table.row_numbers[at]
        image = cell_text(image_cell)
        row = {i: column[at] for i, column in cells.items()}
        if not image.strip() and not any(cell_text(cell).strip() for cell in row.values()):
            continue  # blank, but for columns that are not read
        if at in table.too_long:
            problems.append(_too_long(table, at, image))
            continue
        where = finder.find(image)
        if isinstance(where, Lost):
            problems.append(Problem(where.kind, image, number, where.what))
            continue
        said = row_statement(layout, row, groups, vocabulary)
        problems += [Problem(kind, image, number, what) for kind, what in said.faults]
        rows.append(Row(number, image, where, said.present, said.known))
    return rows, problems


def _too_long(table: LabelTable, at: int, image: str) -> Problem:
    what = (
        f"it has {table.too_long[at]} cells and the header {len(table.written)}; a cell that holds "
        f"{table.separator!r} stands in double quotes"
    )
    return Problem("unreadable cell", image, table.row_numbers[at], what)


def _by_path(rows: Sequence[Row]) -> list[list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.path].append(row)
    return list(found.values())


def _joined(
    rows: Sequence[Row], groups: Sequence[Group], finder: ImageFinder, *, pooled: bool
) -> tuple[Example, list[Problem]]:
    """Return what all rows of one picture say together, and where they contradict each other.

    Labels of a group that is not exclusive add up. Two of an exclusive one leave it unknown.

    Parameters
    ----------
    pooled : bool
        Whether a row may say a part alone, so that silence on a group does not contradict a label.
    """
    present = frozenset().union(*(row.present for row in rows))
    known = frozenset().union(*(row.known for row in rows))
    problems = []
    for group in groups:
        answers = {_answer(row, group.name) for row in rows if group.name in row.known}
        if pooled:
            answers -= {frozenset()}
        if group.exclusive and (len(answers) > 1 or any(len(answer) > 1 for answer in answers)):
            problems.append(_contradiction(rows, group.name))
            known -= {group.name}
            present = frozenset(key for key in present if key[0] != group.name)
    path = rows[0].path
    return Example(finder.image_id(path), path, present, known, row=rows[0].number), problems


def _answer(row: Row, group: str) -> frozenset[str]:
    return frozenset(name for of, name in row.present if of == group)


def _contradiction(rows: Sequence[Row], group: str) -> Problem:
    speaking = [(row, sorted(_answer(row, group))) for row in rows if group in row.known]
    row, names = next((each for each in speaking if len(each[1]) > 1), speaking[0])
    if len(names) > 1:
        what = (
            f"image {row.image!r} has two labels of {group}, which is exclusive: "
            f"{' and '.join(names)}; write {setting('groups')} {group}+ if that is meant"
        )
        return Problem("contradiction", row.image, row.number, what)
    first: dict[str, int] = {}
    for each, labels in speaking:
        first.setdefault(labels[0] if labels else "none of its labels", each.number)
    said = " and ".join(f"row {number} says {name}" for name, number in first.items())
    what = (
        f"image {row.image!r}: of {group}, which is exclusive, {said}; keep one, or write "
        f"{setting('groups')} {group}+ if both are meant"
    )
    return Problem("contradiction", row.image, row.number, what)
