"""The command line as a whole: what `tagger --help` says, and its commands in their order."""

from typing import Annotated

import typer

from jobs.console import (
    compare_commands,
    index_commands,
    model_commands,
    search_commands,
    start_commands,
)
from tagger import __version__

app = typer.Typer(
    name="tagger",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help=(
        "Train a multi-label network on product photographs, tag a catalog every night, query "
        "plain Parquet."
    ),
    epilog="Exit codes: 0 done, 1 unexpected, 2 wrong usage or input, 3 refused, 4 locked, "
    "5 the model did not pass its gate, 6 verify found faults, 7 time was up, 8 status found no "
    "good night, 9 a search engine could not be made equal, 130 and 143 interrupted.",
)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True)
    ] = False,
) -> None:
    if version:
        print(f"tagger {__version__}")
        raise typer.Exit


app.add_typer(start_commands.commands)
app.add_typer(model_commands.commands)
app.add_typer(compare_commands.commands)
app.add_typer(index_commands.commands)
app.add_typer(search_commands.commands)
