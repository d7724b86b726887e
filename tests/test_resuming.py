"""A training that was killed, or whose state is damaged, goes on or says why it cannot."""

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
import pytest
from conftest import TINY, clean_environment
from test_training import options

from jobs.retrain import RetrainOptions, retrain
from jobs.train import TrainOptions, train
from schemas.training import ResumeNote, RetrainReport, TrainReport
from tagger.datasets.sample import Sample
from tagger.errors import InputError
from tagger.labels.vocabulary import Vocabulary, parse_groups
from tagger.models.bundle import load_bundle

pytestmark = pytest.mark.tensorflow


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
