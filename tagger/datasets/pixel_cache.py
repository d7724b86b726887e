"""The decoded labelled set, on disk as uint8.

Every picture is decoded once per training, not once per epoch.
"""

import errno
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from tagger.arrays import BoolArray
from tagger.files import atomic_text
from tagger.imaging.decoder import Decoder
from tagger.imaging.file_facts import FileFacts, check_machine
from tagger.imaging.preprocessing import READER, Reading

_PIXELS = "pixels.npy"
_FACTS = "facts.json"


@dataclass(frozen=True)
class PixelCache:
    """Decoded pictures, in the order of the paths they came from.

    Attributes
    ----------
    pixels : uint8 (n, size, size, 3)
        RGB, memory-mapped; zero where not ok.
    facts : list of FileFacts
        What reading each file gave.
    """

    pixels: npt.NDArray[np.uint8]
    facts: list[FileFacts]

    @property
    def ok(self) -> BoolArray:
        """Return bool (n,): which pictures can be used."""
        return np.array([facts.status == "ok" for facts in self.facts], bool)


def decode_to_disk(
    folder: Path,
    paths: Sequence[str],
    reading: Reading,
    *,
    workers: int,
    progress: Callable[[int], object],
) -> PixelCache:
    """Return the pictures at `paths`, decoded into `folder`, or found there if they are the same.

    Same means: paths, sizes and modification times, read by this reader with these settings.
    `progress` is called with the number of pictures just done.

    Raises
    ------
    MachineFault
        If the machine kept a file from being read.
    """
    asked = {"read_by": [READER, *reading], "files": [_fingerprint(path) for path in paths]}
    found = _found(folder, asked)
    if found is not None:
        progress(len(paths))
        return found
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / _PIXELS
    shape = (len(paths), reading.size, reading.size, 3)
    pixels = np.lib.format.open_memmap(file, "w+", np.uint8, shape)
    take_room(file)
    facts: list[FileFacts] = []
    with Decoder(reading, workers=workers) as decoder:
        for chunk in decoder.decode_files(paths):
            at = len(facts)
            check_machine(paths[at:], chunk.facts)
            pixels[at : at + len(chunk.pixels)] = chunk.pixels
            facts.extend(chunk.facts)
            progress(len(chunk.facts))
    pixels.flush()
    # Written last: a cache without it is begun anew.
    atomic_text(folder / _FACTS, json.dumps(asked | {"facts": facts}))
    return PixelCache(np.load(file, mmap_mode="r"), facts)


def _found(folder: Path, asked: dict[str, object]) -> PixelCache | None:
    """Return what is in the folder, None if it is of other files, or nothing, or damaged."""
    try:
        stored = json.loads((folder / _FACTS).read_text())
        facts = msgspec.convert(stored.pop("facts"), list[FileFacts])
        if stored == asked:
            return PixelCache(np.load(folder / _PIXELS, mmap_mode="r"), facts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # it is decoded anew
    return None


def take_room(path: Path) -> None:
    """Have the disk give a file all of its room.

    A process that writes to one mapped in memory dies on a full disk.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    with open(path, "rb+") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # the file system cannot
                raise


def _fingerprint(path: str) -> list[str | int]:
    try:
        facts = os.stat(path)
    except OSError:
        return [path, -1, -1]
    return [path, facts.st_size, facts.st_mtime_ns]
