"""The files that set up a night: read by the night itself, by a shell as cron starts one, and by
systemd."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main
from conftest import clean_environment
from hypothesis import given
from hypothesis import strategies as st

from jobs.cli import app
from jobs.console.nightly_file import nightly_file
from jobs.init import InitOptions, init
from jobs.schedule import (
    Night,
    check_name,
    check_paths,
    cron_lines,
    service_unit,
    timer_unit,
    unit_name,
)
from tagger.errors import InputError

Tagger = Callable[..., subprocess.CompletedProcess[str]]
FILES = {"nightly.toml", "tagger.cron", "tagger-shop.service", "tagger-shop.timer"}
ODD = ["two words", "100%", "it's", 'say "so"', "ümlaut", "%h", "$HOME", "a;b&c", "#1", "=x"]
_TAG: Any = typer.main.get_command(app)
TAG = _TAG.commands["tag"]
PATH_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=20)


def settings(*arguments: object) -> dict[str, Any]:
    """Return what `tagger tag` is asked with these arguments, as the real command reads them."""
    asked = TAG.make_context("tag", [str(argument) for argument in arguments]).params
    return {name: value for name, value in asked.items() if name != "config"}


def uncommented(text: str) -> str:
    return re.sub(r"^# (?=[a-z-]+ = )", "", text, flags=re.MULTILINE)


def test_the_file_asks_what_the_command_asks_by_default(tmp_path: Path) -> None:
    config = tmp_path / "nightly.toml"
    config.write_text(nightly_file({"catalog": "/c", "index": "/i"}))
    assert settings("--config", config) == settings("/c", "--index", "/i")


def test_every_option_is_there_with_its_help_and_a_value_that_the_command_takes(
    tmp_path: Path,
) -> None:
    text = uncommented(nightly_file({}))
    may_be_set = {each.opts[0].removeprefix("--") for each in TAG.params if not each.is_eager}
    assert set(tomllib.loads(text)) == may_be_set
    unfolded = re.sub(r"\n# ", " ", text)
    for option in TAG.params:
        if not option.is_eager:
            assert " ".join(option.help.split()) in unfolded
    config = tmp_path / "nightly.toml"
    config.write_text(text)
    asked, default = settings("--config", config), settings("CATALOG", "--index", "INDEX")
    examples = {"model", "exclude", "include", "backfill_limit", "max_seconds"}
    changed = {name for name in asked if asked[name] != default[name]}
    assert changed >= examples
    assert all(default[name] in (None, (), []) for name in changed)


@given(catalog=PATH_TEXT, index=PATH_TEXT)
def test_any_path_is_in_the_file_as_it_is(catalog: str, index: str) -> None:
    text = nightly_file({"catalog": f"/{catalog}", "index": f"/{index}"})
    assert tomllib.loads(text) == {"catalog": f"/{catalog}", "index": f"/{index}"}


@pytest.mark.parametrize("name", [*ODD, "two\nlines", "back\\slash", " blank "])
def test_the_night_finds_a_catalog_and_an_index_of_any_name(name: str, tmp_path: Path) -> None:
    catalog, index = tmp_path / "c" / name, tmp_path / "i" / name
    catalog.mkdir(parents=True)
    index.mkdir(parents=True)
    init(InitOptions(out=str(tmp_path / "out"), catalog=str(catalog), index=str(index)))
    asked = settings("--config", tmp_path / "out" / "nightly.toml")
    assert (asked["catalog"], asked["index"]) == (str(catalog), str(index))


def test_paths_are_absolute_and_the_current_model_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("catalog", "models"):
        Path(folder).mkdir()
    said = init(InitOptions(out="shop", catalog="catalog", index="index", models="models"))
    written = tomllib.loads(Path("shop", "nightly.toml").read_text())
    assert written == {
        "catalog": str(tmp_path / "catalog"),
        "model": str(tmp_path / "models" / "current"),
        "index": str(tmp_path / "index"),
    }
    assert set(os.listdir("shop")) == FILES
    assert len(said.splitlines()) == 4


@pytest.mark.parametrize("there", sorted(FILES))
def test_nothing_is_replaced(there: str, tmp_path: Path, tagger: Tagger) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / there).write_text("mine")
    ended = tagger("init", "--out", shop)
    assert ended.returncode == 2
    assert f"has {there} already" in ended.stderr
    assert os.listdir(shop) == [there]
    assert (shop / there).read_text() == "mine"


def test_two_shops_on_one_machine_have_units_of_their_own(tmp_path: Path) -> None:
    for shop in ("north", "my shöp 100%", "-x"):
        init(InitOptions(out=str(tmp_path / shop)))
    init(InitOptions(out=str(tmp_path / "elsewhere" / "north"), name="old-north"))
    units = [path.name for path in tmp_path.rglob("*.timer")]
    assert sorted(units) == [
        "tagger-_x.timer",
        "tagger-my_sh_p_100_.timer",
        "tagger-north.timer",
        "tagger-old-north.timer",
    ]


@pytest.mark.parametrize("name", ["two words", "a/b", "-x", "ö", "a@b", "x" * 101])
def test_a_name_that_a_unit_cannot_have_is_refused(
    name: str, tmp_path: Path, tagger: Tagger
) -> None:
    ended = tagger("init", "--out", tmp_path / "out", f"--name={name}")
    assert ended.returncode == 2
    assert "letters, digits" in ended.stderr
    assert not (tmp_path / "out").exists()


@given(name=PATH_TEXT)
def test_units_of_any_folder_have_a_name_that_needs_no_quotes(name: str) -> None:
    if name not in (".", ".."):
        check_name(unit_name(Path("/srv", name)))
        assert shlex.quote(unit_name(Path("/srv", name))) == unit_name(Path("/srv", name))
    check_name(unit_name(Path("/")))


@pytest.mark.parametrize("out", ["two\nlines", "back\\slash", "blank ", "bell\a"])
def test_a_folder_that_no_crontab_can_name_is_refused(
    out: str, tmp_path: Path, tagger: Tagger
) -> None:
    ended = tagger("init", "--out", tmp_path / out)
    assert ended.returncode == 2
    assert "cron and systemd cannot take a path" in ended.stderr
    assert os.listdir(tmp_path) == []


def test_what_the_file_could_not_say_is_refused(tmp_path: Path, tagger: Tagger) -> None:
    (tmp_path / os.fsdecode(b"\xff")).mkdir()
    cases: list[tuple[list[object], str]] = [
        ([tmp_path / "none"], "there is no such folder"),
        (["--models", tmp_path / "none"], "Without --models the night uses the starter model"),
        ([tmp_path / os.fsdecode(b"\xff")], "no valid UTF-8"),
        (["--index", tmp_path / "$x"], "make it first"),
    ]
    for arguments, message in cases:
        ended = tagger("init", *arguments, "--out", tmp_path / "out")
        assert ended.returncode == 2
        assert message in ended.stderr
        assert not (tmp_path / "out").exists()


def test_what_is_still_to_be_set_is_said_and_can_be(tmp_path: Path) -> None:
    said = init(InitOptions(out=str(tmp_path)))
    assert "1. Set catalog and index in nightly.toml, then try" in said
    text = (tmp_path / "nightly.toml").read_text()
    assert '# catalog = "CATALOG"  # to be set' in text


def as_cron_runs_it(crontab: str) -> list[str]:
    """Return the shell commands of a crontab, by the rules of crontab(5): at the first % that has
    no backslash a command ends."""
    lines = [line for line in crontab.splitlines() if line and not line.startswith("#")]
    commands = [line.split(maxsplit=5)[5] for line in lines]
    assert not any(re.search(r"(?<!\\)%", command) for command in commands)
    return [command.replace("\\%", "%") for command in commands]


def with_the_watch(crontab: str) -> str:
    """Return a crontab with the line of the watch at work."""
    return re.sub(r"^#(?=0 9 )", "", crontab, flags=re.MULTILINE)


def stand_in(folder: Path) -> Path:
    """Write a program that prints where it was started, and with which words."""
    folder.mkdir(parents=True)
    program = folder / "tagger"
    program.write_text('#!/bin/sh\npwd\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("name", ODD)
def test_the_lines_for_cron_start_the_night_in_its_folder_and_ask_for_it(
    name: str, tmp_path: Path
) -> None:
    program = stand_in(tmp_path / name / "bin")
    folder, index = tmp_path / name, tmp_path / name / "index"
    crontab = cron_lines(Night(folder, [str(program)], "ada", "shop", str(index)))
    (tag,) = as_cron_runs_it(crontab)
    _, status = as_cron_runs_it(with_the_watch(crontab))
    said = {
        command: subprocess.run(
            ["sh", "-c", command], capture_output=True, text=True, env={}, cwd="/"
        )
        for command in (tag, f"{status}; echo ended")
    }
    for ended in said.values():
        assert (ended.returncode, ended.stderr) == (0, "")
    words = ["tag", "--config", "nightly.toml", "--quiet"]
    assert said[tag].stdout.splitlines() == [str(folder), *words]
    assert said[f"{status}; echo ended"].stdout == "ended\n"
    program.write_text(program.read_text() + "exit 8\n")
    bad = subprocess.run(["sh", "-c", status], capture_output=True, text=True, env={}, cwd="/")
    asked = [str(folder), "status", str(index), "--max-age", "26h"]
    assert bad.stdout.splitlines() == asked


def test_a_good_night_of_cron_prints_nothing_and_a_bad_one_what_to_do(
    catalog: Path, tmp_path: Path
) -> None:
    shop = tmp_path / """it's "100%" $HOME, ümlaut"""
    index = shop / "the index"
    index.mkdir(parents=True)  # or a $ in its path could not be written down
    init(InitOptions(out=str(shop), catalog=str(catalog), index=str(index)))
    tag, status = as_cron_runs_it(with_the_watch((shop / "tagger.cron").read_text()))

    def started(command: str) -> tuple[int, str]:
        ended = subprocess.run(
            ["/bin/sh", "-c", command],
            capture_output=True,
            text=True,
            cwd="/",
            env=clean_environment() | {"LANG": "C"},
            timeout=240,
        )
        return ended.returncode, ended.stdout + ended.stderr

    _, said = started(status)
    assert "it is no index" in said
    assert started(tag) == (0, "")
    assert (index / "current").is_dir()
    assert started(status) == (0, "")
    catalog.rename(tmp_path / "unmounted")
    code, said = started(tag)
    assert code == 2
    assert str(catalog) in said
    _, said = started(status)
    assert said.startswith("CRITICAL: the last run")


