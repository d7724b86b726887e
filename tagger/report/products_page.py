"""What the page of a night says by product."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tagger.evaluation.figures import share_of
from tagger.report.album import Album, Shown
from tagger.report.drawn import Picture
from tagger.report.products import Example, ReadProducts

_NONE = "no answer"


class _Product(NamedTuple):
    """A product whose pictures disagree, with small pictures of it."""

    sku: str
    words: str
    pictures: list[Shown]
    more: int


def pictures_of_products(found: ReadProducts | None) -> Iterable[Picture]:
    """Yield the pictures of products that the page shows."""
    if found is not None:
        for example in found.examples:
            yield from (each.picture for each in example.pictures)


def by_product(found: ReadProducts | None, album: Album) -> dict[str, Any]:
    """Return what the template needs to tell of products; None where nobody asked."""
    if found is None:
        return {"by_product": None}
    counts = found.counts
    return {
        "by_product": counts,
        "product_notes": found.notes,
        "disagreeing": [
            (group, n, share_of(n, counts.products)) for group, n in counts.disagree.items()
        ],
        "products": [_shown(example, album) for example in found.examples],
    }


def _shown(example: Example, album: Album) -> _Product:
    pictures = [album.shown(each.picture, _in_short(each.answers)) for each in example.pictures]
    words = "; ".join(f"{group}: {answer or _NONE}" for group, answer in example.answers.items())
    return _Product(example.sku, words, pictures, example.more)


def _in_short(answers: Mapping[str, str | None]) -> str:
    """Return the answers of a picture, in the order of those of its product."""
    return ", ".join(answer or _NONE for answer in answers.values())
