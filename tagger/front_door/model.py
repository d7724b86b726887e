"""A trained model in a program: pictures in, a table out."""

import os
import threading
from collections.abc import Iterable, Sequence
from os import PathLike
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

import numpy as np

from schemas.rows import FIXED_COLUMNS, NIGHT_COLUMNS, TAGS_COLUMNS
from tagger.arrays import Float32Array, Float64Array, Pixels
from tagger.cpus import usable_cpus
from tagger.errors import InputError, TaggerError
from tagger.imaging.decoder import Decoder
from tagger.imaging.file_facts import FileFacts
from tagger.imaging.worker import CHUNK
from tagger.index.rows import make_rows, schema_of
from tagger.models.bundle import load_bundle
from tagger.models.file_scoring import read_and_infer
from tagger.models.inferred import Inferred
from tagger.models.precision import PICTURES
from tagger.models.predictor import Backend, make_predictor
from tagger.models.starter import STARTER
from tagger.progress import say

if TYPE_CHECKING:
    import pandas as pd

Picture: TypeAlias = str | PathLike[str] | Pixels


class _Scored(NamedTuple):
    """What the network said of some pictures; their features, much larger, are not kept."""

    logits: Float32Array  # (n, n_labels)
    outside: Float64Array  # (n,): how much of the features lies outside of those trained on


