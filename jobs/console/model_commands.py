"""Commands about models: train, measure, retrain, promote. Heavy imports happen inside."""

from typing import Annotated, Literal

import typer

from jobs.console.options import (
    BackendOption,
    Datasets,
    Exclude,
    Json,
    MinPrecision,
    Model,
    Names,
    Seed,
    Workers,
)
from jobs.console.output import print_result
from tagger.libraries import NEEDED_TO_AUDIT, NEEDED_TO_TRAIN, require

PANEL = "Models"

commands = typer.Typer()


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger train photos/ --models models --groups color,garment`",
    help="Train on a labelled set and save the bundle MODELS/NAME-vK; the first becomes current "
    "if it is better than "
    "guessing.",
)
def train(
    datasets: Datasets,
    models: Annotated[str, typer.Option(metavar="DIR", help="Where bundles are kept.")],
    name: Annotated[str, typer.Option(help="The bundle becomes NAME-vK, next free K.")] = "fashion",
    groups: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[:EVIDENCE][+],...",
            help="What the folder names' tokens are, by position, or the table's columns. "
            "EVIDENCE is pixels, shape or "
            "both; + means not exclusive.",
        ),
    ] = None,
    names: Names = None,
    exclude: Exclude = None,
    vocabulary: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A vocabulary.json whose labels folder names spell, longest match first.",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Passes over the train part; by default 45, or 60 above 3,000 pictures, fewer "
            "above 12,000; 30 with "
            "--recipe plain.",
        ),
    ] = None,
    seed: Seed = 0,
    recipe: Annotated[
        Literal["evidence", "plain"],
        typer.Option(
            help=(
                "evidence recombines pictures, for pairs that none shows; plain is the "
                "method's own."
            )
        ),
    ] = "evidence",
    hold_out_pair: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PAIR",
            help="Keep pictures of this pair (red_dress, or color:red+garment:dress) from "
            "training and measure on "
            "them; may be repeated.",
        ),
    ] = None,
    min_pictures: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Labels of fewer pictures are left out, unknown where they were.",
        ),
    ] = 1,
    min_precision: MinPrecision = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Count labels, pairs, duplicates and unreadable files; train nothing."
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last epoch of an interrupted training.")
    ] = False,
    workers: Workers = 0,
    as_json: Json = False,
) -> None:
    if not check:
        require(*NEEDED_TO_TRAIN)
    from jobs import train as job

    options = job.TrainOptions(
        datasets=tuple(datasets),
        models=models,
        name=name,
        groups=groups,
        names=names,
        exclude=tuple(exclude or ()),
        vocabulary=vocabulary,
        epochs=epochs,
        seed=seed,
        recipe=recipe,
        hold_out_pairs=tuple(hold_out_pair or ()),
        min_pictures=min_pictures,
        min_precision=min_precision,
        resume=resume,
        workers=workers,
    )
    if check:
        found = job.check(options)
        print_result(found, as_json, job.check_text(found))
    else:
        result = job.train(options)
        print_result(result, as_json, job.train_text(result))
        if not result.verdict.passed:
            raise typer.Exit(5)


@commands.command(
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
    include_training: Annotated[
        bool,
        typer.Option("--include-training", help="Measure on training and validation pictures too."),
    ] = False,
    audit: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Write to DIR which labels of all these pictures the model doubts, and "
            "near-duplicates with different "
            "labels: audit.csv, and sheets to look at.",
        ),
    ] = None,
    backend: BackendOption = "auto",
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
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...")],
    overlay: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Draw scores and answers on a copy of each picture, in DIR."
        ),
    ] = None,
    backend: BackendOption = "auto",
    as_json: Json = False,
) -> None:
    from jobs import predict as job

    report = job.predict(model, images, overlays=overlay, backend=backend)
    print_result(report, as_json, job.report_text(report))


@commands.command(
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
    datasets: Annotated[
        list[str],
        typer.Argument(
            metavar="DATASET...", help="Labelled sets, with the old pictures or without them."
        ),
    ],
    parent: Annotated[
        str, typer.Option("--from", metavar="MODEL", help="The bundle to start from.")
    ],
    models: Annotated[str, typer.Option(metavar="DIR", help="Where bundles are kept.")],
    add: Annotated[
        list[str] | None, typer.Option(metavar="GROUP:LABEL", help="A new label; may be repeated.")
    ] = None,
    names: Names = None,
    exclude: Exclude = None,
    splits: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NEW=]OLD",
            help="An old label that a new one of its group is split from: whether its older "
            "pictures have the new one "
            "is unknown.",
        ),
    ] = None,
    retire: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="Answer this label no more; its column stays."),
    ] = None,
    min_pictures: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Undeclared labels of fewer pictures are left out."),
    ] = 1,
    accept_new_labels: Annotated[
        bool,
        typer.Option(
            "--accept-new-labels", help="Take every label of the data that the model does not have."
        ),
    ] = False,
    freeze_trunk: Annotated[
        bool,
        typer.Option(
            "--freeze-trunk", help="Train the head alone, so that stored features stay valid."
        ),
    ] = False,
    tolerance: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="POINTS",
            help="Loss of macro AP on old labels that is allowed; of one, 4 times.",
        ),
    ] = 0.5,
    no_promote: Annotated[
        bool, typer.Option("--no-promote", help="Leave `current` as it is.")
    ] = False,
    name: Annotated[
        str | None, typer.Option(help="The bundle becomes NAME-vK; by default the parent's name.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes; by default half the work of train.")
    ] = None,
    seed: Seed = 0,
    min_precision: MinPrecision = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on from the last epoch of an interrupted retraining."),
    ] = False,
    workers: Workers = 0,
    as_json: Json = False,
) -> None:
    require(*NEEDED_TO_TRAIN)
    from jobs import retrain as job

    options = job.RetrainOptions(
        datasets=tuple(datasets),
        parent=parent,
        models=models,
        add=tuple(add or ()),
        names=names,
        exclude=tuple(exclude or ()),
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
        resume=resume,
        workers=workers,
    )
    result = job.retrain(options)
    print_result(result, as_json, job.retrain_text(result))
    if not result.gate.passed:
        raise typer.Exit(5)


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger pack models/current photos/ --out packed`",
    help=(
        "Write a copy of a model for tagging alone, a quarter of the size, and say what that "
        "costs per label."
    ),
)
def pack(
    model: Model,
    datasets: Annotated[
        list[str],
        typer.Argument(
            metavar="DATASET...", help="Labelled sets with pictures of the model's test part."
        ),
    ],
    out: Annotated[str, typer.Option(metavar="DIR", help="The new bundle's folder.")],
    names: Names = None,
    exclude: Exclude = None,
    as_json: Json = False,
) -> None:
    from jobs import pack as job

    report = job.pack(model, datasets, out, names=names, exclude=exclude or ())
    print_result(report, as_json, job.pack_text(report))


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger promote models/fashion-v3`",
    help="Point `current`, beside the model, to it.",
)
def promote(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A bundle's folder.")],
    force: Annotated[
        bool, typer.Option("--force", help="Even if it did not pass its gate.")
    ] = False,
    as_json: Json = False,
) -> None:
    from jobs import models as job

    report = job.promote(model, force=force)
    print_result(report, as_json, job.promote_text(report))


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger models models`",
    help=(
        "List the versions in a folder: their labels, measures, parents, gates, and which is "
        "current."
    ),
)
def models(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Where bundles are kept.")],
    as_json: Json = False,
) -> None:
    from jobs import models as job

    report = job.list_models(folder)
    print_result(report, as_json, job.models_text(report))
