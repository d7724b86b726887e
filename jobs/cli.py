"""The command line: thin commands over the jobs. Heavy imports happen inside the commands."""

import io
import json
import os
import sys
from contextlib import suppress
from typing import Annotated, Any, Literal, NoReturn

import typer

from tagger import __version__, exit_codes
from tagger.errors import TaggerError
from tagger.libraries import NEEDED_TO_AUDIT, NEEDED_TO_TRAIN, require
from tagger.machine import machine_fault

TRAINING, TAGGING, START = "Models", "The index", "Start here"

app = typer.Typer(
    name="tagger",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help=(
        "Train a multi-label network on product photographs, tag a catalog every night, query "
        "plain Parquet."
    ),
    epilog="Exit codes: 0 done, 1 unexpected, 2 wrong usage or input, 3 refused, 4 locked, "
    "5 the model did not pass its gate, 6 verify found faults, 7 time was up, 130 and 143 "
    "interrupted.",
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="A bundle's folder, or MODELS/current.")
]
Datasets = Annotated[
    list[str],
    typer.Argument(metavar="DATASET...", help="Folders of label folders, or .csv/.parquet tables."),
]
IndexFolder = Annotated[str, typer.Argument(metavar="INDEX", help="An index folder.")]
Names = Annotated[
    str | None,
    typer.Option(
        metavar="FILE.csv",
        help="What labels of the sets are called here: dataset,group,name,becomes; dataset empty "
        "is any, becomes empty "
        "is unknown.",
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        help="Leave out this file or folder, by name or by its path below the catalog or set; * "
        "is any text; may be "
        "repeated.",
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, max=2**31 - 1, help="Of the split and of everything random.")
]
MinPrecision = Annotated[
    float | None,
    typer.Option(
        min=0.01,
        max=0.999,
        metavar="P",
        help="Thresholds that reach this precision, instead of the best F1.",
    ),
]
Backend = Literal["auto", "openvino", "keras"]
BackendOption = Annotated[
    Backend,
    typer.Option(
        help="auto is OpenVINO, in bfloat16 where a comparison allowed it; openvino computes in "
        "float32; keras is the "
        "slow reference."
    ),
]
Workers = Annotated[int, typer.Option(min=0, help="Decode processes; 0 is one per core.")]


@app.command(
    rich_help_panel=START,
    epilog="Example: `tagger demo --out demo`",
    help="The whole story on a drawn sample catalog.",
)
def demo(
    out: Annotated[str, typer.Option(metavar="DIR", help="Where everything goes.")] = "demo",
) -> None:
    require(*NEEDED_TO_TRAIN)
    from jobs.demo import demo

    demo(out)


