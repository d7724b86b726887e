"""The plan of a whole catalog: counts, and what is to be done with each picture, by partition.

A small catalog has one partition, and lies in memory. The partitions of a large one lie in files,
and are read as they are needed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec import structs

from schemas.runs import PlanCounts
from tagger.arrays import Int64Array
from tagger.index.arrow_files import ArrowWriter, read_table
from tagger.index.buckets import Partitions
from tagger.index.plan import Plan
from tagger.index.spill import Spill


class _Stored(NamedTuple):
    """A plan in a file."""

    path: Path
    counts: PlanCounts

    def read(self) -> Plan:
        return Plan.of(read_table(self.path), self.counts)


@dataclass(frozen=True)
class CatalogPlan:
    """What is to be done with all pictures.

    Attributes
    ----------
    partitions : Partitions
    counts : PlanCounts
    carried, fresh : int64 (buckets,)
        How many pictures of each bucket keep their row, and how many get another one.
    files : list of Path
        The staged files, by number.
    """

    partitions: Partitions
    counts: PlanCounts
    carried: Int64Array
    fresh: Int64Array
    files: list[Path]
    _plans: list[Plan | _Stored]
    _to_read: frozenset[int] = field(default=frozenset())

    @property
    def buckets(self) -> int:
        """How many buckets the index has tonight."""
        return self.partitions.buckets

    def __iter__(self) -> Iterator[Plan]:
        """Yield the plan of each partition."""
        return map(self.of, range(len(self._plans)))

    def of(self, partition: int) -> Plan:
        """Return the plan of one partition."""
        plan = self._plans[partition]
        if isinstance(plan, _Stored):
            plan = plan.read()
        if self._to_read:
            read = np.isin(plan.bucket, list(self._to_read))
            plan = plan.taking(plan.from_features & ~read)
        return plan

    def reading(self, buckets: Iterable[int], pictures: int) -> "CatalogPlan":
        """Return the plan with these buckets' pictures, so many, read and not taken from
        features."""
        counts = structs.replace(
            self.counts,
            from_features=self.counts.from_features - pictures,
            to_read=self.counts.to_read + pictures,
        )
        return replace(self, counts=counts, _to_read=self._to_read | set(buckets))


def together(
    plans: Iterable[Plan], partitions: Partitions, files: list[Path], spill: Spill
) -> CatalogPlan:
    """Return the plan of a catalog, of those of its partitions; several are kept in files.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    counts = PlanCounts(**dict.fromkeys(PlanCounts.__struct_fields__, 0))
    carried, fresh = np.zeros((2, partitions.buckets), np.int64)
    kept: list[Plan | _Stored] = []
    for plan in plans:
        counts = _sum(counts, plan.counts)
        carried += np.bincount(plan.bucket[plan.carried], minlength=partitions.buckets)
        fresh += np.bincount(plan.bucket[~plan.carried], minlength=partitions.buckets)
        kept.append(plan if len(partitions) == 1 else _stored(plan, len(kept), spill))
    return CatalogPlan(partitions, counts, carried, fresh, files, kept)


def _stored(plan: Plan, number: int, spill: Spill) -> _Stored:
    path = spill.path(f"plan-{number}.arrow")
    table = plan.table()
    with ArrowWriter(path, table.schema) as writer:
        writer.write(table)
    return _Stored(path, plan.counts)


def _sum(a: PlanCounts, b: PlanCounts) -> PlanCounts:
    names = PlanCounts.__struct_fields__
    return PlanCounts(**{name: getattr(a, name) + getattr(b, name) for name in names})
