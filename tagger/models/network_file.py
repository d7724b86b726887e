"""model.keras as a file: what it may name, and what decides its scores."""

import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from tagger.errors import BundleError

# What Keras 3 writes for the layers of `tagger.training.network`, and nothing else.
_CLASSES = frozenset(
    {
        "Functional",
        "InputLayer",
        "Conv2D",
        "Activation",
        "BatchNormalization",
        "MaxPooling2D",
        "Dropout",
        "Flatten",
        "Dense",
        "Softmax",
        "Take",
        "Pad",
        "GlorotUniform",
        "Zeros",
        "Ones",
        "DTypePolicy",
        "__keras_tensor__",
    }
)
_CONFIG = "config.json"
_WEIGHTS = "model.weights.h5"


def network_digests(model_file: Path) -> dict[str, str]:
    """Return the sha256 of each part of a .keras file that decides what the network computes."""
    with zipfile.ZipFile(model_file) as archive:
        return {
            part: hashlib.sha256(archive.read(part)).hexdigest() for part in (_CONFIG, _WEIGHTS)
        }


def check_network_config(model_file: Path) -> None:
    """Raise BundleError if a .keras file names anything but the layers that this product builds.

    Keras's safe mode refuses lambdas; this also refuses every other class that a stranger's file
    could name.
    """
    with zipfile.ZipFile(model_file) as archive:
        _check(json.loads(archive.read(_CONFIG)))


def _check(value: Any) -> None:
    """Raise BundleError if JSON names a strange class or module, however deep."""
    if isinstance(value, dict):
        _check_names(value)
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            _check(inner)


def _check_names(value: dict[str, Any]) -> None:
    name = value.get("class_name")
    registered = value.get("registered_name")
    if name is not None and (name not in _CLASSES or registered not in (None, name)):
        raise BundleError(
            f"model.keras names the class {registered or name!r}, which no bundle of ours has"
        )
    module = str(value.get("module") or "keras")
    if module.split(".")[0] != "keras":
        raise BundleError(f"model.keras names the module {module!r}, which no bundle of ours has")


def number_shared_objects(model_file: Path) -> None:
    """Number the shared objects of a .keras file: equal networks get equal bytes.

    Keras writes memory addresses; they become 1, 2, 3 ...
    """
    with zipfile.ZipFile(model_file) as archive:
        contents = {item: archive.read(item) for item in archive.namelist()}
    numbers: dict[str, int] = {}
    config = re.sub(
        r'("shared_object_id": )(\d+)',
        lambda match: f"{match[1]}{numbers.setdefault(match[2], len(numbers) + 1)}",
        contents[_CONFIG].decode(),
    )
    contents[_CONFIG] = config.encode()
    with zipfile.ZipFile(model_file, "w") as archive:
        for item, data in contents.items():
            archive.writestr(item, data)
