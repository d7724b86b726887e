"""What a night answers by product: how many products' pictures disagree, and a few of those.

Counts and a few products are in memory, never all of them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from schemas.documents import group_field
from schemas.report import ProductsOfNight
from tagger.index.buckets import bucket_of
from tagger.index.night_labels import NightLabels
from tagger.index.snapshots import Snapshot
from tagger.report.drawn import Picture

EXAMPLES = 6
"""Products that are shown."""
PICTURES = 12
"""Of each of them, at most."""


class ShownPicture(NamedTuple):
    """A picture of a product, and what it answers.

    Attributes
    ----------
    picture : Picture
    answers : dict of str to (str or None)
        Of each group in which the product's pictures disagree; None is no answer.
    """

    picture: Picture
    answers: dict[str, str | None]


class Example(NamedTuple):
    """A product whose pictures disagree.

    Attributes
    ----------
    sku : str
    answers : dict of str to (str or None)
        The product's, of each group in which its pictures disagree.
    pictures : list of ShownPicture
        The weightiest first; of every answer there is one at least, as far as there is room.
    more : int
        How many pictures are not shown.
    """

    sku: str
    answers: dict[str, str | None]
    pictures: list[ShownPicture]
    more: int


class ReadProducts(NamedTuple):
    """What one reading of a night's products gave.

    Attributes
    ----------
    counts : ProductsOfNight
    examples : list of Example
        Drawn at random from those that disagree in any group, the same ones each time.
    notes : list of str
        What somebody should know of what says which product a picture shows.
    """

    counts: ProductsOfNight
    examples: list[Example]
    notes: list[str]


def read_products(
    snapshot: Snapshot, documents: Iterable[pa.Table], notes: Sequence[str]
) -> ReadProducts:
    """Return what a report shows of the products of a night.

    Parameters
    ----------
    documents : iterable of pa.Table
        One row a product, see `schemas.documents`, in batches.

    Raises
    ------
    StoreError
        If a file of the night is missing or damaged.
    """
    groups = NightLabels(snapshot).exclusive
    columns = ["id", "sku", "images", "disagree", *map(group_field, groups)]
    products = pictures = 0
    disagree: Counter[str] = Counter()
    kept: list[dict[str, Any]] = []
    for batch in documents:
        products += len(batch)
        pictures += pc.sum(pc.list_value_length(batch["images"])).as_py() or 0
        disagree.update(pc.list_flatten(batch["disagree"]).to_pylist())
        some = batch.filter(pc.greater(pc.list_value_length(batch["disagree"]), 0))
        # An id is a digest: the smallest ones are as good as drawn at random.
        some = some.select(columns).sort_by("id")[:EXAMPLES]
        kept = sorted([*kept, *some.to_pylist()], key=lambda each: each["id"])[:EXAMPLES]
    counts = ProductsOfNight(
        products=products,
        pictures=pictures,
        without_product=snapshot.manifest.statuses.get("ok", 0) - pictures,
        disagree={group: disagree[group] for group in groups},
    )
    return ReadProducts(counts, _examples(snapshot, kept), list(notes))


def _examples(snapshot: Snapshot, kept: Sequence[dict[str, Any]]) -> list[Example]:
    groups = list(dict.fromkeys(group for each in kept for group in each["disagree"]))
    rows = _rows_of(snapshot, [name for each in kept for name in each["images"]], groups)
    return [_example(each, rows) for each in kept]


def _rows_of(snapshot: Snapshot, names: list[str], groups: list[str]) -> dict[str, dict[str, Any]]:
    """Return the rows of pictures by image_id: the digest of the bytes, and the answers."""
    if not names:
        return {}
    manifest = snapshot.manifest
    buckets = {bucket_of(name, manifest.buckets) for name in names}
    columns = ["image_id", "content_sha256", *groups]
    wanted = pa.array(names, pa.string())
    found: dict[str, dict[str, Any]] = {}
    for part in manifest.parts:
        if part.bucket in buckets:
            rows = snapshot.read(part.file, columns)
            mine = rows.filter(pc.is_in(rows["image_id"].cast(pa.string()), value_set=wanted))
            found |= {row["image_id"]: row for row in mine.to_pylist()}
    return found


def _example(product: dict[str, Any], rows: dict[str, dict[str, Any]]) -> Example:
    groups = product["disagree"]
    pictures = []
    for name in product["images"]:
        row = rows[name]
        answers = {group: row[group] for group in groups}
        pictures.append(ShownPicture(Picture(name, row["content_sha256"]), answers))
    shown = _telling(pictures)
    return Example(
        sku=product["sku"],
        answers={group: product[group_field(group)] for group in groups},
        pictures=shown,
        more=len(pictures) - len(shown),
    )


def _telling(pictures: list[ShownPicture]) -> list[ShownPicture]:
    """Return a few pictures in their order: one of each answer, else the first ones."""
    firsts: dict[tuple[str, str | None], int] = {}
    for place, each in enumerate(pictures):
        for answer in each.answers.items():
            firsts.setdefault(answer, place)
    places = dict.fromkeys([*firsts.values(), *range(len(pictures))])
    return [pictures[place] for place in sorted(list(places)[:PICTURES])]
