"""What is written as JSON, declared once: types that parse, check and describe themselves.

A field is described by the text below it, from which the format page is made. Readers ignore
fields that they do not know, so a later version may add some.
"""

from typing import Final, TypeVar

import msgspec

FORMAT_VERSION: Final = 1
"""Of everything that is written; frozen with the first release, and read by all later versions."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON object of ours."""


Kind = TypeVar("Kind", bound=msgspec.Struct)


def parse(content: bytes | str, kind: type[Kind]) -> Kind:
    """Return the record that `content` holds.

    Raises
    ------
    msgspec.DecodeError
        If it is no JSON, lacks a field, or a value is not of its field's type; a ValueError, which
        names the place.
    """
    return msgspec.json.decode(content, type=kind)


def to_json(record: msgspec.Struct) -> str:
    """Return the record as indented JSON with a line end, for files that people read too."""
    return msgspec.json.format(msgspec.json.encode(record), indent=1).decode() + "\n"
