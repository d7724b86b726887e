"""What several pytest processes do together: fixtures that one makes for all, who runs what."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tagger.errors import Locked
from tagger.files import Lock

FIRST = ("serial", "tensorflow")
"""Groups in the order of their length: the longest are begun first, each in a process."""


def shared_root(factory: pytest.TempPathFactory) -> Path:
    """Return the temporary folder that all processes of this run of pytest see."""
    mine = factory.getbasetemp()
    return mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return the shared folder `name`, which the first process that asks makes; others wait."""
    folder = shared_root(factory) / name
    while True:
        try:
            with Lock(folder.with_name(f"{name}.lock")):
                if not folder.is_dir():
                    new = folder.with_name(f"{name}.new")
                    new.mkdir()
                    make(new)
                    new.rename(folder)
                return folder
        except Locked:
            time.sleep(0.1)


def group(item: pytest.Item) -> str:
    """Return which tests this one is run among, one after another in one process.

    What is killed, mounted, timed or on a Ray cluster is one group; what needs TensorFlow is
    another, so that it is loaded once; the other groups are files.
    """
    for name in FIRST:
        if item.get_closest_marker(name):
            return name
    return item.path.stem


def grouped(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the tests with their groups, the longest first."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
    first = [item for name in FIRST for item in items if group(item) == name]
    return first + [item for item in items if group(item) not in FIRST]
