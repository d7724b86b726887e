"""Writing files so that a reader, or a power cut, finds the old content or the new, never a
half."""

import fcntl
import hashlib
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from schemas.record import parse, to_json
from schemas.runs import LockHolder
from tagger.errors import InputError, Locked


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes, as hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make the files directly in `folder`, and their names, durable."""
    for path in folder.iterdir():
        if path.is_file() and not path.is_symlink():
            sync_file(path)
    sync_file(folder)


def sync_file(path: Path) -> None:
    """Make one file's content, or one folder's names, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def atomic_text(path: Path, text: str) -> None:
    """Write `text` to `path` by way of a sibling and one rename."""
    atomic_bytes(path, text.encode())


def atomic_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` by way of a sibling and one rename."""
    with replacing(path) as sibling:
        sibling.write_bytes(content)


def atomic_link(path: Path, target: str, *, prefix: str = ".") -> None:
    """Make `path` a symlink to `target`, by one rename, durably.

    Parameters
    ----------
    prefix : str
        Of the sibling's name, for whoever sweeps up after a kill.
    """
    sibling = path.with_name(f"{prefix}{path.name}-{os.getpid()}")
    sibling.unlink(missing_ok=True)
    try:
        sibling.symlink_to(target)
        os.replace(sibling, path)
    finally:
        sibling.unlink(missing_ok=True)
    sync_file(path.parent)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a sibling to write; it is made durable and takes the place of `path` by one rename, or
    goes on an error."""
    sibling = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield sibling
        sync_file(sibling)
        os.replace(sibling, path)
    finally:
        sibling.unlink(missing_ok=True)


class Lock:
    """An advisory lock on a file, held for the length of a `with`; it dies with its process,
    however that ends.

    Raises
    ------
    Locked
        If another process holds it; names host, process and start.
    InputError
        If the file system has no locks.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def _opened(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except PermissionError:
            # Another user's, in a folder that we may write: it can be held all the same.
            if not os.access(self._path.parent, os.W_OK):
                raise
            return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        # Not inherited by spawned workers (Python's descriptors never are), so a worker that lives
        # on holds nothing.
        new = not self._path.exists()
        try:
            self._descriptor = self._opened()
        except OSError as error:
            raise InputError(f"{str(self._path)!r} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(os.pread(self._descriptor, 4096, 0))
            os.close(self._descriptor)
            raise Locked(
                f"{str(self._path)!r} is held by {holder}; let it end, or end it, then start again"
            ) from None
        except OSError as error:
            os.close(self._descriptor)
            if new:
                self._path.unlink(missing_ok=True)
            raise InputError(
                f"{str(self._path)!r}: this file system has no locks ({error.strerror}); "
                "keep it on a local disk or on NFS 4"
            ) from error
        started = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds")
        me = LockHolder(host=socket.gethostname(), process=os.getpid(), started=started)
        with suppress(
            OSError
        ):  # on a full disk the lock holds all the same, if it cannot say whose it is
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, to_json(me, indent=None).encode(), 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock on a file; nothing is written."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # nobody ever held it
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no locks here, so nobody holds one
        return False
    finally:
        os.close(descriptor)
    return False


def _holder(text: bytes) -> str:
    try:
        holder = parse(text, LockHolder)
        return f"process {holder.process} on {holder.host}, which started at {holder.started}"
    except ValueError:
        return "another run, which has not said who it is"
