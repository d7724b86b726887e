"""What the library says while it works, on a command's standard error."""

import logging
import sys
from contextlib import suppress


class _OnStandardError(logging.Handler):
    """Writes a line above the bar if there is one; a full disk under the log stops no job."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        if sys.stderr is not None:
            with suppress(OSError):
                tqdm.write(self.format(record), file=sys.stderr)


def show_messages() -> None:
    """Let the library's messages be read; without this they go wherever a program's logs do."""
    log = logging.getLogger("tagger")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.addHandler(_OnStandardError())
