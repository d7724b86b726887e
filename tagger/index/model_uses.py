"""Which models an index names: in the rows of the nights that it keeps, and beside them."""

import os
from collections import Counter
from itertools import islice
from typing import NamedTuple

from schemas.models import ModelUse
from tagger.errors import StoreError
from tagger.index.snapshots import current_name, open_snapshot
from tagger.index.store import Index

_LOOKED_AT = 30  # records: a night that is refused for want of the lock records beside its holder


class NamedModels(NamedTuple):
    """The models that an index names.

    Attributes
    ----------
    shown : str
        The index, as given.
    current : frozenset of str
        model_id of all that rows of the current night may name.
    snapshots : mapping from str to int
        model_id to the number of kept nights whose rows may name it.
    staged : frozenset of str
        model_id of those of which an interrupted night left rows.
    featured : str or None
        Path of the bundle whose features were the last to be kept or used.
    last_run : frozenset of str
        model_id of those that the last run, and runs that have not said how they ended, worked
        with: a night at work has perhaps not loaded its network yet.
    """

    shown: str
    current: frozenset[str]
    snapshots: Counter[str]
    staged: frozenset[str]
    featured: str | None
    last_run: frozenset[str]

    def use_of(self, model_id: str, path: str) -> ModelUse | None:
        """Return how the index uses the model of this id, which lies at `path`, or None."""
        use = ModelUse(
            index=self.shown,
            readers_see_it=model_id in self.current,
            snapshots=self.snapshots[model_id],
            staged=model_id in self.staged,
            features=self.featured == os.path.realpath(path),
            last_run=model_id in self.last_run,
        )
        nights = use.readers_see_it or use.snapshots or use.staged
        return use if nights or use.features or use.last_run else None


def named_models(path: str) -> NamedModels:
    """Return the models that the index at `path` names; reads manifests, no rows.

    Raises
    ------
    StoreError
        If it is no index, or a night of it cannot be read: what that names would be unknown.
    """
    index = Index(path)
    if not index.is_there():
        raise StoreError(f"index {path!r}: it is no index; name a folder that 'tagger tag' made")
    models = {name: _models_of(index, name, path) for name in index.snapshots()}
    return NamedModels(
        shown=path,
        current=models.get(current_name(index.path) or "", frozenset()),
        snapshots=Counter(model for named in models.values() for model in named),
        staged=frozenset(
            folder.name.partition("-reader")[0] for folder in (index.path / "_staging").glob("*-*")
        ),
        featured=_featured(index),
        last_run=_last_run(index),
    )


def _models_of(index: Index, snapshot: str, shown: str) -> frozenset[str]:
    manifest = open_snapshot(index.path / "snapshots" / snapshot, repr(shown)).manifest
    return frozenset((*manifest.models, manifest.model_id))


def _last_run(index: Index) -> frozenset[str]:
    """Return the models of the last run that had one, and of those that are not known to have
    ended."""
    records = [each for each in islice(index.runs.newest_first(), _LOOKED_AT) if each.model_id]
    at_work = [record for record in records if record.state == "running"]
    return frozenset(each.model_id for each in (*records[:1], *at_work) if each.model_id)


def _featured(index: Index) -> str | None:
    try:
        return os.path.realpath(index.featured_model())
    except StoreError:  # it keeps no features
        return None
