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
    if why := why_not_writable(path):
        raise InputError(f"{setting(option)} {path!r} cannot be written: {why}")


def why_not_writable(path: str) -> str:
    """Return in words why a page could not be written to `path`; empty if it could."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        return "it is a folder; name a file, such as night.html"
    if not os.path.isdir(folder):
        return f"there is no folder {folder!r}; make it first, or name another"
    if not os.access(folder, os.W_OK):
        return f"no permission to write in {folder!r}; give this user leave, or name another"
    return ""


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
