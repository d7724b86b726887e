"""A share over the nights as a small line: numbers in, coordinates out."""

from collections.abc import Sequence
from typing import NamedTuple

from tagger.evaluation.figures import percent
from tagger.index.answer_counts import Key
from tagger.report.moments import moment
from tagger.report.shares import CountedNight

WIDTH, HEIGHT = 150, 34
_EDGE = 3
"""Room around the line."""


class Plot(NamedTuple):
    """What is drawn, in units of `WIDTH` and `HEIGHT`.

    Attributes
    ----------
    lines : list of str
        Points of each unbroken line, as SVG takes them; nights of which nothing is known break it.
    models : list of float
        Where, from the left, another model began.
    last : (float, float) or None
        The newest night, if it is known.
    said : str
        The same in words, for whoever does not see it.
    """

    lines: list[str]
    models: list[float]
    last: tuple[float, float] | None
    said: str


def plot(nights: Sequence[CountedNight], key: Key, *, arrived: bool = False) -> Plot:
    """Return the plot of an answer's share of all rows, or of those that arrived; the lower edge is
    0."""
    shares = [night.share(key, arrived=arrived) for night in nights]
    known = [share for share in shares if share is not None]
    if not known:
        return Plot([], [], None, "not known of earlier nights")
    places = _places(nights)
    top = max(*known, 1e-9) * 1.1
    lines: list[list[str]] = [[]]
    for x, share in zip(places, shares, strict=True):
        if share is None:
            lines.append([])
        else:
            lines[-1].append(f"{x:.1f},{_height(share, top):.1f}")
    models = [
        x
        for x, before, night in zip(places[1:], nights, nights[1:], strict=False)
        if before.model_id != night.model_id
    ]
    newest = shares[-1]
    last = None if newest is None else (places[-1], round(_height(newest, top), 1))
    said = f"{len(known)} nights, {percent(min(known))} to {percent(max(known))}"
    # A line of one point is seen only as the dot of the newest night.
    return Plot([" ".join(line) for line in lines if len(line) > 1], models, last, said)


def _height(share: float, top: float) -> float:
    return _EDGE + (HEIGHT - 2 * _EDGE) * (1 - share / top)


def _places(nights: Sequence[CountedNight]) -> list[float]:
    """Return where each night is from the left, by its time."""
    found = [moment(night.at) for night in nights]
    times = [each.timestamp() for each in found if each is not None]
    span = max(times) - min(times)
    width = WIDTH - 2 * _EDGE
    return [
        round(_EDGE + width * ((time - min(times)) / span if span else 1.0), 1) for time in times
    ]
