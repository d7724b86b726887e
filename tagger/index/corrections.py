"""What persons said of pictures: the log on disk, and what of it is in force.

The log is append-only. What is said with one stroke is whole and on the disk before anybody is told
that it is kept, and each line carries a digest of itself. What a killed writer left of a stroke is
nobody's answer, and goes with the next one.
"""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from schemas.corrections import CORRECTIONS_FILE, Correction
from schemas.index import CorrectionsRead
from tagger.errors import InputError, StoreError
from tagger.files import sync_file
from tagger.machine import raise_machine_fault

_MORE = b', "more": true'
_CHECK = b', "check": "'
_DIGITS = 16
_END = b'"}'

_TAIL = 1 << 16
_MOST_OF_A_STROKE = 1 << 26
_PATIENCE = 10.0
"""Seconds to wait for others who write, which takes a moment."""

Question = tuple[str, str | None]
"""What an answer is about: an exclusive group and None, or a group and one of its labels."""


class CorrectionLog:
    """The corrections of an index.

    Parameters
    ----------
    index : Path
        The folder of the index; the log need not be there yet.
    """

    def __init__(self, index: Path) -> None:
        self.path = index / CORRECTIONS_FILE

    def append(self, corrections: Sequence[Correction]) -> int:
        """Keep these, all of them or none, in one piece; return the byte at which they begin.

        They are on the disk when this returns.

        Raises
        ------
        InputError
            If the log cannot be written.
        MachineFault
            If the disk is full, say.
        StoreError
            If the log ends in something that is not ours.
        """
        if not corrections:
            return self.size()
        lines = [_checked_line(one, more=True) for one in corrections[:-1]]
        lines.append(_checked_line(corrections[-1], more=False))
        try:
            with self._writing() as descriptor:
                start = _append(descriptor, b"".join(lines), self.path)
        except OSError as error:
            raise_machine_fault(error)
            raise InputError(
                f"{str(self.path)!r} cannot be written ({error.strerror}); what was said last is "
                "not kept. Whoever corrects needs leave to write there"
            ) from error
        return start

    @contextmanager
    def _writing(self) -> Iterator[int]:
        """Yield the open log, held against others that write or read."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            self._lock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int, kind: int) -> None:
        """Wait a while for others.

        Raises
        ------
        InputError
            If somebody keeps it.
        """
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                return fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise InputError(
                        f"{str(self.path)!r}: somebody else has been writing to it for "
                        f"{_PATIENCE:.0f} s; is a 'tagger review' stopped? End it, then try again"
                    ) from None
                time.sleep(0.01)

    def size(self) -> int:
        """Return the bytes of the log, which grow with every correction; 0 where there is none."""
        found = self.stat()
        return 0 if found is None else found.st_size

    def stat(self) -> os.stat_result | None:
        """Return what the file system says of the log; None where there is none."""
        try:
            return self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(error) from error

    def read(self, start: int = 0, end: int | None = None) -> "LogPart":
        """Return the whole lines between two places in the log, which are ends of lines.

        Raises
        ------
        StoreError
            If it cannot be read, or a line of it is damaged.
        """
        data = self.raw(start, end)
        whole = data[: data.rfind(b"\n") + 1]
        return LogPart(list(self._parsed(whole, start)), whole, start + len(whole))

    def raw(self, start: int, end: int | None = None) -> bytes:
        """Return the bytes of whole strokes between two places in the log, read as no lines.

        Raises
        ------
        StoreError
            If it cannot be read.
        """
        try:
            return self._bytes(start, end)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise_machine_fault(error)
            raise self._unreadable(error) from error

    def _bytes(self, start: int, end: int | None) -> bytes:
        """Return what lies between two places and belongs to whole strokes."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            try:
                # Against one who writes now: on a full disk that may be taken back.
                self._lock(descriptor, fcntl.LOCK_SH)
            except OSError:  # no locks here: one line's worth of risk, as long as a write takes
                pass
            whole = _end_of_strokes(descriptor, self.path)
            file.seek(start)
            return file.read(max(0, (whole if end is None else min(end, whole)) - start))

    def _parsed(self, data: bytes, start: int) -> Iterator[Correction]:
        at = start
        for line in data.splitlines(keepends=True):
            try:
                yield _correction(line)
            except ValueError as error:
                raise StoreError(
                    f"{str(self.path)!r}: the line at byte {at:,} is damaged ({error}); what "
                    "people said is not thrown away: restore the file from a backup, or remove "
                    "that line yourself"
                ) from error
            at += len(line)

    def _unreadable(self, error: OSError) -> StoreError:
        return StoreError(
            f"{str(self.path)!r} cannot be read ({error.strerror}); what people said counts, so "
            "nothing is done without it. Give leave to read it, or restore it from a backup"
        )


