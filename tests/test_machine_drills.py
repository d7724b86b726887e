"""Drills of what the machine does to a night: signals, full disks, little memory, no leave."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import settle
from nights import wait_until
from shop import Mails, Shop, ended
from test_faults import AS_ANYONE, needs_root, small_disk  # noqa: F401 - a fixture

pytestmark = pytest.mark.serial

_SLOW = "import time, tagger.imaging.worker as worker\nread = worker.read_stable\n"
_A_PICTURE_A_SECOND = f"{_SLOW}worker.read_stable = lambda *at: (time.sleep(1), read(*at))[1]"
_NO_HANDLES = """
import os, resource, cv2, tagger.imaging.worker as worker, tagger.imaging.reader
answer = worker._answer
def without_handles(*given):
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, free))
    return answer(*given)
worker._answer = without_handles
"""
_LITTLE_MEMORY = """
import os, resource, cv2, tagger.imaging.worker, tagger.imaging.reader
taken = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGESIZE")
resource.setrlimit(resource.RLIMIT_AS, (taken + 150_000_000, taken + 150_000_000))
"""


_FILLS_THE_DISK = """
import shutil, tagger.nightly.scoring as scoring
score = scoring.score
def with_a_full_disk(*given):
    with open('../disk/ballast', 'wb', buffering=0) as ballast:
        ballast.write(b'x' * shutil.disk_usage('../disk').free)
    return score(*given)
scoring.score = with_a_full_disk
"""
_NO_MORE_PROCESSES = """
import os, resource
import tagger.nightly.scoring as scoring
score = scoring.score
def without_processes(*given):
    os.setresuid(54321, 0, 0)
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
    return score(*given)
