"""Whether a night was good, in a sentence, and what there is to look at."""

from datetime import datetime, timedelta
from typing import NamedTuple

from schemas.index import Manifest
from schemas.report import MovedShare
from schemas.runs import AnswerCounts, Counts, RunRecord, UnlikeRows
from tagger.evaluation.figures import percent
from tagger.index.unlike import mostly_unlike
from tagger.report.alarms import LEAST_HISTORY, LONGEST, WINDOWS
from tagger.report.moments import moment, when
from tagger.report.shares import Shares

OVERDUE = timedelta(hours=36)
"""Without a run for so long, one is missing: nights are a day apart."""
_MANY = 20
_MANY_SHARE = 0.01
"""Failures of a night that are worth a look, though they refused nothing: so many, and this share
of the pictures tried. Pictures that had failed before and fail again count in neither."""


NEEDED = LEAST_HISTORY + 2
"""Published nights below which no share can alarm: the first steps from nothing."""


class Ran(NamedTuple):
    """What is recorded of runs.

    Attributes
    ----------
    newest : RunRecord or None
        The newest that has ended.
    ahead : RunRecord or None
        One that started in the future, by its record.
    back : bool
        Whether somebody went back to the night that readers see.
    """

    newest: RunRecord | None
    ahead: RunRecord | None = None
    back: bool = False


class Verdict(NamedTuple):
    """What to think of a night.

    Attributes
    ----------
    good : bool
    sentence : str
        The headline.
    concerns : list of str
        What there is to look at, the gravest first.
    """

    good: bool
    sentence: str
    concerns: list[str]


def verdict(
    ran: Ran, night: Manifest, shares: Shares, counts: AnswerCounts, now: datetime
) -> Verdict:
    """Return what to think of the newest run, and of the night that readers see.

    Parameters
    ----------
    ran : Ran
    shares : Shares
    counts : AnswerCounts
        Of the night's rows.
    now : datetime
        With a time zone.
    """
    run = ran.newest
    concerns = [*_of_the_run(ran, night, now), *map(moved_words, shares.moved), *_failures(run)]
    concerns += mostly_unlike(_unlike(run, night, counts))
    if concerns:
        more = f" And {len(concerns) - 1} more." if len(concerns) > 1 else ""
        return Verdict(False, f"Look at this: {_sentence(concerns[0])}{more}", concerns)
    return Verdict(True, f"Last night was good: {_good(run, night, shares)}", [])


def _unlike(run: RunRecord | None, night: Manifest, counts: AnswerCounts) -> UnlikeRows | None:
    """Return how many of the rows that readers see are unlike; their run knows which ones came."""
    if run is None or run.answers is None or run.snapshot != night.snapshot:
        return counts.unlike
    return run.answers.unlike


def moved_words(moved: MovedShare) -> str:
    """Return a moved share as a sentence."""
    name = f"{moved.label} ({moved.group})" if moved.label else f"no answer for {moved.group}"
    if moved.of == "stayed":
        what = (
            f"{name} went from {percent(moved.usual)} to {percent(moved.now)} of the pictures that "
            + ("were there before" if moved.nights == 1 else f"stayed, in {moved.nights} nights")
        )
    else:
        what = (
            f"{name} is {percent(moved.now)} of the pictures that came in the last {moved.nights} "
            f"nights, where {percent(moved.usual)} is usual"
        )
    more = " or more" if moved.in_a_row >= LONGEST else ""
    since = f" (for {moved.in_a_row}{more} nights now)" if moved.in_a_row > 1 else ""
    return what + since


def _of_the_run(ran: Ran, night: Manifest, now: datetime) -> list[str]:
    run = ran.newest
    if run is None:
        return []
    found = _ahead(ran.ahead, now)
    started = moment(run.started_at)
    ago = timedelta() if started is None else now - started
    if ago > OVERDUE:
        days = ago / timedelta(days=1)
        found.append(
            f"the last run started {days:.1f} days ago, at {when(run.started_at)}; did cron or the "
            "timer start one since?"
        )
    if run.state not in ("published", "unchanged"):
        found.append(
            f"the run of {when(run.started_at)} was {run.state} and published nothing, readers see "
            f"the night of {when(night.created_at)}. {run.message or ''}".rstrip()
        )
    elif run.snapshot != night.snapshot and run is not ran.ahead:
        why = (
            "somebody went back to it with 'tagger rollback'"
            if ran.back
            else "no 'tagger rollback' is recorded, so a clock was put back in between, or the "
            "record is lost. The next night that publishes is the newest again"
        )
        found.append(
            f"readers see the night of {when(night.created_at)}, not that of the newest run, "
            f"{when(run.started_at)}: {why}"
        )
    return found


def _ahead(run: RunRecord | None, now: datetime) -> list[str]:
    started = None if run is None else moment(run.started_at)
    if run is None or started is None:
        return []
    hours = (started - now) / timedelta(hours=1)
    return [
        f"a run is recorded that started at {when(run.started_at)}, {hours:.1f} hours from now: "
        f"the clock of {run.host} ran ahead then, or this one is behind. Put it right; until that "
        "time 'tagger runs' takes later runs for older ones"
    ]


def _failures(run: RunRecord | None) -> list[str]:
    if run is None or run.counts is None:
        return []
    failed = run.counts.failed_now - run.counts.failed_again
    tried = run.counts.tried - run.counts.failed_again
    if failed < _MANY or failed < _MANY_SHARE * tried:
        return []
    return [failures_words(run)]


def failures_words(run: RunRecord) -> str:
    """Return of how many pictures tried how many could not be read; old failures apart."""
    counts = run.counts or Counts()
    again = counts.failed_again
    # Records of earlier versions do not say how many were tried, nor whose fault it was.
    failed = counts.failed_now - again
    tried = counts.tried - again
    of = f" of the {tried:,} pictures tried" if counts.tried else ""
    words = f"{failed:,}{of} could not be read" if failed or tried else "none failed anew"
    by_machine = counts.failed_now - sum(run.failed_by_status.values())
    if by_machine and counts.tried:
        words += f", {by_machine:,} of them because the disk, the share or the machine failed"
    if again:
        words += f"; besides, {again:,} that had failed before were tried again and failed again"
    return words


def _good(run: RunRecord | None, night: Manifest, shares: Shares) -> str:
    pictures = f"{night.rows:,} pictures"
    if run is not None and run.counts is not None:
        counts = run.counts
        pictures += f", {counts.new:,} new, {counts.changed:,} changed, {counts.deleted:,} gone"
        pictures += f"; {failures_words(run)}"
    return f"{pictures}. {still_words(shares)}."


def still_words(shares: Shares) -> str:
    """Return of which pictures no share moved, and of which that is not known."""
    still = "no share moved by more than nights vary"
    if not shares.answers:
        return "Whether shares moved is not known for this night: its answers were not counted"
    if not shares.stayed and not shares.arrived:
        why = f"that takes {NEEDED} published nights, and {shares.nights} are known"
        why = why if shares.nights < NEEDED else "its answers were not there long enough"
        return f"Whether shares moved is not known for this night: {why}"
    if not shares.arrived:
        return (
            f"Of the pictures that stayed, {still}; of those that came that is not known yet: it "
            f"takes {LEAST_HISTORY + WINDOWS[0]} nights in which some came, besides the first"
        )
    if not shares.stayed:
        return f"Of the pictures that came, {still}; of those that stayed that is not known"
    unknown = shares.answers - min(shares.stayed, shares.arrived)
    apart = f"; of {unknown} of {shares.answers} answers that is not known yet" if unknown else ""
    return still.capitalize() + apart


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."
