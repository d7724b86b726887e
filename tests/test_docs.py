"""Pages, --help and code agree, because these tests hold them together."""

import configparser
import inspect
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import cv2
import duckdb
import pandas as pd
import pytest
import typer.main
from conftest import clean_environment, current_rows
from pages import (
    CHECKING,
    IMAGING,
    OPERATIONS,
    PAGES,
    QUERIES,
    README,
    ROOMS,
    ROOT,
    STARTER_CARD,
    anchors,
    blocks,
    command_lines,
    consumer_code,
    inline_commands,
    links,
    name,
    queries,
    set_up,
    with_last_value_shown,
)
from saying import say

import jobs.demo
from jobs.cli import app
from jobs.runs import list_runs
from jobs.tag_catalog import TagOptions, tag_catalog
from tagger.catalog import EXTENSIONS
from tagger.datasets.sample import Sample

COMMANDS = typer.main.get_command(app).commands
OF_ALL = {"--help"}.union(*(each.opts for each in typer.main.get_command(app).params))
OF_OTHERS = {"--head", "--port", "--address", "--no-deps", "--wheel-dir", "--renew-drills"}
OF_OTHERS |= {"--api-key", "--data-dir", "--data-urlencode"}
each_page = pytest.mark.parametrize("page", PAGES, ids=name)


def options_of(command: str) -> set[str]:
    return {option for parameter in COMMANDS[command].params for option in parameter.opts} - {
        parameter.name for parameter in COMMANDS[command].params
    }


