"""Which columns of a table look like labels, and the `--columns` that would probably be meant."""

import re
import shlex
from collections.abc import Sequence

from tagger.datasets.label_cells import cell_text
from tagger.datasets.label_table import LabelTable
from tagger.datasets.named_columns import quoted_header
from tagger.datasets.one_hot import is_one_hot
from tagger.datasets.table_header import group_names
from tagger.errors import DatasetError
from tagger.labels.evidence_words import kind_of_name
from tagger.labels.folding import folded
from tagger.labels.vocabulary import Group
from tagger.settings import setting

_MOST_LABELS = 1000
_SHOWN = 6

_MONEY = r"(?:[$€£¥₹₽₺₩%]|eur|euro|usd|gbp|chf|pln|zł|kč|kr|sek|nok|dkk)"
_AMOUNT = re.compile(rf"[-+]?{_MONEY}?\s*(?:\d[\d.,'’\s]*)(?:[-–]|{_MONEY})?|\d{{4}}-\d\d-\d\d")
"""A number, a price or a date, as `folded` leaves it."""

_MOSTLY = 0.9
"""Of the filled cells of a column of amounts: a total or a word may stand below them."""


def label_like(table: LabelTable, i: int) -> bool:
    """Return whether a column repeats few words, as labels do, and not numbers, prices or dates."""
    try:
        words = [folded(cell_text(cell)) for cell in table.cells(i)]
    except DatasetError:
        return False
    words = [word for word in words if word]
    different = set(words)
    amounts = sum(_AMOUNT.fullmatch(word) is not None for word in words)
    if amounts >= _MOSTLY * len(words):
        return False  # so is a column of nothing
    return len(different) <= min(len(words) / 2, _MOST_LABELS)


def proposal(table: LabelTable, image: int | None, groups: Sequence[Group]) -> str:
    """Return the option that would probably be meant, as a sentence.

    Without groups it has the columns whose headers surely mean color, garment or pattern, if there
    are any; the sentence names others that look like labels.
    """
    places = [
        i
        for i, name in enumerate(table.names)
        if i != image and table.names.count(name) == 1 and name
    ]
    likely = [i for i in places if label_like(table, i) and group_names(table.names[i])]
    likely = likely or [i for i in places if group_names(table.names[i])]
    if groups:
        pairs, others = _of_groups(table, likely, groups), []
    else:
        known = [i for i in likely if kind_of_name(table.names[i])]
        chosen = known or likely[:_SHOWN]
        pairs = [(group_names(table.names[i])[0], i) for i in chosen]
        others = [table.written[i].strip() for i in likely if i not in chosen]
    items = [f"image={_header(table, image)}"]
    items += [f"{name}={_header(table, i)}" for name, i in pairs]
    option = f"{setting('columns')} {shlex.quote(','.join(items))}"
    more = ", ...)" if len(others) > _SHOWN else ")"
    also = f" (groups may also be {', '.join(map(repr, others[:_SHOWN]))}{more}" if others else ""
    return f"perhaps {option} is meant{also}"


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
