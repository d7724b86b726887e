"""An engine that serves a collection by an alias: collections are built beside what is served, and
the alias moves by one request. Typesense, Elasticsearch and OpenSearch are such."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
import pyarrow as pa

from schemas.documents import DocumentField
from schemas.sync import Building, Refusal, Synced
from tagger.errors import EngineError, InputError
from tagger.search.ahead import ahead
from tagger.search.engine import (
    Buildable,
    Changes,
    as_json_lines,
    check_refused,
    names_of,
    same_documents,
    with_chunk,
)
from tagger.search.lease import Lease, read_record
from tagger.search.server import Line, Server
from tagger.settings import setting


class AliasedEngine:
    """The collection that an alias of a server leads to.

    Beside it, the server keeps a few records of ours: what each collection is equal to, what is
    being built, and who syncs.
    """

    def __init__(self, server: Server, alias: str) -> None:
        self._server = server
        self._alias = alias
        self.shown = server.shown
        self._lease = Lease(server, f"lease:{alias}")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other sync of the collection away.

        Raises
        ------
        Locked
            If one works already.
        """
        self._server.check()
        with self._lease.held():
            yield

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
        synced = read_record(self._server, f"synced:{collection}", Synced)
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

    def follow(
        self, before: Synced, after: Synced, changes: Changes
    ) -> tuple[Synced, list[Refusal]]:
        """Bring what changed into the collection; return what it is equal to now, and what was
        refused.

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
        check_refused(len(refused), before.documents, self.shown, refused)
        self._remove(collection, changes.deletes())
        after = msgspec.structs.replace(
            after,
            documents=self._server.count(collection),
            missing=[refusal.name for refusal in refused],
        )
        self._note(f"synced:{collection}", after)
        return after, refused

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
            mine: list[Refusal] = []
            for lines in ahead(map(_lines, chunk)):
                mine += self._write(building.collection, lines)
                written += len(lines)
            building = with_chunk(building, number, written, mine)
            self._note(self._key("building"), building)
            refused += mine
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
        found = read_record(self._server, self._key("building"), Building)
        if self._server.is_collection(self._alias):
            raise self._not_ours()
        if found is not None:
            served = self._server.served(self._alias)
            if served == found.collection:
                self._tidy(found)
            elif same_documents(found.synced, after) and not self._server.differs(
                found.collection, fields
            ):
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
        check_refused(missing, synced.documents + missing, self.shown, refused)
        if count != synced.documents:
            raise EngineError(
                f"{self.shown} has {count:,} of {synced.documents:,} documents in what was built; "
                "does somebody else write there? What it serves stays as it was; sync again"
            )

    def _is_good(self, collection: str, fields: list[DocumentField]) -> bool:
        return self._server.differs(collection, fields) is None

    def _forget(self, building: Building) -> None:
        """Remove what was being built."""
        self._server.drop(building.collection)
        self._server.remove(f"synced:{building.collection}")
        self._server.remove(self._key("building"))

    def _tidy(self, building: Building) -> None:
        """Remove what was served before, if it is ours."""
        old = building.replaces
        if old is not None and read_record(self._server, f"synced:{old}", Synced) is not None:
            self._server.drop(old)
            self._server.remove(f"synced:{old}")
        self._server.remove(self._key("building"))

    def _write(self, collection: str, lines: Sequence[Line]) -> list[Refusal]:
        size = self._server.batch
        refused = []
        for at in range(0, len(lines), size):
            self._lease.renew()
            refused += self._server.upsert(collection, lines[at : at + size])
        return refused

    def _remove(self, collection: str, ids: Sequence[str]) -> None:
        self._lease.renew()
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

    def _note(self, key: str, record: msgspec.Struct) -> None:
        self._lease.renew()
        self._server.write(key, msgspec.to_builtins(record))


def _lines(documents: pa.Table) -> list[Line]:
    """Return documents as they are written."""
    ids = documents["id"].to_pylist()
    names = names_of(documents).to_pylist()
    return list(map(Line, ids, names, as_json_lines(documents)))
