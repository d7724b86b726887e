"""`tagger train`: a model from nothing but labelled pictures."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Literal

from jobs.console.command_line import command_line
from schemas.training import CheckReport, TrainReport
from tagger.errors import InputError
from tagger.labels.evidence import evidence_record, evidence_sentence
from tagger.labels.vocabulary import Vocabulary, parse_groups
from tagger.models.bundle import Bundle, load_bundle
from tagger.pipeline.from_nothing import FromNothing
from tagger.pipeline.options import TrainingOptions
from tagger.pipeline.training import check_set, run_training
from tagger.training.architecture import Architecture


@dataclass(frozen=True)
class TrainOptions:
    """What `tagger train` was asked to do; its help says what each means."""

    datasets: tuple[str, ...]
    models: str
    name: str = "fashion"
    groups: str | None = None
    _: KW_ONLY
    corrections: str | None = None
    names: str | None = None
    exclude: tuple[str, ...] = ()
    columns: str | None = None
    image_root: str | None = None
    vocabulary: str | None = None
    epochs: int | None = None  # None: the recipe's own
    seed: int = 0
    recipe: Literal["evidence", "plain"] = "evidence"
    hold_out_pairs: tuple[str, ...] = ()
    trunk: str | None = None
    min_pictures: int = 1
    min_precision: float | None = None
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
    trained = run_training(_common(options), _start(options))
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
    )


def check(options: TrainOptions) -> CheckReport:
    """Return the report of --check; trains nothing and leaves nothing behind."""
    return check_set(_common(options), _start(options))


def train_text(report: TrainReport) -> str:
    """Return the result of a training as text for a terminal."""
    from jobs.evaluate import table
    from tagger.models.card import number

    before = number(report.calibration.before)
    after = number(report.calibration.after)
    lines = [
        table(report.evaluation),
        f"calibration error  {before} before calibration, {after} after",
        "",
        f"saved {report.bundle} (model_id {report.model_id[:12]}..., epoch {report.best_epoch} "
        f"kept) in {report.seconds:.0f} s",
        report.verdict.sentence,
    ]
    if not report.verdict.passed:
        lines.append(
            "not promoted: give it more pictures, or better labelled ones ('tagger train --check' "
            "counts them); if it is good enough all the same: "
            f"'tagger promote {report.bundle} --force'"
        )
    return "\n".join(lines)


def check_text(report: CheckReport) -> str:
    """Return the report of --check as text for a terminal."""
    from tagger.models.card import corrected_sentence

    lines = [f"{report.dataset}: {report.pictures:,} pictures"]
    for title, counts in (("labels", report.labels), ("pairs", report.pairs)):
        lines.append(f"{title}:")
        lines += [f"  {n:8,}  {_seen(name)}" for name, n in counts.items()]
    lines += ["evidence:", *(f"  {evidence_sentence(group)}" for group in report.evidence)]
    if report.unlabelled:
        lines.append(f"without any label: {report.unlabelled:,}")
    lines += _family_lines("duplicates", report.duplicates)
    lines += _family_lines("near-duplicates", report.near_duplicates)
    lines += _family_lines("conflicts", report.conflicts)
    if (found := report.corrected) is not None:
        lines.append(
            f"corrected: {found.used:,}, of which {found.both:,} are in the labelled sets too; "
            f"left out: {found.changed:,} changed since, {found.gone:,} gone or unreadable"
        )
        lines += [corrected_sentence(found.parts)] if found.parts is not None else []
    lines.append(f"unreadable: {len(report.unreadable):,}")
    lines += [f"  {row.image}: {row.status}: {row.error}" for row in report.unreadable[:20]]
    return "\n".join(lines)


def _seen(name: str) -> str:
    """Return a name, quoted where the terminal would obey it: persons said it, in a log."""
    return name if name.isprintable() else repr(name)


def _family_lines(title: str, families: list[list[str]]) -> list[str]:
    extra = sum(len(family) - 1 for family in families)
    head = f"{title}: {len(families):,} families, {extra:,} pictures too many"
    return [head, *(f"  {' = '.join(family)}" for family in families[:5])]


def _common(options: TrainOptions) -> TrainingOptions:
    return TrainingOptions(
        datasets=options.datasets,
        models=Path(options.models),
        family=options.name,
        corrections=options.corrections,
        names=options.names,
        exclude=options.exclude,
        columns=options.columns,
        image_root=options.image_root,
        epochs=options.epochs,
        seed=options.seed,
        min_precision=options.min_precision,
        resume=options.resume,
        workers=options.workers,
        command=command_line("train", options),
    )


def _start(options: TrainOptions) -> FromNothing:
    if options.groups and options.vocabulary:
        raise InputError(
            "--groups and --vocabulary: give one of them; a vocabulary names its groups itself"
        )
    if options.min_pictures > 1 and options.vocabulary:
        raise InputError(
            "--min-pictures and --vocabulary: give one of them; a vocabulary names its labels "
            "itself"
        )
    return FromNothing(
        trunk=_trunk(options),
        groups=tuple(parse_groups(options.groups)) if options.groups else None,
        vocabulary=_read_vocabulary(options.vocabulary) if options.vocabulary else None,
        min_pictures=options.min_pictures,
        recipe_name=options.recipe,
        hold_out_pairs=options.hold_out_pairs,
        architecture=Architecture(**options.architecture),
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
