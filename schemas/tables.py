"""Declarations as Markdown tables: records field by field, schemas column by column."""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import pyarrow as pa
from msgspec import UnsetType

from schemas.record import Record


def records(kind: type[msgspec.Struct], *, but: tuple[type, ...] = ()) -> list[str]:
    """Return what a record is and its fields, then those of the records in it, each once.

    Parameters
    ----------
    but : types, optional
        Records that are shown elsewhere.
    """
    parts = []
    for one in _kinds_in(kind, [Record, *but]):
        name = f"`{one.__name__}`: " if one is not kind else ""
        parts += [name + _escaped(_paragraph(one.__doc__ or "")), _fields(one)]
    return parts


def _kinds_in(kind: type[msgspec.Struct], seen: list[type]) -> Iterator[type[msgspec.Struct]]:
    """Yield a record, and those in it that were not seen."""
    if kind in seen:
        return
    seen.append(kind)
    yield kind
    for field in msgspec.structs.fields(kind):
        for inner in _parts_of(field.type):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                yield from _kinds_in(inner, seen)


def _parts_of(kind: Any) -> Iterator[Any]:
    """Yield a type and all types within it."""
    yield kind
    for inner in get_args(kind):
        yield from _parts_of(inner)


def _fields(kind: type[msgspec.Struct]) -> str:
    """Return the table of a record's fields."""
    meanings = _meanings_of(kind)
    lines = ["| field | type | meaning |", "|---|---|---|"]
    for field in msgspec.structs.fields(kind):
        meaning = _escaped(meanings[field.name])
        lines.append(f"| `{field.encode_name}` | {_escaped(spoken(field.type))} | {meaning} |")
    return "\n".join(lines)


def _meanings_of(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return the text below each field of a record, its bases' too."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, Record) and base is not Record:
            match ast.parse(textwrap.dedent(inspect.getsource(base))).body:
                case [ast.ClassDef(body=body)]:
                    found |= dict(_texts_below(body))
    return found


def _texts_below(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Yield the fields of a class, and the texts below them."""
    for field, text in pairwise(body):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(meaning))),
            ):
                yield name, _paragraph(meaning)


_WORDS = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "true or false",
    datetime: "string",
    NoneType: "null",
    UnsetType: "left out",
}


def spoken(kind: Any) -> str:
    """Return a type in words for readers in any language.

    Examples
    --------
    >>> spoken(dict[str, list[int]] | None)
    'object of list of integer, or null'
    """
    origin = get_origin(kind)
    inner = get_args(kind)
    if kind in _WORDS:
        return _WORDS[kind]
    if origin is Annotated:
        return spoken(inner[0])
    if origin is Literal:
        return " | ".join("null" if value is None else f"`{value}`" for value in inner)
    if origin in (Union, UnionType):
        return ", or ".join(spoken(one) for one in inner)
    if origin is list:
        return f"list of {spoken(inner[0])}"
    if origin is tuple:
        return f"list of {', '.join(map(spoken, inner))}"
    if origin is dict:
        return f"object of {spoken(inner[1])}"
    return f"`{kind.__name__}`"


def _paragraph(text: str) -> str:
    return " ".join(text.split())


def meanings(fields: Mapping[str, str], what: str = "field") -> str:
    """Return the table of names and what each means."""
    lines = [f"| {what} | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {_escaped(text)} |" for name, text in fields.items()]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Return text that a Markdown table shows as it is; what stands in backticks is code."""
    pieces = text.split("`")
    pieces[::2] = [_escaped_prose(piece) for piece in pieces[::2]]
    return "`".join(pieces).replace("|", "\\|")


def _escaped_prose(text: str) -> str:
    return text.replace("\\", "\\\\").replace("<", "&lt;").replace("*", "\\*")


def columns(schema: pa.Schema) -> str:
    """Return the table of a schema's columns."""
    lines = ["| column | type | null | meaning |", "|---|---|---|---|"]
    for field in schema:
        meaning = (field.metadata or {}).get(b"meaning", b"").decode()
        kind = str(field.type).replace(" not null", "")
        lines.append(
            f"| `{field.name}` | {kind} | {'yes' if field.nullable else 'never'} | "
            f"{_escaped(meaning)} |"
        )
    return "\n".join(lines)
