"""Who syncs now: a record that the server keeps, which ends by itself."""

import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from schemas.sync import Building, Synced
from schemas.sync import Lease as LeaseRecord
from tagger.errors import EngineError, InputError, Locked
from tagger.processes import is_alive
from tagger.search.server import Server
from tagger.settings import setting

_LEAST_SECONDS = 180.0
_RENEW_AFTER = 30.0
_SETTLES_AFTER = 1.0

_HELD: set[str] = set()
"""Those that this process holds now: one that it left behind, for a server was away, is over."""

Kind = TypeVar("Kind", Building, LeaseRecord, Synced)


class Lease:
    """The right to sync a collection, for three minutes at a time, or twice as long as one question
    may take.

    Parameters
    ----------
    key : str
        Of its record.
    """

    def __init__(self, server: Server, key: str) -> None:
        self._server = server
        self._seconds = max(_LEAST_SECONDS, 2 * server.longest)
        self._key = key
        self._mine: LeaseRecord | None = None
        self._renewed = 0.0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold it, if nobody else does.

        Raises
        ------
        Locked
            If somebody does.
        """
        self._take()
        try:
            yield
        except EngineError:  # who is away would have to be waited for once more; it ends by itself
            raise
        except BaseException:
            self._release()
            raise
        else:
            self._release()
        finally:
            _HELD.discard(self._mine.holder if self._mine else "")

    def renew(self) -> None:
        """Say now and then that we still work.

        Raises
        ------
        Locked
            If somebody thought that we did not, and took it.
        """
        if self._mine is None or time.monotonic() - self._renewed < _RENEW_AFTER:
            return
        if not self._holds():
            raise Locked(f"{self._server.shown}: another sync took over, for this one did not move")
        self._mine = msgspec.structs.replace(self._mine, until=time.time() + self._seconds)
        self._server.write(self._key, msgspec.to_builtins(self._mine))
        self._renewed = time.monotonic()

    def _release(self) -> None:
        with suppress(EngineError, InputError):  # it ends by itself
            if self._holds():
                self._server.remove(self._key)

    def _take(self) -> None:
        mine = LeaseRecord(
            holder=secrets.token_hex(8),
            host=socket.gethostname(),
            process=os.getpid(),
            processes=_processes(),
            until=time.time() + self._seconds,
        )
        self._mine = mine
        self._renewed = time.monotonic()
        _HELD.add(mine.holder)
        if self._server.create(self._key, msgspec.to_builtins(mine)):
            return
        theirs = read_record(self._server, self._key, LeaseRecord)
        if theirs is not None and not _is_over(theirs):
            raise Locked(
                f"{self._server.shown} is synced by process {theirs.process} on {theirs.host}; let "
                f"it end, or wait {theirs.until - time.time():.0f} s if it is gone"
            )
        self._server.remove(self._key)
        self._server.create(self._key, msgspec.to_builtins(mine))
        time.sleep(_SETTLES_AFTER)  # two may have seen that it is over: the last one has it
        if not self._holds():
            raise Locked(f"{self._server.shown} is synced by somebody else, who was faster")

    def _holds(self) -> bool:
        found = read_record(self._server, self._key, LeaseRecord)
        return found is not None and self._mine is not None and found.holder == self._mine.holder


def read_record(server: Server, key: str, kind: type[Kind]) -> Kind | None:
    """Return a record of ours that a server keeps, or None where there is none.

    Raises
    ------
    InputError
        If it is damaged.
    """
    found = server.read(key)
    if found is None:
        return None
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        raise InputError(
            f"{server.shown}: the record {key!r} of 'tagger sync' is damaged ({error}), or of "
            f"another version; remove it, then sync with {setting('anew')}"
        ) from error


def _is_over(lease: LeaseRecord) -> bool:
    """Return whether nobody holds a lease any more."""
    if lease.until < time.time():
        return True
    if lease.processes == "" or lease.processes != _processes():
        return False
    if lease.process == os.getpid():
        return lease.holder not in _HELD
    return not is_alive(lease.process)


def _processes() -> str:
    """Return what the processes of this machine, or of this container, have in common; empty where
    that cannot be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""
