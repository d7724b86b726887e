"""Packing: a bundle of a third of the size.

Its weights are float16, those in int8 stay, and in place of the network for Keras it has what a
retraining needs.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from schemas.bundle import FILES, INT8, ONLY_PACKED, ONLY_WHOLE
from tagger.errors import InputError
from tagger.models.bundle import Bundle
from tagger.models.keras_network import load_network
from tagger.models.trainable import FILE, write_trainable
from tagger.models.writer import complete
from tagger.settings import setting


def pack_bundle(bundle: Bundle, out: Path, *, measured: Callable[[Bundle], str]) -> Path:
    """Return the folder of the packed bundle, `out`; it appears by one rename, complete.

    Parameters
    ----------
    measured : callable (Bundle)
        Is given the packed bundle before it is complete, and returns what its card says of the
        loss.

    Raises
    ------
    InputError
        If `out` exists or cannot be written.
    """
    if bundle.packed:
        raise InputError(
            f"model {str(bundle.path)!r} is packed already; pack the model that it was packed from"
        )
    if out.exists():
        raise InputError(
            f"{setting('out')} {str(out)!r} exists already; name a folder that does not"
        )
    work = out.with_name(f".{out.name}.packing-{os.getpid()}")
    try:
        (work / "openvino").mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"{setting('out')} {str(out)!r} cannot be written: {error.strerror}"
        ) from error
    try:
        _halve(bundle.path / "openvino" / "model.xml", work / "openvino" / "model.xml")
        write_trainable(load_network(bundle), work / FILE)
        for file in FILES:
            if file not in (*ONLY_WHOLE, *ONLY_PACKED) and not file.startswith("openvino/model"):
                _copy(bundle.path / file, work / file, optional=file in INT8)
        # Features of rounded weights are not those of the exact ones.
        trunk = hashlib.sha256(f"{bundle.trunk} float16".encode()).hexdigest()
        loss = measured(replace(bundle, path=work, trunk=trunk))
        card = (bundle.path / "README.md").read_text(encoding="utf-8")
        complete(
            work,
            out,
            name=bundle.name,
            card=lambda model_id: card.replace(bundle.model_id, model_id) + "\n" + loss,
            parent=bundle.model_id,
            trunk=trunk,
        )
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return out


def _copy(source: Path, target: Path, *, optional: bool) -> None:
    if source.exists() or not optional:
        shutil.copyfile(source, target)


def _halve(source: Path, target: Path) -> None:
    """Write an OpenVINO network with float16 weights; it still computes in float32."""
    from tagger.models.openvino_runtime import openvino

    openvino.save_model(openvino.Core().read_model(source), target, compress_to_fp16=True)
