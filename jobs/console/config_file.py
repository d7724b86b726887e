"""`--config FILE.toml`: the options of a command in a file; what the command line says wins."""

import os
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import typer

from tagger.errors import InputError

_PATHS = (
    "audit",
    "catalog",
    "corrections",
    "datasets",
    "from",
    "image-root",
    "index",
    "key-file",
    "metrics",
    "model",
    "models",
    "names",
    "products",
    "propose",
    "report",
    "sync",
    "unlabelled",
    "vocabulary",
    "words",
)


@dataclass(frozen=True)
class Allowed:
    """What a configuration file may set, by the names of a command's options without dashes.

    Attributes
    ----------
    names : sequence of str
        All of them.
    lists, flags, paths : sequence of str
        Those of them that take a list of texts, true or false, and a path or a list of them, see
        `as_path`.
    """

    names: Sequence[str]
    lists: Sequence[str] = ()
    flags: Sequence[str] = ()
    paths: Sequence[str] = ()


def configure(context: typer.Context, path: str) -> None:
    """Take the settings of a file as defaults of a command; what its command line says wins.

    Raises
    ------
    InputError
        As `read_settings`.
    """
    known = [parameter for parameter in context.command.params if not parameter.is_eager]
    names = {parameter.opts[0].removeprefix("--"): parameter for parameter in known}
    several = [
        name
        for name, parameter in names.items()
        if parameter.nargs == -1 or getattr(parameter, "multiple", False)
    ]
    flags = [name for name, parameter in names.items() if getattr(parameter, "is_flag", False)]
    settings = read_settings(path, Allowed([*names], several, flags, _PATHS))
    context.default_map = {str(names[name].name): value for name, value in settings.items()}


def read_settings(path: str, allowed: Allowed) -> dict[str, Any]:
    """Return the settings in a TOML file; one with a byte order mark is read all the same.

    Raises
    ------
    InputError
        If the file cannot be read, is no TOML, or sets something else.
    """
    settings = _parsed(path)
    for name, value in settings.items():
        if name not in allowed.names:
            may = ", ".join(sorted(allowed.names))
            raise InputError(f"--config {path!r} sets {name!r}; it may set: {may}")
        wanted, good = _looked_at(value, name, allowed)
        if not good:
            raise InputError(f"--config {path!r}: {name} = {value!r} should be {wanted}")
    return {
        name: _with_paths(value, name, path) if name in allowed.paths else value
        for name, value in settings.items()
    }


def _with_paths(value: str | list[str], name: str, source: str) -> str | list[str]:
    if isinstance(value, list):
        return [as_path(each, name, source) for each in value]
    return as_path(value, name, source)


def _parsed(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return tomllib.loads(file.read())
    except OSError as error:
        raise InputError(f"--config {path!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"--config {path!r} is no UTF-8 text: {error.reason}; save it as UTF-8"
        ) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"--config {path!r} is no TOML: {error}") from error


def _looked_at(value: Any, name: str, allowed: Allowed) -> tuple[str, bool]:
    """Return what the setting `name` takes, in words, and whether `value` is such."""
    if name in allowed.lists:
        texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
        if name in allowed.paths:
            return "a list of paths", texts and all(item.strip() for item in value)
        return "a list of texts", texts
    if name in allowed.flags:
        return "true or false", isinstance(value, bool)
    if name in allowed.paths:
        return "a path", isinstance(value, str) and value.strip() != ""
    # true is a number to Python, and would be one to an option
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return "a text or a number", plain and value != ""


def as_path(text: str, name: str, source: str) -> str:
    """Return a path as a shell reads it: `~`, `$HOME` and `${HOME}` are replaced, blanks around it
    are left out.

    One that is there just as it is written stays so.

    Raises
    ------
    InputError
        If a variable is not set, or there is no such home folder.
    """
    if os.path.lexists(text):
        return text
    path = os.path.expanduser(os.path.expandvars(text.strip()))
    unset = re.search(r"\$(\w+|\{\w+\})", path)
    if unset:
        raise InputError(
            f"--config {source!r}: {name} = {text!r}: the variable {unset[0]} is not set; cron "
            "sets few"
        )
    if path.startswith("~"):
        raise InputError(
            f"--config {source!r}: {name} = {text!r}: there is no such home folder; write the "
            "whole path"
        )
    return path