class LogPart(NamedTuple):
    """Some lines of a log.

    Attributes
    ----------
    corrections : list of Correction
        In the order in which they were said.
    data : bytes
        The lines themselves.
    end : int
        Where they end in the log.
    """

    corrections: list[Correction]
    data: bytes
    end: int

    def mark(self, end: int | None = None) -> CorrectionsRead | None:
        """Return what a manifest says of a log that was read from its start; None if empty.

        Parameters
        ----------
        end : int, optional
            Of the lines up to there alone.
        """
        data = self.data[:end]
        if not data:
            return None
        return CorrectionsRead(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


class InForce:
    """The answers that count: of each content and question the last one said.

    Parameters
    ----------
    corrections : iterable of Correction
        In the order in which they were said.
    exclusive : collection of str
        The groups that are answered as a whole.
    """

    def __init__(self, corrections: Iterable[Correction], exclusive: Iterable[str]) -> None:
        self._exclusive = frozenset(exclusive)
        self._by_content: dict[str, dict[Question, Correction]] = {}
        self.add(corrections)

    def add(self, corrections: Iterable[Correction]) -> None:
        """Take in what was said since.

        A group may be answered as a whole under one model and label by label under another. What
        was said then is read so: a line without a label takes back all that was said of the labels;
        one that takes back a label takes back the answer, if that is the label.
        """
        for one in corrections:
            words = self._by_content.setdefault(one.content_sha256, {})
            if one.group in self._exclusive:
                if self._answers_the_group(one, words):
                    words[one.group, None] = one
            elif one.label is not None:
                words[one.group, one.label] = one
            else:
                for question in [question for question in words if question[0] == one.group]:
                    del words[question]

    def _answers_the_group(self, one: Correction, words: Mapping[Question, Correction]) -> bool:
        if one.answer == "is_not":
            return False
        before = words.get((one.group, None))
        same = before is not None and before.label == one.label
        return one.label is None or one.answer == "is" or same

    def of(self, content: str) -> Mapping[Question, Correction]:
        """Return the last word on each question about a content, withdrawn ones and all."""
        return self._by_content.get(content, {})

    def contents(self) -> list[str]:
        """Return the digests of all contents about which something was said."""
        return list(self._by_content)

    def __len__(self) -> int:
        return len(self._by_content)


def _line(correction: Correction, *, more: bool) -> bytes:
    """Return a line of the log; `more` says that the next one is of the same stroke."""
    body = json.dumps(msgspec.to_builtins(correction)).encode()[:-1] + (_MORE if more else b"")
    return body + _CHECK + _digest(body) + _END + b"\n"


def _checked_line(correction: Correction, *, more: bool) -> bytes:
    """Return the line of a correction, if it is one that can be read again."""
    line = _line(correction, more=more)
    try:
        _correction(line)
    except ValueError as error:
        raise InputError(f"a correction that nobody could read again: {error}") from error
    return line


def _correction(line: bytes) -> Correction:
    body, _, check = line.rstrip(b"\n").rpartition(_CHECK)
    if check != _digest(body) + _END:
        raise ValueError("its check is not that of its content")
    try:
        return msgspec.json.decode(body + b"}", type=Correction)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:_DIGITS].encode()


def _append(descriptor: int, lines: bytes, path: Path) -> int:
    """Write at the end, durably; return where. On any failure the log is as it was."""
    end = _end_of_strokes(descriptor, path)
    os.ftruncate(descriptor, end)
    try:
        written = 0
        while written < len(lines):
            written += os.write(descriptor, lines[written:])
        os.fsync(descriptor)
        if not end:
            sync_file(path.parent)
    except BaseException:
        with suppress(OSError):
            os.ftruncate(descriptor, end)
        raise
    return end


def _end_of_strokes(descriptor: int, path: Path) -> int:
    """Return where the last whole stroke ends; what follows was left by a killed writer.

    Raises
    ------
    StoreError
        If more follows than a stroke has.
    """
    size = os.fstat(descriptor).st_size
    length = _TAIL
    while True:
        start = max(0, size - length)
        tail = os.pread(descriptor, size - start, start)
        end = _last_stroke_in(tail)
        if end is not None:
            return start + end
        if not start:
            return 0
        if length > _MOST_OF_A_STROKE:
            raise StoreError(f"{str(path)!r} ends in something that is no correction; look at it")
        length *= 8


def _last_stroke_in(tail: bytes) -> int | None:
    """Return where the last line ends that ends a stroke; None if there is none."""
    end = tail.rfind(b"\n") + 1
    while end:
        begin = tail.rfind(b"\n", 0, end - 1) + 1
        if not tail[begin:end].rpartition(_CHECK)[0].endswith(_MORE):
            return end
        end = begin
    return None
