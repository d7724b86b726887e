"""Snapshots: complete nights that are never written again, and the link that readers follow."""

import hashlib
import os
import shutil
from bisect import bisect_left
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.index import (
    CHANGES,
    CHANGES_FILE,
    LABELS,
    LABELS_FILE,
    MANIFEST_FILE,
    ROWS_FOLDER,
    UNSETTLED,
    UNSETTLED_FILE,
    Manifest,
    Part,
)
from schemas.record import FORMAT_VERSION, Versioned, parse, to_json
from tagger.errors import StoreError
from tagger.files import atomic_link, atomic_text, file_digest, sync_file, sync_folder
from tagger.index.columns import aligned, continued, has_needed_columns
from tagger.parquet import read_parquet

_ROW_GROUP = 50_000


class Snapshot(NamedTuple):
    """A published night: its folder, whose name is its id, and its manifest."""

    path: Path
    manifest: Manifest

    @property
    def index_folder(self) -> Path:
        """The folder of the index that it is a snapshot of."""
        return self.path.parents[1]

    def part(self, bucket: int) -> Part | None:
        """Return the manifest's entry for a bucket's part."""
        parts = self.manifest.parts  # by bucket
        at = bisect_left(parts, bucket, key=lambda part: part.bucket)
        return parts[at] if at < len(parts) and parts[at].bucket == bucket else None

    @property
    def side_files(self) -> dict[str, str]:
        """The files beside the rows, and the digests that the manifest has of them."""
        return {
            LABELS_FILE: self.manifest.labels_sha256,
            CHANGES_FILE: self.manifest.changes_sha256,
            UNSETTLED_FILE: self.manifest.unsettled_sha256,
        }

    def read(self, file: str, columns: list[str] | None = None) -> pa.Table:
        """Return the rows of one file of this snapshot.

        Raises
        ------
        StoreError
            If it is missing or damaged.
        """
        try:
            return read_parquet(self.path / file, columns)
        except (OSError, pa.ArrowException, KeyError) as error:
            raise self.damaged(file, error) from error

    def read_whole(self, part: Part) -> pa.Table:
        """Return all rows of a part whose bytes are still those that the manifest names.

        Rows that are carried over get a new digest: a bit that has turned on the disk must not get
        one too.

        Raises
        ------
        StoreError
            If it is missing or damaged.
        """
        try:
            data = (self.path / part.file).read_bytes()
            if hashlib.sha256(data).hexdigest() != part.sha256:
                raise OSError("its sha256 is not the manifest's")
            return read_parquet(pa.BufferReader(data))
        except (OSError, pa.ArrowException) as error:
            raise self.damaged(part.file, error) from error

    def check_files(self) -> None:
        """Raise StoreError unless every part has its size, and every other file its digest."""
        for part in self.manifest.parts:
            try:
                size = (self.path / part.file).stat().st_size
            except OSError as error:
                raise self.damaged(part.file, error) from error
            if size != part.bytes:
                raise self.damaged(part.file, ValueError(f"{size} bytes, not {part.bytes}"))
        for file, expected in self.side_files.items():
            try:
                digest = file_digest(self.path / file)
            except OSError as error:
                raise self.damaged(file, error) from error
            if digest != expected:
                raise self.damaged(file, ValueError("its sha256 is not the manifest's"))

    def schema(self) -> pa.Schema | None:
        """Return the schema that all parts have, or None if there is no part."""
        parts = self.manifest.parts
        try:
            return pq.read_schema(self.path / parts[0].file) if parts else None
        except (OSError, pa.ArrowException) as error:
            raise self.damaged(parts[0].file, error) from error

    def labels(self) -> pa.Table:
        """Return the labels of every model that rows name; null is what earlier ones lack."""
        table = self.read(LABELS_FILE)
        if not has_needed_columns(table.schema, LABELS):
            raise self.damaged(LABELS_FILE, ValueError("its schema is not the declared one"))
        return aligned(table, continued(LABELS, table.schema))

    def unsettled(self) -> pa.Array:
        """Return the ids of the pictures that the next run reads again."""
        return (
            self.read(UNSETTLED_FILE, ["image_id"])["image_id"]
            .cast(pa.large_string())
            .combine_chunks()
        )

    def damaged(self, file: str, error: Exception) -> StoreError:
        """Return the error that says what to do about a damaged file."""
        return StoreError(
            f"snapshot {self.path.name}: {file} cannot be read ({str(error).splitlines()[0]}); "
            "nothing was changed. 'tagger verify' lists what is damaged; go back with 'tagger "
            "rollback', restore the index from a backup, or tag into a new folder"
        )


def open_snapshot(folder: Path, shown: str) -> Snapshot:
    """Return the snapshot in `folder`; `shown` names the index in messages.

    Raises
    ------
    StoreError
        If its manifest is missing, damaged or not ours.
    """
    try:
        text = (folder / MANIFEST_FILE).read_bytes()
        found = parse(text, Versioned).format_version
        if found != FORMAT_VERSION:
            raise StoreError(
                f"index {shown}: format_version {found!r}, this program reads {FORMAT_VERSION}; "
                "tag into a new folder, and move readers there"
            )
        manifest = parse(text, Manifest)
    except (OSError, ValueError) as error:
        raise StoreError(
            f"index {shown}: snapshot {folder.name} has no readable manifest ({error}); go back "
            "with 'tagger rollback', restore the index from a backup, or tag into a new folder"
        ) from error
    return Snapshot(folder, manifest)


