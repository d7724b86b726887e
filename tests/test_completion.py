"""Shell completion, in a real bash: commands, options, what an option takes, and paths."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import clean_environment

PATIENCE = 90.0  # seconds: a busy machine takes its time to start Python


class Bash:
    """An interactive bash at a terminal of its own."""

    def __init__(self, home: Path) -> None:
        terminal, its_end = pty.openpty()
        self._terminal = terminal
        self._process = subprocess.Popen(
            ["bash", "-i"],
            stdin=its_end,
            stdout=its_end,
            stderr=its_end,
            cwd=home,
            env=environment(home),
            start_new_session=True,
        )
        os.close(its_end)

    def completed(self, typed: str, expected: str) -> str:
        """Type something and TAB; return what the terminal shows once that has `expected`."""
        os.write(self._terminal, f"{typed}\t".encode())
        shown = ""
        until = time.monotonic() + PATIENCE
        while expected not in shown and time.monotonic() < until:
            if select.select([self._terminal], [], [], 1)[0]:
                shown += os.read(self._terminal, 4096).decode()
        os.write(self._terminal, b"\x15")  # leaves an empty line
        return shown

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)


def environment(home: Path) -> dict[str, str]:
    """Return what a shell of somebody who lives at `home` is started with."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return clean_environment() | {"HOME": str(home), "PATH": programs, "PS1": "> "}


needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@pytest.fixture
def bash(tmp_path: Path) -> Iterator[Bash]:
    """A bash whose owner has installed completion as the page says."""
    command = ["bash", "-c", "tagger --install-completion; exit $?"]
    ended = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    (tmp_path / "index-of-ours").mkdir()
    shell = Bash(tmp_path)
    yield shell
    shell.close()


@pytest.mark.serial
@needs_bash
def test_a_bash_completes_commands_options_values_and_paths(bash: Bash) -> None:
    for typed, expected in (
        ("tagger mod", "tagger models "),
        ("tagger tag --max-err", "--max-error-rate "),
        ("tagger tag --backend openv", "--backend openvino "),
        ("tagger verify index-", "verify index-of-ours/"),
        ("tagger tag --index index-", "--index index-of-ours/"),
        ("tagger models models --pr", "--prune "),
    ):
        assert expected in bash.completed(typed, expected)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_given_a_script_that_asks_the_program(shell: str, tmp_path: Path) -> None:
    asked = environment(tmp_path) | {"_TAGGER_COMPLETE": f"source_{shell}"}
    ended = subprocess.run(["tagger"], env=asked, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert f"complete_{shell}" in ended.stdout
    if shutil.which(shell):
        checked = subprocess.run([shell, "-n"], input=ended.stdout, capture_output=True, text=True)
        assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_are_answered_too(shell: str, tmp_path: Path) -> None:
    asked = environment(tmp_path) | {
        "_TAGGER_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": "tagger mod",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    ended = subprocess.run(["tagger"], env=asked, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "models" in ended.stdout
    assert "rollback" not in ended.stdout


@pytest.mark.parametrize("words", ["tagger\nmod", "tagger\ntag\n--ba", "tagger\ntrain\nphotos\n--"])
def test_completing_loads_nothing_heavy(words: str) -> None:
    code = (
        "import sys, jobs.cli\n"
        "sys.argv = ['tagger']\n"
        "try:\n    jobs.cli.main()\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'tensorflow', 'keras', 'openvino', 'ray', 'cv2', 'pandas', 'pyarrow', 'numpy',\n"
        "         'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    asked = clean_environment() | {
        "_TAGGER_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count("\n")),
    }
    ended = subprocess.run([sys.executable, "-c", code], env=asked, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split()
