"""`tagger status`: one line for a monitor: is last night's index there, and was the night good?"""

import os
import re
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from schemas.nightly import StatusReport
from schemas.runs import RunRecord
from tagger.errors import InputError, StoreError
from tagger.index.runs import without_the_locked_out
from tagger.index.snapshots import current_name
from tagger.index.store import existing_index
from tagger.nightly.current_night import (
    CurrentNight,
    clock,
    current_night,
    span,
)
from tagger.processes import is_alive

NOT_GOOD = 8
"""The exit code where readers see no night that is good and young enough."""

_GOOD = ("published", "unchanged", "rolled_back")
_LOOKED_AT = 200
_AHEAD = 300.0
"""Seconds by which clocks of two machines may differ."""

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def status(index: str, max_age: float, *, now: datetime | None = None) -> StatusReport:
    """Return how an index stands, which may be `max_age` seconds old.

    Raises
    ------
    StoreError
        If there is no such index.
    """
    now = now or datetime.now(UTC)
    found = existing_index(index)
    records = list(islice(without_the_locked_out(found.runs.newest_first()), _LOOKED_AT))
    running = next((one for one in records if one.state == "running" and _works(one)), None)
    last = next((one for one in records if one is not running), None)
    try:
        night = current_night(found, records)
        fault = None if night else _no_night(last, running, now)
    except StoreError as error:
        night, fault = None, f"the current night cannot be read: {error}"
    if night is not None:
        fault = _fault(night, last, max_age, now, working=running is not None)
    age = (now - night.began).total_seconds() if night else None
    return StatusReport(
        index=index,
        good=fault is None,
        line=_line(night, fault, running if night else None, now),
        exit_code=0 if fault is None else NOT_GOOD,
        snapshot=current_name(found.path),
        night=night.began.isoformat(timespec="seconds") if night else None,
        age_seconds=round(age, 1) if age is not None else None,
        max_age_seconds=max_age,
        rows=night.manifest.rows if night else None,
        failed=night.failed if night else None,
        last_run=last,
        running=running,
    )


def seconds_of(text: str) -> float:
    """Return a length of time in seconds: `26h`, `90m`, `2d`, `45s`, `1.5h`.

    Raises
    ------
    InputError
        If it is none, or nothing.
    """
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhd])", text.strip())
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not seconds:
        raise InputError(
            f"--max-age {text!r} is no length of time; write hours, minutes or days, such as 26h, "
            "90m or 2d"
        )
    return seconds


def _fault(
    night: CurrentNight, last: RunRecord | None, max_age: float, now: datetime, *, working: bool
) -> str | None:
    """Return what is wrong with a night, or None; `working` says whether another is being made."""
    age = (now - night.began).total_seconds()
    if age < -_AHEAD:
        return (
            f"the current night lies {span(-age)} ahead of this machine's clock, which is wrong "
            "now, or was then: compare 'date' with a watch"
        )
    # Killed after its snapshot became current, before its record said so: that one published.
    good = last is None or last.state in _GOOD or last.run_id == night.manifest.snapshot
    ended = None if last is None or good else _ended(last, now)
    if age > max_age:
        since = "" if working else ", and no run has begun since: look at cron"
        return f"too old (limit {_limit(max_age)}){f'; {ended}' if ended else since}"
    return ended


def _no_night(last: RunRecord | None, running: RunRecord | None, now: datetime) -> str:
    if last is not None:
        return f"no night was ever published; {_ended(last, now)}"
    if running is not None:
        return f"no night was ever published; {_going_on(running, now, 'the first run')}"
    return "no night was ever published, and no run has ever ended"


def _ended(record: RunRecord, now: datetime) -> str:
    """Return in words how a run ended that did not publish."""
    begun = f"the last run, of {clock(datetime.fromisoformat(record.started_at), now)},"
    if record.state in ("running", "killed") and record.exit_code is None:
        return f"{begun} ended without a word (killed, out of memory, or no power)"
    reason = " ".join((record.message or "").split(";")[0].split())
    return f"{begun} was {record.state} (exit code {record.exit_code}): {reason}"


def _going_on(record: RunRecord, now: datetime, what: str = "a run") -> str:
    began = datetime.fromisoformat(record.started_at)
    return f"{what} works since {clock(began, now)} ({span((now - began).total_seconds())})"


def _line(
    night: CurrentNight | None, fault: str | None, running: RunRecord | None, now: datetime
) -> str:
    """Return the line that the command prints; the word before the colon is what monitors show."""
    clauses = [fault] if fault else []
    if night is not None:
        clauses.append(_told(night, now))
    if running is not None:
        clauses.append(_going_on(running, now))
    return f"{'CRITICAL' if fault else 'OK'}: {'; '.join(clauses)}"


def _told(night: CurrentNight, now: datetime) -> str:
    """Return the night in words."""
    age = (now - night.began).total_seconds()
    rows = night.manifest.rows
    share = night.failed / rows if rows else 0.0
    back = f", rolled back to at {clock(night.rolled_back, now)}" if night.rolled_back else ""
    ago = f", {span(age)} ago" if age >= 0 else ""
    return (
        f"night of {clock(night.began, now)}{ago}{back}, {rows:,} rows, {night.failed:,} failed "
        f"({100 * share:.1f} %)"
    )


def _limit(seconds: float) -> str:
    """Return the limit as one would give it."""
    unit = next((name for name in "dhm" if seconds % _UNITS[name] == 0), "s")
    if unit == "d" and seconds < 4 * _UNITS["d"]:
        unit = "h"
    return f"{seconds / _UNITS[unit]:g}{unit}"


def _works(record: RunRecord) -> bool:
    """Return whether a run that has not ended is still at work.

    The lock would say so too, but taking it, if only for a moment, could turn away a night. A
    machine that is not this one cannot be asked.
    """
    if record.host != socket.gethostname():
        return True
    return is_alive(record.process) and _has_arguments(record.process, record.command[1:])


def _has_arguments(process: int, arguments: Sequence[str]) -> bool:
    """Return whether a process was started with these, where that can be told: numbers of processes
    are used again."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return True
    wanted = [os.fsencode(argument) for argument in arguments]
    return words[len(words) - len(wanted) :] == wanted
