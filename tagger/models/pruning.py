"""Which models of a folder nothing needs, and removing them so that no half model ever loads."""

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
from tagger.models.leftovers import TRAINING_LOCK, TRAININGS

NEWEST = 3
"""So many versions of each name stay: the next one may have to be compared with, or give way to,
one of them."""

_NUMBERED = re.compile(r"(.+)-v(\d+)")


def reasons_to_keep(
    versions: Sequence[ModelVersion],
    *,
    current: str | None,
    links: Mapping[str, Sequence[str]],
    strange: Mapping[str, str],
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
    links, strange : mapping
        As in `tagger.models.inventory.Inventory`.
    leftovers : sequence of Leftover
        An interrupted training that can go on may have started from any version.
    looked : bool
        Whether any index was looked at: without that, nobody knows what rows name.
    """
    newest = newest_names([row.name for row in versions if row.error is None])
    parent = next((row.parent for row in versions if row.name == current), None)
    going_on = [each.name for each in leftovers if each.kept_for]
    reasons = {}
    for row in versions:
        why = ["it is current"] if row.name == current else []
        why += [f"the link {link!r} leads to it" for link in links.get(row.name, ())]
        if row.name == parent:
            why.append("the current one was made from it")
        why += [_use(use) for use in row.uses]
        if row.name in newest:
            why.append(f"it is among the newest {NEWEST} of its name")
        why += [f"{name} can go on, and may have started from it" for name in going_on]
        if row.error is not None:
            why.append("it cannot be read, so look at it and remove it by hand")
        elif row.name in strange:
            why.append(f"it holds {strange[row.name]!r}, which is no file of a model")
        if not looked:
            why.append("no index was looked at")
        reasons[row.name] = why
    return reasons


def newest_names(names: Sequence[str]) -> set[str]:
    """Return of each NAME-vK those with the highest K, and all that are not called so.

    Examples
    --------
    >>> sorted(newest_names(["a-v1", "a-v2", "a-v9", "a-v10", "b-v1", "mine"]))
    ['a-v10', 'a-v2', 'a-v9', 'b-v1', 'mine']
    """
    numbers: dict[str, list[int]] = {}
    newest = set()
    for name in names:
        if match := _NUMBERED.fullmatch(name):
            numbers.setdefault(match[1], []).append(int(match[2]))
        else:
            newest.add(name)
    for family, found in numbers.items():
        newest |= {f"{family}-v{number}" for number in sorted(found)[-NEWEST:]}
    return newest


def _use(use: ModelUse) -> str:
    """Return in words how an index uses a model."""
    if use.snapshots:
        nights = "1 night" if use.snapshots == 1 else f"{use.snapshots} nights"
        return f"rows of {nights} kept in {use.index} name it"
    if use.staged:
        return f"an interrupted night of {use.index} scored with it"
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
    stem = path.name.lstrip(".").partition(".removing-")[0]
    away = tempfile.mkdtemp(prefix=f".{stem}.removing-", dir=models)
    try:
        os.rename(path, away)  # an empty folder gives way
    except OSError:
        os.rmdir(away)
        raise
    sync_file(models)
    shutil.rmtree(away)
