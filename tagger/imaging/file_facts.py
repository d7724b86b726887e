"""What one look at a file gave: its bytes if they held still, and its facts, good or bad."""

import errno
import os
import stat
import time
from collections.abc import Sequence
from typing import NamedTuple

from tagger.errors import MachineFault
from tagger.machine import machine_fault

MAX_BYTES = 512 * 1024 * 1024
"""Larger files are `too_large` and are not read."""

SETTLED_AFTER = 2_000_000_000
"""Nanoseconds. Some file systems count time in steps of 2 s: a file read sooner after its last
change may change once more and keep its modification time."""

_READ_TRIES = 3


class FileFacts(NamedTuple):
    """What one look at a file gave; all fields are of the same moment.

    Attributes
    ----------
    status : str
        As in the index, or `gone` if the file vanished, or `known` if its content is and it was not
        decoded.
    error : str or None
        The reason in words; None when ok.
    content_sha256 : str or None
        Hex digest of the bytes; None if they were never read.
    size_bytes, mtime_ns : int or None
        From `fstat` of the open file, the same before and after reading; None if it could not be
        opened.
    width, height : int or None
        Pixels after EXIF orientation; None unless known.
    unsettled : bool
        Whether the file is to be read again though it may look the same: it was read within
        `SETTLED_AFTER` of its modification time, or what failed was not the file.
    lacking : bool
        Whether the machine lacked something that reading it needs; it says nothing of the file
        then, and is unsettled.
    """

    status: str
    error: str | None = None
    content_sha256: str | None = None
    size_bytes: int | None = None
    mtime_ns: int | None = None
    width: int | None = None
    height: int | None = None
    unsettled: bool = False
    lacking: bool = False


def check_machine(paths: Sequence[str], facts: Sequence[FileFacts]) -> None:
    """Raise `MachineFault` if the machine kept any file from being read.

    `facts` are those of the first `paths`.
    """
    for path, one in zip(paths, facts, strict=False):
        if one.lacking:
            raise MachineFault(f"{path!r} could not be read: {one.error}")


def read_stable(path: str, inside: str | None = None) -> tuple[bytes, os.stat_result, bool]:
    """Return the bytes of a regular file, its `fstat`, the same before and after, and whether it is
    unsettled.

    Parameters
    ----------
    inside : str or None
        Resolved path of a folder that the file must lie in; a link may have taken its place since
        it was found.

    Raises
    ------
    FileNotFoundError
        Also if it is not regular, or lies outside.
    OSError
        As `open` and `read` do; also if the file was being written at every try.
    """
    for _ in range(_READ_TRIES):
        began = time.time_ns()
        with open(path, "rb", opener=_open_at_once) as file:
            before = os.fstat(file.fileno())
            if inside is not None and not _place_of(path, file.fileno()).startswith(
                os.path.join(inside, "")
            ):
                raise FileNotFoundError(f"not in the catalog any more: {path!r}")
            if not stat.S_ISREG(before.st_mode):
                raise FileNotFoundError(f"not a regular file any more: {path!r}")
            if before.st_size > MAX_BYTES:
                return b"", before, False
            data = file.read()
            after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns) and len(
            data
        ) == after.st_size:
            unsettled = began - SETTLED_AFTER < after.st_mtime_ns < time.time_ns() + SETTLED_AFTER
            return data, after, unsettled
    raise OSError(f"it was written to during each of {_READ_TRIES} readings")


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting: a pipe that took the file's place since the walk must not hang the
    worker."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _place_of(path: str, descriptor: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:  # no such thing on this system
        return os.path.realpath(path)


def not_read(error: OSError | MemoryError) -> FileFacts:
    """Return the facts of a file that `read_stable` could not read."""
    # It, or a folder on its way, went; or a link that goes round, or a socket, took its place.
    gone = isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError)
    if gone or (isinstance(error, OSError) and error.errno in (errno.ELOOP, errno.ENXIO)):
        return FileFacts("gone", str(error))
    if isinstance(error, PermissionError):
        return FileFacts("denied", "permission denied")
    if fault := machine_fault(error):
        return FileFacts("unreadable", str(fault), unsettled=True, lacking=True)
    # A disk or a share that fails is not the file's fault: read again the next night.
    said = getattr(error, "strerror", None) or error
    return FileFacts("unreadable", f"cannot be read: {said}", unsettled=True)
