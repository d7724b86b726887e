"""A few pictures of many, drawn at random while the many go by."""

from typing import NamedTuple

import pyarrow as pa

from tagger.arrays import Float64Array, Int64Array


class Picture(NamedTuple):
    """A picture of a night.

    Attributes
    ----------
    image_id : str
    content_sha256 : str or None
        The digest of the bytes that the night saw.
    """

    image_id: str
    content_sha256: str | None


class Drawn:
    """Those of the pictures that were offered whose keys are smallest, each content once.

    Parameters
    ----------
    most : int
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[tuple[float, Picture]] = []

    def offer(self, rows: pa.Table, here: Int64Array, keys: Float64Array) -> None:
        """Take pictures in.

        Parameters
        ----------
        rows : pa.Table
            With image_id and content_sha256.
        here : int64 (k,)
            The rows that are offered.
        keys : float64 (n,)
            Of all rows, drawn at random.
        """
        if len(self._kept) == self._most:
            here = here[keys[here] < self._kept[-1][0]]
        if not len(here):
            return
        some = rows.select(list(Picture._fields)).take(pa.array(here)).to_pylist()
        offered = [
            (key, Picture(**row)) for key, row in zip(keys[here].tolist(), some, strict=True)
        ]
        kept: dict[str | None, tuple[float, Picture]] = {}
        for key, picture in sorted([*self._kept, *offered]):
            kept.setdefault(picture.content_sha256, (key, picture))
        self._kept = list(kept.values())[: self._most]

    def pictures(self) -> list[Picture]:
        """Return them in the order of their keys."""
        return [picture for _, picture in self._kept]