scoring.score = without_processes
"""
# Limits do not count for root, nor for whom root gave leave to pass over them.
_LIMITED = ["setpriv", "--bounding-set", "-sys_resource,-sys_admin"]


def has_begun(shop: Shop) -> Callable[[], bool]:
    """Return what says whether the second run has written its record."""
    return lambda: len(list(shop.index.glob("runs/[0-9]*.json"))) == 2


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_night_that_is_ended_by_a_signal(
    shop: Shop, mails: Mails, number: signal.Signals, code: int
) -> None:
    shop.in_workers(_A_PICTURE_A_SECOND)
    shop.deliver_many(60)
    process = shop.start("--metrics", "tagger.prom")
    wait_until(has_begun(shop), process)
    process.send_signal(number)
    mails.hold(f"ended-by-{number.name}", ended(process), code)
    written = (shop.home / "tagger.prom").read_text()
    assert f'tagger_run_exit_code{{index="{shop.index}"}} {code}\n' in written
    assert 'state="killed"} 1\n' in written


def test_after_a_night_that_was_killed_without_a_word_the_next_one_is_good(
    shop: Shop, mails: Mails
) -> None:
    shop.in_workers(_A_PICTURE_A_SECOND)
    shop.deliver_many(60)
    process = shop.start()
    wait_until(has_begun(shop), process)
    assert shop.run("status", "index").stdout.startswith("OK: night of ")
    process.kill()
    mails.hold("killed", ended(process), -9)
    ages = (r"\d\d:\d\d", "03:15"), (r"[0-9]+ (s|min) ago", "6 h ago")
    mails.hold("status-killed", shop.run("status", "index"), 8, *ages)
    shutil.rmtree(shop.home / "site")
    mails.hold("night-after", shop.tag(), 0)


@needs_root
def test_a_disk_without_room(shop: Shop, mails: Mails, small_disk: Path) -> None:  # noqa: F811
    shutil.copytree(shop.index, small_disk / "index", symlinks=True)
    shop.deliver_many(3)
    left = shutil.disk_usage(small_disk).free - 900_000
    (small_disk / "ballast").write_bytes(b"x" * left)
    mail = shop.tag("--index", small_disk / "index")
    mails.hold("disk-full", mail, 1, (f"{small_disk}", "/srv/disk"))


@needs_root
def test_a_disk_that_fills_up_half_way(shop: Shop, mails: Mails, small_disk: Path) -> None:  # noqa: F811
    shutil.copytree(shop.index, small_disk / "index", symlinks=True)
    before = os.path.realpath(small_disk / "index" / "current")
    moved = (f"{small_disk}", "/srv/disk"), (r"/unit-[^' ]*", "/unit-0.parquet")
    shop.in_the_night(_FILLS_THE_DISK.replace("../disk", str(small_disk)))
    shop.deliver_many(60)
    mails.hold("disk-full-half-way", shop.tag("--index", small_disk / "index"), 1, *moved)
    assert os.path.realpath(small_disk / "index" / "current") == before
    (small_disk / "ballast").unlink()
    shutil.rmtree(shop.home / "site")
    mails.hold("night-after", shop.tag("--index", small_disk / "index"), 0)


@needs_root
def test_no_temporary_folder(shop: Shop, mails: Mails) -> None:
    """A night needs none."""
    shown = [f"mount --bind {shop.index} {shop.index}"]  # alone stays writable
    for folder in ("/tmp", "/var/tmp", "/dev/shm"):  # noqa: S108 - they are not used
        shown.append(f"mount --rbind {folder} {folder} && mount -o remount,ro,bind {folder}")
    shop.deliver_many(40)
    under = ["unshare", "-m", "bash", "-c", f'{" && ".join(shown)} && cd . && exec "$@"', "bash"]
    mail = shop.tag(under=under)
    if "mount" in mail.stdout:
        pytest.skip("this sandbox may not mount")
    mails.hold("no-temporary-folder", mail, 0)


@needs_root
def test_no_more_processes(shop: Shop, mails: Mails) -> None:
    shop.in_the_night(_NO_MORE_PROCESSES)
    shop.deliver_many(40)
    mails.hold("no-processes", shop.tag(under=_LIMITED), 1)


def test_a_limit_on_the_size_of_files(shop: Shop, mails: Mails) -> None:
    shop.deliver_many(40)
    under = ["bash", "-c", 'ulimit -f 4; exec "$@"', "bash"]
    mails.hold("file-too-large", shop.tag(under=under), 1)


def test_workers_without_file_handles(shop: Shop, mails: Mails) -> None:
    shop.in_workers(_NO_HANDLES)
    shop.deliver_many(40)
    mails.hold("no-file-handles", shop.tag(), 1)


def test_a_picture_that_finds_too_little_memory_waits(shop: Shop, mails: Mails) -> None:
    shop.in_workers(_LITTLE_MEMORY)
    large = np.full((5000, 5000, 4), 65535, np.uint16)
    path = str(shop.catalog / "large.png")
    assert cv2.imwrite(path, large, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    settle(shop.catalog)
    shop.deliver_many(3)
    mails.hold("little-memory", shop.tag(), 0, (r"memory \([^)]*\)", "memory (Out of memory)"))


@needs_root
def test_an_index_that_may_not_be_written(shop: Shop, mails: Mails) -> None:
    shop.index.chmod(0o555)
    mail = shop.tag(under=AS_ANYONE)
    shop.index.chmod(0o755)
    mails.hold("index-read-only", mail, 2)


@needs_root
def test_memory_that_may_not_become_executable(shop: Shop, mails: Mails) -> None:
    forbid = (
        "import ctypes, os, sys\n"
        "if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0): sys.exit(9)\n"  # PR_SET_MDWE
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    shop.deliver_many(3)
    mail = shop.tag(under=[shop.command()[0], "-c", forbid])
    if mail.returncode == 9:
        pytest.skip("this kernel cannot forbid it")
    mails.hold(
        "no-executable-memory",
        mail,
        1,
        (r"needs \([^)]*\)", "needs (...)"),
    )


def test_a_cluster_that_does_not_answer(shop: Shop, mails: Mails) -> None:
    shop.variables["RAY_ADDRESS"] = "127.0.0.1:1"
    shop.deliver_many(3)
    mails.hold("no-cluster", shop.tag("--engine", "ray"), 2)
