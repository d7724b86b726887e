"""Which column of a table names its pictures, if none is called `image`."""

from collections.abc import Callable

from tagger.datasets.label_cells import cell_text
from tagger.datasets.label_table import LabelTable
from tagger.datasets.table_header import ARTICLES, PICTURES
from tagger.datasets.table_proposal import proposal
from tagger.errors import DatasetError
from tagger.labels.folding import folded

_SAMPLE = 200
_MOST = 0.5
"""Share of a column's cells that must name pictures."""


def picture_column(table: LabelTable, is_picture: Callable[[str], bool]) -> int:
    """Return the column whose cells name pictures; where none do, the one whose header says so.

    Of several columns whose cells do, one with a header for pictures counts, then one with a header
    for articles, then the one with most.

    Raises
    ------
    DatasetError
        If that leaves none, or several.
    """
    shares = {i: _share(table, i, is_picture) for i, name in enumerate(table.names) if name}
    naming = [i for i, share in shares.items() if share >= _MOST]
    in_words = _by_header(table, list(shares), PICTURES) or _by_header(
        table, list(shares), ARTICLES
    )
    preferred = _by_header(table, naming, PICTURES) or _by_header(table, naming, ARTICLES) or naming
    chosen = preferred or in_words
    if len(chosen) == 1:
        return chosen[0]
    headers = [name for name in table.names if name]
    if chosen:
        which = " and ".join(repr(table.written[i]) for i in chosen)
        raise DatasetError(
            f"{table.shown}: several columns may name the pictures: {which}; it has {headers}; "
            f"{proposal(table, chosen[0], ())}"
        )
    best = max(shares, key=lambda i: shares[i], default=0)
    raise DatasetError(
        f"{table.shown} needs 'image', a column that names pictures: it has {headers}, none of "
        "these headers says picture, and no column's cells are files here (nearest: "
        f"{table.written[best]!r}, {shares.get(best, 0):.0%}); {proposal(table, None, ())}, and "
        "perhaps the folder of the pictures has to be named too"
    )


def _by_header(table: LabelTable, places: list[int], words: frozenset[str]) -> list[int]:
    return [i for i in places if folded(table.names[i]) in words]


def _share(table: LabelTable, i: int, is_picture: Callable[[str], bool]) -> float:
    """Return the share of a column's cells that name a picture, from cells all over the table."""
    try:
        cells = [text for cell in table.cells(i) if (text := cell_text(cell).strip())]
    except DatasetError:
        return 0
    sample = cells[:: max(1, len(cells) // _SAMPLE)][:_SAMPLE]
    return sum(map(is_picture, sample)) / len(sample) if sample else 0
