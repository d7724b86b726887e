"""`tagger retrain`: a model from its parent, promoted only if it still knows what that knew."""

from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path

from jobs.console.command_line import command_line
from jobs.train import skipped_lines
from schemas.bundle import Gate
from schemas.training import RetrainReport
from tagger.errors import InputError
from tagger.evaluation.gate_words import gate_lines
from tagger.labels.evidence import evidence_record
from tagger.models.bundle import Bundle, load_bundle
from tagger.pipeline.from_parent import FromParent
from tagger.pipeline.options import TrainingOptions
from tagger.pipeline.training import run_training


@dataclass(frozen=True)
class RetrainOptions:
    """What `tagger retrain` was asked to do; its help says what each means."""

    datasets: tuple[str, ...]
    parent: str
    models: str
    _: KW_ONLY
    add: tuple[str, ...] = ()
    corrections: str | None = None
    names: str | None = None
    exclude: tuple[str, ...] = ()
    columns: str | None = None
    image_root: str | None = None
    splits: tuple[str, ...] = ()
    retire: tuple[str, ...] = ()
    min_pictures: int = 1
    accept_new_labels: bool = False
    freeze_trunk: bool = False
    tolerance: float = 0.5
    promote: bool = True
    name: str | None = None  # None: the parent's
    epochs: int | None = None  # None: the recipe's own
    seed: int = 0
    min_precision: float | None = None
    skip_problems: float | None = None  # None: none may have any
    resume: bool = False
    workers: int = 0  # 0: one per core


def retrain(options: RetrainOptions) -> RetrainReport:
    """Return the report, after saving the next version.

    It is promoted if it passed its gate, unless that was not wanted.

    Raises
    ------
    InputError, Locked, TrainingDiverged
        Nothing is saved then.
    """
    parent = load_bundle(options.parent)
    trained = run_training(training(options, parent), start(options, parent))
    candidate = trained.candidate
    vocabulary = candidate.split.vocabulary
    return RetrainReport(
        bundle=str(trained.path),
        model_id=trained.bundle.model_id,
        parent=parent.name,
        added=[label.key for label in vocabulary.labels[len(parent.vocabulary) :]],
        retired=[label.key for label in vocabulary.labels if label.retired],
        replayed=candidate.split.replays,
        same_trunk=trained.bundle.trunk == parent.trunk,
        pictures=candidate.facts.pictures,
        best_epoch=candidate.facts.best_epoch,
        seconds=trained.seconds,
        evaluation=candidate.measured.metrics.evaluation,
        gate=candidate.gate,
        promoted=trained.promoted,
        evidence=[evidence_record(group) for group in vocabulary.groups],
    )


def retrain_text(report: RetrainReport) -> str:
    """Return the result of a retraining as text for a terminal."""
    from jobs.evaluate import table

    end = "promoted: it is current now" if report.promoted else "not promoted"
    if not report.gate.passed:
        end += f"; if it is good enough all the same: 'tagger promote {report.bundle} --force'"
    elif not report.promoted:
        end += f"; 'tagger promote {report.bundle}' makes it current"
    saved = (
        f"saved {report.bundle} (model_id {report.model_id[:12]}...), {end}; {report.seconds:.0f} s"
    )
    lines = [table(report.evaluation), "", gate_text(report.gate), "", saved]
    return "\n".join([*lines, *skipped_lines(report.pictures)])


def gate_text(gate: Gate) -> str:
    """Return the comparison with the parent as text for a terminal."""
    return "\n".join(gate_lines(gate))


def training(options: RetrainOptions, parent: Bundle) -> TrainingOptions:
    """Return what is asked of the training, whatever it starts from."""
    return TrainingOptions(
        datasets=options.datasets,
        models=Path(options.models),
        family=options.name or parent.name.rsplit("-v", 1)[0],
        corrections=options.corrections,
        names=options.names,
        exclude=options.exclude,
        columns=options.columns,
        image_root=options.image_root,
        epochs=options.epochs,
        seed=options.seed,
        min_precision=options.min_precision,
        promote=options.promote,
        skip_problems=options.skip_problems,
        resume=options.resume,
        workers=options.workers,
        command=command_line("retrain", replace(options, parent=str(parent.path))),
    )


def start(options: RetrainOptions, parent: Bundle) -> FromParent:
    """Return where the training starts.

    Raises
    ------
    InputError
        If the parent cannot be trained.
    """
    if not parent.trainable:
        raise InputError(
            f"--from {options.parent!r} is packed, for tagging alone; retrain from the model that "
            "it was packed from, or train one of your own"
        )
    return FromParent(
        parent=parent,
        add=options.add,
        splits=options.splits,
        retire=options.retire,
        min_pictures=options.min_pictures,
        accept_new_labels=options.accept_new_labels,
        freeze_trunk=options.freeze_trunk,
        tolerance=options.tolerance,
    )
