"""A labelled set in which persons had the last word, as a new table; the old one stays."""

import os
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from tagger.catalog import image_id
from tagger.datasets.dataset_reader import read_dataset
from tagger.datasets.image_finder import ImageFinder
from tagger.datasets.labelled_set import Example, LabelledSet, Said
from tagger.datasets.named_columns import Columns, parse_columns
from tagger.datasets.problem_budget import settle_problems
from tagger.datasets.problems import Kind
from tagger.datasets.relabelled import Changes, Sheet, as_csv, relabel, statement, written
from tagger.datasets.table_layout import Layout
from tagger.datasets.table_reader import open_label_table
from tagger.errors import DatasetError, InputError
from tagger.files import atomic_text, file_digest
from tagger.index.snapshots import Snapshot
from tagger.labels.vocabulary import Group, Label, Vocabulary
from tagger.machine import raise_machine_fault
from tagger.pipeline.corrected_set import read_said
from tagger.pipeline.labelled_sets import check_table_options
from tagger.progress import Progress, say
from tagger.settings import setting

_COPIED: Kind = "missing file"
"""Rows with this problem stay as they are: of a picture that is not there nobody spoke."""


def write_relabelled(
    dataset: str,
    corrections: str,
    out: Path,
    *,
    columns: str | None = None,
    image_root: str | None = None,
) -> tuple[int, Changes]:
    """Return how many rows the new table has, and how it differs from the set.

    Parameters
    ----------
    dataset : str
        A folder or a table, as `tagger.datasets.dataset_reader.read_dataset` reads it.
    corrections : str
        An index.
    out : Path
        A CSV file that is not there yet.
    columns, image_root : str, optional
        Of a table, see `tagger.pipeline.labelled_sets.read_labelled`.

    Raises
    ------
    InputError
        If one of them cannot be read, or the table cannot be written there.
    """
    _check_new(out)
    snapshot, groups, said = read_said(corrections)
    check_table_options([dataset], columns, image_root)
    named = parse_columns(columns) if columns is not None else {}
    vocabulary = _vocabulary(snapshot, groups)
    found = read_dataset(dataset, vocabulary=vocabulary, columns=named, image_root=image_root)
    # Where not one picture is there, they are looked for in the wrong place.
    copied = _COPIED if found.examples else None
    others = tuple(each for each in found.problems if each.kind != copied)
    lost = {each.row for each in found.problems if each.kind == copied}
    labelled = settle_problems(replace(found, problems=others), budget=None, can_skip=False)
    table = Path(dataset)
    sheet = (
        _sheet_of_folder(labelled, out)
        if table.is_dir()
        else _sheet(table, labelled, lost, out, named, image_root)
    )
    digests = _digests(labelled)
    words = [said.get(digests.get(example.path, "")) for example in sheet.examples]
    _say_without_column(sheet, words)
    new = relabel(sheet, words)
    _write(out, as_csv(new.sheet))
    return len(new.sheet.rows), new.changes


def _check_new(out: Path) -> None:
    """Raise InputError unless a CSV file can be made there and nothing is there yet."""
    shown = f"{setting('out')} {str(out)!r}"
    if out.suffix.lower() != ".csv":
        raise InputError(f"{shown}: the new table is a CSV file; give a name that ends in .csv")
    if os.path.lexists(out):
        raise InputError(f"{shown} is there already, and nothing is overwritten; give another name")
    if not out.parent.is_dir():
        raise InputError(f"{shown}: there is no folder {str(out.parent)!r}; make it first")


def _vocabulary(snapshot: Snapshot, groups: tuple[Group, ...]) -> Vocabulary:
    """Return the vocabulary of the night's model, by which folder names are spelled."""
    rows = snapshot.labels().to_pylist()
    return Vocabulary(
        groups,
        tuple(
            Label(row["group"], row["label"], row["column"], retired=row["retired"])
            for row in rows
            if row["model_id"] == snapshot.manifest.model_id
        ),
    )


