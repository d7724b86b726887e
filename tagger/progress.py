"""What a person sees meanwhile: a bar on a terminal, a line a minute anywhere else (cron mail).

Lines go to the logger `tagger`; commands show them on standard error.
"""

import logging
import sys
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm

from tagger.exit_codes import end_if_asked

_LINE_EVERY = 60.0  # seconds
_LOG = logging.getLogger("tagger")


class Progress:
    """Counts to `total` in sight of the user, with rate and time left."""

    def __init__(self, total: int, what: str, *, unit: str = "image") -> None:
        self._what = what
        self._unit = unit
        self._total = total
        watched = _LOG.isEnabledFor(logging.INFO)
        self._terminal = watched and sys.stderr is not None and sys.stderr.isatty()
        self._bar = tqdm(
            total=total,
            desc=what,
            unit=unit,
            disable=not self._terminal,
            leave=False,
            dynamic_ncols=True,
        )
        self.done = 0
        self._start = time.monotonic()
        self._last = self._start

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def advance(self, n: int = 1, note: str = "") -> None:
        """Count `n` more as done; `note` stands behind the numbers.

        Raises
        ------
        SystemExit
            If a signal that was to end the command got lost.
        """
        self.done += n
        if note:
            self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(n)
        now = time.monotonic()
        if not self._terminal and now - self._last >= _LINE_EVERY:
            self._last = now
            meter = tqdm.format_meter(
                self.done, self._total, now - self._start, ncols=0, unit=self._unit
            )
            say(f"{self._what} {meter} {note}".rstrip())
        end_if_asked()


def say(text: str) -> None:
    """Log a line for whoever watches the work."""
    _LOG.info("%s", text)


def warn(text: str) -> None:
    """Log a line that somebody should read, though the work goes on."""
    _LOG.warning("%s", text)
