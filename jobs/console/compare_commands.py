"""The command that compares two models, or two nights. Heavy imports happen inside."""

import typer

from jobs.console.compare_options import (
    A,
    B,
    DrawingSeed,
    Html,
    On,
    SampledCatalog,
    SampleSize,
)
from jobs.console.options import BackendOption, Columns, Exclude, ImageRoot, Json, Names
from jobs.console.output import print_result

PANEL = "Models"

commands = typer.Typer()


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger compare models/fashion-v1 models/fashion-v2 --on photos/`",
    help="Compare two models, or two nights of an index: who is right, what flipped, and whether "
    "that is more than chance.",
)
def compare(
    a: A,
    b: B,
    on: On = None,
    catalog: SampledCatalog = None,
    sample: SampleSize = None,
    names: Names = None,
    exclude: Exclude = None,
    columns: Columns = None,
    image_root: ImageRoot = None,
    seed: DrawingSeed = 0,
    backend: BackendOption = "auto",
    html: Html = None,
    as_json: Json = False,
) -> None:
    from jobs import compare as job
    from jobs.compare_text import report_text

    options = job.CompareOptions(
        a,
        b,
        on=tuple(on or ()),
        catalog=catalog,
        sample=sample,
        names=names,
        exclude=tuple(exclude or ()),
        columns=columns,
        image_root=image_root,
        seed=seed,
        backend=backend,
        html=html,
    )
    report = job.compare(options)
    print_result(report, as_json, report_text(report))
