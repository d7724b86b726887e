"""Asking again where an engine is away, slow or busy; for so long, and no longer."""

import random
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from tagger.errors import EngineError
from tagger.exit_codes import end_if_asked
from tagger.progress import warn

_FIRST = 0.25
_LONGEST = 15.0
_SAID_AFTER = 2.0

Answer = TypeVar("Answer")
Entry = TypeVar("Entry")


class Busy(Exception):
    """The engine cannot answer just now; the message is what it said."""


class Patience:
    """How long one question may be asked again.

    Parameters
    ----------
    shown : str
        The engine's address, for messages.
    seconds : float
        From the first refusal on.
    """

    def __init__(self, shown: str, seconds: float) -> None:
        self._shown = shown
        self._seconds = seconds

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Return the answer to a question that raises `Busy` where it should be asked again.

        Raises
        ------
        EngineError
            If it was in vain for as long as it may be.
        """
        refused_at: float | None = None
        wait = _FIRST
        told = False
        while True:
            try:
                return question()
            except Busy as busy:
                refused_at = refused_at or time.monotonic()
                waited = time.monotonic() - refused_at
                if waited >= self._seconds:
                    raise EngineError(
                        f"{self._shown} did not answer for {waited:.0f} s: {busy}. What it serves "
                        "stays; the next sync goes on from there"
                    ) from busy
                if not told and waited >= _SAID_AFTER:
                    told = True
                    warn(f"{self._shown}: {busy}; asking again, for {self._seconds:.0f} s at most")
            # Some at random, so that two machines do not ask at the same moments.
            left = self._seconds - waited
            time.sleep(max(0.0, min(wait * random.uniform(0.7, 1.3), left)))  # noqa: S311 - no secret
            end_if_asked()
            wait = min(2 * wait, _LONGEST)


class Verdicts(NamedTuple):
    """What a server said of some documents, by id; of the others, that it took them.

    Attributes
    ----------
    busy, refused : dict of str to str
        Why.
    """

    busy: dict[str, str]
    refused: dict[str, str]


def until_taken(
    entries: Mapping[str, Entry],
    send: Callable[[Mapping[str, Entry]], Verdicts],
    ask: Callable[[Callable[[], None]], object],
) -> dict[str, str]:
    """Return the ids of documents that were refused, and why; those that a server was too busy for
    are sent again.

    Parameters
    ----------
    entries : mapping of str to anything
        Id to what is sent.
    send : callable
        Sends those that still wait.
    ask : callable
        Asks a question again where it raises `Busy`, as `Patience.ask`.

    Raises
    ------
    EngineError
        If the server took not one: it is away, not choosy.
    """
    waiting = dict(entries)
    refused: dict[str, str] = {}

    def once() -> None:
        said = send(waiting)
        refused.update(said.refused)
        for one in [one for one in waiting if one not in said.busy]:
            del waiting[one]
        if waiting:
            raise Busy(next(iter(said.busy.values())))

    try:
        ask(once)
    except EngineError:
        if len(waiting) == len(entries):
            raise
        refused |= dict.fromkeys(waiting, "busy for too long")
    return refused
