"""The index on disk: staging, snapshots, `current`, run records. The only module that renames files of an index.

A reader that resolves `current` once reads one complete night. New data goes to a new place, and one rename publishes.
"""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.index import FORMAT_VERSION
from tagger.errors import InputError, StoreError
from tagger.files import Lock, atomic_text, sync_file, sync_folder

_OURS = {"current", "snapshots", "runs", "_staging", "_lock"}
_ROW_GROUP = 50_000


class Snapshot(NamedTuple):
    """A published night: its folder and its manifest."""

    path: Path
    manifest: dict[str, Any]

    def part(self, bucket: int) -> dict[str, Any] | None:
        """Return the manifest's entry for a bucket's part."""
        return next((part for part in self.manifest["parts"] if part["bucket"] == bucket), None)


class Index:
    """An index folder.

    Parameters
    ----------
    path : path
        Need not exist yet.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.realpath(path))
        self._shown = repr(os.fspath(path))

    def current(self) -> Snapshot | None:
        """Return the snapshot that readers see, or None before the first.

        Raises
        ------
        StoreError
            If the folder is not an index, or its current snapshot cannot be read.
        """
        if not self.path.exists():
            return None
        if not self.path.is_dir():
            raise StoreError(f"index {self._shown}: it is a file; name a folder, or one that does not exist yet")
        try:
            names = set(os.listdir(self.path))
        except OSError as error:
            raise StoreError(f"index {self._shown} cannot be listed: {error.strerror}") from error
        strange = sorted(name for name in names - _OURS if not name.startswith("_current-"))
        if strange and "snapshots" not in names:
            raise StoreError(
                f"index {self._shown}: the folder is not empty and is no index (it holds {strange[0]!r}); "
                "name a folder that 'tagger tag' made, or a new one"
            )
        link = self.path / "current"
        if not link.is_symlink():
            if link.exists():
                raise StoreError(f"index {self._shown}: current is no symbolic link; copy indexes with links kept")
            return None
        folder = Path(os.path.realpath(link))
        if folder.parent != self.path / "snapshots":
            raise StoreError(f"index {self._shown}: current points to {os.readlink(link)!r}, outside its snapshots")
        try:
            manifest = json.loads((folder / "_manifest.json").read_text())
            if manifest["format_version"] != FORMAT_VERSION:
                found = manifest["format_version"]
                raise StoreError(f"index {self._shown}: format_version {found!r}, this program reads {FORMAT_VERSION}")
            _check_manifest(manifest)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise StoreError(
                f"index {self._shown}: snapshot {folder.name} has no readable manifest ({error}); "
                "restore the index from a backup, or tag into a new folder"
            ) from error
        return Snapshot(folder, manifest)

    @contextmanager
    def writing(self, catalog: str) -> Iterator[Snapshot | None]:
        """Hold the lock of an index of `catalog`, made where it is missing; yield the current snapshot.

        Raises
        ------
        StoreError
            If it is an index of another catalog.
        InputError
            If it cannot be written, or the file system has no symlinks or no locks; nothing is left behind then.
        Locked
            If another run holds the lock.
        """
        self._check_catalog(catalog)
        new = not self.path.exists()
        try:
            self._probe()
            lock = Lock(self.path / "_lock")
            lock.__enter__()
        except InputError:
            if new:
                with suppress(OSError):
                    self.path.rmdir()
            raise
        try:
            parent = self._check_catalog(catalog)  # again: another run may have published since
            for name in ("snapshots", "runs", "_staging"):
                (self.path / name).mkdir(exist_ok=True)
            yield parent
        finally:
            lock.__exit__(None, None, None)

    def _check_catalog(self, catalog: str) -> Snapshot | None:
        snapshot = self.current()
        if snapshot and snapshot.manifest["catalog"] != catalog:
            raise StoreError(
                f"index {self._shown} is of the catalog {snapshot.manifest['catalog']!r}, not of {catalog!r}; "
                "name another index"
            )
        return snapshot

    def _probe(self) -> None:
        """Raise InputError if the index cannot be written, or the file system has no symbolic links."""
        probe = self.path / f"_current-probe-{os.getpid()}"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe.symlink_to("nowhere")
            probe.unlink()
            for name in ("snapshots", "runs", "_staging"):
                if (self.path / name).is_dir() and not os.access(self.path / name, os.W_OK):
                    raise PermissionError(errno.EACCES, f"no permission to write {name}/")
        except OSError as error:
            if error.errno in (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP):
                raise InputError(
                    f"index {self._shown}: this file system has no symbolic links ({error.strerror}); "
                    "keep the index on one that has, and publish copies from there"
                ) from error
            raise InputError(f"index {self._shown} cannot be written: {error.strerror}") from error

    def staging(self, model_id: str) -> "Staging":
        """Return the staging of a model."""
        return Staging(self.path / "_staging" / model_id)

    def write_run(self, record: dict[str, Any]) -> None:
        """Write or replace the record of a run."""
        atomic_text(self.path / "runs" / f"{record['run_id']}.json", json.dumps(record, indent=1) + "\n")

    def new_snapshot(self, snapshot_id: str) -> "SnapshotWriter":
        """Return a writer for a new snapshot; nothing shows before its `publish`.

        What a killed run left half-written is removed; the lock is held, so nobody else is writing.
        """
        for leftover in (self.path / "_staging").glob("snapshot-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        return SnapshotWriter(self, snapshot_id)

    def point_current(self, snapshot_id: str) -> None:
        """Make readers see `snapshot_id`, by one rename."""
        link = self.path / f"_current-{os.getpid()}"
        link.unlink(missing_ok=True)
        link.symlink_to(f"snapshots/{snapshot_id}")
        os.replace(link, self.path / "current")
        sync_file(self.path)


_TYPES = {
    "rows": int,
    "buckets": int,
    "catalog": str,
    "model_id": str,
    "models": list,
    "groups": list,
    "statuses": dict,
}


def _check_manifest(manifest: dict[str, Any]) -> None:
    """Raise ValueError for a manifest that cannot be ours: a part's name must not leave the folder."""
    for name, kind in _TYPES.items():
        if not isinstance(manifest[name], kind):
            raise ValueError(f"{name} is {manifest[name]!r}")
    if not all(isinstance(text, str) for text in (*manifest["models"], *manifest["groups"])):
        raise ValueError("models and groups are lists of strings")
    if not 1 <= manifest["buckets"] <= 256:
        raise ValueError(f"{manifest['buckets']} buckets")
    for part in manifest["parts"]:
        if not re.fullmatch(r"part-\d{5}-[0-9a-f]{16}\.parquet", part["file"]):
            raise ValueError(f"part {part['file']!r} is not a part's name")
        if not all(isinstance(part[name], int) for name in ("rows", "bucket", "bytes")) or len(part["sha256"]) != 64:
            raise ValueError(f"part {part['file']!r} lacks rows, bucket, bytes or sha256")


