"""The documents of a night, chunk by chunk or those of some pictures: the snapshot read, documents
made. Memory does not grow with the catalog."""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.documents import DOCUMENTS_VERSION
from schemas.index import Part
from schemas.record import Record, to_json
from schemas.rows import CORRECTED_TYPE
from tagger.arrays import BoolArray, Float16Array, Int64Array
from tagger.index.buckets import bucket_of
from tagger.index.columns import aligned
from tagger.index.features import DTYPE, FeatureStore, Places
from tagger.index.snapshots import Snapshot
from tagger.search.documents import DocumentSettings, picture_documents, unit_vectors
from tagger.search.product_documents import main_pictures, product_documents
from tagger.search.products import ROLE, SKU, Products

BATCH = 5_000
"""Documents that are made at a time."""
_ADDED = (
    pa.field("first_seen", pa.timestamp("us", tz="UTC")),
    pa.field("corrected", CORRECTED_TYPE),
)
"""Columns that rows of earlier versions lack."""
_CHUNK = 50_000
"""About how many rows a chunk of products is made of."""


class Made(Record):
    """What decides the documents of a night, beside its rows."""

    version: int
    """`DOCUMENTS_VERSION`."""
    fields: list[tuple[str, str, int]]
    """Name, kind and size of each."""
    words: dict[str, tuple[str, ...]]
    """As the table has them."""
    url: str | None
    """The template."""
    labels: list[tuple[str, str, str]]
    """Group, name and column of each: another label may take a column over."""
    limits: list[int]
    """By product: the thresholds of the night's model, of which scores are made."""
    products: str | None
    """Where products are told from: `table`, a digest of the pattern, or null."""
    features: str | None
    """Whose features the vectors are."""


