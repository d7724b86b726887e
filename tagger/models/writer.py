"""Writing a bundle: all its files beside the place it will have, then one rename."""

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.bundle import (
    FILES,
    HEAD,
    Description,
    Gate,
    Likeness,
    Metrics,
    Threshold,
    Thresholds,
)
from schemas.record import FORMAT_VERSION, Record, to_json
from tagger.arrays import Pixels
from tagger.errors import BundleError
from tagger.files import file_digest, sync_folder
from tagger.imaging.preprocessing import Reading
from tagger.labels.feature_space import FeatureSpace
from tagger.labels.vocabulary import Vocabulary
from tagger.models.bundle import installed_versions, model_id_of
from tagger.models.network_file import number_shared_objects
from tagger.models.quantization import try_int8

if TYPE_CHECKING:
    from tagger.backend import keras

NO_GATE = Gate(parent=None, passed=True, worse=[])
"""The gate of a bundle that was trained from nothing, and is better than guessing."""

_VERSIONS = (
    "tensorflow",
    "keras",
    "openvino",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "pi-heif",
)


@dataclass(frozen=True, kw_only=True)
class BundleContents:
    """All that a bundle is made of.

    Attributes
    ----------
    network : keras.Model
        With views, calibration folded in.
    vocabulary : Vocabulary
    thresholds : sequence of Threshold
        One per label, in column order.
    likeness : Likeness, optional
        What the unlikeness of a picture is measured by.
    calibration : uint8 (n, size, size, 3), optional
        Training pictures, RGB, that its network for 8 bits is calibrated on, and its head fitted;
        without them it has none.
    space : FeatureSpace, optional
        Where the features of training pictures lie, if likeness goes by it.
    split : pyarrow.Table
        As `schemas.split.SPLIT`.
    metrics : Metrics
    plots : mapping from str to bytes
        PNG bytes of history.png and reliability.png.
    card : callable (model_id)
        Returns the text of README.md.
    gate : Gate
        By default that of a good bundle without a parent.
    parent : str, optional
        model_id of the bundle it was retrained from.
    reading : Reading, optional
        How its pictures were read; by default as this program reads them.
    """

    network: "keras.Model"
    vocabulary: Vocabulary
    thresholds: Sequence[Threshold]
    split: pa.Table
    metrics: Metrics
    plots: Mapping[str, bytes]
    card: Callable[[str], str]
    gate: Gate = NO_GATE
    parent: str | None = None
    reading: Reading | None = None
    likeness: Likeness | None = None
    space: FeatureSpace | None = None
    calibration: Pixels | None = None


def save_bundle(models: Path, name: str, contents: BundleContents) -> Path:
    """Return the folder of a new bundle, `models/name`; it appears by one rename, complete.

    Raises
    ------
    BundleError
        If `models/name` exists.
    """
    final = models / name
    work = models / f".{name}.saving-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    (work / "openvino").mkdir(parents=True)
    try:
        _write_network(work, contents.network, contents.space)
        if contents.calibration is not None:
            try_int8(work, contents.calibration)
        _write_records(work, contents)
        _write_split(work, contents.split)
        for file, plot in contents.plots.items():
            (work / file).write_bytes(plot)
        complete(
            work,
            final,
            name=name,
            card=contents.card,
            parent=contents.parent,
            trunk=trunk_digest(contents.network),
        )
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
    """Write the card and bundle.json, which describes all files, and rename `work` to `final`.

    Raises
    ------
    BundleError
        If `final` exists.
    """
    model_id = model_id_of(work)
    (work / "README.md").write_text(card(model_id), encoding="utf-8")
    described = Description(
        format_version=FORMAT_VERSION,
        name=name,
        model_id=model_id,
        files={file: file_digest(work / file) for file in sorted(FILES) if (work / file).exists()},
        versions=installed_versions(_VERSIONS),
        parent=parent,
        trunk=trunk,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    _write(work / "bundle.json", described)
    for folder in (work / "openvino", work):
        sync_folder(folder)
    if final.exists():
        raise BundleError(f"{str(final)!r} exists already; a saved bundle is never written again")
    os.rename(work, final)
    sync_folder(final.parent)


def _write_network(work: Path, network: "keras.Model", space: FeatureSpace | None) -> None:
    network.save(work / "model.keras", include_optimizer=False)
    number_shared_objects(work / "model.keras")
    save_openvino(network, work / "openvino" / "model.xml")
    kernel, bias = network.get_layer(HEAD).get_weights()
    arrays = {"kernel": kernel, "bias": bias} | (space._asdict() if space else {})
    np.savez(work / "head.npz", **{name: array.astype("<f4") for name, array in arrays.items()})


def _write_records(work: Path, contents: BundleContents) -> None:
    reading = contents.reading or Reading(contents.network.input_shape[1])
    _write(work / "vocabulary.json", contents.vocabulary.to_record())
    _write(work / "preprocessing.json", reading.to_record())
    _write(
        work / "thresholds.json",
        Thresholds(labels=list(contents.thresholds), likeness=contents.likeness),
    )
    _write(work / "metrics.json", contents.metrics)
    _write(work / "gate.json", contents.gate)


def _write(path: Path, record: Record) -> None:
    path.write_bytes(to_json(record).encode())


def _write_split(work: Path, split: pa.Table) -> None:
    # zstd halves hex digests; a dictionary of them is as long as they are.
    written = {"compression": "zstd", "compression_level": 9, "use_dictionary": ["part", "judged"]}
    pq.write_table(split, work / "split.parquet", **written)


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


def trunk_digest(network: "keras.Model") -> str:
    """Return the sha256 of every weight but the head's: of what decides a picture's features."""
    digest = hashlib.sha256(repr(network.input_shape[1:]).encode())
    for layer in network.layers:
        if layer.name != HEAD:
            for weight in layer.get_weights():
                digest.update(np.ascontiguousarray(weight, "<f4").tobytes())
    return digest.hexdigest()
