"""The model bundle: one folder, saved whole or not at all, never written again, no pickle anywhere.

Loading trusts nothing: the file names are a closed set, every digest is checked before a byte is
used, and the network's configuration may only name layers that this product builds.
"""

import hashlib
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import tagger.imaging.preprocessing
from schemas.bundle import FILES, FORMAT_VERSION, HEAD, ONLY_FOR_TRAINING
from schemas.split import SPLIT
from tagger.arrays import Float32Array, Float64Array
from tagger.errors import BundleError, VocabularyError
from tagger.files import atomic_text, sync_folder
from tagger.imaging.preprocessing import Reading
from tagger.labels.vocabulary import Vocabulary
from tagger.models.versions import NAME

if TYPE_CHECKING:
    import keras

# What Keras 3 writes for the layers of `tagger.training.network`, and nothing else.
_CLASSES = frozenset(
    (
        *(
            "Functional",
            "InputLayer",
            "Conv2D",
            "Activation",
            "BatchNormalization",
            "MaxPooling2D",
            "Dropout",
        ),
        *("Flatten", "Dense", "Softmax", "Take", "Pad"),
        *("GlorotUniform", "Zeros", "Ones", "DTypePolicy", "__keras_tensor__"),
    )
)
NO_GATE: dict[str, Any] = {
    "parent": None,
    "passed": True,
    "tolerance": None,
    "worse": [],
    "parts": [],
}
"""The gate of a bundle that was trained from nothing, and is better than guessing."""
_WEIGHTS = ("config.json", "model.weights.h5")
_VERSIONS = (
    "tensorflow",
    "keras",
    "openvino",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "pi-heif",
)


class Head(NamedTuple):
    """The last layer, calibration folded in: logits = features @ kernel + bias.

    Attributes
    ----------
    kernel : float32 (n_features, n_labels)
    bias : float32 (n_labels,)
    """

    kernel: Float32Array
    bias: Float32Array


