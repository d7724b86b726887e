"""`--columns`: which headers of a table name its pictures and say its groups' labels."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tagger.errors import InputError
from tagger.labels.vocabulary import canonical_name
from tagger.settings import setting

_ITEM = re.compile(r'\s*([^=,"]*?)\s*=((?:"(?:[^"]|"")*"|[^",])*)(?:,|$)')
_PIECE = re.compile(r'((?:"(?:[^"]|"")*"|[^"+])+)(?:\+|$)')

FORM = (
    "write image=Bilddatei,farbe=Farbe; a header with a comma stands in double quotes, as in "
    'farbe="Farbe, außen"; several columns are farbe=Farbe1+Farbe2, one-hot columns farbe=Farbe_*'
)

IMAGE = "image"
LABELS = "labels"


@dataclass(frozen=True)
class Piece:
    """One column, or all whose headers begin alike.

    Attributes
    ----------
    header : str
        As a header is compared.
    is_beginning : bool
        Whether it is the beginning of one-hot columns' headers.
    """

    header: str
    is_beginning: bool = False


@dataclass(frozen=True)
class NamedColumn:
    """What was said of one name: the header as a whole, and what it is if no header is so called.

    Attributes
    ----------
    whole : str
    pieces : tuple of Piece
    """

    whole: str
    pieces: tuple[Piece, ...]


Columns = Mapping[str, NamedColumn]
"""`image`, `labels` or a group's name to its columns."""


def parse_columns(text: str) -> Columns:
    """Return what `NAME=HEADER,...` says.

    Raises
    ------
    InputError
        If it is not of that form, or says a name twice.
    """
    shown = f"{setting('columns')} {text!r}"
    columns: dict[str, NamedColumn] = {}
    at = 0
    while at < len(text):
        match = _ITEM.match(text, at)
        if match is None:
            raise InputError(f"{shown}: {text[at:][:60]!r} is not NAME=HEADER; {FORM}")
        name, headers = match[1], match[2].strip()
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise InputError(
                f"{shown}: {name!r} is no name of a group: a letter a-z, then letters, digits and "
                f"underscores, lower case; {FORM}"
            )
        if name in columns:
            raise InputError(
                f"{shown}: {name} is there twice; join its columns with +, as in {name}=A+B"
            )
        columns[name] = _column(headers, shown, name)
        at = match.end()
    if not columns:
        raise InputError(f"{shown} names no column; {FORM}")
    if LABELS in columns and (groups := group_names_in(columns)):
        raise InputError(
            f"{shown}: labels is one column for all groups, so {groups[0]} cannot be another; "
            "leave one of them out"
        )
    return columns


def group_names_in(columns: Columns) -> list[str]:
    """Return the groups that are named, in order."""
    return [name for name in columns if name not in (IMAGE, LABELS)]


def quoted_header(header: str) -> str:
    """Return a header as `--columns` takes it."""
    if re.search(r'[",+*]', header) or header != header.strip():
        return '"' + header.replace('"', '""') + '"'
    return header


def _column(headers: str, shown: str, name: str) -> NamedColumn:
    pieces = tuple(_piece(match[1].strip()) for match in _PIECE.finditer(headers))
    if not pieces or not all(piece.header for piece in pieces):
        raise InputError(f"{shown}: {name} has no header; {FORM}")
    return NamedColumn(canonical_name(headers), pieces)


def _piece(text: str) -> Piece:
    if len(text) > 1 and text[0] == text[-1] == '"':
        return Piece(canonical_name(text[1:-1].replace('""', '"')))
    if text.endswith("*"):
        return Piece(canonical_name(text[:-1]), is_beginning=True)
    return Piece(canonical_name(text))
