"""A server that serves collections by aliases: what is asked of it."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from schemas.documents import DocumentField
from schemas.sync import Refusal


class Line(NamedTuple):
    """A document to be written: its id, its path or product, and its JSON."""

    id: str
    name: str
    json: bytes


class Server(Protocol):
    """What is asked of a server; each method asks again, for so long as it may, where the server is
    away or busy."""

    shown: str
    batch: int
    """Documents in one request."""
    longest: float
    """Seconds that one question may take, with all its repetitions."""

    def close(self) -> None:
        """Let go of connections."""
        ...

    def check(self) -> None:
        """Raise InputError if the key is wrong, or the server of a version that is not known."""
        ...

    def read(self, key: str) -> dict[str, Any] | None:
        """Return a record of ours, or None where there is none."""
        ...

    def write(self, key: str, record: dict[str, Any]) -> None:
        """Write a record of ours."""
        ...

    def create(self, key: str, record: dict[str, Any]) -> bool:
        """Write a record of ours unless there is one; return whether there was none."""
        ...

    def remove(self, key: str) -> None:
        """Remove a record of ours, if it is there."""
        ...

    def make(self, collection: str, fields: list[DocumentField]) -> None:
        """Make a collection; one of this name is replaced."""
        ...

    def drop(self, collection: str) -> None:
        """Remove a collection, if it is there."""
        ...

    def is_collection(self, name: str) -> bool:
        """Return whether there is a collection, and no alias, of this name."""
        ...

    def differs(self, collection: str, fields: list[DocumentField]) -> str | None:
        """Return in what a collection's mapping is not what it should be, or None."""
        ...

    def served(self, alias: str) -> str | None:
        """Return the collection that an alias leads to, or None."""
        ...

    def point(self, alias: str, collection: str) -> None:
        """Let an alias lead to a collection, by one request."""
        ...

    def upsert(self, collection: str, lines: Sequence[Line]) -> list[Refusal]:
        """Write documents; return those that were refused."""
        ...

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Remove documents; one that is not there is none."""
        ...

    def count(self, collection: str) -> int:
        """Return how many documents a collection has."""
        ...

    def members(self, collection: str) -> pa.Table:
        """Return `sku` and `members` of all documents."""
        ...


def ascii_lines(lines: Sequence[Line]) -> str:
    """Return documents as JSON Lines in ASCII, other signs escaped.

    Typesense 0.24.1 loses a sign of several bytes now and then, where its buffer ends within one: 2
    of 1,200 documents with long names, without a word. Escapes arrive whole.
    """
    return "\n".join(map(_in_ascii, lines))


def _in_ascii(line: Line) -> str:
    if line.json.isascii():
        return line.json.decode()
    return json.dumps(json.loads(line.json))
