"""Words that persons search by, for each label: synonyms, other languages, parents."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tagger.datasets.label_cells import Cell
from tagger.datasets.table_file import open_table
from tagger.errors import InputError
from tagger.settings import setting

LABEL = "label"
_LONGEST = 200
_BETWEEN = re.compile(r"[;,|\n]")

Words = Mapping[str, tuple[str, ...]]
"""A label's name, lower case, to what it is found by besides."""


def read_words(path: str) -> Words:
    """Return the words in a table: a column `label`, and words in all its other columns.

    A cell holds one word or several, with `;`, `,` or `|` between them; of Parquet also a list.

    Raises
    ------
    InputError
        If it cannot be read, has no column `label` or no other one, a row names no label, or a
        word is none.
    """
    table = open_table(Path(path), keys=(LABEL,), shown=f"{setting('words')} {path!r}")
    headers = [name.casefold() for name in table.names]
    if headers.count(LABEL) != 1 or len(headers) < 2:
        raise InputError(
            f"{table.shown}: it has the columns {table.written}; it needs one called 'label', and "
            "one or more with words beside it"
        )
    at = headers.index(LABEL)
    labels = table.texts(at)
    columns = [table.cells(i) for i in range(len(headers)) if i != at]
    found: dict[str, list[str]] = {}
    for row, label in enumerate(labels):
        words = [word for column in columns for word in _split(column[row])]
        if not label.strip() and words:
            raise InputError(
                f"{table.shown}: row {table.row_numbers[row]} has words and no label; name it"
            )
        longest = max(map(len, words), default=0)
        if longest > _LONGEST:
            raise InputError(
                f"{table.shown}: row {table.row_numbers[row]} has a word of {longest:,} letters; "
                f"nobody types more than {_LONGEST}. Between words stands ; or , or |"
            )
        found.setdefault(_plain(label), []).extend(words)
    return {label: tuple(dict.fromkeys(words)) for label, words in found.items() if label}


def all_words(name: str, table: Words) -> list[str]:
    """Return a label's own name, lower case, and what the table has for it.

    What is itself a label of the table brings its own words along: navy is found by blue, and by
    all that blue is found by.

    >>> all_words("Navy", {"navy": ("blue",), "blue": ("blau",)})
    ['navy', 'blue', 'blau']
    """
    found = [_plain(name)]
    for word in found:  # grows meanwhile
        found += [each for each in table.get(word, ()) if each not in found]
    return found


def unknown_labels(table: Words, known: Iterable[str]) -> list[str]:
    """Return what the table calls a label and no label, and no word of another row, is."""
    names = {_plain(name) for name in known}
    names |= {word for words in table.values() for word in words}
    return [label for label in table if label not in names]


def _split(cell: Cell) -> list[str]:
    texts = [cell] if isinstance(cell, str) else [text for text in cell or () if text is not None]
    return [word for text in texts for part in _BETWEEN.split(text) if (word := _plain(part))]


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
