"""What a night was asked to do, and what it works on: one object, handed from step to step."""

import math
import time
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Literal

import pyarrow as pa

from tagger.catalog import Walk
from tagger.digests import DigestKeys
from tagger.errors import StoreError
from tagger.index.catalog_plan import CatalogPlan
from tagger.index.columns import continued
from tagger.index.corrected_rows import Judge, labels_of_models
from tagger.index.corrections import InForce, LogPart
from tagger.index.features import FeatureStore
from tagger.index.plan_making import Rules
from tagger.index.previous import Previous, spoken_rows
from tagger.index.rows import labels_table, schema_of
from tagger.index.snapshots import Snapshot
from tagger.index.spill import Spill
from tagger.index.staging import Staging
from tagger.index.store import Index
from tagger.models.bundle import Bundle, Head
from tagger.models.predictor import Backend
from tagger.nightly.run import Run


@dataclass(frozen=True)
class TagOptions:
    """What `tagger tag` was asked to do; its help says what each means."""

    catalog: str
    model: str | None  # None: the starter that comes with the package
    index: str
    _: KW_ONLY
    backend: Backend = "auto"
    engine: Literal["local", "ray"] = "local"
    workers: int = 0  # 0: one per core
    decode_timeout: float = 60.0
    max_error_rate: float = 0.05
    max_delete_rate: float = 0.2
    force_model: bool = False
    replace_columns: bool = False
    retry_errors: bool = False
    full: bool = False
    features: bool = False
    backfill_limit: int | None = None
    exclude: Sequence[str] = ()
    include: Sequence[str] = ()
    same_catalog: bool = False
    max_seconds: float | None = None
    keep: int = 7
    metrics: str | None = None
    report: str | None = None
    sync: Sequence[str] = ()

    @property
    def rules(self) -> Rules:
        """What to read again though it looks the same."""
        return Rules(self.full, self.retry_errors, self.backfill_limit)

    def deadline(self) -> float:
        """Return when to stop, by `time.monotonic`, for a night that begins now."""
        return time.monotonic() + (math.inf if self.max_seconds is None else self.max_seconds)


@dataclass(frozen=True)
class Night:
    """A night: the index and what it held before, the catalog, the model, and how to go about it.

    Attributes
    ----------
    parent : Snapshot or None
        What readers see meanwhile; None on the first night.
    until : float
        When to stop, by `time.monotonic`.
    run : Run
        Where everything that happens is noted.
    spill : Spill
        Where what memory cannot hold lies meanwhile.
    """

    index: Index
    parent: Snapshot | None
    walk: Walk
    bundle: Bundle
    options: TagOptions
    until: float
    run: Run
    spill: Spill

    @property
    def root(self) -> str:
        """The absolute path of the catalog."""
        return self.walk.root

    @cached_property
    def staging(self) -> Staging:
        """Where finished rows lie until they are published."""
        return self.index.staging(self.bundle.model_id, full=self.options.full)

    @cached_property
    def features(self) -> FeatureStore:
        """What the model's trunk made of contents, kept or not."""
        return self.index.features(self.bundle.features_id, self.bundle.width)

    @cached_property
    def head(self) -> Head:
        """What turns features into logits."""
        return self.bundle.head()

    @cached_property
    def said(self) -> LogPart:
        """What persons have said, up to the moment of the first look.

        Raises
        ------
        StoreError
            If the log is damaged, or what the current rows follow is not in it any more.
        """
        log = self.index.corrections
        part = log.read()
        follows = self.parent.manifest.corrections if self.parent else None
        if follows and part.mark(follows.bytes) != follows:
            raise StoreError(
                f"{str(log.path)!r}: its beginning is not what the current night follows: lines "
                "were changed or are lost. What people said is not taken back in silence: restore "
                "the file from a backup. Without one, go back to a night that follows what is "
                "left ('tagger rollback'), or tag into a new folder with a copy of it"
            )
        return part

    @cached_property
    def judge(self) -> Judge:
        """Says whether a person or the model answers for a picture."""
        exclusive = [group.name for group in self.bundle.vocabulary.exclusive_groups]
        models = labels_of_models(self.parent.labels()) if self.parent else {}
        models |= labels_of_models(labels_table(self.bundle))
        words = InForce(self.said.corrections, exclusive)
        return Judge(words, models, self.bundle.model_id, exclusive)

    @cached_property
    def heard(self) -> bool:
        """Whether the rows of the parent have all that persons said, as tonight's model has it."""
        if self.parent is None:
            return False
        before = self.parent.manifest
        return (before.corrections, before.model_id) == (self.said.mark(), self.bundle.model_id)

    @cached_property
    def spoken(self) -> frozenset[int]:
        """The buckets whose rows persons' answers may change, though nothing else does."""
        if self.parent is None or self.heard:
            return frozenset()
        return frozenset(
            part.bucket
            for part in self.parent.manifest.parts
            if self.judge.concerned(spoken_rows(self.parent, part)).any()
        )

    @cached_property
    def fresh_schema(self) -> pa.Schema:
        """The columns of the rows that this version makes."""
        return schema_of(self.bundle.vocabulary)

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns of the next snapshot: those, and what a later version has added."""
        return continued(self.fresh_schema, self.parent.schema() if self.parent else None)


@dataclass(frozen=True)
class Agenda:
    """What a night has to do, and what it can rest on.

    Attributes
    ----------
    previous : Previous
        The rows before.
    known : uint64 (n, 2)
        Contents whose scores need not be computed.
    """

    previous: Previous
    known: DigestKeys
    plan: CatalogPlan
