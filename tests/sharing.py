"""What several pytest processes do together: fixtures that one makes for all, who runs what."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from tagger.errors import Locked
from tagger.files import Lock, atomic_text

FIRST = ("serial", "tensorflow")
"""Groups in the order of their length: the longest are begun first, each in a process."""
_WRITTEN = pytest.StashKey[Path]()


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
                    shutil.rmtree(new, ignore_errors=True)  # of one that failed
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


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the tests group by group, the longest groups first."""
    first = [item for name in FIRST for item in items if group(item) == name]
    return first + [item for item in items if group(item) not in FIRST]


class Groups(LoadScopeScheduling):
    """Gives a process one whole group after another.

    The processes write down which test is in which group, since this one collects none. (xdist's
    own groups are part of a test's id, which pytest 9.2 no longer lets it change.)
    """

    @cached_property
    def _group_of(self) -> dict[str, str]:
        written = groups_file(self.config)
        groups: dict[str, str] = json.loads(written.read_text())
        shutil.rmtree(written.parent)
        return groups

    def _split_scope(self, nodeid: str) -> str:
        return self._group_of[nodeid]


def groups_file(config: pytest.Config) -> Path:
    """Return where the processes of this run write their groups."""
    if _WRITTEN not in config.stash:
        config.stash[_WRITTEN] = Path(tempfile.mkdtemp()) / "groups.json"
    return config.stash[_WRITTEN]


def write_groups(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Write down each test's group where tests run side by side."""
    given = getattr(config, "workerinput", {})
    if "groups" in given:
        atomic_text(Path(given["groups"]), json.dumps({i.nodeid: group(i) for i in items}))
