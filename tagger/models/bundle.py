"""The model bundle: one folder, saved whole or not at all, never written again, no pickle anywhere.

Loading trusts nothing: every digest is checked before a byte is used, only files that bundle.json
lists are read, and the network's configuration may only name layers that this product builds.
"""

import errno
import hashlib
import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import tagger.imaging.preprocessing
from schemas.bundle import (
    FILES,
    INT8,
    ONLY_PACKED,
    ONLY_WHOLE,
    Description,
    Gate,
    Likeness,
    Metrics,
    Threshold,
    Thresholds,
)
from schemas.record import FORMAT_VERSION, Record, Versioned, parse
from schemas.split import SPLIT
from tagger.arrays import Float32Array, Float64Array
from tagger.errors import BundleError, InputError
from tagger.files import file_digest
from tagger.imaging.preprocessing import Reading
from tagger.labels.feature_space import FeatureSpace, share_outside
from tagger.labels.vocabulary import Vocabulary
from tagger.machine import raise_machine_fault
from tagger.models.arrays_file import UNREADABLE, read_arrays
from tagger.models.network_file import network_digests
from tagger.models.starter import STARTER, STARTER_NAME

Kind = TypeVar("Kind", bound=Record)


class Head(NamedTuple):
    """The last layer, calibration folded in: logits = features @ kernel + bias.

    Attributes
    ----------
    kernel : float32 (n_features, n_labels)
    bias : float32 (n_labels,)
    """

    kernel: Float32Array
    bias: Float32Array


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A saved model whose digests have been checked.

    Attributes
    ----------
    path : Path
        Resolved; `current` is followed once.
    name, model_id : str
    vocabulary : Vocabulary
    thresholds : float64 (n_labels,)
        Four decimals.
    likeness : Likeness or None
        What the unlikeness of a picture is measured by; None of a model of an earlier version.
    reading : Reading
        How pictures become the network's input.
    trunk : str
        Digest of all layers but the head.
    int8 : str or None
        Digest of its network in int8; None if it has none.
    gate : Gate
        The content of gate.json.
    parent : str or None
        model_id of the bundle it was retrained or packed from.
    created_at : datetime
        When it was saved, UTC.
    """

    path: Path
    name: str
    model_id: str
    vocabulary: Vocabulary
    thresholds: Float64Array
    likeness: Likeness | None
    reading: Reading
    trunk: str
    int8: str | None
    gate: Gate
    parent: str | None
    created_at: datetime

    @property
    def is_starter(self) -> bool:
        """Return whether it is the one that comes with the package."""
        return self.path == STARTER.resolve()

    @property
    def size(self) -> int:
        """Return the side of the input, in pixels."""
        return self.reading.size

    @property
    def features_id(self) -> str:
        """Return the digest of trunk, reader's settings and reader: features depend on them."""
        settings = msgspec.to_builtins(self.reading.to_record())
        reader = tagger.imaging.preprocessing.READER
        text = json.dumps([self.trunk, settings, reader], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def packed(self) -> bool:
        """Return whether it has float16 weights, and no network for Keras."""
        return not (self.path / "model.keras").exists()

    @property
    def trainable(self) -> bool:
        """Return whether it can be retrained."""
        return not self.packed or all((self.path / file).exists() for file in ONLY_PACKED)

    @property
    def width(self) -> int:
        """Return how many features the head is applied to."""
        return int(self.head().kernel.shape[0])

    def head(self) -> Head:
        """Return what turns features into logits."""
        try:
            arrays = read_arrays(self.path / "head.npz")
            head = Head(arrays["kernel"], arrays["bias"])
        except UNREADABLE as error:
            raise BundleError(
                f"model {str(self.path)!r}: head.npz cannot be read: {error}"
            ) from error
        if not (
            head.kernel.ndim == 2
            and head.kernel.shape[1:] == head.bias.shape == (len(self.vocabulary),)
        ):
            raise BundleError(
                f"model {str(self.path)!r}: head.npz has {head.kernel.shape}, {head.bias.shape}"
            )
        return head

    @cached_property
    def space(self) -> FeatureSpace | None:
        """Return where the features of training pictures lie; None where likeness does not go by
        it."""
        if self.likeness is None or self.likeness.outside is None:
            return None
        try:
            arrays = read_arrays(self.path / "head.npz")
            # Once: every batch of a night is multiplied by it in float64.
            space = FeatureSpace(
                *(arrays[name].astype(np.float64) for name in FeatureSpace._fields)
            )
            whole = space.fits(self.width) and space.digest == self.likeness.outside.space
        except UNREADABLE:
            whole = False
        if not whole:
            raise BundleError(
                f"head.npz has not the directions of {self.width} features by which "
                "thresholds.json measures what is unlike; take it from a backup"
            )
        return space

    def outside(self, features: Float32Array) -> Float64Array:
        """Return float64 (n,): how much of some features, (n, n_features), lies outside of those
        that the model was trained on; 0 where likeness does not go by it."""
        if self.space is None:
            return np.zeros(len(features))
        return share_outside(features, self.space)

    def metrics(self) -> Metrics:
        """Return the content of metrics.json."""
        return self._read("metrics.json", Metrics)

    def threshold_rows(self) -> list[Threshold]:
        """Return the entries of thresholds.json, in column order."""
        return self._read("thresholds.json", Thresholds).labels

    def trained_pairs(self) -> dict[tuple[str, str], int]:
        """Return how many training pictures had each pair of labels."""
        return {(one, other): n for one, other, n in self.metrics().pairs_in_training}

    def split(self) -> pa.Table:
        """Return split.parquet."""
        try:
            return pq.read_table(self.path / "split.parquet", schema=SPLIT)
        except (OSError, pa.ArrowException) as error:
            raise BundleError(
                f"model {str(self.path)!r}: split.parquet cannot be read: {error}"
            ) from error

    def parts(self) -> dict[str, str]:
        """Return train, validation or test for each content it was made with, by sha256."""
        split = self.split()
        contents, parts = (split[name].to_pylist() for name in ("content_sha256", "part"))
        return dict(zip(contents, parts, strict=True))

    def _read(self, file: str, kind: type[Kind]) -> Kind:
        try:
            return read_record(self.path, file, kind)
        except (OSError, BundleError) as error:
            raise BundleError(f"model {str(self.path)!r}: {error}") from error


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of each package that is installed; tagging needs no TensorFlow."""
    found = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def load_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Return the bundle at `path`, after checking every digest in it.

    The word `starter` is the one that comes with the package, unless a bundle of this name is
    there, or what is left of one.

    Raises
    ------
    BundleError
        If it is missing, incomplete, changed, or not a bundle.
    MachineFault
        If the machine has no thread left.
    """
    if os.fspath(path) == STARTER_NAME and not _is_ones_own(path):
        path = STARTER
    folder = Path(os.path.realpath(path))
    shown = repr(os.fspath(path))
    try:
        return _load(folder)
    except FileNotFoundError as error:
        if os.path.basename(os.path.normpath(path)) == "current" and not os.path.lexists(path):
            raise BundleError(
                f"model {shown}: no version there is current, since none was good enough to be "
                "promoted; name one by its folder, or promote it with 'tagger promote'"
            ) from error
        missing = os.path.relpath(error.filename, folder) if error.filename else "a file"
        raise BundleError(
            f"model {shown}: no {missing} there; name a folder that 'tagger train' made, or "
            f"{STARTER_NAME}, the one that comes with the package"
        ) from error
    except NotADirectoryError as error:
        raise BundleError(
            f"model {shown} is a file; a model is a folder that 'tagger train' made"
        ) from error
    except InputError as error:
        raise BundleError(f"model {shown}: {error}") from error
    except (OSError, ValueError, KeyError, RecursionError, zipfile.BadZipFile) as error:
        raise BundleError(f"model {shown}: not a readable bundle ({error})") from error
    except RuntimeError as error:
        raise_machine_fault(error)  # it cannot start a thread
        raise


def _is_ones_own(path: str | os.PathLike[str]) -> bool:
    """Return whether a model of this name is there, or what is left of one.

    A link that leads nowhere is one: a share that is not mounted must not put the packaged model in
    its place.
    """
    parts = ("bundle.json", "vocabulary.json", "thresholds.json", "head.npz", "current")
    return os.path.islink(path) or any(os.path.lexists(os.path.join(path, part)) for part in parts)


def _load(folder: Path) -> Bundle:
    described = _description(folder)
    # Most of the time is hashing, which leaves Python alone: on two processors, half of it.
    with ThreadPoolExecutor(1) as beside:
        model_id = beside.submit(model_id_of, folder)
        _check_files(folder, described.files)
    if model_id.result() != described.model_id:
        raise BundleError("its model_id does not follow from its files; take it from a backup")
    vocabulary = Vocabulary.parse(
        (folder / "vocabulary.json").read_bytes(), source="vocabulary.json"
    )
    chosen = read_record(folder, "thresholds.json", Thresholds)
    thresholds = chosen.labels
    if [row.label for row in thresholds] != [label.key for label in vocabulary.labels]:
        raise BundleError(
            "thresholds.json and vocabulary.json name different labels; take it from a backup"
        )
    bundle = Bundle(
        path=folder,
        name=described.name,
        model_id=described.model_id,
        vocabulary=vocabulary,
        thresholds=np.array([row.threshold for row in thresholds], np.float64),
        likeness=chosen.likeness,
        reading=Reading.parse((folder / "preprocessing.json").read_bytes()),
        trunk=described.trunk,
        int8=_int8(described.files),
        gate=read_record(folder, "gate.json", Gate),
        parent=described.parent,
        created_at=datetime.fromisoformat(described.created_at),
    )
    _ = bundle.space  # what unlikeness is measured by is there, or nothing is tagged
    return bundle


def _int8(files: Mapping[str, str]) -> str | None:
    return "".join(files[file] for file in INT8) if all(file in files for file in INT8) else None


def _description(folder: Path) -> Description:
    """Return bundle.json, the version looked at first: another one may have other fields."""
    written = read_record(folder, "bundle.json", Versioned).format_version
    if written != FORMAT_VERSION:
        raise BundleError(
            f"format_version {written!r}, this program has {FORMAT_VERSION}; train again, or use "
            "the version that saved it"
        )
    return read_record(folder, "bundle.json", Description)


def _check_files(folder: Path, listed: Mapping[str, str]) -> None:
    """Raise BundleError unless the listed files are there as they were saved, and all we need.

    Files that this version does not know are left alone, but those that are listed must be whole.
    """
    needed = set(FILES) - {*ONLY_WHOLE, *ONLY_PACKED, *INT8}
    if missing := sorted(needed - set(listed)):
        raise BundleError(
            f"its bundle.json does not list {', '.join(missing)}; take it from a backup"
        )
    for file in FILES:
        if file not in listed and (folder / file).exists():
            raise BundleError(f"{file} is there and bundle.json does not list it; take it away")
    for file, digest in listed.items():
        if not _is_inside(file):
            raise BundleError(f"bundle.json lists {file!r}, which is no path below its folder")
        if not (folder / file).is_file():  # a pipe would be waited for
            raise FileNotFoundError(errno.ENOENT, "no such file", str(folder / file))
        if file_digest(folder / file) != digest:
            raise BundleError(
                f"{file} was changed after it was saved; take the bundle from a backup"
            )


def _is_inside(file: str) -> bool:
    path = PurePosixPath(file)
    return path.parts != () and not path.is_absolute() and ".." not in path.parts


def read_record(folder: Path, file: str, kind: type[Kind]) -> Kind:
    """Return the record in a JSON file of a bundle.

    Raises
    ------
    BundleError
        Naming the file and what is wrong with it.
    """
    try:
        return parse((folder / file).read_bytes(), kind)
    except ValueError as error:
        raise BundleError(f"{file}: {error}; take the bundle from a backup") from error


def model_id_of(folder: Path) -> str:
    """Return the digest of what decides the scores that the files in `folder` give."""
    parts: dict[str, Any] = {}
    if (folder / "model.keras").exists():
        parts |= network_digests(folder / "model.keras")
    else:  # packed
        for file in ("model.xml", "model.bin"):
            parts[file] = file_digest(folder / "openvino" / file)
    for name in ("vocabulary", "preprocessing", "thresholds"):
        # As it is written: what this version does not know counts too.
        parts[name] = json.loads((folder / f"{name}.json").read_bytes())
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
