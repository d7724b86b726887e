"""Decode workers: the only place where strangers' bytes are read.

`Decoder.decode` hands chunks of files to spawned processes and yields uint8 batches with one `FileFacts` per file, in
the order given. A worker that dies is replaced; the picture it died on is tried once more on its own worker and is
then reported as `crashed`, so one bad file costs one row. A picture that takes longer than the timeout is `timeout`.
Pictures whose content is known already are read, but not decoded. No wait here is without a bound.
"""

import ctypes
import hashlib
import math
import multiprocessing
import os
import signal
import stat
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from tagger.catalog import stored_time
from tagger.contents import Contents, Keys, key_of
from tagger.errors import TaggerError, TimeUp

Pixels = npt.NDArray[np.uint8]

CHUNK = 64
"""Pictures per task: one inference batch."""

MAX_BYTES = 512 * 1024 * 1024
"""Larger files are `too_large` and are not read."""

_READ_TRIES = 3
_START_TRIES = 3
_IDLE = -1  # in place of a position, between two chunks
_QUEUED_PER_WORKER = 2  # one being decoded, one waiting, so that a worker never idles while the parent infers
_END_WITHIN = 5.0  # seconds; a killed process that waits for a dead disk or share stays, and is left behind
_PATH_BYTES = 32_768  # per task: more than a socket buffer would make the parent wait for a busy worker

SETTLED_AFTER = 2_000_000_000
"""Nanoseconds. Some file systems count time in steps of 2 s: a file read sooner after its last change may change once
more and keep its modification time."""


class FileFacts(NamedTuple):
    """What one look at a file gave; all fields are of the same moment.

    Attributes
    ----------
    status : str
        As in the index, or `gone` if the file vanished, or `known` if its content is and it was not decoded.
    error : str or None
        The reason in words; None when ok.
    content_sha256 : str or None
        Hex digest of the bytes; None if they were never read.
    size_bytes, mtime_ns : int or None
        From `fstat` of the open file, the same before and after reading; None if it could not be opened.
    width, height : int or None
        Pixels after EXIF orientation; None unless known.
    unsettled : bool
        Whether the file is to be read again though it may look the same: it was read within `SETTLED_AFTER` of its
        modification time, or what failed was not the file.
    """

    status: str
    error: str | None = None
    content_sha256: str | None = None
    size_bytes: int | None = None
    mtime_ns: int | None = None
    width: int | None = None
    height: int | None = None
    unsettled: bool = False


class DecodedChunk(NamedTuple):
    """Pixels uint8 (n, size, size, 3) RGB, zero where not ok, and n facts, in the order of the paths asked for."""

    key: Any
    pixels: Pixels
    facts: list[FileFacts]


@dataclass
class _Task:
    """A chunk on its way: `todo` are the positions not answered yet."""

    key: Any
    paths: list[str]
    todo: list[int]
    pixels: Pixels
    facts: list[FileFacts | None]
    deaths: dict[int, int] = field(default_factory=dict)

    def answer(self, position: int, facts: FileFacts, pixels: Pixels | None = None) -> None:
        self.facts[position] = facts
        self.todo.remove(position)
        if pixels is not None:
            self.pixels[position] = pixels


