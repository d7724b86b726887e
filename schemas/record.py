"""What is written as JSON, declared once: types that parse, check and describe themselves.

A field is described by the text below it, from which the format pages are made. Readers ignore
fields that they do not know, so a later version may add some; those have a default.
"""

import json
from typing import Any, Final, TypeVar, dataclass_transform

import msgspec
from msgspec import StructMeta

FORMAT_VERSION: Final = 1
"""Of everything that is written; frozen with the first release, and read by all later versions."""


class _RecordType(StructMeta):
    """Says of all records what msgspec would have each of them say of itself."""

    def __new__(
        cls, name: str, bases: tuple[type, ...], body: dict[str, Any], **config: Any
    ) -> "_RecordType":
        return super().__new__(cls, name, bases, body, **config | {"frozen": True, "kw_only": True})


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Record(msgspec.Struct, frozen=True, metaclass=_RecordType):
    """A JSON object of ours: frozen, and made by keywords alone."""


class Versioned(Record):
    """What every file of ours says first, whatever its version: which one that is."""

    format_version: int
    """Which."""


Kind = TypeVar("Kind", bound=msgspec.Struct)


def parse(content: bytes | str, kind: type[Kind]) -> Kind:
    """Return the record that `content` holds.

    Raises
    ------
    ValueError
        If it is no JSON, lacks a field, or a value is not of its field's type; names the place.
    """
    # Python's parser, since paths may be no valid UTF-8: msgspec's refuses the surrogates in them.
    try:
        return msgspec.convert(json.loads(content), kind)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def to_json(record: msgspec.Struct, *, indent: int | None = 1) -> str:
    """Return the record as JSON in ASCII: indented for files, on one line for standard output."""
    return json.dumps(msgspec.to_builtins(record, enc_hook=_number), indent=indent) + "\n"


def _number(value: Any) -> Any:
    """Return a NumPy number as Python's: one that was forgotten must not end a long training."""
    if hasattr(value, "item"):
        return value.item()
    raise NotImplementedError
