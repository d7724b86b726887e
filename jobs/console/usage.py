"""What is wrong with a command line, and what is possible, in a line."""

import re
from typing import Any

import typer
from typer.exceptions import TyperException

_NUMBERS = {int: "a whole number", float: "a number"}


def usage_text(error: TyperException) -> str:
    """Return what was given and what is possible, for an error that was raised for a command line.

    Empty if the command's help has said it all.
    """
    context = getattr(error, "ctx", None)
    help_line = f"'{context.command_path if context else 'tagger'} --help' says what is possible"
    invalid = getattr(error.__cause__, "errors", None)
    if isinstance(error, typer.BadParameter) and error.param is not None:
        if invalid is None:
            return f"{_name(error.param)} is missing; {help_line}"
        (first, *_) = invalid()
        source = " (a setting of --config)" if _is_of_a_file(error) else ""
        given = f"{_name(error.param)} {_shown(first['input'])}{source}"
        return f"{given}: {_wrong(first)}; possible is {_possible(error.param)}"
    words = "".join(_printable(c) for c in error.format_message()).rstrip(".")
    if not words:
        return ""
    return f"{words[0].lower()}{words[1:]}{'' if words.endswith('?') else ';'} {help_line}"


def _name(parameter: Any) -> str:
    """Return an option as it is written, an argument as the help calls it."""
    is_option = parameter.param_type_name == "option"
    return max(parameter.opts, key=len) if is_option else str(parameter.metavar)


def _shown(value: object) -> str:
    """Return a value as it was written, or as Python writes it if it holds anything odd."""
    text = str(value)
    return text if re.fullmatch(r"[\w.+-]+", text) else repr(text)


def _printable(character: str) -> str:
    """Return a character, or what Python writes for one that a terminal would obey."""
    return character if character.isprintable() else repr(character)[1:-1]


def _wrong(invalid: dict[str, Any]) -> str:
    """Return what is wrong with a value, by Pydantic's word for it."""
    kind = invalid["type"]
    if kind.startswith(("greater_than", "less_than")):
        return "out of range"
    if kind.startswith("int_"):
        return "no whole number"
    if kind.startswith("float_"):
        return "no number"
    return "there is no such choice"


def _possible(parameter: Any) -> str:
    """Return what an option takes, in words."""
    if choices := parameter.type_descriptor.choices:
        return " or ".join([", ".join(choices[:-1]), choices[-1]])
    number = _NUMBERS.get(parameter.type_descriptor.annotation, parameter.metavar)
    if parameter.min is not None and parameter.max is not None:
        return f"{number} from {parameter.min:,} to {parameter.max:,}"
    if parameter.min is not None:
        return f"{number}, {parameter.min:,} or more"
    return f"{number}, {parameter.max:,} or less" if parameter.max is not None else str(number)


def _is_of_a_file(error: typer.BadParameter) -> bool:
    """Return whether a value came from a configuration file."""
    source = error.ctx.get_parameter_source(error.param.name) if error.ctx and error.param else None
    return source is not None and source.name == "DEFAULT_MAP"
