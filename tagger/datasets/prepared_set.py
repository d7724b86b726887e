"""A labelled set made ready: decoded to disk, near-duplicates found, split."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa

from schemas.split import SPLIT
from schemas.training import CorrectedParts, CorrectedPictures
from tagger.arrays import Int64Array, Pixels, StrArray
from tagger.datasets.corrected import settle
from tagger.datasets.labelled_set import Example, LabelKeys, LabelledSet
from tagger.datasets.pixel_cache import PixelCache, decode_to_disk
from tagger.datasets.problems import Problem
from tagger.datasets.split import PARTS, SIDE, near_duplicates, split_clusters
from tagger.datasets.split_rows import labelled_rows
from tagger.errors import DatasetError
from tagger.imaging.file_facts import FileFacts
from tagger.imaging.preprocessing import Reading
from tagger.labels.pairs import has_any


@dataclass(frozen=True)
class Families:
    """Pictures of which there are several, each family as image ids.

    Attributes
    ----------
    duplicates, near_duplicates, conflicts : list of list of str
        Of the same bytes; of the same look; of the same look, with different labels.
    """

    duplicates: list[list[str]]
    near_duplicates: list[list[str]]
    conflicts: list[list[str]]


@dataclass(frozen=True)
class PreparedSet:
    """The readable pictures of a labelled set.

    Attributes
    ----------
    labelled : LabelledSet
        All of it, unreadable pictures too.
    cache : PixelCache
        In the order of `labelled.examples`.
    rows : int64 (n,)
        Positions of readable pictures in both.
    clusters : int64 (n,)
        The near-duplicate cluster of each.
    left_out : frozenset of int
        Positions of corrected pictures that do not count, see `tagger.datasets.corrected`.
    both, changed : int
        Readable contents that are labelled and corrected; corrected pictures with other bytes now.
    """

    labelled: LabelledSet
    cache: PixelCache
    rows: Int64Array
    clusters: Int64Array
    left_out: frozenset[int] = frozenset()
    both: int = 0
    changed: int = 0

    @property
    def examples(self) -> list[Example]:
        """Return the readable pictures."""
        return [self.labelled.examples[row] for row in self.rows]

    @property
    def digests(self) -> list[str]:
        """Return the content_sha256 of each readable picture."""
        return [self.cache.facts[row].content_sha256 or "" for row in self.rows]

    @property
    def unreadable(self) -> list[tuple[Example, FileFacts]]:
        """Return what could not be read, and why."""
        pairs = enumerate(zip(self.labelled.examples, self.cache.facts, strict=True))
        return [
            (example, facts)
            for i, (example, facts) in pairs
            if facts.status != "ok" and i not in self.left_out
        ]

    def split(self, *, seed: int, held_out: Sequence[LabelKeys] = ()) -> StrArray:
        """Return str (n,): train, validation or test for each readable picture.

        Clusters with a picture that shows one of the pairs `held_out` are all test; the others are
        where they would be without them.
        """
        present = [example.present for example in self.examples]
        parts = split_clusters(self.clusters, [tuple(sorted(keys)) for keys in present], seed=seed)
        shows = np.array([has_any(keys, held_out) for keys in present], bool)
        parts[np.isin(self.clusters, self.clusters[shows])] = "test"
        return parts

    def continued_split(self, parent: pa.Table, *, seed: int) -> StrArray:
        """Return str (n,): train, validation or test for each readable picture; old ones keep it.

        A new picture that looks like an old one joins it. One that looks like old ones of several
        parts is in none, and its part is empty: wherever it were, a near-duplicate would be
        elsewhere. The rest is split as if it were alone.

        Parameters
        ----------
        parent : pa.Table
            The split.parquet of the bundle that is retrained.
        """
        known = dict(
            zip(parent["content_sha256"].to_pylist(), parent["part"].to_pylist(), strict=True)
        )
        parts = [known.get(digest, "") for digest in self.digests]
        clusters = self.clusters.tolist()
        joins: dict[int, str] = {}
        for cluster, part in zip(clusters, parts, strict=True):
            if part:
                joins[cluster] = part if joins.get(cluster, part) == part else ""
        pairs = zip(clusters, parts, strict=True)
        result = np.array([part or joins.get(cluster, "") for cluster, part in pairs], "<U10")
        fresh = np.array([cluster not in joins for cluster in clusters], bool)
        strata = [tuple(sorted(example.present)) for example in self.examples]
        result[fresh] = split_clusters(self.clusters[fresh], strata, seed=seed)
        return result

    def split_table(
        self, parts: StrArray, *, judged: int, parent: pa.Table | None = None
    ) -> pa.Table:
        """Return split.parquet: one row per distinct content that is in a part, sorted by digest.

        Rows of `parent` stay as they are, but those that only a trunk had seen: they are labelled
        for this vocabulary now.

        Parameters
        ----------
        judged : int
            How many labels the vocabulary has.
        parent : pa.Table, optional
            What is known already: the split.parquet of a parent, or `seen_alone` of a trunk's.
        """
        digests = self.digests
        clusters = self.clusters.tolist()
        old = SPLIT.empty_table() if parent is None else parent
        kept = {row["content_sha256"]: row for row in old.to_pylist()}
        labelled = set(labelled_rows(old)["content_sha256"].to_pylist())
        pairs = zip(digests, clusters, strict=True)
        named = {cluster: kept[digest]["cluster"] for digest, cluster in pairs if digest in kept}
        rows = {
            digest: {
                "content_sha256": digest,
                "cluster": named.get(cluster, digests[cluster]),
                "part": str(part),
                "judged": judged,
            }
            for digest, cluster, part in zip(digests, clusters, parts, strict=True)
            if part
        }
        now = kept | {digest: row for digest, row in rows.items() if digest not in labelled}
        return pa.Table.from_pylist([now[digest] for digest in sorted(now)], schema=SPLIT)

    def corrected_parts(self, parts: StrArray) -> CorrectedParts | None:
        """Return how many corrected pictures each part has; None if no corrections were asked for.

        Parameters
        ----------
        parts : str (n,)
            Of each readable picture.
        """
        if self.labelled.gone is None:
            return None
        pairs = zip(self.examples, parts.tolist(), strict=True)
        counts = Counter(part for example, part in pairs if example.said is not None)
        return CorrectedParts(**{part: counts[part] for part in PARTS})

    @property
    def problems(self) -> list[Problem]:
        """Return the files that could not be read; corrected pictures are counted as gone."""
        return [
            example.unreadable(facts) for example, facts in self.unreadable if example.said is None
        ]

    def refuse_nothing(self) -> None:
        """Raise DatasetError if no picture can be read."""
        if not len(self.rows):
            causes = Counter(f"{facts.status}: {facts.error}" for facts in self.cache.facts)
            raise DatasetError(
                f"{self.labelled.source}: none of {len(self.labelled.examples)} pictures can be "
                f"read ({causes.most_common(1)})"
            )

    def families(self) -> Families:
        """Return the pictures that look the same."""
        alike = _families(self.clusters.tolist(), self.examples)
        return Families(
            duplicates=_ids(_families(self.digests, self.examples)),
            near_duplicates=_ids(alike),
            conflicts=_ids(
                family for family in alike if len({example.present for example in family}) > 1
            ),
        )

    def counted(self) -> LabelledSet:
        """Return the set without what does not count, and corrections that teach nothing."""
        pairs = zip(self.labelled.examples, self.cache.ok, strict=True)
        examples = [
            example
            for i, (example, ok) in enumerate(pairs)
            if i not in self.left_out and (ok or example.said is None)
        ]
        return replace(self.labelled, examples=examples)

    def corrected_pictures(self, parts: StrArray) -> CorrectedPictures | None:
        """Return what became of corrections, None if none were asked for.

        Parameters
        ----------
        parts : str (n,)
            Of each readable picture, as a training would split them.
        """
        if self.labelled.gone is None:
            return None
        used = {e.said.content for e in self.examples if e.said is not None}
        unreadable = {e.said.content for e, _ in self.unreadable if e.said is not None} - used
        return CorrectedPictures(
            used=len(used),
            both=self.both,
            changed=self.changed,
            gone=self.labelled.gone + len(unreadable),
            parts=self.corrected_parts(parts),
        )


def prepare(
    labelled: LabelledSet,
    folder: Path,
    reading: Reading,
    *,
    workers: int,
    progress: Callable[[int], object],
) -> PreparedSet:
    """Return the set, decoded into `folder`, with its near-duplicates.

    It may be that no picture of it can be read, see `PreparedSet.refuse_nothing`.
    """
    paths = [example.path for example in labelled.examples]
    cache = decode_to_disk(folder, paths, reading, workers=workers, progress=progress)
    settled = settle(labelled, [facts.content_sha256 for facts in cache.facts])
    rows = np.array([i for i in np.flatnonzero(cache.ok) if i not in settled.left_out], np.int64)
    facts = [cache.facts[row] for row in rows]
    return PreparedSet(
        settled.labelled,
        cache,
        rows,
        clusters_of([(cache, rows)]),
        left_out=settled.left_out,
        both=len(settled.both & {each.content_sha256 for each in facts}),
        changed=settled.changed,
    )


def clusters_of(caches: Sequence[tuple[PixelCache, Int64Array]]) -> Int64Array:
    """Return int64 (n,): the near-duplicate cluster of each picture, over all of the caches.

    Parameters
    ----------
    caches : sequence of (PixelCache, int64 (n_i,))
        Caches, and which of their pictures are asked about.
    """
    pictures = [(cache, row) for cache, rows in caches for row in rows.tolist()]
    if not pictures:
        return np.zeros(0, np.int64)
    facts = [cache.facts[row] for cache, row in pictures]
    return near_duplicates(
        np.stack([_thumbnail(cache.pixels[row]) for cache, row in pictures]),  # (n, SIDE, SIDE, 3)
        np.array([(each.width or 1) / (each.height or 1) for each in facts]),
        [each.content_sha256 or "" for each in facts],
    )


def _thumbnail(pixels: Pixels) -> Pixels:
    return np.asarray(cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _families(keys: Sequence[Hashable], examples: Sequence[Example]) -> list[list[Example]]:
    """Return the examples that share a key with another, in order."""
    found: dict[Hashable, list[Example]] = {}
    for key, example in zip(keys, examples, strict=True):
        found.setdefault(key, []).append(example)
    return [family for family in found.values() if len(family) > 1]


def _ids(families: Iterable[list[Example]]) -> list[list[str]]:
    return [[example.image_id for example in family] for family in families]