@pytest.fixture(scope="module")
def folder(sample: Sample, bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder as the pages speak of it: an index of the starter's, a model, pictures, and
    a table of SKUs."""
    folder = tmp_path_factory.mktemp("queries")
    options = TagOptions(str(sample.catalog), None, str(folder / "index"))
    tag_catalog(options)
    row = current_rows(options).query("status == 'ok'").iloc[0]
    say(folder / "index", row["content_sha256"], "color", label="mauve")
    tag_catalog(options)
    ids = sorted(sample.truth)[:3]
    pd.DataFrame({"sku": ["a", "b", "c"], "image_id": ids}).to_csv(folder / "skus.csv", index=False)
    (folder / "models").mkdir()
    (folder / "models" / "current").symlink_to(bundle_path)
    (folder / "photos" / "red_dress").mkdir(parents=True)
    picture = min(path for path in (sample.labelled / "red_dress").iterdir())
    shutil.copy(picture, folder / "photos" / "red_dress" / "0001.jpg")
    return folder


def run_python(code: str, folder: Path) -> str:
    """Return what code prints in a fresh process, as a reader would paste it."""
    environment = clean_environment() | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-"],
        input=code,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def answers(folder: Path) -> dict[str, str]:
    """What each query of the page prints, all in one process."""
    mark = "=== next query ==="
    parts = [f"print({mark!r})\n{with_last_value_shown(code)}" for code in queries().values()]
    printed = run_python("\n".join([set_up(), *parts]), folder)
    return dict(zip(queries(), printed.split(mark)[1:], strict=True))


@each_page
def test_a_page_is_read_to_its_end(page: Path) -> None:
    lines = page.read_text().splitlines()
    assert len(lines) <= (180 if page == README else 300)


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_found_from_the_readme_and_leads_back() -> None:
    found = {(README.parent / link.partition("#")[0]).resolve() for link in links(README)}
    assert set(PAGES) - {README} <= found
    # A model's card travels with its model.
    for page in set(PAGES) - {README, STARTER_CARD, ROOT / "CHANGELOG.md"}:
        back = {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
        assert README in back, name(page)


def test_the_picture_is_a_sheet_of_the_demo_and_small() -> None:
    (picture,) = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README.read_text())
    assert (ROOT / picture).stat().st_size < 200_000
    assert cv2.imread(str(ROOT / picture)).shape[1] > 1000


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    assert COMMANDS[command].help
    assert f"Example: `tagger {command}" in (COMMANDS[command].epilog or "")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_page_documents_every_option_of_a_command(command: str) -> None:
    texts = [page.read_text() for page in PAGES if page.name != "CHANGELOG.md"]
    about = [text for text in texts if f"tagger {command}" in text or f"make {command}" in text]
    long = {option for option in options_of(command) if option.startswith("--")} - {"--help"}
    if command == "demo":  # its one option is that of its example
        long.remove("--out")
    undocumented = [{option for option in long if option not in text} for text in about]
    assert set() in undocumented, undocumented


@each_page
def test_every_option_that_a_page_names_exists(page: Path) -> None:
    known = set.union(*(options_of(command) for command in COMMANDS))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.read_text()))
    assert named <= known | OF_OTHERS | OF_ALL


@each_page
def test_every_command_line_on_a_page_is_understood(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for written, file in ((OPERATIONS, "nightly.toml"), (CHECKING, "laden.toml")):
        (settings,) = blocks(written, "toml")
        (tmp_path / file).write_text(settings)
    for command, *arguments in command_lines(page):
        COMMANDS[command].make_context(command, arguments)
    for command, *words in inline_commands(page):
        if command in OF_ALL:
            continue
        assert command in COMMANDS, command
        named = {word.partition("=")[0] for word in words if re.match("--[a-z]", word)}
        assert named <= options_of(command), command


@each_page
def test_every_target_of_make_on_a_page_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|\$ |=\S+ )make ([a-z-]+)", page.read_text()))
    assert named <= targets


def test_every_extension_on_the_page_is_read() -> None:
    listed = re.search(r"Pictures are `([^`]+)`", IMAGING.read_text())
    assert listed is not None
    assert set(listed[1].split()) == EXTENSIONS


def test_the_rooms_page_names_every_file_and_no_other() -> None:
    files = {
        str(path.relative_to(ROOT))
        for room in ("jobs", "tagger", "schemas")
        for path in (ROOT / room).rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py")
    }
    named = set(re.findall(r"`((?:jobs|tagger|schemas)/[\w/]+\.py)`", ROOMS.read_text()))
    assert {"not there": named - files, "without a line": files - named} == {
        "not there": set(),
        "without a line": set(),
    }


@each_page
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"`((?:jobs|tagger|schemas|tests)/[\w/]+\.py)`", page.read_text())
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_the_operations_page_says_what_every_exit_code_means() -> None:
    from tagger import errors

    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.TaggerError)
    ]
    codes = {kind.exit_code for kind in kinds}
    for code in codes | {0, 6, 8}:
        assert f"| {code} |" in OPERATIONS.read_text()


def test_the_changelog_names_the_version() -> None:
    from tagger import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("page", [README, QUERIES], ids=name)
def test_the_python_of_a_page_runs(page: Path, folder: Path) -> None:
    run_python("\n\n".join(blocks(page, "python")), folder)


def test_the_readme_s_queries_are_those_of_their_page() -> None:
    text = README.read_text()
    assert set_up() in text
    for title in ("All red dresses over 0.9", "What failed, and why"):
        assert f"# {title}\n{queries()[title]}" in text


@pytest.mark.parametrize(
    "query",
    [
        jobs.demo.red_dresses,
        jobs.demo.top_of_a_label,
        jobs.demo.counts,
        jobs.demo.failures,
        jobs.demo.joined_to_skus,
        jobs.demo.looser_threshold,
    ],
)
def test_the_demo_shows_the_queries_of_the_page(query: Callable[..., pd.DataFrame]) -> None:
    assert query.__doc__ is not None
    code = queries()[query.__doc__]
    if "skus" in inspect.signature(query).parameters:  # the demo has the table already
        code = code.removeprefix('skus = pd.read_csv("skus.csv")  # sku, image_id\n')
    assert jobs.demo.code_of(query) == code


@pytest.mark.parametrize("title", [title for title in queries() if "DuckDB" not in title])
def test_every_query_runs_and_gives_what_a_scan_in_python_gives(
    title: str, answers: dict[str, str], folder: Path
) -> None:
    text = answers[title]
    rows = pd.read_parquet(os.path.realpath(folder / "index" / "current"))
    ok = rows[rows["status"] == "ok"]
    if title.startswith("All red"):
        expected = rows[(rows["score_red"] >= 0.9) & (rows["score_dress"] >= 0.9)]
        assert all(image_id in text for image_id in expected["image_id"])
    elif title.startswith("Counts"):
        counts = ok.fillna({"color": "none", "type": "none"}).groupby(["color", "type"]).size()
        assert all(str(count) in text for count in counts)
    elif title.startswith("What failed"):
        assert all(image_id in text for image_id in rows[rows["status"] != "ok"]["image_id"])
    elif title.startswith("What persons"):
        assert all(image_id in text for image_id in rows[rows["corrected"].notna()]["image_id"])
        assert "overruled" in text
    elif title.startswith("Joined"):
        assert all(sku in text for sku in "abc")
    else:
        assert "score_" in text


def test_filters_push_down_to_the_same_rows_as_a_full_scan(folder: Path) -> None:
    night = os.path.realpath(folder / "index" / "current")
    rows = pd.read_parquet(night)
    for limit in sorted(rows["score_red"].dropna().unique()):
        found = pd.read_parquet(night, columns=["image_id"], filters=[("score_red", ">=", limit)])
        assert set(found["image_id"]) == set(rows[rows["score_red"] >= limit]["image_id"])


def test_the_duckdb_query_gives_the_same_rows_as_pandas(folder: Path) -> None:
    night = os.path.realpath(folder / "index" / "current")
    line = queries()["The first one in DuckDB"].removeprefix("import duckdb\n\n")
    for code in (line, line.replace("0.9", "0.2")):
        found = eval(code, {"duckdb": duckdb, "night": night})  # noqa: S307 - the page's own line
        limit = 0.9 if code == line else 0.2
        rows = pd.read_parquet(night)
        assert set(found["image_id"]) == set(
            rows[(rows["score_red"] >= limit) & (rows["score_dress"] >= limit)]["image_id"]
        )


def test_the_consumer_is_short() -> None:
    assert len(consumer_code().splitlines()) <= 28


@pytest.fixture
def srv(sample: Sample, bundle_path: Path, tmp_path: Path) -> Path:
    """What the operations page calls /srv/fashion."""
    shutil.copytree(sample.catalog, tmp_path / "catalog")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "current").symlink_to(bundle_path)
    (tmp_path / "backup").mkdir()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "tagger").symlink_to(Path(sys.executable).parent / "tagger")
    for written, file in ((OPERATIONS, "nightly.toml"), (CHECKING, "laden.toml")):
        (settings,) = blocks(written, "toml")
        (tmp_path / file).write_text(settings)
    return tmp_path


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = clean_environment() | {
        "PATH": f"{folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    }
    ended = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, f"{command}: {ended.stderr}"
    return ended


def test_the_set_up_of_the_operations_page_makes_what_it_says(srv: Path) -> None:
    (settings,) = blocks(OPERATIONS, "toml")
    (srv / "nightly.toml").unlink()
    fashion = srv.rename(srv.with_name("fashion"))
    (asked,) = [block for block in blocks(OPERATIONS, "") if "tagger init" in block]
    shell(" && ".join(asked.strip().split("\n")).replace("/srv/fashion", str(fashion)), fashion)
    written = tomllib.loads((fashion / "nightly.toml").read_text())
    assert set(written) == {"catalog", "index"}
    for option, path in written.items():
        assert path == str(fashion / tomllib.loads(settings)[option])
    for unit in ("tagger-fashion.service", "tagger-fashion.timer"):
        assert unit in OPERATIONS.read_text()
        assert (fashion / unit).is_file()
    watch = "status index --max-age 26h"
    assert watch in " ".join(OPERATIONS.read_text().split())
    assert watch.replace("index", str(fashion / "index")) in (fashion / "tagger.cron").read_text()


def test_every_command_on_the_operations_page_runs(srv: Path) -> None:
    (crontab,) = blocks(OPERATIONS, "cron")
    for line in crontab.splitlines():
        *when, command = line.split(maxsplit=5)
        assert all(re.fullmatch(r"[\d*]+", part) for part in when)
        shell(command.replace("/srv/fashion", str(srv)), srv)
    (unit,) = blocks(OPERATIONS, "ini")
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read_string(unit)
    assert parsed["Service"]["WorkingDirectory"] == "/srv/fashion"
    shell(parsed["Service"]["ExecStart"].replace("/srv/fashion", str(srv)), srv)
    night = os.path.realpath(srv / "index" / "current")
    commands = [line for block in blocks(OPERATIONS, "sh") for line in block.splitlines()]
    say(srv / "index", "a" * 64, "color", label="red")
    assert len(commands) >= 7
    for command in commands:
        shell(command.replace("SNAPSHOT", Path(night).parent.name), srv)
    restored = os.path.realpath(srv / "restored" / "current")
    pd.testing.assert_frame_equal(pd.read_parquet(restored), pd.read_parquet(night))
    assert next(record.state for record in list_runs(str(srv / "index")).runs) == "rolled_back"
