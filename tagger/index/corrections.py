"""What persons said of pictures: the log on disk, and what of it is in force.

The log is append-only. A line is whole and on the disk before anybody is told that it is kept, and
carries a digest of itself; what a killed writer left of a line is nobody's answer and goes with
the next one.
"""

import fcntl
import hashlib
import json
import os
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

_CHECK = b', "check": "'
_DIGITS = 16
_END = b'"}'

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

    def append(self, corrections: Sequence[Correction]) -> None:
        """Keep these, all of them or none: they are on the disk when this returns.

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
            return
        lines = b"".join(_checked_line(correction) for correction in corrections)
        try:
            new = not self.path.exists()
            with self._locked() as descriptor:
                _append(descriptor, lines, self.path)
            if new:
                sync_file(self.path.parent)
        except OSError as error:
            raise_machine_fault(error)
            raise InputError(
                f"{str(self.path)!r} cannot be written ({error.strerror}); what was said last is "
                "not kept. Whoever corrects needs leave to write there"
            ) from error

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Yield the open log, held against others that write; writing takes a moment."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    def size(self) -> int:
        """Return the bytes of the log, which grow with every correction; 0 where there is none."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise self._unreadable(error) from error

    def read(self, start: int = 0, end: int | None = None) -> "LogPart":
        """Return the whole lines between two places in the log, which are ends of lines.

        Raises
        ------
        StoreError
            If it cannot be read, or a line of it is damaged.
        """
        try:
            with open(self.path, "rb") as file:
                file.seek(start)
                data = file.read() if end is None else file.read(end - start)
        except FileNotFoundError:
            data = b""
        except OSError as error:
            raise_machine_fault(error)
            raise self._unreadable(error) from error
        whole = data[: data.rfind(b"\n") + 1]
        return LogPart(list(self._parsed(whole, start)), whole, start + len(whole))

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

    def mark(self) -> CorrectionsRead | None:
        """Return what a manifest says of a log that was read from its start; None if empty."""
        if not self.data:
            return None
        return CorrectionsRead(bytes=self.end, sha256=hashlib.sha256(self.data).hexdigest())


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
        """Take in what was said since."""
        for one in corrections:
            whole = one.group in self._exclusive
            if whole and one.answer == "is_not":
                continue  # said when the group was not exclusive: it names no answer
            if not whole and one.label is None:
                continue  # said when the group was exclusive
            question = (one.group, None if whole else one.label)
            self._by_content.setdefault(one.content_sha256, {})[question] = one

    def of(self, content: str) -> Mapping[Question, Correction]:
        """Return the last word on each question about a content, withdrawn ones and all."""
        return self._by_content.get(content, {})

    def contents(self) -> list[str]:
        """Return the digests of all contents about which something was said."""
        return list(self._by_content)

    def __len__(self) -> int:
        return len(self._by_content)


def _line(correction: Correction) -> bytes:
    body = json.dumps(msgspec.to_builtins(correction)).encode()[:-1]
    return body + _CHECK + _digest(body) + _END + b"\n"


def _checked_line(correction: Correction) -> bytes:
    """Return the line of a correction, if it is one that can be read again."""
    line = _line(correction)
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


def _append(descriptor: int, lines: bytes, path: Path) -> None:
    """Write at the end, durably; on any failure the log is as it was."""
    end = _end_of_lines(descriptor, path)
    os.ftruncate(descriptor, end)
    try:
        written = 0
        while written < len(lines):
            written += os.write(descriptor, lines[written:])
        os.fsync(descriptor)
    except BaseException:
        with suppress(OSError):
            os.ftruncate(descriptor, end)
        raise


def _end_of_lines(descriptor: int, path: Path) -> int:
    """Return where the last whole line ends; what follows was left by a killed writer.

    Raises
    ------
    StoreError
        If more follows than a line has.
    """
    size = os.fstat(descriptor).st_size
    longest = 1 << 20
    tail = os.pread(descriptor, longest, max(0, size - longest))
    if tail.endswith(b"\n") or not tail:
        return size
    if b"\n" not in tail and size > longest:
        raise StoreError(f"{str(path)!r} ends in something that is no correction; look at it")
    return size - (len(tail) - (tail.rfind(b"\n") + 1))
