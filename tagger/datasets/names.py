"""One vocabulary for several labelled sets: what each set's names become."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tagger.datasets.dataset_reader import read_dataset
from tagger.datasets.label_table import read_csv
from tagger.datasets.labelled_set import Example, LabelledSet
from tagger.errors import DatasetError
from tagger.exclusions import Exclusions
from tagger.labels.vocabulary import Group, Vocabulary, canonical_name
from tagger.settings import setting

COLUMNS = ("dataset", "group", "name", "becomes")

Names = Mapping[tuple[str, str, str], str]
"""(dataset, group, name) to the new name; the empty name is unknown. The empty dataset is any."""


def read_names(path: str) -> Names:
    """Return the renamings of a CSV with the columns `COLUMNS`.

    `dataset` is the last part of a set's path, or empty for all sets; an empty `becomes` makes the
    group unknown for pictures with that label.

    Raises
    ------
    DatasetError
        If it cannot be read, lacks a column or renames a label twice.
    """
    shown = f"{setting('names')} {path!r}"
    table = read_csv(Path(path), key=COLUMNS[0], shown=shown)
    if table.names != list(COLUMNS):
        raise DatasetError(f"{shown} has the columns {table.names}; needs {','.join(COLUMNS)}")
    names: dict[tuple[str, str, str], str] = {}
    for row in zip(*map(table.column, COLUMNS), strict=True):
        dataset, group, name, becomes = (canonical_name(str(cell or "")) for cell in row)
        if (dataset, group, name) in names:
            raise DatasetError(
                f"{shown} renames {group}:{name} of {dataset or 'any set'} twice; keep one row"
            )
        names[dataset, group, name] = becomes
    return names


def renamed(sets: Sequence[LabelledSet], names: Names) -> list[LabelledSet]:
    """Return the sets with their labels renamed; what `names` does not mention stays.

    Raises
    ------
    DatasetError
        If a renaming for one of the sets, or for any, matches no label: it may be misspelt. Those
        for other sets are left aside, unless there are no others.
    """
    here = {_called(each) for each in sets} | {""}
    if names and not any(dataset in here for dataset, _, _ in names):
        others = ", ".join(sorted({dataset for dataset, _, _ in names}))
        raise DatasetError(
            f"{setting('names')} is for {others}, and given are {', '.join(sorted(here - {''}))}"
        )
    used: set[tuple[str, str, str]] = set()

    def of(dataset: str, group: str, name: str) -> str:
        for key in ((dataset, group, name), ("", group, name)):
            if key in names:
                used.add(key)
                return names[key]
        return name

    def example(dataset: str, old: Example) -> Example:
        keys = [(group, of(dataset, group, name)) for group, name in old.present]
        unknown = {group for group, name in keys if not name}
        present = frozenset((group, name) for group, name in keys if group not in unknown)
        return replace(old, present=present, known=old.known - unknown)

    result = [
        replace(each, examples=[example(_called(each), one) for one in each.examples])
        for each in sets
    ]
    left = [key for key in names.keys() - used if key[0] in here]
    if idle := [f"{group}:{name} of {dataset or 'any set'}" for dataset, group, name in left]:
        raise DatasetError(
            f"{setting('names')} renames labels that no picture has: "
            f"{', '.join(sorted(idle)[:10])}; correct them"
        )
    return result


def _called(labelled: LabelledSet) -> str:
    return canonical_name(os.path.basename(os.path.realpath(labelled.source)))


def joined(sets: Sequence[LabelledSet]) -> LabelledSet:
    """Return the sets as one, named by all.

    A picture that several hold counts once, as the last of them labels it; those that an earlier
    one labels otherwise are counted.

    Where there are several, the id of a picture begins with what its set is called.
    """
    if len(sets) == 1:
        return sets[0]
    by_path: dict[str, Example] = {}
    replaced: set[str] = set()
    for each in sets:
        for example in each.examples:
            image_id = f"{_called(each)}/{example.image_id}"
            path = os.path.realpath(example.path)
            if path in by_path and _labels(by_path[path]) != _labels(example):
                replaced.add(path)
            by_path[path] = replace(example, image_id=image_id)
    source = " and ".join(each.source for each in sets)
    return LabelledSet(source, list(by_path.values()), sets[0].groups, replaced=len(replaced))


def _labels(example: Example) -> tuple[object, ...]:
    return example.present, example.known, example.single


def read_sets(
    datasets: Sequence[str],
    names: str | None,
    *,
    groups: Sequence[Group] | None = None,
    vocabulary: Vocabulary | None = None,
    exclude: Exclusions | None = None,
) -> LabelledSet:
    """Return labelled sets as one, renamed by the table at the path `names`.

    See `read_dataset` for the rest.
    """
    renames = read_names(names) if names else {}
    sets = [
        read_dataset(each, groups=groups, vocabulary=vocabulary, exclude=exclude)
        for each in datasets
    ]
    return joined(renamed(sets, renames))
