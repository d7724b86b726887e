"""The file that a page for persons is written to."""

import os
from pathlib import Path

from tagger.errors import InputError
from tagger.files import atomic_bytes
from tagger.machine import raise_machine_fault
from tagger.settings import setting


def check_writable(option: str, path: str) -> None:
    """Raise InputError, before the work, if a page could not be written to `path`.

    Parameters
    ----------
    option : str
        The setting that named it.
    """
    folder = os.path.dirname(os.path.abspath(path))
    why = None
    if os.path.isdir(path):
        why = "it is a folder; name a file, such as night.html"
    elif not os.path.isdir(folder):
        why = f"there is no folder {folder!r}; make it first"
    elif not os.access(folder, os.W_OK):
        why = f"no permission to write in {folder!r}"
    if why:
        raise InputError(f"{setting(option)} {path!r} cannot be written: {why}")


def write_page(option: str, path: str, page: bytes) -> None:
    """Write a page, whole or not at all.

    Raises
    ------
    InputError
        If it cannot be written there.
    MachineFault
        If the disk is full, say.
    """
    try:
        atomic_bytes(Path(path), page)
    except OSError as error:
        raise_machine_fault(error)
        raise InputError(
            f"{setting(option)} {path!r} cannot be written: {error.strerror}"
        ) from error
