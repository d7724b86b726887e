"""A shop that is tagged every night, for drills: whatever goes wrong is provoked for real, and the
mail that cron would send is held to a golden file in `drills/`."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from conftest import jpeg, settle, textured
from fixtures.renew_index import BUNDLE

from jobs.console.output import lines_of, set_for_mail

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / "drills"
MOST_LINES = 8
WIDTH = 100

PICTURES = 48

# The mail breaks lines where paths and numbers of this machine want it; the golden file, where
# those of the page do. A line that begins so begins a paragraph.
_BEGINNINGS = (
    "tagger: ",
    "Failed: ",
    "Readers see ",
    "More: ",
    "Somebody, ",
    "Nothing was published; ",
    "The run's record ",
    "The night ",
    "The report ",
)
_OF_THIS_MACHINE = (
    (r"\d{8}T\d{6}Z-[0-9a-f]{4}", "20261123T031500Z-8f3a"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", "2026-11-23T03:15:00+00:00"),
    (r"\b\d{4}-\d\d-\d\d \d\d:\d\d\b", "2026-11-23 03:15"),
    (r"process \d+ on [^ ,]+", "process 4711 on shop"),
    (r"[\d.,]+ MiB", "12.3 MiB"),
)


class Shop:
    """A folder with a catalog, a model and the index of a first night."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.catalog = home / "catalog"
        self.index = home / "index"
        self.model = home / "models" / "shop-v1"
        self.variables: dict[str, str] = {}

    def open(self) -> None:
        """Draw the catalog, and tag it for the first time."""
        for i in range(PICTURES):
            self.deliver(f"2026/{7 + i % 2:02d}/{i:02d}.jpg", jpeg(textured(24, 24, seed=i)))
        shutil.copytree(BUNDLE, self.model)
        ended = self.tag()
        assert (ended.returncode, ended.stdout) == (0, "")

    def copy_to(self, home: Path) -> "Shop":
        """Return the same shop elsewhere; the paths in its index are those of the new place."""
        shutil.copytree(self.home, home, symlinks=True)
        moved = Shop(home)
        for manifest in moved.index.glob("snapshots/*/manifest.json"):
            held = json.loads(manifest.read_text())
            manifest.write_text(json.dumps(held | {"catalog": str(moved.catalog)}))
        return moved

    def deliver(self, name: str, content: bytes = b"") -> None:
        """Put a file into the catalog that was written long ago."""
        path = self.catalog / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (1.7e9, 1.7e9))

    def deliver_many(self, n: int, first: int = 1000) -> None:
        """Put pictures into the catalog."""
        for i in range(first, first + n):
            self.deliver(f"2026/09/{i}.jpg", jpeg(textured(24, 24, seed=i)))

    def current(self) -> Path:
        """Return the folder of the snapshot that readers see."""
        return Path(os.path.realpath(self.index / "current")).parent

    def command(self, *options: object) -> list[str]:
        """Return the night's command, as cron has it."""
        given = ["tag", "catalog", "--index", "index", "--workers", 1, "--quiet", *options]
        if "--model" not in options and "--config" not in options:
            given += ["--model", "models/shop-v1"]
        return [sys.executable, "-m", "jobs.cli", *map(str, given)]

    def start(self, *options: object, under: Sequence[str] = ()) -> "subprocess.Popen[str]":
        """Start a night; its output is what cron would mail."""
        return self._start([*under, *self.command(*options)])

    def tag(
        self, *options: object, under: Sequence[str] = ()
    ) -> "subprocess.CompletedProcess[str]":
        """Let a night come to its end."""
        return ended(self.start(*options, under=under))

    def run(self, *words: object) -> "subprocess.CompletedProcess[str]":
        """Run another command of `tagger`."""
        return ended(self._start([sys.executable, "-m", "jobs.cli", *map(str, words)]))

    def _start(self, command: list[str]) -> "subprocess.Popen[str]":
        kept = ("PATH", "XDG_CACHE_HOME", "HOME")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.home,
            env=environment | {"PYTHONPATH": str(ROOT), "TZ": "UTC"} | self.variables,
        )

    def in_workers(self, code: str) -> None:
        """Let every decode worker run this code once its libraries are loaded."""
        self._site(f"import sys\nif 'spawn_main' in ' '.join(sys.orig_argv):\n{_indented(code)}")

    def in_the_night(self, code: str) -> None:
        """Let the night's own process run this code before it begins."""
        self._site(f"import sys\nif 'jobs.cli' in sys.orig_argv:\n{_indented(code)}")

    def _site(self, text: str) -> None:
        site = self.home / "site"
        site.mkdir(exist_ok=True)
        with open(site / "sitecustomize.py", "a") as file:
            file.write(text)
        self.variables["PYTHONPATH"] = f"{site}{os.pathsep}{ROOT}"

    def settle(self) -> None:
        """Give every picture a past."""
        settle(self.catalog)


