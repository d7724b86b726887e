"""Units of work: pictures of one bucket that are scored and staged together."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tagger.arrays import Int64Array
from tagger.digests import DigestKeys
from tagger.index.features import FeatureStore
from tagger.index.plan import Plan
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
    """What is to be read and scored, by which model, and where the rows go.

    Attributes
    ----------
    root : str
        The absolute path of the catalog.
    known : uint64 (n, 2)
        Contents whose scores need not be computed.
    """

    plan: Plan
    bundle: Bundle
    root: str
    staging: Staging
    known: DigestKeys
    how: Scoring

    def units(self, most: float = math.inf) -> list["Unit"]:
        """Return what is to be read, in units of at most `most` pictures."""
        units = enumerate(self.plan.units(most))
        return [Unit(number, bucket, places) for number, (bucket, places) in units]


class Unit(NamedTuple):
    """The positions of some pictures in the listing; `number` is the unit's own in a run."""

    number: int
    bucket: int
    places: Int64Array


class StagedUnit(NamedTuple):
    """A staged file, and the rows of it that belong to one bucket (None: all)."""

    bucket: int
    path: Path
    rows: Int64Array | None
