"""Packed bundles: for tagging alone, smaller, and what that costs is said."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from jobs.pack import pack, pack_text
from jobs.retrain import RetrainOptions, retrain
from jobs.tag_catalog import TagOptions, tag_catalog
from jobs.verify import verify
from schemas.bundle import FILES, ONLY_FOR_TRAINING
from schemas.models import PackReport
from tagger.datasets.sample import Sample
from tagger.errors import BundleError, DatasetError, InputError
from tagger.models.bundle import load_bundle
from tagger.models.predictor import make_predictor

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def packed(
    bundle_path: Path, sample: Sample, tmp_path_factory: pytest.TempPathFactory
) -> PackReport:
    return pack(
        str(bundle_path), [str(sample.labelled)], str(tmp_path_factory.mktemp("packed") / "small")
    )


def test_a_packed_bundle_tags_as_the_whole_one_and_its_card_says_the_difference(
    packed: PackReport, bundle_path: Path, catalog: Path, tmp_path: Path
) -> None:
    assert isinstance(packed, PackReport)
    folder = Path(packed.bundle)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {*FILES, "bundle.json"} - set(ONLY_FOR_TRAINING)
    weights = folder / "openvino" / "model.bin"
    assert weights.stat().st_size < 0.6 * (bundle_path / "openvino" / "model.bin").stat().st_size
    assert packed.pictures == load_bundle(bundle_path).split()["part"].to_pylist().count("test")
    assert all(row.largest_difference < 0.01 for row in packed.labels)
    card = (folder / "README.md").read_text()
    assert "## Packed" in card
    assert load_bundle(folder).model_id in card
    assert card.split("## Packed")[1].strip() in pack_text(packed)
    summary = tag_catalog(
        TagOptions(str(catalog), str(folder), str(tmp_path / "index"), max_error_rate=1)
    )
    assert summary.scored
    assert not verify(str(tmp_path / "index")).faults


def test_a_packed_bundle_is_another_model_with_another_trunk_and_cannot_be_retrained(
    packed: PackReport, bundle_path: Path, sample: Sample, tmp_path: Path
) -> None:
    whole = load_bundle(bundle_path)
    small = load_bundle(packed.bundle)
    assert whole.model_id != small.model_id
    assert whole.trunk != small.trunk
    assert json.loads((small.path / "bundle.json").read_text())["parent"] == whole.model_id
    with pytest.raises(BundleError, match="packed, for tagging alone"):
        make_predictor(small, "keras")
    with pytest.raises(InputError, match="packed, for tagging alone"):
        retrain(RetrainOptions((), str(small.path), str(tmp_path / "models")))
    with pytest.raises(InputError, match="packed already"):
        pack(str(small.path), [str(sample.labelled)], str(tmp_path / "smaller"))


def test_what_cannot_be_measured_is_not_packed(
    bundle_path: Path, sample: Sample, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "red_dress"
    other.mkdir(parents=True)
    picture = next((sample.labelled / "red_dress").iterdir())
    (other / "new.jpg").write_bytes(picture.read_bytes() + b"x")
    with pytest.raises(DatasetError, match="no picture of the test part"):
        pack(str(bundle_path), [str(tmp_path / "other")], str(tmp_path / "out"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other"]
    with pytest.raises(InputError, match="exists already"):
        pack(str(bundle_path), [str(sample.labelled)], str(tmp_path / "other"))


def test_a_network_that_the_description_does_not_list_is_refused(
    packed: PackReport, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(packed.bundle, tmp_path / "copy"))
    (folder / "model.keras").write_bytes(b"PK")
    with pytest.raises(BundleError):
        load_bundle(folder)
    described = json.loads((folder / "bundle.json").read_text())
    described["files"]["README.md"] = hashlib.sha256(b"").hexdigest()
    (folder / "bundle.json").write_text(json.dumps(described))
    (folder / "model.keras").unlink()
    with pytest.raises(BundleError, match=r"README\.md was changed"):
        load_bundle(folder)
