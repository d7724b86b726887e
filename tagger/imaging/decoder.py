"""Decode workers: the only place where strangers' bytes are read.

`Decoder.decode` hands chunks of files to other processes and yields uint8 batches with one
`FileFacts` per file, in the order given. A worker that dies is replaced; the picture it died on is
tried once more on its own worker and is then reported as `crashed`, so one bad file costs one row.
A picture that takes longer than the timeout is `timeout`. Pictures whose content is known already
are read, but not decoded. No wait here is without a bound.

Workers are plain processes of their own. Those of `multiprocessing` would import the program that
started them, and so run a script without a `__main__` guard once more in each.
"""

import json
import math
import os
import signal
import subprocess
import sys
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import wait
from multiprocessing.spawn import get_executable
from typing import Any, NamedTuple, Self

import numpy as np

from tagger.arrays import Pixels
from tagger.digests import DigestKeys
from tagger.errors import MachineFault, TaggerError, TimeUp
from tagger.imaging.file_facts import FileFacts
from tagger.imaging.preprocessing import Reading
from tagger.imaging.shared_array import SharedArray
from tagger.imaging.worker import CHUNK, IDLE, NOTE_LENGTH, QUEUED, SHORT, Setup, with_note
from tagger.machine import memory_is_limited
from tagger.settings import setting

_START_TRIES = 3
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGBUS, signal.SIGXCPU, signal.SIGSYS)
"""What the kernel ends a process with for want of memory, of room behind it, of time, or of
leave."""

_END_WITHIN = (
    5.0  # seconds; a killed process that waits for a dead disk or share stays, and is left behind
)
_PROGRAM = (
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "  # Ctrl-C is ours to handle
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from tagger.imaging.worker import spawn_main; spawn_main(sys.argv[2:])"
)
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""NumPy starts a thread per processor for matrices, of which workers have none: a third of what it
takes to start one on two processors, more on more."""
_PATH_BYTES = (
    32_768  # per task: more than a socket buffer would make the parent wait for a busy worker
)


class DecodedChunk(NamedTuple):
    """Pixels uint8 (n, size, size, 3) RGB, zero where not ok, and n facts, in the order of the
    paths asked for."""

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
    reading : Reading
        How pictures are read, and the side of the squares that come back.
    workers : int
        Number of processes.
    at_first : int, optional
        How many of them start at once; the others do when a picture is first waited for. By
        default all.
    timeout : float
        Seconds one picture may take before its worker is killed.
    known : uint64 (n, 2), optional
        Sorted keys of the contents that need not be decoded, see `tagger.digests`.
    inside : str, optional
        Resolved path of the folder that every file must lie in; one that a link leads out of is
        `gone`.

    Attributes
    ----------
    read_seconds, decode_seconds : float
        What the workers spent so far on reading and hashing, and on decoding, added up over all of
        them.
    """

    def __init__(
        self,
        reading: Reading,
        *,
        workers: int,
        at_first: int | None = None,
        timeout: float = 60.0,
        known: DigestKeys | None = None,
        inside: str | None = None,
    ) -> None:
        self.size = reading.size
        self.timeout = timeout
        self.read_seconds = self.decode_seconds = 0.0
        keys = np.zeros((0, 2), np.uint64) if known is None else known
        self._shared = SharedArray.of(keys)
        self._setup = Setup(reading, inside, len(keys))
        self._wanted = workers
        self._workers: list[_Worker] = []
        self._start(workers if at_first is None else min(workers, at_first))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, workers: int) -> None:
        """Have so many workers."""
        while len(self._workers) < workers:
            self._workers.append(_Worker(self._setup, self._shared))

    def close(self) -> None:
        """End all workers, at once."""
        for worker in self._workers:
            worker.kill()

    def decode(
        self, chunks: Iterable[tuple[Any, list[str]]], *, until: float = math.inf
    ) -> Iterator[DecodedChunk]:
        """Yield one `DecodedChunk` per `(key, paths)`, in order; at most `CHUNK` paths each, see
        `chunked`.

        The workers have begun when this returns.

        Parameters
        ----------
        until : float
            When to stop, by `time.monotonic()`.

        Raises
        ------
        MachineFault
            If workers die before they can start.
        TimeUp
            Within about a second after `until`.
        """
        source = iter(chunks)
        in_order = deque[_Task]()
        if time.monotonic() <= until:
            self._hand_out(source, in_order)
        return self._decoded(source, in_order, until)

    def _decoded(
        self, source: Iterator[tuple[Any, list[str]]], in_order: deque[_Task], until: float
    ) -> Iterator[DecodedChunk]:
        """Yield chunks as `decode` does; some tasks may be with the workers already."""
        while True:
            if time.monotonic() > until:
                raise TimeUp(f"the time that {setting('max_seconds')} gives was up")
            self._hand_out(source, in_order)
            if not in_order:
                return
            while in_order and not in_order[0].todo:
                task = in_order.popleft()
                yield DecodedChunk(
                    task.key, task.pixels, [facts for facts in task.facts if facts is not None]
                )
            if in_order:
                self._collect()

    def decode_files(self, paths: Iterable[str]) -> Iterator[DecodedChunk]:
        """Yield the pictures of files, some at a time, in order."""
        return self.decode((None, some) for some in chunked(paths))

    def _hand_out(self, source: Iterator[tuple[Any, list[str]]], in_order: deque[_Task]) -> None:
        for _ in range(QUEUED):
            for worker in self._workers:
                # Bounded in the chunks ahead of the oldest, too: a slow one must not let the rest
                # pile up.
                if len(worker.queue) < QUEUED and len(in_order) < 4 * len(self._workers):
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
        self._start(self._wanted)
        busy = [worker for worker in self._workers if worker.queue]
        wait([worker.connection for worker in busy], timeout=1.0)  # one that died has ended it
        for worker in busy:
            self._receive(worker)
            if worker.queue and (code := worker.process.poll()) is not None:
                self._receive(worker)  # what it said before it died
                worker.recover(_verdict_on_death(-code), tries=2)
            elif worker.queue and worker.stuck_for() > self.timeout:
                begun = worker.begun
                worker.kill()
                self._receive(worker)
                reason = f"decoding took longer than {self.timeout:g} s"
                # If it has moved on between the look and the kill, the picture it is at now is not
                # to blame.
                worker.recover(
                    FileFacts("timeout", reason), tries=1 if worker.begun == begun else 2
                )

    def _receive(self, worker: "_Worker") -> None:
        for read, decode in worker.receive():
            self.read_seconds += read
            self.decode_seconds += decode


