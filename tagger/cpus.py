"""How many processors this process may use."""

import math
import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cpus() -> int:
    """Return how many processors this process may keep busy: its affinity, and its container's
    quota, rounded up."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        allowed = os.cpu_count() or 1
    return max(1, math.ceil(min(allowed, _quota())))


def _quota() -> float:
    try:
        limit, period = _QUOTA.read_text().split()
        return int(limit) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no cgroup, or no limit in it ("max")
        return math.inf