def point_current(index: Path, snapshot_id: str) -> None:
    """Make readers of `index` see the rows of `snapshot_id`, by one rename.

    The folder of the snapshot that they saw before gets the modification time of now: when it was
    replaced.
    """
    with suppress(OSError):  # there is none, or it is another user's
        os.utime(index / "current" / os.pardir)
    atomic_link(index / "current", f"snapshots/{snapshot_id}/{ROWS_FOLDER}", prefix="_")


def current_name(index: Path) -> str | None:
    """Return the name of the snapshot that readers of `index` see, or None."""
    try:
        rows = Path(os.readlink(index / "current"))
    except OSError:
        return None
    return rows.parent.name if rows.name == ROWS_FOLDER else None


def remove_snapshot(index: Path, snapshot_id: str) -> None:
    """Remove a snapshot so that there is never half of one under its name."""
    doomed = index / "_staging" / f"removed-{snapshot_id}"
    with suppress(FileNotFoundError):
        os.rename(index / "snapshots" / snapshot_id, doomed)
        shutil.rmtree(doomed, ignore_errors=True)


class Written(NamedTuple):
    """What a snapshot is made of, as its manifest names it."""

    parts: list[Part]
    labels_sha256: str
    changes_sha256: str
    unsettled_sha256: str


class SnapshotWriter:
    """A snapshot being written in staging.

    Parts and changes first, then what else there is, then the manifest, then one rename.

    Parameters
    ----------
    index : Path
    snapshot_id : str

    Attributes
    ----------
    changed : bool
        Whether any row differs from the parent's.
    """

    def __init__(self, index: Path, snapshot_id: str) -> None:
        self._index = index
        self.snapshot_id = snapshot_id
        self._work = index / "_staging" / f"snapshot-{snapshot_id}"
        (self._work / ROWS_FOLDER).mkdir(parents=True)
        self._parts: list[Part] = []
        self._changes = pq.ParquetWriter(self._work / CHANGES_FILE, CHANGES, compression="zstd")
        self.changed = False

    def add_part(self, bucket: int, rows: pa.Table) -> None:
        """Write a bucket's rows, sorted by `image_id`, as the part of that bucket."""
        # Beside the rows: nothing else ever lies among them.
        temporary = self._work / f".part-{bucket:05d}"
        pq.write_table(
            rows.sort_by("image_id"),
            temporary,
            compression="zstd",
            row_group_size=_ROW_GROUP,
            write_page_checksum=True,
        )
        digest = file_digest(temporary)
        file = f"{ROWS_FOLDER}/part-{bucket:05d}-{digest[:16]}.parquet"
        os.replace(temporary, self._work / file)
        size = (self._work / file).stat().st_size
        self._parts.append(
            Part(file=file, bucket=bucket, rows=len(rows), bytes=size, sha256=digest)
        )

    def link_part(self, parent: Snapshot, part: Part) -> None:
        """Take over a part of `parent` as it is."""
        source = parent.path / part.file
        target = self._work / part.file
        try:
            size = source.stat().st_size
            if size != part.bytes:
                raise OSError(f"it has {size} bytes, not {part.bytes}")
        except OSError as error:
            raise parent.damaged(part.file, error) from error
        try:
            os.link(source, target)
        except OSError:  # no hard links here, or too many of this file
            shutil.copyfile(source, target)
        self._parts.append(part)

    def add_changes(self, changes: pa.Table) -> None:
        """Append to the change feed."""
        if len(changes):
            self.changed = True
            self._changes.write_table(changes)

    def finish(self, labels: pa.Table, unsettled: pa.Array) -> Written:
        """Write what lies beside the rows; nothing can be added any more."""
        self._changes.close()
        pq.write_table(labels, self._work / LABELS_FILE)
        ids = pa.table([pc.cast(unsettled, pa.string())], schema=UNSETTLED)
        pq.write_table(ids, self._work / UNSETTLED_FILE)
        return Written(
            sorted(self._parts, key=lambda part: part.bucket),
            labels_sha256=file_digest(self._work / LABELS_FILE),
            changes_sha256=file_digest(self._work / CHANGES_FILE),
            unsettled_sha256=file_digest(self._work / UNSETTLED_FILE),
        )

    def publish(self, manifest: Manifest) -> Path:
        """Make what was written durable, and make readers see it; return the snapshot's folder."""
        sync_folder(self._work / ROWS_FOLDER)
        atomic_text(self._work / MANIFEST_FILE, to_json(manifest))
        sync_folder(self._work)
        final = self._index / "snapshots" / self.snapshot_id
        try:
            os.rename(self._work, final)
            sync_file(final.parent)
            point_current(self._index, self.snapshot_id)
        except BaseException:
            if current_name(self._index) != self.snapshot_id:  # whole, but nobody will ever see it
                remove_snapshot(self._index, self.snapshot_id)
            raise
        return final

    def discard(self) -> None:
        """Remove what was not published."""
        self._changes.close()
        shutil.rmtree(self._work, ignore_errors=True)


def new_id() -> str:
    """Return an id for a run and its snapshot.

    It is UTC time, and its fraction of a second as four hex digits. Ids sort by time, as the names
    of nights should.
    """
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%SZ}-{now.microsecond * 65_536 // 1_000_000:04x}"
