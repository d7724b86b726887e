"""Commands about the index: tag, list, go back, look, verify. Heavy imports happen inside."""

from typing import Annotated, Literal

import typer

from jobs.console.options import BackendOption, Exclude, IndexFolder, Json, Workers
from jobs.console.output import print_result
from tagger.errors import TaggerError

PANEL = "The index"

commands = typer.Typer()


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


@commands.command(
    rich_help_panel=PANEL,
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
            print_result(error.report, True, "")
        raise
    print_result(summary, as_json, job.summary_text(summary, dry=dry_run))


@commands.command(
    rich_help_panel=PANEL,
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
    print_result(report, as_json, job.runs_text(report))


@commands.command(
    rich_help_panel=PANEL,
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
    print_result(report, as_json, job.rollback_text(report))


@commands.command(
    rich_help_panel=PANEL,
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
    print_result(report, as_json, job.similar_text(report))


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger verify index`",
    help=(
        "Check the published snapshot: files, digests, schema, values, and that answers follow "
        "from scores."
    ),
)
def verify(index: IndexFolder, as_json: Json = False) -> None:
    from jobs import verify as job

    report = job.verify(index)
    print_result(report, as_json, job.report_text(report))
    if report.faults:
        raise typer.Exit(6)
