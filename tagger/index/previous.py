"""The snapshot that a night starts from, as the plan and the merge need it."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import tagger.imaging.preprocessing
from schemas.index import Part
from schemas.rows import CORRECTED_TYPE
from tagger.digests import DigestKeys, raw_keys
from tagger.index.buckets import Numbers, buckets_of
from tagger.index.columns import aligned
from tagger.index.merge import one_of_each, without
from tagger.index.plan_making import KNOWN
from tagger.index.snapshots import Snapshot

_NO_CONTENTS = pa.table(
    {
        "image_id": pa.array([], pa.large_string()),
        "content_sha256": pa.array([], pa.string()),
    }
)
_SPOKEN = pa.schema([("content_sha256", pa.string()), ("corrected", CORRECTED_TYPE)])
_PLANNED = ["image_id", "size_bytes", "mtime_ns", "status", "reader", "model_id"]


class Previous:
    """The parent snapshot, or nothing at all on the first night.

    Parameters
    ----------
    parent : Snapshot or None
    model_id : str
        Tonight's model.
    buckets : int
        How many there are tonight: as many as the parent has, or twice as many, or four times.

    Attributes
    ----------
    unsettled : pa.Array of large_string
        Ids of rows that are to be read again though they look the same.
    statuses, models : dict
        The parent's buckets to the number of rows of each status, and of each model; of the parts
        that `known` has read.
    """

    def __init__(self, parent: Snapshot | None, model_id: str, buckets: int) -> None:
        self.parent = parent
        self._model_id = model_id
        self._buckets = buckets
        self._last: tuple[str, pa.Table, Numbers] | None = None
        self.statuses: dict[int, Counter[str]] = {}
        self.models: dict[int, Counter[str]] = {}
        self.unsettled = parent.unsettled() if parent else pa.array([], pa.large_string())

    def __len__(self) -> int:
        return sum(part.rows for _, part in self._parts())

    @property
    def as_many(self) -> bool:
        """Whether there are as many buckets tonight."""
        return self.parent is None or self.parent.manifest.buckets == self._buckets

    def known(self, buckets: Numbers) -> Iterator[pa.Table]:
        """Yield what the plan needs of the rows of these buckets, part by part, as
        `tagger.index.plan_making.KNOWN`.

        Raises
        ------
        StoreError
            If a part is missing or damaged.
        """
        if self.parent is None:
            return
        for old in np.unique(buckets % self.parent.manifest.buckets).tolist():
            part = self.parent.part(old)
            if part is not None:
                rows = self._known_rows(self.parent, part)
                mine = pc.is_in(rows["bucket"], value_set=pa.array(buckets))
                yield rows if self.as_many else rows.filter(mine)

    def _known_rows(self, parent: Snapshot, part: Part) -> pa.Table:
        rows = parent.read(part.file, _PLANNED)
        try:
            self.statuses[part.bucket] = counted(rows["status"])
            self.models[part.bucket] = counted(rows["model_id"].drop_null())
            ok = pc.equal(rows["status"], "ok")
            misread = pc.not_equal(rows["reader"], tagger.imaging.preprocessing.READER)
            differs = pc.fill_null(pc.not_equal(rows["model_id"], self._model_id), False)
            other_model = pc.and_(ok, differs)
            columns = [
                rows["image_id"].cast(pa.large_string()),
                pc.fill_null(rows["size_bytes"], -1),
                pc.fill_null(rows["mtime_ns"], -1),
                self._numbers(part, rows),
                pc.invert(ok),
                pc.or_(other_model, misread),
                misread,
            ]
            return pa.table(columns, schema=KNOWN)
        except (pa.ArrowException, TypeError) as error:
            raise parent.damaged(part.file, error) from error

    def contents(self) -> Iterator[DigestKeys]:
        """Yield the keys of all contents that have scores of tonight's model and reader, part by
        part."""
        for parent, part in self._parts():
            rows = parent.read(part.file, ["content_sha256", "model_id", "reader"])
            yield raw_keys(rows.filter(self._current(rows))["content_sha256"])

    def contents_of(self, bucket: int) -> pa.Table:
        """Return image_id (large_string) and content_sha256 of a bucket's rows, and perhaps of
        others."""
        part = self._part(bucket)
        if self.parent is None or part is None:
            return _NO_CONTENTS
        rows = self.parent.read(part.file, ["image_id", "content_sha256"])
        return rows.set_column(0, "image_id", rows["image_id"].cast(pa.large_string()))

    def donors(self, digests: pa.Array, schema: pa.Schema) -> pa.Table:
        """Return a row of tonight's model and reader for each of these contents, large_string, that
        has any."""
        found = [schema.empty_table()]
        for parent, part in self._parts():
            if not len(digests):
                break
            keys = parent.read(part.file, ["content_sha256", "model_id", "reader"])
            wanted = pc.is_in(keys["content_sha256"].cast(pa.large_string()), value_set=digests)
            wanted = pc.and_(wanted, self._current(keys))
            if pc.any(wanted).as_py():
                rows = one_of_each(parent.read_whole(part).filter(wanted))
                found.append(aligned(rows, schema))
                digests = without(digests, rows["content_sha256"])
        return pa.concat_tables(found)

    def rows(self, bucket: int, schema: pa.Schema) -> pa.Table:
        """Return the rows of a bucket, with the columns of `schema`."""
        part = self._part(bucket)
        if self.parent is None or part is None:
            return schema.empty_table()
        if self.as_many:
            return aligned(self.parent.read_whole(part), schema)
        if self._last is None or self._last[0] != part.file:  # its halves are asked for in turn
            self._last = None
            rows = self.parent.read_whole(part)
            self._last = part.file, rows, self._numbers(part, rows)
        _, rows, numbers = self._last
        return aligned(rows.filter(pa.array(numbers == bucket)), schema)

    def _numbers(self, part: Part, rows: pa.Table) -> Numbers:
        """Return int32 (n,): tonight's buckets of a part's rows."""
        if self.as_many:
            return np.full(len(rows), part.bucket, np.int32)
        ids = rows["image_id"].cast(pa.large_string()).combine_chunks()
        return buckets_of(ids, self._buckets)

    def _part(self, bucket: int) -> Part | None:
        """Return the part that has all rows of one of tonight's buckets."""
        return self.parent.part(bucket % self.parent.manifest.buckets) if self.parent else None

    def _current(self, rows: pa.Table) -> pa.ChunkedArray:
        """Return bool (n,): rows with scores of tonight's model, read by this reader."""
        same_model = pc.equal(rows["model_id"], self._model_id)
        same_reader = pc.equal(rows["reader"], tagger.imaging.preprocessing.READER)
        return pc.fill_null(pc.and_(same_model, same_reader), False)

    def _parts(self) -> list[tuple[Snapshot, Part]]:
        if self.parent is None:
            return []
        return [(self.parent, part) for part in self.parent.manifest.parts]


def spoken_rows(parent: Snapshot, part: Part) -> pa.Table:
    """Return content_sha256 and corrected of a part's rows; null where a version had no column."""
    schema = parent.schema() or _SPOKEN
    columns = [name for name in _SPOKEN.names if name in schema.names]
    return aligned(parent.read(part.file, columns), _SPOKEN)


def counted(values: pa.ChunkedArray) -> Counter[str]:
    """Return how often each text is there."""
    return Counter({row["values"]: row["counts"] for row in values.value_counts().to_pylist()})
