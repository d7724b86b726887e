"""`--config nightly.toml`: the options of a command in a file, by the same names; what the command line says wins."""

import tomllib
from collections.abc import Sequence
from typing import Any

from tagger.errors import InputError


def read_settings(path: str, allowed: Sequence[str], lists: Sequence[str], flags: Sequence[str]) -> dict[str, Any]:
    """Return the settings in a TOML file.

    Parameters
    ----------
    allowed : sequence of str
        Names that may be set, as on the command line without their dashes.
    lists, flags : sequence of str
        Those of them that take a list of texts, and those that take true or false.

    Raises
    ------
    InputError
        If the file cannot be read, is no TOML, or sets something else.
    """
    try:
        with open(path, "rb") as file:
            settings = tomllib.load(file)
    except OSError as error:
        raise InputError(f"--config {path!r} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"--config {path!r} is no TOML: {error}") from error
    for name, value in settings.items():
        if name not in allowed:
            raise InputError(f"--config {path!r} sets {name!r}; it may set: {', '.join(sorted(allowed))}")
        if name in lists:
            wanted, good = "a list of texts", isinstance(value, list) and all(isinstance(item, str) for item in value)
        elif name in flags:
            wanted, good = "true or false", isinstance(value, bool)
        else:  # true is a number to Python, and would be one to an option
            wanted = "a text or a number"
            good = isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""
        if not good:
            raise InputError(f"--config {path!r}: {name} = {value!r} should be {wanted}")
    return settings
