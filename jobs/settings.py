"""`--config nightly.toml`: the options of a command in a file, by the same names; what the command line says wins."""

import tomllib
from collections.abc import Sequence
from typing import Any

from tagger.errors import InputError


def read_settings(path: str, allowed: Sequence[str], lists: Sequence[str]) -> dict[str, Any]:
    """Return the settings in a TOML file.

    Parameters
    ----------
    allowed : sequence of str
        Names that may be set, as on the command line without their dashes.
    lists : sequence of str
        Those of them that take a list.

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
        many = isinstance(value, list) and all(isinstance(item, str) for item in value)
        if many if name not in lists else not many:
            raise InputError(
                f"--config {path!r}: {name} = {value!r} should be {'a list of texts' if not many else 'one value'}"
            )
        if not many and not isinstance(value, str | int | float | bool):
            raise InputError(f"--config {path!r}: {name} = {value!r} should be a text, a number, or true or false")
    return settings
