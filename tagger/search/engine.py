"""What every engine does, whatever it is: what the sync asks of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import structs

from schemas.documents import DocumentField
from schemas.sync import Building, Refusal, Synced
from tagger.errors import EngineError
from tagger.search.documents import VECTOR_DECIMALS, offsets


class Changes(NamedTuple):
    """What is to change in an engine.

    Attributes
    ----------
    upserts : callable
        Yields documents; again from the first, each time it is called.
    deletes : callable
        Returns the ids of documents that go; to be called when all documents were taken.
    """

    upserts: Callable[[], Iterator[pa.Table]]
    deletes: Callable[[], Sequence[str]]


class Engine(Protocol):
    """A search engine, and the one collection in it that the address names.

    Every method raises `EngineError` where the engine is away or busy for longer than it may be,
    and `InputError` where it refuses the key, is of a version that is not known, or the collection
    is not ours.
    """

    shown: str
    """The address, without what is secret."""

    def held(self) -> AbstractContextManager[None]:
        """Keep every other sync of the collection away."""
        ...

    def synced(self) -> Synced | None:
        """Return what the collection was made equal to last, or None where there is none yet.

        Raises
        ------
        InputError
            If it is not ours.
        """
        ...

    def check_mapping(self, fields: list[DocumentField]) -> None:
        """Raise InputError if somebody changed the mapping of what is served."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...

    def members(self) -> pa.Table:
        """Return `sku` and `members` of all documents."""
        ...

    def follow(
        self, before: Synced, after: Synced, changes: Changes
    ) -> tuple[Synced, list[Refusal]]:
        """Bring what changed into the collection; return what it is equal to now, and what was
        refused."""
        ...

    def build(
        self, fields: list[DocumentField], after: Synced, source: "Buildable"
    ) -> tuple[Synced, list[Refusal]]:
        """Build the collection beside what is served, and swap; return what it is equal to now, and
        what was refused.

        Raises
        ------
        EngineError
            If too much is refused; what is served stays.
        """
        ...


class Buildable(Protocol):
    """All documents of a night."""

    def all(self, done: int = 0) -> Iterator[Iterator[pa.Table]]:
        """Yield the documents of each chunk in batches, from chunk number `done` on."""
        ...


MOST_REFUSED = 0.05
"""Of all documents: where an engine refuses more, or more than a thousand, nothing is swapped."""
_SPARED = 20
_MOST = 1_000


def check_refused(missing: int, of: int, shown: str, refused: Sequence[Refusal]) -> None:
    """Raise EngineError if so many documents were refused that what is served should stay.

    Parameters
    ----------
    refused : sequence of Refusal
        Those of this run: a killed one may have had others.
    """
    if missing > min(_MOST, max(_SPARED, MOST_REFUSED * of)) or (missing and missing == of):
        said = f", the first ({refused[0].id}) because: {refused[0].reason}" if refused else ""
        raise EngineError(
            f"{shown} refused {missing:,} of {of:,} documents{said}. What it serves stays as it was"
        )


def with_chunk(
    building: Building, number: int, written: int, refused: Sequence[Refusal]
) -> Building:
    """Return what is being built, with chunk `number`, of `written` documents, there too.

    Parameters
    ----------
    refused : sequence of Refusal
        Of this chunk.
    """
    before = building.synced
    synced = structs.replace(
        before,
        documents=before.documents + written - len(refused),
        missing=[*before.missing, *(refusal.name for refusal in refused)],
    )
    return structs.replace(building, chunks=number, synced=synced)


def same_documents(found: Synced, after: Synced) -> bool:
    """Return whether what is being built is what is wanted."""
    names = ("snapshot", "made", "products", "features", "catalog")
    return all(getattr(found, name) == getattr(after, name) for name in names)


def names_of(documents: pa.Table) -> pa.ChunkedArray:
    """Return what persons call each document: its product, or its path."""
    return documents["sku" if "sku" in documents.column_names else "path"]


def as_json_lines(documents: pa.Table) -> list[bytes]:
    """Return each document as a line of JSON in UTF-8: without what it lacks, moments as seconds
    since 1970."""
    return [json_line(document) for document in as_objects(documents)]


def json_line(document: dict[str, Any]) -> bytes:
    """Return an object as one line of JSON in UTF-8."""
    return msgspec.json.encode(document)


def as_objects(documents: pa.Table) -> list[dict[str, Any]]:
    """Return documents as JSON objects have them, without what each lacks."""
    columns = []
    for field in documents.schema:
        column = documents[field.name]
        if pa.types.is_timestamp(field.type):
            column = column.cast(pa.int64())
        elif field.type == pa.list_(pa.float32()):
            column = _short(column.combine_chunks())
        columns.append(column)
    plain = pa.table(columns, names=documents.schema.names)
    return [
        {name: value for name, value in row.items() if value is not None}
        for row in plain.to_pylist()
    ]


def _short(vectors: pa.ListArray) -> pa.ListArray:
    """Return vectors in float64 as short as they were rounded."""
    values = pc.round(vectors.flatten().cast(pa.float64()), ndigits=VECTOR_DECIMALS)
    sizes = pc.fill_null(pc.list_value_length(vectors), 0).to_numpy(zero_copy_only=False)
    return pa.ListArray.from_arrays(offsets(sizes), values, mask=pc.is_null(vectors))


def no_documents() -> pa.Table:
    """Return an empty table of `sku` and `members`."""
    return pa.table({"sku": pa.array([], pa.string()), "members": pa.array([], pa.string())})
