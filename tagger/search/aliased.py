"""An engine that serves a collection by an alias: collections are built beside what is served, and
the alias moves by one request. Typesense, Elasticsearch and OpenSearch are such."""

import os
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
import pyarrow as pa

from schemas.documents import DocumentField
from schemas.sync import Building, Lease, Refusal, Synced
from tagger.errors import EngineError, InputError, Locked
from tagger.search.ahead import ahead
from tagger.search.engine import (
    Buildable,
    Changes,
    as_json_lines,
    check_refused,
    names_of,
)
from tagger.settings import setting

LEASE_SECONDS = 180.0
_RENEW_AFTER = 30.0

Kind = TypeVar("Kind", bound=msgspec.Struct)


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


class AliasedEngine:
    """The collection that an alias of a server leads to.

    Beside it, the server keeps a few records of ours: what each collection is equal to, what is
    being built, and who syncs.
    """

    def __init__(self, server: Server, alias: str) -> None:
        self._server = server
        self._alias = alias
        self.shown = server.shown
        self._lease: Lease | None = None
        self._renewed = 0.0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other sync of the collection away.

        Raises
        ------
        Locked
            If one works already.
        """
        self._server.check()
        self._take_lease()
        try:
            yield
        finally:
            with suppress(EngineError):  # it ends by itself
                if self._holds():
                    self._server.remove(self._key("lease"))

    def synced(self) -> Synced | None:
        """Return what the collection was made equal to last, or None where there is none yet.

        Raises
        ------
        InputError
            If it is not ours.
        """
        self._server.check()
        collection = self._server.served(self._alias)
        if collection is None:
            if self._server.is_collection(self._alias):
                raise self._not_ours()
            return None
        synced = self._record(f"synced:{collection}", Synced)
        if synced is None:
            raise InputError(
                f"{self.shown}: {self._alias!r} leads to {collection!r}, which 'tagger sync' did "
                f"not make, or not whole; give another name in the address, or let "
                f"{setting('anew')} point it to a new one"
            )
        return synced

    def check_mapping(self, fields: list[DocumentField]) -> None:
        """Raise InputError if somebody changed the mapping of what is served."""
        collection = self._served()
        difference = self._server.differs(collection, fields)
        if difference is not None:
            raise InputError(
                f"{self.shown}: somebody changed the mapping of {collection!r}: {difference}; "
                f"change it back, or build it anew with {setting('anew')}"
            )

    def close(self) -> None:
        """Let go of connections."""
        self._server.close()

    def members(self) -> pa.Table:
        """Return `sku` and `members` of all documents."""
        return self._server.members(self._served())

    def follow(self, before: Synced, after: Synced, changes: Changes) -> list[Refusal]:
        """Bring what changed into the collection; return what was refused.

        What it is on the way to is noted first: whoever comes after a kill knows where it stands.
        """
        collection = self._served()
        on_the_way = msgspec.structs.replace(before, towards=after.snapshot)
        self._note(f"synced:{collection}", on_the_way)
        refused = [
            refusal
            for batch in changes.upserts()
            for refusal in self._write(collection, _lines(batch))
        ]
        self._remove(collection, changes.deletes())
        after = msgspec.structs.replace(
            after,
            documents=self._server.count(collection),
            missing=[refusal.name for refusal in refused],
        )
        self._note(f"synced:{collection}", after)
        return refused

    def build(
        self, fields: list[DocumentField], after: Synced, source: Buildable
    ) -> tuple[Synced, list[Refusal]]:
        """Build the collection beside what is served, and swap; return what it is equal to now, and
        what was refused.

        Raises
        ------
        EngineError
            If too much is refused; what is served stays.
        """
        building = self._begin(fields, after)
        refused: list[Refusal] = []
        for number, chunk in enumerate(source.all(building.chunks), building.chunks + 1):
            written = 0
            for lines in ahead(map(_lines, chunk)):
                refused += self._write(building.collection, lines)
                written += len(lines)
            building = _with_chunk(building, number, written, refused)
            self._note(self._key("building"), building)
        try:
            self._check_built(building, refused)
        except EngineError:
            self._forget(building)
            raise
        synced = building.synced
        self._note(f"synced:{building.collection}", synced)
        self._server.point(self._alias, building.collection)
        self._tidy(building)
        return synced, refused

    def _begin(self, fields: list[DocumentField], after: Synced) -> Building:
        """Return what a killed sync was building, if it is the same; else begin anew."""
        found = self._record(self._key("building"), Building)
        if self._server.is_collection(self._alias):
            raise self._not_ours()
        if found is not None:
            served = self._server.served(self._alias)
            if served == found.collection:
                self._tidy(found)
            elif _same(found.synced, after) and not self._server.differs(found.collection, fields):
                return found
            else:
                self._forget(found)
        collection = f"{self._alias}_{after.snapshot.lower()}_{secrets.token_hex(2)}"
        building = Building(
            collection=collection,
            replaces=self._server.served(self._alias),
            synced=after,
            chunks=0,
        )
        self._note(self._key("building"), building)
        self._server.make(collection, fields)
        return building

    def _check_built(self, building: Building, refused: Sequence[Refusal]) -> None:
        """Raise EngineError unless a collection that was built has all documents, or nearly."""
        synced = building.synced
        count = self._server.count(building.collection)
        missing = len(synced.missing)
        first = refused[0] if refused else None
        check_refused(missing, synced.documents + missing, self.shown, first)
        if count != synced.documents:
            raise EngineError(
                f"{self.shown} has {count:,} of {synced.documents:,} documents in what was built; "
                "does somebody else write there? What it serves stays as it was; sync again"
            )

    def _forget(self, building: Building) -> None:
        """Remove what was being built."""
        self._server.drop(building.collection)
        self._server.remove(f"synced:{building.collection}")
        self._server.remove(self._key("building"))

    def _tidy(self, building: Building) -> None:
        """Remove what was served before, if it is ours."""
        old = building.replaces
        if old is not None and self._record(f"synced:{old}", Synced) is not None:
            self._server.drop(old)
            self._server.remove(f"synced:{old}")
        self._server.remove(self._key("building"))

    def _write(self, collection: str, lines: Sequence[Line]) -> list[Refusal]:
        self._renew()
        size = self._server.batch
        refused = []
        for at in range(0, len(lines), size):
            refused += self._server.upsert(collection, lines[at : at + size])
        return refused

    def _remove(self, collection: str, ids: Sequence[str]) -> None:
        self._renew()
        if ids:
            self._server.delete(collection, ids)

    def _not_ours(self) -> InputError:
        return InputError(
            f"{self.shown}: there is {self._alias!r} already, and 'tagger sync' did not make it; "
            "give another name in the address, or remove it"
        )

    def _served(self) -> str:
        collection = self._server.served(self._alias)
        if collection is None:
            raise EngineError(
                f"{self.shown}: {self._alias!r} went away while it was synced; sync again"
            )
        return collection

    def _key(self, what: str) -> str:
        return f"{what}:{self._alias}"

    def _record(self, key: str, kind: type[Kind]) -> Kind | None:
        found = self._server.read(key)
        if found is None:
            return None
        try:
            return msgspec.convert(found, kind)
        except msgspec.ValidationError as error:
            raise InputError(
                f"{self.shown}: the record {key!r} of 'tagger sync' is damaged ({error}), or of "
                f"another version; remove it, then sync with {setting('anew')}"
            ) from error

    def _note(self, key: str, record: msgspec.Struct) -> None:
        self._renew()
        self._server.write(key, msgspec.to_builtins(record))

    def _take_lease(self) -> None:
        """Note that we sync, unless somebody else does."""
        key = self._key("lease")
        mine = Lease(
            holder=secrets.token_hex(8),
            host=socket.gethostname(),
            process=os.getpid(),
            until=time.time() + LEASE_SECONDS,
        )
        if not self._server.create(key, msgspec.to_builtins(mine)):
            theirs = self._record(key, Lease)
            if theirs is not None and not _is_over(theirs):
                raise Locked(
                    f"{self.shown} is synced by process {theirs.process} on {theirs.host}; let it "
                    f"end, or wait {theirs.until - time.time():.0f} s if it is gone"
                )
            self._server.remove(key)
            if not self._server.create(key, msgspec.to_builtins(mine)):
                raise Locked(f"{self.shown} is synced by somebody else, who was faster")
        self._lease = mine
        self._renewed = time.monotonic()

    def _renew(self) -> None:
        """Say now and then that we still work; notice if somebody thought that we did not."""
        if self._lease is None or time.monotonic() - self._renewed < _RENEW_AFTER:
            return
        if not self._holds():
            raise Locked(f"{self.shown}: another sync took over, for this one did not move")
        self._lease = msgspec.structs.replace(self._lease, until=time.time() + LEASE_SECONDS)
        self._server.write(self._key("lease"), msgspec.to_builtins(self._lease))
        self._renewed = time.monotonic()

    def _holds(self) -> bool:
        found = self._record(self._key("lease"), Lease)
        return found is not None and self._lease is not None and found.holder == self._lease.holder


def _lines(documents: pa.Table) -> list[Line]:
    """Return documents as they are written."""
    ids = documents["id"].to_pylist()
    names = names_of(documents).to_pylist()
    return list(map(Line, ids, names, as_json_lines(documents)))


def _is_over(lease: Lease) -> bool:
    """Return whether nobody holds a lease any more."""
    if lease.until < time.time():
        return True
    return lease.host == socket.gethostname() and not _is_alive(lease.process)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True


def _same(found: Synced, after: Synced) -> bool:
    """Return whether what is being built is what is wanted."""
    return (found.snapshot, found.made, found.products, found.catalog) == (
        after.snapshot,
        after.made,
        after.products,
        after.catalog,
    )


def _with_chunk(
    building: Building, number: int, written: int, refused: Sequence[Refusal]
) -> Building:
    """Return what is being built, with one chunk more; `refused` are those of all chunks of this
    run."""
    before = building.synced
    missing = list(dict.fromkeys([*before.missing, *(refusal.name for refusal in refused)]))
    documents = before.documents + written - (len(missing) - len(before.missing))
    synced = msgspec.structs.replace(before, missing=missing, documents=documents)
    return msgspec.structs.replace(building, chunks=number, synced=synced)


def lines_of(lines: Sequence[Line]) -> bytes:
    """Return documents as JSON Lines."""
    return b"\n".join(line.json for line in lines)