def _verdict_on_death(signalled: int) -> FileFacts:
    """Return what is said of a picture on which a worker died twice, of this signal."""
    if signalled in _FROM_OUTSIDE:
        # Out of memory, say: that says nothing of the picture, which is read again the next night.
        reason = (
            "the decoder was killed on this picture, twice; does this machine have enough memory?"
        )
        return FileFacts("crashed", reason, unsettled=True, lacking=True)
    return FileFacts(
        "crashed", "the decoder died on this picture, twice", unsettled=memory_is_limited()
    )


class _Worker:
    """The parent's side of one decode process."""

    def __init__(self, setup: Setup, known: SharedArray) -> None:
        self._setup = setup
        self._known = known
        self._failed_starts = 0
        self.queue: deque[tuple[_Task, list[int], int]] = deque()  # task, positions sent, slot
        self._start()

    def _start(self) -> None:
        size = self._setup.reading.size
        slots = SharedArray(QUEUED * CHUNK * size**2 * 3, np.uint8)
        note = SharedArray.of(np.array([0, IDLE, *[0] * (NOTE_LENGTH - 2)], np.int64))
        self.connection, theirs = Pipe()
        life, self._life = Pipe(duplex=False)  # ends when we do
        inherited = (
            *(theirs.fileno(), life.fileno()),
            *(slots.descriptor, note.descriptor, self._known.descriptor),
        )
        self.process = subprocess.Popen(
            [*_python(), "-c", _PROGRAM, _import_path(), *map(str, inherited)],
            pass_fds=inherited,
            stdin=subprocess.DEVNULL,
            env=os.environ | _ONE_THREAD,
        )
        self._end = weakref.finalize(self, _end, self.process, os.getpid())
        theirs.close()
        life.close()
        with suppress(OSError):  # it died; _collect sees that and recovers
            self.connection.send(self._setup)
        self._views: Pixels = slots.values.reshape(QUEUED, CHUNK, size, size, 3)
        self._progress = note.values
        self._free = list(range(QUEUED))
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
        """Take in every answer that has arrived; return the seconds of reading and of decoding each
        took."""
        seconds = []
        try:
            while self.queue and self.connection.poll():
                message = self.connection.recv()
                if isinstance(message, TaggerError):
                    raise message  # it could not start
                answers, *spent = message
                seconds.append(tuple(spent))
                task, positions, slot = self.queue.popleft()
                for i, (position, facts) in enumerate(zip(positions, answers, strict=True)):
                    task.answer(
                        position, facts, self._views[slot, i] if facts.status == "ok" else None
                    )
                self._free.append(slot)
        except (EOFError, OSError):
            pass  # the other end is gone; _collect sees that and recovers
        return seconds

    @property
    def begun(self) -> int:
        """How many pictures the process has begun."""
        return int(self._progress[0])

    def stuck_for(self) -> float:
        """Return the seconds since this worker last began a picture, or was given work or
        started."""
        begun = self._progress[0]
        now = time.monotonic()
        if begun != self._last[0]:
            self._last = (begun, now)
        return now - self._last[1]

    def recover(self, verdict: FileFacts, *, tries: int) -> None:
        """Start anew after a death; the picture it died on gets `verdict` at its `tries`-th
        death."""
        begun = self._progress[0]
        at = self._progress[1]
        self.kill()
        self._failed_starts = 0 if begun else self._failed_starts + 1
        if self._failed_starts >= _START_TRIES:
            raise MachineFault(
                f"decode workers cannot start (exit code {self.process.returncode}): this machine "
                "lacks memory, file "
                "handles or processes for them, or the installation is damaged. Raise the limits "
                "that this job runs "
                f"under ('ulimit -a' shows them), or use fewer {setting('workers')}; "
                "'python -c \"import tagger.imaging.decoder, cv2, PIL\"' fails where it is the "
                "installation"
            )
        pending = [task for task, _, _ in self.queue]
        if self.queue and at != IDLE:
            task, positions, _ = self.queue[0]
            culprit = positions[at]
            task.deaths[culprit] = task.deaths.get(culprit, 0) + 1
            if task.deaths[culprit] >= tries:
                task.answer(culprit, with_note(verdict, self._progress))
        self.queue.clear()
        self.connection.close()
        self._start()
        for task in pending:
            if task.todo:
                self.send(task)

    def kill(self) -> None:
        """End the process, at once."""
        self._end()


