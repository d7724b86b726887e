"""The bundle: whole or not at all, never changed, never code."""

import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from changed_bundles import described_again
from fixtures.renew_bundle import BUNDLE, SCORES, draw_pictures

from jobs.predict import predict
from schemas.bundle import FILES, INT8, ONLY_PACKED, Description, Preprocessing
from tagger.errors import BundleError, InputError
from tagger.models.bundle import (
    load_bundle,
    model_id_of,
)
from tagger.models.network_file import check_network_config
from tagger.models.predictor import Backend, make_predictor
from tagger.models.versions import next_name, set_current

pytestmark = pytest.mark.tensorflow

WHOLE = sorted({*FILES} - {*ONLY_PACKED, *INT8})


@pytest.fixture
def copy(bundle_path: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle_path, tmp_path / "copy"))


def test_a_bundle_holds_exactly_the_declared_files_and_fields(bundle_path: Path) -> None:
    files = {
        str(path.relative_to(bundle_path)) for path in bundle_path.rglob("*") if path.is_file()
    }
    assert files == {*WHOLE, "bundle.json"}
    assert set(json.loads((bundle_path / "bundle.json").read_text())) == set(
        Description.__struct_fields__
    )
    assert set(json.loads((bundle_path / "preprocessing.json").read_text())) == set(
        Preprocessing.__struct_fields__
    )


@pytest.mark.parametrize("file", WHOLE)
def test_one_changed_byte_is_refused(copy: Path, file: str) -> None:
    data = bytearray((copy / file).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / file).write_bytes(data)
    with pytest.raises(BundleError, match=file.replace(".", r"\.")):
        load_bundle(copy)


@pytest.mark.parametrize("file", [*WHOLE, "bundle.json"])
def test_a_missing_file_is_named(copy: Path, file: str) -> None:
    (copy / file).unlink()
    with pytest.raises(BundleError, match=file.replace(".", r"\.")):
        load_bundle(copy)


def test_a_pipe_in_a_file_s_place_is_not_waited_for(copy: Path) -> None:
    (copy / "history.png").unlink()
    os.mkfifo(copy / "history.png")
    with pytest.raises(BundleError, match=r"no history\.png there"):
        load_bundle(copy)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format_version": 1}', '{"format_version": 99, "files": {}}', "null"]
)
def test_a_bundle_json_that_makes_no_sense_is_refused(copy: Path, text: str) -> None:
    (copy / "bundle.json").write_text(text)
    with pytest.raises(BundleError):
        load_bundle(copy)


@pytest.mark.parametrize(
    "change", [{"name": "../evil"}, {"name": None}, {"parent": {}}, {"trunk": "x"}]
)
def test_a_bundle_json_that_names_nonsense_is_refused(
    copy: Path, change: dict[str, object]
) -> None:
    described = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").write_text(json.dumps(described | change))
    with pytest.raises(BundleError):
        load_bundle(copy)


