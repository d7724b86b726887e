"""The commented nightly.toml that `tagger init` writes: every option of `tagger tag`, from their
declarations, so that it says what they say."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_type_hints

import typer

from jobs.console import index_commands
from tagger.errors import InputError

_WIDTH = 100
_EXAMPLE = 1000
"""Shown where an option that takes a number has no default."""

_WATCHING = {
    "metrics": (
        "/var/lib/node_exporter/shop.prom",
        "For Prometheus: how old the night is, rows by status, how the last run ended. Each index "
        "needs a file of its own.",
    ),
    "quiet": (
        None,
        "The line in tagger.cron has --quiet already, so that cron mails bad nights alone. Set "
        "here, it holds for systemd's journal, and when you try a night by hand, too.",
    ),
    "report": (
        "night.html",
        "A page that opens anywhere, also on a phone: was the night good, what failed, what "
        "changed, which label moves.",
    ),
}
"""What lets somebody know how a night was: an example, and what there is to know."""

_HEAD = """\
# What the night is asked, read by: tagger tag --config nightly.toml
#
# Names are those of the command's options; what the command line says wins. A line that begins
# with '#' and a name shows a default, or an example: take the '#' away to change it.
# 'catalog', 'model' and 'index' may begin with ~ and hold variables such as $HOME.
"""


def nightly_file(given: Mapping[str, str]) -> str:
    """Return the text of a nightly.toml: every option of `tagger tag` with its help, commented out
    unless it is given.

    Parameters
    ----------
    given : mapping from str to str
        Option, without dashes, to what it is set to.

    Raises
    ------
    InputError
        If a text that was given is no valid UTF-8.
    """
    parts = [_HEAD, *(_part(*option, given) for option in _options())]
    return "\n".join(parts)


def _options() -> Iterator[tuple[Any, type]]:
    """Yield the options of `tagger tag` that a file may set, as `--config` knows them, and their
    types."""
    group: Any = typer.main.get_command(index_commands.commands)
    hints = get_type_hints(index_commands.tag)
    for parameter in group.commands["tag"].params:
        if not parameter.is_eager:
            yield parameter, hints[parameter.name]


def _part(parameter: Any, kind: type, given: Mapping[str, str]) -> str:
    """Return the lines of one option: its help, and what it is set to."""
    name = parameter.opts[0].removeprefix("--")
    about = " ".join((parameter.help or "").split())
    example, more = _WATCHING.get(name, (None, ""))
    paragraphs = [text for text in (about, more) if text]
    lines = [line for text in paragraphs for line in _comment(text)]
    if name in given:
        return "\n".join([*lines, f"{name} = {_toml(given[name])}", ""])
    if choices := [choice for choice in get_args(kind) if isinstance(choice, str)]:
        lines.append(f"# One of: {', '.join(choices)}.")
    value, remark = parameter.default, ""
    if value is None:
        value = example or _example(parameter, kind)
        unset = "to be set" if parameter.required else "an example; by default it is not set"
        remark = f"  # {unset}"
    return "\n".join([*lines, f"# {name} = {_toml(value)}{remark}", ""])


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ")


def _example(parameter: Any, kind: type) -> object:
    """Return a value that the option takes, for one without a default."""
    if parameter.multiple:
        return [parameter.metavar]
    if {int, float} & {kind, *get_args(kind)}:
        return _EXAMPLE
    return parameter.metavar


def _toml(value: object) -> str:
    """Return a value as TOML spells it: JSON does too, but for one character."""
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{value!r} is no valid UTF-8, and a configuration file must be; rename it, or make a "
            "link to it with another name"
        ) from error
    return text
