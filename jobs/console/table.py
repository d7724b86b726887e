"""Tables, sizes, ages and strangers' words as a terminal shows them."""

from collections.abc import Collection, Sequence
from datetime import datetime

_STEPS = (("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12))
_SPANS = (("minute", 60), ("hour", 3_600), ("day", 86_400))


def table(lines: Sequence[Sequence[str]], numbers: Collection[int]) -> list[str]:
    """Return lines of cells, aligned; the columns `numbers` flush right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if i in numbers else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def plain(text: str) -> str:
    """Return text so that a terminal shows it, whatever it is, and obeys none of it."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def size(n: int) -> str:
    """Return a number of bytes in words, decimal as disks are sold.

    Examples
    --------
    >>> size(999), size(1_500), size(138_400_000)
    ('999 B', '1.5 kB', '138 MB')
    """
    if n < 1000:
        return f"{n} B"
    unit, step = next(((u, s) for u, s in _STEPS if n < 999.5 * s), _STEPS[-1])
    amount = n / step
    return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:,.0f} {unit}"


def age(since: datetime, now: datetime) -> str:
    """Return how long ago something was, in the largest unit that fits.

    Examples
    --------
    >>> from datetime import timedelta
    >>> now = datetime(2026, 11, 23, 3, 15)
    >>> age(now - timedelta(hours=26), now), age(now - timedelta(hours=1), now)
    ('1 day', '1 hour')
    """
    seconds = max(0.0, (now - since).total_seconds())
    fitting = [(name, span) for name, span in _SPANS if seconds >= span]
    if not fitting:
        return "just now"
    name, span = fitting[-1]
    n = int(seconds // span)
    return f"{n} {name}" if n == 1 else f"{n} {name}s"
