"""Some of the long tests, drawn by the date: how long each took is kept in long_durations.json."""

import json
import random
from collections.abc import Iterable
from datetime import date
from pathlib import Path

DURATIONS = Path(__file__).with_name("long_durations.json")


def draw(names: Iterable[str], seconds: dict[str, float], limit: float, day: date) -> list[str]:
    """Return names whose recorded seconds add up to at most `limit`, others on another day.

    What has no record, or takes longer than the limit alone, is never drawn.
    """
    order = sorted(name for name in names if name in seconds)
    random.Random(day.toordinal()).shuffle(order)
    drawn, total = [], 0.0
    for name in order:
        if total + seconds[name] <= limit:
            drawn.append(name)
            total += seconds[name]
    return drawn


def recorded() -> dict[str, float]:
    """Return how many seconds each long test took when all of them were last run."""
    durations: dict[str, float] = json.loads(DURATIONS.read_text())
    return durations


def record(took: dict[str, float]) -> None:
    """Keep how long these tests took, beside those that did not run now."""
    durations = (recorded() if DURATIONS.exists() else {}) | {
        name: round(seconds, 1) for name, seconds in took.items()
    }
    DURATIONS.write_text(json.dumps(dict(sorted(durations.items())), indent=1) + "\n")
