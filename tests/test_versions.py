"""Versions of a model: one promotion at a time, and in words where another holds the lock."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import clean_environment

from tagger.errors import InputError, Locked
from tagger.files import Lock
from tagger.models.versions import current_name, set_current


@pytest.fixture
def models(bundle_path: Path, tmp_path: Path) -> Path:
    """A folder of two versions, both good, neither current."""
    import shutil

    for version in ("tiny-v1", "tiny-v2"):
        shutil.copytree(bundle_path, tmp_path / "models" / version)
    return tmp_path / "models"


def test_two_processes_that_promote_at_once_take_turns(models: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from tagger.models.versions import set_current\n"
        "models, name, stop = Path(sys.argv[1]), sys.argv[2], time.monotonic() + 1.5\n"
        "def slowly(link):\n"
        "    mark = models / 'inside'\n"
        "    mark.touch(exist_ok=False)  # fails where another is inside too\n"
        "    time.sleep(0.01); mark.unlink()\n"
        "    return True\n"
        "seen = {set_current(models, name, may_follow=slowly).before\n"
        "        for _ in iter(lambda: time.monotonic() < stop, False)}\n"
        "print(' '.join(sorted(str(each) for each in seen)))\n"
    )
    names = ("tiny-v1", "tiny-v2")
    both = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(models), name],
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    ended = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    assert all(set(said.split()) & set(names) for said, _ in ended)  # each found what is there
    assert current_name(models) in names
    assert {path.name for path in models.iterdir()} == {*names, "current", "_lock"}


def test_a_promotion_waits_for_no_lock_that_is_kept(
    models: Path, tagger: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    set_current(models, "tiny-v1")
    with Lock(models / "_lock"):
        ended = tagger("promote", models / "tiny-v2")
    assert ended.returncode == 4
    assert "_lock' is held by process" in ended.stderr
    assert f"process {os.getpid()} on" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert current_name(models) == "tiny-v1"
    again = tagger("promote", models / "tiny-v2", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["before"] == "tiny-v1"
    assert current_name(models) == "tiny-v2"


def test_what_may_not_follow_leaves_current_as_it_is(models: Path) -> None:
    assert set_current(models, "tiny-v1") == (True, None)
    assert set_current(models, "tiny-v2", may_follow=lambda link: not link.exists()) == (
        False,
        "tiny-v1",
    )
    assert current_name(models) == "tiny-v1"


def test_current_that_is_a_folder_is_said_to_be_in_the_way(models: Path) -> None:
    (models / "current").mkdir()
    with pytest.raises(InputError, match=r"current' cannot be written"):
        set_current(models, "tiny-v1")
    assert not [path for path in models.iterdir() if path.name.startswith(".")]


def test_a_lock_that_another_process_holds_is_named(models: Path) -> None:
    with Lock(models / "_lock"), pytest.raises(Locked, match="let it end"):
        set_current(models, "tiny-v1")
    assert current_name(models) is None
