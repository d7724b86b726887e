"""What the machine lacks is said of the machine: really taken away from real runs, never held
against a file."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from conftest import clean_environment, jpeg, settle, textured
from test_faults import needs_root, small_disk  # noqa: F401 - a fixture

from jobs.verify import verify
from tagger.datasets.sample import Sample
from tagger.errors import BundleError, InputError, MachineFault, StoreError
from tagger.exit_codes import exit_code
from tagger.machine import machine_fault
from tagger.models.starter import STARTER

pytestmark = pytest.mark.serial

Run = Callable[..., "subprocess.CompletedProcess[str]"]

_LIMITED = """
import resource, sys
if "spawn_main" in " ".join(sys.orig_argv):
    import os, cv2, tagger.imaging.worker, tagger.imaging.reader
    {deed}
"""
_LITTLE_MEMORY = """
    taken = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGESIZE")
    resource.setrlimit(resource.RLIMIT_AS, (taken + 150_000_000, taken + 150_000_000))
"""
_NO_HANDLES_BEFORE = """
    real = tagger.imaging.worker.{function}
    def without_handles(*given):
        first_free = os.dup(0)
        os.close(first_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (first_free, first_free))
        return real(*given)
    tagger.imaging.worker.{function} = without_handles
"""
_NO_HANDLE_FOR_A_FILE = _NO_HANDLES_BEFORE.format(function="_answer")
_NO_HANDLE_TO_START = _NO_HANDLES_BEFORE.format(function="_load_decoders")


def run(
    *arguments: object, under: list[str] | None = None, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command; it shows no traceback, however it ends."""
    command = [*(under or []), sys.executable, "-m", "jobs.cli", *map(str, arguments)]
    environment = clean_environment() | {"PYTHONPATH": os.getcwd()} | variables
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