def ended(process: "subprocess.Popen[str]") -> "subprocess.CompletedProcess[str]":
    """Return what a process said and how it ended."""
    out, _ = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, None)


def interrupted(
    process: "subprocess.Popen[str]", when: Callable[[], bool], number: signal.Signals
) -> "subprocess.CompletedProcess[str]":
    """Send a signal at a moment, and return how the process ended."""
    from nights import wait_until

    wait_until(when, process)
    process.send_signal(number)
    return ended(process)


class Mails:
    """Holds mails to their golden files, or writes those anew."""

    def __init__(self, shop: Shop, *, renew: bool) -> None:
        self._shop = shop
        self._renew = renew

    def hold(
        self,
        name: str,
        mail: "subprocess.CompletedProcess[str]",
        code: int,
        *varying: tuple[str, str],
    ) -> None:
        """The mail of this name is the golden one, short, and its command ended with `code`.

        `varying` are patterns of what differs from time to time, and what stands for it.
        """
        assert mail.returncode == code, mail.stdout
        lines = mail.stdout.splitlines()
        assert "Traceback" not in mail.stdout, mail.stdout
        assert len(lines) <= MOST_LINES, mail.stdout
        for line in lines if "--quiet" in mail.args else ():
            assert len(line) <= WIDTH or " " not in line.strip(), line
        text = f"exit code {code}\n{self._of_any_machine(lines, varying)}"
        golden = GOLDEN / f"{name}.txt"
        if self._renew:
            golden.write_text(text)
        assert text == golden.read_text(), "if that is meant: pytest --renew-drills"

    def _of_any_machine(self, lines: list[str], varying: Sequence[tuple[str, str]]) -> str:
        if not lines or not f"{lines[0]} ".startswith(_BEGINNINGS):  # not set for a mail
            return "".join(f"{self._with_the_page_s_names(line, varying)}\n" for line in lines)
        joined: list[str] = []
        for line in lines:
            named = self._with_the_page_s_names(line, varying)
            if f"{named} ".startswith(_BEGINNINGS):  # a long path may have a line of its own
                joined.append(line)
            else:
                joined[-1] += f" {line}"
        # What varies may go over the end of a line.
        paragraphs = [self._with_the_page_s_names(text, varying) for text in joined]
        set_for_mail(True)
        try:
            return "".join(f"{line}\n" for text in paragraphs for line in lines_of(text))
        finally:
            set_for_mail(False)

    def _with_the_page_s_names(self, text: str, varying: Sequence[tuple[str, str]]) -> str:
        text = text.replace(str(self._shop.home), "/srv/fashion").replace(str(ROOT), "/opt/tagger")
        for pattern, standing in (*_OF_THIS_MACHINE, *varying):
            text = re.sub(pattern, standing, text)
        return text


def _indented(code: str) -> str:
    return "".join(f"    {line}\n" for line in code.strip().splitlines())
