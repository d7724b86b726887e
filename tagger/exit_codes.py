"""How a command ends: SIGINT and SIGTERM by way of SystemExit, so that every `finally` is run, and
which exit code."""

import errno
import signal
from types import FrameType
from typing import NoReturn

from tagger.errors import TaggerError
from tagger.machine import machine_fault

received: list[int] = []
"""C code that a signal reaches while it runs Python replaces what the handler raised by errors of
its own: whoever wants to know whether a signal ended something looks here."""

# What a path that was given can be guilty of; a disk that fails or fills is not the user's input.
_UNUSABLE = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ELOOP,
)


def take_over_signals() -> None:
    """Let SIGINT and SIGTERM raise SystemExit."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)


def exit_code(error: BaseException) -> int:
    """Return the exit code of a command that `error` ends."""
    if received:
        return 128 + received[0]
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 0
    if isinstance(error, KeyboardInterrupt):
        return 130
    error = machine_fault(error) or error
    if isinstance(error, TaggerError):
        return error.exit_code
    return 2 if isinstance(error, OSError) and error.errno in _UNUSABLE else 1


def _end(number: int, frame: FrameType | None) -> NoReturn:
    received.append(number)
    raise SystemExit(128 + number)
