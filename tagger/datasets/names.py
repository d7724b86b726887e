"""One vocabulary for several labelled sets: what each set's names become."""

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tagger.datasets.dataset_reader import read_dataset
from tagger.datasets.label_cells import cell_text
from tagger.datasets.labelled_set import Example, LabelledSet
from tagger.datasets.named_columns import Columns, group_names_in
from tagger.datasets.spellings import with_one_spelling
from tagger.datasets.table_file import open_table
from tagger.errors import DatasetError
from tagger.exclusions import Exclusions
from tagger.labels.folding import folded
from tagger.labels.vocabulary import Group, LabelKey, Vocabulary, canonical_name, parse_groups
from tagger.settings import setting

COLUMNS = ("dataset", "group", "name", "becomes")
_SHOWN = 10
_LIST = re.compile(r"[,;|](?!\d)")

Names = Mapping[tuple[str, str, str], str]
"""(dataset, group, name) to the new name; the empty name is unknown. The empty dataset is any."""


def read_names(path: str) -> Names:
    """Return the renamings of a table with the columns `COLUMNS`.

    `dataset` is the last part of a set's path, or empty for all sets; an empty `becomes` makes the
    group unknown for pictures with that label.

    Raises
    ------
    DatasetError
        If it cannot be read, lacks a column or renames a label twice, in whatever spelling.
    """
    shown = f"{setting('names')} {path!r}"
    table = open_table(Path(path), keys=COLUMNS[:1], shown=shown)
    if table.too_long:
        at, n = next(iter(table.too_long.items()))
        raise DatasetError(
            f"{shown} cannot be read: row {table.row_numbers[at]} has {n} cells; a cell that "
            f"holds {table.separator!r} stands in double quotes"
        )
    if table.names != list(COLUMNS):
        raise DatasetError(f"{shown} has the columns {table.names}; needs {','.join(COLUMNS)}")
    names: dict[tuple[str, str, str], str] = {}
    for row in zip(*map(table.column, COLUMNS), strict=True):
        dataset, group, name, becomes = (canonical_name(cell_text(cell)) for cell in row)
        if (dataset, group, name) in names:
            raise DatasetError(
                f"{shown} renames {group}:{name} of {dataset or 'any set'} twice; keep one row"
            )
        names[dataset, group, name] = becomes
    _refuse_spellings(names, shown)
    return names


def _refuse_spellings(names: Names, shown: str) -> None:
    """Raise DatasetError if spellings of one label are to become two labels."""
    first: dict[tuple[str, str, str], tuple[str, str]] = {}
    for (dataset, group, name), becomes in names.items():
        other, leads = first.setdefault((dataset, group, folded(name)), (name, becomes))
        if folded(leads) != folded(becomes):
            raise DatasetError(
                f"{shown} renames {group}:{other} to {leads or 'nothing'!r} and {group}:{name} to "
                f"{becomes or 'nothing'!r}, and they are spellings of one label; keep one row"
            )


def renamed(sets: Sequence[LabelledSet], names: Names) -> list[LabelledSet]:
    """Return the sets with their labels renamed; what `names` does not mention stays.

    A name matches in any spelling, see `tagger.labels.folding`; its own comes first.

    Raises
    ------
    DatasetError
        If no renaming matches a label, nor what a label of the pictures would be called then: the
        table may be misspelt, or for other sets. A row that matches none beside others that do is
        a note of the first set.
    """
    if not names:
        return list(sets)
    here = {_called(each) for each in sets} | {""}
    if not any(dataset in here for dataset, _, _ in names):
        others = ", ".join(sorted({dataset for dataset, _, _ in names}))
        raise DatasetError(
            f"{setting('names')} is for {others}, and given are {', '.join(sorted(here - {''}))}"
        )
    present = _present(sets)
    _refuse_lists(names, present)
    used: set[tuple[str, str, str]] = set()
    alike: dict[tuple[str, str, str], list[tuple[str, str, str]]] = {}
    for dataset, group, name in names:
        alike.setdefault((dataset, group, folded(name)), []).append((dataset, group, name))

    def of(dataset: str, group: str, name: str) -> str:
        for of_set in (dataset, ""):
            own = (of_set, group, name)
            matching = alike.get((of_set, group, folded(name)), [])
            if matching:
                used.update(matching)  # other spellings of it were folded into this one
                return names[own if own in names else matching[0]]
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
    idle = {key: names[key] for key in names.keys() - used if key[0] in here}
    if idle:
        if not used:
            _refuse_misspelt(idle, present)
        result[0] = replace(result[0], notes=(*result[0].notes, _idle_note(idle)))
    return result


def _present(sets: Sequence[LabelledSet]) -> set[LabelKey]:
    """Return the labels that pictures have, as spellings are compared."""
    return {
        (group, folded(name))
        for each in sets
        for example in each.examples
        for group, name in example.present
    }


