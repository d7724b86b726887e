"""Fitting: the published network, the masked loss, the same twice, on after a kill."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import TINY, clean_environment
from msgspec.structs import asdict

from jobs.check import check_training
from jobs.train import TrainOptions, train
from schemas.evaluation import Evaluation, GroupMeasures, LabelMeasures
from schemas.training import CheckReport, Epoch, TrainReport
from tagger.datasets.dataset_reader import read_dataset
from tagger.datasets.sample import Sample
from tagger.errors import InputError, TrainingDiverged
from tagger.imaging.preprocessing import Reading
from tagger.labels.vocabulary import Vocabulary, parse_groups
from tagger.models.bundle import load_bundle

pytestmark = pytest.mark.tensorflow

SIX_EPOCHS = {"epochs": 6, "seed": 5}


def options(sample: Sample, models: Path, **more: object) -> TrainOptions:
    given_ = {"epochs": 2, "architecture": TINY, "name": "tiny"} | more
    return TrainOptions((str(sample.labelled),), str(models), groups="color,garment", **given_)


@pytest.fixture(scope="module")
def whole(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> TrainReport:
    """What a training of six epochs that nothing disturbed said; others are compared with it."""
    return train(options(sample, tmp_path_factory.mktemp("whole"), **SIX_EPOCHS))


def test_the_network_is_the_published_one() -> None:
    from tagger.training.network import Architecture, build_network

    network = build_network(Architecture(), 6)
    assert network.count_params() == 8_679_302
    kinds = [type(layer).__name__ for layer in network.layers]
    conv, norm = ["Conv2D", "Activation", "BatchNormalization"], ["MaxPooling2D", "Dropout"]
    dense = ["Flatten", "Dense", "Activation", "BatchNormalization", "Dropout", "Dense"]
    assert kinds == ["InputLayer", *conv, *norm, *conv, *conv, *norm, *conv, *conv, *norm, *dense]


def test_the_same_seed_gives_the_same_split_and_metrics(
    sample: Sample, whole: TrainReport, tmp_path: Path
) -> None:
    first, second = whole, train(options(sample, tmp_path, **SIX_EPOCHS))
    assert first.evaluation == second.evaluation
    splits = [load_bundle(result.bundle).split() for result in (first, second)]
    assert splits[0].equals(splits[1])
    assert first.model_id == second.model_id
    assert isinstance(first, TrainReport)
    assert isinstance(first.evaluation, Evaluation)
    assert isinstance(first.evaluation.labels[0], LabelMeasures)
    assert isinstance(first.evaluation.groups[0], GroupMeasures)


def test_a_bundle_s_metrics_are_those_of_its_saved_network_on_its_test_part(
    sample: Sample, bundle_path: Path
) -> None:
    from jobs.evaluate import evaluate

    report = evaluate(str(bundle_path), [str(sample.labelled)], backend="keras")
    saved = load_bundle(bundle_path).metrics().evaluation
    parts = load_bundle(bundle_path).split()["part"].to_pylist()
    assert report.evaluation.pictures == parts.count("test") == saved.pictures
    assert report.left_out.train == parts.count("train")
    assert report.left_out.validation == parts.count("validation")
    assert report.evaluation.macro_ap == pytest.approx(saved.macro_ap, abs=1e-6)
    assert report.evaluation.exact_match == pytest.approx(saved.exact_match)
    everything = evaluate(str(bundle_path), [str(sample.labelled)], include_training=True)
    assert everything.evaluation.pictures == len(parts)


def test_a_killed_training_goes_on_and_ends_as_if_undisturbed(
    sample: Sample, whole: TrainReport, tmp_path: Path
) -> None:
    script = (
        "import json, sys; from jobs.train import TrainOptions, train\n"
        "if __name__ == '__main__': train(TrainOptions(**json.loads(sys.argv[1])))"
    )
    arguments = options(sample, tmp_path / "killed", **SIX_EPOCHS).__dict__
    process = subprocess.Popen(
        [sys.executable, "-c", script, json.dumps(arguments)],
        env=clean_environment(),
        stderr=subprocess.DEVNULL,
    )
    history = tmp_path / "killed" / "_training" / "tiny" / "checkpoints" / "history.json"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and not (history.exists() and process.poll() is None):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not list((tmp_path / "killed").glob("tiny-v*"))
    done = len(json.loads(history.read_text())["epochs"])
    assert 1 <= done < 6
    resumed = train(options(sample, tmp_path / "killed", **SIX_EPOCHS, resume=True))
    assert asdict(resumed.evaluation) == asdict(whole.evaluation)
    assert resumed.model_id == whole.model_id


def test_a_loss_that_is_no_number_stops_with_a_clear_error(tmp_path: Path) -> None:
    from tagger.training.fit import fit
    from tagger.training.network import Architecture, build_network
    from tagger.training.recipe import Recipe
    from tagger.training.training_data import TrainingData

    vocabulary = Vocabulary.build(parse_groups("color"), [("color", "red"), ("color", "blue")])
    network = build_network(Architecture(**TINY), 2)
    network.get_layer("logits").set_weights([np.full((16, 2), np.inf), np.zeros(2)])
    pixels = np.zeros((32, 32, 32, 3), np.uint8)
    data = TrainingData(
        pixels, np.eye(2, dtype=np.float32)[np.arange(32) % 2], np.arange(32), np.arange(4)
    )
    with pytest.raises(TrainingDiverged, match="epoch 1, step 1"):
        fit(network, data, vocabulary, Recipe(epochs=1), checkpoints=tmp_path, resume=False)


def test_a_second_epoch_decodes_nothing(sample: Sample, tmp_path: Path) -> None:
    from tagger.datasets.pixel_cache import decode_to_disk

    paths = sorted(str(path) for path in sample.labelled.rglob("*.jpg"))
    counted: list[int] = []
    first = decode_to_disk(
        tmp_path / "pixels", paths, Reading(16), workers=1, progress=counted.append
    )
    stamp = os.stat(tmp_path / "pixels" / "pixels.npy").st_mtime_ns
    again = decode_to_disk(
        tmp_path / "pixels", paths, Reading(16), workers=1, progress=counted.append
    )
    assert os.stat(tmp_path / "pixels" / "pixels.npy").st_mtime_ns == stamp
    assert isinstance(first.pixels, np.memmap)
    assert first.pixels.dtype == np.uint8
    assert np.array_equal(first.pixels, again.pixels)
    assert first.facts == again.facts
    os.utime(paths[0])
    decode_to_disk(tmp_path / "pixels", paths, Reading(16), workers=1, progress=counted.append)
    assert os.stat(tmp_path / "pixels" / "pixels.npy").st_mtime_ns > stamp


def test_check_counts_and_trains_nothing(sample: Sample, tmp_path: Path) -> None:
    root = Path(shutil.copytree(sample.labelled, tmp_path / "set"))
    one = next((root / "red_dress").iterdir())
    shutil.copy(one, root / "red_dress" / "copy.jpg")
    shutil.copy(one, root / "blue_dress" / "wrong.jpg")
    (root / "red_dress" / "half.jpg").write_bytes(one.read_bytes()[:2000])
    found = check_training(
        TrainOptions((str(root),), str(tmp_path / "models"), groups="color,garment")
    )
    assert isinstance(found, CheckReport)
    assert found.labels["color:red"] == sum("red_" in str(path) for path in root.rglob("*.jpg"))
    assert found.pairs["color:red + garment:dress"] == len(list((root / "red_dress").iterdir()))
    assert [len(family) for family in found.duplicates] == [3]
    assert len(found.conflicts) == 1
    assert [(row.image, row.status) for row in found.unreadable] == [
        ("red_dress/half.jpg", "truncated")
    ]
    assert not (tmp_path / "models").exists()


def test_the_mean_of_the_weights_is_measured_and_the_weights_themselves_go_on(
    tmp_path: Path,
) -> None:
    from tagger.training.checkpoints import WeightAverage
    from tagger.training.network import Architecture, build_network

    network = build_network(Architecture(**TINY), 2)
    average, seen = WeightAverage(network, 0.5), [network.get_weights()]
    average.update(0)
    network.set_weights([w + 1 for w in seen[0]])
    average.update(10**6)
    average.exchange()
    assert all(
        np.allclose(mean, w + 0.5) for mean, w in zip(network.get_weights(), seen[0], strict=True)
    )
    average.exchange()
    assert all(
        np.allclose(now, w + 1) for now, w in zip(network.get_weights(), seen[0], strict=True)
    )


@pytest.mark.usefixtures("eagerly")
def test_a_held_out_pair_is_in_the_test_part_alone_and_measured_apart(
    sample: Sample, whole: TrainReport, tmp_path: Path
) -> None:
    result = train(options(sample, tmp_path, hold_out_pairs=("red_dress",), seed=5))
    red = {
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (sample.labelled / "red_dress").iterdir()
    }
    parts = load_bundle(result.bundle).parts()
    before = load_bundle(whole.bundle).parts()
    assert {parts[digest] for digest in red} == {"test"}
    assert all(parts[digest] == before[digest] for digest in parts.keys() - red)
    evaluation = result.evaluation
    assert result.held_out == ["red_dress"]
    assert evaluation.unseen.pictures == len(red)
    assert evaluation.harmonic_mean is not None
    (row,) = [row for row in evaluation.combinations if row.pair == ("color:red", "garment:dress")]
    assert row.trained == 0
    seen = [row.trained for row in evaluation.combinations if row.trained]
    assert sum(seen) == list(parts.values()).count("train")
    assert "color:red + garment:dress | 0 |" in (Path(result.bundle) / "README.md").read_text()


@pytest.mark.usefixtures("eagerly")
def test_pairs_that_cannot_be_taught_are_named(
    sample: Sample, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held_out = ("red_dress", "red_jeans")  # red is left with shirts
    result = train(options(sample, tmp_path, hold_out_pairs=held_out, recipe="plain", epochs=1))
    said = capsys.readouterr().err
    assert "cannot teach color:red + garment:dress: " in said
    assert {row.pair for row in result.unteachable} >= {("color:red", "garment:dress")}
    assert "Not to be trusted on pairs" in (Path(result.bundle) / "README.md").read_text()


def test_labels_of_few_pictures_are_left_out_and_their_group_is_unknown(tmp_path: Path) -> None:
    rows = [(f"{i}.jpg", ["red", "blue"][i % 2] if i > 2 else "teal", "dress") for i in range(12)]
    for name, *_ in rows:
        (tmp_path / name).touch()
    pd.DataFrame(rows, columns=["image", "color", "garment"]).to_csv(
        tmp_path / "few.csv", index=False
    )
    labelled = read_dataset(tmp_path / "few.csv", groups=parse_groups("color,garment"))
    vocabulary = labelled.vocabulary(min_pictures=4)
    assert [label.key for label in vocabulary.labels] == [
        "color:blue",
        "color:red",
        "garment:dress",
    ]
    targets = labelled.targets(vocabulary)
    teal = np.array([("color", "teal") in example.present for example in labelled.examples])
    assert np.isnan(targets[teal, :2]).all()
    assert (targets[~teal, :2].sum(axis=1) == 1).all()
    assert (targets[:, 2] == 1).all()
    assert labelled.strangers(vocabulary) == {"color:teal": 3}


def test_a_pair_that_no_picture_shows_cannot_be_held_out(sample: Sample, tmp_path: Path) -> None:
    asked = options(sample, tmp_path, hold_out_pairs=("black_dress",))
    with pytest.raises(InputError, match="no picture shows it"):
        train(asked)
    assert "no picture shows it" in (check_training(asked).cannot or "")
    assert not list(tmp_path.iterdir())


def test_pictures_of_half_the_side_train_the_same_weights_and_a_killed_one_goes_on(
    tmp_path: Path,
) -> None:
    from tagger.training.fit import fit
    from tagger.training.network import Architecture, at_half_size, build_network
    from tagger.training.recipe import Recipe
    from tagger.training.training_data import TrainingData

    vocabulary = Vocabulary.build(parse_groups("color"), [("color", "red"), ("color", "blue")])
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 32, 3)).astype(np.uint8)
    data = TrainingData(
        pixels, np.eye(2, dtype=np.float32)[np.arange(32) % 2], np.arange(24), np.arange(24, 32)
    )
    recipe = Recipe(epochs=3, batch=8, coarse=0.67)
    may_be_kept = {}

    def fitted(folder: str, *, resume: bool = False, stop: bool = False) -> list[np.ndarray]:
        def done(epoch: int, row: Epoch) -> None:
            may_be_kept[epoch] = row.choice_loss is not None
            if stop and epoch == 1:
                raise KeyboardInterrupt

        network = build_network(Architecture(**TINY), 2, fitting=True)
        fit(
            network,
            data,
            vocabulary,
            recipe,
            checkpoints=tmp_path / folder,
            resume=resume,
            epoch_done=done,
        )
        return list(network.get_weights())

    whole = fitted("whole")
    with pytest.raises(KeyboardInterrupt):
        fitted("killed", stop=True)
    assert all(
        np.array_equal(one, other)
        for one, other in zip(whole, fitted("killed", resume=True), strict=True)
    )
    assert may_be_kept == {0: False, 1: False, 2: True}
    network = build_network(Architecture(**TINY), 2)
    half = at_half_size(network)
    assert half.input_shape == (None, 16, 16, 3)
    assert {id(weight) for weight in half.weights} == {id(weight) for weight in network.weights}
    assert at_half_size(build_network(Architecture(**TINY | {"size": 36}), 2)) is None


def test_the_fused_optimizer_is_keras_s_own() -> None:
    from tagger.backend import keras
    from tagger.training.fused_adam import FusedAdam

    random = np.random.default_rng(0)
    start = random.normal(size=(5, 7)).astype(np.float32)
    ours, theirs = keras.Variable(start), keras.Variable(start)
    fused, plain = FusedAdam(0.01), keras.optimizers.Adam(0.01)
    for _ in range(5):
        gradient = keras.ops.convert_to_tensor(random.normal(size=(5, 7)).astype(np.float32))
        fused.apply([gradient], [ours])
        plain.apply([gradient], [theirs])
    assert np.allclose(ours, theirs, atol=1e-6)
    assert not np.allclose(ours, start, atol=0.01)


def test_a_quarter_is_dropped_another_one_each_time_and_the_mean_stays() -> None:
    from tagger.backend import keras
    from tagger.training.network import ByteDropout

    x = np.ones((3, 33, 33, 5), np.float32)
    layer = ByteDropout(0.25, seed=1)
    first, second = (layer(x, training=True).numpy() for _ in range(2))
    assert abs((first == 0).mean() - 0.25) < 0.02
    assert np.allclose(first[first != 0], 4 / 3)
    assert not np.array_equal(first, second)
    assert np.array_equal(ByteDropout(0.25, seed=1)(x, training=True), first)
    assert np.array_equal(layer(x, training=False), x)
    assert ByteDropout(0.25, dtype="mixed_bfloat16")(x, training=True).dtype == "bfloat16"
    assert keras.ops.shape(ByteDropout(0.0)(x, training=True)) == x.shape


def test_the_fused_normalisation_is_keras_s_own() -> None:
    from tagger.backend import keras, tf
    from tagger.training.network import FusedNormalization

    x = tf.random.stateless_normal([4, 6, 6, 3], [1, 2]) * 3 + 1
    layers = [kind(momentum=0.9) for kind in (FusedNormalization, keras.layers.BatchNormalization)]
    results, slopes = [], []
    for layer in layers:
        with tf.GradientTape() as tape:
            tape.watch(x)
            results.append(layer(x, training=True))
            loss = tf.reduce_sum(results[-1] ** 3)
        slopes.append(
            tape.gradient(loss, [x, *(weight.value for weight in layer.trainable_weights)])
        )
    assert np.allclose(*results, atol=1e-5)
    assert all(
        np.allclose(one, other, rtol=1e-3, atol=1e-3) for one, other in zip(*slopes, strict=True)
    )
    fused, plain = (
        [np.asarray(weight) for weight in layer.non_trainable_weights] for layer in layers
    )
    assert np.allclose(fused[0], plain[0], atol=1e-6)
    n = 4 * 6 * 6
    assert np.allclose(fused[1] - 0.9, (plain[1] - 0.9) * n / (n - 1), atol=1e-5)
    assert np.allclose(
        layers[0](x, training=False), (x - fused[0]) / np.sqrt(fused[1] + 1e-3), atol=1e-5
    )


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_a_trunk_may_be_fitted_in_bfloat16_and_is_float32_all_the_same(
    dtype: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import tagger.training.network
    from tagger.training.fit import fit
    from tagger.training.network import Architecture, build_network
    from tagger.training.recipe import Recipe
    from tagger.training.training_data import TrainingData
    from tagger.training.validation import predict_logits

    monkeypatch.setattr(
        tagger.training.network, "fitting_dtype", lambda: dtype
    )  # whatever this processor has
    vocabulary = Vocabulary.build(parse_groups("color"), [("color", "red"), ("color", "blue")])
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 32, 3)).astype(np.uint8)
    data = TrainingData(
        pixels, np.eye(2, dtype=np.float32)[np.arange(32) % 2], np.arange(24), np.arange(24, 32)
    )
    network = build_network(Architecture(**TINY), 2, fitting=True)
    assert network.get_layer("block1_conv1").compute_dtype == dtype.removeprefix("mixed_")
    fit(network, data, vocabulary, Recipe(epochs=1, batch=8), checkpoints=tmp_path, resume=False)
    plain = build_network(Architecture(**TINY), 2)
    plain.set_weights(network.get_weights())
    assert {layer.compute_dtype for layer in plain.layers} == {"float32"}
    logits = predict_logits(plain, pixels, data.validation)
    assert np.abs(logits - predict_logits(network, pixels, data.validation)).max() < 0.2 * np.ptp(
        logits
    )
