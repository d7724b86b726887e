"""What the machine lacks: memory, handles, processes, room on a disk; whatever file was at hand is
not to blame.

The same lack comes as an `OSError` from Python, as `MemoryError` from NumPy, and as words alone
from C++ libraries.
"""

import errno
import mmap
import resource
from collections.abc import Iterator
from typing import NamedTuple

from tagger.errors import MachineFault, TaggerError


class _Lack(NamedTuple):
    """A thing a machine may lack: what, what to do about it, and how libraries say so."""

    what: str
    remedy: str
    numbers: tuple[int, ...]
    words: tuple[str, ...]


_TEMPORARY_FOLDER = _Lack(
    "a temporary folder that can be written",
    "make room in /tmp, or name another folder in TMPDIR",
    (),
    ("no usable temporary directory", "requires access to a writable cache directory"),
)
_LACKS = (
    _TEMPORARY_FOLDER,
    _Lack(
        "memory",
        "free some, or raise the limit that this job runs under (ulimit -v, systemd's MemoryMax, "
        "the container's)",
        (errno.ENOMEM,),
        (
            "bad_alloc",
            "can't alloc",
            "cannot allocate",
            "failed to allocate",
            "unable to allocate",
            "out of memory",
            "insufficient memory",
            "not enough memory",
            "oom when allocating",
            "failed to map segment",
            "cannot create shared object",
        ),
    ),
    _Lack(
        "file handles",
        "raise the limit that this job runs under (ulimit -n, systemd's LimitNOFILE)",
        (errno.EMFILE, errno.ENFILE),
        ("too many open files",),
    ),
    _Lack(
        "processes or threads",
        "raise the limit that this job runs under (ulimit -u, systemd's TasksMax, the container's)",
        (errno.EAGAIN,),
        ("can't start new thread", "resource temporarily unavailable", "thread creation failed"),
    ),
    _Lack(
        "room on a disk",
        "make some, or raise the limit that this job runs under (ulimit -f)",
        (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
        ("no space left on device", "disk quota exceeded", "file too large"),
    ),
    _Lack(
        "leave to make memory executable, which the network needs",
        "allow it (in a systemd unit, MemoryDenyWriteExecute=no)",
        (),
        ("can't protect", "cannot enable executable stack", "could not create a primitive"),
    ),
)
_MEMORY = _LACKS[1]
_EXECUTABLE_MEMORY = _LACKS[-1]


def machine_fault(error: BaseException) -> MachineFault | None:
    """Return what the machine lacked, if that is what raised `error`, or the error that it was
    raised from."""
    for cause in _causes(error):
        if isinstance(cause, MachineFault):
            return cause
        if (lack := _lack(cause)) is not None:
            return _fault(lack, cause)
    return None


def executable_memory_fault() -> MachineFault | None:
    """Return what is wrong if this process may not make memory executable.

    Libraries that write machine code in several threads say so in words that differ from time to
    time ("label is redefined"), so the kernel is asked.
    """
    may = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    try:
        mmap.mmap(-1, mmap.PAGESIZE, prot=may).close()
    except OSError as error:
        return machine_fault(error) or _fault(_EXECUTABLE_MEMORY, error)
    return None


def raise_machine_fault(error: BaseException) -> None:
    """Raise `MachineFault` if the machine is to blame for `error`: whoever is about to blame a file
    asks first."""
    fault = machine_fault(error)
    if fault is not None:
        raise fault from error


def asks_too_much(error: BaseException, most: int) -> bool:
    """Return whether `error` says that there was not enough memory, and yet there are `most` bytes:
    it wanted more."""
    if not any(_lack(cause) is _MEMORY for cause in _causes(error)):
        return False
    try:
        mmap.mmap(-1, most).close()
    except OSError:
        return False
    return True


def memory_is_limited() -> bool:
    """Return whether this process may take less memory than there is: a library may then die where
    it gets none."""
    limits = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    return any(resource.getrlimit(limit)[0] != resource.RLIM_INFINITY for limit in limits)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield `error`, the error it was raised from, and so on."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _fault(lack: _Lack, cause: BaseException) -> MachineFault:
    said = str(cause).strip().splitlines() or [type(cause).__name__]
    return MachineFault(f"this machine lacks {lack.what} ({said[-1]}); {lack.remedy}")


def _lack(error: BaseException) -> _Lack | None:
    if isinstance(error, MemoryError):
        return _MEMORY
    if isinstance(error, TaggerError) or not isinstance(error, Exception):
        return None  # our own words name what was at hand, which may be called anything
    words = str(error).lower()
    if isinstance(error, OSError) and error.errno is not None:
        if error.filename is None and any(word in words for word in _TEMPORARY_FOLDER.words):
            return _TEMPORARY_FOLDER
        return next((lack for lack in _LACKS if error.errno in lack.numbers), None)
    return next((lack for lack in _LACKS if any(word in words for word in lack.words)), None)
