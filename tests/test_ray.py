"""The Ray engine, on a cluster of several processes on this machine: what the local engine gives,
whatever dies."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import clean_environment
from nights import World, wait_until
from test_faults import needs_root, run_out_of_space, small_disk

from jobs.verify import verify

pytestmark = pytest.mark.serial

pytest.importorskip("ray", reason="the ray extra is not installed")
__all__ = ["small_disk"]  # a fixture
RAY = ("--engine", "ray", "--workers", 2)

_CLUSTER = """
import sys, ray
own = {"num_cpus": 2, "include_dashboard": False, "_temp_dir": sys.argv[1]}
started = ray.init(address="local", logging_level="error", **own)
print(started.address_info["address"], flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """What a night is told of a cluster that is there already, and so need not start its own."""
    folder = tempfile.mkdtemp(prefix="r-")  # short: sockets lie in it
    command = [sys.executable, "-c", _CLUSTER, folder]
    known = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    own = {"PYTHONPATH": os.getcwd(), "RAY_USAGE_STATS_ENABLED": "0"}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(
        command, env=clean_environment() | known | own, text=True, **pipes
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield known | {"RAY_ADDRESS": process.stdout.readline().strip()}
        process.stdin.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def world(bundle_path: Path, tmp_path: Path) -> World:
    return World(tmp_path, bundle_path, seed=5, pictures=300)


def workers_of(driver: int) -> list[int]:
    """Return the processes that work on units, of the cluster that the process `driver` has
    started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if command.startswith(b"ray::_score_unit") and driver in ancestors(int(entry.name)):
            found.append(int(entry.name))
    return found


def ancestors(process: int) -> list[int]:
    found = []
    while process > 1:
        try:
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
        found.append(process)
    return found


def assert_whole(world: World) -> None:
    """Nothing lost, nothing twice, and the rows that the local engine makes."""
    world.rows_equal_files()
    world.follow()
    world.equals_an_undisturbed_run()
    assert verify(str(world.index)).faults == []
    assert not list((world.index / "_staging").iterdir())


def test_both_engines_make_the_same_index_night_after_night(
    world: World, cluster: dict[str, str]
) -> None:
    world.environment |= cluster
    first = json.loads(world.run_apart(*RAY, "--json"))
    assert first["published_rows"] == len(world.pictures())
    assert first["failed"] > 5  # cut and empty pictures are rows, not failures of units
    assert_whole(world)
    world.meddle(60)
    second = json.loads(world.run_apart(*RAY, "--json"))
    assert 0 < second["scored"] < first["scored"]
    assert_whole(world)


def test_a_killed_worker_costs_nothing(world: World) -> None:
    process = world.start(*RAY)
    killed = 0
    wait_until(lambda: world.index.is_dir() and world.staged_rows() > 0, process)
    for worker in workers_of(process.pid):
        os.kill(worker, signal.SIGKILL)
        killed += 1
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert killed
    assert_whole(world)


@needs_root
def test_a_unit_that_fails_ends_the_night_and_nothing_is_lost(
    bundle_path: Path, tmp_path: Path, small_disk: Path
) -> None:
    _, said = run_out_of_space(tmp_path, bundle_path, small_disk, 8192, *RAY, works=workers_of)
    assert "No space left on device" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGKILL, -9), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.long)],
)
def test_what_a_killed_driver_s_workers_staged_is_used_by_the_next(
    number: signal.Signals, code: int, world: World, cluster: dict[str, str]
) -> None:
    process = world.start(*RAY)
    wait_until(lambda: world.index.is_dir() and world.staged_rows() > 0, process)
    process.send_signal(number)
    process.communicate(timeout=120)
    assert process.returncode == code
    assert not (world.index / "current").exists()
    wait_until_gone(process.pid)
    world.environment |= cluster
    again = json.loads(world.run_apart(*RAY, "--json"))
    assert again["reused"] > 0
    assert_whole(world)


def wait_until_gone(driver: int) -> None:
    """Ray ends the workers of a driver that died; until then one of them may still stage its
    unit."""
    deadline = time.monotonic() + 30
    while workers_of(driver) and time.monotonic() < deadline:
        time.sleep(0.1)


@pytest.mark.long
def test_the_time_that_was_given_ends_it_and_keeps_what_was_done(world: World) -> None:
    process = world.start(*RAY, "--max-seconds", 0.5)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 7, said
    world.run_apart(*RAY)
    assert_whole(world)


def test_a_cluster_that_is_not_there_is_named(world: World) -> None:
    world.environment["RAY_ADDRESS"] = "127.0.0.1:1"
    process = world.start(*RAY)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "127.0.0.1:1" in said
    assert "Traceback" not in said
