"""A published night in memory, with what persons said laid over it."""

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Self

import numpy as np
import pyarrow as pa

from schemas.corrections import Correction
from schemas.review import Found, GroupNow, Picture, PictureDetail, Proposal, SaidAtOnce, Wanted
from tagger.arrays import Int64Array
from tagger.errors import InputError
from tagger.index.night_labels import NightLabels
from tagger.index.snapshots import Snapshot
from tagger.index.store import Index
from tagger.review.contents import digests_of, texts_of
from tagger.review.filters import Filters
from tagger.review.lines import Log
from tagger.review.products import NightProducts, ProductsOf
from tagger.review.rows import STATUS_NAMES, NightRows, load_rows
from tagger.review.shown import Shown
from tagger.review.words import Words


class NightTable:
    """A night to look at: its rows, and persons' answers over the model's.

    Several threads may use one; they take turns. Make it with `load`.

    Attributes
    ----------
    snapshot : Snapshot
    rows : int
        How many pictures it has.
    groups : list of GroupNow
        In the model's order.
    statuses : dict of str to int
        Status to number of pictures.
    products : int or None
        How many products they show; None where nothing says it.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        rows: NightRows,
        labels: NightLabels,
        log: Log,
        findings: Mapping[str, str],
        products: NightProducts | None,
    ) -> None:
        self.snapshot = snapshot
        self.rows = len(rows)
        self.groups: list[GroupNow] = labels.groups()
        self.statuses = dict(snapshot.manifest.statuses)
        self.products = None if products is None else len(products)
        self._rows = rows
        self._labels = labels
        self._log = log
        self._words = Words(rows, labels, log)
        self._shown = Shown(rows, labels, log, self._words, findings, products)
        self._samples: dict[str, Int64Array] = {}
        found = np.zeros(len(rows), bool)
        found[self._rows_of(findings)] = True
        self._filters = Filters(
            rows,
            labels,
            log,
            self._words,
            findings=found,
            samples=self._samples,
            products=products,
        )
        self._last_found: tuple[Wanted, Int64Array] | None = None
        self._turn = threading.RLock()

    @classmethod
    def load(
        cls,
        index: Index,
        snapshot: Snapshot,
        *,
        findings: Mapping[str, str] | None = None,
        products_of: ProductsOf | None = None,
    ) -> Self:
        """Return a night, read part by part, with the corrections of its index.

        Parameters
        ----------
        index : Index
        snapshot : Snapshot
            Of that index.
        findings : mapping of str to str, optional
            Digest of a content to what the audit found, in words.
        products_of : callable, optional
            What says which product each picture shows.

        Raises
        ------
        StoreError
            If a part, the labels or the corrections are missing or damaged.
        InputError
            What `products_of` raises.
        """
        labels = NightLabels(snapshot)
        rows = load_rows(snapshot, labels)
        log = Log(index.corrections, snapshot, labels, rows)
        skus = None if products_of is None else products_of(snapshot, rows.ids)
        products = None if skus is None else NightProducts(skus)
        return cls(snapshot, rows, labels, log, findings or {}, products)

    @property
    def lines(self) -> int:
        """How many lines of corrections.jsonl were taken in."""
        return len(self._log.lines)

    def refresh(self) -> bool:
        """Take in what was appended to the log since; return whether something was.

        Raises
        ------
        StoreError
            If the log is damaged, or does not begin with what the rows follow.
        """
        with self._turn:
            changed = self._words.refresh()
            if changed:
                self._last_found = None
            return changed

    def find(self, wanted: Wanted, offset: int, limit: int) -> Found:
        """Return one page of the pictures that are wanted.

        Pictures that are not ok answer nothing, not even none. By `least_sure` come pictures that
        are ok; those of which a person has already spoken (of `group`; of all groups if that is
        null) are left out unless `said` asks for them.

        Raises
        ------
        InputError
            If something that `wanted` names is not there.
        """
        start = time.perf_counter()
        with self._turn:
            found = self._found(wanted)
            pictures = self._shown.pictures(found[max(offset, 0) :][: max(limit, 0)])
        return Found(
            total=len(found), pictures=pictures, seconds=round(time.perf_counter() - start, 4)
        )

    def all_of(self, wanted: Wanted) -> int:
        """Return how many pictures are wanted; raises as `find` does."""
        with self._turn:
            return len(self._found(wanted))

    def ids(self, wanted: Wanted, most: int) -> list[tuple[str, str]]:
        """Return image_id and content of the first `most` wanted pictures that can be corrected:
        those that are ok. Raises as `find` does."""
        with self._turn:
            found = self._found(wanted)
            places = found[self._rows.ok[found]][:most]
            ids = self._rows.ids.take(pa.array(places)).to_pylist()
            contents = texts_of(self._rows.digests[places])
            pairs = zip(ids, contents, strict=True)
            return [(image_id, content) for image_id, content in pairs if content is not None]

    def place(self, image_id: str) -> int | None:
        """Return where a picture is in the order of image_ids, or None if it is not there."""
        found = int(self._rows.place.find(pa.array([image_id], pa.large_string()))[0])
        return found if found >= 0 else None

    def content_of(self, image_id: str) -> str | None:
        """Return the digest of a picture's bytes; None if it is not there or was never read."""
        place = self.place(image_id)
        return None if place is None else texts_of(self._rows.digests[[place]])[0]

    def seen(self, image_ids: Sequence[str]) -> list[tuple[str | None, str] | None]:
        """Return content and status of each of many pictures; None where there is no such one."""
        rows = self._rows
        places = rows.place.find(pa.array(image_ids, pa.large_string()))
        contents = texts_of(rows.digests[places])  # of no row: the last one's, left out below
        return [
            (content, STATUS_NAMES[rows.status[place]]) if place >= 0 else None
            for content, place in zip(contents, places.tolist(), strict=True)
        ]

    def picture(self, image_id: str) -> Picture:
        """Return a picture as in the grid.

        Raises
        ------
        InputError
            If the night has no such picture.
        """
        with self._turn:
            return self._shown.pictures(np.array([self._must_have(image_id)]))[0]

    def detail(self, image_id: str) -> PictureDetail:
        """Return a picture with all its scores and all that was said of it.

        Raises
        ------
        InputError
            If the night has no such picture.
        """
        with self._turn:
            return self._shown.detail(self._must_have(image_id))

    def proposals(self) -> list[Proposal]:
        """Return the labels in force that the model does not have, by group and name."""
        with self._turn:
            counts = self._words.proposals()
        return [
            Proposal(group=group, label=label, pictures=n)
            for (group, label), n in sorted(counts.items())
        ]

    def conflicts(self, said: SaidAtOnce) -> list[Correction]:
        """Return what was said about the same since the page last looked, in the log's order.

        It knows what `refresh` took in.
        """
        with self._turn:
            return self._log.said_in(self._log.newer_than(said.items))

    def line_at(self, start: int) -> int:
        """Return the number of the line that begins at a byte of the log."""
        with self._turn:
            return self._log.number_at(start)

    def corrected(self) -> int:
        """Return of how many pictures somebody has said something."""
        with self._turn:
            return int(self._words.anyone().sum())

    def add_sample(self, sample_id: str, contents: Collection[str]) -> None:
        """Make the pictures with these contents findable as a sample, in this order."""
        with self._turn:
            self._samples[sample_id] = self._rows_of(contents)
            self._last_found = None

    def _found(self, wanted: Wanted) -> Int64Array:
        """Return the places of what is wanted; the last answer is kept for the next page."""
        if self._last_found is None or self._last_found[0] != wanted:
            self._last_found = (wanted, self._filters.find(wanted))
        return self._last_found[1]

    def _must_have(self, image_id: str) -> int:
        place = self.place(image_id)
        if place is None:
            raise InputError(
                f"picture {image_id!r:.200} is not in the night {self.snapshot.path.name}; it may "
                "be gone, or have another name since: look for it again"
            )
        return place

    def _rows_of(self, contents: Collection[str]) -> Int64Array:
        return self._rows.contents.find(digests_of(contents)).row
