"""Snapshots: complete nights that are never written again, and the link that readers follow."""

import hashlib
import json
import os
import re
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.index import (
    CHANGES,
    CHANGES_FILE,
    FORMAT_VERSION,
    LABELS,
    LABELS_FILE,
    MANIFEST_FILE,
    ROWS_FOLDER,
    UNSETTLED,
    UNSETTLED_FILE,
)
from tagger.errors import StoreError
from tagger.files import atomic_text, sync_file, sync_folder
from tagger.parquet import read_parquet

_ROW_GROUP = 50_000
_SIDE_FILES = {"labels": LABELS_FILE, "changes": CHANGES_FILE, "unsettled": UNSETTLED_FILE}
"""Each has its digest in the manifest, as `<key>_sha256`."""


class Snapshot(NamedTuple):
    """A published night: its folder, whose name is its id, and its manifest."""

    path: Path
    manifest: dict[str, Any]

    def part(self, bucket: int) -> dict[str, Any] | None:
        """Return the manifest's entry for a bucket's part."""
        return next((part for part in self.manifest["parts"] if part["bucket"] == bucket), None)

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

    def read_whole(self, part: dict[str, Any]) -> pa.Table:
        """Return all rows of a part whose bytes are still those that the manifest names.

        Rows that are carried over get a new digest: a bit that has turned on the disk must not get
        one too.

        Raises
        ------
        StoreError
            If it is missing or damaged.
        """
        try:
            data = (self.path / part["file"]).read_bytes()
            if hashlib.sha256(data).hexdigest() != part["sha256"]:
                raise OSError("its sha256 is not the manifest's")
            return read_parquet(pa.BufferReader(data))
        except (OSError, pa.ArrowException) as error:
            raise self.damaged(part["file"], error) from error

    def check_files(self) -> None:
        """Raise StoreError unless every part has its size, and every other file its digest."""
        for part in self.manifest["parts"]:
            try:
                size = (self.path / part["file"]).stat().st_size
            except OSError as error:
                raise self.damaged(part["file"], error) from error
            if size != part["bytes"]:
                raise self.damaged(part["file"], ValueError(f"{size} bytes, not {part['bytes']}"))
        for name, file in _SIDE_FILES.items():
            try:
                digest = file_digest(self.path / file)
            except OSError as error:
                raise self.damaged(file, error) from error
            if digest != self.manifest.get(f"{name}_sha256"):
                raise self.damaged(file, ValueError("its sha256 is not the manifest's"))

    def schema(self) -> pa.Schema | None:
        """Return the schema that all parts have, or None if there is no part."""
        parts = self.manifest["parts"]
        try:
            return pq.read_schema(self.path / parts[0]["file"]) if parts else None
        except (OSError, pa.ArrowException) as error:
            raise self.damaged(parts[0]["file"], error) from error

    def labels(self) -> pa.Table:
        """Return the labels of every model that rows name."""
        table = self.read(LABELS_FILE)
        if not table.schema.equals(LABELS):
            raise self.damaged(LABELS_FILE, ValueError("its schema is not the declared one"))
        return table

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
            "nothing was changed. "
            "'tagger verify' lists what is damaged; go back with 'tagger rollback', restore the "
            "index from a backup, "
            "or tag into a new folder"
        )


def open_snapshot(folder: Path, shown: str) -> Snapshot:
    """Return the snapshot in `folder`; `shown` names the index in messages.

    Raises
    ------
    StoreError
        If its manifest is missing, damaged or not ours.
    """
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text())
        if manifest["format_version"] != FORMAT_VERSION:
            found = manifest["format_version"]
            raise StoreError(
                f"index {shown}: format_version {found!r}, this program reads {FORMAT_VERSION}; "
                "tag into a new folder, and move readers there"
            )
        _check_manifest(manifest)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(
            f"index {shown}: snapshot {folder.name} has no readable manifest ({error}); go back "
            "with "
            "'tagger rollback', restore the index from a backup, or tag into a new folder"
        ) from error
    return Snapshot(folder, manifest)


