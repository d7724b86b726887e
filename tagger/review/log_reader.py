"""The log of corrections, read as it grows; another one in its place is noticed."""

import hashlib
import os
from collections.abc import Iterator

from schemas.index import CorrectionsRead
from tagger.errors import StoreError
from tagger.index.corrections import CorrectionLog, LogPart

_AT_A_TIME = 8 << 20
"""Bytes of the log that are taken in at a time: parsed lines take some ten times that."""

_Stamp = tuple[int, int, int, int]
"""Device and number of a file, its bytes, and when it was changed."""


class LogReader:
    """Reads what was appended since it last read.

    Parameters
    ----------
    log : CorrectionLog
    follows : CorrectionsRead, optional
        What the log must begin with.

    Attributes
    ----------
    end : int
        Up to where it was read.
    """

    def __init__(self, log: CorrectionLog, follows: CorrectionsRead | None = None) -> None:
        self._log = log
        self._follows = follows
        self.start_anew()

    def start_anew(self) -> None:
        """Read from the start next time."""
        self.end = 0
        self._never_read = True
        self._stamp: _Stamp | None = None
        self._file: tuple[int, int] | None = None
        self._last_start = 0
        self._last_line = b""  # its digest
        self._prefix = hashlib.sha256()

    def changed(self) -> bool:
        """Return whether the log is not as it was when it was last read."""
        return self._never_read or _stamp(self._log.stat()) != self._stamp

    def replaced(self) -> bool:
        """Return whether this is not the log that was read: another file, or other lines."""
        if self.end == 0:
            return False
        now = _stamp(self._log.stat())
        if now is None or now[:2] != self._file:
            return True
        return _digest(self._log.raw(self._last_start, self.end)) != self._last_line

    def parts(self) -> Iterator[LogPart]:
        """Yield what was appended, part by part.

        Raises
        ------
        StoreError
            If it is damaged, or does not begin with what it must.
        """
        stamp = _stamp(self._log.stat())
        self._file = None if stamp is None else stamp[:2]
        while (part := self._log.read(self.end, self.end + _AT_A_TIME)).corrections:
            self._check(part)
            yield part
            self._last_start = self.end + part.data.rfind(b"\n", 0, -1) + 1
            self._last_line = _digest(part.data[self._last_start - self.end :])
            self.end = part.end
        self._check_whole()
        self._stamp, self._never_read = stamp, False

    def _check(self, part: LogPart) -> None:
        """Raise StoreError if with this part the log does not begin with what it must."""
        if self._follows is None or self.end >= self._follows.bytes:
            return
        prefix = self._prefix.copy()
        prefix.update(part.data[: self._follows.bytes - self.end])
        if part.end >= self._follows.bytes and prefix.hexdigest() != self._follows.sha256:
            raise StoreError(
                f"{str(self._log.path)!r}: its first {self._follows.bytes:,} bytes are not those "
                "that the night follows: lines were changed or are lost. Restore the file from a "
                "backup; without one, go back to a night that follows what is left ('tagger "
                "rollback')"
            )
        self._prefix = prefix

    def _check_whole(self) -> None:
        """Raise StoreError if the log lacks some of what it must begin with."""
        if self._follows is not None and self.end < self._follows.bytes:
            raise StoreError(
                f"{str(self._log.path)!r} has {self.end:,} bytes, but the night follows "
                f"{self._follows.bytes:,} of them: some of what people said is gone. Restore the "
                "file from a backup"
            )


def _stamp(found: os.stat_result | None) -> _Stamp | None:
    if found is None:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
