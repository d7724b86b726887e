"""What a command says: its result on standard output, a complaint on standard error."""

import os
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from contextlib import suppress

from schemas.record import Record, to_json

_MAIL_WIDTH = 100
_MOST_LINES = 4  # of what stands below the reason
_QUOTED = re.compile(r"(?<![^\s(])'[^']*'(?=[\s,.;:)]|$)")

_for_mail = False
_has_complained = False


def print_result(value: Record, as_json: bool, text: str) -> None:
    """Print a result. The work is done by now: that nobody reads it, or that the disk is full, does
    not undo it."""
    try:
        print(to_json(value, indent=None).rstrip() if as_json else text, flush=True)
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # `tagger ... | head` is no fault
            complain(f"the result could not be printed: {error.strerror}")
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - what is left in the buffer goes there at exit


def complain(text: str, more: Sequence[str] = (), write: Callable[..., object] = print) -> None:
    """Write a line to standard error, if there is one, and `more` lines below it.

    Parameters
    ----------
    write : callable
        As `print`; where a bar may stand, what knows of it.
    """
    global _has_complained
    _has_complained = True
    if sys.stderr is not None:
        lines = lines_of(f"tagger: {text}")
        lines += [line for part in more for line in lines_of(part, _MOST_LINES)]
        with suppress(OSError):
            write("\n".join(lines), file=sys.stderr)


def has_complained() -> bool:
    """Return whether this command has complained of something."""
    return _has_complained


def set_for_mail(wanted: bool) -> None:
    """Let what a command says from now on be set in lines that a mail shows well, or as it
    comes."""
    global _for_mail, _has_complained
    _for_mail = wanted
    _has_complained = False


def lines_of(text: str, most: int | None = None) -> list[str]:
    """Return a text in lines: a single one, or for a mail some of up to 100 characters, at `most`
    so many.

    What stands in quotation marks stays on one line: it is there to be copied.
    """
    if not _for_mail:
        return [text]
    whole = _QUOTED.sub(lambda found: found[0].replace(" ", "\0"), text)
    lines = textwrap.wrap(
        whole,
        _MAIL_WIDTH,
        break_long_words=False,
        break_on_hyphens=False,
        max_lines=most,
        placeholder=" ...",
    )
    return [line.replace("\0", " ") for line in lines]
