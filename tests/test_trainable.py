"""A packed bundle from a stranger: what is wrong with the weights it can be retrained from is said,
costs no memory, and takes nothing over."""

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from changed_bundles import described_again

from jobs.pack import pack
from tagger.datasets.sample import Sample
from tagger.errors import BundleError
from tagger.models.bundle import load_bundle
from tagger.models.trainable import FILE
from tagger.pipeline.parent_network import parent_network

pytestmark = pytest.mark.tensorflow
Arrays = dict[str, Any]


@pytest.fixture(scope="module")
def packed(bundle_path: Path, sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("packed") / "small"
    return Path(pack(str(bundle_path), [str(sample.labelled)], str(target)).bundle)


def changed(key: str, change: Callable[[Any], Any]) -> Callable[[Arrays], Arrays]:
    return lambda arrays: arrays | {key: change(arrays[key])}


def without(*keys: str) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {key: value for key, value in arrays.items() if key not in keys}


STRANGE: dict[str, Callable[[Arrays], Arrays]] = {
    "no number": changed("block1_conv1/0", lambda a: a * np.nan),
    "endless": changed("logits/0", lambda a: a + np.inf),
    "a layer is missing": without("block2_conv1/0", "block2_conv1/1"),
    "the dense layer is missing": without("dense/1"),
    "a weight is missing": without("dense_norm/0"),
    "a layer too many": lambda arrays: arrays | {"evil/0": np.zeros(3, np.float32)},
    "a weight too many": lambda arrays: arrays | {"dense/9": np.zeros(3, np.float32)},
    "another shape": changed("block2_conv2/0", lambda a: a[:, :, :, :3]),
    "sizes that contradict": changed("block2_conv1/1", lambda a: np.zeros(10**6, np.float32)),
    "a scalar": changed("block1_conv1/1", lambda a: np.float32(3)),
    "words": changed("block1_conv1/1", lambda a: np.array(["a", "b"])),
    "a pickle": changed("block1_conv1/1", lambda a: np.array([{"a": 1}], dtype=object)),
    "fewer labels": changed("logits/1", lambda a: a[:2]),
    "another head than the one that tags": changed("logits/0", lambda a: a[:, ::-1]),
}


@pytest.mark.parametrize("what", STRANGE)
def test_strange_weights_are_refused_in_a_sentence(what: str, packed: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(packed, tmp_path / "stranger"))
    with np.load(folder / FILE) as found:
        arrays = {key: found[key] for key in found.files}
    np.savez(folder / FILE, **STRANGE[what](arrays))
    described_again(folder)
    assert FILE in refused(folder)


def test_weights_that_announce_more_than_there_is_take_no_memory(
    packed: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(packed, tmp_path / "stranger"))
    with zipfile.ZipFile(folder / FILE) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    header = io.BytesIO()
    announced = {"descr": "<f4", "fortran_order": False, "shape": (10**13,)}
    np.lib.format.write_array_header_1_0(header, announced)
    with zipfile.ZipFile(folder / FILE, "w") as archive:
        for name, content in (entries | {"block1_conv1/0.npy": header.getvalue()}).items():
            archive.writestr(name, content)
    described_again(folder)
    assert "not as large as it says" in refused(folder)


def test_compressed_weights_are_refused(packed: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(packed, tmp_path / "stranger"))
    with np.load(folder / FILE) as found:
        arrays = {key: found[key] for key in found.files}
    np.savez_compressed(folder / FILE, **arrays, allow_pickle=False)
    described_again(folder)
    assert "is compressed" in refused(folder)


def test_what_is_no_archive_is_refused(packed: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(packed, tmp_path / "stranger"))
    whole = (folder / FILE).read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"\x93NUMPY\x01\x00"):
        (folder / FILE).write_bytes(content)
        described_again(folder)
        assert FILE in refused(folder)


def refused(folder: Path) -> str:
    """Return what is said of it: the file, and what to do; the model tags all the same."""
    bundle = load_bundle(folder)
    with pytest.raises(BundleError) as caught:
        parent_network(bundle)
    said = str(caught.value)
    assert said.startswith(f"model {str(folder)!r}: {FILE} cannot be read: ")
    assert said.endswith("; take it from a backup")
    return said
