"""Commands about the index: tag, list, go back, look, verify. Heavy imports happen inside."""

import typer

from jobs.console.index_options import (
    AuditTable,
    BackfillLimit,
    Catalog,
    DecodeTimeout,
    DryRun,
    Engine,
    Features,
    ForceModel,
    Full,
    Image,
    Include,
    Index,
    IndexModel,
    Keep,
    Last,
    MaxAge,
    MaxDeleteRate,
    MaxErrorRate,
    MaxSeconds,
    Metrics,
    Out,
    Port,
    Quiet,
    ReplaceColumns,
    ReportAfter,
    RetryErrors,
    ReviewAs,
    SameCatalog,
    SampleSize,
    Sheet,
    ShownProductFrom,
    ShownProducts,
    SimilarModel,
    Snapshot,
    SyncAfter,
    Top,
)
from jobs.console.messages import speak
from jobs.console.options import BackendOption, Config, Exclude, IndexFolder, Json, Workers
from jobs.console.output import complain, has_complained, print_result
from tagger.errors import TaggerError
from tagger.libraries import keep_pandas_out

PANEL = "The index"

commands = typer.Typer()


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger tag catalog/ --model models/current --index index`",
    help="The nightly job: score what is new or changed in a catalog and publish the index.",
)
def tag(
    catalog: Catalog,
    index: Index,
    model: IndexModel = None,
    dry_run: DryRun = False,
    backend: BackendOption = "auto",
    engine: Engine = "local",
    workers: Workers = 0,
    decode_timeout: DecodeTimeout = 60.0,
    max_error_rate: MaxErrorRate = 0.05,
    max_delete_rate: MaxDeleteRate = 0.2,
    force_model: ForceModel = False,
    replace_columns: ReplaceColumns = False,
    retry_errors: RetryErrors = False,
    features: Features = False,
    full: Full = False,
    backfill_limit: BackfillLimit = None,
    exclude: Exclude = None,
    include: Include = None,
    same_catalog: SameCatalog = False,
    max_seconds: MaxSeconds = None,
    keep: Keep = 7,
    metrics: Metrics = None,
    quiet: Quiet = False,
    report: ReportAfter = None,
    sync: SyncAfter = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    keep_pandas_out()
    from jobs import tag_catalog as job

    speak(quiet=quiet)
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
        metrics=metrics,
        report=report,
        sync=tuple(sync or ()),
    )
    try:
        summary = job.dry_run(options) if dry_run else job.tag_catalog(options)
    except TaggerError as error:
        if error.report and as_json:
            print_result(error.report, True, "")
        raise
    if quiet and not dry_run:
        for line in job.complaints(summary):
            complain(line)
        if has_complained():
            complain(job.good_all_the_same(summary))
    if as_json or dry_run or not quiet:
        print_result(summary, as_json, job.summary_text(summary, dry=dry_run))


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger status index --max-age 26h`",
    help="One line for a monitor: how old the night is that readers see, and whether the last run "
    "was good. Ends with 8 if not.",
)
def status(index: IndexFolder, max_age: MaxAge = "26h", as_json: Json = False) -> None:
    from jobs import status as job

    report = job.status(index, job.seconds_of(max_age))
    print_result(report, as_json, report.line)
    if not report.good:
        raise typer.Exit(report.exit_code)


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger review index`",
    help=(
        "Look at a night and correct it, in a browser on this machine; what is corrected counts "
        "from then on."
    ),
)
def review(
    index: IndexFolder,
    who: ReviewAs = None,
    port: Port = 0,
    sample: SampleSize = None,
    audit: AuditTable = None,
    products: ShownProducts = None,
    product_from: ShownProductFrom = None,
) -> None:
    from jobs import review as job

    job.review(
        index,
        who=who,
        port=port,
        sample=sample,
        audit=audit,
        products=products,
        product_from=product_from,
    )


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger runs index`",
    help="List the nights of an index: what each did, how it ended and why.",
)
def runs(
    index: IndexFolder,
    last: Last = 30,
    as_json: Json = False,
) -> None:
    from jobs import runs as job

    report = job.list_runs(index, last)
    print_result(report, as_json, job.runs_text(report))


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger report index --out night.html`",
    help=(
        "Write a page about the last night: whether it was good, what failed, what the pictures "
        "are, what changed; one file that opens anywhere."
    ),
)
def report(
    index: IndexFolder,
    out: Out,
    products: ShownProducts = None,
    product_from: ShownProductFrom = None,
    as_json: Json = False,
) -> None:
    from jobs import report as job

    written = job.report(index, out, products=products, product_from=product_from)
    print_result(written, as_json, job.report_text(written))


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger rollback index 20261123T031500Z-8f3a`",
    help="Make an earlier snapshot current again, by one rename.",
)
def rollback(
    index: IndexFolder,
    snapshot: Snapshot,
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
    image: Image,
    top: Top = 20,
    model: SimilarModel = None,
    sheet: Sheet = None,
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
def verify(index: IndexFolder, quiet: Quiet = False, as_json: Json = False) -> None:
    from jobs import verify as job

    report = job.verify(index)
    if as_json or report.faults or not quiet:
        print_result(report, as_json, job.report_text(report, short=quiet))
    if report.faults:
        raise typer.Exit(6)
