"""The next things made while the last ones are sent: a server works meanwhile, and so can we."""

from collections.abc import Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import NamedTuple, TypeVar

_WAITING = 4
_LOOKS_EVERY = 0.2

Thing = TypeVar("Thing")


class _End(NamedTuple):
    """What ends the things: none are left, or an error."""

    error: BaseException | None


def ahead(things: Iterator[Thing]) -> Iterator[Thing]:
    """Yield things that a thread makes, some of them ahead; its error is raised here."""
    made: Queue[Thing | _End] = Queue(_WAITING)
    stop = Event()

    def put(one: Thing | _End) -> None:
        while not stop.is_set():
            try:
                made.put(one, timeout=_LOOKS_EVERY)
                return
            except Full:
                pass  # look again whether anybody still waits

    def make() -> None:
        try:
            for thing in things:
                put(thing)
                if stop.is_set():
                    return
            put(_End(None))
        except BaseException as error:
            put(_End(error))

    thread = Thread(target=make, name="tagger-documents", daemon=True)
    thread.start()
    try:
        while True:
            one = made.get()
            if isinstance(one, _End):
                if one.error is not None:
                    raise one.error
                return
            yield one
    finally:
        stop.set()
        thread.join()
