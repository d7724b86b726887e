"""Which columns of a table look like labels, and the `--columns` that would probably be meant."""

import shlex
from collections.abc import Sequence

from tagger.datasets.label_cells import cell_text
from tagger.datasets.label_table import LabelTable
from tagger.datasets.named_columns import quoted_header
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
    places = [i for i, name in enumerate(table.names) if i != image and name]
    likely = [i for i in places if label_like(table, i) and group_names(table.names[i])]
    likely = likely or [i for i in places if group_names(table.names[i])]
    names = [group_names(table.names[i])[0] for i in likely]
    if groups:
        names = [group.name for group in groups]
    picture = "HEADER" if image is None else quoted_header(table.written[image])
    pairs = zip(names, likely, strict=False)
    items = [
        f"image={picture}",
        *(f"{name}={quoted_header(table.written[i].strip())}" for name, i in pairs),
    ]
    return f"perhaps {setting('columns')} {shlex.quote(','.join(items[: _SHOWN + 1]))} is meant"
