"""Each answer's share over the nights, from the records of runs: they stay when snapshots go."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from schemas.report import MovedShare
from schemas.runs import AnswerCounts, RunRecord
from tagger.index.answer_counts import Key
from tagger.report.alarms import STEPS, WINDOWS, Nights, moved, nights_in_a_row
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


def counted_nights(newest_first: Iterable[RunRecord], snapshot: str) -> list[CountedNight]:
    """Return the published nights up to a snapshot, the oldest first."""
    found: list[CountedNight] = []
    for record in newest_first:
        published = record.state == "published" and record.run_id <= snapshot
        if not published or moment(record.started_at) is None:
            continue
        found.append(
            CountedNight(record.run_id, record.started_at, record.model_id or "", record.answers)
        )
        if len(found) == LOOKED_AT:
            break
    return found[::-1]


def moved_shares(nights: Sequence[CountedNight]) -> list[MovedShare]:
    """Return the labels whose share moved in the last of these nights, the farthest first."""
    known = [night for night in nights if night.counts is not None]
    if not known or known[-1] is not nights[-1]:
        return []
    tables = [_by_key(night) for night in known]
    keys = list(tables[-1])
    # A label that a new model brought is held against the nights that had it.
    since = np.array([_since(tables, key) for key in keys])
    found: list[MovedShare] = []
    for first in np.unique(since).tolist():
        mine = [key for key, start in zip(keys, since, strict=True) if start == first]
        found += _moved(known[first:], tables[first:], mine, labels=len(keys))
    return sorted(found, key=lambda each: abs(each.now - each.usual), reverse=True)


def _moved(
    nights: Sequence[CountedNight],
    tables: Sequence[dict[Key, tuple[int, int]]],
    keys: Sequence[Key],
    labels: int,
) -> list[MovedShare]:
    counted = np.array([[table[key] for key in keys] for table in tables], np.int64)  # (T, k, 2)
    totals = np.array([(n.counts.rows, n.counts.arrived) for n in nights if n.counts], np.int64)
    models = list(dict.fromkeys(night.model_id for night in nights))
    series = Nights(
        rows=counted[:, :, 0],
        arrived=counted[:, :, 1],
        all_rows=totals[:, 0],
        all_arrived=totals[:, 1],
        models=np.array([models.index(night.model_id) for night in nights]),
    )
    last = moved(series, labels)
    if not last.alarm.any():
        return []
    in_a_row = nights_in_a_row(series, labels)
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


def _by_key(night: CountedNight) -> dict[Key, tuple[int, int]]:
    answers = night.counts.answers if night.counts else []
    return {(each.group, each.label): (each.rows, each.arrived) for each in answers}


def _since(tables: Sequence[dict[Key, tuple[int, int]]], key: Key) -> int:
    """Return the first of the nights from which on every one knows a label."""
    unknown = [at for at, table in enumerate(tables) if key not in table]
    return unknown[-1] + 1 if unknown else 0