@app.command(
    rich_help_panel=TRAINING,
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
        _print(found, as_json, job.check_text(found))
    else:
        result = job.train(options)
        _print(result, as_json, job.train_text(result))
        if not result["verdict"]["passed"]:
            raise typer.Exit(5)


@app.command(
    rich_help_panel=TRAINING,
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
    _print(report, as_json, job.report_text(report))


@app.command(
    rich_help_panel=TRAINING,
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

    results = job.predict(model, images, overlays=overlay, backend=backend)
    text = "\n".join("\n".join([result["image"], *job.lines(result)]) for result in results)
    _print({"predictions": results}, as_json, text)


@app.command(
    rich_help_panel=TRAINING,
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
    _print(result, as_json, job.retrain_text(result))
    if not result["gate"]["passed"]:
        raise typer.Exit(5)


@app.command(
    rich_help_panel=TRAINING,
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
    _print(report, as_json, job.pack_text(report))


@app.command(
    rich_help_panel=TRAINING,
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
    _print(report, as_json, job.promote_text(report))


@app.command(
    rich_help_panel=TRAINING,
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
    _print(report, as_json, job.models_text(report))


_PATHS = ("catalog", "model", "index")


def _configure(context: typer.Context, path: str | None) -> str | None:
    """Take the file's settings as defaults, before the other options are looked at."""
    if path is not None:
        from jobs.console.config_file import read_settings

        known = [parameter for parameter in context.command.params if not parameter.is_eager]
        names = {parameter.opts[0].removeprefix("--"): parameter for parameter in known}
        lists = [name for name, parameter in names.items() if parameter.multiple]
        flags = [name for name, parameter in names.items() if getattr(parameter, "is_flag", False)]
        settings = read_settings(path, [*names], lists, flags, _PATHS)
        context.default_map = {str(names[name].name): value for name, value in settings.items()}
    return path


@app.command(
    rich_help_panel=TAGGING,
    epilog="Example: `tagger tag catalog/ --model models/current --index index`",
    help="The nightly job: score what is new or changed in a catalog and publish the index.",
)
def tag(
    catalog: Annotated[
        str, typer.Argument(metavar="CATALOG", help="The folder that holds the pictures.")
    ],
    index: Annotated[
        str, typer.Option(metavar="INDEX", help="The index folder; made if it is not there.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help=(
                "A bundle's folder, or MODELS/current; by default the starter model that comes "
                "with the package."
            ),
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and touch nothing.")
    ] = False,
    backend: BackendOption = "auto",
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(
            help="local: this machine; ray: the Ray cluster at RAY_ADDRESS, or one started here."
        ),
    ] = "local",
    workers: Workers = 0,
    decode_timeout: Annotated[
        float,
        typer.Option(
            min=0.1, metavar="SECONDS", help="What one picture may take; then it is a timeout."
        ),
    ] = 60.0,
    max_error_rate: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Refuse to publish above this share of failures, from 20 failures up.",
        ),
    ] = 0.05,
    max_delete_rate: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Refuse to delete more than this share of rows, from 20 deletions up.",
        ),
    ] = 0.2,
    force_model: Annotated[
        bool, typer.Option("--force-model", help="Use a model that did not pass its gate.")
    ] = False,
    replace_columns: Annotated[
        bool,
        typer.Option(
            "--replace-columns",
            help="Use a model that lacks columns of the index: readers lose them.",
        ),
    ] = False,
    retry_errors: Annotated[
        bool,
        typer.Option(
            "--retry-errors", help="Read pictures again that failed before and have not changed."
        ),
    ] = False,
    features: Annotated[
        bool,
        typer.Option(
            "--features",
            help="Keep what the model's trunk makes of each picture in the index: a later model "
            "with the same trunk is "
            "scored from that.",
        ),
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Read and score every picture again.")
    ] = False,
    backfill_limit: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Score at most N pictures again for a new model or reader in this run, the "
            "newest first; others keep "
            "their older rows until a later run.",
        ),
    ] = None,
    exclude: Exclude = None,
    include: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Take in folders of this name, which a NAS or a desktop makes: they are left "
            "out (@eaDir, #recycle "
            "...); may be repeated.",
        ),
    ] = None,
    same_catalog: Annotated[
        bool,
        typer.Option(
            "--same-catalog", help="The catalog is the index's, though it lies at another path now."
        ),
    ] = False,
    max_seconds: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="N", help="Stop after N seconds; what was done is kept for the next run."
        ),
    ] = None,
    keep: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Snapshots to keep; a replaced one is kept for 48 h at least."
        ),
    ] = 7,
    config: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            is_eager=True,
            callback=_configure,
            help="A TOML file with these names; the command line wins.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    from jobs import tag_catalog as job

    options = job.TagOptions(
        catalog=catalog,
        model=model,
        index=index,
        backend=backend,
        engine=engine,
        workers=workers,
        decode_timeout=decode_timeout,
        max_error_rate=max_error_rate,
        max_delete_rate=max_delete_rate,
        force_model=force_model,
        replace_columns=replace_columns,
        retry_errors=retry_errors,
        full=full,
        features=features,
        backfill_limit=backfill_limit,
        exclude=tuple(exclude or ()),
        include=tuple(include or ()),
        same_catalog=same_catalog,
        max_seconds=max_seconds,
        keep=keep,
    )
    try:
        summary = job.dry_run(options) if dry_run else job.tag_catalog(options)
    except TaggerError as error:
        if error.report and as_json:
            _print(error.report, True, "")
        raise
    _print(summary, as_json, job.summary_text(summary, dry=dry_run))