def workers_that(folder: Path, deed: str) -> dict[str, str]:
    """Return the environment in which every decode worker does `deed` once its libraries are
    loaded."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_LIMITED.format(deed=deed.strip()))
    return {"PYTHONPATH": f"{folder}{os.pathsep}{os.getcwd()}"}


def rows(index: Path) -> pd.DataFrame:
    return pd.read_parquet(os.path.realpath(index / "current")).set_index("image_id")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A catalog of 30 small pictures and a large one, none of which has changed lately."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(30):
        (folder / f"{i:02d}.jpg").write_bytes(jpeg(textured(40, 40, seed=i)))
    large = np.full((5000, 5000, 4), 65535, np.uint16)
    cv2.imwrite(str(folder / "large.png"), large, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    settle(folder)
    return folder


def test_a_picture_that_finds_too_little_memory_is_read_the_next_night(
    tmp_path: Path, pictures: Path
) -> None:
    limited = workers_that(tmp_path / "site", _LITTLE_MEMORY)
    index = tmp_path / "index"
    ended = run("tag", pictures, "--index", index, **limited)
    assert ended.returncode == 0, ended.stderr
    assert (
        "1 picture waits for the next night, since the machine could not read it; first "
        "'large.png': this machine lacks memory" in ended.stderr
    )
    row = rows(index).loc["large.png"]
    assert row["status"] == "unreadable"
    assert row["error"].startswith("this machine lacks memory (")
    assert (rows(index)["status"] == "ok").sum() == 30
    assert run("tag", pictures, "--index", index).returncode == 0
    assert set(rows(index)["status"]) == {"ok"}
    assert verify(str(index)).faults == []


def test_a_night_whose_workers_have_no_handle_for_a_file_blames_the_machine(
    tmp_path: Path, pictures: Path
) -> None:
    limited = workers_that(tmp_path / "site", _NO_HANDLE_FOR_A_FILE)
    index = tmp_path / "index"
    ended = run("tag", pictures, "--index", index, **limited)
    assert ended.returncode == 1, ended.stderr
    assert re.search(
        r"pictures tried could not be read, which is not their fault; first '[^']+': this machine "
        "lacks file handles",
        ended.stderr,
    )
    assert not (index / "current").exists()
    # What was staged meanwhile answers for no picture.
    assert json.loads(run("tag", pictures, "--index", index, "--json").stdout)["failed"] == 0
    assert set(rows(index)["status"]) == {"ok"}


@pytest.mark.parametrize("command", ["tag", "predict", "check", "similar"])
def test_workers_that_cannot_start_say_what_is_missing(
    tmp_path: Path, sample: Sample, command: str
) -> None:
    limited = workers_that(tmp_path / "site", _NO_HANDLE_TO_START)
    index, picture = tmp_path / "index", min(sample.catalog.rglob("*.jpg"))
    if command == "similar":
        assert run("tag", sample.catalog, "--index", index, "--features").returncode == 0
    arguments = {
        "tag": ["tag", sample.catalog, "--index", index],
        "predict": ["predict", STARTER, picture],
        "check": [
            "train",
            sample.labelled,
            "--models",
            tmp_path / "models",
            "--groups",
            "color,garment",
            "--check",
        ],
        "similar": ["similar", index, picture],
    }
    ended = run(*arguments[command], **limited)
    assert ended.returncode == 1, ended.stderr
    assert "this machine lacks file handles" in ended.stderr


@pytest.mark.parametrize(
    "limit", [9, 13, 16, 19, *(pytest.param(n, marks=pytest.mark.long) for n in range(20, 30))]
)
def test_with_few_handles_a_night_ends_well_or_blames_the_machine(
    tmp_path: Path, sample: Sample, limit: int
) -> None:
    under = ["bash", "-c", f'ulimit -n {limit}; exec "$@"', "bash"]
    ended = run("tag", sample.catalog, "--index", tmp_path / "index", under=under)
    assert ended.returncode in (0, 1), ended.stderr
    assert ended.returncode == 0 or "this machine lacks file handles" in ended.stderr


@pytest.mark.skipif(
    sys.platform != "linux", reason="writable and executable memory is forbidden with prctl"
)
def test_where_memory_may_not_become_executable_the_model_is_called_sound(
    tmp_path: Path, sample: Sample
) -> None:
    forbid = (
        "import ctypes, os, sys\n"
        "if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0): sys.exit(9)\n"  # PR_SET_MDWE
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    ended = run(
        "tag", sample.catalog, "--index", tmp_path / "index", under=[sys.executable, "-c", forbid]
    )
    if ended.returncode == 9:
        pytest.skip("this kernel cannot forbid it")
    assert ended.returncode == 1, ended.stderr
    assert (
        f"the model {str(STARTER)!r} is sound: this machine lacks leave to make memory executable"
        in ended.stderr
    )
    assert not (tmp_path / "index" / "current").exists()


def test_little_memory_is_not_held_against_the_model(tmp_path: Path, sample: Sample) -> None:
    for limit in (700_000, 900_000, 1_100_000):
        under = ["bash", "-c", f'ulimit -v {limit}; exec "$@"', "bash"]
        ended = run("predict", STARTER, min(sample.catalog.rglob("*.jpg")), under=under)
        assert ended.returncode not in (2, 3), ended.stderr


@needs_root
def test_without_a_temporary_folder_no_picture_is_held_unreadable(
    tmp_path: Path, sample: Sample
) -> None:
    index, models = tmp_path / "index", tmp_path / "models"
    shown = [f"mount --bind {tmp_path} {tmp_path}"]  # stays writable
    for folder in ("/tmp", "/var/tmp", "/dev/shm"):  # noqa: S108 - they are not used
        shown.append(f"mount --rbind {folder} {folder} && mount -o remount,ro,bind {folder}")
    under = ["unshare", "-m", "bash", "-c", " && ".join([*shown, 'cd /proc && exec "$@"']), "bash"]
    ended = run("tag", sample.catalog, "--index", index, under=under)
    if "mount" in ended.stderr:
        pytest.skip("this sandbox may not mount")
    assert ended.returncode == 0 or (
        ended.returncode,
        "lacks a temporary folder" in ended.stderr,
    ) == (1, True)
    assert run("tag", sample.catalog, "--index", index).returncode == 0
    assert not rows(index)["error"].str.contains("machine").any()
    ended = run(
        "train",
        sample.labelled,
        "--models",
        models,
        "--groups",
        "color,garment",
        "--check",
        under=under,
    )
    assert (ended.returncode, "this machine lacks a temporary folder" in ended.stderr) == (
        1,
        True,
    ), ended.stderr


@needs_root
def test_a_full_disk_ends_a_training_with_words(
    tmp_path: Path,
    sample: Sample,
    small_disk: Path,  # noqa: F811
) -> None:
    (small_disk / "ballast").write_bytes(b"x" * 3_000_000)
    ended = run(
        "train", sample.labelled, "--models", small_disk / "models", "--groups", "color,garment"
    )
    assert ended.returncode == 1, ended.stderr
    assert "this machine lacks room on a disk" in ended.stderr


def test_a_lack_is_known_by_number_by_type_and_by_words_and_never_by_a_file_name() -> None:
    by_words = [
        RuntimeError("Exception from core.cpp:117:\nstd::bad_alloc"),
        ImportError("failed to map segment"),
    ]
    by_words.append(
        RuntimeError("message: could not create a primitive, in file mkl_avgpooling_op.cc")
    )  # of oneDNN
    numbers = (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EAGAIN)
    for error in (
        MemoryError(),
        *by_words,
        *(OSError(n, os.strerror(n), "dress.jpg") for n in numbers),
    ):
        fault = machine_fault(error)
        assert isinstance(fault, MachineFault)
        assert str(fault).startswith("this machine lacks ")
    for error in (
        OSError(errno.EIO, "Input/output error"),
        StoreError("index 'out of memory' is no index"),
        KeyError(),
    ):
        assert machine_fault(error) is None
    assert (
        machine_fault(
            FileNotFoundError(errno.ENOENT, "No such file", "no usable temporary directory")
        )
        is None
    )


def test_an_error_that_the_machine_led_to_ends_a_command_as_the_machine_s_fault() -> None:
    blamed = BundleError("model 'm': not a readable bundle")
    blamed.__cause__ = OSError(errno.EMFILE, "Too many open files")
    assert (exit_code(blamed), exit_code(BundleError("model 'm': not a readable bundle"))) == (1, 2)
    assert exit_code(InputError("cannot be written")) == 2


def test_a_signal_that_waits_ends_the_work_at_its_next_step_and_a_second_at_once() -> None:
    said = """
import signal
from tagger.exit_codes import deferred, end_if_asked, take_over_signals
take_over_signals()
with deferred():
    signal.raise_signal(signal.SIGINT)
    print("goes on", flush=True)
    {then}
    print("and on", flush=True)
print("never", flush=True)
"""
    for then, expected in (
        ("pass", "goes on\nand on\n"),
        ("end_if_asked()", "goes on\n"),
        ("signal.raise_signal(signal.SIGTERM)", "goes on\n"),
    ):
        ended = subprocess.run(
            [sys.executable, "-c", said.format(then=then)], capture_output=True, text=True
        )
        assert ended.stdout == expected
        assert ended.returncode in (130, 143), ended.stderr
        assert ended.stderr == ""


def test_a_signal_after_a_command_has_ended_ends_its_process_without_a_word() -> None:
    code = (
        "import os, signal, threading, time; from tagger import exit_codes\n"
        "exit_codes.take_over_signals()\n"
        "threading.Thread(target=time.sleep, args=(30,)).start()\n"
        "threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM)).start()\n"
        "exit_codes.give_signals_back()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=25, check=False
    )
    assert (ended.returncode, ended.stderr) == (-signal.SIGTERM, "")