def changed(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize("version", [0, 2, 3])
def test_a_bundle_of_another_format_version_is_refused_with_what_to_do(
    copy: Path, version: int
) -> None:
    changed(copy / "bundle.json", format_version=version, files="elsewhere")
    with pytest.raises(BundleError, match=rf"format_version {version}, .* has 1; train again"):
        load_bundle(copy)


def test_what_a_later_version_adds_is_ignored(copy: Path) -> None:
    """Files listed or not, and fields of every record but one."""
    before = load_bundle(copy)
    (copy / "later").mkdir()
    (copy / "later" / "listed.bin").write_bytes(b"of a later version")
    (copy / "not listed.bin").write_bytes(b"nobody reads this")
    for name in ("thresholds", "gate", "metrics", "vocabulary"):
        changed(copy / f"{name}.json", later={"added": 1})
    files = json.loads((copy / "bundle.json").read_text())["files"]
    described_again(copy, later=True, files=files | {"later/listed.bin": ""})
    after = load_bundle(copy)
    assert after.vocabulary == before.vocabulary
    assert after.gate == before.gate
    assert after.metrics() == before.metrics()
    assert after.threshold_rows() == before.threshold_rows()
    (copy / "later" / "listed.bin").write_bytes(b"changed")
    with pytest.raises(BundleError, match=r"later/listed\.bin was changed"):
        load_bundle(copy)


def test_a_setting_of_the_reader_that_is_not_known_is_refused(copy: Path) -> None:
    changed(copy / "preprocessing.json", sharpen=1)
    described_again(copy)
    with pytest.raises(BundleError, match=r"preprocessing\.json .*sharpen"):
        load_bundle(copy)


@pytest.mark.parametrize("file", WHOLE)
def test_a_file_that_is_needed_must_be_listed_and_only_what_is_listed_is_read(
    copy: Path, file: str
) -> None:
    files = json.loads((copy / "bundle.json").read_text())["files"]
    del files[file]
    changed(copy / "bundle.json", files=files)
    with pytest.raises(BundleError, match=file.replace(".", r"\.")):
        load_bundle(copy)


@pytest.mark.parametrize(
    ("file", "change", "place"),
    [
        ("thresholds.json", {"labels": [{"label": "color:red", "threshold": 1}]}, r"labels\[0\]"),
        ("thresholds.json", {"labels": 3}, "labels"),
        ("gate.json", {"passed": "yes"}, "passed"),
        ("gate.json", {"worse": "much"}, "worse"),
        ("vocabulary.json", {"groups": None}, "groups"),
        ("preprocessing.json", {"scale": 1}, "scale"),
    ],
)
def test_a_value_that_makes_no_sense_is_named_with_file_and_place(
    copy: Path, file: str, change: dict[str, object], place: str
) -> None:
    changed(copy / file, **change)
    described_again(copy)
    with pytest.raises(BundleError, match=rf"{file}.*{place}"):
        load_bundle(copy)


@pytest.mark.parametrize("backend", ["openvino", "keras"])
def test_the_bundle_of_version_1_is_read_and_predicts_as_when_it_was_saved(
    tmp_path: Path, backend: Backend
) -> None:
    wanted = json.loads(SCORES.read_text())
    images = draw_pictures(tmp_path)
    found = predict(str(BUNDLE), list(images.values()), backend=backend).predictions
    assert list(images) == list(wanted)
    for one, name in zip(found, images, strict=True):
        assert one.scores == pytest.approx(wanted[name]["scores"], abs=0.002)
        assert one.tags == wanted[name]["tags"]
        for group, answer in wanted[name]["answers"].items():
            assert one.answers[group].label == answer["label"]
            assert one.answers[group].score == pytest.approx(answer["score"], abs=0.002)
    bundle = load_bundle(BUNDLE)
    assert bundle.metrics().evaluation.pictures == bundle.split()["part"].to_pylist().count("test")
    assert [row.label for row in bundle.threshold_rows()] == list(wanted["red_dress"]["scores"])
    assert bundle.head().kernel.shape == (bundle.width, len(bundle.vocabulary))


def test_a_file_name_that_leaves_the_folder_is_refused(copy: Path) -> None:
    described = json.loads((copy / "bundle.json").read_text())
    described["files"]["../../etc/passwd"] = "0" * 64
    (copy / "bundle.json").write_text(json.dumps(described))
    with pytest.raises(BundleError, match="passwd"):
        load_bundle(copy)


def test_a_stranger_s_network_that_names_other_classes_is_refused(
    copy: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(copy / "model.keras") as archive:
        config = json.loads(archive.read("config.json"))
    for change in (
        {"class_name": "Lambda"},
        {"module": "os", "class_name": "Dense"},
        {"registered_name": "evil>Dense"},
    ):
        evil = json.loads(json.dumps(config))
        evil["config"]["layers"][3] |= change
        with zipfile.ZipFile(tmp_path / "evil.keras", "w") as archive:
            archive.writestr("config.json", json.dumps(evil))
        with pytest.raises(BundleError, match="names"):
            check_network_config(tmp_path / "evil.keras")
    check_network_config(copy / "model.keras")


def test_the_model_id_ignores_the_card_and_follows_the_thresholds(
    copy: Path, bundle_path: Path
) -> None:
    before = load_bundle(bundle_path).model_id
    (copy / "README.md").write_text("a typo mended")
    assert model_id_of(copy) == before
    thresholds = json.loads((copy / "thresholds.json").read_text())
    thresholds["labels"][0]["threshold"] += 0.0001
    (copy / "thresholds.json").write_text(json.dumps(thresholds))
    assert model_id_of(copy) != before


def test_openvino_and_keras_agree_within_0_005(bundle_path: Path) -> None:
    bundle = load_bundle(bundle_path)
    pixels = (
        np.random.default_rng(0)
        .integers(0, 256, (50, bundle.size, bundle.size, 3))
        .astype(np.uint8)
    )
    fast = make_predictor(bundle, "openvino").infer(pixels).logits
    reference = make_predictor(bundle, "keras").infer(pixels).logits
    assert fast.shape == reference.shape == (50, len(bundle.vocabulary))
    from tagger.labels.views import sigmoid

    assert np.abs(sigmoid(fast) - sigmoid(reference)).max() < 0.005


def test_scores_do_not_depend_on_how_many_pictures_there_are(bundle_path: Path) -> None:
    bundle = load_bundle(bundle_path)
    pixels = (
        np.random.default_rng(1)
        .integers(0, 256, (20, bundle.size, bundle.size, 3))
        .astype(np.uint8)
    )
    predictor = make_predictor(bundle, "openvino")
    alone = np.concatenate([predictor.infer(pixels[i : i + 1]).logits for i in range(20)])
    assert np.array_equal(alone, predictor.infer(pixels).logits)


def test_the_network_s_own_views_equal_the_numpy_twin(bundle_path: Path) -> None:
    from tagger.backend import keras
    from tagger.labels.views import group_probabilities, sigmoid

    bundle = load_bundle(bundle_path)
    network = keras.models.load_model(bundle_path / "model.keras", compile=False, safe_mode=True)
    pixels = np.random.default_rng(2).random((7, bundle.size, bundle.size, 3), np.float32)
    outputs = {name: np.asarray(value) for name, value in network(pixels, training=False).items()}
    assert set(outputs) == {"logits", "scores", "features", "color", "garment"}
    assert np.allclose(outputs["scores"], sigmoid(outputs["logits"]), atol=1e-6)
    for group in bundle.vocabulary.exclusive_groups:
        twin = group_probabilities(outputs["logits"], bundle.vocabulary.members(group.name))
        assert np.allclose(outputs[group.name], twin, atol=1e-6)


def test_a_network_whose_outputs_do_not_fit_the_vocabulary_is_refused(bundle_path: Path) -> None:
    from dataclasses import replace

    bundle = load_bundle(bundle_path)
    larger = replace(bundle, vocabulary=bundle.vocabulary.extend([("color", "teal")]))
    for backend in ("openvino", "keras"):
        with pytest.raises(BundleError, match=r"outputs|head\.npz"):
            make_predictor(larger, backend)


def test_names_count_on_and_current_moves_by_rename(tmp_path: Path) -> None:
    assert next_name(tmp_path, "fashion") == "fashion-v1"
    for name in ("fashion-v1", "fashion-v9", "fashion-vx", "other-v20"):
        (tmp_path / name).mkdir()
    assert next_name(tmp_path, "fashion") == "fashion-v10"
    set_current(tmp_path, "fashion-v1")
    set_current(tmp_path, "fashion-v9")
    assert (tmp_path / "current").resolve().name == "fashion-v9"
    for bad in ("../x", "a/b", ".hidden", ""):
        with pytest.raises(InputError, match="--name"):
            next_name(tmp_path, bad)
