"""README, --help, format page and code agree, because these tests hold them together."""

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import typer.main
from conftest import clean_environment

import jobs.demo
from jobs.cli import app
from jobs.queries import CONSUMER, DUCKDB, QUERIES
from jobs.runs import list_runs
from jobs.tag_catalog import TagOptions, tag_catalog
from tagger.catalog import EXTENSIONS
from tagger.datasets.sample import Sample

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def folder(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an index, made without a model named, and a table of SKUs, as the README's
    queries expect."""
    folder = tmp_path_factory.mktemp("queries")
    tag_catalog(TagOptions(str(sample.catalog), None, str(folder / "index")))
    ids = sorted(sample.truth)[:3]
    pd.DataFrame({"sku": ["a", "b", "c"], "image_id": ids}).to_csv(folder / "skus.csv", index=False)
    return folder


def test_every_command_is_in_the_readme_and_has_help_with_an_example() -> None:
    command = typer.main.get_command(app)
    for name, sub in command.commands.items():
        assert f"tagger {name}" in README or f"make {name}" in README, name
        assert sub.help, name
        assert f"Example: `tagger {name}" in (sub.epilog or ""), name


def test_every_option_the_readme_names_exists() -> None:
    command = typer.main.get_command(app)
    options = {
        option
        for sub in command.commands.values()
        for parameter in sub.params
        for option in parameter.opts
    }
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) - {"--help"}
    named -= {"--head", "--port", "--address"}  # of `ray start`
    assert named <= options, named - options


def test_every_extension_and_module_in_the_readme_is_real() -> None:
    listed = re.search(r"Pictures are `([^`]+)`", README)
    assert listed is not None
    assert set(listed[1].split()) == EXTENSIONS
    for name in re.findall(r"`((?:jobs|tagger|schemas)/\w+\.py)`", README):
        assert (ROOT / name).is_file(), name
    for module in (ROOT / "tagger").glob("[a-z]*.py"):
        assert f"`tagger/{module.name}`" in README or module.name in (
            "errors.py",
            "files.py",
            "backend.py",
        ), module.name


def test_the_readme_holds_the_queries_as_they_are_run() -> None:
    for title, code in QUERIES:
        assert f"**{title}:**\n\n```python\n{code}\n```" in README
    assert DUCKDB in README


@pytest.mark.parametrize(("title", "code"), QUERIES, ids=[title for title, _ in QUERIES])
def test_every_query_runs_and_gives_what_a_scan_in_python_gives(
    title: str, code: str, folder: Path
) -> None:
    text = jobs.demo._run_query(code, folder)
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
    elif title.startswith("Joined"):
        assert all(sku in text for sku in "abc")
    else:
        assert "score_" in text


def test_the_readme_holds_the_consumer_as_it_is_tested() -> None:
    assert f"<!-- consumer -->\n```python\n{CONSUMER}\n```" in README
    assert len(CONSUMER.splitlines()) <= 28


def blocks(language: str) -> list[str]:
    operate = README[README.index("## Operate") : README.index("## How it is built")]
    return re.findall(rf"```{language}\n(.*?)```", operate, re.S)


@pytest.fixture
def srv(sample: Sample, bundle_path: Path, tmp_path: Path) -> Path:
    """What the operations page calls /srv/fashion."""
    shutil.copytree(sample.catalog, tmp_path / "catalog")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "current").symlink_to(bundle_path)
    (tmp_path / "backup").mkdir()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "tagger").symlink_to(Path(sys.executable).parent / "tagger")
    (settings,) = blocks("toml")
    (tmp_path / "nightly.toml").write_text(settings)
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


def test_every_command_on_the_operations_page_runs(srv: Path) -> None:
    (crontab,) = blocks("cron")
    for line in crontab.splitlines():
        *when, command = line.split(maxsplit=5)
        assert all(re.fullmatch(r"[\d*]+", part) for part in when)
        shell(command.replace("/srv/fashion", str(srv)), srv)
    (unit,) = blocks("ini")
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read_string(unit)
    assert parsed["Service"]["WorkingDirectory"] == "/srv/fashion"
    shell(parsed["Service"]["ExecStart"].replace("/srv/fashion", str(srv)), srv)
    night = os.path.realpath(srv / "index" / "current")
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(commands) >= 7
    for command in commands:
        shell(command.replace("SNAPSHOT", Path(night).parent.name), srv)
    restored = os.path.realpath(srv / "restored" / "current")
    pd.testing.assert_frame_equal(pd.read_parquet(restored), pd.read_parquet(night))
    assert (
        next(record["state"] for record in list_runs(str(srv / "index"))["runs"]) == "rolled_back"
    )


def test_filters_push_down_to_the_same_rows_as_a_full_scan(folder: Path) -> None:
    night = os.path.realpath(folder / "index" / "current")
    rows = pd.read_parquet(night)
    for limit in sorted(rows["score_red"].dropna().unique()):
        found = pd.read_parquet(night, columns=["image_id"], filters=[("score_red", ">=", limit)])
        assert set(found["image_id"]) == set(rows[rows["score_red"] >= limit]["image_id"])


def test_the_duckdb_query_gives_the_same_rows_as_pandas(folder: Path) -> None:
    night = os.path.realpath(folder / "index" / "current")
    for code in (DUCKDB, DUCKDB.replace("0.9", "0.2")):
        found = eval(code, {"duckdb": duckdb, "night": night})  # noqa: S307 - the README's own line
        limit = 0.9 if code == DUCKDB else 0.2
        rows = pd.read_parquet(night)
        assert set(found["image_id"]) == set(
            rows[(rows["score_red"] >= limit) & (rows["score_dress"] >= limit)]["image_id"]
        )


def test_the_readme_names_every_exit_code_that_the_code_has() -> None:
    from tagger import errors

    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.TaggerError)
    ]
    codes = {kind.exit_code for kind in kinds}
    for code in codes | {0, 6}:
        assert f"| {code} |" in README


def test_the_changelog_names_the_version() -> None:
    from tagger import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
