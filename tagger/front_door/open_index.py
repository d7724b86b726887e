"""The current night of an index, as tables for pandas."""

import os
from os import PathLike
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from msgspec import to_builtins

from schemas.corrections import Correction
from schemas.index import CHANGES_FILE
from schemas.rows import rows_schema
from tagger.errors import InputError, StoreError
from tagger.front_door.model import as_pandas
from tagger.index.store import Index
from tagger.machine import raise_machine_fault

if TYPE_CHECKING:
    import pandas as pd

    from tagger.arrays import Float32Array
    from tagger.index.look_alikes import Gallery
    from tagger.models.bundle import Bundle


class OpenIndex:
    """An index as it is now, one whole night of it; `tagger.open_index` makes one.

    A later night is seen by opening the index again. The files of this one are kept for two days at
    least after it was replaced.

    Attributes
    ----------
    snapshot : str
        The id of the night.
    model_id : str
        The id of the model that the night ran with.

    Examples
    --------
    >>> import tagger
    >>> night = tagger.open_index("index")
    >>> table = night.table()
    >>> len(table), set(table["status"])
    (3, {'ok'})
    >>> list(night.changes()["op"])
    ['upsert', 'upsert', 'upsert']
    >>> night.labels().set_index("column").loc["score_blue", ["group", "label"]].tolist()
    ['color', 'blue']
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        if not isinstance(path, str | PathLike):
            raise InputError(f"index: {path!r:.80} ({type(path).__name__}); give a path")
        self._index = Index(path)
        self._shown = repr(os.fspath(path))
        snapshot = self._index.current()
        if snapshot is None:
            there = "has no night yet" if self._index.is_there() else "is not there"
            raise StoreError(f"index {self._shown} {there}; the nightly job makes one")
        self._snapshot = snapshot
        self.snapshot = snapshot.path.name
        self.model_id = snapshot.manifest.model_id

    def __repr__(self) -> str:
        return f"<tagger.OpenIndex {self.snapshot} of {self._shown}>"

    def table(self, columns: list[str] | None = None, filters: Any = None) -> "pd.DataFrame":
        """Return the rows of the night, one per picture of the catalog.

        Parameters
        ----------
        columns : list of str, optional
            By default all.
        filters : list of (column, operator, value), optional
            Conditions that all must hold, as `pandas.read_parquet` takes them; a list of such
            lists is any of them, and an Arrow expression is taken too.

        Raises
        ------
        TaggerError
            If there is no such column, a filter makes no sense, or a file is damaged.

        Examples
        --------
        >>> import tagger
        >>> night = tagger.open_index("index")
        >>> night.table(columns=["image_id", "tags"], filters=[("score_blue", ">", 0.9)])
                   image_id                    tags
        0  dresses/0001.jpg  [blue, dress, printed]
        """
        schema = self._snapshot.schema() or rows_schema([], [])
        wanted = schema.names if columns is None else columns
        if not isinstance(wanted, list | tuple):
            raise InputError(f"columns {columns!r:.80}: give a list of names")
        unknown = [name for name in wanted if name not in schema.names]
        if unknown:
            raise InputError(
                f"index {self._shown} has no column {unknown[0]!r}; it has: "
                f"{', '.join(schema.names)}"
            )
        condition = _condition(filters, schema)
        files = [part.file for part in self._snapshot.manifest.parts]
        rows = [schema.empty_table().select(wanted)]
        for file in files:
            rows.append(self._read(file, schema, columns=wanted, filter=condition))
        return as_pandas(pa.concat_tables(rows))

    def _read(self, file: str, schema: pa.Schema, **wanted: Any) -> pa.Table:
        checked = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
        read_as = ds.ParquetFileFormat(default_fragment_scan_options=checked)
        path = self._snapshot.path / file
        try:
            return ds.dataset(path, schema=schema, format=read_as).to_table(**wanted)
        except (OSError, pa.ArrowException) as error:
            raise_machine_fault(error)
            raise self._snapshot.damaged(file, error) from error

    def labels(self) -> "pd.DataFrame":
        """Return the labels of every model that rows name, with their columns and thresholds."""
        return as_pandas(self._snapshot.labels())

    def changes(self) -> "pd.DataFrame":
        """Return what changed against the night before: `image_id`, and `upsert` or `delete`."""
        return as_pandas(self._snapshot.read(CHANGES_FILE))

    def corrections(self) -> "pd.DataFrame":
        """Return what persons said of pictures so far, the last word last.

        Each row is a line of corrections.jsonl, see schemas/INDEX.md; the night's own rows follow
        those that were there when it was made.

        Raises
        ------
        TaggerError
            If a line is damaged.
        """
        import pandas as pd

        lines = [to_builtins(one) for one in self._index.corrections.read().corrections]
        return pd.DataFrame(lines, columns=list(Correction.__struct_fields__), dtype=object)

    def look_alikes(
        self, picture: str | PathLike[str], n: int = 10, *, model: str | PathLike[str] | None = None
    ) -> "pd.DataFrame":
        """Return the pictures of the night that look most like one, the most similar first.

        Parameters
        ----------
        picture : str or path
            The `image_id` of a picture of the night, or the path of any picture.
        n : int
            How many, at least 1; copies of one picture count once.
        model : path, optional
            The model whose features are compared; by default the one that last kept some.

        Returns
        -------
        pandas.DataFrame
            `image_id`, `similarity` (a cosine, at most 1), the answer of each exclusive group, and
            `same`, the ids of all pictures with these bytes.

        Raises
        ------
        TaggerError
            If there is no such picture, it cannot be read, or no features were kept.

        Examples
        --------
        >>> import tagger
        >>> night = tagger.open_index("index")
        >>> night.look_alikes("jeans/0002.jpg", n=1)[["image_id", "color", "type"]]
                 image_id color   type
        0  jeans/0003.jpg   red  pants
        """
        import pandas as pd

        from tagger.index.look_alikes import Gallery
        from tagger.models.bundle import load_bundle

        if not isinstance(n, int) or n < 1:
            raise InputError(f"n {n!r}: how many pictures, at least 1")
        bundle = load_bundle(model or self._index.featured_model())
        gallery = Gallery(self._index, self._snapshot, bundle)
        features, content = self._features(gallery, bundle, picture)
        found = gallery.like(features, n, but=content)
        rows = [
            {"image_id": one.image_id, "similarity": one.similarity}
            | one.answers
            | {"same": one.same}
            for one in found
        ]
        columns = ["image_id", "similarity", *self._snapshot.manifest.groups, "same"]
        return pd.DataFrame(rows, columns=columns)

    def _features(
        self, gallery: "Gallery", bundle: "Bundle", picture: str | PathLike[str]
    ) -> tuple["Float32Array", str | None]:
        """Return what the trunk makes of a picture, and the digest of its bytes."""
        from tagger.models.file_scoring import infer_files

        content = gallery.content_of(picture) if isinstance(picture, str) else None
        kept = gallery.features_of(content) if content else None
        if kept is not None:
            return kept, content
        if not isinstance(picture, str | PathLike) or not os.path.isfile(picture):
            raise InputError(
                f"picture {picture!r:.80}: neither an image_id of the night with scores and "
                "features, nor a file"
            )
        path = os.fspath(picture)
        facts, inferred = infer_files(bundle, [path], backend="openvino")  # as those kept
        if facts[0].status != "ok":
            raise InputError(f"picture {path!r}: {facts[0].status}: {facts[0].error}")
        return inferred.features[0], facts[0].content_sha256


def _condition(filters: Any, schema: pa.Schema) -> "pc.Expression | None":
    """Return the filters as one expression that fits the schema."""
    if filters is None:
        return None
    try:
        one = filters if isinstance(filters, pc.Expression) else pq.filters_to_expression(filters)
        schema.empty_table().filter(one)
    except (pa.ArrowException, ValueError, TypeError, AttributeError, IndexError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"filters {filters!r:.200}: {said}") from error
    return one