class Staging:
    """Finished units of a run that has not published: the next run uses them.

    A unit's file is named by the fingerprints of the pictures in it, so it can only answer for the very same files.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def unit_path(self, bucket: int, fingerprints: Iterable[tuple[str, int, int]]) -> Path:
        """Return where the unit of these `(image_id, size, mtime_ns)` lies, whether or not it does."""
        digest = hashlib.sha256()
        for fingerprint in fingerprints:
            digest.update(json.dumps(fingerprint).encode() + b"\n")
        return self.path / f"unit-{bucket:05d}-{digest.hexdigest()[:32]}.parquet"

    def write(self, path: Path, rows: pa.Table) -> None:
        """Write a finished unit, by way of a sibling and one rename."""
        self.path.mkdir(parents=True, exist_ok=True)
        sibling = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            pq.write_table(rows, sibling, compression="zstd")
            os.replace(sibling, path)
        finally:
            sibling.unlink(missing_ok=True)

    def read(self, path: Path, schema: pa.Schema) -> pa.Table | None:
        """Return a finished unit, or None if it is not there, or is damaged (a power cut may do that)."""
        try:
            table = pq.read_table(path, memory_map=False)
        except (OSError, pa.ArrowInvalid):
            return None
        return table if table.schema.equals(schema, check_metadata=True) else None

    def clear(self) -> None:
        """Remove all units; they have been published."""
        shutil.rmtree(self.path, ignore_errors=True)


class SnapshotWriter:
    """A snapshot being written in staging: parts first, then labels and changes, then the manifest, then one rename."""

    def __init__(self, index: Index, snapshot_id: str) -> None:
        self._index, self.snapshot_id = index, snapshot_id
        self._work = index.path / "_staging" / f"snapshot-{snapshot_id}"
        self._work.mkdir()
        self._parts: list[dict[str, Any]] = []
        self._changes: pq.ParquetWriter | None = None

    def add_part(self, bucket: int, rows: pa.Table) -> None:
        """Write a bucket's rows, sorted by `image_id`, as the part of that bucket."""
        temporary = self._work / f".part-{bucket:05d}"
        pq.write_table(rows.sort_by("image_id"), temporary, compression="zstd", row_group_size=_ROW_GROUP)
        digest = file_digest(temporary)
        name = f"part-{bucket:05d}-{digest[:16]}.parquet"
        os.replace(temporary, self._work / name)
        size = (self._work / name).stat().st_size
        self._parts.append({"file": name, "bucket": bucket, "rows": len(rows), "bytes": size, "sha256": digest})

    def add_changes(self, changes: pa.Table) -> None:
        """Append to the change feed."""
        if self._changes is None:
            self._changes = pq.ParquetWriter(self._work / "_changes.parquet", changes.schema, compression="zstd")
        if len(changes):
            self._changes.write_table(changes)

    def publish(self, labels: pa.Table, manifest: dict[str, Any]) -> Path:
        """Write what is missing, make it durable, and make readers see it; return the snapshot's folder."""
        if self._changes is not None:
            self._changes.close()
        pq.write_table(labels, self._work / "_labels.parquet")
        manifest |= {
            "format_version": FORMAT_VERSION,
            "snapshot": self.snapshot_id,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "parts": sorted(self._parts, key=lambda part: int(part["bucket"])),
            "labels_sha256": file_digest(self._work / "_labels.parquet"),
            "changes_sha256": file_digest(self._work / "_changes.parquet"),
            "rows": sum(part["rows"] for part in self._parts),
        }
        atomic_text(self._work / "_manifest.json", json.dumps(manifest, indent=1) + "\n")
        sync_folder(self._work)
        final = self._index.path / "snapshots" / self.snapshot_id
        os.rename(self._work, final)
        sync_file(final.parent)
        self._index.point_current(self.snapshot_id)
        return final

    def discard(self) -> None:
        """Remove what was not published."""
        shutil.rmtree(self._work, ignore_errors=True)


def new_id() -> str:
    """Return an id for a run and its snapshot: UTC time and four hex digits."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes, as hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
