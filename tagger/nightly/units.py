"""Units of work: pictures of one bucket that are scored and staged together."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from tagger.arrays import Int64Array
from tagger.digests import DigestKeys
from tagger.index.catalog_plan import CatalogPlan
from tagger.index.features import FeatureStore
from tagger.index.staging import Staging
from tagger.models.bundle import Bundle
from tagger.models.predictor import Backend


@dataclass(frozen=True)
class Scoring:
    """How to score.

    Attributes
    ----------
    until : float
        When to stop, by `time.monotonic`.
    features : FeatureStore or None
        Where to keep what the trunk makes of each content.
    """

    backend: Backend
    workers: int
    decode_timeout: float
    max_error_rate: float
    until: float
    features: FeatureStore | None = None

    @property
    def width(self) -> int:
        """How many features a picture are kept."""
        return self.features.width if self.features else 0


@dataclass(frozen=True)
class Work:
    """How pictures are read and scored, by which model, and where the rows go.

    Attributes
    ----------
    root : str
        The absolute path of the catalog.
    buckets : int
        How many the index has tonight.
    known : uint64 (n, 2)
        Contents whose scores need not be computed.
    """

    bundle: Bundle
    root: str
    staging: Staging
    buckets: int
    known: DigestKeys
    how: Scoring


class Unit(NamedTuple):
    """Pictures of one bucket, as `tagger.index.plan.UNIT_PICTURES`; `number` is the unit's own in a
    run."""

    number: int
    bucket: int
    pictures: pa.Table

    @property
    def ids(self) -> list[str]:
        """The image_ids."""
        ids: list[str] = self.pictures["image_id"].to_pylist()
        return ids


def units_of(plan: CatalogPlan, most: float = math.inf) -> Iterator[Unit]:
    """Yield what is to be read, partition by partition, in units of at most `most` pictures."""
    units = (unit for part in plan for unit in part.units(most))
    for number, (bucket, pictures) in enumerate(units):
        yield Unit(number, bucket, pictures)


class StagedUnit(NamedTuple):
    """A staged file, and the rows of it that belong to one bucket (None: all)."""

    bucket: int
    path: Path
    rows: Int64Array | None
