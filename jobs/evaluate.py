"""Evaluation of a saved model on a labelled set.

What it was trained or validated on never counts unasked.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec.structs import asdict

from schemas.evaluation import (
    EvaluateReport,
    Evaluation,
    LabelMeasures,
    LeftOut,
    PairMeasures,
)
from tagger.arrays import Float32Array
from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.problem_budget import pictures_with, settle_problems
from tagger.datasets.problems import Problem
from tagger.errors import DatasetError
from tagger.evaluation.metrics import measure, unanswered
from tagger.imaging.file_facts import FileFacts
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
    skip_problems: float | None = None,
    columns: str | None = None,
    image_root: str | None = None,
    include_training: bool = False,
    backend: Backend = "auto",
    audit: str | None = None,
) -> EvaluateReport:
    """Return how good the model is on what it was neither trained nor validated on.

    Parameters
    ----------
    names : str, optional
        A table of what the sets' labels are called in the model, see `tagger.datasets.names`.
    exclude : sequence of str
        What to leave out of the sets' folders, see `tagger.exclusions`.
    skip_problems : float, optional
        How many pictures, in percent, may have problems, see `settle_problems`.
    columns, image_root : str, optional
        Of the tables among the sets, see `tagger.pipeline.labelled_sets.read_labelled`.
    audit : str, optional
        A folder for the findings of `jobs.audit`, which looks at all pictures, training ones too.

    Raises
    ------
    InputError
        If nothing is left to measure on, or the folder cannot be written.
    """
    bundle = load_bundle(model)
    labelled = read_labelled(
        datasets,
        names,
        exclude,
        columns=columns,
        image_root=image_root,
        vocabulary=bundle.vocabulary,
        skip_problems=skip_problems,
    )
    part_of = bundle.parts()
    findings = None
    if audit is None:
        facts, logits = _scored(bundle, labelled, backend)
    else:
        from jobs.audit import audit_set

        facts, logits, findings = audit_set(bundle, labelled, part_of, Path(audit), backend=backend)
    settle_problems(labelled, budget=skip_problems, unreadable=_unreadable(labelled, facts))
    rows, left_out = _measurable(facts, part_of, include_training=include_training)
    if not rows:
        raise DatasetError(
            f"{labelled.source}: no picture is left to measure on ({left_out}); use others, or "
            "--include-training" + (f"; the audit is in {findings.csv}" if findings else "")
        )
    return EvaluateReport(
        model=bundle.name,
        model_id=bundle.model_id,
        dataset=labelled.source,
        left_out=LeftOut(**left_out, skipped=pictures_with(labelled.problems)),
        unknown_labels=dict(sorted(labelled.strangers(bundle.vocabulary).items())),
        unanswered=_unanswered(bundle, labelled, logits, rows),
        audit=findings,
        evaluation=measure(
            logits[rows],
            labelled.targets(bundle.vocabulary)[rows],
            vocabulary=bundle.vocabulary,
            thresholds=bundle.thresholds,
            trained=bundle.trained_pairs(),
        ),
    )


def _scored(
    bundle: Bundle, labelled: LabelledSet, backend: Backend
) -> tuple[list[FileFacts], Float32Array]:
    paths = [example.path for example in labelled.examples]
    with Progress(len(paths), "evaluating") as progress:
        return score_files(bundle, paths, backend=backend, progress=progress.advance)


def _unreadable(labelled: LabelledSet, facts: Sequence[FileFacts]) -> list[Problem]:
    pairs = zip(labelled.examples, facts, strict=True)
    return [example.unreadable(fact) for example, fact in pairs if fact.status != "ok"]


def _measurable(
    facts: Sequence[FileFacts], part_of: Mapping[str, str], *, include_training: bool
) -> tuple[list[int], dict[str, int]]:
    """Return the positions of pictures to measure on, and how many were left out, by reason."""
    left_out = {"train": 0, "validation": 0, "unreadable": 0, "duplicate": 0}
    rows = []
    seen = set()
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
    """Return how often a group rightly keeps silent, for each label that it lacks."""
    shares = {}
    present = [labelled.examples[row].present for row in rows]
    for group in bundle.vocabulary.exclusive_groups:
        silent = unanswered(logits[rows], bundle.thresholds, bundle.vocabulary.members(group.name))
        for key in sorted({key for keys in present for key in keys if key[0] == group.name}):
            if bundle.vocabulary.index(*key) is None:
                shares[":".join(key)] = float(silent[[key in keys for keys in present]].mean())
    return shares


def report_text(report: EvaluateReport) -> str:
    """Return the report as text for a terminal."""
    left_out = ", ".join(f"{n:,} {why}" for why, n in asdict(report.left_out).items() if n)
    lines = [
        f"{report.model} on {report.dataset}" + (f"; left out: {left_out}" if left_out else "")
    ]
    if report.unknown_labels:
        unknown = ", ".join(f"{label} {n:,}" for label, n in report.unknown_labels.items())
        lines.append(
            f"labels the model does not have, their group left out of the count: {unknown}"
        )
    if report.unanswered:
        silent = ", ".join(f"{label} {share:.1%}" for label, share in report.unanswered.items())
        lines.append(f"of these, pictures to which the group gives no answer: {silent}")
    if found := report.audit:
        lines.append(
            f"audit: {found.doubts:,} doubted labels, {found.contradictions:,} near-duplicate "
            f"families with different labels: {found.csv}, {', '.join(found.sheets) or 'no sheet'}"
        )
    return "\n".join([*lines, "", table(report.evaluation)])


def table(evaluation: Evaluation) -> str:
    """Return an evaluation as text for a terminal."""
    return "\n".join(
        [
            *_label_lines(evaluation.labels),
            "",
            *_total_lines(evaluation),
            *_combination_lines(evaluation.combinations),
        ]
    )


def _label_lines(labels: Sequence[LabelMeasures]) -> Iterator[str]:
    width = max(len(row.label) for row in labels)
    yield (
        f"{'label':{width}}  pictures  positives  threshold      AP  precision  recall      F1  "
        "calib.error"
    )
    for row in labels:
        yield (
            f"{row.label:{width}}  {row.pictures:8,}  {row.positives:9,}  {row.threshold:9.4f}  "
            f"{number(row.ap):>6}  {number(row.precision):>9}  {number(row.recall):>6}  "
            f"{number(row.f1):>6}  {number(row.calibration_error):>11}"
        )


def _total_lines(evaluation: Evaluation) -> Iterator[str]:
    yield f"pictures           {evaluation.pictures:,}"
    yield f"macro_ap           {number(evaluation.macro_ap)}"
    yield f"exact_match        {number(evaluation.exact_match)}"
    yield f"binary_accuracy    {number(evaluation.binary_accuracy)}"
    yield f"calibration_error  {number(evaluation.calibration_error)}"
    for row in evaluation.groups:
        yield (
            f"{row.group + ' right':18} {number(row.right)} of {row.pictures:,}, none included; "
            f"likeliest label right {number(row.top1)} of {row.labelled:,}"
        )
    for title, pairs in (("seen pairs", evaluation.seen), ("unseen pairs", evaluation.unseen)):
        if pairs.pictures:
            yield (
                f"{title:18} {pairs.share:.4f} ({pairs.low:.3f} to {pairs.high:.3f}) of "
                f"{pairs.pictures:,}, both answers right"
            )
    if evaluation.harmonic_mean is not None:
        yield f"{'harmonic mean':18} {number(evaluation.harmonic_mean)}"


def _combination_lines(combinations: Sequence[PairMeasures]) -> Iterator[str]:
    if not combinations:
        return
    yield ""
    yield "combination (* = unseen in training): pictures that trained it, measured, both right"
    rows = sorted(combinations, key=lambda row: -row.pictures)
    for row in rows[:_SHOWN]:
        share = f"{row.both_right / row.pictures:.3f}" if row.pictures else "-"
        mark = " " if row.trained else "*"
        counts = f"{row.trained:7,}  {row.pictures:7,}  {row.both_right:7,}"
        yield f"  {mark} {' + '.join(row.pair):44} {counts}  {share}"
    if len(rows) > _SHOWN:
        yield f"    {len(rows) - _SHOWN} more with --json"
