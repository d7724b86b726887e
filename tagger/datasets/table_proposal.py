"""Which columns of a table look like labels, and the `--columns` that would probably be meant."""

import shlex
from collections.abc import Sequence

from tagger.datasets.label_cells import cell_text
from tagger.datasets.label_table import LabelTable
from tagger.datasets.named_columns import quoted_header
from tagger.datasets.one_hot import is_one_hot
from tagger.datasets.table_header import group_names
from tagger.errors import DatasetError
from tagger.labels.folding import folded
from tagger.labels.vocabulary import Group
from tagger.settings import setting

_MOST_LABELS = 1000
_SHOWN = 6


def label_like(table: LabelTable, i: int) -> bool:
    """Return whether a column repeats few words, as labels do, and not numbers alone."""
    try:
        words = [folded(cell_text(cell)) for cell in table.cells(i)]
    except DatasetError:
        return False
    words = [word for word in words if word]
    different = set(words)
    numbers = all(word.replace(".", "").replace(",", "").isdigit() for word in different)
    return bool(words) and not numbers and len(different) <= min(len(words) / 2, _MOST_LABELS)


def proposal(table: LabelTable, image: int | None, groups: Sequence[Group]) -> str:
    """Return the option that would probably be meant, as a sentence."""
    places = [
        i
        for i, name in enumerate(table.names)
        if i != image and table.names.count(name) == 1 and name
    ]
    likely = [i for i in places if label_like(table, i) and group_names(table.names[i])]
    likely = likely or [i for i in places if group_names(table.names[i])]
    pairs = (
        _of_groups(table, likely, groups)
        if groups
        else [(group_names(table.names[i])[0], i) for i in likely]
    )
    picture = _header(table, image)
    items = [
        f"image={picture}",
        *(f"{name}={_header(table, i)}" for name, i in pairs),
    ]
    return f"perhaps {setting('columns')} {shlex.quote(','.join(items[: _SHOWN + 1]))} is meant"


def _header(table: LabelTable, i: int | None) -> str:
    return "HEADER" if i is None else quoted_header(table.written[i].strip())


def _of_groups(
    table: LabelTable, likely: Sequence[int], groups: Sequence[Group]
) -> list[tuple[str, int | None]]:
    """Return a column for each group: one whose header has its name, else the next that is left.

    None where columns have its name and look like none: flags, say.
    """
    left = list(likely)
    found: dict[str, int | None] = {}
    for group in groups:
        named = [i for i in range(len(table.names)) if _has_name(table, i, group.name)]
        if named:
            found[group.name] = next(
                (i for i in named if i in left and not is_one_hot(table, i)), None
            )
    rest = iter([i for i in left if i not in found.values()])
    return [
        (group.name, found[group.name] if group.name in found else next(rest, None))
        for group in groups
    ]


def _has_name(table: LabelTable, i: int, group: str) -> bool:
    return any(group in name for name in group_names(table.names[i]))
