"""`tagger train`: a model from nothing but labelled pictures."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

from jobs.console.command_line import command_line
from schemas.training import PictureCounts, TrainReport
from tagger.errors import InputError
from tagger.labels.evidence import evidence_record
from tagger.labels.vocabulary import Vocabulary, parse_groups
from tagger.models.bundle import Bundle, load_bundle
from tagger.pipeline.from_nothing import FromNothing
from tagger.pipeline.options import TrainingOptions
from tagger.pipeline.training import run_training
from tagger.training.architecture import Architecture
from tagger.training.recipe import RecipeName


@dataclass(frozen=True)
class TrainOptions:
    """What `tagger train` was asked to do; its help says what each means."""

    datasets: tuple[str, ...]
    models: str
    name: str = "fashion"
    groups: str | None = None
    _: KW_ONLY
    corrections: str | None = None
    unlabelled: str | None = None
    names: str | None = None
    exclude: tuple[str, ...] = ()
    columns: str | None = None
    image_root: str | None = None
    vocabulary: str | None = None
    epochs: int | None = None  # None: the recipe's own
    seed: int = 0
    recipe: RecipeName = "evidence"
    hold_out_pairs: tuple[str, ...] = ()
    trunk: str | None = None
    min_pictures: int = 1
    min_precision: float | None = None
    skip_problems: float | None = None  # None: none may have any
    resume: bool = False
    workers: int = 0  # 0: one per core
    # Of `tagger.training.architecture.Architecture`; tests use small ones.
    architecture: Mapping[str, Any] = field(default_factory=dict)


def train(options: TrainOptions) -> TrainReport:
    """Return the report, after saving a bundle.

    It becomes current if there is none, unless it is no better than guessing.

    Raises
    ------
    InputError, Locked, TrainingDiverged
        Nothing is saved then.
    """
    trained = run_training(training(options), start(options))
    candidate = trained.candidate
    metrics = candidate.measured.metrics
    return TrainReport(
        bundle=str(trained.path),
        model_id=trained.bundle.model_id,
        parameters=candidate.facts.parameters,
        pictures=candidate.facts.pictures,
        best_epoch=candidate.facts.best_epoch,
        seconds=trained.seconds,
        verdict=candidate.measured.verdict,
        promoted=trained.promoted,
        evaluation=metrics.evaluation,
        calibration=metrics.calibration,
        held_out=list(options.hold_out_pairs),
        unteachable=list(candidate.split.unteachable),
        evidence=[evidence_record(group) for group in candidate.split.vocabulary.groups],
        unlabelled=candidate.unlabelled,
    )


def train_text(report: TrainReport) -> str:
    """Return the result of a training as text for a terminal."""
    from jobs.evaluate import table
    from tagger.models.card import number, unlabelled_sentence

    before = number(report.calibration.before)
    after = number(report.calibration.after)
    lines = [
        table(report.evaluation),
        f"calibration error  {before} before calibration, {after} after",
        "",
        f"saved {report.bundle} (model_id {report.model_id[:12]}..., epoch {report.best_epoch} "
        f"kept) in {report.seconds:.0f} s",
        report.verdict.sentence,
        *skipped_lines(report.pictures),
    ]
    if report.unlabelled is not None:
        lines.append(unlabelled_sentence(report.unlabelled))
    if not report.verdict.passed:
        lines.append(
            "not promoted: give it more pictures, or better labelled ones ('tagger train --check' "
            "counts them); if it is good enough all the same: "
            f"'tagger promote {report.bundle} --force'"
        )
    return "\n".join(lines)


def skipped_lines(pictures: PictureCounts) -> list[str]:
    """Return what to say of pictures that were skipped; nothing if there are none."""
    if not pictures.skipped:
        return []
    return [f"skipped: {pictures.skipped:,} pictures with problems; --check lists them"]


def training(options: TrainOptions) -> TrainingOptions:
    """Return what is asked of the training, whatever it starts from."""
    return TrainingOptions(
        datasets=options.datasets,
        models=Path(options.models),
        family=options.name,
        corrections=options.corrections,
        unlabelled=options.unlabelled,
        names=options.names,
        exclude=options.exclude,
        columns=options.columns,
        image_root=options.image_root,
        epochs=options.epochs,
        seed=options.seed,
        min_precision=options.min_precision,
        skip_problems=options.skip_problems,
        resume=options.resume,
        workers=options.workers,
        command=command_line("train", options),
    )


def start(options: TrainOptions) -> FromNothing:
    """Return where the training starts.

    Raises
    ------
    InputError
        If two options contradict each other, or a vocabulary cannot be read.
    """
    if options.groups and options.vocabulary:
        raise InputError(
            "--groups and --vocabulary: give one of them; a vocabulary names its groups itself"
        )
    if options.min_pictures > 1 and options.vocabulary:
        raise InputError(
            "--min-pictures and --vocabulary: give one of them; a vocabulary names its labels "
            "itself"
        )
    _check_unlabelled(options)
    return FromNothing(
        trunk=_trunk(options),
        groups=tuple(parse_groups(options.groups)) if options.groups else None,
        vocabulary=_read_vocabulary(options.vocabulary) if options.vocabulary else None,
        min_pictures=options.min_pictures,
        recipe_name=options.recipe,
        hold_out_pairs=options.hold_out_pairs,
        architecture=Architecture(**options.architecture),
    )


def _check_unlabelled(options: TrainOptions) -> None:
    """Refuse pictures without labels where what they teach is not what was asked for."""
    if options.unlabelled is None:
        return
    if options.hold_out_pairs:
        raise InputError(
            "--unlabelled and --hold-out-pair: give one of them; the catalog may show the pair "
            "that is to be held out"
        )
    if options.recipe == "trunk":
        raise InputError(
            "--unlabelled and --recipe trunk: give one of them; a trunk for others is not chosen "
            "by pictures as they are"
        )


def _trunk(options: TrainOptions) -> Bundle | None:
    """Return the model whose trunk is taken."""
    if options.trunk is None:
        return None
    if options.hold_out_pairs:
        raise InputError(
            "--from and --hold-out-pair: give one of them; a trunk may have seen the pair that is "
            "to be held out"
        )
    bundle = load_bundle(options.trunk)
    if not bundle.trainable:
        raise InputError(
            f"--from {options.trunk!r} is packed, for tagging alone; name the model that it was "
            "packed from, or leave --from out"
        )
    return bundle


def _read_vocabulary(path: str) -> Vocabulary:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")  # editors put a mark at its beginning
    except (OSError, ValueError) as error:
        raise InputError(f"--vocabulary {path!r} cannot be read: {error}") from error
    return Vocabulary.parse(text, source=path).canonical()