def _end(process: "subprocess.Popen[bytes]", parent: int) -> None:
    """Kill a worker, unless we are a fork of its parent.

    One that waits in the kernel, for a dead share say, is left behind: it ends when that answers.
    """
    if os.getpid() == parent:
        process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_WITHIN)


def _python() -> list[str]:
    """Return the command of a Python like this one, which imports nothing from the working folder:
    a user's signal.py is not Python's."""
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return [os.fsdecode(get_executable()), *flags, "-P"]


def _import_path() -> str:
    """Return where modules are imported from here, as JSON."""
    try:
        here = [os.getcwd()]
    except OSError:  # deleted
        here = []
    entries = [entry for entry in sys.path if isinstance(entry, str)]  # Python passes over others
    return json.dumps([folder for entry in entries for folder in ([entry] if entry else here)])


def chunked(paths: Iterable[str], *, short: int = 0) -> Iterator[list[str]]:
    """Yield the paths in tasks as `Decoder.decode` takes them.

    Parameters
    ----------
    short : int
        How many tasks, the first ones, have `SHORT` paths, so that the first answers come soon.
    """
    chunk: list[str] = []
    size = 0
    most = SHORT if short else CHUNK
    for path in paths:
        length = len(os.fsencode(path))
        if chunk and (len(chunk) == most or size + length > _PATH_BYTES):
            yield chunk
            chunk = []
            size = 0
            short -= 1
            most = SHORT if short > 0 else CHUNK
        chunk.append(path)
        size += length
    if chunk:
        yield chunk
