"""A search engine made equal to the current night: the story of `tagger sync`."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa

from schemas.record import FORMAT_VERSION
from schemas.sync import Refusal, Synced, SyncReport
from tagger.index.store import Index
from tagger.progress import say
from tagger.search.address import Address
from tagger.search.documents import document_ids
from tagger.search.engine import Changes, Engine
from tagger.search.engines import open_engine
from tagger.search.following import SyncPlan, plan_sync, too_many
from tagger.search.opening import DocumentOptions, open_source, products_from
from tagger.search.source import Source

_SHOWN = 10
PATIENCE = 120.0


@dataclass
class _Tally:
    """What was written so far."""

    ids: set[str] = field(default_factory=set)
    documents: int = 0

    def begin(self) -> None:
        """Count from nothing again."""
        self.ids = set()
        self.documents = 0


def sync(
    options: DocumentOptions,
    address: Address,
    key: str | None,
    *,
    anew: bool = False,
    dry: bool = False,
    patience: float = PATIENCE,
) -> SyncReport:
    """Return what was done, after making an engine equal to the current night.

    Parameters
    ----------
    key : str or None
        What lets us in.
    anew : bool
        Whether to build anew in any case.
    dry : bool
        Whether to count alone.
    patience : float
        Seconds for which a question is asked again where the engine is away or busy.

    Raises
    ------
    EngineError
        If the engine is away or busy for too long, or refuses too much.
    Locked
        If somebody else syncs it.
    InputError
        If something that was given makes no sense, or the engine's collection is not ours.
    """
    began = time.monotonic()
    index = Index(options.index)
    with closing(open_engine(address, key, patience)) as engine:
        if dry:
            source, notes = open_source(index, options)
            work = _Work(index, options, source, engine)
            return work.counted(work.plan(anew=anew), notes, began)
        with engine.held():
            # Only now: of two syncs the later one must not bring the earlier night.
            source, notes = open_source(index, options)
            work = _Work(index, options, source, engine)
            plan = work.plan(anew=anew)
            say(f"{engine.shown}: {plan.way}, for {plan.why}")
            work.do(plan)
        return work.report(plan, notes, began)


class _Work:
    """A sync under way."""

    def __init__(
        self, index: Index, options: DocumentOptions, source: Source, engine: Engine
    ) -> None:
        self._index = index
        self._options = options
        self._source = source
        self._engine = engine
        self._products = source.products
        self._table = source.products.digest if options.products and source.products else None
        self._made = source.digest(products_from(options, source))
        self._features = source.newest_features()
        self._synced: Synced | None = None
        self._names = pa.array([], pa.string())
        self._upserted = _Tally()
        self._deleted: list[str] = []
        self._refusals: list[Refusal] = []

    def plan(self, *, anew: bool) -> SyncPlan:
        """Return what has to be done."""
        self._synced = None if anew else self._engine.synced()
        plan = plan_sync(self._index, self._source.snapshot, self._synced, self._made, anew=anew)
        if self._synced is None or plan.way == "anew":
            return plan
        self._engine.check_mapping(self._source.settings.fields)
        if plan.way == "nothing" and self._synced.products != self._table:
            plan = plan._replace(way="follow", why="the table of products changed")
        if plan.way == "nothing" and self._synced.features != self._features:
            plan = plan._replace(way="follow", why="features came that it does not have")
        if plan.way == "follow":
            self._names = self._changed_names(plan, self._synced)
            if too_many(len(self._names), self._synced.documents):
                return plan._replace(way="anew", why=f"{len(self._names):,} documents changed")
        return plan

    def do(self, plan: SyncPlan) -> None:
        """Do it."""
        if plan.way == "anew":
            fields = self._source.settings.fields
            counted = _Counted(self._source, self._upserted)
            after = self._after()
            self._synced, self._refusals = self._engine.build(fields, after, counted)
        elif plan.way == "follow" and self._synced is not None:
            after = self._after()
            changes = self._changes()
            self._synced, self._refusals = self._engine.follow(self._synced, after, changes)

    def counted(self, plan: SyncPlan, notes: list[str], began: float) -> SyncReport:
        """Return what would be done, without doing it."""
        if plan.way == "anew":
            for chunk in self._source.all():
                self._upserted.documents += sum(len(batch) for batch in chunk)
        elif plan.way == "follow" and self._synced is not None:
            changes = self._changes()
            for _ in changes.upserts():
                pass
            changes.deletes()
        return self.report(plan, notes, began)

    def report(self, plan: SyncPlan, notes: list[str], began: float) -> SyncReport:
        """Return what was done."""
        synced = self._synced
        return SyncReport(
            index=self._options.index,
            engine=self._engine.shown,
            snapshot=self._source.snapshot.path.name,
            way=plan.way,
            why=plan.why,
            documents=synced.documents if synced else 0,
            upserted=self._upserted.documents,
            deleted=len(self._deleted),
            missing=len(synced.missing) if synced else 0,
            refusals=self._refusals[:_SHOWN],
            seconds=round(time.monotonic() - began, 3),
            notes=notes,
        )

    def _after(self) -> Synced:
        """Return what the engine will be equal to; what it refuses is not known yet."""
        return Synced(
            format_version=FORMAT_VERSION,
            catalog=self._source.snapshot.manifest.catalog,
            snapshot=self._source.snapshot.path.name,
            towards=None,
            made=self._made,
            products=self._table,
            documents=0,
            missing=[],
            features=self._features,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _changes(self) -> Changes:
        """Return the documents that come, and which go: those of all that changed that are not
        among them."""
        names = self._names
        source = self._source
        made = source.of_pictures if self._products is None else source.of_products

        def upserts() -> Iterator[pa.Table]:
            self._upserted.begin()
            return _counting(made(names), self._upserted, ids=True)

        def deletes() -> list[str]:
            every = document_ids(names).to_pylist()
            self._deleted = [one for one in every if one not in self._upserted.ids]
            return self._deleted

        return Changes(upserts, deletes)

    def _changed_names(self, plan: SyncPlan, synced: Synced) -> pa.Array:
        """Return the pictures, or the products, whose documents may have changed."""
        again = pa.array(synced.missing, pa.string())
        featured = self._source.featured_since(synced.features)
        pictures = pa.concat_arrays([plan.changed.cast(pa.string()), featured])
        if self._products is None:
            return pa.concat_arrays([pictures, again]).unique()
        found = [self._products.of(pictures).sku.drop_null(), again]
        # After a kill documents may be of another table than the engine's record says.
        if synced.products != self._table or synced.towards is not None:
            found.append(self._products.differing(self._engine.members()))
        return pa.concat_arrays(found).unique()


class _Counted:
    """The documents of a night, counted as they are taken."""

    def __init__(self, source: Source, tally: _Tally) -> None:
        self._source = source
        self._tally = tally

    def all(self, done: int = 0) -> Iterator[Iterator[pa.Table]]:
        """Yield the documents of each chunk in batches, from chunk number `done` on."""
        if done == 0:
            self._tally.begin()
        for chunk in self._source.all(done):
            yield _counting(chunk, self._tally, ids=False)


def _counting(batches: Iterator[pa.Table], tally: _Tally, *, ids: bool) -> Iterator[pa.Table]:
    for batch in batches:
        tally.documents += len(batch)
        if ids:
            tally.ids.update(batch["id"].to_pylist())
        yield batch