class Source:
    """The documents of one night.

    Parameters
    ----------
    snapshot : Snapshot
    settings : DocumentSettings
    features : FeatureStore or None
    products : Products or None
        None: one document a picture.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        settings: DocumentSettings,
        features: FeatureStore | None,
        products: Products | None,
    ) -> None:
        self.snapshot = snapshot
        self.settings = settings
        self.products = products
        self._features = features
        self._schema = snapshot.schema()

    def digest(self, products_from: str | None) -> str:
        """Return a digest of all that decides documents beside the rows and a table of products.

        Parameters
        ----------
        products_from : str or None
            See `Made`.
        """
        made = Made(
            version=DOCUMENTS_VERSION,
            fields=[(field.name, field.kind, field.size) for field in self.settings.fields],
            labels=[(x.group, x.name, x.column) for x in self.settings.answered],
            limits=self.settings.labels.limits[0].tolist() if self.settings.by_product else [],
            words=dict(sorted(self.settings.words.items())),
            url=self.settings.url,
            products=products_from,
            features=self._features.features_id if self._features else None,
        )
        return hashlib.sha256(to_json(made, indent=None).encode()).hexdigest()

    @property
    def chunks(self) -> int:
        """How many chunks the documents of the night come in."""
        if self.products is None:
            return len(self.snapshot.manifest.parts)
        return max(1, -(-self.snapshot.manifest.rows // _CHUNK))

    def all(self, done: int = 0) -> Iterator[Iterator[pa.Table]]:
        """Yield the documents of each chunk in batches, from chunk number `done` on."""
        if self.products is None:
            for part in self.snapshot.manifest.parts[done:]:
                yield self._batches(self._ok(part))
            return
        if not self.snapshot.manifest.parts:
            return
        with tempfile.TemporaryDirectory(prefix="tagger-products-") as folder:
            self._spread(Path(folder))
            for number in range(done, self.chunks):
                yield self._batches(_read(Path(folder) / f"{number}.arrow"))

    def of_pictures(self, image_ids: pa.Array) -> Iterator[pa.Table]:
        """Yield the documents of those of these pictures that have one, in batches."""
        for rows in self._some(image_ids):
            yield from self._batches(rows)

    def of_products(self, skus: pa.Array) -> Iterator[pa.Table]:
        """Yield the documents of those of these products that have one, in batches."""
        if self.products is None or not self.snapshot.manifest.parts:
            return
        rows = [self._needed_empty(), *self._some(self.products.pictures(skus))]
        named = self._named(pa.concat_tables(rows))
        yield from self._batches(named.filter(pc.is_in(named[SKU], value_set=skus)))

    def newest_features(self) -> str:
        """Return the name of the newest file of features; empty where none are kept."""
        return "" if self._features is None else self._features.newest()

    def featured_since(self, name: str) -> pa.Array:
        """Return the pictures whose features came after the file of this name: a night that was
        not published leaves some, and no feed tells of them."""
        if self._features is None or self._features.newest() <= name:
            return pa.array([], pa.string())
        contents = self._features.contents_since(name)
        found = []
        for part in self.snapshot.manifest.parts:
            rows = self.snapshot.read(part.file, ["image_id", "content_sha256"])
            here = pc.is_in(rows["content_sha256"].cast(pa.large_string()), value_set=contents)
            found += rows["image_id"].filter(here).chunks
        return pa.concat_arrays(found) if found else pa.array([], pa.string())

    def ids(self) -> Iterator[pa.Array]:
        """Yield the image_ids of all pictures, part by part: what a table names stays the same
        where a picture breaks."""
        for part in self.snapshot.manifest.parts:
            yield self.snapshot.read(part.file, ["image_id"])["image_id"].combine_chunks()

    def _ok(self, part: Part) -> pa.Table:
        rows = aligned(self.snapshot.read(part.file), self._needed())
        return rows.filter(pc.equal(rows["status"], "ok"))

    def _needed(self) -> pa.Schema | None:
        """Return the schema of the rows, with columns that an earlier version lacks."""
        schema = self._schema
        if schema is None:
            return None
        missing = [field for field in _ADDED if field.name not in schema.names]
        return pa.schema([*schema, *missing])

    def _some(self, image_ids: pa.Array) -> Iterator[pa.Table]:
        """Yield the rows of those of these pictures that are ok, part by part."""
        manifest = self.snapshot.manifest
        wanted = {bucket_of(name, manifest.buckets) for name in image_ids.to_pylist()}
        for part in manifest.parts:
            if part.bucket in wanted:
                rows = self._ok(part)
                yield rows.filter(pc.is_in(rows["image_id"], value_set=image_ids))

    def _needed_empty(self) -> pa.Table:
        schema = self._needed() or pa.schema([("image_id", pa.string())])
        return schema.empty_table()

    def _spread(self, folder: Path) -> None:
        """Write the rows of the night's products into a file per chunk."""
        assert self.products is not None  # noqa: S101 - for the type checker: `all` has looked
        schema = self._named(self._needed_empty()).schema
        writers = [
            pa.ipc.new_file(folder / f"{number}.arrow", schema) for number in range(self.chunks)
        ]
        try:
            for part in self.snapshot.manifest.parts:
                for rows in _slices(self._ok(part)):
                    named = self._named(rows)
                    number = _chunk_numbers(named[SKU], self.chunks)
                    for at in np.unique(number):
                        writers[at].write_table(named.filter(pa.array(number == at)))
        finally:
            for writer in writers:
                writer.close()

    def _batches(self, rows: pa.Table) -> Iterator[pa.Table]:
        if not len(rows):
            return
        if self.products is None:
            for some in _slices(rows):
                yield picture_documents(some, self.settings, self._vectors(some))
            return
        rows = rows.sort_by(SKU)
        for some in _whole_products(rows):
            mains = main_pictures(some)
            members = self.products.members(mains[SKU].combine_chunks())
            vectors = None if self._features is None else _vectors_in(mains["features"])
            yield product_documents(some, self.settings, members, vectors)

    def _named(self, rows: pa.Table) -> pa.Table:
        """Return the rows that show a product, with the columns `SKU` and `ROLE`, and their
        features where some are kept."""
        assert self.products is not None  # noqa: S101 - for the type checker: callers have looked
        named = self.products.of(rows["image_id"].combine_chunks())
        both = rows.append_column(SKU, named.sku).append_column(ROLE, named.role)
        both = both.filter(pc.is_valid(both[SKU]))
        if self._features is None:
            return both
        values, there = self._features_of(both)
        raw = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(2 * self._features.width), len(both), [None, pa.py_buffer(values.tobytes())]
        )
        known = pc.if_else(pa.array(there), raw, pa.scalar(None, raw.type))
        return both.append_column("features", known)

    def _vectors(self, rows: pa.Table) -> pa.Array | None:
        return None if self._features is None else unit_vectors(*self._features_of(rows))

    def _features_of(self, rows: pa.Table) -> tuple[Float16Array, BoolArray]:
        """Return float16 (n, width), and which rows have features."""
        assert self._features is not None  # noqa: S101 - for the type checker
        places = self._features.find(rows["content_sha256"])
        there = places.file >= 0
        values = np.zeros((len(rows), self._features.width), DTYPE)
        if there.any():
            values[there] = self._features.read(Places(places.file[there], places.row[there]))
        return values, there


def _vectors_in(features: pa.ChunkedArray) -> pa.Array:
    """Return the vectors of features as a table has them."""
    there = np.asarray(pc.is_valid(features).to_numpy(), bool)
    width = features.type.byte_width // DTYPE.itemsize
    values = np.zeros((len(features), width), DTYPE)
    known = features.filter(pa.array(there)).to_pylist()
    values[there] = np.frombuffer(b"".join(known), DTYPE).reshape(-1, width)
    return unit_vectors(values, there)


def _slices(rows: pa.Table) -> Iterator[pa.Table]:
    for at in range(0, len(rows), BATCH):
        yield rows.slice(at, BATCH)


def _chunk_numbers(skus: pa.ChunkedArray, chunks: int) -> Int64Array:
    coded = skus.combine_chunks().dictionary_encode()
    numbers = np.array([bucket_of(sku, chunks) for sku in coded.dictionary.to_pylist()], np.int64)
    return numbers[np.asarray(coded.indices)] if len(coded) else np.zeros(0, np.int64)


def _whole_products(rows: pa.Table) -> Iterator[pa.Table]:
    """Yield rows that are in the order of their products in some batches that part no product."""
    counted = rows[SKU].combine_chunks().value_counts()
    sizes = np.asarray(counted.field("counts"), np.int64)
    ends = np.cumsum(sizes)
    start = 0
    while start < len(rows):
        last = int(np.searchsorted(ends, start + BATCH))
        end = int(ends[min(last, len(ends) - 1)])
        yield rows.slice(start, end - start)
        start = end


def _read(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()
