"""What the library says while it works, on a command's standard error."""

import logging
import sys
from contextlib import suppress

from jobs.console.output import complain, set_for_mail


class _OnStandardError(logging.Handler):
    """Writes a line above the bar if there is one; a full disk under the log stops no job."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        if sys.stderr is not None:
            with suppress(OSError):
                if record.levelno >= logging.WARNING:
                    complain(self.format(record), write=tqdm.write)
                else:
                    tqdm.write(self.format(record), file=sys.stderr)


def show_messages() -> None:
    """Let the library's messages be read; without this they go wherever a program's logs do."""
    log = logging.getLogger("tagger")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.addHandler(_OnStandardError())


def speak(*, quiet: bool) -> None:
    """Say as much as usual; or, if `quiet`, only what somebody should read, set for a mail."""
    logging.getLogger("tagger").setLevel(logging.WARNING if quiet else logging.INFO)
    set_for_mail(quiet)
