"""What goes wrong at three in the morning, done to real runs: nothing is lost, and the next night
makes it good."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import jpeg, textured
from nights import World, wait_until

from jobs.verify import verify
from tagger.imaging.worker import CHUNK
from tagger.models.bundle import load_bundle

pytestmark = pytest.mark.serial

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux", reason="needs root on Linux to set it up"
)
# Root without the right to pass over permissions.
AS_ANYONE = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]


@pytest.fixture
def world(tmp_path: Path, bundle_path: Path) -> World:
    """A catalog of 300 pictures with a first night behind it."""
    world = World(tmp_path, bundle_path, seed=0, pictures=300)
    world.run()
    return world


def ended(process: "subprocess.Popen[str]", seconds: float = 60) -> tuple[int, str, str]:
    out, said = process.communicate(timeout=seconds)
    assert "Traceback" not in said, said
    return process.returncode, out, said


def last_record(world: World) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(
        sorted((world.index / "runs").glob("*.json"))[-1].read_text()
    )
    return record


def nothing_was_lost(world: World, before: str) -> None:
    """The night before is still current; one more run makes rows equal files again."""
    assert os.path.realpath(world.index / "current") == before
    assert verify(str(world.index)).faults == []
    world.run()
    world.rows_equal_files()
    world.equals_an_undisturbed_run()
    assert verify(str(world.index)).faults == []


def current(world: World) -> str:
    return os.path.realpath(world.index / "current")


def is_scoring(world: World, rows: int = 1) -> bool:
    return world.staged_rows() >= rows


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], capture_output=True
    ).returncode:
        pytest.skip("this sandbox may not mount")
    yield disk
    subprocess.run(["umount", disk], check=True)


@needs_root
def test_a_full_disk_is_seen_before_anything_is_read(
    tmp_path: Path, bundle_path: Path, small_disk: Path
) -> None:
    world = World(tmp_path, bundle_path, seed=0, pictures=300)
    world.index = small_disk / "index"
    world.run()
    before = current(world)
    world.meddle(60)
    (small_disk / "ballast").write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 900_000))
    code, _, said = ended(world.start())
    assert code == 1
    assert "this night needs some " in said
    assert "MiB left; nothing was changed. Make room" in said
    assert "the disk has" in last_record(world)["message"]
    (small_disk / "ballast").unlink()
    nothing_was_lost(world, before)


def run_out_of_space(
    folder: Path,
    model: Path,
    disk: Path,
    left: int,
    *options: object,
    works: Callable[[int], object] = lambda _: True,
) -> tuple[World, str]:
    """Return a world, and what its second night said, whose disk had so many bytes left from when
    it worked.

    There is room again, and nothing was lost.
    """
    world = World(folder, model, seed=0, pictures=300)
    world.index = disk / "index"
    world.run()
    before = current(world)
    world.meddle(300)
    process = world.start(*options)
    wait_until(lambda: len(list((world.index / "runs").glob("*.json"))) == 2, process)
    wait_until(lambda: bool(works(process.pid)), process)
    with open(disk / "ballast", "wb", buffering=0) as ballast:
        ballast.write(b"x" * max(0, shutil.disk_usage(disk).free - left))
    code, _, said = ended(process)
    assert code == 1, said
    (disk / "ballast").unlink()
    nothing_was_lost(world, before)
    return world, said


@needs_root
@pytest.mark.parametrize(
    "left", [*(pytest.param(n, marks=pytest.mark.long) for n in (0, 40_000)), 8192, 120_000]
)
def test_a_disk_that_fills_up_in_the_middle_loses_nothing(
    tmp_path: Path, bundle_path: Path, small_disk: Path, left: int
) -> None:
    world, said = run_out_of_space(tmp_path, bundle_path, small_disk, left)
    assert "No space left on device" in said or "the disk has" in said
    states = [
        json.loads(path.read_text())["state"]
        for path in sorted((world.index / "runs").glob("*.json"))
    ]
    assert states[0] == "published"
    assert states[1] in (
        "failed",
        "killed",
    )  # killed where the disk had no room even for the record


@needs_root
def test_what_a_killed_run_left_is_no_reason_to_be_stuck(
    tmp_path: Path, bundle_path: Path, small_disk: Path
) -> None:
    """Killed while it published, with the disk full of what it had written."""
    world = World(tmp_path, bundle_path, seed=0, pictures=300)
    world.index = small_disk / "index"
    world.run()
    first = current(world)
    world.meddle(60)
    world.run()
    leftover = world.index / "_staging" / "snapshot-20260101T000000Z-0000"
    leftover.mkdir()
    records = sorted((world.index / "runs").glob("*.json"))
    records[-1].write_text(json.dumps(json.loads(records[-1].read_text()) | {"state": "running"}))
    with open(leftover / "part", "wb", buffering=0) as part:
        part.write(b"x" * shutil.disk_usage(small_disk).free)
    assert shutil.disk_usage(small_disk).free == 0
    back = ["-m", "jobs.cli", "rollback", str(world.index), Path(first).parent.name]
    rolled = subprocess.run([sys.executable, *back], capture_output=True, text=True)
    assert rolled.returncode == 0, rolled.stderr
    nothing_was_lost(world, first)


def test_a_limit_on_the_size_of_files_loses_nothing(world: World) -> None:
    before = current(world)
    world.meddle(60)
    command = ["bash", "-c", 'ulimit -f 8; exec "$@"', "bash"]
    code, _, said = ended(world.start(under=command))
    assert code == 1
    assert "File too large" in said
    nothing_was_lost(world, before)


@needs_root
def test_a_read_only_index_is_named(world: World) -> None:
    before = current(world)
    world.meddle(20)
    if subprocess.run(
        ["mount", "--bind", world.index, world.index], capture_output=True
    ).returncode:
        pytest.skip("this sandbox may not mount")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", world.index], check=True)
        code, _, said = ended(world.start())
    finally:
        subprocess.run(["umount", world.index], check=True)
    assert (code, "cannot be written: Read-only file system" in said) == (2, True)
    nothing_was_lost(world, before)


@needs_root
def test_files_without_permission_are_rows_and_are_tried_again_when_asked(world: World) -> None:
    denied = world.pictures()[:5]
    for picture in denied:
        picture.chmod(0)
        os.utime(picture, (1.65e9, 1.65e9))
    code, out, said = ended(world.start("--json", under=AS_ANYONE))
    assert code == 0, said
    summary = json.loads(out)
    assert (summary["failed_now"], summary["changed"]) == (5, 5)
    rows = world.read().to_pylist()
    assert sum(row["status"] == "denied" for row in rows) == 5
    world.rows_equal_files()
    for picture in denied:
        picture.chmod(0o644)
    code, out, _ = ended(world.start("--json", under=AS_ANYONE))
    assert json.loads(out)["unchanged"] == 300
    code, out, _ = ended(world.start("--json", "--retry-errors", under=AS_ANYONE))
    assert json.loads(out)["rescored"] >= 5 - 1  # one of them may be a broken picture
    world.equals_an_undisturbed_run()


@needs_root
def test_a_folder_that_cannot_be_listed_is_never_read_as_empty(world: World) -> None:
    before = current(world)
    (world.catalog / "f1").chmod(0)
    try:
        code, _, said = ended(world.start(under=AS_ANYONE))
    finally:
        (world.catalog / "f1").chmod(0o755)
    assert code == 3
    assert "folder 'f1/' of" in said
    assert "--exclude" in last_record(world)["message"]
    assert (last_record(world)["state"], last_record(world)["exit_code"]) == ("refused", 3)
    nothing_was_lost(world, before)


@pytest.mark.parametrize("leave_mount_point", [False, True])
def test_a_catalog_that_disappears_half_way_is_refused(
    world: World, leave_mount_point: bool
) -> None:
    before = current(world)
    for _ in range(300):
        world.add()
    process, away = world.start(), world.catalog.with_name("away")
    wait_until(lambda: is_scoring(world), process)
    world.catalog.rename(away)
    if leave_mount_point:
        world.catalog.mkdir()
    code, _, said = ended(process)
    if leave_mount_point:
        world.catalog.rmdir()
    away.rename(world.catalog)
    assert code == 3
    assert "went away between walk and reading; is " in said
    assert last_record(world)["state"] == "refused"
    nothing_was_lost(world, before)


def test_sigterm_ends_within_seconds_and_keeps_what_was_done(world: World) -> None:
    before = current(world)
    for _ in range(400):
        world.add()
    process = world.start("--workers", 1)
    wait_until(lambda: is_scoring(world), process)
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code, _, _ = ended(process)
    assert code == 143
    assert time.monotonic() - start < 10
    record = last_record(world)
    assert (record["state"], record["exit_code"]) == ("killed", 143)
    # The unit in hand was staged too; a chunk of which a part waits for the next batch was not.
    assert len(world.scored.read_text().split()) < 300 + world.staged_rows() + 2 * CHUNK
    nothing_was_lost(world, before)
    assert world.scored_again() < 2 * CHUNK


def test_a_killed_decode_worker_costs_nothing(world: World) -> None:
    for _ in range(400):
        world.add()
    process = world.start()
    wait_until(lambda: is_scoring(world), process)
    for worker in workers_of(process)[:1]:
        os.kill(worker, signal.SIGKILL)
    code, _, said = ended(process)
    assert code == 0, said
    world.rows_equal_files()
    world.equals_an_undisturbed_run()


def workers_of(process: "subprocess.Popen[str]") -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [
        int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def test_a_worker_that_spins_costs_one_row(world: World, tmp_path: Path) -> None:
    spin_on_marked(tmp_path, world)
    (world.catalog / "f1" / "spin.jpg").write_bytes(jpeg(textured(24, 24, seed=10**6)) + b"SPIN!!")
    os.utime(world.catalog / "f1" / "spin.jpg", (1.6e9, 1.6e9))
    for _ in range(100):
        world.add()
    process = world.start("--decode-timeout", 1.5, "--json")
    code, out, said = ended(process)
    assert code == 0, said
    assert json.loads(out)["new"] == 101
    row = next(row for row in world.read().to_pylist() if row["image_id"] == "f1/spin.jpg")
    assert (row["status"], row["error"]) == ("timeout", "decoding took longer than 1.5 s")
    assert row["content_sha256"]
    world.rows_equal_files()


def spin_on_marked(folder: Path, world: World) -> None:
    """Make every decode worker spin for ever on pictures that end with SPIN!!."""
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'spawn_main' in ' '.join(sys.orig_argv):\n"
        "    import cv2\n"
        "    real = cv2.imdecode\n"
        "    def spin(data, *rest):\n"
        "        while bytes(data[-6:]) == b'SPIN!!': pass\n"
        "        return real(data, *rest)\n"
        "    cv2.imdecode = spin\n"
    )
    world.environment["PYTHONPATH"] = f"{folder / 'site'}{os.pathsep}{os.getcwd()}"


def test_workers_end_when_the_run_is_killed(world: World) -> None:
    for _ in range(400):
        world.add()
    process = world.start()
    wait_until(lambda: is_scoring(world), process)
    workers = workers_of(process)
    process.kill()
    process.communicate()
    assert workers
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(Path(f"/proc/{pid}").exists() for pid in workers):
        time.sleep(0.05)
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    nothing_was_lost(world, current(world))
    states = {
        json.loads(path.read_text())["state"] for path in (world.index / "runs").glob("*.json")
    }
    assert states == {"published", "killed"}


def test_a_run_that_finds_the_lock_taken_says_whose_it_is_and_records_that(world: World) -> None:
    for _ in range(400):
        world.add()
    first = world.start()
    wait_until(lambda: is_scoring(world), first)
    first.send_signal(signal.SIGSTOP)
    code, out, said = ended(world.start("--json"))
    first.send_signal(signal.SIGCONT)
    assert code == 4
    assert f"is held by process {first.pid} on " in said
    assert json.loads(out)["exit_code"] == 4
    record = last_record(world)
    assert (record["state"], record["exit_code"]) == ("refused", 4)
    assert f"process {first.pid}" in record["message"]
    assert ended(first)[0] == 0
    assert last_record(world)["exit_code"] == 4
    world.rows_equal_files()


def test_missing_catalogs_and_broken_models_are_recorded(world: World) -> None:
    before = current(world)
    world.catalog.rename(world.catalog.with_name("away"))
    code, out, said = ended(world.start("--json"))
    assert (code, json.loads(out)["exit_code"]) == (2, 2)
    assert "there is no such folder" in said
    assert (last_record(world)["state"], last_record(world)["exit_code"]) == ("refused", 2)
    world.catalog.with_name("away").rename(world.catalog)
    model, world.model = world.model, world.index
    code, _, said = ended(world.start())
    assert (code, "no bundle.json there" in said) == (2, True)
    world.model = model
    assert load_bundle(model)
    nothing_was_lost(world, before)