class Decoder:
    """Worker processes that turn files into pixels.

    Parameters
    ----------
    size : int
        Side of the squares that come back, in pixels.
    workers : int
        Number of processes.
    timeout : float
        Seconds one picture may take before its worker is killed.
    known : uint64 (n, 2), optional
        Sorted keys of the contents that need not be decoded, see `tagger.contents`.

    Attributes
    ----------
    read_seconds, decode_seconds : float
        What the workers spent so far on reading and hashing, and on decoding, added up over all of them.
    """

    def __init__(self, *, size: int, workers: int, timeout: float = 60.0, known: Keys | None = None) -> None:
        self.size, self.timeout = size, timeout
        self.read_seconds = self.decode_seconds = 0.0
        context = multiprocessing.get_context("spawn")
        shared = context.RawArray(ctypes.c_uint64, 0 if known is None else known.size)
        if known is not None and known.size:
            np.frombuffer(memoryview(shared), np.uint64)[:] = known.ravel()
        self._workers = [_Worker(context, size, shared) for _ in range(workers)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all workers, at once."""
        for worker in self._workers:
            worker.kill()

    def decode(self, chunks: Iterable[tuple[Any, list[str]]], *, until: float = math.inf) -> Iterator[DecodedChunk]:
        """Yield one `DecodedChunk` per `(key, paths)`, in order; at most `CHUNK` paths each, see `chunked`.

        Parameters
        ----------
        until : float
            When to stop, by `time.monotonic()`.

        Raises
        ------
        TaggerError
            If workers die before they can start.
        TimeUp
            Within about a second after `until`.
        """
        source, in_order = iter(chunks), deque[_Task]()
        while True:
            if time.monotonic() > until:
                raise TimeUp("the time that --max-seconds gives was up")
            self._hand_out(source, in_order)
            if not in_order:
                return
            while in_order and not in_order[0].todo:
                task = in_order.popleft()
                yield DecodedChunk(task.key, task.pixels, [facts for facts in task.facts if facts is not None])
            if in_order:
                self._collect()

    def _hand_out(self, source: Iterator[tuple[Any, list[str]]], in_order: deque[_Task]) -> None:
        for _ in range(_QUEUED_PER_WORKER):
            for worker in self._workers:
                # Bounded in the chunks ahead of the oldest, too: a slow one must not let the rest pile up.
                if len(worker.queue) < _QUEUED_PER_WORKER and len(in_order) < 4 * len(self._workers):
                    item = next(source, None)
                    if item is None:
                        return
                    key, paths = item
                    pixels = np.zeros((len(paths), self.size, self.size, 3), np.uint8)
                    task = _Task(key, paths, list(range(len(paths))), pixels, [None] * len(paths))
                    in_order.append(task)
                    if paths:
                        worker.send(task)

    def _collect(self) -> None:
        """Wait, at most a second, for answers and deaths, and take them in."""
        busy = [worker for worker in self._workers if worker.queue]
        wait([w.connection for w in busy] + [w.process.sentinel for w in busy], timeout=1.0)
        for worker in busy:
            self._receive(worker)
            if worker.queue and not worker.process.is_alive():
                self._receive(worker)  # what it said before it died
                # Killed from outside (out of memory, say) says nothing of the picture: it is read again the next night.
                outside = worker.process.exitcode == -signal.SIGKILL
                reason = (
                    "the decoder was killed on this picture, twice"
                    if outside
                    else "the decoder died on this picture, twice"
                )
                worker.recover(FileFacts("crashed", reason, unsettled=outside), tries=2)
            elif worker.queue and worker.stuck_for() > self.timeout:
                begun = worker.begun
                worker.kill()
                self._receive(worker)
                reason = f"decoding took longer than {self.timeout:g} s"
                # If it has moved on between the look and the kill, the picture it is at now is not to blame.
                worker.recover(FileFacts("timeout", reason), tries=1 if worker.begun == begun else 2)

    def _receive(self, worker: "_Worker") -> None:
        for read, decode in worker.receive():
            self.read_seconds += read
            self.decode_seconds += decode


class _Worker:
    """The parent's side of one decode process."""

    def __init__(self, context: SpawnContext, size: int, known: Any) -> None:
        self._context, self._size, self._known, self._failed_starts = context, size, known, 0
        self.queue: deque[tuple[_Task, list[int], int]] = deque()  # task, positions sent, slot
        self._start()

    def _start(self) -> None:
        self._slots = self._context.RawArray(ctypes.c_uint8, _QUEUED_PER_WORKER * CHUNK * self._size**2 * 3)
        self._progress = self._context.RawArray(ctypes.c_int64, [0, _IDLE, *[0] * (_NOTE_LENGTH - 2)])
        self.connection, theirs = self._context.Pipe()
        arguments = (theirs, self._slots, self._progress, self._known, self._size)
        self.process: SpawnProcess = self._context.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        shape = (_QUEUED_PER_WORKER, CHUNK, self._size, self._size, 3)
        self._views: Pixels = np.frombuffer(memoryview(self._slots), np.uint8).reshape(shape)
        self._free = list(range(_QUEUED_PER_WORKER))
        self._last = (0, time.monotonic())

    def send(self, task: _Task) -> None:
        if not self.queue:
            self._last = (self._progress[0], time.monotonic())  # it was idle, not stuck
        slot = self._free.pop()
        positions = list(task.todo)
        self.queue.append((task, positions, slot))
        try:
            self.connection.send((slot, [task.paths[position] for position in positions]))
        except OSError:
            pass  # it died; _collect sees that and recovers

    def receive(self) -> list[tuple[float, float]]:
        """Take in every answer that has arrived; return the seconds of reading and of decoding each took."""
        seconds = []
        try:
            while self.queue and self.connection.poll():
                answers, *spent = self.connection.recv()
                seconds.append(tuple(spent))
                task, positions, slot = self.queue.popleft()
                for i, (position, facts) in enumerate(zip(positions, answers, strict=True)):
                    task.answer(position, facts, self._views[slot, i] if facts.status == "ok" else None)
                self._free.append(slot)
        except (EOFError, OSError):
            pass  # the other end is gone; _collect sees that and recovers
        return seconds

    @property
    def begun(self) -> int:
        """How many pictures the process has begun."""
        return int(self._progress[0])

    def stuck_for(self) -> float:
        """Return the seconds since this worker last began a picture, or was given work or started."""
        begun, now = self._progress[0], time.monotonic()
        if begun != self._last[0]:
            self._last = (begun, now)
        return now - self._last[1]

    def recover(self, verdict: FileFacts, *, tries: int) -> None:
        """Start anew after a death; the picture it died on gets `verdict` at its `tries`-th death."""
        begun, at = self._progress[0], self._progress[1]
        if self.process.is_alive():
            self.process.join(_END_WITHIN)
        self._failed_starts = 0 if begun else self._failed_starts + 1
        if self._failed_starts >= _START_TRIES:
            raise TaggerError(
                f"decode workers cannot start (exit code {self.process.exitcode}); "
                "run 'python -c \"import tagger.decoding, cv2, PIL\"' to see why"
            )
        pending = [task for task, _, _ in self.queue]
        if self.queue and at != _IDLE:
            task, positions, _ = self.queue[0]
            culprit = positions[at]
            task.deaths[culprit] = task.deaths.get(culprit, 0) + 1
            if task.deaths[culprit] >= tries:
                task.answer(culprit, _with_note(verdict, self._progress))
        self.queue.clear()
        self.connection.close()
        self._start()
        for task in pending:
            if task.todo:
                self.send(task)

    def kill(self) -> None:
        self.process.kill()
        self.process.join(_END_WITHIN)
        if self.process.is_alive():
            # It waits in the kernel, for a dead share say, and will end when that answers. Python must not wait for it
            # at exit, and has no public way to be told so.
            multiprocessing.process._children.discard(self.process)  # type: ignore[attr-defined]


def chunked(paths: Iterable[str]) -> Iterator[list[str]]:
    """Yield the paths in tasks as `Decoder.decode` takes them."""
    chunk: list[str] = []
    size = 0
    for path in paths:
        if chunk and (len(chunk) == CHUNK or size + len(path) > _PATH_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(path)
        size += len(path)
    if chunk:
        yield chunk


def read_stable(path: str) -> tuple[bytes, os.stat_result, bool]:
    """Return the bytes of a regular file, its `fstat`, the same before and after, and whether it is unsettled.

    Raises
    ------
    OSError
        As `open` and `read` do; also if the file is not regular, or was being written at every try.
    """
    for _ in range(_READ_TRIES):
        # Non-blocking, so that a pipe that took the file's place since the walk cannot hang the worker.
        began = time.time_ns()
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise FileNotFoundError(f"not a regular file any more: {path!r}")
            if before.st_size > MAX_BYTES:
                return b"", before, False
            data = file.read()
            after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns) and len(data) == after.st_size:
            unsettled = began - SETTLED_AFTER < after.st_mtime_ns < time.time_ns() + SETTLED_AFTER
            return data, after, unsettled
    raise OSError(f"it was written to during each of {_READ_TRIES} readings")


# What a worker writes down for the parent to find should it die: pictures begun, the position in the chunk, and of the
# picture it has read last: which one (as begun), size, mtime, whether it was unsettled, and the four quarters of its
# digest.
_NOTE_LENGTH = 10


def _with_note(verdict: FileFacts, note: Any) -> FileFacts:
    """Return `verdict` with digest and fingerprint of the file, if the worker came to read it before it died."""
    begun, _, read, size, mtime, unsettled, *quarters = note
    if read != begun:
        return verdict
    digest = b"".join(quarter.to_bytes(8, "big", signed=True) for quarter in quarters).hex()
    unsettled = bool(unsettled) or verdict.unsettled
    return verdict._replace(content_sha256=digest, size_bytes=size, mtime_ns=mtime, unsettled=unsettled)


def _serve(connection: Connection, slots: Any, note: Any, known: Any, size: int) -> None:
    """Answer chunks until the parent goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import cv2

    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    # C libraries complain about strangers' files on standard error; the row says what matters.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    views: Pixels = np.frombuffer(slots, np.uint8).reshape(_QUEUED_PER_WORKER, CHUNK, size, size, 3)
    contents = Contents(np.frombuffer(known, np.uint64).reshape(-1, 2) if len(known) else np.zeros((0, 2), np.uint64))
    while True:
        try:
            slot, paths = connection.recv()
        except (EOFError, OSError):
            return
        answers, seconds = [], [0.0, 0.0]
        for i, path in enumerate(paths):
            note[1] = i
            note[0] += 1
            facts, pixels = _read_one(path, size, contents, note, seconds)
            if pixels is not None:
                views[slot, i] = pixels
            answers.append(facts)
        note[1] = _IDLE
        try:
            connection.send((answers, *seconds))
        except OSError:
            return


def _end_with_parent() -> None:
    """End this process when its parent has ended, even in the middle of a picture that takes for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _read_one(
    path: str, size: int, contents: Contents, note: Any, seconds: list[float]
) -> tuple[FileFacts, Pixels | None]:
    start = time.perf_counter()
    try:
        data, facts, unsettled = read_stable(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:  # it, or a folder on its way
        return FileFacts("gone", str(error)), None
    except PermissionError:
        return FileFacts("denied", "permission denied"), None
    except OSError as error:
        # A disk or a share that fails is not the file's fault: read again the next night.
        return FileFacts("unreadable", f"cannot be read: {error.strerror or error}", unsettled=True), None
    mtime = stored_time(facts.st_mtime_ns)
    seen = FileFacts("ok", None, None, facts.st_size, mtime, unsettled=unsettled)
    if facts.st_size > MAX_BYTES:
        return seen._replace(status="too_large", error=f"{facts.st_size:,} bytes, more than {MAX_BYTES:,}"), None
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
    answer = _decode(data, size, seen)
    seconds[1] += time.perf_counter() - start
    return answer


_QUARTERS = (0, 8, 16, 24)


def _decode(data: bytes, size: int, seen: FileFacts) -> tuple[FileFacts, Pixels | None]:
    from tagger.images import PictureError, read_picture

    try:
        picture = read_picture(data, size)
    except PictureError as error:
        return seen._replace(status=error.status, error=error.reason, width=error.width, height=error.height), None
    except MemoryError:
        return seen._replace(status="too_large", error="decoding it needs more memory than there is"), None
    except Exception as error:  # a worker must outlive any picture
        return seen._replace(status="unreadable", error=f"{type(error).__name__}: {error}"), None
    return seen._replace(width=picture.width, height=picture.height), picture.pixels