def test_an_index_that_is_not_known_or_has_a_line_break_is_left_to_the_reader() -> None:
    for index in (None, "/srv/two\nlines"):
        crontab = cron_lines(Night(Path("/srv/shop"), ["/bin/tagger"], "ada", "shop", index))
        assert "status INDEX --max-age 26h" in crontab
        assert len(as_cron_runs_it(crontab)) == 1


@given(name=PATH_TEXT)
def test_any_folder_is_refused_or_quoted_for_cron(name: str) -> None:
    night = Night(Path(f"/srv/{name}"), [f"/opt/{name}/tagger"], "ada", "shop", f"/srv/{name}/i")
    try:
        check_paths(night)
    except InputError:
        assert not name.isprintable() or "\\" in name or name.strip() != name
        return
    tag, status = as_cron_runs_it(with_the_watch(cron_lines(night)))
    folder = str(Path(f"/srv/{name}"))  # of one called . there is nothing left
    assert shlex.split(tag)[:4] == ["cd", folder, "&&", f"/opt/{name}/tagger"]
    assert f"status {shlex.quote(f'/srv/{name}/i')} --max-age" in status


def verified(folder: Path, night: Night) -> "subprocess.CompletedProcess[str]":
    """Let systemd read the units."""
    folder.mkdir(exist_ok=True)
    (folder / night.service).write_text(service_unit(night))
    (folder / night.timer).write_text(timer_unit(night))
    return subprocess.run(
        ["systemd-analyze", "verify", folder / night.service, folder / night.timer],
        capture_output=True,
        text=True,
        env=os.environ | {"SYSTEMD_LOG_LEVEL": "info"},
    )


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("name", ["plain", *ODD])
def test_systemd_reads_the_units_and_finds_the_program(name: str, tmp_path: Path) -> None:
    program = stand_in(tmp_path / name)
    ended = verified(tmp_path / "units", Night(program.parent, [str(program)], "root", "shop"))
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")
    program.unlink()
    ended = verified(tmp_path / "units", Night(program.parent, [str(program)], "root", "shop"))
    in_a_shell = "'" in name or '"' in name  # which is there
    assert (ended.returncode == 0) is in_a_shell
    assert in_a_shell or f"Command {program} is not executable" in ended.stderr


