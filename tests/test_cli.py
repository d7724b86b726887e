"""Bad input: one line that names what was received and what to do, exit code 2, nothing written or
lost."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import clean_environment

from jobs.cli import run
from tagger.datasets.sample import Sample

Tagger = Callable[..., subprocess.CompletedProcess[str]]


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a command that must end with 2 and one line; return the line."""
    capsys.readouterr()
    code = run([str(argument) for argument in arguments])
    said = capsys.readouterr()
    assert code == 2, said.err
    assert said.out == ""
    lines = said.err.strip().splitlines()
    assert len(lines) == 1, said.err
    assert lines[0].startswith("tagger: ")
    return lines[0]


def test_train_says_what_is_wrong_with_its_input(
    tmp_path: Path, sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    models, empty = tmp_path / "models", tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "one" / "red").mkdir(parents=True)
    (tmp_path / "one" / "red" / "a.jpg").write_bytes(b"x")
    (tmp_path / "note.txt").write_text("x")
    (tmp_path / "bad.json").write_text("{")
    cases: list[tuple[list[object], str]] = [
        ([tmp_path / "missing"], "no such file or folder"),
        ([empty], "no picture in a folder"),
        ([tmp_path / "note.txt"], "neither a folder nor a table (.csv, .xlsx, .parquet)"),
        ([tmp_path / "one"], "at least two"),
        ([sample.labelled, "--groups", "color"], "2 tokens for the 1 groups"),
        ([sample.labelled, "--groups", "Color"], "--groups"),
        ([sample.labelled, "--vocabulary", tmp_path / "bad.json"], "cannot be read"),
        ([sample.labelled, "--vocabulary", tmp_path / "none.json"], "cannot be read"),
        ([sample.labelled, "--vocabulary", "x", "--groups", "color"], "give one of them"),
        ([sample.labelled, "--groups", "color,garment", "--name", "../x"], "--name"),
        ([sample.labelled, "--groups", "color,garment", "--resume"], "no interrupted training"),
        (
            [sample.labelled, "--groups", "color,garment", "--hold-out-pair", "red_hat"],
            "pair 'red_hat': give two labels",
        ),
        (
            [sample.labelled, "--groups", "color,garment", "--hold-out-pair", "black_dress"],
            "no picture shows it",
        ),
        (
            [sample.labelled, "--groups", "color,garment", "--min-pictures", "999"],
            "0 label with 999 pictures",
        ),
        ([sample.labelled, "--vocabulary", "x", "--min-pictures", "9"], "give one of them"),
    ]
    for arguments, message in cases:
        assert message in refused(capsys, "train", *arguments, "--models", models)
    assert not [path for path in models.glob("*") if path.name != "_training"]
    (tmp_path / "file").write_text("mine")
    said = refused(
        capsys, "train", sample.labelled, "--groups", "color,garment", "--models", tmp_path / "file"
    )
    assert "cannot be written" in said
    assert (tmp_path / "file").read_text() == "mine"


def test_every_command_that_reads_labelled_sets_can_leave_folders_out(
    tmp_path: Path, sample: Sample, bundle_path: Path, tagger_process: Tagger
) -> None:
    shutil.copytree(sample.labelled, tmp_path / "set")
    (tmp_path / "set" / "to do").mkdir()
    shutil.copy(next(sample.labelled.rglob("*.jpg")), tmp_path / "set" / "to do" / "a.jpg")
    commands: list[list[object]] = [
        [
            "train",
            tmp_path / "set",
            "--models",
            tmp_path / "models",
            "--groups",
            "color,garment",
            "--check",
        ],
        ["evaluate", bundle_path, tmp_path / "set"],
        ["pack", bundle_path, tmp_path / "set", "--out", tmp_path / "packed"],
        [
            "retrain",
            tmp_path / "set",
            "--from",
            bundle_path,
            "--models",
            tmp_path / "models",
            "--resume",
        ],
    ]
    assert "folder 'to do'" in tagger_process(*commands[1]).stderr
    for command in commands:
        ended = tagger_process(*command, "--exclude", "to do/", "--exclude", "To_Do")
        assert ended.returncode == 0 or "no interrupted training" in ended.stderr, (
            ended.stderr
        )  # the sets were read
        assert "warning: --exclude 'To_Do' matched nothing" in ended.stderr


def test_tag_says_what_is_wrong_with_its_input(
    tmp_path: Path, sample: Sample, bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    good = ["--model", bundle_path, "--index", tmp_path / "index"]
    assert "it is a file" in refused(capsys, "tag", tmp_path / "file", *good)
    assert "no such folder" in refused(capsys, "tag", tmp_path / "missing", *good)
    assert "bundle.json" in refused(
        capsys, "tag", sample.catalog, "--model", tmp_path, "--index", tmp_path / "index"
    )
    said = refused(
        capsys, "tag", sample.catalog, "--model", bundle_path, "--index", tmp_path / "file"
    )
    assert "it is a file" in said
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "index" / "current").exists()