class Model:
    """A trained model that tags pictures; `tagger.load` makes one.

    Files are decoded in processes of their own, so that a damaged one harms nobody. They start with
    the first files and stay for the next; `close`, the end of a `with` block and the end of the
    program end them. One model may be used by several threads, which take turns.

    Attributes
    ----------
    name, model_id : str
        What the model is called, and the id that rows of an index name.
    labels : mapping of str to str
        From each label, as `group:name`, to its score column, in the order of the columns.
    groups : mapping of str to tuple of str
        From each group to the names of its labels; retired labels are left out.
    thresholds : mapping of str to float
        From each score column to the score from which on the label holds.

    Examples
    --------
    >>> import tagger
    >>> with tagger.load("models/current") as model:
    ...     table = model.predict(["dress.jpg", "missing.jpg"])
    >>> list(table["status"])
    ['ok', 'gone']
    >>> model.groups["color"][:3]
    ('beige', 'black', 'blue')
    >>> column = model.labels["color:blue"]
    >>> bool(table[column][0] >= model.thresholds[column])
    True
    """

    def __init__(
        self, path: str | PathLike[str] | None = None, *, backend: Backend = "auto"
    ) -> None:
        if backend not in ("auto", "openvino", "keras"):
            raise InputError(f"backend {backend!r}: it is one of 'auto', 'openvino', 'keras'")
        self._bundle = load_bundle(STARTER if path is None else _path(path, "model"))
        self._backend: Backend = backend
        self._predictor = make_predictor(self._bundle, backend, pictures=0, report=say)
        self._compared = backend != "auto"
        self._decoder: Decoder | None = None
        self._workers = 0
        self._lock = threading.Lock()
        self._process = os.getpid()
        vocabulary = self._bundle.vocabulary
        thresholds = self._bundle.thresholds.tolist()
        self.name = self._bundle.name
        self.model_id = self._bundle.model_id
        self.labels = MappingProxyType({label.key: label.column for label in vocabulary.labels})
        self.groups = MappingProxyType(
            {
                group.name: tuple(vocabulary.labels[i].name for i in vocabulary.members(group.name))
                for group in vocabulary.groups
            }
        )
        self.thresholds = MappingProxyType(dict(zip(self.labels.values(), thresholds, strict=True)))

    def __repr__(self) -> str:
        return f"<tagger.Model {self.name}: {len(self.labels)} labels>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the decode processes; a later call of `predict` starts new ones."""
        decoder = self._decoder
        self._decoder = None
        if decoder is not None:
            decoder.close()

    def predict(self, pictures: Picture | Iterable[Picture]) -> "pd.DataFrame":
        """Return one row per picture, with the columns that an index has.

        Parameters
        ----------
        pictures : path, list of paths, array or list of arrays
            Arrays are uint8 (height, width, 3) in RGB, of any size, or (n, height, width, 3); they
            are made squares as the nightly job does it.

        Returns
        -------
        pandas.DataFrame
            `image`, the path as it was given or the position of an array; `status`, `ok` or why
            there are no scores (`gone` where there is no such file), and `error`, the reason in
            words; `tags`, a list; `unlikeness`, how far it lies from what the model was trained on
            (over 1: unlike it); for each exclusive group the answer and its score; for each label
            its score. Scores have four decimals, as in an index.

        Raises
        ------
        TaggerError
            If something is neither a path nor a picture, or the machine kept a file from being
            read.

        Examples
        --------
        >>> import numpy as np
        >>> import tagger
        >>> model = tagger.load("models/current")
        >>> white = np.full((60, 40, 3), 255, np.uint8)
        >>> list(model.predict([white, white])["image"])
        [0, 1]
        """
        if os.getpid() != self._process:
            raise TaggerError(
                "this model was loaded before the process was forked; load it in the new process"
            )
        asked = _listed(pictures)
        with self._lock:
            self._choose_precision(len(asked))
            if asked and not isinstance(asked[0], str):
                return self._table(range(len(asked)), *self._score_arrays(asked))
            return self._table(asked, *self._score_files(asked))

    def _choose_precision(self, pictures: int) -> None:
        """Compare precisions on the first large batch, as the nightly job does."""
        if not self._compared and pictures >= PICTURES:
            self._predictor = make_predictor(self._bundle, self._backend, report=say)
            self._compared = True

    def _score_files(self, paths: Sequence[str]) -> tuple[list[FileFacts], _Scored]:
        facts: list[FileFacts] = []
        found: list[_Scored] = []
        places = [os.path.abspath(path) for path in paths]  # workers may be in another folder
        try:
            decoder = self._decoder_for(len(places))
            for some, inferred in read_and_infer(self._predictor, decoder, places):
                facts.extend(some)
                found.append(self._scored(inferred))
        except BaseException:
            self.close()  # workers may be in the middle of something
            raise
        return facts, self._joined(found)

    def _decoder_for(self, pictures: int) -> Decoder:
        """Return the decode processes, more than before if these are the first to need more."""
        wanted = max(1, min(usable_cpus(), pictures // 8))  # one starts as slowly as some decode
        if self._decoder is None or self._workers < wanted:
            self.close()
            self._decoder = Decoder(self._bundle.reading, workers=wanted)
            self._workers = wanted
        return self._decoder

    def _score_arrays(self, arrays: Sequence[Any]) -> tuple[list[FileFacts], _Scored]:
        from tagger.imaging.squares import squashed

        found: list[_Scored] = []
        for at in range(0, len(arrays), CHUNK):
            squares = [squashed(pixels, self._bundle.size) for pixels in arrays[at : at + CHUNK]]
            inferred = self._predictor.infer(np.stack(squares))  # (n, size, size, 3)
            found.append(self._scored(inferred))
        facts = [FileFacts("ok", width=one.shape[1], height=one.shape[0]) for one in arrays]
        return facts, self._joined(found)

    def _scored(self, inferred: Inferred) -> _Scored:
        return _Scored(inferred.logits, self._bundle.outside(inferred.features))

    def _joined(self, parts: Sequence[_Scored]) -> _Scored:
        nothing = np.zeros((0, len(self._bundle.vocabulary)), np.float32)
        return _Scored(
            np.concatenate([nothing, *(part.logits for part in parts)]),
            np.concatenate([np.zeros(0), *(part.outside for part in parts)]),
        )

    def _table(
        self, images: Iterable[str | int], facts: Sequence[FileFacts], scored: _Scored
    ) -> "pd.DataFrame":
        import pandas as pd

        bundle = self._bundle
        rows = make_rows(
            [str(position) for position in range(len(facts))],
            facts,
            scored.logits,
            vocabulary=bundle.vocabulary,
            thresholds=bundle.thresholds,
            model_id=bundle.model_id,
            likeness=bundle.likeness,
            outside=scored.outside,
        )
        columns = schema_of(bundle.vocabulary).names[len(FIXED_COLUMNS) + len(TAGS_COLUMNS) :]
        answers = [name for name in columns if name not in NIGHT_COLUMNS]
        table = as_pandas(rows.select(["status", "error", "tags", *answers]))
        names = list(images)
        kind = object if names and isinstance(names[0], str) else np.int64  # a path may be no text
        table.insert(0, "image", pd.Series(names, dtype=kind))
        return table


def as_pandas(rows: Any) -> "pd.DataFrame":
    """Return an Arrow table of rows for pandas; tags and the like are lists, or None."""
    import pandas as pd

    table: pd.DataFrame = rows.to_pandas()
    for name in TAGS_COLUMNS:
        if name in table.columns:
            lists = [None if one is None else list(one) for one in table[name]]
            table[name] = pd.Series(lists, table.index, object)
    return table


def _listed(pictures: Any) -> list[Any]:
    """Return the pictures one by one: all paths, as str, or all arrays."""
    if isinstance(pictures, str | PathLike) or (_is_array(pictures) and pictures.ndim == 3):
        pictures = [pictures]
    if isinstance(pictures, bytes | bytearray | memoryview) or not isinstance(pictures, Iterable):
        raise _unusable("pictures", pictures)
    listed = list(pictures)
    arrays = [_is_array(one) for one in listed]
    if any(arrays) and not all(arrays):
        raise InputError("pictures: paths and arrays together; call predict once for each kind")
    return [_checked(one, position) for position, one in enumerate(listed)]


def _checked(picture: Any, position: int) -> Any:
    what = f"picture {position}"
    if not _is_array(picture):
        return _path(picture, what)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise _unusable(what, picture)
    return np.ascontiguousarray(picture)


def _path(given: Any, what: str) -> str:
    """Return a path as str."""
    path = os.fspath(given) if isinstance(given, str | PathLike) else None
    if not isinstance(path, str) or path == "" or "\0" in path:
        raise _unusable(what, given)
    return path


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)


def _unusable(what: str, value: Any) -> InputError:
    if _is_array(value):
        shown = f"an array of {value.dtype} {value.shape}"
    else:
        shown = f"{value!r:.80} ({type(value).__name__})"
    wanted = "a path" if what == "model" else "a path, or an array of uint8 (height, width, 3), RGB"
    return InputError(f"{what}: {shown}; give {wanted}")
