"""The index on disk: its lock, its current snapshot, its housekeeping.

A reader that resolves `current` once reads one complete night. New data goes to a new place, and
one rename publishes.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import tagger.imaging.preprocessing
from schemas.corrections import CORRECTIONS_FILE
from schemas.index import MANIFEST_FILE, ROWS_FOLDER, FeaturedModel
from schemas.record import FORMAT_VERSION, parse, to_json
from tagger.errors import InputError, StoreError, TaggerError
from tagger.files import Lock, atomic_text
from tagger.index.corrections import CorrectionLog
from tagger.index.features import FeatureStore
from tagger.index.runs import Runs
from tagger.index.snapshots import (
    Snapshot,
    SnapshotWriter,
    current_name,
    open_snapshot,
    point_current,
    remove_snapshot,
)
from tagger.index.staging import Staging
from tagger.settings import setting

_OURS = {
    "current",
    "snapshots",
    "runs",
    "features",
    "samples",
    "syncs",
    CORRECTIONS_FILE,
    "_staging",
    "_lock",
}
KEPT_FOR = timedelta(hours=48)
"""A snapshot that is no longer current is kept at least so long, for readers that still have it
open."""

_LEAVE = "give this user leave to write there, or name another index"
_SPARE_BYTES = 1_000_000  # for manifests and records


class Index:
    """An index folder.

    Parameters
    ----------
    path : path
        Need not exist yet.

    Raises
    ------
    StoreError
        If the path is no valid UTF-8.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.realpath(path))
        self._shown = repr(os.fspath(path))
        try:
            str(self.path).encode()
        except UnicodeEncodeError as error:
            raise StoreError(
                f"index {self._shown}: its path is no valid UTF-8; Parquet libraries need that"
            ) from error

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
            raise StoreError(
                f"index {self._shown}: it is a file; name a folder, or one that does not exist yet"
            )
        try:
            names = set(os.listdir(self.path))
        except OSError as error:
            raise StoreError(f"index {self._shown} cannot be listed: {error.strerror}") from error
        strange = sorted(name for name in names - _OURS if not name.startswith("_current-"))
        if strange and "snapshots" not in names:
            raise StoreError(
                f"index {self._shown}: the folder is not empty and is no index (it holds "
                f"{strange[0]!r}); name a folder that 'tagger tag' made, or a new one"
            )
        link = self.path / "current"
        if not link.is_symlink():
            if link.exists():
                raise StoreError(
                    f"index {self._shown}: current is no symbolic link; copy indexes with links "
                    "kept"
                )
            return None
        return open_snapshot(self._snapshot_behind(link), self._shown)

    def _snapshot_behind(self, link: Path) -> Path:
        """Return the folder of the snapshot whose rows `current` leads to."""
        rows = Path(os.path.realpath(link))
        snapshots = self.path / "snapshots"
        if rows.name == ROWS_FOLDER and rows.parent.parent == snapshots:
            return rows.parent
        if rows.parent != snapshots:
            raise StoreError(
                f"index {self._shown}: current points to {os.readlink(link)!r}, outside its "
                "snapshots"
            )
        if (rows / MANIFEST_FILE).exists():
            raise StoreError(
                f"index {self._shown}: current points to a snapshot instead of its folder "
                f"{ROWS_FOLDER}; 'tagger rollback INDEX {rows.name}' puts that right"
            )
        raise StoreError(
            f"index {self._shown}: it was made in an earlier format; this program reads "
            f"format_version {FORMAT_VERSION}; tag into a new folder, and move readers there"
        )

    @contextmanager
    def writing(self, catalog: str, *, moved: bool = False) -> Iterator[Snapshot | None]:
        """Hold the lock of an index of `catalog`; yield the current snapshot.

        The index is made where it is missing.

        Parameters
        ----------
        moved : bool
            Whether `catalog` may be another path than the index has it: the user says that it is
            the same one.

        Raises
        ------
        StoreError
            If it is an index of another catalog.
        InputError
            If it cannot be written, or the file system has no symlinks or no locks; nothing is left
            behind then.
        Locked
            If another run holds the lock.
        """
        self.current_of(catalog, moved=moved)
        with self._locked():
            # Again: another run may have published since.
            parent = self.current_of(catalog, moved=moved)
            for name in ("snapshots", "runs", "_staging"):
                (self.path / name).mkdir(exist_ok=True)
            self._sweep(parent)
            if parent is None and self.snapshots():
                raise StoreError(
                    f"index {self._shown} has snapshots and no link 'current'; name the one to go "
                    f"on from with 'tagger rollback INDEX {self.snapshots()[-1]}'"
                )
            yield parent

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock, on a file system that can do what an index needs; a refused folder is left
        as it was."""
        new = not self.path.exists()
        try:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(
                    f"index {self._shown} cannot be written: {error.strerror}; {_LEAVE}"
                ) from error
            with Lock(self.path / "_lock"):
                self._probe()
                yield
        except InputError:
            if new and not any(self.path.glob("[!_]*")):
                shutil.rmtree(self.path, ignore_errors=True)
            raise

    def _sweep(self, current: Snapshot | None) -> None:
        """Remove what killed runs left half-done, and say of their records how they ended. The lock
        is held.

        Removing comes first: what a killed run left may be what fills the disk.
        """
        staging = self.path / "_staging"
        for leftover in (
            *staging.glob("snapshot-*"),
            *staging.glob("removed-*"),
            *staging.glob("spill-*"),
            *_published(staging, current),
        ):
            shutil.rmtree(leftover, ignore_errors=True)
        for leftover in (
            *self.path.glob("_current-*"),
            *(self.path / "runs").glob(".*.json.*"),
            *staging.glob("*/.unit-*"),
            *(self.path / "features").glob("*/.*"),
            *(entry for entry in staging.glob("*") if not entry.is_dir()),
        ):
            with suppress(OSError):
                leftover.unlink()
        for orphan in self.runs.mark_orphans(current.manifest if current else None):
            # Killed between the renames that complete a snapshot and make it current: nobody ever
            # saw it.
            if orphan != current_name(self.path):
                with suppress(OSError):
                    remove_snapshot(self.path, orphan)

    def current_of(self, catalog: str, *, moved: bool = False) -> Snapshot | None:
        """Return the current snapshot, or None before the first; see `writing` for `moved`.

        Raises
        ------
        StoreError
            As `current`; also if the index is of another catalog.
        """
        snapshot = self.current()
        if snapshot and snapshot.manifest.catalog != catalog and not moved:
            raise StoreError(
                f"index {self._shown} is of the catalog {snapshot.manifest.catalog!r}, not of "
                f"{catalog!r}; name another index. If it is the same catalog, at another place "
                f"now, go on with {setting('same_catalog')}"
            )
        return snapshot

    def _probe(self) -> None:
        """Raise InputError if the index cannot be written, or the file system has no symbolic
        links."""
        probe = self.path / f"_current-probe-{os.getpid()}"
        try:
            probe.unlink(missing_ok=True)  # of a killed run with the same number, as in a container
            probe.symlink_to("nowhere")
            probe.unlink()
            for name in ("snapshots", "runs", "_staging"):
                if (self.path / name).is_dir() and not os.access(self.path / name, os.W_OK):
                    raise PermissionError(errno.EACCES, f"no permission to write {name}/")
        except OSError as error:
            if error.errno in (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP):
                raise InputError(
                    f"index {self._shown}: this file system has no symbolic links "
                    f"({error.strerror}); keep the index on one that has, and publish copies from "
                    "there"
                ) from error
            raise InputError(
                f"index {self._shown} cannot be written: {error.strerror}; {_LEAVE}"
            ) from error

    @property
    def runs(self) -> Runs:
        """The run records."""
        return Runs(self.path / "runs")

    @property
    def corrections(self) -> CorrectionLog:
        """What persons said of its pictures."""
        return CorrectionLog(self.path)

    def staging(self, model_id: str, *, full: bool = False) -> Staging:
        """Return the staging of a model and this reader.

        Runs that read everything again trust no earlier one, and have their own.
        """
        name = f"{model_id}-reader{tagger.imaging.preprocessing.READER}"
        return Staging(self.path / "_staging" / (f"{name}-full" if full else name))

    def features(self, features_id: str, width: int) -> FeatureStore:
        """Return the features of a bundle's `features_id`, `width` a picture."""
        return FeatureStore(self.path / "features" / features_id, width)

    def keep_features(
        self,
        store: FeatureStore,
        model: Path,
        *,
        everything_read: bool,
        now: datetime | None = None,
    ) -> None:
        """Note that a published night used these features, of `model`.

        Those that no night used for 48 h are removed. Where everything was read again, older files
        with the same contents go too. The lock is held.
        """
        limit = (now or datetime.now(UTC)) - KEPT_FOR
        if store.exists():
            store.touch()
            featured = FeaturedModel(
                model=str(model), features_id=store.features_id, width=store.width
            )
            atomic_text(self.path / "features" / "_model.json", to_json(featured, indent=None))
            if everything_read:
                store.prune()
        for folder in (self.path / "features").glob("*"):
            if folder.is_dir() and not folder.is_symlink() and _modified(folder) <= limit:
                shutil.rmtree(folder, ignore_errors=True)

    def featured_model(self) -> str:
        """Return where the bundle lay whose features the last published night kept or used.

        Raises
        ------
        StoreError
            If no features were ever kept.
        """
        return self.featured().model

    def featured(self) -> FeaturedModel:
        """Return whose features the last published night kept or used.

        Raises
        ------
        StoreError
            If no features were ever kept.
        """
        try:
            text = (self.path / "features" / "_model.json").read_bytes()
            return parse(text, FeaturedModel)
        except (OSError, ValueError) as error:
            raise StoreError(
                f"index {self._shown} keeps no features; tag with {setting('features')} first"
            ) from error

    def new_snapshot(self, snapshot_id: str) -> SnapshotWriter:
        """Return a writer for a new snapshot; nothing shows before its `publish`."""
        return SnapshotWriter(self.path, snapshot_id)

    def check_space(self, needed: int) -> None:
        """Raise TaggerError unless the disk has `needed` bytes left.

        Better at the start than after hours.
        """
        free = shutil.disk_usage(self.path).free
        if free < needed + _SPARE_BYTES:
            raise TaggerError(
                f"index {self._shown}: this night needs some {_mib(needed + _SPARE_BYTES)} and the "
                f"disk has {_mib(free)} left; nothing was changed. Make room; snapshots that were "
                f"replaced over 48 hours ago go with a smaller {setting('keep')}"
            )

    def snapshots(self) -> list[str]:
        """Return the names of all complete snapshots, oldest first."""
        folders = (self.path / "snapshots").glob(f"*/{MANIFEST_FILE}")
        return sorted(path.parent.name for path in folders)

    def retire(self, keep: int, *, now: datetime | None = None) -> list[str]:
        """Remove snapshots that were replaced over 48 h ago, and staging as old; return which.

        The `keep` newest stay, and the current one and its parent, which readers had until then.
        The lock is held.
        """
        limit = (now or datetime.now(UTC)) - KEPT_FOR
        current = self.current()
        spared = {current.path.name, current.manifest.parent} if current else set()
        removed = []
        for name in self.snapshots()[:-keep]:
            folder = self.path / "snapshots" / name
            # Its modification time is when it was replaced, see `point_current`.
            if current and name not in spared and _modified(folder) <= limit:
                with suppress(OSError):  # another user's, say
                    remove_snapshot(self.path, name)
                    removed.append(name)
        for folder in sorted((self.path / "_staging").iterdir()):
            if folder.is_dir() and not folder.is_symlink() and _modified(folder) <= limit:
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(f"_staging/{folder.name}")
        return removed

    def snapshot(self, name: str) -> Snapshot:
        """Return the snapshot of this name.

        Raises
        ------
        StoreError
            If there is none, or it cannot be read.
        """
        return open_snapshot(self.path / "snapshots" / name, self._shown)

    def is_there(self) -> bool:
        """Return whether the folder is an index already, if perhaps one without a snapshot."""
        return (self.path / "snapshots").is_dir()

    @contextmanager
    def going_back(self, name: str) -> Iterator[tuple[str | None, Snapshot]]:
        """Hold the lock; yield the name of the current snapshot, and the one to go back to.

        All files of that one are there.

        Raises
        ------
        StoreError
            If there is no such snapshot, or one of its files is missing.
        Locked
            If a run holds the lock.
        """
        if name not in self.snapshots():
            there = ", ".join(self.snapshots()[-9:]) or "none"
            raise StoreError(f"index {self._shown} has no snapshot {name!r}; there are: {there}")
        with self._locked():
            for folder in ("runs", "_staging"):  # not there in an index that was restored by hand
                (self.path / folder).mkdir(exist_ok=True)
            before = current_name(self.path)
            if os.path.lexists(self.path / "current") and not (self.path / "current").is_symlink():
                raise StoreError(
                    f"index {self._shown}: current is no symbolic link; move it away, then go back"
                )
            # A broken snapshot, or a full disk, is a reason to go back, not to stay.
            with suppress(StoreError, OSError):
                self._sweep(self.current())
            snapshot = open_snapshot(self.path / "snapshots" / name, self._shown)
            snapshot.check_files()
            yield before, snapshot

    def point_to(self, snapshot: Snapshot) -> None:
        """Make a snapshot current, by one rename. The lock is held."""
        point_current(self.path, snapshot.path.name)


def existing_index(path: str) -> Index:
    """Return the index at `path`.

    Raises
    ------
    StoreError
        If there is none.
    """
    found = Index(path)
    if not found.is_there():
        what = "it is no index" if os.path.isdir(path) else "there is no such folder"
        raise StoreError(f"index {path!r}: {what}; make one with 'tagger tag'")
    return found


def _published(staging: Path, current: Snapshot | None) -> set[Path]:
    """Return the folders of staged rows that the current snapshot has: its run was killed before it
    could clear them, and the next full night would take them for its own."""
    if current is None:
        return set()
    return {unit.parent for unit in staging.glob(f"*/unit-{current.path.name}*.parquet")}


def _modified(folder: Path) -> datetime:
    return datetime.fromtimestamp(folder.stat().st_mtime, UTC)


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
