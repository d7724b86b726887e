"""What a sync has to do: nothing, follow the change feed, or build anew. No engine is asked."""

from typing import NamedTuple

import pyarrow as pa

from schemas.index import CHANGES_FILE
from schemas.sync import Synced, Way
from tagger.errors import InputError, StoreError
from tagger.index.snapshots import Snapshot
from tagger.index.store import Index
from tagger.settings import setting

LONGEST = 60
"""Nights that are followed at most."""
_SHARE = 0.2
_FEW = 1_000
"""So many changes are always followed."""
_MANY = 50_000
"""More are never followed: what is followed is held in memory."""


class SyncPlan(NamedTuple):
    """What a sync has to do.

    Attributes
    ----------
    way : Way
    why : str
        As a sentence.
    changed : string array
        With `follow`: the image_ids that came, changed or went.
    """

    way: Way
    why: str
    changed: pa.Array


_NONE = pa.array([], pa.string())


def plan_sync(
    index: Index, night: Snapshot, synced: Synced | None, made: str, *, anew: bool
) -> SyncPlan:
    """Return what has to be done so that an engine has the documents of a night.

    Parameters
    ----------
    synced : Synced or None
        What it was made equal to last.
    made : str
        A digest of all that decides documents beside the rows.
    anew : bool
        Whether to build anew in any case.

    Raises
    ------
    InputError
        If the engine has the documents of another catalog.
    """
    if anew:
        return SyncPlan("anew", f"{setting('anew')} was given", _NONE)
    if synced is None:
        return SyncPlan("anew", "it is the first sync", _NONE)
    if synced.catalog != night.manifest.catalog:
        raise InputError(
            f"the engine has documents of the catalog {synced.catalog!r}, and this index is of "
            f"{night.manifest.catalog!r}; give the address another name, or, if it is the same "
            f"catalog at another place, {setting('anew')}"
        )
    if synced.made != made:
        return SyncPlan(
            "anew", "the vocabulary, the words, the features or other settings changed", _NONE
        )
    nights = _nights_since(index, night, synced.snapshot)
    if nights is None:
        return SyncPlan("anew", f"the feed does not lead here from {synced.snapshot}", _NONE)
    names = {synced.snapshot, *(one.path.name for one in (night, *nights))}
    if synced.towards is not None and synced.towards not in names:
        return SyncPlan("anew", f"a sync was killed on the way to {synced.towards}", _NONE)
    if not nights and not synced.missing and synced.towards is None:
        return SyncPlan("nothing", "it has the documents of this night", _NONE)
    changed = _changed(nights)
    if too_many(len(changed), night.manifest.rows):
        return SyncPlan("anew", f"{len(changed):,} pictures changed", _NONE)
    if not nights:
        return SyncPlan("follow", "what an earlier sync left undone is tried again", changed)
    followed = f"{len(nights)} night" + ("s" if len(nights) > 1 else "")
    return SyncPlan("follow", f"the changes of {followed} since {synced.snapshot}", changed)


def too_many(changed: int, of: int) -> bool:
    """Return whether so much changed that searchers should see all of it at once, or none."""
    return changed > min(_MANY, max(_FEW, _SHARE * of))


def _nights_since(index: Index, night: Snapshot, before: str) -> list[Snapshot] | None:
    """Return the nights after `before` up to this one, the newest first; None where the feed does
    not lead there."""
    nights: list[Snapshot] = []
    one = night
    while one.path.name != before:
        nights.append(one)
        parent = one.manifest.parent
        if parent is None or len(nights) > LONGEST:
            return None
        if parent == before:
            break
        try:
            one = index.snapshot(parent)
        except StoreError:  # it is no longer kept
            return None
    return nights


def _changed(nights: list[Snapshot]) -> pa.Array:
    """Return every image_id that the nights' feeds name, once."""
    ids = [night.read(CHANGES_FILE, ["image_id"])["image_id"] for night in nights]
    named = [chunk for one in ids for chunk in one.chunks]
    return pa.concat_arrays(named).unique() if named else _NONE