def _sheet(
    path: Path,
    labelled: LabelledSet,
    lost: Collection[int | None],
    out: Path,
    columns: Columns,
    image_root: str | None,
) -> Sheet:
    """Return a table as it is given, with the rows, by number, whose pictures are missing."""
    if image_root is None and os.path.realpath(out.parent) != os.path.realpath(path.parent):
        raise InputError(
            f"{setting('out')} {str(out)!r}: a table names its pictures from where it lies; write "
            f"the new one beside it, in {str(path.parent)!r}"
        )
    table, layout, finder = open_label_table(
        path, labelled.groups, columns, image_root, all_needed=False
    )
    texts = [table.texts(i) for i in range(len(table.written))]
    by_path = {example.path: example for example in labelled.examples}
    rows = []
    examples = []
    for number, row in zip(table.row_numbers, zip(*texts, strict=True), strict=True):
        found = finder.find(row[layout.image])
        if number in lost:
            rows.append(list(row))
            examples.append(Example(row[layout.image], "", frozenset(), frozenset()))
        elif found in by_path:  # else it is blank, as nothing else is wrong with the table
            rows.append(list(row))
            examples.append(by_path[str(found)])
    return Sheet(
        header=table.written,
        rows=rows,
        examples=examples,
        columns=_columns_to_write(layout, table.shown),
        groups=labelled.groups,
        separator=table.separator,
    )


def _columns_to_write(layout: Layout, shown: str) -> dict[int, str]:
    """Return the columns of labels: one for each group, or one for all."""
    several = [each for each in layout.speakers if each.one_hot or len(each.lists) > 1]
    if several:
        raise DatasetError(
            f"{shown} has several columns for {several[0].name}, and what persons said fits one "
            "column for each group; write the table so, or relabel the folders it names"
        )
    return {each.lists[0]: each.name for each in layout.speakers}


def _sheet_of_folder(labelled: LabelledSet, out: Path) -> Sheet:
    """Return the table that says of each picture what its folder's name does."""
    finder = ImageFinder(out.parent)
    root = os.path.realpath(labelled.source)
    if os.path.commonpath([root, finder.root]) != finder.root:
        raise InputError(
            f"{setting('out')} {str(out)!r}: a table's pictures lie below its folder; write it "
            f"into {labelled.source!r}, or into a folder above"
        )
    names = [group.name for group in labelled.groups]
    rows = []
    for example in labelled.examples:
        where = os.path.relpath(os.path.realpath(example.path), finder.root)
        image = image_id(os.fsencode(where))
        found = finder.find(image)
        if not isinstance(found, str) or not os.path.samefile(found, example.path):
            raise DatasetError(f"picture {example.image_id!r}: no table can name it; rename it")
        cells = [
            written(statement(example, name, labelled.groups), name, labelled.groups)
            for name in names
        ]
        rows.append([image, *cells])
    columns = dict(enumerate(names, start=1))
    return Sheet(["image", *names], rows, labelled.examples, columns, labelled.groups)


def _digests(labelled: LabelledSet) -> dict[str, str]:
    """Return the sha256 of each file, by path; what cannot be read is nobody's content."""
    digests = {}
    with Progress(len(labelled.examples), "reading") as progress:
        for example in labelled.examples:
            try:
                digests[example.path] = file_digest(Path(example.path))
            except OSError as error:
                raise_machine_fault(error)
                digests[example.path] = ""
            progress.advance(1)
    return digests


def _say_without_column(sheet: Sheet, words: list[Said | None]) -> None:
    """Say of which groups persons spoke that the table has no column for."""
    named = set(sheet.columns.values())
    groups = {group.name for group in sheet.groups}
    if not named <= groups:
        return  # one column for all labels
    left = Counter(
        group
        for word in words
        if word is not None
        for group in {*word.answers, *(key[0] for key in word.single)} - named
    )
    if left:
        counted = ", ".join(f"{group!r} {n:,}" for group, n in left.most_common())
        say(f"left aside: the table has no column for {counted} pictures of which persons spoke")


def _write(out: Path, text: str) -> None:
    try:
        atomic_text(out, text)
    except OSError as error:
        raise_machine_fault(error)
        raise InputError(
            f"{setting('out')} {str(out)!r} cannot be written: {error.strerror}"
        ) from error
