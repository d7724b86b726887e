"""Figures as persons read them: 86.1 %, +1.8 points, p = 0.002."""

from collections.abc import Sequence


def percent(share: float | None) -> str:
    """Return a share as `86.1 %`, or a dash where there is none."""
    return "-" if share is None else f"{100 * share:.1f} %"


def share_of(part: int, whole: int) -> str:
    """Return a part of a whole as `86.1 %`, or a dash where the whole is nothing."""
    return percent(part / whole if whole else None)


def points(difference: float | None) -> str:
    """Return a difference of shares as `+1.8`, or a dash where there is none."""
    return "-" if difference is None else f"{100 * difference:+.1f}"


def chance(p: float | None) -> str:
    """Return a p as `0.002`, or a dash where there is none."""
    if p is None:
        return "-"
    if p < 0.0001:
        return "< 0.0001"
    return f"{p:.4f}" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def with_p(p: float) -> str:
    """Return `p = 0.002`, or `p < 0.0001`."""
    said = chance(p)
    return f"p {said}" if said.startswith("<") else f"p = {said}"


def listed(words: Sequence[str]) -> str:
    """Return `a`, `a and b`, or `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