@pytest.mark.parametrize("name", ODD)
def test_the_words_of_the_service_are_those_of_the_night(name: str, tmp_path: Path) -> None:
    """Read as systemd.service(5) says: quotes as a shell has them, and $$ and %% for one."""
    program = stand_in(tmp_path / name)
    unit = service_unit(Night(program.parent, [str(program), name], "root", "shop"))
    (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    words = [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(command)]
    ended = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert ended.stdout.splitlines() == [str(tmp_path), name, "tag", "--config", "nightly.toml"]


def test_the_service_says_who_works_where_and_how(tmp_path: Path) -> None:
    night = Night(Path("/srv/100% ours"), ["/opt/py", "-m", "jobs.cli"], "ada", "shop")
    unit = service_unit(night)
    for line in (
        "Description=Tag the fashion catalog of /srv/100%% ours",
        "# What a night says is in the journal: journalctl -u tagger-shop",
        "User=ada",
        "WorkingDirectory=/srv/100%% ours",
        "ExecStart=/opt/py -m jobs.cli tag --config nightly.toml",
        "PrivateNetwork=yes",
        "TimeoutStopSec=5min",
        "Nice=10",
    ):
        assert line in unit.splitlines()
    assert "Persistent=true" in timer_unit(night).splitlines()


def _has_networks_of_its_own() -> bool:
    try:
        return subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.serial
@pytest.mark.skipif(not _has_networks_of_its_own(), reason="this machine gives out no networks")
def test_a_night_works_without_a_network_as_its_unit_has_it(catalog: Path, tmp_path: Path) -> None:
    init(InitOptions(out=str(tmp_path), catalog=str(catalog), index=str(tmp_path / "index")))
    ended = subprocess.run(
        ["unshare", "-rn", sys.executable, "-m", "jobs.cli", "tag", "--config", "nightly.toml"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "index" / "current").is_dir()


def test_the_first_of_the_three_lines_can_be_pasted(catalog: Path, tmp_path: Path) -> None:
    out = tmp_path / "it's 100% ours"
    said = init(InitOptions(out=str(out), catalog=str(catalog), index=str(tmp_path / "index")))
    (command,) = re.findall(r"^1\. .*?: (cd .*)$", said, re.MULTILINE)
    ended = subprocess.run(
        ["sh", "-c", command], env=clean_environment(), capture_output=True, text=True, timeout=240
    )
    assert ended.returncode == 0, ended.stderr
    assert not (tmp_path / "index").exists()
