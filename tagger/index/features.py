"""The trunk's features of every picture that was scored.

They are what a later model with the same trunk needs, and no pixels. A folder of Parquet files
below the index, per trunk; rows are found by content. 2 KB a picture before compression.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.features import features_schema
from tagger.arrays import Float16Array, Int64Array
from tagger.digests import DigestKeys, are_in, raw_keys
from tagger.errors import StoreError
from tagger.files import replacing
from tagger.machine import raise_machine_fault
from tagger.parquet import read_parquet

DTYPE = np.dtype("<f2")


class Places(NamedTuple):
    """Where the features of some contents are; `file` is -1 where there are none."""

    file: Int64Array
    row: Int64Array


class FeatureStore:
    """The features of one trunk.

    Parameters
    ----------
    folder : path
        Need not exist yet.
    width : int
        Features per picture.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self._folder = folder
        self._schema = features_schema(width)
        self.width = width
        self._index: _Index | None = None

    @property
    def features_id(self) -> str:
        """What the folder is called: a digest of the trunk and how pictures come to it."""
        return self._folder.name

    def exists(self) -> bool:
        """Return whether there may be any features."""
        return self._folder.is_dir()

    def write(self, name: str, digests: Sequence[str], features: Float16Array) -> None:
        """Write features, float16 (n, width), of contents as one file, durably.

        By way of a sibling and one rename.
        """
        if not len(digests):
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{name}.parquet"
        data = pa.py_buffer(np.ascontiguousarray(features, DTYPE).tobytes())
        column = pa.FixedSizeBinaryArray.from_buffers(
            self._schema.field("features").type, len(digests), [None, data]
        )
        table = pa.Table.from_arrays([pa.array(digests, pa.string()), column], schema=self._schema)
        with replacing(path) as sibling:
            pq.write_table(
                table, sibling, compression="zstd", use_dictionary=False, write_page_checksum=True
            )

    def find(self, digests: pa.ChunkedArray) -> Places:
        """Return where the features of these contents are.

        `digests` are 64 hex digits each, none null.
        """
        index = self._indexed()
        wanted = raw_keys(digests)
        if not len(index.keys):
            return Places(np.full(len(wanted), -1), np.zeros(len(wanted), np.int64))
        at = np.minimum(np.searchsorted(index.keys[:, 0], wanted[:, 0]), len(index.keys) - 1)
        here = (index.keys[at] == wanted).all(axis=1)
        return Places(np.where(here, index.file[at], -1), index.row[at])

    def read(self, places: Places) -> Float16Array:
        """Return float16 (n, width): the features at these places, each of which has some.

        Raises
        ------
        StoreError
            If a file is damaged or went away; it is removed, so that its contents are read again.
        """
        files = self._indexed().files
        result = np.empty((len(places.file), self.width), DTYPE)
        for file in np.unique(places.file):
            here = places.file == file
            try:
                table = read_parquet(files[file], ["features"])
            except (OSError, pa.ArrowException) as error:
                raise_machine_fault(error)
                files[file].unlink(missing_ok=True)
                self._index = None
                raise StoreError(
                    f"features {files[file].name}: damaged, and removed ({error})"
                ) from error
            result[here] = _values(table, self.width)[places.row[here]]
        return result

    def newest(self) -> str:
        """Return the name of the file that was written last; empty if there is none."""
        return max((path.name for path in self._indexed().files), default="")

    def contents_since(self, name: str) -> pa.Array:
        """Return the contents, 64 hex digits each, of files that were written after one of this
        name."""
        found = [
            read_parquet(path, ["content_sha256"])["content_sha256"].cast(pa.large_string())
            for path in self._indexed().files
            if path.name > name
        ]
        chunks = [chunk for one in found for chunk in one.chunks]
        return pa.concat_arrays(chunks) if chunks else pa.array([], pa.large_string())

    def count(self, contents: DigestKeys) -> int:
        """Return how many of these contents, sorted keys, have features."""
        return int(are_in(contents, self._indexed().keys).sum())

    def touch(self) -> None:
        """Note that the features are in use."""
        if self.exists():
            os.utime(self._folder)

    def prune(self) -> None:
        """Remove files all of whose contents are in newer ones too.

        They are there after everything was read again.
        """
        self._index = None  # of before tonight's files
        index = self._indexed()
        order = np.lexsort([index.file, index.keys[:, 1], index.keys[:, 0]])
        keys = index.keys[order]
        file = index.file[order]
        first = np.ones(len(keys), bool)  # of each content; files are numbered from the newest
        first[1:] = (keys[1:] != keys[:-1]).any(axis=1)
        needed = set(np.unique(file[first]).tolist())
        for number, path in enumerate(index.files):
            if number not in needed:
                path.unlink(missing_ok=True)
        self._index = None

    def blocks(self) -> Iterator[tuple[pa.ChunkedArray, Float16Array]]:
        """Yield contents and features, file by file; a content may come twice.

        Contents are 64 hex digits each, features float16 (n, width). What is damaged is left out.
        """
        for path in self._indexed().files:
            try:
                table = read_parquet(path)
            except (OSError, pa.ArrowException) as error:
                raise_machine_fault(error)
                continue
            yield table["content_sha256"], _values(table, self.width)

    def _indexed(self) -> "_Index":
        """Return which content is where; what is damaged, or not of this width, counts as not
        there."""
        if self._index is None:
            files: list[Path] = []
            keys = [np.zeros((0, 2), np.uint64)]
            places = [np.zeros((0, 2), np.int64)]
            for path in sorted(self._folder.glob("*.parquet"), reverse=True):
                try:
                    if not pq.read_schema(path).equals(self._schema):
                        continue
                    digests = read_parquet(path, ["content_sha256"])["content_sha256"]
                except (OSError, pa.ArrowException) as error:
                    raise_machine_fault(error)
                    continue
                keys.append(raw_keys(digests))
                numbers = np.full(len(digests), len(files))
                places.append(np.stack([numbers, np.arange(len(digests))], axis=1))
                files.append(path)
            both = np.concatenate(keys)
            where = np.concatenate(places)
            # Of two files with a content, the newer comes first.
            order = np.argsort(both[:, 0], kind="stable")
            self._index = _Index(both[order], where[order, 0], where[order, 1], files)
        return self._index


def _values(table: pa.Table, width: int) -> Float16Array:
    chunks = [
        np.frombuffer(chunk.buffers()[1], DTYPE).reshape(-1, width)
        for chunk in table["features"].chunks
    ]
    return np.concatenate([np.zeros((0, width), DTYPE), *chunks])


class _Index(NamedTuple):
    """Contents in order of their keys, and the file and row of each: 32 bytes a picture."""

    keys: DigestKeys
    file: Int64Array
    row: Int64Array
    files: list[Path]
