"""The versions of a model in one folder: what the next is called, and which is current."""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tagger.errors import InputError, Locked
from tagger.files import Lock, atomic_link
from tagger.progress import say
from tagger.settings import setting

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""What a bundle may be called."""

CURRENT = "current"
"""The link that names the version which the nightly job takes."""

_LOCK = "_lock"
_PATIENCE = 10.0  # seconds: another promotion takes a moment, and is waited for


class Promotion(NamedTuple):
    """What a promotion found and did.

    Attributes
    ----------
    done : bool
        Whether the version is current now.
    before : str or None
        The name of the version that was current.
    """

    done: bool
    before: str | None


def next_name(models: Path, name: str, *, parent: str | None = None) -> str:
    """Return `NAME-vK` with the next free K, later than that of a parent of the same family.

    Raises
    ------
    InputError
        If `name` could not be a folder's name.
    """
    if not re.fullmatch(NAME, name):
        raise InputError(
            f"{setting('name')} {name!r}: letters, digits, '.', '_' and '-' only, a letter or "
            "digit first"
        )
    version = re.compile(re.escape(name) + r"-v(\d+)")
    names = [path.name for path in models.glob(f"{name}-v*")]
    taken = [version.fullmatch(found) for found in (*names, parent or "")]
    return f"{name}-v{max((int(match[1]) for match in taken if match), default=0) + 1}"


def current_name(models: Path) -> str | None:
    """Return the name of the current version, or None."""
    link = models / CURRENT
    return os.path.basename(os.readlink(link)) if link.is_symlink() else None


def set_current(
    models: Path, name: str, *, may_follow: Callable[[Path], bool] = lambda _: True
) -> Promotion:
    """Make a version current, by one rename, unless it may not follow the one that is.

    Parameters
    ----------
    may_follow : callable (path of the link `current`)
        Asked while nobody else can promote: what it finds is what is replaced.

    Raises
    ------
    Locked
        If another process is promoting, and does not end soon.
    InputError
        If the folder cannot be written, or the version was removed meanwhile.
    """
    link = models / CURRENT
    with alone_in(models):
        if not (models / name).exists():
            raise InputError(f"{str(models / name)!r} was removed meanwhile; promote another")
        before = current_name(models)
        if not may_follow(link):
            return Promotion(False, before)
        try:
            atomic_link(link, name)
        except OSError as error:
            if current_name(models) != name:
                raise InputError(f"{str(link)!r} cannot be written: {error.strerror}") from error
            say(f"{name} is current, and a power cut may undo that: {error.strerror}")
    return Promotion(True, before)


@contextmanager
def alone_in(models: Path) -> Iterator[None]:
    """Hold the lock of a folder of models: nobody else promotes or removes a version.

    Raises
    ------
    Locked
        If another process holds it, and does not end soon.
    """
    lock = Lock(models / _LOCK)
    until = time.monotonic() + _PATIENCE
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(lock)
                break
            except Locked:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)
        yield
