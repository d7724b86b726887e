"""The command to start with."""

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
