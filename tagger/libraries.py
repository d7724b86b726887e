"""Libraries that a machine which only tags does without: they take two thirds of an install."""

from importlib.util import find_spec

from tagger.errors import InputError

NEEDED_TO_TRAIN = ("tensorflow", "keras", "nncf", "matplotlib")
"""What training needs beside what tagging does."""

NEEDED_TO_AUDIT = ("cleanlab",)
"""What looking for wrong labels needs."""


def require(*names: str) -> None:
    """Raise InputError if one of these libraries is not installed, before any work is done."""
    for name in names:
        if find_spec(name) is None:
            raise InputError(
                f"this needs {name}, which is not installed: the machine was set up for tagging "
                "alone. Install the whole package here (pip install with the wheel's path, "
                "without --no-deps), or do it on a machine that has it"
            )
