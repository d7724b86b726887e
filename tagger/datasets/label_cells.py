"""The cells of a label table: which labels one names, however its list is written."""

import ast
import json
import re
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from tagger.errors import DatasetError
from tagger.labels.vocabulary import canonical_name

Cell = str | Sequence[str | None] | None
"""Text, a list of texts, or nothing."""

FORMS = 'write red, dress or ["red", "dress"]'

_ITEM = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|None|nan|True|False"""
_ITEMS = re.compile(_ITEM, re.DOTALL)
# As Python and NumPy print lists: with commas or blanks between the items, and nothing that was
# left out ("...").
_LIST = re.compile(r"(?:\[.*\]|\(.*[,'\"].*\)|\(\))", re.DOTALL)
_INSIDE = re.compile(rf"\s*(?:(?:{_ITEM})(?:\s*,\s*|\s+|$))*", re.DOTALL)
_DECIMAL = re.compile(r"-?\d+,\d+")
_PAIRS = ("[]", "()", "{}", "''", '""')

_ERROR = re.compile(r"#(?:N/A|NV|N/D|N/B|I/T|SAKNAS!|[A-ZÀ-Ý¡¿][A-ZÀ-Ý0-9/_ ]{1,18}[!?])")
_FORMULA = re.compile(r"=.*(?:[(!]|\$?[A-Z]{1,3}\$?[0-9]).*", re.DOTALL)

_PLACEHOLDER_WORDS = "- -- ? ?? k.a. n/a n.a. na nan null <na> tbd unbekannt unknown keineangabe"
_PLACEHOLDERS = frozenset(_PLACEHOLDER_WORDS.split())


def may_mean_unknown(label: str) -> bool:
    """Return whether a label may be a word for a cell that was left open, such as `k. A.`."""
    return label.casefold().replace(" ", "") in _PLACEHOLDERS


def labels_in(cell: Cell, *, is_one: bool = False) -> list[str] | None:
    """Return the labels that a cell names, None where it says nothing: unknown, not absent.

    An empty list is a statement, that no label applies. Text holds labels separated by `,` `;` or
    `|`, or a list as JSON, Python or NumPy write it.

    Parameters
    ----------
    is_one : bool
        Whether a picture has one label at most: then `38,5` is a number, not two.

    Raises
    ------
    DatasetError
        If a label would keep brackets or quotes of a list that cannot be read, or the cell holds an
        error or a formula of a spreadsheet instead of what it comes to.
    """
    if cell is None:
        return None
    if is_one and isinstance(cell, str) and _DECIMAL.fullmatch(cell.strip()):
        return [cell.strip()]
    labels = _in_text(cell) if isinstance(cell, str) else _in_list(cell)
    return None if labels is None else list(labels)


_YES_WORDS = "1 1.0 x y j yes ja true wahr oui vrai si sì sí sim tak ano да evet vero verdadero ✓ ✔"
_NO_WORDS = "0 0.0 - n no nein false falsch non faux não nao nie ne нет hayır falso ✗ ✘"
_YES = frozenset(_YES_WORDS.split())
_NO = frozenset(_NO_WORDS.split())


def says_yes(cell: Cell) -> bool | None:
    """Return whether a cell of a one-hot column says yes, None where it says nothing.

    Raises
    ------
    DatasetError
        If it says neither.
    """
    text = canonical_name(cell_text(cell)).casefold()
    if text in _YES:
        return True
    if text in _NO:
        return False
    if text:
        raise DatasetError(f"{_shown(text)} is neither yes nor no; write 1, x or yes, or 0 or no")
    return None


def cell_text(cell: Cell) -> str:
    """Return a cell as a CSV file has it: a list as JSON, and nothing as nothing."""
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else json.dumps(list(cell), ensure_ascii=False)


@lru_cache(maxsize=4096)  # a column says the same few things over and over
def _in_text(cell: str) -> tuple[str, ...] | None:
    text = canonical_name(cell)
    if not text:
        return None
    items = _listed(text)
    if items is not None:
        return _in_list(items)
    _check(text)  # what is in quotes as a whole would be torn apart
    _check_result(text)
    return _in_list(re.split(r"[,;|]", text))


def _in_list(items: Sequence[str | None]) -> tuple[str, ...] | None:
    if not len(items):
        return ()
    labels = tuple(label for item in items if item is not None and (label := canonical_name(item)))
    for label in labels:
        _check(label)
    return labels or None


def _listed(text: str) -> list[str | None] | None:
    """Return the items of a list that is written as text, None if the text is no list."""
    if not text.startswith("["):
        return _printed(text) if _LIST.fullmatch(text) else None
    try:
        # Numbers stay as they are written.
        items = json.loads(text, parse_int=str, parse_float=str, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        items = _printed(text) if _LIST.fullmatch(text) else None
    if items is None:
        raise DatasetError(f"{_shown(text)} is not a list that can be read; {FORMS}")
    if any(isinstance(item, list | dict) for item in items):
        raise DatasetError(f"{_shown(text)} is a list of lists or objects; {FORMS}")
    return [None if item is None else str(item) for item in items]


def _printed(text: str) -> list[str | None] | None:
    """Return the items of a list as Python or NumPy print it, None if it is not one."""
    inside = text[1:-1]
    if not _INSIDE.fullmatch(inside):
        return None
    return [_unquoted(item) for item in _ITEMS.findall(inside)]


def _unquoted(item: str) -> str | None:
    if item in ("None", "nan"):
        return None
    if item[0] not in "'\"":
        return item
    if "\\" not in item:
        return item[1:-1]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a backslash that escapes nothing
            return str(ast.literal_eval(item))
    except (ValueError, SyntaxError, Warning) as error:
        raise DatasetError(f"{_shown(item)} is not text that can be read; {FORMS}") from error


def _check_result(text: str) -> None:
    """Raise DatasetError for what a spreadsheet writes where it has no result."""
    if _ERROR.fullmatch(text):
        raise DatasetError(
            f"{_shown(text)} is an error of the spreadsheet and no label; mend its formula, or "
            "leave the cell empty if nobody knows"
        )
    if _FORMULA.fullmatch(text):
        raise DatasetError(
            f"{_shown(text)} is a formula without a result; open the table in a spreadsheet and "
            "save it, so that the result is stored"
        )


def _check(label: str) -> None:
    """Raise DatasetError for a label that is a piece of a list, or wrapped in its marks."""
    wrapped = any(label[0] == pair[0] and label[-1] == pair[1] for pair in _PAIRS if pair != "()")
    torn = any(
        label.count(pair[0]) != label.count(pair[1])
        and (label[0] == pair[0] or label[-1] == pair[1])
        for pair in _PAIRS[:3]
    )
    # An inch sign stands behind, a quote before.
    torn = torn or (label[0] == '"' and label.count('"') % 2 == 1)
    if wrapped or torn:
        raise DatasetError(
            f"{_shown(label)} has brackets or quotes of a list that cannot be read; {FORMS}"
        )
    try:
        label.encode()
    except UnicodeEncodeError as error:
        raise DatasetError(f"{_shown(label)} holds half a character; {FORMS}") from error


def _shown(text: Any) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
