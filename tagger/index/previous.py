"""The snapshot that a night starts from, as the plan and the merge need it."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import tagger.imaging.preprocessing
from schemas.index import Part
from schemas.rows import CORRECTED_TYPE
from tagger.digests import DigestKeys, raw_keys, sorted_keys
from tagger.index.columns import aligned
from tagger.index.plan import KNOWN
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

    Attributes
    ----------
    unsettled : pa.Array of large_string
        Ids of rows that are to be read again though they look the same.
    statuses, models : dict
        Bucket to the number of rows of each status, and of each model; of the parts that `known`
        has read.
    """

    def __init__(self, parent: Snapshot | None, model_id: str) -> None:
        self.parent = parent
        self._model_id = model_id
        self.statuses: dict[int, Counter[str]] = {}
        self.models: dict[int, Counter[str]] = {}
        self.unsettled = parent.unsettled() if parent else pa.array([], pa.large_string())

    def __len__(self) -> int:
        return sum(part.rows for _, part in self._parts())

    def known(self) -> Iterator[pa.Table]:
        """Yield what the plan needs, part by part, as `tagger.index.plan.KNOWN`.

        Raises
        ------
        StoreError
            If a part is missing or damaged.
        """
        for parent, part in self._parts():
            yield self._known_rows(parent, part)

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
                np.full(len(rows), part.bucket, np.int32),
                pc.invert(ok),
                pc.or_(other_model, misread),
                misread,
            ]
            return pa.table(columns, schema=KNOWN)
        except (pa.ArrowException, TypeError) as error:
            raise parent.damaged(part.file, error) from error

    def contents(self) -> DigestKeys:
        """Return the keys of all contents that have scores of tonight's model and reader."""
        keys = [np.zeros((0, 2), np.uint64)]
        for parent, part in self._parts():
            rows = parent.read(part.file, ["content_sha256", "model_id", "reader"])
            keys.append(raw_keys(rows.filter(self._current(rows))["content_sha256"]))
        together = np.concatenate(keys)
        keys.clear()  # they are as large again
        return sorted_keys(together)

    def contents_of(self, bucket: int) -> pa.Table:
        """Return image_id (large_string) and content_sha256 of a bucket's rows."""
        part = self.parent.part(bucket) if self.parent else None
        if self.parent is None or part is None:
            return _NO_CONTENTS
        rows = self.parent.read(part.file, ["image_id", "content_sha256"])
        return rows.set_column(0, "image_id", rows["image_id"].cast(pa.large_string()))

    def donors(self, digests: pa.Array, schema: pa.Schema) -> pa.Table:
        """Return rows of tonight's model and reader with these contents, as large_string."""
        found = [schema.empty_table()]
        for parent, part in self._parts() if len(digests) else ():
            keys = parent.read(part.file, ["content_sha256", "model_id", "reader"])
            wanted = pc.is_in(keys["content_sha256"].cast(pa.large_string()), value_set=digests)
            wanted = pc.and_(wanted, self._current(keys))
            if pc.any(wanted).as_py():
                found.append(aligned(parent.read_whole(part).filter(wanted), schema))
        return pa.concat_tables(found)

    def rows(self, bucket: int, schema: pa.Schema) -> pa.Table:
        """Return the rows of a bucket, with the columns of `schema`."""
        part = self.parent.part(bucket) if self.parent else None
        if self.parent is None or part is None:
            return schema.empty_table()
        return aligned(self.parent.read_whole(part), schema)

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
