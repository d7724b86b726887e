"""The page of a comparison: its tables, and pictures of what flipped."""

from typing import NamedTuple

from jobs.compare_models import Compared
from jobs.compare_text import notes_of, tables_of
from schemas.comparison import CompareReport
from tagger.evaluation.comparison_verdict import flip_words
from tagger.report.page import render
from tagger.report.thumbnails import Thumbnail, thumbnails

_FLIPS = 40
_PICTURES = 8
"""Of each kind of flip: a page that a mail takes."""


class _Shown(NamedTuple):
    thumbnail: Thumbnail
    caption: str


class _ShownFlip(NamedTuple):
    title: str
    pictures: list[_Shown]


def page_of(report: CompareReport, compared: Compared) -> str:
    """Return the text of the page, with small pictures in it."""
    flips = compared.flips[:_FLIPS]
    places = [found.places[:_PICTURES].tolist() for found in flips]
    pictures = [compared.picture(place) for some in places for place in some]
    shown = iter(
        _Shown(thumbnail, caption)
        for thumbnail, (_, caption) in zip(
            thumbnails([wanted for wanted, _ in pictures], inside=compared.inside),
            pictures,
            strict=True,
        )
    )
    unshown = len(compared.flips) - len(flips)
    return render(
        "comparison.html",
        report=report,
        notes=notes_of(report),
        tables=tables_of(report),
        flips=[
            _ShownFlip(flip_words(found.flip), [next(shown) for _ in some])
            for found, some in zip(flips, places, strict=True)
        ],
        unshown=f"{unshown:,} more kinds of flips with --json" if unshown else "",
    )
