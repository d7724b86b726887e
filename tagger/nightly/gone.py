"""Where the pictures lay that are gone: who reads of a refusal looks there first."""

from collections import Counter
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from tagger.index.id_index import IdIndex
from tagger.index.previous import Previous

_SHOWN = 3


def gone_ids(previous: Previous, listing: pa.Table) -> list[str]:
    """Return the image_ids of rows whose picture is not listed; `listing` is of one chunk."""
    index = IdIndex(listing["image_id"].combine_chunks())
    gone: list[str] = []
    for part in previous.known():
        ids = part["image_id"].combine_chunks()
        gone += ids.filter(pc.less(pa.array(index.find(ids)), 0)).to_pylist()
    return gone


def where_they_lay(ids: Sequence[str]) -> str:
    """Return in words which folders held these pictures, the most first, and one of them.

    Folders are named as deep as all pictures go, and one level more.

    Examples
    --------
    >>> where_they_lay(["2026/07/a.jpg", "2026/07/b.jpg", "2026/08/c.jpg"])
    "2 were in '2026/07/', 1 in '2026/08/'; the first is '2026/07/a.jpg'"
    """
    inside = ""
    while True:
        counts = Counter(_step(image_id, len(inside)) for image_id in ids)
        (most, *others) = counts
        if others or not most:
            break
        inside += most
    if not others:
        return f"all were in {inside or './'!r}, the first is {min(ids)!r}"
    return f"{_listed(inside, counts.most_common())}; the first is {min(ids)!r}"


def _step(image_id: str, start: int) -> str:
    """Return the folder, with its slash, that comes next on the way to a picture; empty if none."""
    folder, slash, _ = image_id[start:].partition("/")
    return folder + slash if slash else ""


def _listed(inside: str, counts: Iterable[tuple[str, int]]) -> str:
    named = [f"{n:,} in {inside + folder or './'!r}" for folder, n in counts]
    named[0] = named[0].replace(" in ", " were in ", 1)
    more = len(named) - _SHOWN
    return ", ".join(named[:_SHOWN]) + (f" and more in {more:,} others" if more > 0 else "")
