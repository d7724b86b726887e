"""What is wrong with a labelled set: all of it, found in one pass."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "missing file",
    "unreadable file",
    "ambiguous file",
    "unreadable cell",
    "contradiction",
    "unknown label",
]
"""What stands in the way of a picture: each kind can be skipped."""


@dataclass(frozen=True)
class Problem:
    """One thing that keeps a picture, or what is said of it, from being used.

    Attributes
    ----------
    kind : Kind
    image : str
        As the table or the folder names it.
    row : int, optional
        Of the table, as a spreadsheet counts: the header is row 1. None for folders.
    what : str
        A sentence for the person who mends it.
    """

    kind: Kind
    image: str
    row: int | None
    what: str


@dataclass(frozen=True)
class Folded:
    """Spellings that are one label.

    Attributes
    ----------
    group, name : str
        What the label is called from now on.
    others : tuple of str
        The other spellings, as they are written.
    pictures : int
        How many pictures had one of those.
    """

    group: str
    name: str
    others: tuple[str, ...]
    pictures: int


def pictures_of(problems: Iterable[Problem]) -> set[str | int | None]:
    """Return the pictures that problems are about; a row that names none counts as one."""
    return {problem.image or problem.row for problem in problems}
