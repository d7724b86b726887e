"""What a decode worker does: read files, hash them, decode them.

It writes down where it is, for it may die.
"""

import ctypes
import hashlib
import os
import signal
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
from tagger.errors import TaggerError
from tagger.imaging.file_facts import MAX_BYTES, FileFacts, not_read, read_stable
from tagger.imaging.preprocessing import Reading
from tagger.imaging.shared_array import SharedArray
from tagger.machine import asks_too_much, machine_fault

_MOST_MEMORY = 1_500_000_000
"""Bytes that decoding the largest picture takes."""

CHUNK = 64
"""Pictures per task: one inference batch."""

SHORT = 16
"""Pictures of a worker's first task."""

QUEUED = 2
"""Tasks per worker: one being decoded, one waiting, so that it never idles while the parent
infers."""

IDLE = -1
"""In place of a position, between two chunks."""

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
    except Exception as error:
        connection.send(
            machine_fault(error) or TaggerError(f"decode workers cannot start: {error}")
        )
        return
    _answer(connection, views, _Reader(setup, contents, note.values))


def _load_decoders() -> None:
    """Load now what pictures are decoded with, so that no picture is blamed where that fails."""
    _keep_memory()
    import cv2

    import tagger.imaging.reader  # noqa: F401

    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    # C libraries complain about strangers' files on standard error; the row says what matters.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _answer(connection: Connection, views: Pixels, reader: "_Reader") -> None:
    while True:
        try:
            slot, paths = connection.recv()
        except (EOFError, OSError):
            return
        answers = []
        reader.seconds = [0.0, 0.0]
        for i, path in enumerate(paths):
            reader.begins(i)
            facts, pixels = reader.read(path)
            if pixels is not None:
                views[slot, i] = pixels
            answers.append(facts)
        reader.rests()
        try:
            connection.send((answers, *reader.seconds))
        except OSError:
            return


def _keep_memory() -> None:
    """Keep what one picture took for the next one: the kernel empties each page anew, 4 % of a
    worker's time."""
    with suppress(OSError, AttributeError):  # not glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _KEPT)
        mallopt(_M_TRIM_THRESHOLD, _FREE)


# malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEPT = 32 * 1024 * 1024  # the most that glibc takes as threshold of the second
_FREE = 2 * _KEPT  # that much is free after a large original: with half, each gave some of it back


def _end_with_parent(life: int) -> None:
    """End this process when its parent has ended, even in the middle of a picture that takes for
    ever."""
    os.read(life, 1)
    os._exit(1)


class _Reader:
    """Reads and decodes one file after the other, and writes down for the parent where it is."""

    def __init__(self, setup: Setup, contents: Contents, note: Any) -> None:
        self._reading = setup.reading
        self._inside = setup.inside
        self._contents = contents
        self._note = note
        self.seconds = [0.0, 0.0]  # reading, decoding

    def begins(self, position: int) -> None:
        """Note that the picture at this position of the chunk is begun."""
        self._note[1] = position
        self._note[0] += 1

    def rests(self) -> None:
        """Note that the chunk is done."""
        self._note[1] = IDLE

    def read(self, path: str) -> tuple[FileFacts, Pixels | None]:
        """Return the facts of a file, and its pixels if it is ok and its content is not known."""
        start = time.perf_counter()
        try:
            data, facts, unsettled = read_stable(path, self._inside)
        except (OSError, MemoryError) as error:
            return not_read(error), None
        mtime = stored_time(facts.st_mtime_ns)
        seen = FileFacts("ok", None, None, facts.st_size, mtime, unsettled=unsettled)
        if facts.st_size > MAX_BYTES:
            reason = f"{facts.st_size:,} bytes, more than {MAX_BYTES:,}"
            return seen._replace(status="too_large", error=reason), None
        digest = hashlib.sha256(data).digest()
        self._has_read(seen, digest)
        seen = seen._replace(content_sha256=digest.hex())
        self.seconds[0] += time.perf_counter() - start
        if key_of(digest) in self._contents:
            return seen._replace(status="known"), None
        start = time.perf_counter()
        answer = _decode(data, self._reading, seen)
        self.seconds[1] += time.perf_counter() - start
        return answer

    def _has_read(self, seen: FileFacts, digest: bytes) -> None:
        quarters = [digest[i : i + 8] for i in (0, 8, 16, 24)]
        signed = [int.from_bytes(quarter, "big", signed=True) for quarter in quarters]
        self._note[3:] = [seen.size_bytes, seen.mtime_ns, seen.unsettled, *signed]
        self._note[2] = self._note[0]


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