@dataclass(frozen=True)
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
    reading : Reading
        How pictures become the network's input.
    trunk : str
        Digest of all layers but the head.
    gate : dict
        The content of gate.json.
    """

    path: Path
    name: str
    model_id: str
    vocabulary: Vocabulary
    thresholds: Float64Array
    reading: Reading
    trunk: str
    gate: dict[str, Any]

    @property
    def size(self) -> int:
        """Return the side of the input, in pixels."""
        return self.reading.size

    @property
    def features_id(self) -> str:
        """Return the digest of what features depend on: the trunk, the settings of the reader, its
        version."""
        text = json.dumps(
            [self.trunk, self.reading.to_json(), tagger.imaging.preprocessing.READER],
            sort_keys=True,
        )
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def packed(self) -> bool:
        """Return whether it is for tagging alone: it has no network that could be trained."""
        return not (self.path / "model.keras").exists()

    @property
    def width(self) -> int:
        """Return how many features the head is applied to."""
        return int(self.head().kernel.shape[0])

    def head(self) -> Head:
        """Return what turns features into logits."""
        try:
            with np.load(self.path / "head.npz", allow_pickle=False) as arrays:
                head = Head(
                    np.asarray(arrays["kernel"], np.float32), np.asarray(arrays["bias"], np.float32)
                )
        except (
            OSError,
            EOFError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            zipfile.BadZipFile,
        ) as error:
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

    def metrics(self) -> dict[str, Any]:
        """Return the content of metrics.json."""
        try:
            value: dict[str, Any] = json.loads((self.path / "metrics.json").read_text())
            return {key: value[key] for key in ("evaluation", "calibration", "pairs_in_training")}
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise BundleError(
                f"model {str(self.path)!r}: metrics.json cannot be read: {error}"
            ) from error

    def threshold_rows(self) -> list[dict[str, Any]]:
        """Return the entries of thresholds.json, in column order, without their labels."""
        rows = json.loads((self.path / "thresholds.json").read_text())["labels"]
        return [{key: value for key, value in row.items() if key != "label"} for row in rows]

    def trained_pairs(self) -> dict[tuple[str, str], int]:
        """Return how many training pictures had each pair of labels."""
        try:
            return {(str(a), str(b)): int(n) for a, b, n in self.metrics()["pairs_in_training"]}
        except (TypeError, ValueError) as error:
            raise BundleError(
                f"model {str(self.path)!r}: pairs_in_training of metrics.json: {error}"
            ) from error

    def split(self) -> pa.Table:
        """Return split.parquet."""
        try:
            return pq.read_table(self.path / "split.parquet", schema=SPLIT)
        except (OSError, pa.ArrowException) as error:
            raise BundleError(
                f"model {str(self.path)!r}: split.parquet cannot be read: {error}"
            ) from error


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of each package that is installed; tagging needs no TensorFlow."""
    found = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def save_bundle(
    models: Path,
    name: str,
    *,
    network: "keras.Model",
    vocabulary: Vocabulary,
    thresholds: list[dict[str, Any]],
    split: pa.Table,
    metrics: dict[str, Any],
    plots: dict[str, bytes],
    card: Callable[[str], str],
    parent: str | None = None,
    gate: dict[str, Any] | None = None,
    reading: Reading | None = None,
) -> Path:
    """Return the folder of a new bundle, `models/name`; it appears by one rename, complete.

    Parameters
    ----------
    network : keras.Model
        With views, calibration folded in.
    thresholds : list of dict
        As in thresholds.json, one per label.
    plots : dict
        PNG bytes of history.png and reliability.png.
    card : callable (model_id)
        Returns the text of README.md.
    parent : str, optional
        model_id of the bundle it was retrained from.
    gate : dict, optional
        As in gate.json; by default that of a good bundle without a parent.
    reading : Reading, optional
        How its pictures were read; by default as this program reads them.

    Raises
    ------
    BundleError
        If `models/name` exists.
    """
    final, work = models / name, models / f".{name}.saving-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    (work / "openvino").mkdir(parents=True)
    try:
        _write_contents(
            work, network, vocabulary, thresholds, split, metrics, plots, gate or NO_GATE, reading
        )
        complete(work, final, name=name, card=card, parent=parent, trunk=_trunk_digest(network))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return final


