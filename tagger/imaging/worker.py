"""What a decode worker does: read files, hash them, decode them, and write down where it is, for it
may die."""

import ctypes
import errno
import hashlib
import os
import signal
import stat
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

from tagger.arrays import Pixels
from tagger.catalog import stored_time
from tagger.digests import Contents, key_of
from tagger.errors import MachineFault, TaggerError
from tagger.imaging.preprocessing import Reading
from tagger.imaging.shared_array import SharedArray
from tagger.machine import asks_too_much, machine_fault

MAX_BYTES = 512 * 1024 * 1024
"""Larger files are `too_large` and are not read."""

SETTLED_AFTER = 2_000_000_000
"""Nanoseconds. Some file systems count time in steps of 2 s: a file read sooner after its last
change may change once more and keep its modification time."""

_MOST_MEMORY = 1_500_000_000
"""Bytes that decoding the largest picture takes."""

CHUNK = 64
"""Pictures per task: one inference batch."""

QUEUED = 2
"""Tasks per worker: one being decoded, one waiting, so that it never idles while the parent
infers."""

IDLE = -1
"""In place of a position, between two chunks."""

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
    """Raise `MachineFault` if the machine kept any file from being read; `facts` are those of the
    first `paths`."""
    for path, one in zip(paths, facts, strict=False):
        if one.lacking:
            raise MachineFault(f"{path!r} could not be read: {one.error}")


# What a worker writes down for the parent to find should it die: pictures begun, the position in
# the chunk, and of the picture it has read last: which one (as begun), size, mtime, whether it was
# unsettled, and the four quarters of its digest.
NOTE_LENGTH = 10


def with_note(verdict: FileFacts, note: Any) -> FileFacts:
    """Return `verdict` with digest and fingerprint of the file, if the worker came to read it
    before it died."""
    begun, _, read, size, mtime, unsettled, *quarters = map(int, note)
    if read != begun:
        return verdict
    digest = b"".join(quarter.to_bytes(8, "big", signed=True) for quarter in quarters).hex()
    unsettled = bool(unsettled) or verdict.unsettled
    return verdict._replace(
        content_sha256=digest, size_bytes=size, mtime_ns=mtime, unsettled=unsettled
    )


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


class Setup(NamedTuple):
    """What a worker is told first; `known` is the number of keys in that array."""

    reading: Reading
    inside: str | None
    known: int


def spawn_main(arguments: Sequence[str]) -> None:
    """Be a decode worker.

    Parameters
    ----------
    arguments : sequence of str
        Inherited descriptors: of the connection, of a pipe that ends when the parent does, and of
        three shared arrays: pixels, the note, and the keys of known contents.
    """
    answers, life, *shared = map(int, arguments)
    connection = Connection(answers)
    try:
        setup = connection.recv()
    except (EOFError, OSError):  # the parent went away
        return
    serve(connection, life, shared, setup)


def serve(connection: Connection, life: int, shared: Sequence[int], setup: Setup) -> None:
    """Answer chunks until the parent goes away; see `spawn_main`.

    The one answer of a worker that cannot start is a `TaggerError`.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    size = setup.reading.size
    try:
        threading.Thread(target=_end_with_parent, args=(life,), daemon=True).start()
        _load_decoders()
        slots = SharedArray(QUEUED * CHUNK * size**2 * 3, np.uint8, descriptor=shared[0])
        note = SharedArray(NOTE_LENGTH, np.int64, descriptor=shared[1])
        known = SharedArray(setup.known * 2, np.uint64, descriptor=shared[2])
        views = slots.values.reshape(QUEUED, CHUNK, size, size, 3)
        contents = Contents(known.values.reshape(-1, 2))
        begun = note.values
    except Exception as error:
        connection.send(
            machine_fault(error) or TaggerError(f"decode workers cannot start: {error}")
        )
        return
    _answer(connection, views, begun, contents, setup.reading, setup.inside)


def _load_decoders() -> None:
    """Load now what pictures are decoded with, so that no picture is blamed where that fails."""
    _keep_memory()
    import cv2

    import tagger.imaging.reader  # noqa: F401

    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    # C libraries complain about strangers' files on standard error; the row says what matters.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _answer(
    connection: Connection,
    views: Pixels,
    note: Any,
    contents: Contents,
    reading: Reading,
    inside: str | None,
) -> None:
    while True:
        try:
            slot, paths = connection.recv()
        except (EOFError, OSError):
            return
        answers = []
        seconds = [0.0, 0.0]
        for i, path in enumerate(paths):
            note[1] = i
            note[0] += 1
            facts, pixels = _read_one(path, reading, contents, note, seconds, inside)
            if pixels is not None:
                views[slot, i] = pixels
            answers.append(facts)
        note[1] = IDLE
        try:
            connection.send((answers, *seconds))
        except OSError:
            return


def _keep_memory() -> None:
    """Keep what one picture took for the next one: the kernel empties each page anew, 4 % of a
    worker's time."""
    with suppress(OSError, AttributeError):  # not glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _KEPT)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)


# malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEPT = 32 * 1024 * 1024  # the most that glibc takes as threshold of the second


def _end_with_parent(life: int) -> None:
    """End this process when its parent has ended, even in the middle of a picture that takes for
    ever."""
    os.read(life, 1)
    os._exit(1)


def _read_one(
    path: str,
    reading: Reading,
    contents: Contents,
    note: Any,
    seconds: list[float],
    inside: str | None,
) -> tuple[FileFacts, Pixels | None]:
    start = time.perf_counter()
    try:
        data, facts, unsettled = read_stable(path, inside)
    except (
        FileNotFoundError,
        NotADirectoryError,
        IsADirectoryError,
    ) as error:  # it, or a folder on its way
        return FileFacts("gone", str(error)), None
    except PermissionError:
        return FileFacts("denied", "permission denied"), None
    except OSError as error:
        if error.errno in (
            errno.ELOOP,
            errno.ENXIO,
        ):  # a link that goes round, or a socket, took its place
            return FileFacts("gone", str(error)), None
        if fault := machine_fault(error):
            return FileFacts("unreadable", str(fault), unsettled=True, lacking=True), None
        # A disk or a share that fails is not the file's fault: read again the next night.
        return FileFacts(
            "unreadable", f"cannot be read: {error.strerror or error}", unsettled=True
        ), None
    except MemoryError as error:
        return FileFacts(
            "unreadable", str(machine_fault(error)), unsettled=True, lacking=True
        ), None
    mtime = stored_time(facts.st_mtime_ns)
    seen = FileFacts("ok", None, None, facts.st_size, mtime, unsettled=unsettled)
    if facts.st_size > MAX_BYTES:
        return seen._replace(
            status="too_large", error=f"{facts.st_size:,} bytes, more than {MAX_BYTES:,}"
        ), None
    digest = hashlib.sha256(data).digest()
    note[3:] = [
        facts.st_size,
        mtime,
        unsettled,
        *(int.from_bytes(digest[i : i + 8], "big", signed=True) for i in _QUARTERS),
    ]
    note[2] = note[0]
    seen = seen._replace(content_sha256=digest.hex())
    seconds[0] += time.perf_counter() - start
    if key_of(digest) in contents:
        return seen._replace(status="known"), None
    start = time.perf_counter()
    answer = _decode(data, reading, seen)
    seconds[1] += time.perf_counter() - start
    return answer


_QUARTERS = (0, 8, 16, 24)


def _decode(data: bytes, reading: Reading, seen: FileFacts) -> tuple[FileFacts, Pixels | None]:
    from tagger.imaging.reader import read_picture

    try:
        picture = read_picture(data, reading)
    except Exception as error:  # a worker must outlive any picture
        return _failed(error, seen), None
    return seen._replace(width=picture.width, height=picture.height), picture.pixels


def _failed(error: Exception, seen: FileFacts) -> FileFacts:
    from tagger.imaging.picture_error import PictureError

    # A picture's own words may quote the file, which may say anything: only what they were raised
    # from counts.
    cause = error.__cause__ if isinstance(error, PictureError) else error
    if cause is not None and asks_too_much(cause, _MOST_MEMORY):
        return seen._replace(
            status="too_large", error="decoding it needs more memory than a picture may"
        )
    if cause is not None and (fault := machine_fault(cause)):
        return seen._replace(status="unreadable", error=str(fault), unsettled=True, lacking=True)
    if isinstance(error, PictureError):
        return seen._replace(
            status=error.status, error=error.reason, width=error.width, height=error.height
        )
    return seen._replace(status="unreadable", error=f"{type(error).__name__}: {error}")
