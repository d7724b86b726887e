"""Labelled sets: folders named after labels, or a CSV/Parquet table. What is not said is unknown, not absent."""

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from schemas.vocabulary import UNGROUPED
from tagger.catalog import Walk, absolute_path
from tagger.errors import DatasetError, Refused
from tagger.exclusions import Exclusions
from tagger.vocabulary import Group, Vocabulary, default_groups, sorted_keys

Keys = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Example:
    """One labelled picture.

    Attributes
    ----------
    image_id : str
        Path below the set's folder.
    path : str
        As `open` takes it.
    present : frozenset of (group, name)
        Labels it is said to have.
    known : frozenset of str
        Groups about which something is said; all others are unknown.
    """

    image_id: str
    path: str
    present: Keys
    known: frozenset[str]


@dataclass(frozen=True)
class LabelledSet:
    """Labelled pictures in order of `image_id`, and the groups their labels are in."""

    source: str
    examples: list[Example]
    groups: tuple[Group, ...]

    def vocabulary(self, *, since: str = "", min_pictures: int = 1) -> Vocabulary:
        """Return a new vocabulary of all labels that `min_pictures` pictures have, by group, then by name.

        Raises
        ------
        DatasetError
            If there are fewer than two labels.
        """
        counts = Counter(key for example in self.examples for key in example.present)
        keys = sorted_keys((key for key, n in counts.items() if n >= min_pictures), self.groups)
        if len(keys) < 2:
            named = ", ".join(f"{group}:{name}" for group, name in keys) or "none"
            floor = f" with {min_pictures} pictures" if min_pictures > 1 else ""
            raise DatasetError(
                f"{self.source}: {len(keys)} label{floor} ({named}); training needs at least two to tell apart"
            )
        return Vocabulary.build(self.groups, keys, since=since)

    def targets(self, vocabulary: Vocabulary) -> npt.NDArray[np.float32]:
        """Return float32 (n_pictures, n_labels): 1 present, 0 absent, NaN unknown.

        A label outside the vocabulary, or a retired one, makes its whole group unknown for that picture: "pants" may
        well be jeans.
        """
        column = {(x.group, x.name): i for i, x in enumerate(vocabulary.labels) if not x.retired}
        members = {group.name: vocabulary.members(group.name) for group in vocabulary.groups}
        targets = np.full((len(self.examples), len(vocabulary)), np.nan, np.float32)
        for row, example in zip(targets, self.examples, strict=True):
            strange = {key[0] for key in example.present if key not in column}
            for group in example.known - strange:
                row[members.get(group, [])] = 0
            for key in example.present:
                if key[0] not in strange:
                    row[column[key]] = 1
        return targets

    def strangers(self, vocabulary: Vocabulary) -> Counter[str]:
        """Return how many pictures have each label that `vocabulary` does not have."""
        column = {(x.group, x.name) for x in vocabulary.labels}
        return Counter(f"{g}:{n}" for example in self.examples for g, n in example.present if (g, n) not in column)

    def counts(self) -> tuple[Counter[str], Counter[str]]:
        """Return pictures per label and per pair of labels, as `group:name` and `group:name + group:name`."""
        order = [group.name for group in self.groups]
        singles: Counter[str] = Counter()
        pairs: Counter[str] = Counter()
        for example in self.examples:
            keys = [f"{g}:{n}" for g, n in sorted(example.present, key=lambda key: (order.index(key[0]), key[1]))]
            singles.update(keys)
            pairs.update(" + ".join(pair) for pair in combinations(keys, 2))
        return singles, pairs


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
        A folder of folders named after labels (`red_dress/`), or a table with a column `image` (paths below the
        table's folder) and one column per group or a column `labels`.
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
    what = "there is no such file or folder" if not path.exists() else "it is neither a folder nor .csv nor .parquet"
    raise DatasetError(f"dataset {os.fspath(source)!r}: {what}")


def _read_folders(
    root: Path, groups: Sequence[Group] | None, vocabulary: Vocabulary | None, exclude: Exclusions | None
) -> LabelledSet:
    walk = Walk(root, exclude=exclude)
    try:
        found = sorted(image.image_id for image in walk)
    except Refused as error:
        raise DatasetError(f"dataset {os.fspath(root)!r}: {error}") from error
    inside = [image_id for image_id in found if "/" in image_id]
    if not inside:
        loose = f"; {len(found)} pictures lie outside such folders" if found else ""
        said = f"; {skipped}" if (skipped := walk.explanation()) else ""
        raise DatasetError(f"dataset {os.fspath(root)!r}: no picture in a folder named after its labels{loose}{said}")
    folders = sorted({image_id.split("/", 1)[0] for image_id in inside})
    keys = {folder: _folder_keys(folder, groups, vocabulary) for folder in folders}
    all_groups = tuple(vocabulary.groups if vocabulary else groups or default_groups())
    # A folder name says all there is to say: what it does not name is absent, in every group.
    known = frozenset(group.name for group in all_groups)
    examples = [Example(i, absolute_path(str(root), i), keys[i.split("/", 1)[0]], known) for i in inside]
    return LabelledSet(os.fspath(root), examples, all_groups)


def _folder_keys(folder: str, groups: Sequence[Group] | None, vocabulary: Vocabulary | None) -> Keys:
    if vocabulary is not None:
        spelled = vocabulary.match_tokens(folder)
        if spelled is not None:
            return frozenset(spelled)
        tokens = folder.split("_")
        if len(tokens) == len(vocabulary.groups):  # a label the vocabulary does not have, by position
            return frozenset(zip((group.name for group in vocabulary.groups), tokens, strict=True))
        names = ", ".join(label.name for label in vocabulary.labels[:12])
        raise DatasetError(f"folder {folder!r} does not spell labels of the vocabulary ({names} ...); rename it")
    tokens = folder.split("_")
    if groups is None:
        return frozenset((UNGROUPED, token) for token in tokens if token)
    if len(tokens) != len(groups) or not all(tokens):
        named = ",".join(group.name for group in groups)
        raise DatasetError(
            f"folder {folder!r} has {len(tokens)} tokens for the {len(groups)} groups {named}; rename it, or name "
            "the labels in a file and use --vocabulary, where labels may hold an underscore"
        )
    return frozenset((group.name, token) for group, token in zip(groups, tokens, strict=True))


def _read_table(path: Path, groups: Sequence[Group] | None, vocabulary: Vocabulary | None) -> LabelledSet:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # rows longer than the header are only a warning
            csv = path.suffix.lower() == ".csv"
            table = pd.read_csv(path, dtype=str, index_col=False) if csv else pd.read_parquet(path)
    except Exception as error:  # pandas and pyarrow raise all sorts on a damaged file
        raise DatasetError(f"table {os.fspath(path)!r} cannot be read: {str(error).splitlines()[0]}") from error
    if any(group.name == "image" for group in (vocabulary.groups if vocabulary else groups or ())):
        raise DatasetError(f"table {os.fspath(path)!r}: 'image' is the column of paths and cannot be a group")
    all_groups = tuple(vocabulary.groups if vocabulary else groups or ())
    columns = [group.name for group in all_groups if group.name in table.columns]
    if "image" not in table.columns or table.empty:
        raise DatasetError(f"table {os.fspath(path)!r} has {len(table)} rows, columns {list(table)}; needs 'image'")
    if groups is not None and (missing := [g.name for g in groups if g.name not in table.columns]):
        raise DatasetError(f"table {os.fspath(path)!r} has no column {missing}; it has {list(table)}")
    if not columns and "labels" not in table.columns:
        raise DatasetError(
            f"table {os.fspath(path)!r} has neither 'labels' nor a column per group; name its columns with --groups: "
            f"it has {[name for name in table if name != 'image']}"
        )
    all_groups = all_groups or tuple(default_groups())
    root = os.path.realpath(path.parent)
    examples = []
    # to_dict only of what is used: a wide table of a million rows stays small
    records = table[["image", *(columns or ["labels"])]].to_dict("records")
    for record in records:
        image_id, where = _inside(root, record["image"], path)
        if columns:
            named = {name: _cell(record[name]) for name in columns}
            present = frozenset((name, value) for name, values in named.items() for value in values or ())
            known = frozenset(name for name, values in named.items() if values is not None)
        else:
            values = _cell(record["labels"])
            present = frozenset(_key(value, all_groups, vocabulary) for value in values or ())
            known = frozenset() if values is None else frozenset(group.name for group in all_groups)
        examples.append(Example(image_id, where, present, known))
    examples.sort(key=lambda example: example.image_id)
    _check_examples(path, examples, all_groups)
    return LabelledSet(os.fspath(path), examples, all_groups)


def _inside(root: str, image: Any, table: Path) -> tuple[str, str]:
    where = os.path.normpath(os.path.join(root, str(image)))
    if not isinstance(image, str) or image.endswith("/") or not where.startswith(os.path.join(root, "")):
        raise DatasetError(
            f"table {os.fspath(table)!r}: image {image!r} is not a path below the table's folder {root!r}"
        )
    return os.path.relpath(where, root), where


def _cell(value: Any) -> list[str] | None:
    """Return the values in a cell, None if it is empty: unknown, not absent. An empty list is a statement."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_text(item) for item in value if not _is_empty(item)]
    if _is_empty(value):
        return None
    return [item.strip() for item in re.split(r"[,;|]", _text(value)) if item.strip()]


def _is_empty(value: Any) -> bool:
    return value is None or value is pd.NA or value != value or (isinstance(value, str) and not value.strip())


def _text(value: Any) -> str:
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))  # a column of whole numbers with a gap is read as floats
    if isinstance(value, (str, int, float, np.integer, np.floating, np.bool_)):
        return str(value)
    raise DatasetError(f"a cell of the table holds {value!r} of type {type(value).__name__}; labels are text")


def _key(value: str, groups: Sequence[Group], vocabulary: Vocabulary | None) -> tuple[str, str]:
    group, _, name = value.partition(":")
    if name and group in [x.name for x in groups]:
        return group, name
    if vocabulary is not None:
        owner = next((label.group for label in vocabulary.labels if label.name == value), None)
        if owner is not None:
            return owner, value
    if len(groups) == 1:
        return groups[0].name, value
    raise DatasetError(f"label {value!r} names no group of {[x.name for x in groups]}; write it as GROUP:NAME")


def _check_examples(path: Path, examples: Iterable[Example], groups: Sequence[Group]) -> None:
    missing, seen = [], set()
    exclusive = {group.name for group in groups if group.exclusive}
    for example in examples:
        if example.path in seen:
            raise DatasetError(f"table {os.fspath(path)!r}: image {example.image_id!r} is there twice; keep one row")
        seen.add(example.path)
        counts = Counter(group for group, _ in example.present if group in exclusive)
        if double := [group for group, n in counts.items() if n > 1]:
            raise DatasetError(
                f"table {os.fspath(path)!r}: image {example.image_id!r} has two labels of {double[0]}, which is "
                f"exclusive; write --groups {double[0]}+ if that is meant"
            )
        if not os.path.exists(example.path):
            missing.append(example.image_id)
    if missing:
        raise DatasetError(
            f"table {os.fspath(path)!r}: {len(missing)} of its images are missing, first {missing[0]!r}; "
            "paths are relative to the table's folder"
        )