def _refuse_lists(names: Names, present: Collection[LabelKey]) -> None:
    """Raise DatasetError if a label is to become several, unless one is called so."""
    for (_, group, name), becomes in names.items():
        if (group, folded(becomes)) not in present and _LIST.search(becomes):
            raise DatasetError(
                f"{setting('names')} renames {group}:{name} to {becomes!r}, which looks like "
                "several labels; a label becomes one, or unknown if the cell is empty"
            )


def _refuse_misspelt(idle: Names, present: Collection[LabelKey]) -> None:
    """Raise DatasetError if pictures do not have what labels are to become either.

    Where they have, the pictures' labels may have been corrected since the table was written.
    Where there is no label at all, because no picture was found, that is what is wrong.
    """
    if not present or any(
        (group, folded(becomes)) in present for (_, group, _), becomes in idle.items()
    ):
        return
    raise DatasetError(
        f"{setting('names')} renames labels that no picture has: {_shown(idle)}; correct them"
    )


def _idle_note(idle: Names) -> str:
    """Return the warning that some rows do nothing."""
    return (
        f"warning: {setting('names')}: {len(idle):,} rows do nothing, since no picture has the "
        f"label: {_shown(idle)}; correct them if they are misspelt"
    )


def _shown(idle: Names) -> str:
    rows = sorted(f"{group}:{name} of {dataset or 'any set'}" for dataset, group, name in idle)
    more = f" and {len(rows) - _SHOWN:,} more" if len(rows) > _SHOWN else ""
    return ", ".join(rows[:_SHOWN]) + more


def _called(labelled: LabelledSet) -> str:
    return canonical_name(os.path.basename(os.path.realpath(labelled.source)))


def joined(sets: Sequence[LabelledSet]) -> LabelledSet:
    """Return the sets as one, named by all.

    A picture that several hold counts once: of each group, what the last of them says of it.

    Where there are several, the id of a picture begins with what its set is called.
    """
    if len(sets) == 1:
        return sets[0]
    by_path: dict[str, Example] = {}
    replaced: set[str] = set()
    for each in sets:
        for example in each.examples:
            path = os.path.realpath(example.path)
            before = by_path.get(path)
            if before is not None and _differ(before, example):
                replaced.add(path)
            image_id = f"{_called(each)}/{example.image_id}"
            by_path[path] = replace(_said_anew(before, example), image_id=image_id)
    problems = [
        replace(problem, image=f"{_called(each)}/{problem.image}")
        for each in sets
        for problem in each.problems
    ]
    lost = sum(len(each.examples) if each.named is None else each.named for each in sets)
    lost -= sum(len(each.examples) for each in sets)
    return LabelledSet(
        source=" and ".join(each.source for each in sets),
        examples=list(by_path.values()),
        groups=sets[0].groups,
        problems=tuple(problems),
        folded=tuple(each for one in sets for each in one.folded),
        named=len(by_path) + lost,
        replaced=tuple(by_path[path].image_id for path in sorted(replaced)),
        notes=tuple(note for each in sets for note in each.notes),
    )


def _said_anew(before: Example | None, after: Example) -> Example:
    """Return the later example, with what the earlier one says of other groups."""
    if before is None:
        return after
    kept = frozenset(key for key in before.present if key[0] not in after.known)
    return replace(after, present=kept | after.present, known=before.known | after.known)


def _differ(before: Example, after: Example) -> bool:
    """Return whether two examples say different things of a group that both know."""
    both = before.known & after.known
    said, again = (
        {(group, folded(name)) for group, name in example.present if group in both}
        for example in (before, after)
    )
    return said != again


def read_sets(
    datasets: Sequence[str],
    names: str | None,
    *,
    groups: Sequence[Group] | None = None,
    vocabulary: Vocabulary | None = None,
    exclude: Exclusions | None = None,
    columns: Columns | None = None,
    image_root: str | None = None,
) -> LabelledSet:
    """Return labelled sets as one, renamed by the table at the path `names`, spelled alike.

    `columns` and `image_root` hold for every table among them. See `read_dataset` for the rest.

    Raises
    ------
    DatasetError
        If one cannot be read, or their tables have different groups and none were named.
    """
    renames = read_names(names) if names else {}
    if groups is None and vocabulary is None and columns and group_names_in(columns):
        groups = parse_groups(",".join(group_names_in(columns)))
    sets = [
        read_dataset(
            each,
            groups=groups,
            vocabulary=vocabulary,
            exclude=exclude,
            columns=columns,
            image_root=image_root,
            several=len(datasets) > 1,
        )
        for each in datasets
    ]
    if other := next((each for each in sets if each.groups != sets[0].groups), None):
        raise DatasetError(
            f"{sets[0].source} has the groups {_listed(sets[0])} and {other.source} has "
            f"{_listed(other)}; say which are meant with {setting('groups')}"
        )
    return with_one_spelling(joined(renamed(sets, renames)), vocabulary)


def _listed(labelled: LabelledSet) -> str:
    return ", ".join(group.name for group in labelled.groups)
