"""`--config nightly.toml`: the options of a command in a file, by the same names; what the command
line says wins."""

import os
import re
import tomllib
from collections.abc import Sequence
from typing import Any

from tagger.errors import InputError


def read_settings(
    path: str,
    allowed: Sequence[str],
    lists: Sequence[str],
    flags: Sequence[str],
    paths: Sequence[str],
) -> dict[str, Any]:
    """Return the settings in a TOML file; one with a byte order mark, as some editors write it, is
    read all the same.

    Parameters
    ----------
    allowed : sequence of str
        Names that may be set, as on the command line without their dashes.
    lists, flags, paths : sequence of str
        Those of them that take a list of texts, true or false, and a path, see `as_path`.

    Raises
    ------
    InputError
        If the file cannot be read, is no TOML, or sets something else.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            settings = tomllib.loads(file.read())
    except OSError as error:
        raise InputError(f"--config {path!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"--config {path!r} is no UTF-8 text: {error.reason}; save it as UTF-8"
        ) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"--config {path!r} is no TOML: {error}") from error
    for name, value in settings.items():
        if name not in allowed:
            raise InputError(
                f"--config {path!r} sets {name!r}; it may set: {', '.join(sorted(allowed))}"
            )
        if name in lists:
            wanted = "a list of texts"
            good = isinstance(value, list) and all(isinstance(item, str) for item in value)
        elif name in flags:
            wanted = "true or false"
            good = isinstance(value, bool)
        elif name in paths:
            wanted = "a path"
            good = isinstance(value, str) and value.strip() != ""
        else:  # true is a number to Python, and would be one to an option
            wanted = "a text or a number"
            good = (
                isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""
            )
        if not good:
            raise InputError(f"--config {path!r}: {name} = {value!r} should be {wanted}")
    return {
        name: as_path(value, name, path) if name in paths else value
        for name, value in settings.items()
    }


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
