"""A labelled set made ready: decoded to disk, near-duplicates found, split."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from schemas.split import SPLIT
from tagger.arrays import Int64Array, StrArray
from tagger.datasets.labelled_set import Example, LabelKeys, LabelledSet
from tagger.datasets.pixel_cache import PixelCache, decode_to_disk
from tagger.datasets.split import SIDE, near_duplicates, split_clusters
from tagger.errors import DatasetError
from tagger.imaging.preprocessing import Reading
from tagger.imaging.worker import FileFacts
from tagger.labels.pairs import has_any


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
    """

    labelled: LabelledSet
    cache: PixelCache
    rows: Int64Array
    clusters: Int64Array

    @property
    def digests(self) -> list[str]:
        """Return the content_sha256 of each readable picture."""
        return [self.cache.facts[row].content_sha256 or "" for row in self.rows]

    @property
    def unreadable(self) -> list[tuple[Example, FileFacts]]:
        """Return what could not be read, and why."""
        pairs = zip(self.labelled.examples, self.cache.facts, strict=True)
        return [(example, facts) for example, facts in pairs if facts.status != "ok"]

    def split(self, *, seed: int, held_out: Sequence[LabelKeys] = ()) -> StrArray:
        """Return str (n,): train, validation or test for each readable picture.

        Clusters with a picture that shows one of the pairs `held_out` are all test; the others are
        where they would be without them.
        """
        present = [self.labelled.examples[row].present for row in self.rows]
        parts = split_clusters(self.clusters, [tuple(sorted(keys)) for keys in present], seed=seed)
        shows = np.array([has_any(keys, held_out) for keys in present], bool)
        parts[np.isin(self.clusters, self.clusters[shows])] = "test"
        return parts

    def continued_split(self, parent: pa.Table, *, seed: int) -> StrArray:
        """Return str (n,): train, validation or test for each readable picture; those in `parent`
        keep their part.

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
        parts = np.array([known.get(digest, "") for digest in self.digests], "<U5")
        clusters, old = self.clusters.tolist(), parts != ""
        joins: dict[int, str] = {}
        for cluster, part in zip(self.clusters[old].tolist(), parts[old].tolist(), strict=True):
            joins[cluster] = part if joins.get(cluster, part) == part else ""
        parts = np.array(
            [p or joins.get(c, "") for p, c in zip(parts, clusters, strict=True)], "<U5"
        )
        fresh = np.array([cluster not in joins for cluster in clusters], bool)
        strata = [tuple(sorted(self.labelled.examples[row].present)) for row in self.rows]
        parts[fresh] = split_clusters(self.clusters[fresh], strata, seed=seed)
        return parts

    def split_table(
        self, parts: StrArray, *, judged: int, parent: pa.Table | None = None
    ) -> pa.Table:
        """Return split.parquet: one row per distinct content that is in a part, sorted by digest.

        Rows of `parent` stay as they are.

        Parameters
        ----------
        judged : int
            How many labels the vocabulary has.
        """
        digests = self.digests
        kept = {
            row["content_sha256"]: row
            for row in (SPLIT.empty_table() if parent is None else parent).to_pylist()
        }
        pairs = zip(digests, self.clusters.tolist(), strict=True)
        named = {c: kept[digest]["cluster"] for digest, c in pairs if digest in kept}
        rows = {
            digest: {
                "content_sha256": digest,
                "cluster": named.get(c, digests[c]),
                "part": str(part),
                "judged": judged,
            }
            for digest, c, part in zip(digests, self.clusters.tolist(), parts, strict=True)
            if part
        }
        rows |= kept
        return pa.Table.from_pylist([rows[digest] for digest in sorted(rows)], schema=SPLIT)

    def check(self) -> dict[str, Any]:
        """Return the report of `--check`, as declared in `schemas.reports.CHECK`."""
        labels, pairs = self.labelled.counts()
        examples = [self.labelled.examples[row] for row in self.rows]
        by_digest: dict[str, list[str]] = {}
        for digest, example in zip(self.digests, examples, strict=True):
            by_digest.setdefault(digest, []).append(example.image_id)
        alike: dict[int, list[Example]] = {}
        for cluster, example in zip(self.clusters, examples, strict=True):
            alike.setdefault(int(cluster), []).append(example)
        families = [family for family in alike.values() if len(family) > 1]
        return {
            "dataset": self.labelled.source,
            "pictures": len(self.labelled.examples),
            "labels": dict(sorted(labels.items())),
            "pairs": dict(sorted(pairs.items())),
            "unlabelled": sum(not example.known for example in self.labelled.examples),
            "unreadable": [
                {"image": example.image_id, "status": facts.status, "error": facts.error}
                for example, facts in self.unreadable
            ],
            "duplicates": [images for images in by_digest.values() if len(images) > 1],
            "near_duplicates": [[example.image_id for example in family] for family in families],
            "conflicts": [
                [example.image_id for example in family]
                for family in families
                if len({example.present for example in family}) > 1
            ],
        }


def prepare(
    labelled: LabelledSet,
    folder: Path,
    reading: Reading,
    *,
    workers: int,
    progress: Callable[[int], object],
) -> PreparedSet:
    """Return the set, decoded into `folder`, with its near-duplicates.

    Raises
    ------
    DatasetError
        If no picture of it can be read.
    """
    paths = [example.path for example in labelled.examples]
    cache = decode_to_disk(folder, paths, reading, workers=workers, progress=progress)
    rows = np.flatnonzero(cache.ok)
    if not len(rows):
        causes = Counter(f"{facts.status}: {facts.error}" for facts in cache.facts)
        raise DatasetError(
            f"{labelled.source}: none of {len(paths)} pictures can be read "
            f"({causes.most_common(1)})"
        )
    thumbnails = np.stack(
        [cv2.resize(cache.pixels[row], (SIDE, SIDE), interpolation=cv2.INTER_AREA) for row in rows]
    )
    facts = [cache.facts[row] for row in rows]
    aspects = np.array([(f.width or 1) / (f.height or 1) for f in facts])
    clusters = near_duplicates(
        thumbnails.astype(np.uint8), aspects, [f.content_sha256 or "" for f in facts]
    )
    return PreparedSet(labelled, cache, rows, clusters)
