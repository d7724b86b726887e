"""What a command says: its result on standard output, a complaint on standard error."""

import os
import sys
from contextlib import suppress

from schemas.record import Record, to_json


def print_result(value: Record, as_json: bool, text: str) -> None:
    """Print a result. The work is done by now: that nobody reads it, or that the disk is full, does
    not undo it."""
    try:
        print(to_json(value, indent=None).rstrip() if as_json else text, flush=True)
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # `tagger ... | head` is no fault
            complain(f"the result could not be printed: {error.strerror}")
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - what is left in the buffer goes there at exit


def complain(text: str) -> None:
    """Write one line to standard error, if there is one."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(f"tagger: {text}", file=sys.stderr)
