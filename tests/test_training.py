"""Fitting: the published network, the masked loss, the same twice, on after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY, clean_environment
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.train import TrainOptions, check, train
from schemas.reports import CHECK, EVALUATION, EVALUATION_LABEL, TRAIN
from tagger.bundle import load_bundle
from tagger.calibration import calibrate, choose_thresholds
from tagger.errors import InputError, TrainingDiverged
from tagger.sample import Sample
from tagger.views import sigmoid


def options(sample: Sample, models: Path, **more: object) -> TrainOptions:
    given_ = {"epochs": 2, "architecture": TINY, "name": "tiny"} | more
    return TrainOptions(str(sample.labelled), str(models), groups="color,garment", **given_)


def test_the_network_is_the_published_one() -> None:
    from tagger.model import Architecture, build_network

    network = build_network(Architecture(), 6)
    assert network.count_params() == 8_679_302
    kinds = [type(layer).__name__ for layer in network.layers]
    conv, norm = ["Conv2D", "Activation", "BatchNormalization"], ["MaxPooling2D", "Dropout"]
    dense = ["Flatten", "Dense", "Activation", "BatchNormalization", "Dropout", "Dense"]
    assert kinds == ["InputLayer", *conv, *norm, *conv, *conv, *norm, *conv, *conv, *norm, *dense]


def test_unknown_targets_cost_nothing() -> None:
    import tensorflow as tf

    from tagger.training import masked_loss

    logits = tf.Variable([[2.0, -1.0, 3.0], [0.5, 0.1, -2.0]])
    targets = np.array([[1, np.nan, 0], [np.nan, np.nan, 1]], np.float32)
    with tf.GradientTape() as tape:
        loss = masked_loss(targets, logits)
    slope = tape.gradient(loss, logits).numpy()
    assert float(loss) == pytest.approx(np.mean([np.log1p(np.exp(-2)), np.log1p(np.exp(3)), np.log1p(np.exp(2))]))
    assert (slope[np.isnan(targets)] == 0).all()
    assert (slope[~np.isnan(targets)] != 0).all()
    assert float(masked_loss(np.full((2, 3), np.nan, np.float32), logits)) == 0


def test_the_same_seed_gives_the_same_split_and_metrics(sample: Sample, tmp_path: Path) -> None:
    first = train(options(sample, tmp_path / "a", seed=5))
    second = train(options(sample, tmp_path / "b", seed=5))
    assert first["evaluation"] == second["evaluation"]
    splits = [load_bundle(result["bundle"]).split() for result in (first, second)]
    assert splits[0].equals(splits[1])
    assert first["model_id"] == second["model_id"]
    assert set(first) == set(TRAIN)
    assert set(first["evaluation"]) == set(EVALUATION)
    assert set(first["evaluation"]["labels"][0]) == set(EVALUATION_LABEL)


def test_a_bundle_s_metrics_are_those_of_its_saved_network_on_its_test_part(sample: Sample, bundle_path: Path) -> None:
    from jobs.evaluate import evaluate

    report = evaluate(str(bundle_path), str(sample.labelled), backend="keras")
    saved = load_bundle(bundle_path).metrics()["evaluation"]
    parts = load_bundle(bundle_path).split()["part"].to_pylist()
    assert report["evaluation"]["pictures"] == parts.count("test") == saved["pictures"]
    assert report["left_out"]["train"] == parts.count("train")
    assert report["left_out"]["tune"] == parts.count("tune")
    assert report["evaluation"]["macro_ap"] == pytest.approx(saved["macro_ap"], abs=1e-6)
    assert report["evaluation"]["exact_match"] == pytest.approx(saved["exact_match"])
    everything = evaluate(str(bundle_path), str(sample.labelled), include_training=True)
    assert everything["evaluation"]["pictures"] == len(parts)


def test_a_killed_training_goes_on_and_ends_as_if_undisturbed(sample: Sample, tmp_path: Path) -> None:
    whole = train(options(sample, tmp_path / "whole", epochs=6))
    script = (
        "import json, sys; from jobs.train import TrainOptions, train\n"
        "if __name__ == '__main__': train(TrainOptions(**json.loads(sys.argv[1])))"
    )
    arguments = options(sample, tmp_path / "killed", epochs=6).__dict__
    process = subprocess.Popen(
        [sys.executable, "-c", script, json.dumps(arguments)], env=clean_environment(), stderr=subprocess.DEVNULL
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
    resumed = train(options(sample, tmp_path / "killed", epochs=6, resume=True))
    assert resumed["evaluation"] == whole["evaluation"]
    assert resumed["model_id"] == whole["model_id"]


def test_resume_refuses_what_it_cannot_continue(sample: Sample, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no interrupted training"):
        train(options(sample, tmp_path, resume=True))


def test_ctrl_c_leaves_no_bundle_and_says_interrupted(sample: Sample, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "jobs.cli", "train", str(sample.labelled), "--models", str(tmp_path / "m")]
    process = subprocess.Popen(
        [*command, "--groups", "color,garment"], env=clean_environment(), stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and not (tmp_path / "m" / "_training" / "fashion" / "checkpoints").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["_training"]


def test_a_loss_that_is_no_number_stops_with_a_clear_error(tmp_path: Path) -> None:
    from tagger.model import Architecture, build_network
    from tagger.training import Recipe, TrainingData, fit
    from tagger.vocabulary import Vocabulary, parse_groups

    vocabulary = Vocabulary.build(parse_groups("color"), [("color", "red"), ("color", "blue")])
    network = build_network(Architecture(**TINY), 2)
    network.get_layer("logits").set_weights([np.full((16, 2), np.inf), np.zeros(2)])
    pixels = np.zeros((32, 32, 32, 3), np.uint8)
    data = TrainingData(pixels, np.eye(2, dtype=np.float32)[np.arange(32) % 2], np.arange(32), np.arange(4))
    with pytest.raises(TrainingDiverged, match="epoch 1, step 1"):
        fit(network, data, vocabulary, Recipe(epochs=1), checkpoints=tmp_path, resume=False)


def test_a_second_epoch_decodes_nothing(sample: Sample, tmp_path: Path) -> None:
    from tagger.pixels import decode_to_disk

    paths = sorted(str(path) for path in sample.labelled.rglob("*.jpg"))
    counted: list[int] = []
    first = decode_to_disk(tmp_path / "pixels", paths, size=16, workers=1, progress=counted.append)
    stamp = os.stat(tmp_path / "pixels" / "pixels.npy").st_mtime_ns
    again = decode_to_disk(tmp_path / "pixels", paths, size=16, workers=1, progress=counted.append)
    assert os.stat(tmp_path / "pixels" / "pixels.npy").st_mtime_ns == stamp
    assert isinstance(first.pixels, np.memmap)
    assert first.pixels.dtype == np.uint8
    assert np.array_equal(first.pixels, again.pixels)
    assert first.facts == again.facts
    os.utime(paths[0])
    decode_to_disk(tmp_path / "pixels", paths, size=16, workers=1, progress=counted.append)
    assert os.stat(tmp_path / "pixels" / "pixels.npy").st_mtime_ns > stamp


def test_check_counts_and_trains_nothing(sample: Sample, tmp_path: Path) -> None:
    import shutil

    root = Path(shutil.copytree(sample.labelled, tmp_path / "set"))
    one = next((root / "red_dress").iterdir())
    shutil.copy(one, root / "red_dress" / "copy.jpg")
    shutil.copy(one, root / "blue_dress" / "wrong.jpg")
    (root / "red_dress" / "half.jpg").write_bytes(one.read_bytes()[:2000])
    found = check(TrainOptions(str(root), str(tmp_path / "models"), groups="color,garment"))
    assert set(found) == set(CHECK)
    assert found["labels"]["color:red"] == sum("red_" in str(path) for path in root.rglob("*.jpg"))
    assert found["pairs"]["color:red + garment:dress"] == len(list((root / "red_dress").iterdir()))
    assert [len(family) for family in found["duplicates"]] == [3]
    assert len(found["conflicts"]) == 1
    assert [(row["image"], row["status"]) for row in found["unreadable"]] == [("red_dress/half.jpg", "truncated")]
    assert not (tmp_path / "models").exists()


def test_recoloured_pictures_teach_shape_and_shuffled_ones_teach_pixels() -> None:
    import tensorflow as tf

    from tagger.augmentation import augment, shuffle_tiles

    pixels = tf.constant(np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)), tf.uint8)
    targets = tf.constant(np.tile([1.0, 0.0, 1.0], (8, 1)), tf.float32)  # a color, a garment, another
    shape, colour = np.array([False, True, False]), np.array([True, False, False])
    x, y = augment(pixels, targets, tf.constant([1, 2]), recoloured=2, shuffled=3, shape=shape, colour=colour)
    assert x.shape == (8, 32, 32, 3)
    assert float(tf.reduce_min(x)) >= 0
    assert float(tf.reduce_max(x)) <= 1
    known = ~np.isnan(y.numpy())
    assert known.tolist() == [[True] * 3] * 3 + [[False, True, False]] * 2 + [[True, False, False]] * 3
    again, _ = augment(pixels, targets, tf.constant([1, 2]), recoloured=2, shuffled=3, shape=shape, colour=colour)
    assert np.array_equal(x, again)
    whole = tf.random.stateless_uniform([2, 32, 32, 3], [3, 4])
    cut = shuffle_tiles(whole, tf.constant([5, 6]))
    assert np.array_equal(np.sort(whole.numpy().ravel()), np.sort(cut.numpy().ravel()))
    assert not np.array_equal(whole, cut)


def test_calibration_mends_boasting_scores() -> None:
    from tagger.metrics import calibration_error

    random = np.random.default_rng(0)
    honest = random.normal(0, 2, (4000, 1))
    targets = (random.random((4000, 1)) < sigmoid(honest)).astype(np.float32)
    boasting = (3 * honest + 1).astype(np.float32)
    scale, shift = calibrate(boasting, targets)
    assert scale[0] == pytest.approx(1 / 3, rel=0.1)
    before = calibration_error(sigmoid(boasting[:, 0]), targets[:, 0] == 1)
    after = calibration_error(sigmoid(scale[0] * boasting[:, 0] + shift[0]), targets[:, 0] == 1)
    assert after < 0.03 < before


@settings(max_examples=40)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 1000))
def test_calibration_never_changes_an_order_and_thresholds_stay_inside(n: int, m: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(0, 3, (n + m, 1)).astype(np.float32)
    targets = np.array([1.0] * n + [0.0] * m, np.float32)[:, None]
    scale, shift = calibrate(logits, targets)
    assert scale[0] > 0
    assert np.isfinite(shift[0])
    (threshold,) = choose_thresholds(logits, targets)
    assert 0.05 <= threshold.value <= 0.95
    assert round(threshold.value, 4) == threshold.value
    assert threshold.value == 0.5 or n


def test_a_threshold_is_the_best_f1_nearest_to_one_half() -> None:
    from sklearn.metrics import f1_score

    random = np.random.default_rng(4)
    targets = (random.random(500) < 0.3).astype(np.float32)
    logits = (2 * targets - 1.5 + random.normal(0, 1, 500)).astype(np.float32)
    (threshold,) = choose_thresholds(logits[:, None], targets[:, None])
    scores = np.round(sigmoid(logits), 4)
    best = max(f1_score(targets, scores >= t) for t in np.linspace(0.05, 0.95, 901))
    assert f1_score(targets, scores >= threshold.value) >= best - 1e-9
