"""Evaluation of a saved model on a labelled set; what it was trained or validated on never counts
unasked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tagger.arrays import Float32Array
from tagger.datasets.labelled_set import LabelledSet
from tagger.errors import DatasetError
from tagger.evaluation.metrics import measure, unanswered
from tagger.imaging.worker import FileFacts
from tagger.models.bundle import Bundle, load_bundle
from tagger.models.card import number
from tagger.models.file_scoring import score_files
from tagger.models.predictor import Backend
from tagger.pipeline.labelled_sets import read_labelled
from tagger.progress import Progress

_SHOWN = 40


def evaluate(
    model: str,
    datasets: Sequence[str],
    *,
    names: str | None = None,
    exclude: Sequence[str] = (),
    include_training: bool = False,
    backend: Backend = "auto",
    audit: str | None = None,
) -> dict[str, Any]:
    """Return the report declared in `schemas.reports.EVALUATE`.

    Parameters
    ----------
    names : str, optional
        A table of what the sets' labels are called in the model, see `tagger.datasets.names`.
    exclude : sequence of str
        What to leave out of the sets' folders, see `tagger.exclusions`.
    audit : str, optional
        A folder for the findings of `jobs.audit`, which looks at all pictures, training ones too.

    Raises
    ------
    InputError
        If nothing is left to measure on, or the folder cannot be written.
    """
    bundle = load_bundle(model)
    labelled = read_labelled(datasets, names, exclude, vocabulary=bundle.vocabulary)
    part_of = {row["content_sha256"]: row["part"] for row in bundle.split().to_pylist()}
    if audit is None:
        with Progress(len(labelled.examples), "evaluating") as progress:
            paths = [example.path for example in labelled.examples]
            facts, logits = score_files(bundle, paths, backend=backend, progress=progress.advance)
        findings = None
    else:
        from jobs.audit import audit_set

        facts, logits, findings = audit_set(bundle, labelled, part_of, Path(audit), backend=backend)
    rows, left_out = _measurable(facts, part_of, include_training=include_training)
    if not rows:
        raise DatasetError(
            f"{labelled.source}: no picture is left to measure on ({left_out}); use others, or "
            "--include-training" + (f"; the audit is in {findings['csv']}" if findings else "")
        )
    targets = labelled.targets(bundle.vocabulary)
    return {
        "model": bundle.name,
        "model_id": bundle.model_id,
        "dataset": labelled.source,
        "left_out": left_out,
        "unknown_labels": dict(sorted(labelled.strangers(bundle.vocabulary).items())),
        "unanswered": _unanswered(bundle, labelled, logits, rows),
        "audit": findings,
        "evaluation": measure(
            logits[rows],
            targets[rows],
            vocabulary=bundle.vocabulary,
            thresholds=bundle.thresholds,
            trained=bundle.trained_pairs(),
        ),
    }


def _measurable(
    facts: Sequence[FileFacts], part_of: Mapping[str, str], *, include_training: bool
) -> tuple[list[int], dict[str, int]]:
    """Return the positions of pictures to measure on, and how many were left out for which
    reason."""
    left_out = {"train": 0, "validation": 0, "unreadable": 0, "duplicate": 0}
    rows, seen = [], set()
    for i, fact in enumerate(facts):
        part = part_of.get(fact.content_sha256 or "")
        if fact.status != "ok":
            left_out["unreadable"] += 1
        elif part in ("train", "validation") and not include_training:
            left_out[part] += 1
        elif fact.content_sha256 in seen:
            left_out["duplicate"] += 1
        else:
            rows.append(i)
            seen.add(fact.content_sha256)
    return rows, left_out


def _unanswered(
    bundle: Bundle, labelled: LabelledSet, logits: Float32Array, rows: list[int]
) -> dict[str, float]:
    """Return, per label that an exclusive group of the model lacks, how often the group rightly
    keeps silent."""
    shares = {}
    present = [labelled.examples[row].present for row in rows]
    for group in bundle.vocabulary.exclusive_groups:
        silent = unanswered(logits[rows], bundle.thresholds, bundle.vocabulary.members(group.name))
        for key in sorted({key for keys in present for key in keys if key[0] == group.name}):
            if bundle.vocabulary.index(*key) is None:
                shares[":".join(key)] = float(silent[[key in keys for keys in present]].mean())
    return shares


def report_text(report: dict[str, Any]) -> str:
    """Return the report as text for a terminal."""
    left_out = ", ".join(f"{n:,} {what}" for what, n in report["left_out"].items() if n)
    lines = [
        f"{report['model']} on {report['dataset']}"
        + (f"; left out: {left_out}" if left_out else "")
    ]
    if report["unknown_labels"]:
        unknown = ", ".join(f"{label} {n:,}" for label, n in report["unknown_labels"].items())
        lines.append(
            f"labels the model does not have, their group left out of the count: {unknown}"
        )
    if report["unanswered"]:
        silent = ", ".join(f"{label} {share:.1%}" for label, share in report["unanswered"].items())
        lines.append(f"of these, pictures to which the group gives no answer: {silent}")
    if found := report["audit"]:
        lines.append(
            f"audit: {found['doubts']:,} doubted labels, {found['contradictions']:,} "
            "near-duplicate families with "
            f"different labels: {found['csv']}, {', '.join(found['sheets']) or 'no sheet'}"
        )
    return "\n".join([*lines, "", table(report["evaluation"])])


def table(evaluation: dict[str, Any]) -> str:
    """Return an evaluation as text for a terminal."""
    width = max(len(row["label"]) for row in evaluation["labels"])
    lines = [
        f"{'label':{width}}  pictures  positives  threshold      AP  precision  recall      F1  "
        "calib.error"
    ]
    for row in evaluation["labels"]:
        lines.append(
            f"{row['label']:{width}}  {row['pictures']:8,}  {row['positives']:9,}  "
            f"{row['threshold']:9.4f}  "
            f"{number(row['ap']):>6}  {number(row['precision']):>9}  {number(row['recall']):>6}  "
            f"{number(row['f1']):>6}  {number(row['calibration_error']):>11}"
        )
    lines += ["", f"pictures           {evaluation['pictures']:,}"]
    for key in ("macro_ap", "exact_match", "binary_accuracy", "calibration_error"):
        lines.append(f"{key:18} {number(evaluation[key])}")
    for row in evaluation["groups"]:
        lines.append(
            f"{row['group'] + ' right':18} {number(row['right'])} of {row['pictures']:,}, none "
            "included; "
            f"likeliest label right {number(row['top1'])} of {row['labelled']:,}"
        )
    for key in ("seen", "unseen"):
        if evaluation[key]["pictures"]:
            lines.append(f"{key + ' pairs':18} {_share(evaluation[key])}")
    if evaluation["harmonic_mean"] is not None:
        lines.append(f"{'harmonic mean':18} {number(evaluation['harmonic_mean'])}")
    if evaluation["combinations"]:
        lines += [
            "",
            "combination (* = unseen in training): pictures that trained it, measured, both right",
        ]
        rows = sorted(evaluation["combinations"], key=lambda row: -row["pictures"])
        for row in rows[:_SHOWN]:
            share = f"{row['both_right'] / row['pictures']:.3f}" if row["pictures"] else "-"
            mark = " " if row["trained"] else "*"
            counts = f"{row['trained']:7,}  {row['pictures']:7,}  {row['both_right']:7,}"
            lines.append(f"  {mark} {' + '.join(row['pair']):44} {counts}  {share}")
        if len(rows) > _SHOWN:
            lines.append(f"    {len(rows) - _SHOWN} more with --json")
    return "\n".join(lines)


def _share(row: dict[str, Any]) -> str:
    return (
        f"{row['share']:.4f} ({row['low']:.3f} to {row['high']:.3f}) of {row['pictures']:,}, "
        f"both answers right"
    )
