"""The scores of contents that were known before they were read, from rows of the same bytes."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tagger.errors import StoreError
from tagger.index.buckets import Numbers
from tagger.index.merge import Donors, as_donors, one_of_each, without
from tagger.index.staging import UNSETTLED_COLUMN, is_pointer, may_hold, read_unit
from tagger.nightly.context import Agenda, Night
from tagger.nightly.units import StagedUnit

_NOTHING = pa.array([], pa.large_string())


class KnownScores:
    """The scores that staged rows of known contents wait for.

    Of up to `Spill.held` rows that wait, as many as were touched or moved, they are found at once.
    Of more, such as those of a large catalog that lies in another folder now, they are found anew
    for the buckets of each partition: that takes a look at every content of the index each time.

    Parameters
    ----------
    units : sequence of Path
        What this run has staged.
    """

    def __init__(self, night: Night, agenda: Agenda, units: Sequence[Path]) -> None:
        self._night = night
        self._agenda = agenda
        self._files = [*units, *agenda.plan.files]
        self._waiting = {path: n for path in self._files if (n := len(_waiting(path)))}
        self._all: Donors | None = None

    def of(self, buckets: Numbers) -> Donors:
        """Return the scores that rows of these buckets wait for, and perhaps of others."""
        if sum(self._waiting.values()) > self._night.spill.held:
            total = self._agenda.plan.buckets
            return self._found(path for path in self._waiting if may_hold(path, buckets, total))
        if self._all is None:
            self._all = self._found(self._waiting)
        return self._all

    def _found(self, waiting: Iterable[Path]) -> Donors:
        """Return the scores that rows in these files wait for: of staged rows, or of the index."""
        digests = [_NOTHING, *map(_waiting, waiting)]
        wanted = pc.unique(pa.concat_arrays(digests))
        schema = self._night.fresh_schema
        found = [schema.empty_table()]
        for path in self._files:
            if not len(wanted):
                break
            if (rows := _scored(path, wanted)) is not None:
                found.append(one_of_each(rows).drop_columns(UNSETTLED_COLUMN).cast(schema))
                wanted = without(wanted, rows["content_sha256"])
        if not self._night.options.full:
            found.append(self._agenda.previous.donors(wanted, schema))
        return as_donors(pa.concat_tables(found))


def read_staged(unit: StagedUnit) -> pa.Table:
    """Return the rows of a unit.

    Raises
    ------
    StoreError
        If it is missing or damaged.
    """
    rows = read_unit(unit.path)
    if rows is None:
        raise StoreError(
            f"{str(unit.path)!r} was there a moment ago and cannot be read; is anyone else writing?"
        )
    return rows if unit.rows is None else rows.take(pa.array(unit.rows))


def _waiting(path: Path) -> pa.Array:
    """Return the contents of rows that wait for scores, large_string."""
    rows = read_unit(path, ["status", "model_id", "content_sha256"])
    if rows is None:
        return _NOTHING
    return rows.filter(is_pointer(rows))["content_sha256"].cast(pa.large_string()).combine_chunks()


def _scored(path: Path, wanted: pa.Array) -> pa.Table | None:
    """Return the rows of a unit that have scores of these contents; None if there is none."""
    keys = read_unit(path, ["model_id", "content_sha256"])
    if keys is None:
        return None
    here = pc.is_in(keys["content_sha256"].cast(pa.large_string()), value_set=wanted)
    here = pc.and_(here, pc.is_valid(keys["model_id"]))
    rows = read_unit(path) if pc.any(here).as_py() else None
    return None if rows is None else rows.filter(here)
