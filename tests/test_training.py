"""Fitting: the published network, the masked loss, the same twice, on after a kill."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import TINY, clean_environment
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.check import check_training
from jobs.retrain import RetrainOptions, retrain
from jobs.train import TrainOptions, train
from schemas.evaluation import Evaluation, GroupMeasures, LabelMeasures
from schemas.training import CheckReport, ResumeNote, RetrainReport, TrainReport
from tagger.arrays import Float32Array
from tagger.datasets.dataset_reader import read_dataset
from tagger.datasets.sample import Sample
from tagger.errors import InputError, TrainingDiverged
from tagger.imaging.preprocessing import Reading
from tagger.labels.views import logit, sigmoid
from tagger.labels.vocabulary import Vocabulary, parse_groups
from tagger.models.bundle import load_bundle
from tagger.training.calibration import calibrate, choose_thresholds

pytestmark = pytest.mark.tensorflow

ONE = Vocabulary.build(parse_groups("color"), [("color", "red")])

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


def test_unknown_targets_cost_nothing() -> None:
    import tensorflow as tf

    from tagger.training.losses import masked_loss

    logits = tf.Variable([[2.0, -1.0, 3.0], [0.5, 0.1, -2.0]])
    targets = np.array([[1, np.nan, 0], [np.nan, np.nan, 1]], np.float32)
    with tf.GradientTape() as tape:
        loss = masked_loss(targets, logits)
    slope = tape.gradient(loss, logits).numpy()
    assert float(loss) == pytest.approx(
        np.mean([np.log1p(np.exp(-2)), np.log1p(np.exp(3)), np.log1p(np.exp(2))])
    )
    assert (slope[np.isnan(targets)] == 0).all()
    assert (slope[~np.isnan(targets)] != 0).all()
    assert float(masked_loss(np.full((2, 3), np.nan, np.float32), logits)) == 0


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
    assert resumed.evaluation == whole.evaluation
    assert resumed.model_id == whole.model_id


def test_resume_refuses_what_it_cannot_continue(sample: Sample, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no interrupted training"):
        train(options(sample, tmp_path, resume=True))


def test_ctrl_c_leaves_no_bundle_and_says_interrupted(sample: Sample, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "jobs.cli",
        "train",
        str(sample.labelled),
        "--models",
        str(tmp_path / "m"),
    ]
    process = subprocess.Popen(
        [*command, "--groups", "color,garment"],
        env=clean_environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 90
    while (
        time.monotonic() < deadline
        and not (tmp_path / "m" / "_training" / "fashion" / "checkpoints").exists()
    ):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["_training"]


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


def test_calibration_mends_boasting_scores() -> None:
    from tagger.evaluation.metrics import calibration_error

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
def test_calibration_never_changes_an_order_and_thresholds_stay_inside(
    n: int, m: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(0, 3, (n + m, 1)).astype(np.float32)
    targets = np.array([1.0] * n + [0.0] * m, np.float32)[:, None]
    scale, shift = calibrate(logits, targets)
    assert scale[0] > 0
    assert np.isfinite(shift[0])
    (threshold,) = choose_thresholds(logits, targets, ONE)
    assert 0.05 <= threshold.threshold <= 0.95
    assert round(threshold.threshold, 4) == threshold.threshold
    assert threshold.threshold == 0.5 or n


def test_a_threshold_is_the_one_nearest_to_one_half_among_those_as_good_as_the_best() -> None:
    from sklearn.metrics import f1_score

    random = np.random.default_rng(4)
    targets = (random.random(500) < 0.3).astype(np.float32)
    logits = (2 * targets - 1.5 + random.normal(0, 1, 500)).astype(np.float32)
    (threshold,) = choose_thresholds(logits[:, None], targets[:, None], ONE)
    scores = np.round(sigmoid(logits), 4)
    f1 = {t: f1_score(targets, scores >= t) for t in np.linspace(0.05, 0.95, 901)}
    best = max(f1, key=f1.__getitem__)
    resampled = [random.integers(0, 500, 500) for _ in range(300)]
    error = np.std([f1_score(targets[rows], scores[rows] >= best) for rows in resampled])
    assert f1_score(targets, scores >= threshold.threshold) >= f1[best] - 1.2 * error
    nearer = [t for t in f1 if abs(t - 0.5) < abs(threshold.threshold - 0.5) - 1e-3]
    assert all(f1[t] < f1[best] - 0.8 * error for t in nearer)
    assert threshold.low <= threshold.threshold <= threshold.high


def test_a_threshold_of_a_rare_label_is_drawn_towards_that_of_its_group() -> None:
    vocabulary = Vocabulary.build(
        parse_groups("color"), [("color", name) for name in ("red", "blue", "teal", "pink")]
    )
    random = np.random.default_rng(2)
    truth = np.repeat([0, 1, 2], [300, 300, 3])  # three teal pictures, no pink one
    targets = np.eye(4, dtype=np.float32)[truth]
    logits = (4 * targets - 3 + random.normal(0, 1, targets.shape)).astype(np.float32)
    logits[:, 2] += 2.5
    red, blue, teal, pink = choose_thresholds(logits, targets, vocabulary)
    assert (
        0 < abs(teal.threshold - pink.threshold) <= 0.1
    )  # of its own it has a tenth; pink has nothing but its group's
    assert "drawn 90% towards" in teal.chosen
    assert "no positive" in pink.chosen
    assert [t.positives for t in (red, blue, teal, pink)] == [300, 300, 3, 0]
    assert all(t.low <= t.high for t in (red, blue, teal, pink))
    assert red.low <= red.threshold <= red.high
    assert red.low < red.high


@settings(max_examples=40, deadline=None)
@given(st.floats(0.5, 0.99), st.integers(0, 1000))
def test_a_precision_that_is_asked_for_is_reached_or_said_to_be_out_of_reach(
    wanted: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    targets = (random.random((400, 1)) < 0.3).astype(np.float32)
    logits = (2 * targets - 1 + random.normal(0, 1.5, targets.shape)).astype(np.float32)
    (threshold,) = choose_thresholds(logits, targets, ONE, min_precision=wanted)
    scores = np.round(sigmoid(logits), 4)
    claimed = scores >= threshold.threshold
    precision = targets[claimed].mean() if claimed.any() else 0.0
    assert (precision >= wanted) == ("not reached" not in threshold.chosen)
    if "not reached" not in threshold.chosen:  # and no other threshold finds more
        cuts = [t for t in np.unique(scores) if t >= 0.05]
        enough = [
            t for t in cuts if targets[scores >= t].sum() / ((scores >= t).sum() + 1) >= wanted
        ]
        assert targets[claimed].sum() == max(
            [targets[scores >= t].sum() for t in enough], default=targets[claimed].sum()
        )


def test_the_loss_of_a_view_is_the_cross_entropy_of_its_answers_none_included() -> None:
    from sklearn.metrics import log_loss

    from tagger.labels.views import group_probabilities
    from tagger.training.losses import combined_loss, masked_loss, view_loss

    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (50, 5)).astype(np.float32)
    answer = random.integers(0, 4, 50)  # 3 is none
    targets = np.concatenate([np.eye(4)[answer][:, :3], np.full((50, 2), np.nan)], axis=1).astype(
        np.float32
    )
    targets[:10, 1] = np.nan  # not wholly known: costs nothing
    expected = log_loss(answer[10:], group_probabilities(logits[10:], [0, 1, 2]), labels=range(4))
    total, known = map(float, view_loss(targets, logits, [0, 1, 2]))
    assert (total / known, known) == (pytest.approx(expected, rel=1e-5), 40)
    assert tuple(map(float, view_loss(targets, logits, [3, 4]))) == (0, 0)
    both = combined_loss(targets, logits, [[0, 1, 2]], view=0.5, smoothing=0)
    assert float(both) == pytest.approx(
        float(masked_loss(targets, logits)) + expected / 2, rel=1e-5
    )


def test_recombined_pictures_count_in_the_choice_of_an_epoch_as_they_are_taught() -> None:
    from tagger.training.recipe import Recipe

    assert Recipe.evidence(1000).choice_loss(1.0, 3.0) == 2.0
    assert Recipe.plain().choice_loss(1.0, 3.0) == 1.0
    large = [
        Recipe.evidence(pictures).choice_loss(1.0, 3.0) for pictures in (4_000, 10_000, 40_000)
    ]
    assert 2 > large[0] > large[1] > large[2] > 1
    assert large[1] < 1.1


@pytest.mark.parametrize("scale", [0.2, 1.0, 3.0, 7.0])
def test_how_sure_a_network_is_does_not_decide_which_epoch_is_kept(scale: float) -> None:
    from tagger.training.calibration import least_at_any_scale
    from tagger.training.losses import masked_loss

    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (500, 7)).astype(np.float32)
    targets = (random.random((500, 7)) < 1 / (1 + np.exp(-logits))).astype(np.float32)
    worse = logits + random.normal(0, 1, logits.shape).astype(np.float32)

    def least(of: Float32Array) -> float:
        return least_at_any_scale(lambda by: float(masked_loss(targets, of * np.float32(by))))

    assert least(logits * np.float32(scale)) == pytest.approx(least(logits), rel=1e-4)
    assert least(worse) > least(logits * np.float32(scale))
    assert least(logits) <= float(masked_loss(targets, logits)) + 1e-6


def test_a_group_of_which_little_is_known_counts_as_often_as_it_is_known() -> None:
    from tagger.training.losses import combined_loss, masked_loss, view_loss

    random = np.random.default_rng(1)
    logits = random.normal(0, 2, (60, 5)).astype(np.float32)
    color = np.eye(3)[random.integers(0, 3, 60)]
    pattern = np.eye(2)[random.integers(0, 2, 60)]
    pattern[5:] = np.nan  # five pictures say anything of it
    targets = np.concatenate([color, pattern], axis=1).astype(np.float32)
    of_color, colors = map(float, view_loss(targets, logits, [0, 1, 2]))
    of_pattern, patterns = map(float, view_loss(targets, logits, [3, 4]))
    assert (colors, patterns) == (60, 5)
    both = combined_loss(targets, logits, [[0, 1, 2], [3, 4]], view=0.5, smoothing=0)
    expected = float(masked_loss(targets, logits)) + 0.5 * (of_color + of_pattern) / 65
    assert float(both) == pytest.approx(expected, rel=1e-5)


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


@pytest.mark.usefixtures("eagerly")
def test_a_training_killed_while_its_state_is_written_counts_no_epoch_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tagger.training.fit import fit
    from tagger.training.network import Architecture, build_network
    from tagger.training.recipe import Recipe
    from tagger.training.training_data import TrainingData

    vocabulary = Vocabulary.build(parse_groups("color"), [("color", "red"), ("color", "blue")])
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 32, 3)).astype(np.uint8)
    data = TrainingData(
        pixels, np.eye(2, dtype=np.float32)[np.arange(32) % 2], np.arange(24), np.arange(24, 32)
    )
    recipe = Recipe(epochs=3, batch=8)

    def fitted(folder: str, **more: Any) -> list[np.ndarray]:
        network = build_network(Architecture(**TINY), 2, fitting=True)
        fit(network, data, vocabulary, recipe, checkpoints=tmp_path / folder, **more)
        return list(network.get_weights())

    whole = fitted("whole", resume=False)
    replace_file, calls = os.replace, []

    def fail_late(*paths: Any) -> None:
        calls.append(paths)
        if str(paths[1]).endswith("history.json") and len(calls) > 3:
            raise KeyboardInterrupt  # after the arrays of the second epoch, before its history
        replace_file(*paths)

    monkeypatch.setattr(os, "replace", fail_late)
    with pytest.raises(KeyboardInterrupt):
        fitted("killed", resume=False)
    monkeypatch.undo()
    resumed = fitted("killed", resume=True)
    assert all(np.array_equal(one, other) for one, other in zip(whole, resumed, strict=True))


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

    def fitted(folder: str, *, resume: bool = False, stop: bool = False) -> list[np.ndarray]:
        def done(epoch: int, _: object) -> None:
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
    network = build_network(Architecture(**TINY), 2)
    half = at_half_size(network)
    assert half.input_shape == (None, 16, 16, 3)
    assert {id(weight) for weight in half.weights} == {id(weight) for weight in network.weights}
    assert at_half_size(build_network(Architecture(**TINY | {"size": 36}), 2)) is None


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("job", ["train", "retrain"])
def test_a_training_resumes_from_the_same_pictures_labels_and_options_wherever_they_lie(
    job: str, sample: Sample, bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(labelled: Path, **more: Any) -> TrainReport | RetrainReport:
        sets, models = (str(labelled),), str(tmp_path / "models")
        if job == "train":
            tiny = {"name": "tiny", "groups": "color,garment", "architecture": TINY}
            return train(TrainOptions(sets, models, epochs=1, **tiny, **more))
        aside: dict[str, Any] = {"name": "tiny", "promote": False}
        return retrain(RetrainOptions(sets, str(bundle_path), models, epochs=1, **aside, **more))

    def copied(name: str) -> Path:
        return Path(shutil.copytree(sample.labelled, tmp_path / name / "set"))

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    first = copied("first")
    monkeypatch.setattr("tagger.pipeline.training.measure_network", stop)
    with pytest.raises(KeyboardInterrupt):
        run(first)
    monkeypatch.undo()
    note = tmp_path / "models" / "_training" / "tiny" / "training.json"
    assert set(json.loads(note.read_text())) == set(ResumeNote.__struct_fields__)

    with pytest.raises(InputError, match="other pictures, labels or options"):
        run(first, resume=True, seed=1)
    relabelled = copied("relabelled")
    one = next((relabelled / "red_dress").iterdir())
    one.rename(relabelled / "blue_dress" / "moved.jpg")
    with pytest.raises(InputError, match="other pictures, labels or options"):
        run(relabelled, resume=True)
    changed = copied("changed")
    one = next((changed / "red_dress").iterdir())
    one.write_bytes(one.read_bytes() + b"0")
    with pytest.raises(InputError, match="pictures changed"):
        run(changed, resume=True)
    moved = run(copied("moved"), resume=True)
    assert load_bundle(moved.bundle).model_id == moved.model_id
    assert not note.exists()


def test_a_damaged_note_of_a_training_is_said_and_not_a_traceback(
    sample: Sample, tmp_path: Path
) -> None:
    work = tmp_path / "_training" / "tiny"
    (work / "checkpoints").mkdir(parents=True)
    (work / "checkpoints" / "history.json").write_text('{"epochs": []}')
    (work / "training.json").write_text('{"asked": 1}')
    with pytest.raises(InputError, match=r"tiny' is damaged .*asked.*start it without"):
        train(options(sample, tmp_path, resume=True))


@pytest.mark.usefixtures("eagerly")
def test_a_damaged_state_is_said_and_not_a_traceback(sample: Sample, tmp_path: Path) -> None:
    work = tmp_path / "_training" / "tiny"
    given_ = options(sample, tmp_path, epochs=1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            "tagger.pipeline.training.measure_network",
            lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt),
        )
        with pytest.raises(KeyboardInterrupt):
            train(given_)
    last = work / "checkpoints" / "last.npz"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"last\.npz.*damaged"):
        train(replace(given_, resume=True))


def test_thresholds_stay_where_the_precision_is_even_if_a_lower_cut_lies_outside_the_limits() -> (
    None
):
    scores = np.repeat([0.9, 0.5, 0.03, 0.001], [40, 20, 200, 100])
    targets = np.repeat([1, 0, 1, 0], [40, 20, 200, 100]).astype(np.float32)[:, None]
    (threshold,) = choose_thresholds(
        logit(scores)[:, None].astype(np.float32), targets, ONE, min_precision=0.9
    )
    assert 0.5 < threshold.threshold <= 0.9
    assert "not reached" not in threshold.chosen


def test_the_fused_normalisation_is_keras_s_own() -> None:
    import keras
    import tensorflow as tf

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
