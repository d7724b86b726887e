"""The page of a night: what was gathered, with small pictures, as one file."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from schemas.comparison import NightRows
from schemas.runs import SKIPPED
from schemas.samples import Estimate
from tagger.evaluation.comparison_verdict import flip_words
from tagger.evaluation.figures import percent, share_of
from tagger.index.answer_counts import Key
from tagger.index.unlike import unlike_words
from tagger.report.album import Album, Shown
from tagger.report.changes import Change, Compared
from tagger.report.drawn import Picture
from tagger.report.gathered import Gathered
from tagger.report.judged import judged_once
from tagger.report.moments import when
from tagger.report.page import render
from tagger.report.plot import HEIGHT, WIDTH, Plot, plot
from tagger.report.products import ReadProducts
from tagger.report.products_page import by_product, pictures_of_products
from tagger.report.verdict import moved_words


class _Answer(NamedTuple):
    """An answer's line: how many rows have it, its share over the nights, some of its pictures."""

    name: str
    rows: int
    share: str
    plot: Plot
    moved: bool
    pictures: list[Shown]


class _Group(NamedTuple):
    """The answers of a group, the most frequent first, and labels that no row has."""

    name: str
    answers: list[_Answer]
    idle: list[str]


class _Alarm(NamedTuple):
    """A share that moved, with pictures that came."""

    words: str
    plot: Plot
    of: str
    pictures: list[Shown]


class _Change(NamedTuple):
    words: str
    pictures: list[Shown]


def page_of(found: Gathered, index: str, products: ReadProducts | None = None) -> str:
    """Return the text of the page.

    Parameters
    ----------
    index : str
        What the index is called on the page.
    products : ReadProducts, optional
        The night by product, where somebody asked for it.
    """
    pictures = (*_pictures(found), *pictures_of_products(products))
    album = Album(found.snapshot.manifest.catalog, pictures)
    return render(
        "night.html",
        found=found,
        index=index,
        when=when,
        width=WIDTH,
        height=HEIGHT,
        tiles=_tiles(found),
        skipped=[(n, reason, SKIPPED.get(reason, "")) for reason, n in _skipped(found)],
        seconds=_seconds(found),
        alarms=_alarms(found, album),
        groups=_groups(found, album),
        least_sure=[
            (group, [album.shown(each.picture, _sure(each.answer, each.sure)) for each in least])
            for group, least in found.night.least_sure.items()
            if least
        ],
        unlike=_unlike(found),
        unlike_pictures=[album.shown(each, f"{value:.1f}") for value, each in found.night.unlike],
        **by_product(products, album),
        **_against_the_night_before(found.compared, album),
        judged=_judged(found),
        said=[
            (when(one.at), one.who, one.group, one.label or one.answer, one.answer, one.image_id)
            for one in found.spoken.newest
        ],
    )


def _pictures(found: Gathered) -> Iterable[Picture]:
    """Yield the pictures that the page shows, what is told first first: time may be up."""
    for moved in found.moved:
        yield from found.night.changed.get((moved.group, moved.label), [])
    for pictures in found.night.examples.values():
        yield from pictures
    for least in found.night.least_sure.values():
        yield from (each.picture for each in least)
    yield from (picture for _, picture in found.night.unlike)
    if not isinstance(found.compared, str):
        for change in (*found.compared.changes, *found.compared.replaced):
            yield from change.pictures


def _tiles(found: Gathered) -> list[tuple[str, str]]:
    """Return the figures of the run, each with its name."""
    tiles = [(f"{found.snapshot.manifest.rows:,}", "pictures")]
    run = found.run
    if run is None or run.counts is None:
        return tiles
    names = {
        "new": "new",
        "changed": "changed",
        "rescored": "scored again",
        "deleted": "gone",
        "corrected": "corrected anew",
        "failed_now": "failed tonight",
        "failed_again": "of them again",
        "failed": "without answers",
    }
    always = ("new", "changed", "deleted", "failed_now")
    for name, words in names.items():
        number = getattr(run.counts, name)
        if number or name in always:
            tiles.append((f"{number:,}", words))
    return [*tiles, (_lasted(run.seconds.get("total", 0.0)), "the run took")]


