"""Commands about models: train, measure, retrain, promote. Heavy imports happen inside."""

from typing import TYPE_CHECKING

import typer

from jobs.console.model_options import (
    AcceptNewLabels,
    Add,
    Audit,
    Check,
    CorrectedIndex,
    Corrections,
    Epochs,
    Folder,
    Force,
    FreezeTrunk,
    Groups,
    HoldOutPair,
    Images,
    IncludeTraining,
    MinPictures,
    Models,
    Name,
    NewTable,
    NoPromote,
    OneDataset,
    Out,
    Overlay,
    PackDatasets,
    Parent,
    PromoteModel,
    Propose,
    Prune,
    Recipe,
    Resume,
    Retire,
    RetrainDatasets,
    RetrainEpochs,
    RetrainMinPictures,
    RetrainName,
    RetrainResume,
    Splits,
    Tolerance,
    TrainDatasets,
    Trunk,
    Unlabelled,
    UsedBy,
    Vocabulary,
    Yes,
)
from jobs.console.options import (
    BackendOption,
    Columns,
    Config,
    Datasets,
    Exclude,
    ImageRoot,
    Json,
    MinPrecision,
    Model,
    Names,
    Seed,
    SkipProblems,
    Workers,
)
from jobs.console.output import print_result
from jobs.console.skipping import SkippingCommand
from tagger.errors import InputError
from tagger.libraries import NEEDED_TO_AUDIT, NEEDED_TO_TRAIN, require

if TYPE_CHECKING:
    from schemas.training import CheckReport

PANEL = "Models"

commands = typer.Typer()


def _before_a_training(*, check: bool, propose: str | None, names: str | None) -> None:
    """Raise an error for what is missing or contradicts itself, before anything heavy is loaded."""
    if not check:
        require(*NEEDED_TO_TRAIN)
    if propose is not None:
        from jobs.check import check_new_table

        check_new_table(propose, names, check=check)


def _print_check(report: "CheckReport", propose: str | None, *, as_json: bool) -> None:
    from jobs.check import write_proposal
    from jobs.check_text import check_text

    if propose is not None:
        write_proposal(report, propose)
    print_result(report, as_json, check_text(report, propose))


@commands.command(
    cls=SkippingCommand,
    rich_help_panel=PANEL,
    epilog="Example: `tagger train photos/ --models models --groups color,garment`",
    help="Train on a labelled set and save the bundle MODELS/NAME-vK; the first becomes current "
    "if it is better than "
    "guessing.",
)
def train(
    models: Models,
    datasets: TrainDatasets = None,
    corrections: Corrections = None,
    unlabelled: Unlabelled = None,
    name: Name = "fashion",
    groups: Groups = None,
    names: Names = None,
    exclude: Exclude = None,
    columns: Columns = None,
    image_root: ImageRoot = None,
    vocabulary: Vocabulary = None,
    epochs: Epochs = None,
    seed: Seed = 0,
    recipe: Recipe = "evidence",
    hold_out_pair: HoldOutPair = None,
    trunk: Trunk = None,
    min_pictures: MinPictures = 1,
    min_precision: MinPrecision = None,
    check: Check = False,
    propose: Propose = None,
    skip_problems: SkipProblems = None,
    resume: Resume = False,
    workers: Workers = 0,
    config: Config = None,
    as_json: Json = False,
) -> None:
    _before_a_training(check=check, propose=propose, names=names)
    from jobs import train as job

    options = job.TrainOptions(
        datasets=tuple(datasets or ()),
        corrections=corrections,
        unlabelled=unlabelled,
        models=models,
        name=name,
        groups=groups,
        names=names,
        exclude=tuple(exclude or ()),
        columns=columns,
        image_root=image_root,
        vocabulary=vocabulary,
        epochs=epochs,
        seed=seed,
        recipe=recipe,
        hold_out_pairs=tuple(hold_out_pair or ()),
        trunk=trunk,
        min_pictures=min_pictures,
        min_precision=min_precision,
        skip_problems=skip_problems,
        resume=resume,
        workers=workers,
    )
    if check:
        from jobs.check import check_training

        _print_check(check_training(options), propose, as_json=as_json)
        return
    result = job.train(options)
    print_result(result, as_json, job.train_text(result))
    if not result.verdict.passed:
        raise typer.Exit(5)


