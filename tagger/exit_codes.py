"""How a command ends: SIGINT and SIGTERM by way of SystemExit, so that every `finally` is run, and
which exit code."""

import errno
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType

from tagger.errors import TaggerError
from tagger.machine import machine_fault

received: list[int] = []
"""C code that a signal reaches while it runs Python replaces what the handler raised by errors of
its own, or loses it: whoever wants to know whether a signal came looks here."""

_deferring: ContextVar[bool] = ContextVar("deferring", default=False)

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


def give_signals_back() -> None:
    """Let them end the process at once: the command has ended, and what Python still waits for is
    no place for an exception."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def deferred() -> Iterator[None]:
    """Let a signal wait for `end_if_asked`, or for the end of this; a second one does not wait.

    TensorFlow, while it traces a graph, prints what a handler raised and goes on: 1 of 28 trainings
    that were interrupted in their first seconds.
    """
    token = _deferring.set(True)
    try:
        yield
    finally:
        _deferring.reset(token)
    end_if_asked()


def end_if_asked() -> None:
    """Raise SystemExit if a signal came that was to end the command."""
    if received:
        raise SystemExit(128 + received[0])


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


def _end(number: int, frame: FrameType | None) -> None:
    received.append(number)
    if len(received) > 1 or not _deferring.get():
        raise SystemExit(128 + number)
