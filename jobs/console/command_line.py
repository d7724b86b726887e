"""The command that a job's options stand for, as a model's card names it."""

import shlex
from dataclasses import MISSING, fields
from typing import Any

from tagger.pipeline.options import last_part

_SPELT = {"parent": "from", "trunk": "from", "hold_out_pairs": "hold-out-pair"}
_PATHS = (
    "models",
    "parent",
    "trunk",
    "names",
    "vocabulary",
    "corrections",
    "unlabelled",
    "image_root",
)
_NOT_OF_THE_MODEL = ("datasets", "resume", "workers", "architecture")


def command_line(command: str, options: Any) -> str:
    """Return the shell command for `options`, of paths the last part, and no defaults.

    Parameters
    ----------
    options : dataclass
        With `datasets`.
    """
    words = ["tagger", command, *map(last_part, options.datasets)]
    for field in fields(options):
        value = getattr(options, field.name)
        is_default = field.default is not MISSING and value == field.default
        if field.name not in _NOT_OF_THE_MODEL and not is_default:
            words += _words(field.name, value)
    return shlex.join(words)


def _words(field: str, value: Any) -> list[str]:
    """Return the words for one option."""
    name = _SPELT.get(field, field.replace("_", "-"))
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    values = value if isinstance(value, tuple) else (value,)
    return [
        word
        for each in values
        for word in (f"--{name}", last_part(each) if field in _PATHS else str(each))
    ]