def point_current(index: Path, snapshot_id: str) -> None:
    """Make readers of `index` see the rows of `snapshot_id`, by one rename.

    The folder of the snapshot that they saw before gets the modification time of now: when it was
    replaced.
    """
    with suppress(OSError):  # there is none, or it is another user's
        os.utime(index / "current" / os.pardir)
    link = index / f"_current-{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(f"snapshots/{snapshot_id}/{ROWS_FOLDER}")
    os.replace(link, index / "current")
    sync_file(index)


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


class SnapshotWriter:
    """A snapshot being written in staging: parts first, then labels and changes, then the manifest,
    then one rename.

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
        self._index, self.snapshot_id = index, snapshot_id
        self._work = index / "_staging" / f"snapshot-{snapshot_id}"
        (self._work / ROWS_FOLDER).mkdir(parents=True)
        self._parts: list[dict[str, Any]] = []
        self._changes = pq.ParquetWriter(self._work / CHANGES_FILE, CHANGES, compression="zstd")
        self.changed = False

    def add_part(self, bucket: int, rows: pa.Table) -> None:
        """Write a bucket's rows, sorted by `image_id`, as the part of that bucket."""
        temporary = (
            self._work / f".part-{bucket:05d}"
        )  # beside the rows: nothing else ever lies among them
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
            {"file": file, "bucket": bucket, "rows": len(rows), "bytes": size, "sha256": digest}
        )

    def link_part(self, parent: Snapshot, part: dict[str, Any]) -> None:
        """Take over a part of `parent` as it is."""
        source, target = parent.path / part["file"], self._work / part["file"]
        try:
            size = source.stat().st_size
            if size != part["bytes"]:
                raise OSError(f"it has {size} bytes, not {part['bytes']}")
        except OSError as error:
            raise parent.damaged(part["file"], error) from error
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

    def publish(self, labels: pa.Table, unsettled: pa.Array, manifest: dict[str, Any]) -> Path:
        """Write what is missing, make it durable, and make readers see it; return the snapshot's
        folder."""
        self._changes.close()
        pq.write_table(labels, self._work / LABELS_FILE)
        pq.write_table(
            pa.table([pc.cast(unsettled, pa.string())], schema=UNSETTLED),
            self._work / UNSETTLED_FILE,
        )
        digests = {
            f"{name}_sha256": file_digest(self._work / file) for name, file in _SIDE_FILES.items()
        }
        manifest |= digests | {
            "format_version": FORMAT_VERSION,
            "snapshot": self.snapshot_id,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "parts": sorted(self._parts, key=lambda part: int(part["bucket"])),
            "rows": sum(part["rows"] for part in self._parts),
        }
        sync_folder(self._work / ROWS_FOLDER)
        atomic_text(self._work / MANIFEST_FILE, json.dumps(manifest, indent=1) + "\n")
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
    """Return an id for a run and its snapshot: UTC time, and its fraction of a second as four hex
    digits.

    Ids sort by time, as the names of nights should.
    """
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%SZ}-{now.microsecond * 65_536 // 1_000_000:04x}"


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes, as hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_TYPES = {
    "rows": int,
    "buckets": int,
    "catalog": str,
    "model_id": str,
    "models": list,
    "reader": int,
    "groups": list,
    "statuses": dict,
    "counts": dict,
}


def _check_manifest(manifest: dict[str, Any]) -> None:
    """Raise ValueError for a manifest that cannot be ours: a part's name must not leave the
    folder."""
    for name, kind in _TYPES.items():
        if not isinstance(manifest[name], kind):
            raise ValueError(f"{name} is {manifest[name]!r}")
    if not all(isinstance(text, str) for text in (*manifest["models"], *manifest["groups"])):
        raise ValueError("models and groups are lists of strings")
    if not (manifest["parent"] is None or isinstance(manifest["parent"], str)):
        raise ValueError(f"parent is {manifest['parent']!r}")
    if not 1 <= manifest["buckets"] <= 256:
        raise ValueError(f"{manifest['buckets']} buckets")
    for part in manifest["parts"]:
        if not re.fullmatch(rf"{ROWS_FOLDER}/part-\d{{5}}-[0-9a-f]{{16}}\.parquet", part["file"]):
            raise ValueError(f"part {part['file']!r} is not a part's name")
        if (
            not all(isinstance(part[name], int) for name in ("rows", "bucket", "bytes"))
            or len(part["sha256"]) != 64
        ):
            raise ValueError(f"part {part['file']!r} lacks rows, bucket, bytes or sha256")
