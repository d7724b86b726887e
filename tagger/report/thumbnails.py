"""Small pictures to put into a page: decoded in workers that may die, and encoded anew; never a
file as it is."""

import base64
import math
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tagger.arrays import Pixels
from tagger.cpus import usable_cpus
from tagger.errors import MachineFault, TimeUp
from tagger.imaging.decoder import Decoder, chunked
from tagger.imaging.file_facts import FileFacts
from tagger.imaging.preprocessing import Reading
from tagger.imaging.previews import Hindrance, hindrance, preview
from tagger.imaging.worker import CHUNK

SIDE = 128
"""The longer side of a thumbnail, in pixels."""

_QUALITY = 78
_TIMEOUT = 10.0
"""Seconds that one picture may take."""


_WHY: dict[Hindrance, str] = {
    "gone": "gone",
    "lacking": "cannot be read now",
    "changed": "changed since",
}


class Wanted(NamedTuple):
    """A picture to show.

    Attributes
    ----------
    path : str
        As `open` takes it.
    content : str or None
        The digest of the bytes that are meant; None for whatever the file holds.
    """

    path: str
    content: str | None = None


class Thumbnail(NamedTuple):
    """A small picture, or why there is none.

    Attributes
    ----------
    source : str
        A `data:` address of a JPEG; empty if there is none.
    width, height : int
        In pixels; 0 if there is none.
    missing : str
        Why there is none, in a few words.
    """

    source: str
    width: int
    height: int
    missing: str = ""


def thumbnails(
    wanted: Sequence[Wanted], *, inside: str | None = None, seconds: float = math.inf
) -> list[Thumbnail]:
    """Return a thumbnail of each picture, in order.

    A picture that cannot be shown is none the less in the list, and says why.

    Parameters
    ----------
    inside : str, optional
        Resolved path of the folder that every file must lie in.
    seconds : float
        What all of them may take; those that are left then are not shown.
    """
    if not wanted:
        return []
    found: list[Thumbnail] = []
    try:
        for thumbnail in _read(wanted, inside, time.monotonic() + seconds):
            found.append(thumbnail)
    except (TimeUp, MachineFault) as error:
        why = "not read in time" if isinstance(error, TimeUp) else "cannot be read now"
        found += [Thumbnail("", 0, 0, why)] * (len(wanted) - len(found))
    return found


def _read(wanted: Sequence[Wanted], inside: str | None, until: float) -> Iterator[Thumbnail]:
    workers = max(1, min(usable_cpus(), -(-len(wanted) // CHUNK)))
    number = 0
    with Decoder(Reading(SIDE), workers=workers, timeout=_TIMEOUT, inside=inside) as decoder:
        chunks = ((None, some) for some in chunked(each.path for each in wanted))
        for chunk in decoder.decode(chunks, until=until):
            for pixels, facts in zip(chunk.pixels, chunk.facts, strict=True):
                yield _thumbnail(pixels, facts, wanted[number].content)
                number += 1


def _thumbnail(square: Pixels, facts: FileFacts, content: str | None) -> Thumbnail:
    """Return what one reading of a file gave, in its own shape."""
    why = hindrance(facts, content)
    if why is not None:
        return Thumbnail("", 0, 0, facts.status if why == "failed" else _WHY[why])
    encoded, width, height = preview(square, facts, _QUALITY)
    text = base64.b64encode(encoded).decode()
    return Thumbnail(f"data:image/jpeg;base64,{text}", width, height)
