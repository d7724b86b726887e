"""The command line: one command run, its exit code, and one line that says why it failed."""

import io
import sys
from collections.abc import Callable
from typing import NoReturn

from typer.exceptions import TyperException

from jobs.console.app import app
from jobs.console.messages import speak
from jobs.console.output import complain
from jobs.console.usage import usage_text
from tagger import exit_codes
from tagger.errors import TaggerError
from tagger.machine import machine_fault


def main() -> NoReturn:
    """Run the command line and exit with the code that its help declares."""
    exit_codes.take_over_signals()
    for stream in (sys.stdout, sys.stderr):  # file names may be no text
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    exit_codes.give_signals_back()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Return the exit code of one command; says in a line why it is not 0, and perhaps more below
    it."""
    speak(quiet="--quiet" in arguments)
    if "" in arguments:
        complain("an argument is empty; is a variable unset?")
        return 2
    return ended(lambda: app(args=arguments, prog_name="tagger", standalone_mode=False))


def ended(work: Callable[[], object]) -> int:
    """Return the exit code of some work; says in a line why it is not 0, and perhaps more below
    it."""
    try:
        raise SystemExit(work())
    except TyperException as error:
        if text := usage_text(error):
            complain(text)
        return 2
    except BaseException as error:
        code = exit_codes.exit_code(error)
        more = getattr(error, "__notes__", ())
        error = machine_fault(error) or error
        if code in (130, 143):
            complain(f"interrupted ({'SIGINT' if code == 130 else 'SIGTERM'})", more)
        elif isinstance(error, TaggerError | OSError):
            complain(" ".join(str(error).split("\n")), more)
        elif not isinstance(error, SystemExit):
            raise
        return code


if __name__ == "__main__":
    main()
