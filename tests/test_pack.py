"""Packed bundles: a third of the size, what that costs is said, and they can be retrained."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from jobs.evaluate import evaluate
from jobs.pack import pack, pack_text
from jobs.retrain import RetrainOptions, retrain
from jobs.tag_catalog import TagOptions, tag_catalog
from jobs.train import TrainOptions, train
from jobs.verify import verify
from schemas.bundle import FILES, INT8, ONLY_WHOLE
from schemas.models import PackReport
from tagger.datasets.sample import Sample
from tagger.errors import BundleError, DatasetError, InputError
from tagger.models.bundle import load_bundle
from tagger.models.keras_network import load_network
from tagger.models.predictor import make_predictor
from tagger.pipeline.parent_network import parent_network

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
    assert files == {*FILES, "bundle.json"} - {*ONLY_WHOLE, *INT8}
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


def test_a_packed_bundle_is_another_model_with_another_trunk(
    packed: PackReport, bundle_path: Path, sample: Sample, tmp_path: Path
) -> None:
    whole = load_bundle(bundle_path)
    small = load_bundle(packed.bundle)
    assert whole.model_id != small.model_id
    assert whole.trunk != small.trunk
    assert json.loads((small.path / "bundle.json").read_text())["parent"] == whole.model_id
    with pytest.raises(BundleError, match="packed, for tagging alone"):
        make_predictor(small, "keras")
    with pytest.raises(InputError, match="packed already"):
        pack(str(small.path), [str(sample.labelled)], str(tmp_path / "smaller"))


def test_the_network_of_a_packed_bundle_is_the_one_it_was_packed_from(
    packed: PackReport, bundle_path: Path
) -> None:
    whole = load_network(load_bundle(bundle_path))
    small = parent_network(load_bundle(packed.bundle))
    pixels = np.random.default_rng(0).random((4, *whole.input_shape[1:])).astype(np.float32)
    before, after = whole(pixels, training=False), small(pixels, training=False)
    assert before.keys() == after.keys()
    for name in before:
        assert np.allclose(before[name], after[name], atol=0.02), name
    for layer in whole.layers:  # batch statistics too: they decide how training goes on
        for one, other in zip(
            layer.get_weights(), small.get_layer(layer.name).get_weights(), strict=True
        ):
            assert np.allclose(one, other, atol=0 if layer.name != "dense" else 1e-3)


def test_a_packed_bundle_is_retrained_and_its_columns_stay(
    packed: PackReport, sample: Sample, tmp_path: Path
) -> None:
    options = RetrainOptions(
        (str(sample.labelled),), packed.bundle, str(tmp_path / "models"), epochs=1, tolerance=100
    )
    result = retrain(options)
    grown = load_bundle(result.bundle)
    old = load_bundle(packed.bundle)
    assert grown.vocabulary.labels == old.vocabulary.labels
    assert grown.parent == old.model_id
    assert not grown.packed


def test_one_that_was_packed_without_it_cannot_be_retrained(
    packed: PackReport, sample: Sample, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(packed.bundle, tmp_path / "copy"))
    (folder / "trainable.npz").unlink()
    described = json.loads((folder / "bundle.json").read_text())
    del described["files"]["trainable.npz"]
    (folder / "bundle.json").write_text(json.dumps(described))
    make_predictor(load_bundle(folder), "openvino")
    with pytest.raises(InputError, match="packed, for tagging alone"):
        retrain(RetrainOptions((), str(folder), str(tmp_path / "models")))
    with pytest.raises(InputError, match="packed, for tagging alone"):
        train(TrainOptions((), str(tmp_path / "models"), trunk=str(folder)))


def test_a_training_begins_with_a_trunk_and_a_vocabulary_of_its_own(
    packed: PackReport, sample: Sample, tmp_path: Path
) -> None:
    table = tmp_path / "shop.csv"
    shutil.copytree(sample.labelled, tmp_path / "shop")
    rows = ["image,farbe,art"]
    for picture in sorted((tmp_path / "shop").rglob("*.*")):
        color, garment = picture.parent.name.split("_")
        rows.append(f"shop/{picture.parent.name}/{picture.name},{color.upper()},Art {garment}")
    table.write_text("\n".join(rows))
    options = TrainOptions(
        (str(table),), str(tmp_path / "models"), groups="farbe:pixels,art:shape", epochs=1
    )
    result = train(replace(options, trunk=packed.bundle))
    made = load_bundle(result.bundle)
    old = load_bundle(packed.bundle)
    assert {label.group for label in made.vocabulary.labels} == {"farbe", "art"}
    assert made.reading.size == old.reading.size
    card = (made.path / "README.md").read_text()
    assert f"begun with the trunk of {old.name}" in card
    assert "farbe:RED" in card.split("its head's rows of:")[1].splitlines()[0]
    seen, now = old.parts(), made.parts()
    assert now == seen  # what the trunk has seen is measured on by none


def test_what_only_the_trunk_saw_is_measured_on_by_no_model_that_follows(
    packed: PackReport, sample: Sample, tmp_path: Path
) -> None:
    others = tmp_path / "others"
    for picture in sorted(sample.labelled.rglob("*.*")):
        changed = others / picture.parent.name / picture.name
        changed.parent.mkdir(parents=True, exist_ok=True)
        pixels = cv2.imread(str(picture))
        assert pixels is not None
        cv2.imwrite(str(changed.with_suffix(".png")), cv2.flip(pixels, 0))
    options = TrainOptions(
        (str(others),), str(tmp_path / "models"), groups="color,garment", epochs=1
    )
    made = load_bundle(train(replace(options, trunk=packed.bundle)).bundle)
    seen, now = load_bundle(packed.bundle).parts(), made.parts()
    assert {digest: now[digest] for digest in seen} == seen
    assert len(now) > len(seen)
    trained = sum(part in ("train", "validation") for part in seen.values())
    measured = evaluate(str(made.path), [str(sample.labelled)])
    assert measured.left_out.train + measured.left_out.validation >= trained
    both = replace(options, datasets=(str(sample.labelled), str(others)), trunk=str(made.path))
    again = load_bundle(train(both).bundle).parts()
    assert {digest: again[digest] for digest in now} == now
    grown = retrain(
        RetrainOptions((str(sample.labelled), str(others)), str(made.path), both.models, epochs=1)
    )
    child = load_bundle(grown.bundle)
    assert child.parts() == now
    assert set(child.split()["judged"].to_pylist()) == {len(child.vocabulary)}


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