@commands.command(
    cls=SkippingCommand,
    rich_help_panel=PANEL,
    epilog="Example: `tagger evaluate models/current photos/`",
    help=(
        "Measure a model per label, group and combination; what it was trained or validated on is "
        "left out."
    ),
)
def evaluate(
    model: Model,
    datasets: Datasets,
    names: Names = None,
    exclude: Exclude = None,
    skip_problems: SkipProblems = None,
    columns: Columns = None,
    image_root: ImageRoot = None,
    include_training: IncludeTraining = False,
    audit: Audit = None,
    backend: BackendOption = "auto",
    config: Config = None,
    as_json: Json = False,
) -> None:
    if audit:
        require(*NEEDED_TO_AUDIT)
    from jobs import evaluate as job

    report = job.evaluate(
        model,
        datasets,
        names=names,
        exclude=exclude or (),
        skip_problems=skip_problems,
        columns=columns,
        image_root=image_root,
        include_training=include_training,
        backend=backend,
        audit=audit,
    )
    print_result(report, as_json, job.report_text(report))


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger predict models/current dress.jpg --overlay seen/`",
    help="Print every score and each group's answer for single pictures.",
)
def predict(
    model: Model,
    images: Images,
    overlay: Overlay = None,
    backend: BackendOption = "auto",
    as_json: Json = False,
) -> None:
    from jobs import predict as job

    report = job.predict(model, images, overlays=overlay, backend=backend)
    print_result(report, as_json, job.report_text(report))


@commands.command(
    cls=SkippingCommand,
    rich_help_panel=PANEL,
    epilog=(
        "Example: `tagger retrain photos/ new/ --from models/current --models models --add "
        "color:green`"
    ),
    help=(
        "Grow a model by new labels; the next version is promoted if it still knows what its "
        "parent knew."
    ),
)
def retrain(
    parent: Parent,
    models: Models,
    datasets: RetrainDatasets = None,
    corrections: Corrections = None,
    add: Add = None,
    names: Names = None,
    exclude: Exclude = None,
    columns: Columns = None,
    image_root: ImageRoot = None,
    splits: Splits = None,
    retire: Retire = None,
    min_pictures: RetrainMinPictures = 1,
    accept_new_labels: AcceptNewLabels = False,
    freeze_trunk: FreezeTrunk = False,
    tolerance: Tolerance = 0.5,
    no_promote: NoPromote = False,
    name: RetrainName = None,
    epochs: RetrainEpochs = None,
    seed: Seed = 0,
    min_precision: MinPrecision = None,
    check: Check = False,
    propose: Propose = None,
    skip_problems: SkipProblems = None,
    resume: RetrainResume = False,
    workers: Workers = 0,
    config: Config = None,
    as_json: Json = False,
) -> None:
    _before_a_training(check=check, propose=propose, names=names)
    from jobs import retrain as job

    options = job.RetrainOptions(
        datasets=tuple(datasets or ()),
        corrections=corrections,
        parent=parent,
        models=models,
        add=tuple(add or ()),
        names=names,
        exclude=tuple(exclude or ()),
        columns=columns,
        image_root=image_root,
        splits=tuple(splits or ()),
        retire=tuple(retire or ()),
        min_pictures=min_pictures,
        accept_new_labels=accept_new_labels,
        freeze_trunk=freeze_trunk,
        tolerance=tolerance,
        promote=not no_promote,
        name=name,
        epochs=epochs,
        seed=seed,
        min_precision=min_precision,
        skip_problems=skip_problems,
        resume=resume,
        workers=workers,
    )
    if check:
        from jobs.check import check_retraining

        _print_check(check_retraining(options), propose, as_json=as_json)
        return
    result = job.retrain(options)
    print_result(result, as_json, job.retrain_text(result))
    if not result.gate.passed:
        raise typer.Exit(5)


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger relabel photos/ --corrections index --out photos/corrected.csv`",
    help=(
        "Write a labelled set anew as a table in which what persons said replaces what was given."
    ),
)
def relabel(
    dataset: OneDataset,
    corrections: CorrectedIndex,
    out: NewTable,
    columns: Columns = None,
    image_root: ImageRoot = None,
    as_json: Json = False,
) -> None:
    from jobs import relabel as job

    report = job.relabel(dataset, corrections, out, columns=columns, image_root=image_root)
    print_result(report, as_json, job.report_text(report))


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger pack models/current photos/ --out packed`",
    help=(
        "Write a copy of a model for tagging alone, a third of the size, and say what that "
        "costs per label."
    ),
)
def pack(
    model: Model,
    datasets: PackDatasets,
    out: Out,
    names: Names = None,
    exclude: Exclude = None,
    columns: Columns = None,
    image_root: ImageRoot = None,
    as_json: Json = False,
) -> None:
    require(*NEEDED_TO_TRAIN)
    from jobs import pack as job

    report = job.pack(
        model,
        datasets,
        out,
        names=names,
        exclude=exclude or (),
        columns=columns,
        image_root=image_root,
    )
    print_result(report, as_json, job.pack_text(report))


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger promote models/fashion-v3`",
    help="Point `current`, beside the model, to it.",
)
def promote(
    model: PromoteModel,
    force: Force = False,
    as_json: Json = False,
) -> None:
    from jobs import models as job

    report = job.promote(model, force=force)
    print_result(report, as_json, job.promote_text(report))


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger models models --index index --prune`",
    help=(
        "List the versions in a folder: size, age, measures, parents, gates, which is current and "
        "which an index names; and what killed trainings left. Can remove what nothing needs."
    ),
)
def models(
    folder: Folder,
    index: UsedBy = None,
    prune: Prune = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    from jobs import models as job
    from jobs.models_text import models_text, prune_text

    if yes and not prune:
        raise InputError("--yes confirms what --prune would remove; give both, or neither")
    if not prune:
        report = job.list_models(folder, index or ())
        print_result(report, as_json, models_text(report))
        return
    pruned = job.prune(folder, index or (), confirmed=yes)
    print_result(pruned, as_json, prune_text(pruned))
    if any(each.error for each in pruned.pruned):
        raise typer.Exit(1)
