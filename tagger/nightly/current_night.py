"""The night that readers see, and since when it is so: what a monitor watches."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from schemas.index import Manifest
from schemas.runs import Counts, RunRecord
from tagger.index.store import Index

_SETTLED = ("published", "unchanged", "rolled_back")


class CurrentNight(NamedTuple):
    """What readers see.

    Attributes
    ----------
    began : datetime
        When the run began that last made its rows equal to the catalog, or found that they are:
        they are as the catalog was then. After a rollback, when the run began that made them.
    rolled_back : datetime or None
        When somebody went back to it, if that came last.
    counts : Counts
        What the run of `began` did.
    """

    manifest: Manifest
    began: datetime
    rolled_back: datetime | None
    counts: Counts

    @property
    def failed(self) -> int:
        """Rows that are not ok."""
        return self.manifest.rows - self.manifest.statuses.get("ok", 0)


def current_night(index: Index, records: Iterable[RunRecord]) -> CurrentNight | None:
    """Return the night that readers see, or None before the first; `records` are newest first.

    Raises
    ------
    StoreError
        If it cannot be read.
    """
    snapshot = index.current()
    if snapshot is None:
        return None
    manifest = snapshot.manifest
    last = next((record for record in records if record.state in _SETTLED), None)
    if last is None or last.snapshot != manifest.snapshot:  # of a restored index, say
        return CurrentNight(manifest, began_at(manifest.snapshot), None, manifest.counts)
    if last.state == "rolled_back":
        back = datetime.fromisoformat(last.started_at)
        return CurrentNight(manifest, began_at(manifest.snapshot), back, manifest.counts)
    began = datetime.fromisoformat(last.started_at)
    return CurrentNight(manifest, began, None, last.counts or manifest.counts)


def began_at(run_id: str) -> datetime:
    """Return when a run began, by its id."""
    return datetime.strptime(run_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def clock(moment: datetime, now: datetime) -> str:
    """Return a moment by the clock on the wall, with its date if that is not the last day's.

    Examples
    --------
    In Greenwich, `03:15` or `2026-11-23 03:15`.
    """
    near = abs(now - moment) < timedelta(hours=24)
    return f"{moment.astimezone():{'%H:%M' if near else '%Y-%m-%d %H:%M'}}"


def span(seconds: float) -> str:
    """Return a length of time in the largest unit that there are two of.

    Examples
    --------
    >>> span(6.5 * 3600), span(50), span(100)
    ('6 h', '50 s', '100 s')
    """
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds // unit:,.0f} {name}"
    return f"{seconds:.0f} s"
