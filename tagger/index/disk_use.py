"""What an index takes on the disk: sizes as the file system has them; no file is opened."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from schemas.corrections import CORRECTIONS_FILE
from schemas.index import MANIFEST_FILE
from schemas.nightly import DiskUse
from schemas.samples import SAMPLES_FOLDER


class _File(NamedTuple):
    """A file, whatever it is called: nights share parts by hard links."""

    device: int
    inode: int
    bytes: int


def disk_use(index: Path) -> DiskUse:
    """Return what the files of an index take, each counted once however many nights have it.

    What a night under way removes meanwhile is not counted. Links are not followed.
    """
    nights = {path.name: set(_files(path)) for path in (index / "snapshots").glob("*")}
    shared = Counter(file for files in nights.values() for file in files)
    only_in = {
        name: _bytes({file for file in files if shared[file] == 1})
        for name, files in sorted(nights.items())
        if (index / "snapshots" / name / MANIFEST_FILE).exists()
    }
    seen = set(shared)
    parts = {
        name: _bytes(set(_files(index / name)) - seen)
        for name in ("_staging", "features", CORRECTIONS_FILE, SAMPLES_FOLDER, "runs")
    }
    return DiskUse(
        snapshots=_bytes(seen),
        only_in=only_in,
        staging=parts["_staging"],
        features=parts["features"],
        corrections=parts[CORRECTIONS_FILE],
        samples=parts[SAMPLES_FOLDER],
        runs=parts["runs"],
        total=_bytes(seen) + sum(parts.values()),
        free=shutil.disk_usage(index).free,
    )


def _bytes(files: set[_File]) -> int:
    return sum(file.bytes for file in files)


def _files(path: Path) -> Iterator[_File]:
    """Yield the file `path`, or all files below the folder `path`; none if it is not there."""
    try:
        if not path.is_dir() or path.is_symlink():
            found = path.lstat()
            yield _File(found.st_dev, found.st_ino, found.st_size)
            return
        inside = [Path(entry) for entry in os.scandir(path)]
    except OSError:  # removed meanwhile, or another user's
        return
    for each in inside:
        yield from _files(each)
