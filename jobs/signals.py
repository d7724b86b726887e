"""SIGINT and SIGTERM end a command by way of SystemExit, so that every `finally` is run."""

import signal
from types import FrameType
from typing import NoReturn

received: list[int] = []
"""C code that a signal reaches while it runs Python replaces what the handler raised by errors of its own: whoever
wants to know whether a signal ended something looks here."""


def install() -> None:
    """Take over SIGINT and SIGTERM."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    received.append(number)
    raise SystemExit(128 + number)
