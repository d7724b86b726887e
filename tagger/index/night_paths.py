"""Which night a path means: an index, for its current one, or a snapshot of it."""

import os
from pathlib import Path

from schemas.index import MANIFEST_FILE, ROWS_FOLDER
from tagger.errors import StoreError
from tagger.index.snapshots import Snapshot, open_snapshot
from tagger.index.store import Index


def is_night(path: str | os.PathLike[str]) -> bool:
    """Return whether a path means a night: an index, or a place in its folder of snapshots."""
    folder = _folder(path)
    return (
        Index(folder).is_there()
        or (folder / MANIFEST_FILE).is_file()
        or (folder.parent.name == "snapshots" and Index(folder.parents[1]).is_there())
    )


def open_night(path: str | os.PathLike[str]) -> Snapshot:
    """Return the night that a path means: `INDEX`, `INDEX/current` or `INDEX/snapshots/ID`.

    Raises
    ------
    StoreError
        If the index has no night yet, the snapshot is gone, or one of its files is damaged.
    """
    folder = _folder(path)
    if (folder / MANIFEST_FILE).is_file():
        snapshot = open_snapshot(folder, repr(os.fspath(path)))
        snapshot.check_files()
        return snapshot
    index = Index(folder)
    if not index.is_there():
        kept = ", ".join(Index(folder.parents[1]).snapshots()[-9:]) or "none"
        raise StoreError(f"{os.fspath(path)!r}: there is no such night any more; kept are: {kept}")
    current = index.current()
    if current is None:
        raise StoreError(f"index {os.fspath(path)!r} has no night yet; 'tagger tag' makes one")
    current.check_files()
    return current


def _folder(path: str | os.PathLike[str]) -> Path:
    """Return the folder of an index or of a snapshot, also where the link of its rows is named."""
    folder = Path(os.path.realpath(path))
    return folder.parent if folder.name == ROWS_FOLDER else folder
