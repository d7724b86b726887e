"""Records of ours in PostgreSQL: the table `tagger_sync`."""

from typing import TypeVar

import msgspec

from schemas.record import parse, to_json
from schemas.sync import Building, Synced
from tagger.errors import InputError
from tagger.search.address import RECORDS
from tagger.search.postgres_connection import PostgresConnection

Kept = TypeVar("Kept", Building, Synced)


class PostgresRecords:
    """Records by key; what is done within a transaction stands or falls with it."""

    def __init__(self, server: PostgresConnection) -> None:
        self._server = server

    def make(self) -> None:
        """Make the table, unless it is there."""
        if not self._server.exists(RECORDS):
            columns = "key text PRIMARY KEY, record text NOT NULL"
            self._server.run(f"CREATE TABLE IF NOT EXISTS {{}} ({columns})", RECORDS)

    def read(self, key: str, kind: type[Kept]) -> Kept | None:
        """Return a record, or None where there is none.

        Raises
        ------
        InputError
            If it is damaged.
        """
        if not self._server.exists(RECORDS):
            return None
        rows = self._server.rows("SELECT record FROM {} WHERE key = %s", RECORDS, values=[key])
        if not rows:
            return None
        try:
            return parse(rows[0][0], kind)
        except ValueError as error:
            raise InputError(
                f"{self._server.shown}: the record {key!r} in {RECORDS} is damaged ({error}), or "
                "of another version; remove it and its table, then sync again"
            ) from error

    def write(self, key: str, record: msgspec.Struct) -> None:
        """Write a record, in the place of one that is there."""
        self._server.run(
            "INSERT INTO {} VALUES (%s, %s) "
            "ON CONFLICT (key) DO UPDATE SET record = excluded.record",
            RECORDS,
            values=[key, to_json(record, indent=None)],
        )

    def remove(self, key: str) -> None:
        """Remove a record, if it is there."""
        self._server.run("DELETE FROM {} WHERE key = %s", RECORDS, values=[key])
