"""Nothing phones home: every command, with its network, its home folder and its standard error
watched."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import TINY, clean_environment

from tagger.datasets.sample import Sample

pytestmark = pytest.mark.serial

_WATCH = """
import os, pwd, sys

log = os.open(os.environ["WATCHED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

def watch(event, given):
    if event in ("socket.connect", "socket.sendto") and isinstance(given[1], tuple):
        note("reaches", given[1][0])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        note("reaches", given[0])
    elif event == "open" and isinstance(given[0], (str, bytes)) and given[2] & WRITES:
        note("writes", os.path.abspath(os.fsdecode(given[0])))
    elif event == "os.mkdir":
        note("writes", os.path.abspath(os.fsdecode(given[0])))

def note(*what):
    os.write(log, (" ".join(map(str, what)) + chr(10)).encode())

def nobody(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")

if "HOME" not in os.environ:
    pwd.getpwuid = nobody
sys.addaudithook(watch)
"""

_COMMANDS = f"""
import functools, json, sys
import jobs.cli, jobs.demo, jobs.train

if __name__ == "__main__":
    tiny = {TINY!r}
    jobs.train.TrainOptions = functools.partial(jobs.train.TrainOptions, architecture=tiny)
    small = functools.partial(jobs.demo.demo, labelled=88, catalog=30, epochs=1, architecture=tiny)
    jobs.demo.demo = small
    for command in json.loads(sys.argv[1]):
        print("did", command, jobs.cli.run(command), flush=True)
"""

_OURS = re.compile(
    r"drawing a sample catalog|training on |tagging once more|[\d,]+ parameters, |epoch \d+: "
    r"|\w+: judged by (?:pixels|shape), because its name is a word for "
    r"|published [\d,]+ rows as |nothing has changed: |not promoted: "
    r"|tagger: model \S+ is no better|\d+ Ray workers|(bfloat16|int8|float32) is used: "
)
_NOT_THE_NETWORK = ("127.", "::1", "localhost", "None")

_TRAINING = [
    ["train", "LABELLED", "--models", "models", "--groups", "color,garment", "--check"],
    ["train", "LABELLED", "--models", "models", "--groups", "color,garment", "--epochs", "1"],
    ["models", "models"],
]
_TAGGING = [
    ["tag", "CATALOG", "--index", "index", "--features"],
    ["predict", "MODEL", "PICTURE", "--overlay", "overlay"],
    ["similar", "index", "PICTURE", "--sheet", "sheet.png"],
    ["verify", "index"],
    ["runs", "index"],
]
_RAY = [["tag", "CATALOG", "--index", "ray-index", "--engine", "ray", "--workers", "1"]]
_THE_OTHERS = [
    ["demo", "--out", "demo"],
    ["retrain", "LABELLED", "--from", "models/fashion-v1", "--models", "models", "--epochs", "1"],
    ["evaluate", "models/fashion-v1", "LABELLED", "--audit", "audit"],
    ["pack", "models/fashion-v1", "LABELLED", "--out", "packed"],
    ["promote", "models/fashion-v1"],
    ["predict", "models/fashion-v1", "PICTURE", "--backend", "keras"],
    ["tag", "CATALOG", "--index", "index", "--full"],
    ["rollback", "index", "SNAPSHOT"],
]


class Watched:
    """Commands in a folder of their own, and what they did beside their work."""

    def __init__(self, folder: Path, sample: Sample, model: Path, home: str | None) -> None:
        self.folder = folder / "work"
        self.home = home
        self._home_was_there = bool(home) and os.path.isdir(home)
        self._log = folder / "watched.txt"
        self._given = {
            "LABELLED": str(sample.labelled),
            "CATALOG": str(sample.catalog),
            "MODEL": str(model),
        }
        self._given["PICTURE"] = str(min(sample.catalog.rglob("*.jpg")))
        self._temporary = Path(tempfile.mkdtemp(prefix="t-"))  # short: Ray's sockets lie in it
        for new in (self.folder, folder / "hook"):
            new.mkdir()
        (folder / "hook" / "sitecustomize.py").write_text(_WATCH)
        (folder / "commands.py").write_text(_COMMANDS)
        self._script = folder / "commands.py"
        # As cron has it: no variable of a build service, at which telemetry stays away by itself.
        kept = {"PATH", "LANG", "COLUMNS", "NO_COLOR", "TERM"}
        self._environment = {
            name: value for name, value in clean_environment().items() if name in kept
        } | {
            "WATCHED": str(self._log),
            "TMPDIR": str(self._temporary),
            "PYTHONPATH": f"{folder / 'hook'}{os.pathsep}{os.getcwd()}",
            "PYTHONDONTWRITEBYTECODE": "1",
            **({} if home is None else {"HOME": home}),
        }

    def run(self, commands: list[list[str]]) -> None:
        """Run the commands in one process; each ends well, and none says anything that is not
        ours."""
        self._given["SNAPSHOT"] = min(
            (path.name for path in self.folder.glob("index/snapshots/*")), default="none yet"
        )
        given = [[self._given.get(word, word) for word in command] for command in commands]
        ran = subprocess.run(
            [sys.executable, str(self._script), json.dumps(given)],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        codes = re.findall(r"^did \[(.*)\] (\d+)$", ran.stdout, re.MULTILINE)
        assert len(codes) == len(commands), ran.stderr
        assert [did for did, code in codes if code not in ("0", "5")] == [], ran.stderr
        assert [line for line in ran.stderr.splitlines() if line and not _OURS.match(line)] == []

    def kept_quiet(self) -> None:
        """Nothing was asked of the network, and nothing is where it does not belong."""
        noted = [line.split(" ", 1) for line in self._log.read_text().splitlines()]
        assert {
            where
            for what, where in noted
            if what == "reaches" and not where.startswith(_NOT_THE_NETWORK)
        } == set()
        allowed = [f"{self.folder}/", f"{self._temporary}", "/dev/", "/proc/"]
        if self.home:
            allowed.append(f"{self.home}/.cache")
        written = {where for what, where in noted if what == "writes"}
        if self._home_was_there:
            written.discard(self.home)  # to make a folder that is there makes nothing
        assert {where for where in written if not where.startswith(tuple(allowed))} == set()
        self._temporary.rmdir()  # empty
        asked_for = {
            "demo",
            "models",
            "audit",
            "packed",
            "overlay",
            "index",
            "ray-index",
            "sheet.png",
        }
        assert set(os.listdir(self.folder)) <= asked_for
        if self.home and os.path.isdir(self.home) and self.home not in ("/", "/proc"):
            assert set(os.listdir(self.home)) <= {".cache"}
            assert set(os.listdir(os.path.join(self.home, ".cache"))) <= {"fashion-catalog-tagger"}


def test_no_command_asks_the_network_or_writes_into_the_home_folder(
    tmp_path: Path, sample: Sample, bundle_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    watched = Watched(tmp_path, sample, bundle_path, str(tmp_path / "home"))
    watched.run(_TAGGING)
    watched.run(_TRAINING)
    watched.run(_RAY)
    watched.kept_quiet()


def test_a_user_without_a_home_needs_none(
    tmp_path: Path, sample: Sample, bundle_path: Path
) -> None:
    """As a service has it whose user is a bare number."""
    watched = Watched(tmp_path, sample, bundle_path, None)
    watched.run([*_TAGGING, *_TRAINING])
    watched.kept_quiet()


@pytest.mark.long
@pytest.mark.parametrize("home", ["none", "missing", "read-only", "root", "empty", "there"])
def test_every_command_in_a_process_of_its_own_is_quiet_in_any_home(
    tmp_path: Path, sample: Sample, bundle_path: Path, home: str
) -> None:
    (tmp_path / "there").mkdir()
    named = {"missing": str(tmp_path / "missing"), "there": str(tmp_path / "there")}
    homes = {"none": None, "read-only": "/proc", "root": "/", "empty": "", **named}
    if home in ("root", "empty") and os.geteuid() == 0:
        pytest.skip("root may write into /, which is home then")
    watched = Watched(tmp_path, sample, bundle_path, homes[home])
    for command in [*_TRAINING, *_TAGGING, *_RAY, *_THE_OTHERS]:
        watched.run([command])
    watched.kept_quiet()