def test_the_other_commands_say_what_is_wrong_with_their_input(
    tmp_path: Path, sample: Sample, bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no such folder" in refused(capsys, "verify", tmp_path / "missing")
    (tmp_path / "thesis.doc").write_text("mine")
    assert "is no index" in refused(capsys, "verify", tmp_path)
    assert "no bundle.json" in refused(capsys, "evaluate", tmp_path, sample.labelled)
    assert "no such file" in refused(capsys, "evaluate", bundle_path, tmp_path / "missing")
    assert "no such file" in refused(capsys, "predict", bundle_path, tmp_path / "missing.jpg")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    assert "no earlier demo" in refused(capsys, "demo", "--out", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_wrong_usage_ends_with_2_and_a_hint(tagger_process: Tagger) -> None:
    for arguments in (
        ["fly"],
        ["tag"],
        ["tag", "x", "--fast"],
        ["tag", "x", "--model", "m", "--index", "i", "--backend", "tpu"],
        ["train", "x", "--models", "m", "--epochs", "none"],
    ):
        ended = tagger_process(*arguments)
        assert ended.returncode == 2, arguments
        assert "Traceback" not in ended.stderr
        assert ended.stdout == ""


def test_predict_prints_every_score_and_answer_and_draws_them(
    sample: Sample, bundle_path: Path, tmp_path: Path, tagger: Tagger
) -> None:
    from schemas.models import Prediction

    images = [
        sample.catalog / "2026/00/item-00000.jpg",
        sample.catalog / "2026/incoming/half-upload.jpg",
    ]
    ended = tagger("predict", bundle_path, *images, "--overlay", tmp_path / "seen", "--json")
    assert ended.returncode == 0, ended.stderr
    good, bad = json.loads(ended.stdout)["predictions"]
    assert set(good) == set(bad) == set(Prediction.__struct_fields__)
    assert len(good["scores"]) == 7
    assert set(good["answers"]) == {"color", "garment"}
    assert (bad["status"], bad["scores"], bad["overlay"]) == ("truncated", {}, None)
    import cv2

    drawn = cv2.imread(good["overlay"])
    assert (
        drawn.shape[1] == 384
    )  # 256 x 320, turned upright by its EXIF orientation, longest side 480
    assert drawn.shape[0] > 480
    text = tagger("predict", bundle_path, *images).stdout
    assert "color: " in text
    assert "truncated: " in text


def test_evaluate_prints_a_table_and_json(
    sample: Sample, bundle_path: Path, tagger: Tagger
) -> None:
    from schemas.evaluation import EvaluateReport, Evaluation, LabelMeasures

    ended = tagger("evaluate", bundle_path, sample.labelled, "--json")
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert set(report) == set(EvaluateReport.__struct_fields__)
    assert set(report["evaluation"]) == set(Evaluation.__struct_fields__)
    assert set(report["evaluation"]["labels"][0]) == set(LabelMeasures.__struct_fields__)
    text = tagger("evaluate", bundle_path, sample.labelled).stdout
    assert "garment:dress" in text
    assert "left out: " in text
    assert "macro_ap" in text


def test_verify_ends_with_6_where_there_are_faults(
    sample: Sample, bundle_path: Path, tmp_path: Path, tagger: Tagger
) -> None:
    index = tmp_path / "index"
    ended = tagger("tag", sample.catalog, "--model", bundle_path, "--index", index, "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["exit_code"] == 0
    assert tagger("verify", index).returncode == 0
    next(Path(os.path.realpath(index / "current")).glob("part-*")).unlink()
    ended = tagger("verify", index, "--json")
    assert ended.returncode == 6
    assert json.loads(ended.stdout)["faults"]


def test_importing_the_library_and_asking_for_help_load_nothing_heavy() -> None:
    code = (
        "import sys, tagger, tagger.errors, jobs.cli\n"
        "sys.argv = ['tagger', '--help']\n"
        "try:\n    jobs.cli.main()\n"
        "except SystemExit as ended:\n    assert ended.code in (0, None), ended.code\n"
        "heavy = {'tensorflow', 'keras', 'openvino', 'ray', 'cv2', 'pandas', 'pyarrow', 'sklearn'} "
        "& set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean_environment()
    )
    assert ended.returncode == 0, ended.stderr
    for panel in ("Start here", "Models", "The index"):
        assert panel in ended.stdout


def test_nothing_phones_home(sample: Sample, tmp_path: Path) -> None:
    """A whole training, conversion included, in a process where opening a network connection fails
    the test."""
    code = (
        "import json, socket, sys\n"
        "def refuse(self, address, *rest):\n"
        "    if self.family != socket.AF_UNIX:\n"
        "        print('PHONED', address, flush=True)\n"
        "    raise OSError('no network')\n"
        "socket.socket.connect = refuse\n"
        "from jobs.train import TrainOptions, train\n"
        "if __name__ == '__main__':\n"
        "    train(TrainOptions(**json.loads(sys.argv[1])))\n"
        "    assert 'openvino_telemetry.main' not in sys.modules\n"
    )
    options = {
        "datasets": [str(sample.labelled)],
        "models": str(tmp_path),
        "groups": "color,garment",
        "epochs": 1,
        "architecture": {"size": 32, "filters": [4, 4, 4], "dense": 8},
    }
    script = tmp_path / "script.py"
    script.write_text(code)
    environment = clean_environment()
    environment.pop("CI", None)  # where the converter would be silent anyway
    ended = subprocess.run(
        [sys.executable, script, json.dumps(options)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    assert "PHONED" not in ended.stdout