def _unlike(found: Gathered) -> str | None:
    """Return how many pictures are unlike what the model was trained on; None if no row says."""
    counts = found.night.counts
    return None if counts.unlike is None else unlike_words(counts.unlike)


def _skipped(found: Gathered) -> list[tuple[str, int]]:
    return sorted(found.run.skipped.items()) if found.run else []


def _seconds(found: Gathered) -> list[tuple[str, str]]:
    """Return the stages of the run that took a tenth of a second or more."""
    spent = found.run.seconds if found.run else {}
    return [(stage, _lasted(each)) for stage, each in spent.items() if each >= 0.1]


def _lasted(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes} min {left:02d} s" if minutes < 90 else f"{minutes / 60:.1f} h"


def _alarms(found: Gathered, album: Album) -> list[_Alarm]:
    alarms = []
    for moved in found.moved:
        key = (moved.group, moved.label)
        pictures = album.all_of(found.night.changed.get(key, []))
        arrived = moved.of == "arrived"
        of = "new and changed" if arrived else "all"
        line = plot(found.nights, key, arrived=arrived)
        alarms.append(_Alarm(moved_words(moved), line, of, pictures))
    return alarms


def _groups(found: Gathered, album: Album) -> list[_Group]:
    counts = found.night.counts
    moved = {(each.group, each.label) for each in found.moved}
    groups = []
    for group in dict.fromkeys(each.group for each in counts.answers):
        mine = sorted(
            (each for each in counts.answers if each.group == group),
            key=lambda each: (each.label is None, -each.rows),
        )
        answers = []
        for each in mine:
            key: Key = (group, each.label)
            if each.rows or key in moved:
                answers.append(
                    _Answer(
                        name=each.label or "no answer",
                        rows=each.rows,
                        share=share_of(each.rows, counts.rows),
                        plot=plot(found.nights, key),
                        moved=key in moved,
                        pictures=album.all_of(found.night.examples.get(key, [])),
                    )
                )
        idle = [each.label or "no answer" for each in mine if not each.rows]
        groups.append(_Group(group, answers, idle))
    return groups


def _sure(answer: str | None, sure: float) -> str:
    return f"{answer or 'no answer'}, {sure:.0%} sure"


def _against_the_night_before(compared: Compared | str, album: Album) -> dict[str, Any]:
    """Return what the page says of the night before."""
    if isinstance(compared, str):
        return {"compared": None, "missing": compared}
    return {
        "compared": compared,
        "not_compared": _not_compared(compared.rows),
        "heard_once": judged_once(compared.rows),
        "changes": _changes(compared.changes, album),
        "replaced": _changes(compared.replaced, album),
    }


def _changes(changes: Iterable[Change], album: Album) -> list[_Change]:
    return [_Change(flip_words(each.flip), album.all_of(each.pictures)) for each in changes]


def _not_compared(rows: NightRows) -> str:
    """Return how many pictures were not held against the night before, in words."""
    others = (
        (rows.only_b, "new"),
        (rows.only_a, "gone"),
        (rows.other_bytes, "with other bytes"),
        (rows.without_scores, "without scores in one of the nights"),
    )
    return ", ".join(f"{n:,} {why}" for n, why in others if n)


def _judged(found: Gathered) -> list[tuple[str, ...]]:
    """Return the lines of the newest sample, the worst precision first."""
    if found.sample is None:
        return []
    known = [each for each in found.sample.estimates if each.judged]
    return [_judged_line(each) for each in sorted(known, key=lambda each: each.precision or 0)]


def _judged_line(each: Estimate) -> tuple[str, ...]:
    return (
        f"{each.group}: {each.label or 'no answer'}",
        f"{each.answered_rows:,}",
        f"{each.judged:,}",
        percent(each.precision),
        _between(each.precision_low, each.precision_high),
        percent(each.missing),
        _between(each.missing_low, each.missing_high),
    )


def _between(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{percent(low)} to {percent(high)}"
