"""Pictures of a night that look like a given one, by the features that the nightly job may keep."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.nightly import SimilarPicture
from tagger.arrays import Float16Array, Float32Array
from tagger.digests import DigestKeys, are_in, raw_keys, sorted_keys
from tagger.errors import InputError
from tagger.index.features import FeatureStore
from tagger.index.neighbours import nearest
from tagger.index.snapshots import Snapshot
from tagger.index.store import Index
from tagger.models.bundle import Bundle
from tagger.settings import setting


class Gallery:
    """The pictures of a night that have scores, and their features of one trunk.

    Attributes
    ----------
    contents, searched : int
        How many different pictures there are, and how many of them have features.

    Raises
    ------
    InputError
        If the index has no features of the model.
    """

    def __init__(self, index: Index, snapshot: Snapshot, bundle: Bundle) -> None:
        self._store = index.features(bundle.features_id, bundle.width)
        if not self._store.exists():
            raise InputError(
                f"index {str(index.path)!r} has no features of the model {bundle.name}; tag with "
                f"it and {setting('features')}, and {setting('full')} for pictures that have "
                "scores already"
            )
        self._groups = list(snapshot.manifest.groups)
        self._rows = _rows(snapshot, self._groups)
        self._there = sorted_keys(np.unique(raw_keys(self._rows["content_sha256"]), axis=0))
        self.contents = len(self._there)
        self.searched = self._store.count(self._there)

    def content_of(self, image_id: str) -> str | None:
        """Return the digest of a picture of the night, or None where it has none with scores."""
        found = self._rows.filter(pc.equal(self._rows["image_id"], image_id))
        return str(found["content_sha256"][0].as_py()) if len(found) else None

    def features_of(self, content: str) -> Float32Array | None:
        """Return float32 (n_features,) of a content, or None where there are none."""
        places = self._store.find(pa.chunked_array([[content]], pa.string()))
        if places.file[0] < 0:
            return None
        return np.asarray(self._store.read(places)[0], np.float32)

    def like(
        self, features: Float32Array, n: int, *, but: str | None = None
    ) -> list[SimilarPicture]:
        """Return the `n` most similar contents, the most similar first, without `but`, a digest."""
        found = nearest(features, _blocks_of(self._store, self._there), n, but=but)
        wanted = pa.array([one.content_sha256 for one in found], pa.string())
        which = pc.is_in(self._rows["content_sha256"], value_set=wanted)
        of_content: dict[str, list[dict[str, str | None]]] = {}
        for row in self._rows.filter(which).to_pylist():
            of_content.setdefault(row["content_sha256"], []).append(row)
        return [self._picture(of_content[one.content_sha256], one.similarity) for one in found]

    def _picture(self, rows: list[dict[str, str | None]], similarity: float) -> SimilarPicture:
        """Return what is said of the rows of one content."""
        images = [str(row["image_id"]) for row in rows]
        return SimilarPicture(
            image_id=images[0],
            similarity=similarity,
            answers={group: rows[0][group] for group in self._groups},
            same=images,
        )


def _rows(snapshot: Snapshot, groups: list[str]) -> pa.Table:
    """Return image_id, content and answers of all rows that have scores."""
    columns = ["image_id", "status", "content_sha256", *groups]
    parts = snapshot.manifest.parts
    rows = pa.concat_tables([snapshot.read(part.file, columns) for part in parts])
    return rows.filter(pc.equal(rows["status"], "ok")).sort_by("image_id")


def _blocks_of(store: FeatureStore, there: DigestKeys) -> Iterator[tuple[list[str], Float16Array]]:
    """Yield the stored contents that the index still has, and their features."""
    for contents, features in store.blocks():
        kept = are_in(raw_keys(contents), there)
        if kept.any():
            yield contents.filter(pa.array(kept)).to_pylist(), features[kept]
