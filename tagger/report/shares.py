"""Each answer's share over the nights, from the records of runs: they stay when snapshots go."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from schemas.report import MovedShare
from schemas.runs import AnswerCounts, RunRecord
from tagger.arrays import Int64Array
from tagger.index.answer_counts import Key
from tagger.report.alarms import STEPS, WINDOWS, Moved, Nights, moved, nights_in_a_row
from tagger.report.moments import moment

LOOKED_AT = 90
"""Published nights that are read: enough for what a night is held against, and for a plot."""


class CountedNight(NamedTuple):
    """A published night whose answers were counted, or were not.

    Attributes
    ----------
    run_id : str
    at : str
        When it started, ISO 8601.
    model_id : str
    counts : AnswerCounts or None
        None if an earlier version published it: a gap.
    """

    run_id: str
    at: str
    model_id: str
    counts: AnswerCounts | None

    def share(self, key: Key, *, arrived: bool = False) -> float | None:
        """Return the share of an answer of all rows that are ok, or of those that arrived; None
        where it is not known."""
        counts = self.counts
        of = 0 if counts is None else counts.arrived if arrived else counts.rows
        if counts is None or not of:
            return None
        mine = (each for each in counts.answers if (each.group, each.label) == key)
        found = next(mine, None)
        return None if found is None else (found.arrived if arrived else found.rows) / of


class Shares(NamedTuple):
    """Whose shares moved in a night.

    Attributes
    ----------
    moved : list of MovedShare
        The farthest first.
    nights : int
        Of how many nights it is known what they answered.
    answers, stayed, arrived : int
        How many answers the night counts; of how many of them enough is known to ask about the
        pictures that stayed, and about those that came.
    """

    moved: list[MovedShare]
    nights: int = 0
    answers: int = 0
    stayed: int = 0
    arrived: int = 0


def counted_nights(newest_first: Iterable[RunRecord], snapshot: str) -> list[CountedNight]:
    """Return the published nights that led to a snapshot, the oldest first.

    Each was made of the one before it: nights that somebody went back from are left out.
    """
    found: list[CountedNight] = []
    wanted: str | None = snapshot
    for record in newest_first:
        if wanted is not None and record.run_id > wanted:
            continue
        if record.state == "rolled_back":
            wanted = record.snapshot
        elif record.state == "published":
            wanted = None
            if moment(record.started_at) is not None:
                found.append(_night(record))
        if len(found) == LOOKED_AT:
            break
    return found[::-1]


def _night(record: RunRecord) -> CountedNight:
    return CountedNight(record.run_id, record.started_at, record.model_id or "", record.answers)


def moved_shares(nights: Sequence[CountedNight]) -> Shares:
    """Return the labels whose share moved in the last of these nights."""
    known = [night for night in nights if night.counts is not None]
    if not known or known[-1] is not nights[-1]:
        return Shares([], len(known))
    tables = [_by_key(night) for night in known]
    keys = list(tables[-1])
    # A label that a new model brought is held against the nights that had it.
    since = np.array([_since(tables, key) for key in keys])
    found: list[MovedShare] = []
    asked = np.zeros(2, np.int64)
    for first in np.unique(since).tolist():
        mine = [key for key, start in zip(keys, since, strict=True) if start == first]
        series = _series(known[first:], tables[first:], mine)
        last = moved(series, len(keys))
        asked += [known_of.any(axis=0).sum() for known_of in np.split(last.asked, [len(STEPS)])]
        if last.alarm.any():
            found += _named(last, nights_in_a_row(series, len(keys)), mine)
    found.sort(key=lambda each: abs(each.now - each.usual), reverse=True)
    return Shares(found, len(known), len(keys), *asked.tolist())


def _series(
    nights: Sequence[CountedNight],
    tables: Sequence[dict[Key, tuple[int, int, int]]],
    keys: Sequence[Key],
) -> Nights:
    """Return what nights counted of some answers."""
    counted = np.array([[table[key] for key in keys] for table in tables], np.int64)  # (T, k, 3)
    totals = np.array(
        [(n.counts.rows, n.counts.arrived, n.counts.gone or 0) for n in nights if n.counts],
        np.int64,
    )
    models = list(dict.fromkeys(night.model_id for night in nights))
    # Where records are missing in between, more may have gone than the night before these had.
    counted[1:, :, 2] = np.minimum(counted[1:, :, 2], counted[:-1, :, 0])
    totals[1:, 2] = np.minimum(totals[1:, 2], totals[:-1, 0])
    return Nights(
        rows=counted[:, :, 0],
        arrived=counted[:, :, 1],
        gone=counted[:, :, 2],
        all_rows=totals[:, 0],
        all_arrived=totals[:, 1],
        all_gone=totals[:, 2],
        models=np.array([models.index(night.model_id) for night in nights]),
    )


def _named(last: Moved, in_a_row: Int64Array, keys: Sequence[Key]) -> list[MovedShare]:
    """Return the alarms of some answers."""
    found = []
    for place in np.flatnonzero(last.alarm.any(axis=0)).tolist():
        question = int(last.alarm[:, place].argmax())
        found.append(
            MovedShare(
                group=keys[place][0],
                label=keys[place][1],
                of="stayed" if question < len(STEPS) else "arrived",
                nights=(*STEPS, *WINDOWS)[question],
                usual=round(float(last.usual[question, place]), 6),
                now=round(float(last.now[question, place]), 6),
                in_a_row=int(in_a_row[place]),
            )
        )
    return found


def _by_key(night: CountedNight) -> dict[Key, tuple[int, int, int]]:
    answers = night.counts.answers if night.counts else []
    return {(each.group, each.label): (each.rows, each.arrived, each.gone) for each in answers}


def _since(tables: Sequence[dict[Key, tuple[int, int, int]]], key: Key) -> int:
    """Return the first of the nights from which on every one knows a label."""
    unknown = [at for at, table in enumerate(tables) if key not in table]
    return unknown[-1] + 1 if unknown else 0
