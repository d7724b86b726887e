"""Labelled sets read: folders named after labels, and tables."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from schemas.vocabulary import UNGROUPED
from tagger.catalog import Walk, absolute_path
from tagger.datasets.labelled_set import Example, LabelKeys, LabelledSet
from tagger.datasets.named_columns import Columns
from tagger.datasets.problems import Problem
from tagger.datasets.spellings import with_one_spelling
from tagger.datasets.table_file import ENDINGS
from tagger.datasets.table_reader import read_table
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
    columns: Columns | None = None,
    image_root: str | None = None,
    several: bool = False,
) -> LabelledSet:
    """Return the labelled set in a folder or in a table, with what is wrong with it.

    Parameters
    ----------
    source : path
        A folder of folders named after labels (`red_dress/`), or a table (CSV, .xlsx, Parquet) with
        a column of pictures and one column per group or a column `labels`.
    groups : sequence of Group, optional
        The groups that folder tokens belong to by position, or the table's columns.
    vocabulary : Vocabulary, optional
        Labels that folder names spell, longest match first, instead of `groups`.
    exclude : Exclusions, optional
        What to leave out of a folder; a table names its pictures itself.
    columns : Columns, optional
        Which headers of a table are what, see `tagger.datasets.named_columns`.
    image_root : str, optional
        The folder below which a table's pictures lie, by default its own.
    several : bool
        Whether it is one of several sets. Then it need not speak of all groups: a table of those
        that it has columns for, folders of as many, the first, as each of their names has tokens.

    Raises
    ------
    DatasetError
        If there is nothing to read, or it cannot be read as a whole. What is wrong with single
        pictures is among the set's problems.
    """
    path = Path(source)
    if path.is_dir():
        return _read_folders(path, groups, vocabulary, exclude, several=several)
    if is_table(source) and path.is_file():
        return read_table(path, groups, vocabulary, columns or {}, image_root, several=several)
    what = (
        "there is no such file or folder"
        if not path.exists()
        else f"it is neither a folder nor a table ({', '.join(ENDINGS)})"
    )
    raise DatasetError(f"dataset {os.fspath(source)!r}: {what}")


def is_table(source: str | os.PathLike[str]) -> bool:
    """Return whether a labelled set is a table, by its name."""
    return Path(source).suffix.lower() in ENDINGS and not Path(source).is_dir()


def _read_folders(
    root: Path,
    groups: Sequence[Group] | None,
    vocabulary: Vocabulary | None,
    exclude: Exclusions | None,
    *,
    several: bool,
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
    all_groups = tuple(vocabulary.groups if vocabulary is not None else groups or default_groups())
    if vocabulary is not None or (several and groups is not None):
        groups = _spoken_of(folders, all_groups)
    keys, faults = _read_names(folders, groups, vocabulary)
    # A folder name says all there is to say: what it does not name is absent, in every group. But
    # of a model's group that no folder of the set names a label of, the set does not speak.
    if vocabulary is None:
        known = frozenset(group.name for group in groups or all_groups)
    else:
        known = frozenset(group for labels in keys.values() for group, _ in labels)
    examples = []
    problems = []
    for each in inside:
        folder = each.split("/", 1)[0]
        if folder in keys:
            examples.append(Example(each, absolute_path(str(root), each), keys[folder], known))
        else:
            problems.append(Problem("unreadable cell", each, None, faults[folder]))
    labelled = LabelledSet(
        os.fspath(root), examples, all_groups, problems=tuple(problems), named=len(inside)
    )
    return with_one_spelling(labelled, vocabulary)


def _spoken_of(folders: Sequence[str], groups: tuple[Group, ...]) -> tuple[Group, ...]:
    """Return the groups that folders speak of: the first ones, if all names have fewer tokens."""
    tokens = {len(_tokens(folder)) for folder in folders}
    return groups[: tokens.pop()] if len(tokens) == 1 else groups


def _read_names(
    folders: Sequence[str], groups: Sequence[Group] | None, vocabulary: Vocabulary | None
) -> tuple[Mapping[str, LabelKeys], Mapping[str, str]]:
    """Return what the names of folders say, and of those that say nothing, why."""
    keys = {}
    faults = {}
    for folder in folders:
        try:
            keys[folder] = _folder_keys(folder, groups, vocabulary)
        except DatasetError as error:
            faults[folder] = str(error)
    return keys, faults


def _folder_keys(
    folder: str, groups: Sequence[Group] | None, vocabulary: Vocabulary | None
) -> LabelKeys:
    if vocabulary is not None:
        spelled = vocabulary.match_tokens(folder)
        if spelled is not None:
            return frozenset(spelled)
        tokens = _tokens(folder)
        # A label that the vocabulary does not have is found by its position.
        if groups is not None and len(tokens) == len(groups) and all(tokens):
            return frozenset(zip((group.name for group in groups), tokens, strict=True))
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
