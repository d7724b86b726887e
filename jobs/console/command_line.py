"""The command that a job's options stand for, as a model's card names it."""

import os
import shlex
from dataclasses import MISSING, fields
from typing import Any

_SPELT = {"parent": "from", "hold_out_pairs": "hold-out-pair"}
_PATHS = ("models", "parent", "names", "vocabulary")
_LEFT_OUT = (
    "datasets",
    "resume",
    "workers",
    "architecture",
)  # which of them are none of the model's business


def command_line(command: str, options: Any) -> str:
    """Return the shell command for `options`, a dataclass with `datasets`: of paths the last part,
    and no defaults."""
    words = ["tagger", command, *(last_part(dataset) for dataset in options.datasets)]
    for field in fields(options):
        value = getattr(options, field.name)
        name = _SPELT.get(field.name, field.name.replace("_", "-"))
        if field.name in _LEFT_OUT or (field.default is not MISSING and value == field.default):
            continue
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
            continue
        for each in value if isinstance(value, tuple) else (value,):
            words += [f"--{name}", last_part(each) if field.name in _PATHS else str(each)]
    return shlex.join(words)


def last_part(path: str) -> str:
    """Return what a path is called: a card goes to strangers, whom the rest of it does not
    concern."""
    return os.path.basename(os.path.normpath(path))
