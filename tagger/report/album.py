"""The small pictures of a page, each read once."""

import os
from collections.abc import Iterable
from typing import NamedTuple

from tagger.catalog import absolute_path
from tagger.report.drawn import Picture
from tagger.report.thumbnails import Thumbnail, Wanted, thumbnails

_SECONDS = 20.0
"""What all pictures together may take: a share that answers slowly must not keep the report."""


class Shown(NamedTuple):
    """A picture with what stands below it.

    Attributes
    ----------
    thumbnail : Thumbnail
    words : str
        What there is to say of it.
    caption : str
        The image_id.
    """

    thumbnail: Thumbnail
    words: str
    caption: str

    @property
    def file(self) -> str:
        """Return the last part of the image_id, which is short."""
        return self.caption.rpartition("/")[2]


class Album:
    """The small pictures of a page.

    Parameters
    ----------
    catalog : str
        The folder that they lie in.
    pictures : iterable of Picture
        Those that the page shows, what matters most first: time may be up.
    """

    def __init__(self, catalog: str, pictures: Iterable[Picture]) -> None:
        mine = list(dict.fromkeys(pictures))
        wanted = [Wanted(absolute_path(catalog, one.image_id), one.content_sha256) for one in mine]
        small = thumbnails(wanted, inside=os.path.realpath(catalog), seconds=_SECONDS)
        self._small = dict(zip(mine, small, strict=True))

    def shown(self, picture: Picture, words: str) -> Shown:
        """Return a picture with words before its name."""
        return Shown(self._small[picture], words, picture.image_id)

    def all_of(self, pictures: Iterable[Picture]) -> list[Shown]:
        """Return pictures with their names."""
        return [self.shown(picture, "") for picture in pictures]
