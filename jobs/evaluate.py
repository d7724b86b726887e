"""Evaluation of a saved model on a labelled set; what it was trained or tuned on never counts unasked."""

import os
from typing import Any

from jobs.progress import Progress
from jobs.scoring import score_files
from tagger.bundle import load_bundle
from tagger.card import number
from tagger.dataset import read_dataset
from tagger.errors import DatasetError
from tagger.metrics import measure
from tagger.predictor import Backend

_SHOWN = 40


def evaluate(model: str, dataset: str, *, include_training: bool = False, backend: Backend = "auto") -> dict[str, Any]:
    """Return the report declared in `schemas.reports.EVALUATE`.

    Raises
    ------
    InputError
        If nothing is left to measure on.
    """
    bundle = load_bundle(model)
    labelled = read_dataset(dataset, vocabulary=bundle.vocabulary)
    with Progress(len(labelled.examples), "evaluating") as progress:
        paths = [example.path for example in labelled.examples]
        facts, logits = score_files(bundle, paths, backend=backend, progress=progress.advance)
    part_of = {row["content_sha256"]: row["part"] for row in bundle.split().to_pylist()}
    left_out = {"train": 0, "tune": 0, "unreadable": 0, "duplicate": 0}
    rows, seen = [], set()
    for i, fact in enumerate(facts):
        part = part_of.get(fact.content_sha256 or "")
        if fact.status != "ok":
            left_out["unreadable"] += 1
        elif part in ("train", "tune") and not include_training:
            left_out[part] += 1
        elif fact.content_sha256 in seen:
            left_out["duplicate"] += 1
        else:
            rows.append(i)
            seen.add(fact.content_sha256)
    if not rows:
        raise DatasetError(
            f"{dataset}: no picture is left to measure on ({left_out}); use others, or --include-training"
        )
    targets = labelled.targets(bundle.vocabulary)
    return {
        "model": bundle.name,
        "model_id": bundle.model_id,
        "dataset": os.fspath(dataset),
        "left_out": left_out,
        "unknown_labels": dict(sorted(labelled.strangers(bundle.vocabulary).items())),
        "evaluation": measure(
            logits[rows],
            targets[rows],
            vocabulary=bundle.vocabulary,
            thresholds=bundle.thresholds,
            seen_pairs=[(a, b) for a, b in bundle.metrics()["pairs_in_training"]],
        ),
    }


def report_text(report: dict[str, Any]) -> str:
    """Return the report as text for a terminal."""
    left_out = ", ".join(f"{n:,} {what}" for what, n in report["left_out"].items() if n)
    lines = [f"{report['model']} on {report['dataset']}" + (f"; left out: {left_out}" if left_out else "")]
    if report["unknown_labels"]:
        unknown = ", ".join(f"{label} {n:,}" for label, n in report["unknown_labels"].items())
        lines.append(f"labels the model does not have, their group left out of the count: {unknown}")
    return "\n".join([*lines, "", table(report["evaluation"])])


def table(evaluation: dict[str, Any]) -> str:
    """Return an evaluation as text for a terminal."""
    width = max(len(row["label"]) for row in evaluation["labels"])
    lines = [f"{'label':{width}}  pictures  positives  threshold      AP  precision  recall      F1  calib.error"]
    for row in evaluation["labels"]:
        lines.append(
            f"{row['label']:{width}}  {row['pictures']:8,}  {row['positives']:9,}  {row['threshold']:9.4f}  "
            f"{number(row['ap']):>6}  {number(row['precision']):>9}  {number(row['recall']):>6}  "
            f"{number(row['f1']):>6}  {number(row['calibration_error']):>11}"
        )
    lines += ["", f"pictures           {evaluation['pictures']:,}"]
    for key in ("macro_ap", "exact_match", "binary_accuracy", "calibration_error"):
        lines.append(f"{key:18} {number(evaluation[key])}")
    for row in evaluation["groups"]:
        lines.append(f"{row['group'] + ' top-1':18} {number(row['top1'])} of {row['pictures']:,}")
    if evaluation["combinations"]:
        lines += ["", "combination: pictures, both right (* = unseen in training)"]
        rows = sorted(evaluation["combinations"], key=lambda row: -row["pictures"])
        for row in rows[:_SHOWN]:
            share = f"{row['both_right'] / row['pictures']:.3f}" if row["pictures"] else "-"
            mark = " " if row["seen"] else "*"
            lines.append(f"  {mark} {' + '.join(row['pair']):44} {row['pictures']:6,}  {row['both_right']:6,}  {share}")
        if len(rows) > _SHOWN:
            lines.append(f"    {len(rows) - _SHOWN} more with --json")
    return "\n".join(lines)