def complete(
    work: Path,
    final: Path,
    *,
    name: str,
    card: Callable[[str], str],
    parent: str | None,
    trunk: str,
) -> None:
    """Describe the files in `work` in bundle.json, write the card, and make the folder `final`, by
    one rename.

    Raises
    ------
    BundleError
        If `final` exists.
    """
    model_id = _model_id(work)
    (work / "README.md").write_text(card(model_id))
    described = {
        "format_version": FORMAT_VERSION,
        "name": name,
        "model_id": model_id,
        "files": {file: _sha256(work / file) for file in sorted(FILES) if (work / file).exists()},
        "versions": installed_versions(_VERSIONS),
        "parent": parent,
        "trunk": trunk,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    (work / "bundle.json").write_text(json.dumps(described, indent=1) + "\n")
    for folder in (work / "openvino", work):
        sync_folder(folder)
    if final.exists():
        raise BundleError(f"{str(final)!r} exists already; a saved bundle is never written again")
    os.rename(work, final)
    sync_folder(final.parent)


def load_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Return the bundle at `path`, after checking every digest in it.

    Raises
    ------
    BundleError
        If it is missing, incomplete, changed, or not a bundle.
    """
    folder = Path(os.path.realpath(path))
    shown = repr(os.fspath(path))
    try:
        described = json.loads((folder / "bundle.json").read_text())
        if described["format_version"] != FORMAT_VERSION:
            raise BundleError(
                f"model {shown}: format_version {described['format_version']!r}, this program has "
                f"{FORMAT_VERSION}; "
                "train again, or use the version that saved it"
            )
        if set(described["files"]) not in (set(FILES), set(FILES) - set(ONLY_FOR_TRAINING)):
            odd = sorted(set(described["files"]) ^ set(FILES))
            raise BundleError(
                f"model {shown}: its bundle.json lists too few or too many files: {odd}"
            )
        for file in FILES:
            if file not in described["files"] and (folder / file).exists():
                raise BundleError(
                    f"model {shown}: {file} is there and bundle.json does not list it; take it away"
                )
        for file, digest in described["files"].items():
            if _sha256(folder / file) != digest:
                raise BundleError(
                    f"model {shown}: {file} was changed after it was saved; take the bundle from a "
                    "backup"
                )
        if _model_id(folder) != described["model_id"]:
            raise BundleError(
                f"model {shown}: its model_id does not follow from its files; take it from a backup"
            )
        vocabulary = Vocabulary.from_json(
            json.loads((folder / "vocabulary.json").read_text()), source="vocabulary.json"
        )
        thresholds = json.loads((folder / "thresholds.json").read_text())["labels"]
        if [row["label"] for row in thresholds] != [label.key for label in vocabulary.labels]:
            raise BundleError(
                f"model {shown}: thresholds.json and vocabulary.json name different labels"
            )
        how = Reading.from_json(json.loads((folder / "preprocessing.json").read_text()))
        values = np.array([row["threshold"] for row in thresholds], np.float64)
        if not ((values > 0) & (values < 1)).all():
            raise BundleError(f"model {shown}: thresholds {values.tolist()} make no sense")
        gate, trunk = json.loads((folder / "gate.json").read_text()), described["trunk"]
        sound = (
            isinstance(gate["passed"], bool)
            and isinstance(gate["worse"], list)
            and "parent" in gate
        )
        if not (sound and re.fullmatch(r"[0-9a-f]{64}", trunk)):
            raise BundleError(
                f"model {shown}: gate.json says neither passed nor not, or {trunk!r} is no digest"
            )
        name, parent = described["name"], described["parent"]
        if not (
            re.fullmatch(NAME, name) and (parent is None or re.fullmatch(r"[0-9a-f]{64}", parent))
        ):
            raise BundleError(
                f"model {shown}: bundle.json names it {name!r} and its parent {parent!r}"
            )
        datetime.fromisoformat(described["created_at"])
        return Bundle(folder, name, described["model_id"], vocabulary, values, how, trunk, gate)
    except FileNotFoundError as error:
        if os.path.basename(os.path.normpath(path)) == "current" and not os.path.lexists(path):
            raise BundleError(
                f"model {shown}: no version there is current, since none was good enough to be "
                "promoted; name one by "
                "its folder, or promote it with 'tagger promote'"
            ) from error
        missing = os.path.relpath(error.filename, folder) if error.filename else "a file"
        raise BundleError(
            f"model {shown}: no {missing} there; name a folder that 'tagger train' made"
        ) from error
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        zipfile.BadZipFile,
        VocabularyError,
    ) as error:
        raise BundleError(f"model {shown}: not a readable bundle ({error})") from error


def check_network_config(model_file: Path) -> None:
    """Raise BundleError if the network in a .keras file names anything but the layers that this
    product builds.

    Keras's safe mode refuses lambdas; this also refuses every other class that a stranger's file
    could name.
    """
    with zipfile.ZipFile(model_file) as archive:
        config = json.loads(archive.read("config.json"))

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            name, module = value.get("class_name"), str(value.get("module") or "keras")
            registered = value.get("registered_name")
            if name is not None and (name not in _CLASSES or registered not in (None, name)):
                raise BundleError(
                    f"model.keras names the class {registered or name!r}, which no bundle of ours "
                    "has"
                )
            if module.split(".")[0] != "keras":
                raise BundleError(
                    f"model.keras names the module {module!r}, which no bundle of ours has"
                )
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(config)


def _write_contents(
    work: Path,
    network: "keras.Model",
    vocabulary: Vocabulary,
    thresholds: list[dict[str, Any]],
    split: pa.Table,
    metrics: dict[str, Any],
    plots: dict[str, bytes],
    gate: dict[str, Any],
    reading: Reading | None,
) -> None:
    how = reading or Reading(network.input_shape[1])
    network.save(work / "model.keras", include_optimizer=False)
    _number_shared_objects(work / "model.keras")
    save_openvino(network, work / "openvino" / "model.xml")
    kernel, bias = network.get_layer(HEAD).get_weights()
    np.savez(work / "head.npz", kernel=kernel.astype("<f4"), bias=bias.astype("<f4"))
    atomic_text(work / "vocabulary.json", json.dumps(vocabulary.to_json(), indent=1) + "\n")
    atomic_text(work / "preprocessing.json", json.dumps(how.to_json(), indent=1) + "\n")
    rows = [{"label": x.key, **row} for x, row in zip(vocabulary.labels, thresholds, strict=True)]
    text = json.dumps({"format_version": FORMAT_VERSION, "labels": rows}, indent=1)
    atomic_text(work / "thresholds.json", text + "\n")
    # zstd halves hex digests; a dictionary of them is as long as they are.
    written = {"compression": "zstd", "compression_level": 9, "use_dictionary": ["part", "judged"]}
    pq.write_table(split, work / "split.parquet", **written)
    atomic_text(work / "metrics.json", json.dumps(metrics, indent=1) + "\n")
    atomic_text(
        work / "gate.json", json.dumps({"format_version": FORMAT_VERSION, **gate}, indent=1) + "\n"
    )
    for file, content in plots.items():
        (work / file).write_bytes(content)


def _number_shared_objects(model_file: Path) -> None:
    """Replace the memory addresses in a .keras file's configuration by 1, 2, 3 ...: equal networks
    get equal bytes."""
    with zipfile.ZipFile(model_file) as archive:
        contents = {item: archive.read(item) for item in archive.namelist()}
    numbers: dict[str, int] = {}
    config = re.sub(
        r'("shared_object_id": )(\d+)',
        lambda match: f"{match[1]}{numbers.setdefault(match[2], len(numbers) + 1)}",
        contents["config.json"].decode(),
    )
    contents["config.json"] = config.encode()
    with zipfile.ZipFile(model_file, "w") as archive:
        for item, data in contents.items():
            archive.writestr(item, data)


def save_openvino(network: "keras.Model", path: Path) -> None:
    """Write the network as OpenVINO IR in float32."""
    import warnings

    from tagger.models.openvino_runtime import openvino

    with warnings.catch_warnings():
        # Keras says that a tuple of one input is not the input itself; the converter calls it so.
        warnings.filterwarnings("ignore", message="The structure of `inputs` doesn't match")
        converted = openvino.convert_model(network)
    for output in converted.outputs:
        wanted = output.get_names() & set(network.output)
        output.set_names(wanted)
    openvino.save_model(converted, path, compress_to_fp16=False)


def _model_id(folder: Path) -> str:
    parts: dict[str, Any]
    if (folder / "model.keras").exists():
        with zipfile.ZipFile(folder / "model.keras") as archive:
            parts = {file: hashlib.sha256(archive.read(file)).hexdigest() for file in _WEIGHTS}
    else:  # packed
        parts = {file: _sha256(folder / "openvino" / file) for file in ("model.xml", "model.bin")}
    for name in ("vocabulary", "preprocessing", "thresholds"):
        parts[name] = json.loads((folder / f"{name}.json").read_text())
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _trunk_digest(network: "keras.Model") -> str:
    """Return the sha256 of what decides the features of a picture: every weight but the head's, in
    order."""
    digest = hashlib.sha256(repr(network.input_shape[1:]).encode())
    for layer in network.layers:
        if layer.name != HEAD:
            for weight in layer.get_weights():
                digest.update(np.ascontiguousarray(weight, "<f4").tobytes())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
