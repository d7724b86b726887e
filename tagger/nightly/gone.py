"""Where the pictures lay that are gone: who reads of a refusal looks there first."""

from collections import Counter
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from tagger.index.catalog_plan import CatalogPlan
from tagger.index.id_index import IdIndex
from tagger.index.previous import Previous

_SHOWN = 3


def gone_ids(previous: Previous, plan: CatalogPlan) -> Iterator[str]:
    """Yield the image_ids of rows whose picture is not listed."""
    for buckets, part in zip(plan.partitions, plan, strict=True):
        index = IdIndex(part.listing["image_id"].combine_chunks())
        for rows in previous.known(buckets):
            ids = rows["image_id"].combine_chunks()
            yield from ids.filter(pc.less(pa.array(index.find(ids)), 0)).to_pylist()


def where_they_lay(ids: Iterable[str]) -> str:
    """Return in words which folders held these pictures, the most first, and one of them; empty if
    there are none.

    Folders are named as deep as all pictures go, and one level more. They are held, pictures are
    not.

    Examples
    --------
    >>> where_they_lay(["2026/07/a.jpg", "2026/07/b.jpg", "2026/08/c.jpg"])
    "2 were in '2026/07/', 1 in '2026/08/'; the first is '2026/07/a.jpg'"
    """
    folders = Counter[str]()
    first = ""
    for image_id in ids:
        folders[image_id[: image_id.rfind("/") + 1]] += 1
        first = min(first or image_id, image_id)
    if not folders:
        return ""
    inside = ""
    while True:
        counts = Counter[str]()
        for folder, n in folders.items():
            counts[_step(folder, len(inside))] += n
        (most, *others) = counts
        if others or not most:
            break
        inside += most
    if not others:
        return f"all were in {inside or './'!r}, the first is {first!r}"
    return f"{_listed(inside, counts.most_common())}; the first is {first!r}"


def _step(path: str, start: int) -> str:
    """Return the folder, with its slash, that comes next on the way to another; empty if none."""
    folder, slash, _ = path[start:].partition("/")
    return folder + slash if slash else ""


def _listed(inside: str, counts: Iterable[tuple[str, int]]) -> str:
    named = [f"{n:,} in {inside + folder or './'!r}" for folder, n in counts]
    named[0] = named[0].replace(" in ", " were in ", 1)
    more = len(named) - _SHOWN
    return ", ".join(named[:_SHOWN]) + (f" and more in {more:,} others" if more > 0 else "")
