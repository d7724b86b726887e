"""The snapshot that a night starts from, as the plan and the merge need it."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.contents import Keys, keys_of
from tagger.merging import aligned
from tagger.plan import KNOWN
from tagger.snapshots import Snapshot

_PLANNED = ["image_id", "size_bytes", "mtime_ns", "status", "model_id"]


class Previous:
    """The parent snapshot, or nothing at all on the first night.

    Parameters
    ----------
    parent : Snapshot or None
    model_id : str
        Tonight's model.

    Attributes
    ----------
    known : pa.Table
        As `tagger.plan.KNOWN`, for the plan.
    statuses, models : dict
        Bucket to the number of rows of each status, and of each model.

    Raises
    ------
    StoreError
        If a part is missing or damaged.
    """

    def __init__(self, parent: Snapshot | None, model_id: str) -> None:
        self.parent, self._model_id = parent, model_id
        self.statuses: dict[int, Counter[str]] = {}
        self.models: dict[int, Counter[str]] = {}
        tables = [self._known_rows(parent, part) for part in parent.manifest["parts"]] if parent else []
        self.known = pa.concat_tables([KNOWN.empty_table(), *tables])

    def _known_rows(self, parent: Snapshot, part: dict[str, int | str]) -> pa.Table:
        rows = parent.read(str(part["file"]), _PLANNED)
        try:
            bucket = int(part["bucket"])
            self.statuses[bucket] = _counted(rows["status"])
            self.models[bucket] = _counted(rows["model_id"].drop_null())
            ok = pc.equal(rows["status"], "ok")
            columns = [
                rows["image_id"].cast(pa.large_string()),
                pc.fill_null(rows["size_bytes"], -1),
                pc.fill_null(rows["mtime_ns"], -1),
                np.full(len(rows), bucket, np.int32),
                pc.invert(ok),
                pc.and_(ok, pc.fill_null(pc.not_equal(rows["model_id"], self._model_id), False)),
            ]
            return pa.table(columns, schema=KNOWN)
        except (pa.ArrowException, TypeError) as error:
            raise parent.damaged(str(part["file"]), error) from error

    def unsettled(self) -> pa.Array:
        """Return the ids of rows that were read too soon after their file's last change, as large_string."""
        return self.parent.unsettled() if self.parent else pa.array([], pa.large_string())

    def contents(self) -> Keys:
        """Return the keys of all contents that have scores of tonight's model."""
        digests = [
            rows.filter(pc.equal(rows["model_id"], self._model_id))["content_sha256"].chunks
            for rows in self._each_part(["content_sha256", "model_id"])
        ]
        return keys_of(pa.chunked_array([chunk for chunks in digests for chunk in chunks], pa.string()))

    def donors(self, digests: pa.Array, schema: pa.Schema) -> pa.Table:
        """Return rows of tonight's model with these contents."""
        found = [schema.empty_table()]
        if self.parent and len(digests):
            for part in self.parent.manifest["parts"]:
                keys = self.parent.read(part["file"], ["content_sha256", "model_id"])
                wanted = pc.is_in(keys["content_sha256"], value_set=digests)
                wanted = pc.fill_null(pc.and_(wanted, pc.equal(keys["model_id"], self._model_id)), False)
                if pc.any(wanted).as_py():
                    found.append(aligned(self.parent.read(part["file"]).filter(wanted), schema))
        return pa.concat_tables(found)

    def rows(self, bucket: int, schema: pa.Schema) -> pa.Table:
        """Return the rows of a bucket, with the columns of `schema`."""
        part = self.parent.part(bucket) if self.parent else None
        if self.parent is None or part is None:
            return schema.empty_table()
        return aligned(self.parent.read(part["file"]), schema)

    def _each_part(self, columns: list[str]) -> list[pa.Table]:
        if self.parent is None:
            return []
        return [self.parent.read(part["file"], columns) for part in self.parent.manifest["parts"]]


def _counted(values: pa.ChunkedArray) -> Counter[str]:
    return Counter({row["values"]: row["counts"] for row in values.value_counts().to_pylist()})
