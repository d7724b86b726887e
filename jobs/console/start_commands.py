"""The commands to start with."""

from typing import Annotated

import typer

from tagger.libraries import NEEDED_TO_TRAIN, require

PANEL = "Start here"

commands = typer.Typer()


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger demo --out demo`",
    help="The whole story on a drawn sample catalog.",
)
def demo(
    out: Annotated[str, typer.Option(metavar="DIR", help="Where everything goes.")] = "demo",
) -> None:
    require(*NEEDED_TO_TRAIN)
    from jobs.demo import demo

    demo(out)


@commands.command(
    rich_help_panel=PANEL,
    epilog="Example: `tagger init catalog/ --index index --models models --out /srv/fashion`",
    help=(
        "Write a commented nightly.toml, lines for cron and units for systemd; nothing is "
        "replaced or installed."
    ),
)
def init(
    catalog: Annotated[
        str | None,
        typer.Argument(metavar="CATALOG", help="The folder that holds the pictures."),
    ] = None,
    index: Annotated[
        str | None, typer.Option(metavar="INDEX", help="The index folder; need not be there yet.")
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Where bundles are kept; the current one is used. By default the starter model.",
        ),
    ] = None,
    out: Annotated[
        str, typer.Option(metavar="DIR", help="Where the files go, and where the night works.")
    ] = ".",
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The units become tagger-NAME.service and .timer; by default the name of --out.",
        ),
    ] = None,
) -> None:
    from jobs import init as job

    options = job.InitOptions(catalog=catalog, index=index, models=models, out=out, name=name)
    print(job.init(options))