@app.command(
    rich_help_panel=TAGGING,
    epilog="Example: `tagger runs index`",
    help="List the nights of an index: what each did, how it ended and why.",
)
def runs(
    index: IndexFolder,
    last: Annotated[int, typer.Option(min=1, metavar="N", help="How many, the newest first.")] = 30,
    as_json: Json = False,
) -> None:
    from jobs import runs as job

    report = job.list_runs(index, last)
    _print(report, as_json, job.runs_text(report))


@app.command(
    rich_help_panel=TAGGING,
    epilog="Example: `tagger rollback index 20261123T031500Z-8f3a`",
    help="Make an earlier snapshot current again, by one rename.",
)
def rollback(
    index: IndexFolder,
    snapshot: Annotated[
        str, typer.Argument(metavar="SNAPSHOT", help="One that 'tagger runs INDEX' lists as kept.")
    ],
    as_json: Json = False,
) -> None:
    from jobs import runs as job

    report = job.roll_back(index, snapshot)
    _print(report, as_json, job.rollback_text(report))


@app.command(
    rich_help_panel=TAGGING,
    epilog="Example: `tagger similar index dress.jpg --sheet like-this.png`",
    help=(
        "List the pictures of an index that look most like a given one; needs features, see "
        "tag --features."
    ),
)
def similar(
    index: IndexFolder,
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="Any picture, of the catalog or not.")
    ],
    top: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="How many.")] = 20,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Whose features to compare; by default the model that last kept some.",
        ),
    ] = None,
    sheet: Annotated[
        str | None, typer.Option(metavar="FILE.png", help="Draw them on a contact sheet.")
    ] = None,
    as_json: Json = False,
) -> None:
    from jobs import similar as job

    report = job.similar(index, image, top=top, model=model, sheet=sheet)
    _print(report, as_json, job.similar_text(report))


@app.command(
    rich_help_panel=TAGGING,
    epilog="Example: `tagger verify index`",
    help=(
        "Check the published snapshot: files, digests, schema, values, and that answers follow "
        "from scores."
    ),
)
def verify(index: IndexFolder, as_json: Json = False) -> None:
    from jobs import verify as job

    report = job.verify(index)
    _print(report, as_json, job.report_text(report))
    if report["faults"]:
        raise typer.Exit(6)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True)
    ] = False,
) -> None:
    if version:
        print(f"tagger {__version__}")
        raise typer.Exit


def main() -> NoReturn:
    """Run the command line and exit with the code that its help declares."""
    exit_codes.take_over_signals()
    for stream in (sys.stdout, sys.stderr):  # file names may be no text
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Return the exit code of one command; says in one line why it is not 0."""
    if "" in arguments:
        _complain("an argument is empty; is a variable unset?")
        return 2
    try:
        app(args=arguments, prog_name="tagger")
    except BaseException as error:
        code = exit_codes.exit_code(error)
        error = machine_fault(error) or error
        if code in (130, 143):
            _complain("interrupted")
        elif isinstance(error, TaggerError | OSError):
            _complain(" ".join(str(error).split("\n")))
        elif not isinstance(error, SystemExit):
            raise
        return code
    return 0


def _print(value: Any, as_json: bool, text: str) -> None:
    """Print a result. The work is done by now: that nobody reads it, or that the disk is full, does
    not undo it."""
    try:
        print(json.dumps(value, ensure_ascii=True) if as_json else text, flush=True)
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # `tagger ... | head` is no fault
            _complain(f"the result could not be printed: {error.strerror}")
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - what is left in the buffer goes there at exit


def _complain(text: str) -> None:
    if sys.stderr is not None:
        with suppress(OSError):
            print(f"tagger: {text}", file=sys.stderr)


if __name__ == "__main__":
    main()
