"""A file with a line of JSON per document, for every engine that we do not know.

What it is equal to lies beside it, in `FILE.sync.json`; what the last sync changed in
`FILE.changes`.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pyarrow as pa

from schemas.documents import DocumentField
from schemas.record import Record, parse, to_json
from schemas.sync import Refusal, Synced
from tagger.errors import InputError, Locked
from tagger.files import atomic_text, file_digest, replacing
from tagger.search.address import Address
from tagger.search.engine import Buildable, Changes, as_json_lines, json_line, no_documents
from tagger.settings import setting

_STARTS = b'{"id":"'
_ID = slice(len(_STARTS), len(_STARTS) + 32)


class FileState(Record):
    """What a file of documents is equal to."""

    synced: Synced
    """See there."""
    sha256: str
    """Of the file, hex."""
    size: int
    """Of the file, bytes."""


class NdjsonFile:
    """A file of documents; see `tagger.search.engine.Engine`. It is replaced by one rename."""

    def __init__(self, address: Address) -> None:
        self.shown = address.plain
        self._path = Path(address.name)
        self._state = self._path.with_name(f"{self._path.name}.sync.json")
        self._changes = self._path.with_name(f"{self._path.name}.changes")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other sync of the file away.

        Raises
        ------
        Locked
            If one works already.
        InputError
            If the file cannot be written.
        """
        self._check_no_folder()
        folder = self._path.parent
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise InputError(
                f"{self.shown}: the folder {str(folder)!r}: {error.strerror}"
            ) from error
        if not os.access(folder, os.W_OK, effective_ids=True):
            os.close(descriptor)
            raise InputError(f"{self.shown}: no permission to write in {str(folder)!r}")
        try:
            self._lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def synced(self) -> Synced | None:
        """Return what the file was made equal to last, or None where there is none yet.

        Raises
        ------
        InputError
            If it is not ours, or somebody changed it.
        """
        self._check_no_folder()
        if not self._path.exists():
            return None
        state = self._read_state()
        if state is None:
            raise InputError(
                f"{self.shown}: the file is there, and 'tagger sync' did not write it; name "
                f"another, or let {setting('anew')} replace it"
            )
        if state.size != self._path.stat().st_size or state.sha256 != file_digest(self._path):
            return None  # killed between two renames, or touched: written anew
        return state.synced

    def check_mapping(self, fields: list[DocumentField]) -> None:
        """A file has no mapping."""

    def close(self) -> None:
        """There is nothing to let go of."""

    def members(self) -> pa.Table:
        """Return `sku` and `members` of all documents."""
        with open(self._path, "rb") as file:
            rows = [json.loads(line) for line in file]
        return pa.Table.from_pylist(
            [{"sku": row["sku"], "members": row["members"]} for row in rows],
            schema=no_documents().schema,
        )

    def follow(
        self, before: Synced, after: Synced, changes: Changes
    ) -> tuple[Synced, list[Refusal]]:
        """Write the file anew with what changed; return what it is equal to now, and what was
        refused, which is nothing."""
        lines: dict[bytes, bytes] = {}
        for batch in changes.upserts():
            for document_id, line in zip(
                batch["id"].to_pylist(), as_json_lines(batch), strict=True
            ):
                lines[document_id.encode()] = line
        gone = {one.encode() for one in changes.deletes()}
        count = 0
        with replacing(self._changes) as sibling, open(sibling, "wb") as out:
            out.write(json_line({"from": before.snapshot, "to": after.snapshot}) + b"\n")
            for line in lines.values():
                out.write(b'{"upsert":' + line + b"}\n")
            for one in sorted(gone):
                out.write(json_line({"delete": one.decode()}) + b"\n")
        with replacing(self._path) as sibling:
            with open(self._path, "rb") as old, open(sibling, "wb") as out:
                for line in old:
                    if line[_ID] not in lines and line[_ID] not in gone:
                        out.write(line)
                        count += 1
                for line in lines.values():
                    out.write(line + b"\n")
                    count += 1
            synced = msgspec.structs.replace(after, documents=count)
            self._write_state(sibling, synced)
        return synced, []

    def build(
        self, fields: list[DocumentField], after: Synced, source: Buildable
    ) -> tuple[Synced, list[Refusal]]:
        """Write the file anew; return what it is equal to, and what was refused, which is
        nothing."""
        count = 0
        self._changes.unlink(missing_ok=True)  # there is nothing to follow
        with replacing(self._path) as sibling:
            with open(sibling, "wb") as out:
                for chunk in source.all():
                    for batch in chunk:
                        for line in as_json_lines(batch):
                            out.write(line + b"\n")
                        count += len(batch)
            synced = msgspec.structs.replace(after, documents=count)
            self._write_state(sibling, synced)
        return synced, []

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(f"{self.shown}: another sync writes into this folder") from None

    def _check_no_folder(self) -> None:
        if self._path.is_dir():
            raise InputError(f"{self.shown}: it is a folder; name a file in it")

    def _read_state(self) -> FileState | None:
        try:
            return parse(self._state.read_bytes(), FileState)
        except (OSError, ValueError):
            return None

    def _write_state(self, written: Path, synced: Synced) -> None:
        """Note what a file is equal to, before it takes its place: killed in between, the old file
        is not what the note says, and all is written anew."""
        state = FileState(synced=synced, sha256=file_digest(written), size=written.stat().st_size)
        atomic_text(self._state, to_json(state))
