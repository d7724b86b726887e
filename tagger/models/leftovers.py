"""What killed processes left in a folder of models: trainings under way, half-saved models."""

import errno
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

from schemas.models import Leftover, LeftoverKind
from schemas.record import parse
from schemas.training import History
from tagger.files import is_locked
from tagger.models.versions import NAME

TRAININGS = "_training"
"""The folder of trainings under way, one folder for each name."""

TRAINING_LOCK = "lock"
"""Held, in such a folder, for as long as the training works."""

TRAINING_KEPT_FOR = timedelta(days=7)
"""A training that could go on is hours of work; after a week nobody comes back to it."""

SAVE_KEPT_FOR = timedelta(hours=48)
"""Much longer than any save takes: one that changed since may be under way, on another machine."""

_TRAINING_FILES = {TRAINING_LOCK, "training.json", "pixels", "checkpoints"}
_KINDS = "|".join(kind for kind in get_args(LeftoverKind) if kind != "training")
_HALF_DONE = re.compile(rf"\.({NAME})\.({_KINDS})-\w+")


def leftovers(models: Path, now: datetime) -> list[Leftover]:
    """Return what killed processes left in a folder of models, by name; links are not followed.

    Only folders that this product names are looked at.

    Parameters
    ----------
    now : datetime
        With its time zone.
    """
    found = []
    for path in _folders(models / TRAININGS):
        with suppress(FileNotFoundError):  # it ended meanwhile
            found.append(_training(path, models, now))
    for path in _folders(models):
        if match := _HALF_DONE.fullmatch(path.name):
            with suppress(FileNotFoundError):  # it was saved meanwhile
                found.append(_half_done(path, _kind(match[2]), now))
    return sorted(found, key=lambda each: each.name)


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files in a folder; links are not followed."""
    return sum(stat.st_size for stat in _stats(_files(folder)))


def _folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, neither it nor them being links."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]


def _kind(word: str) -> LeftoverKind:
    return next(kind for kind in get_args(LeftoverKind) if kind == word)


def _half_done(path: Path, kind: LeftoverKind, now: datetime) -> Leftover:
    changed = _changed(path)
    kept_for = []
    if kind != "removing" and now - changed < SAVE_KEPT_FOR:
        kept_for.append("it changed less than 48 hours ago, and may be under way")
    return Leftover(
        name=path.name,
        kind=kind,
        bytes=folder_bytes(path),
        changed_at=changed.isoformat(timespec="seconds"),
        epochs=None,
        kept_for=kept_for,
    )


def _training(path: Path, models: Path, now: datetime) -> Leftover:
    changed = _changed(path)
    kept_for = []
    if is_locked(path / TRAINING_LOCK):
        kept_for.append("a training is working in it")
    elif now - changed < TRAINING_KEPT_FOR:
        kept_for.append("it changed less than 7 days ago")
    if strange := sorted(set(os.listdir(path)) - _TRAINING_FILES):
        kept_for.append(f"it holds {strange[0]!r}, which no training writes")
    return Leftover(
        name=str(path.relative_to(models)),
        kind="training",
        bytes=folder_bytes(path),
        changed_at=changed.isoformat(timespec="seconds"),
        epochs=_epochs(path),
        kept_for=kept_for,
    )


def _epochs(path: Path) -> int | None:
    """Return how many epochs an interrupted training has finished, or None if it cannot go on."""
    try:
        (path / "training.json").lstat()
        history = parse((path / "checkpoints" / "history.json").read_bytes(), History)
    except (OSError, ValueError):
        return None
    return len(history.epochs)


def _files(folder: Path) -> Iterator[Path]:
    for where, _, names in os.walk(folder):
        yield from (Path(where, name) for name in names)


def _stats(paths: Iterable[Path]) -> Iterator[os.stat_result]:
    """Yield what the file system says of each, without those that a training at work has replaced
    meanwhile."""
    for path in paths:
        with suppress(FileNotFoundError):
            yield path.lstat()


def _changed(folder: Path) -> datetime:
    """Return when something in a folder last changed; that somebody held its lock is no change."""
    paths = [folder, *(path for path in _files(folder) if path != folder / TRAINING_LOCK)]
    changed = max((stat.st_mtime for stat in _stats(paths)), default=None)
    if changed is None:
        raise FileNotFoundError(errno.ENOENT, "removed meanwhile", str(folder))
    return datetime.fromtimestamp(changed, UTC)
