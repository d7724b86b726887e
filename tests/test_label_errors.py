"""The label audit: planted faults are found, and written down where a person looks."""

import hashlib
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from jobs.evaluate import evaluate, report_text
from jobs.predict import predict
from schemas.evaluation import AUDIT_COLUMNS, AuditReport, EvaluateReport
from tagger.datasets.sample import Sample
from tagger.errors import InputError
from tagger.evaluation.label_errors import contradictions, doubted_labels
from tagger.labels.vocabulary import Vocabulary, parse_groups

VOCABULARY = Vocabulary.build(
    parse_groups("color,garment,use+"),
    [
        ("color", "red"),
        ("color", "blue"),
        ("garment", "dress"),
        ("garment", "coat"),
        ("use", "home"),
        ("use", "work"),
    ],
)


def drawn(n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    targets = np.zeros((n, 6), np.float32)
    targets[np.arange(n), random.integers(0, 2, n)] = 1
    targets[np.arange(n), random.integers(2, 4, n)] = 1
    targets[:, 4:] = random.random((n, 2)) < 0.3
    return ((targets - 0.5) * 8 + random.normal(0, 1.2, (n, 6))).astype(np.float32), targets


def test_planted_wrong_labels_are_doubted_and_little_else() -> None:
    logits, targets = drawn()
    wrong = targets.copy()
    wrong[:12, :2] = targets[:12, 1::-1]  # the other color
    wrong[20:26, 4] = 1 - targets[20:26, 4]
    wrong[30:60, 2:4] = np.nan
    found = doubted_labels(logits, wrong, VOCABULARY)
    planted = {(row, "color") for row in range(12)} | {(row, "use") for row in range(20, 26)}
    entries = set(zip(found["row"], found["group"], strict=True))
    assert len(entries & planted) >= 15
    assert len(entries - planted) <= 6
    first = found[found["row"] == 3].iloc[0]
    names = ["red", "blue"]
    assert (first["given"], first["suggested"]) == (
        names[int(wrong[3, 1])],
        names[int(targets[3, 1])],
    )
    assert (found["p_given"].diff().dropna() >= 0).all()
    assert not len(found[(found["group"] == "garment") & found["row"].between(30, 59)])


def test_a_group_of_one_answer_has_nothing_to_doubt() -> None:
    logits, targets = drawn(20)
    targets[:] = targets[0]
    assert doubted_labels(logits, targets, VOCABULARY).empty


def test_families_contradict_one_another_only_where_both_are_known() -> None:
    targets = np.array([[1, 0], [0, 1], [1, 0], [np.nan, np.nan], [0, 0], [0, 0]], np.float32)
    vocabulary = Vocabulary.build(parse_groups("color"), [("color", "red"), ("color", "blue")])
    found = contradictions(np.array([0, 0, 2, 2, 4, 0]), targets, vocabulary)
    assert found.to_dict("list") == {
        "row": [0, 1, 5],
        "group": ["color"] * 3,
        "given": ["red", "blue", "none"],
        "family": [0] * 3,
    }


def test_an_audit_writes_a_table_and_sheets(
    sample: Sample, bundle_path: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(sample.labelled, tmp_path / "set"))
    one = next((root / "red_dress").iterdir())
    shutil.copy(one, root / "blue_dress" / "twin.jpg")
    (root / "blue_dress" / "half.jpg").write_bytes(one.read_bytes()[:2000])
    report = evaluate(
        str(bundle_path), [str(root)], include_training=True, audit=str(tmp_path / "audit")
    )
    assert isinstance(report, EvaluateReport)
    assert isinstance(report.audit, AuditReport)
    table = pd.read_csv(report.audit.csv)
    assert list(table.columns) == list(AUDIT_COLUMNS)
    twins = table[table["finding"] == "contradiction"]
    assert report.audit.contradictions == 1
    assert set(twins["image"]) == {f"red_dress/{one.name}", "blue_dress/twin.jpg"}
    assert set(twins["given"]) == {"red", "blue"}
    digests = [hashlib.sha256((root / image).read_bytes()).hexdigest() for image in table["image"]]
    assert list(table["content_sha256"]) == digests
    assert report.left_out.unreadable == 1
    assert (
        sorted(path.name for path in (tmp_path / "audit").iterdir() if path.name.startswith("."))
        == []
    )
    assert report.audit.doubts == (table["finding"] == "doubt").sum()
    for sheet in report.audit.sheets:
        assert cv2.imread(sheet) is not None
    assert str(tmp_path / "audit" / "contradictions.png") in report.audit.sheets
    assert "1 near-duplicate families" in report_text(report)
    plain = evaluate(str(bundle_path), [str(root)], include_training=True)
    assert plain.audit is None
    assert plain.evaluation.exact_match == pytest.approx(report.evaluation.exact_match)


def test_an_audit_that_cannot_be_written_says_so(
    sample: Sample, bundle_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="--audit"):
        evaluate(str(bundle_path), [str(sample.labelled)], audit=str(tmp_path / "file"))


def test_labels_that_the_model_lacks_say_how_often_it_keeps_silent(
    sample: Sample, bundle_path: Path, tmp_path: Path
) -> None:
    shutil.copytree(sample.labelled / "red_dress", tmp_path / "set" / "red_shoes")
    shutil.copytree(sample.labelled / "blue_shirt", tmp_path / "set" / "blue_wall")
    shutil.copytree(sample.labelled / "black_jeans", tmp_path / "set" / "black_jeans")
    report = evaluate(str(bundle_path), [str(tmp_path / "set")], include_training=True)
    assert set(report.unknown_labels) == {"garment:shoes", "garment:wall"}
    for name, folder in (("shoes", "red_shoes"), ("wall", "blue_wall")):
        pictures = sorted(str(path) for path in (tmp_path / "set" / folder).iterdir())
        silent = [
            found.answers["garment"].label is None
            for found in predict(str(bundle_path), pictures).predictions
        ]
        assert report.unanswered[f"garment:{name}"] == pytest.approx(np.mean(silent))
    assert "no answer" in report_text(report)
