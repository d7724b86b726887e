"""Which models of a folder nothing needs, and removing them so that no half model ever loads."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from msgspec.structs import replace

from schemas.models import Leftover, ModelUse, ModelVersion, Pruned
from tagger.errors import InputError, Locked
from tagger.files import Lock, sync_file
from tagger.models.inventory import Inventory
from tagger.models.leftovers import TRAINING_LOCK, TRAININGS
from tagger.models.versions import CURRENT

NEWEST = 3
"""So many versions of each name stay: the next one may have to be compared with, or give way to,
one of them."""

_NUMBERED = re.compile(r"(.+)-v(\d+)")


def reasons_to_keep(
    versions: Sequence[ModelVersion],
    *,
    current: str | None,
    found: Inventory,
    leftovers: Sequence[Leftover],
    looked: bool,
) -> dict[str, list[str]]:
    """Return, for each version by name, why it stays, in words; nothing needs one without reasons.

    Parameters
    ----------
    versions : sequence of ModelVersion
        With their uses.
    current : str or None
        The name of the version that is current.
    found : Inventory
        What holds a version there beside its uses.
    leftovers : sequence of Leftover
        An interrupted training that can go on may have started from any version.
    looked : bool
        Whether any index was looked at: without that, nobody knows what rows name.
    """
    newest = newest_names([row.name for row in versions if row.error is None])
    reasons = {}
    for row in versions:
        why = ["it is current"] if row.name == current else []
        others = (link for link in found.links.get(row.name, ()) if link != CURRENT)
        why += [f"the link {link!r} leads to it" for link in others]
        why += [_use(use) for use in row.uses]
        if row.name in newest:
            why.append(f"it is among the newest {NEWEST} of its name")
        if row.error is not None:
            why.append("it cannot be read, so look at it and remove it by hand")
        elif row.name in found.strange:
            why.append(f"it holds {found.strange[row.name]!r}, which is no file of a model")
        reasons[row.name] = why
    parents = _parents(versions, reasons, found.linked)
    unknown = _unknown(current, found.orphans, leftovers)
    if not looked:
        unknown.append("no index was looked at")
    return {name: [*why, *parents.get(name, ()), *unknown] for name, why in reasons.items()}


def _parents(
    versions: Sequence[ModelVersion],
    reasons: Mapping[str, Sequence[str]],
    linked: Mapping[str, str],
) -> dict[str, list[str]]:
    """Return, of the models that others which stay were made from, which those are.

    A parent is what to go back to, and what a packed model is retrained from. What the parent was
    made from is not needed: a retraining reads its parent alone.
    """
    found: dict[str, list[str]] = {}
    for row in versions:
        if row.parent is not None and reasons[row.name]:
            found.setdefault(row.parent, []).append(f"{row.name} was made from it")
    for link, parent in linked.items():
        found.setdefault(parent, []).append(f"what the link {link!r} leads to was made from it")
    return found


def _unknown(
    current: str | None, orphans: Sequence[str], leftovers: Sequence[Leftover]
) -> list[str]:
    """Return why any version may be needed."""
    why = [
        f"{each.name} is not finished, and may have started from it"
        for each in leftovers
        if each.kept_for
    ]
    if current in orphans or CURRENT in orphans:
        why.append("the current one cannot be read, and may have been made from it")
    return why


def newest_names(names: Sequence[str]) -> set[str]:
    """Return of each NAME-vK those with the highest K, and all that are not called so.

    Examples
    --------
    >>> sorted(newest_names(["a-v1", "a-v2", "a-v9", "a-v10", "b-v1", "mine"]))
    ['a-v10', 'a-v2', 'a-v9', 'b-v1', 'mine']
    """
    numbers: dict[str, list[tuple[int, str]]] = {}
    newest = set()
    for name in names:
        if match := _NUMBERED.fullmatch(name):
            numbers.setdefault(match[1], []).append((int(match[2]), name))
        else:
            newest.add(name)
    for found in numbers.values():
        newest |= {name for _, name in sorted(found)[-NEWEST:]}
    return newest


def _use(use: ModelUse) -> str:
    """Return in words how an index uses a model."""
    if use.snapshots:
        nights = "1 night" if use.snapshots == 1 else f"{use.snapshots} nights"
        return f"rows of {nights} kept in {use.index} name it"
    if use.staged:
        return f"an interrupted night of {use.index} scored with it"
    if use.last_run:
        return f"the last run on {use.index} worked with it"
    return f"{use.index} keeps its features for look-alikes"


def remove(models: Path, doomed: Sequence[Pruned]) -> list[Pruned]:
    """Return what was to be removed, and why some of it is still there.

    Each is renamed away first, so that whoever is killed meanwhile leaves none under its name. The
    lock of `models` is held.
    """
    return [replace(each, error=_fault(models, each.name)) for each in doomed]


def _fault(models: Path, name: str) -> str | None:
    """Remove a folder, and return what stood in the way."""
    path = models / name
    try:
        with ExitStack() as held:
            if path.parent.name == TRAININGS:  # a training that starts now is told to wait
                held.enter_context(Lock(path / TRAINING_LOCK))
            _remove(models, path)
    except OSError as error:
        return error.strerror
    except (Locked, InputError) as error:
        return str(error)
    return None


def _remove(models: Path, path: Path) -> None:
    """Remove a folder, or leave it as it is: one that another user made is not even renamed."""
    for where, _, _ in os.walk(path):
        if not os.access(where, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), where)
    stem = path.name.lstrip(".").partition(".removing-")[0]
    away = tempfile.mkdtemp(prefix=f".{stem}.removing-", dir=models)
    try:
        os.rename(path, away)  # an empty folder gives way
    except OSError:
        os.rmdir(away)
        raise
    sync_file(models)
    shutil.rmtree(away)
