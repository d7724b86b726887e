"""A table of PostgreSQL, by psycopg. A sync is one transaction: readers see all of it, or none.

A table that is built anew is filled beside what is served, chunk by chunk, and takes its name in
one transaction. Records of ours are in the table `tagger_sync`; who syncs holds an advisory lock.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pyarrow as pa

from schemas.documents import DocumentField
from schemas.sync import Building, Refusal, Synced
from tagger.errors import EngineError, InputError
from tagger.search.address import Address
from tagger.search.ahead import ahead
from tagger.search.engine import (
    Buildable,
    Changes,
    check_refused,
    names_of,
    no_documents,
    same_documents,
    with_chunk,
)
from tagger.search.postgres_columns import COLUMNS, INDEXES, create_statement, difference
from tagger.search.postgres_connection import PostgresConnection, said
from tagger.search.postgres_records import PostgresRecords
from tagger.search.postgres_rows import copy_text
from tagger.search.postgres_swap import swap
from tagger.settings import setting

_INDEX_MEMORY = "256MB"
_MOST_FIELDS = 1_500  # a table may have 1,600 columns


class PostgresTable:
    """A table of documents; see `tagger.search.engine.Engine`.

    Parameters
    ----------
    key : str or None
        The password; without one libpq's own ways count: PGPASSWORD, ~/.pgpass, a certificate.
    """

    def __init__(self, address: Address, key: str | None, patience: float) -> None:
        self._server = PostgresConnection(address, key, patience)
        self._records = PostgresRecords(self._server)
        self.shown = address.plain
        self._table = address.name
        self._beside = f"{address.name}__new"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other sync of the table away.

        Raises
        ------
        Locked
            If one works already.
        """
        self._server.lock(self._table)
        yield

    def close(self) -> None:
        """Let go of the connection, and of the lock with it."""
        self._server.close()

    def synced(self) -> Synced | None:
        """Return what the table was made equal to last, or None where there is none yet.

        Raises
        ------
        InputError
            If it is not ours.
        """
        return self._server.ask(self._synced)

    def check_mapping(self, fields: list[DocumentField]) -> None:
        """Raise InputError if somebody changed the columns."""
        difference = self._server.ask(lambda: self._differs(self._table, fields))
        if difference is not None:
            raise InputError(
                f"{self.shown}: somebody changed the table {self._table!r}: {difference}; change "
                f"it back, or build it anew with {setting('anew')}"
            )

    def members(self) -> pa.Table:
        """Return `sku` and `members` of all documents."""
        rows = self._server.ask(
            lambda: self._server.rows("SELECT sku, members FROM {}", self._table)
        )
        found = [{"sku": sku, "members": members} for sku, members in rows]
        return pa.Table.from_pylist(found, schema=no_documents().schema)

    def follow(
        self, before: Synced, after: Synced, changes: Changes
    ) -> tuple[Synced, list[Refusal]]:
        """Bring what changed into the table, in one transaction; return what it is equal to now,
        and what was refused."""
        return self._server.ask(lambda: self._follow(before, after, changes))

    def build(
        self, fields: list[DocumentField], after: Synced, source: Buildable
    ) -> tuple[Synced, list[Refusal]]:
        """Build the table beside what is served, and swap; return what it is equal to now, and what
        was refused.

        Raises
        ------
        EngineError
            If too much is refused; what is served stays.
        """
        if len(fields) > _MOST_FIELDS:
            raise InputError(
                f"{self.shown}: the documents have {len(fields):,} fields, and a table of "
                f"PostgreSQL may have {_MOST_FIELDS:,}; retire labels that nobody needs"
            )
        refused: list[Refusal] = []
        self._server.ask(lambda: self._fill(fields, after, source, refused))
        return self._server.ask(lambda: self._serve(fields, after, refused)), refused

    def _follow(
        self, before: Synced, after: Synced, changes: Changes
    ) -> tuple[Synced, list[Refusal]]:
        connection = self._server.now()
        refused: list[Refusal] = []
        with connection.transaction():
            now = self._records.read(f"synced:{self._table}", Synced)
            if now != before:  # asked again after an answer that got lost
                return self._ours(now, after), []
            self._server.run(
                "CREATE TEMP TABLE tagger_changes (LIKE {}) ON COMMIT DROP", self._table
            )
            for batch in changes.upserts():
                refused += self._copy("tagger_changes", batch, copy_text(batch))
            self._server.run(
                "DELETE FROM {} WHERE id IN (SELECT id FROM tagger_changes)", self._table
            )
            self._server.run("INSERT INTO {} SELECT * FROM tagger_changes", self._table)
            self._server.run(
                "DELETE FROM {} WHERE id = ANY(%s)", self._table, values=[changes.deletes()]
            )
            documents = self._server.rows("SELECT count(*) FROM {}", self._table)[0][0]
            missing = [refusal.name for refusal in refused]
            check_refused(len(refused), before.documents, self.shown, refused)
            after = msgspec.structs.replace(after, documents=documents, missing=missing)
            self._records.write(f"synced:{self._table}", after)
        return after, refused

    def _ours(self, found: Synced | None, after: Synced) -> Synced:
        """Return what is there, or was built, if it is of this sync.

        Raises
        ------
        EngineError
            If another sync worked while the connection was lost.
        """
        if found is None or found.at != after.at or not same_documents(found, after):
            raise EngineError(f"{self.shown}: another sync worked meanwhile; sync again")
        return found

    def _fill(
        self,
        fields: list[DocumentField],
        after: Synced,
        source: Buildable,
        refused: list[Refusal],
    ) -> None:
        """Fill the table beside what is served; a chunk is there whole, or not at all."""
        building = self._begin(fields, after)
        for number, chunk in enumerate(source.all(building.chunks), building.chunks + 1):
            with self._server.now().transaction():
                written = 0
                mine: list[Refusal] = []
                for batch, text in ahead((batch, copy_text(batch)) for batch in chunk):
                    mine += self._copy(self._beside, batch, text)
                    written += len(batch)
                building = with_chunk(building, number, written, mine)
                self._records.write(f"building:{self._table}", building)
            refused += mine

    def _begin(self, fields: list[DocumentField], after: Synced) -> Building:
        """Return what a killed sync was building, if it is the same; else begin anew."""
        with self._server.now().transaction():
            self._synced()  # or it is not ours
            self._records.make()
            found = self._records.read(f"building:{self._table}", Building)
            if found is not None and self._server.exists(self._beside):
                same = same_documents(found.synced, after)
                if same and self._differs(self._beside, fields) is None:
                    ours = msgspec.structs.replace(found.synced, at=after.at)
                    found = msgspec.structs.replace(found, synced=ours)
                    self._records.write(f"building:{self._table}", found)
                    return found
            if found is None and self._server.exists(self._beside):
                raise InputError(
                    f"{self.shown}: there is a table {self._beside!r}, where a new one would be "
                    "built, and 'tagger sync' did not make it; rename or remove it"
                )
            self._server.run("DROP TABLE IF EXISTS {}", self._beside)
            self._server.run(create_statement(fields), self._beside)
            building = Building(
                collection=self._beside,
                replaces=self._table if self._server.exists(self._table) else None,
                synced=after,
                chunks=0,
            )
            self._records.write(f"building:{self._table}", building)
            return building

    def _serve(self, fields: list[DocumentField], after: Synced, refused: list[Refusal]) -> Synced:
        """Give the table that was built its indexes and its name."""
        connection = self._server.now()
        building = self._records.read(f"building:{self._table}", Building)
        if building is None:  # asked again after an answer that got lost
            return self._ours(self._records.read(f"synced:{self._table}", Synced), after)
        synced = self._ours(building.synced, after)
        self._check_refused(synced, refused)
        if not self._server.rows(
            "SELECT 1 FROM pg_index WHERE indrelid = %s::regclass", values=[f'"{self._beside}"']
        ):
            with connection.transaction():
                self._index(fields)
        with connection.transaction():
            swap(connection, self._table, self._beside, self.shown)
            self._records.write(f"synced:{self._table}", synced)
            self._records.remove(f"building:{self._table}")
        return synced

    def _check_refused(self, synced: Synced, refused: list[Refusal]) -> None:
        """Raise EngineError, after removing what was built, if too much was refused."""
        missing = len(synced.missing)
        try:
            check_refused(missing, synced.documents + missing, self.shown, refused)
        except EngineError:
            with self._server.now().transaction():
                self._server.run("DROP TABLE {}", self._beside)
                self._records.remove(f"building:{self._table}")
            raise

    def _index(self, fields: list[DocumentField]) -> None:
        self._server.run(f"SET LOCAL maintenance_work_mem = '{_INDEX_MEMORY}'")
        self._server.run("ALTER TABLE {} ADD PRIMARY KEY (id)", self._beside)
        for field in fields:
            if field.kind in INDEXES:
                kind = INDEXES[field.kind]
                self._server.run(
                    f"CREATE INDEX ON {{}} USING {kind} ({{}})", self._beside, field.name
                )
        # Lists cost most, and PostgreSQL looks at them itself before long.
        searched = [field.name for field in fields if INDEXES.get(field.kind) == "btree"]
        columns = ", ".join(["{}"] * len(searched))
        self._server.run(f"ANALYZE {{}} ({columns})", self._beside, *searched)

    def _copy(self, table: str, documents: pa.Table, text: bytes) -> list[Refusal]:
        """Copy documents into a table; where it does not take them, halves are tried.

        Parameters
        ----------
        text : bytes
            Their `copy_text`.
        """
        import psycopg
        from psycopg import sql

        names = [sql.Identifier(name) for name in documents.column_names]
        statement = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT csv)").format(
            sql.Identifier(table), sql.SQL(", ").join(names)
        )
        connection = self._server.now()
        try:
            with (
                connection.transaction(),
                connection.cursor() as cursor,
                cursor.copy(statement) as copy,
            ):
                copy.write(text)
        except (psycopg.DataError, psycopg.errors.ProgramLimitExceeded) as error:
            if len(documents) > 1:
                half = len(documents) // 2
                parts = documents.slice(0, half), documents.slice(half)
                return [one for part in parts for one in self._copy(table, part, copy_text(part))]
            name = str(names_of(documents)[0])
            return [Refusal(id=str(documents["id"][0]), name=name, reason=said(error))]
        return []

    def _synced(self) -> Synced | None:
        if not self._server.exists(self._table):
            return None
        synced = self._records.read(f"synced:{self._table}", Synced)
        if synced is None:
            raise InputError(
                f"{self.shown}: there is a table {self._table!r} already, and 'tagger sync' did "
                "not make it; give another name in the address, as ?table=NAME, or remove it"
            )
        return synced

    def _differs(self, table: str, fields: list[DocumentField]) -> str | None:
        """Return in what a table's columns are not what they should be, or None."""
        return difference(dict(self._server.rows(COLUMNS, values=[f'"{table}"'])), fields)
