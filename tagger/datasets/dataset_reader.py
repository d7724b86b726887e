"""Labelled sets read: folders named after labels, and CSV/Parquet tables."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from schemas.vocabulary import UNGROUPED
from tagger.catalog import Walk, absolute_path
from tagger.datasets.image_finder import ImageFinder
from tagger.datasets.label_cells import Cell, labels_in
from tagger.datasets.label_table import LabelTable, read_csv, read_parquet
from tagger.datasets.labelled_set import Example, LabelKeys, LabelledSet
from tagger.errors import DatasetError, Refused
from tagger.exclusions import Exclusions
from tagger.labels.vocabulary import Group, Vocabulary, canonical_name, default_groups
from tagger.settings import setting


def read_dataset(
    source: str | os.PathLike[str],
    *,
    groups: Sequence[Group] | None = None,
    vocabulary: Vocabulary | None = None,
    exclude: Exclusions | None = None,
) -> LabelledSet:
    """Return the labelled set in a folder or in a CSV/Parquet table.

    Parameters
    ----------
    source : path
        A folder of folders named after labels (`red_dress/`), or a table with a column `image`
        (paths below the table's folder) and one column per group or a column `labels`.
    groups : sequence of Group, optional
        The groups that folder tokens belong to by position, or the table's columns.
    vocabulary : Vocabulary, optional
        Labels that folder names spell, longest match first, instead of `groups`.
    exclude : Exclusions, optional
        What to leave out of a folder; a table names its pictures itself.

    Raises
    ------
    DatasetError
        If there is nothing to read, or what is there fits neither groups nor vocabulary.
    """
    path = Path(source)
    if path.is_dir():
        return _read_folders(path, groups, vocabulary, exclude)
    if path.suffix.lower() in (".csv", ".parquet") and path.is_file():
        return _read_table(path, groups, vocabulary)
    what = (
        "there is no such file or folder"
        if not path.exists()
        else "it is neither a folder nor .csv nor .parquet"
    )
    raise DatasetError(f"dataset {os.fspath(source)!r}: {what}")


def _read_folders(
    root: Path,
    groups: Sequence[Group] | None,
    vocabulary: Vocabulary | None,
    exclude: Exclusions | None,
) -> LabelledSet:
    walk = Walk(root, exclude=exclude)
    try:
        found = sorted(image.image_id for image in walk)
    except Refused as error:
        raise DatasetError(f"dataset {os.fspath(root)!r}: {error}") from error
    inside = [each for each in found if "/" in each]
    if not inside:
        loose = f"; {len(found)} pictures lie outside such folders" if found else ""
        said = f"; {skipped}" if (skipped := walk.explanation()) else ""
        raise DatasetError(
            f"dataset {os.fspath(root)!r}: no picture in a folder named after its "
            f"labels{loose}{said}"
        )
    folders = sorted({each.split("/", 1)[0] for each in inside})
    keys = {folder: _folder_keys(folder, groups, vocabulary) for folder in folders}
    all_groups = tuple(vocabulary.groups if vocabulary is not None else groups or default_groups())
    # A folder name says all there is to say: what it does not name is absent, in every group.
    known = frozenset(group.name for group in all_groups)
    examples = [
        Example(i, absolute_path(str(root), i), keys[i.split("/", 1)[0]], known) for i in inside
    ]
    return LabelledSet(os.fspath(root), examples, all_groups)


def _folder_keys(
    folder: str, groups: Sequence[Group] | None, vocabulary: Vocabulary | None
) -> LabelKeys:
    if vocabulary is not None:
        spelled = vocabulary.match_tokens(folder)
        if spelled is not None:
            return frozenset(spelled)
        tokens = _tokens(folder)
        # A label that the vocabulary does not have is found by its position.
        if len(tokens) == len(vocabulary.groups) and all(tokens):
            return frozenset(zip((group.name for group in vocabulary.groups), tokens, strict=True))
        names = ", ".join(label.name for label in vocabulary.labels[:12])
        raise DatasetError(
            f"folder {folder!r} does not spell labels of the vocabulary ({names} ...); rename it"
        )
    tokens = _tokens(folder)
    if groups is None:
        return frozenset((UNGROUPED, token) for token in tokens if token)
    if len(tokens) != len(groups) or not all(tokens):
        named = ",".join(group.name for group in groups)
        raise DatasetError(
            f"folder {folder!r} has {len(tokens)} tokens for the {len(groups)} groups {named}; "
            "rename it, or name "
            f"the labels in a file and use {setting('vocabulary')}, where labels may hold an "
            "underscore"
        )
    return frozenset((group.name, token) for group, token in zip(groups, tokens, strict=True))


def _tokens(folder: str) -> list[str]:
    return [canonical_name(token) for token in folder.split("_")]


def _read_table(
    path: Path, groups: Sequence[Group] | None, vocabulary: Vocabulary | None
) -> LabelledSet:
    table = open_table(path)
    shown = table.shown
    named = tuple(vocabulary.groups if vocabulary is not None else groups or ())
    columns = label_columns(table, named, all_needed=groups is not None)
    all_groups = named or tuple(default_groups())
    cells = {name: table.column(name) for name in columns}
    finder = ImageFinder(path.parent)
    missing = []
    examples = []
    for i, image in enumerate(table.column("image")):
        try:
            where = finder.find(image if isinstance(image, str) else "")
            said = {name: _labels(name, column[i]) for name, column in cells.items()}
            present, known = _statement(said, all_groups, vocabulary)
        except DatasetError as error:
            raise DatasetError(f"{shown}, row {i + 1}, image {image!r}: {error}") from error
        if where is None:
            missing.append(image)
        else:
            examples.append(Example(finder.image_id(where), where, present, known))
    if missing:
        raise DatasetError(
            f"{shown}: {len(missing)} of its images are missing, first {missing[0]!r}; "
            "paths are relative to the table's folder"
        )
    examples.sort(key=lambda example: example.image_id)
    _check_examples(shown, examples, all_groups)
    return LabelledSet(os.fspath(path), examples, all_groups)


def open_table(path: Path) -> LabelTable:
    """Return a CSV or Parquet table of labels.

    Raises
    ------
    DatasetError
        If it cannot be read.
    """
    shown = f"table {os.fspath(path)!r}"
    if path.suffix.lower() == ".csv":
        return read_csv(path, key="image", shown=shown)
    return read_parquet(path, shown=shown)


def label_columns(table: LabelTable, groups: Sequence[Group], *, all_needed: bool) -> list[str]:
    """Return the columns that say labels: one per group, or `labels`.

    Raises
    ------
    DatasetError
        If there is none, or one is missing where all are needed.
    """
    if any(group.name == "image" for group in groups):
        raise DatasetError(f"{table.shown}: 'image' is the column of paths and cannot be a group")
    if "image" not in table.names or not table.rows:
        raise DatasetError(
            f"{table.shown} has {table.rows} rows, columns {table.names}; needs 'image'"
        )
    missing = [group.name for group in groups if group.name not in table.names]
    if len(missing) == len(groups) and "labels" in table.names:
        return ["labels"]  # each GROUP:NAME
    if missing and all_needed:
        raise DatasetError(f"{table.shown} has no column {missing}; it has {table.names}")
    columns = [group.name for group in groups if group.name in table.names]
    if not columns and "labels" not in table.names:
        raise DatasetError(
            f"{table.shown} has neither 'labels' nor a column per group; name its columns with "
            f"{setting('groups')}: "
            f"it has {[name for name in table.names if name != 'image']}"
        )
    return columns or ["labels"]


def labels_of_cell(
    column: str, cell: Cell, groups: Sequence[Group]
) -> tuple[LabelKeys, frozenset[str]]:
    """Return the labels that one cell says its picture has, and the groups it speaks of.

    Parameters
    ----------
    column : str
        A group's name, or `labels`.

    Raises
    ------
    DatasetError
        If it cannot be read.
    """
    return _statement({column: _labels(column, cell)}, groups, None)


def _labels(column: str, cell: Cell) -> list[str] | None:
    try:
        return labels_in(cell)
    except DatasetError as error:
        raise DatasetError(f"column {column!r}: {error}") from error


def _statement(
    said: dict[str, list[str] | None], groups: Sequence[Group], vocabulary: Vocabulary | None
) -> tuple[LabelKeys, frozenset[str]]:
    """Return the labels that a row says its picture has, and the groups it speaks of."""
    if list(said) == ["labels"] and "labels" not in [group.name for group in groups]:
        labels = said["labels"]
        if labels is None:
            return frozenset(), frozenset()
        keys = (_key(label, groups, vocabulary) for label in labels)
        return frozenset(keys), frozenset(group.name for group in groups)
    present = (
        (group, _within(group, label, groups))
        for group, labels in said.items()
        for label in labels or ()
    )
    known = (group for group, labels in said.items() if labels is not None)
    return frozenset(present), frozenset(known)


def _within(column: str, label: str, groups: Sequence[Group]) -> str:
    """Return the name of a label in the column of a group, where it may stand as GROUP:NAME too."""
    group, _, name = map(canonical_name, label.partition(":"))
    if name and group in [each.name for each in groups]:
        if group != column:
            raise DatasetError(
                f"label {label!r} of the group {group} stands in the column {column!r}; move it"
            )
        return name
    return label


def _key(label: str, groups: Sequence[Group], vocabulary: Vocabulary | None) -> tuple[str, str]:
    group, _, name = map(canonical_name, label.partition(":"))
    if name and group in [x.name for x in groups]:
        return group, name
    if vocabulary is not None:
        owners = [each.group for each in vocabulary.labels if each.name == label]
        if len(owners) > 1:
            raise DatasetError(
                f"label {label!r} is one of {' and of '.join(owners)}; write it as GROUP:NAME"
            )
        if owners:
            return owners[0], label
    if len(groups) == 1 and name and groups[0].name == UNGROUPED:
        raise DatasetError(
            f"label {label!r} names a group; say which groups there are, as in {setting('groups')} "
            f"{group},garment"
        )
    if len(groups) == 1:
        return groups[0].name, label
    raise DatasetError(
        f"label {label!r} names no group of {[x.name for x in groups]}; write it as GROUP:NAME"
    )


def _check_examples(shown: str, examples: Iterable[Example], groups: Sequence[Group]) -> None:
    seen = set()
    exclusive = {group.name for group in groups if group.exclusive}
    for example in examples:
        if example.path in seen:
            raise DatasetError(f"{shown}: image {example.image_id!r} is there twice; keep one row")
        seen.add(example.path)
        counts = Counter(group for group, _ in example.present if group in exclusive)
        if double := [group for group, n in counts.items() if n > 1]:
            raise DatasetError(
                f"{shown}: image {example.image_id!r} has two labels of {double[0]}, which is "
                f"exclusive; write {setting('groups')} {double[0]}+ if that is meant"
            )
