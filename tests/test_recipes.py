"""The recipes for search engines, run as they stand on their pages, against real servers."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from bulk_server import bulk_server
from conftest import clean_environment
from pages import ROOT, blocks
from servers import KEY, postgres, postgres_programs, typesense

from tagger.datasets.sample import Sample

TYPESENSE = ROOT / "jobs" / "TYPESENSE.md"
POSTGRESQL = ROOT / "jobs" / "POSTGRESQL.md"
OPENSEARCH = ROOT / "jobs" / "OPENSEARCH.md"
MARK = "=== next block ==="


@pytest.fixture(scope="module")
def shop(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the pages speak of it: with a catalog, and nothing else."""
    folder = tmp_path_factory.mktemp("shop")
    shutil.copytree(sample.catalog, folder / "catalog")
    return folder


@pytest.fixture
def home(shop: Path, tmp_path: Path) -> Path:
    shutil.copytree(shop / "catalog", tmp_path / "catalog")
    return tmp_path


def environment(**more: str) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return clean_environment() | {"PATH": path, "PYTHONPATH": os.getcwd()} | more


def written(page: Path) -> list[tuple[str, str]]:
    """Return the language and the text of each block that a reader runs, in order."""
    found = re.findall(r"^```(sh|sql)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [(language, text.rstrip("\n")) for language, text in found]


def run(script: str, folder: Path, env: dict[str, str]) -> list[str]:
    """Return what each block of a script prints."""
    ended = subprocess.run(
        ["bash", "-e"],
        input=script,
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ended.returncode == 0, ended.stderr
    return [part.strip() for part in ended.stdout.split(MARK)]


def night(folder: Path) -> pd.DataFrame:
    rows = pd.read_parquet(os.path.realpath(folder / "index" / "current"))
    return rows[rows["status"] == "ok"]


@pytest.mark.serial
def test_the_recipe_for_typesense_runs_word_for_word(home: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl: apt install curl")
    with socket.socket() as one:
        if one.connect_ex(("127.0.0.1", 8108)) == 0:
            pytest.skip("somebody listens on port 8108, which the page uses")
    script = f"\necho '{MARK}'\n".join(text for _, text in written(TYPESENSE))
    with typesense(home / "data", port=8108, key="xyz"):
        said = run(script, home, environment())
    answers: list[dict[str, Any]] = [json.loads(one) for one in said if one.startswith("{")]
    red, typed, alike = answers
    rows = night(home)
    wanted = rows[(rows["color"] == "red") & (rows["type"] == "dress")]
    assert {hit["document"]["path"] for hit in red["hits"]} == set(wanted["image_id"])
    assert len(wanted) > 0
    assert red["facet_counts"][0]["counts"][0] == {
        "count": len(wanted),
        "highlighted": "dress",
        "value": "dress",
    }
    url = red["hits"][0]["document"]["url"]
    assert url == f"https://img.shop.example/{red['hits'][0]['document']['path']}"
    assert {hit["document"]["path"] for hit in typed["hits"]} == set(wanted["image_id"])
    found = alike["results"][0]["hits"]
    dresses = rows[rows["type"] == "dress"]
    assert {hit["document"]["path"] for hit in found} <= set(dresses["image_id"])
    distances = [hit["vector_distance"] for hit in found]
    assert len(found) >= min(12, len(dresses) - 1)
    assert distances == sorted(distances)
    assert "nothing to do" in said[-1]


@pytest.mark.serial
def test_the_recipe_for_postgresql_runs_word_for_word(home: Path) -> None:
    programs = postgres_programs()
    parts = [
        text
        if language == "sh"
        else f"psql -X -q --csv -v ON_ERROR_STOP=1 shop <<'END'\n{text}\nEND"
        for language, text in written(POSTGRESQL)
    ]
    with postgres(home / "postgres") as server:
        env = environment(PGHOST="127.0.0.1", PGPORT=str(server.port), PGUSER="postgres")
        env["PATH"] = f"{programs}{os.pathsep}{env['PATH']}"
        said = run(f"\necho '{MARK}'\n".join(parts), home, env)
    red, facet, typed, alike = (_table(one) for one in said if one.startswith(("path,", "type,")))
    rows = night(home)
    wanted = rows[(rows["color"] == "red") & (rows["type"] == "dress")]
    assert set(red["path"]) == set(wanted["image_id"]) == set(typed["path"])
    assert len(wanted) > 0
    counts = rows[rows["color"] == "red"]["type"].value_counts(dropna=False)
    assert sorted(facet["count"]) == sorted(counts)
    dresses = rows[rows["type"] == "dress"]
    assert len(alike) == min(12, len(dresses) - 1)
    assert set(alike["path"]) <= set(dresses["image_id"])
    assert alike["similarity"].is_monotonic_decreasing
    assert "nothing to do" in said[-1]


def _table(text: str) -> pd.DataFrame:
    from io import StringIO

    return pd.read_csv(StringIO(text))


def test_the_questions_for_opensearch_name_fields_that_are_there(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.sync import SyncOptions, sync
    from jobs.tag_catalog import TagOptions, tag_catalog

    tag_catalog(TagOptions(str(home / "catalog"), None, str(home / "index"), features=True))
    monkeypatch.setenv("TAGGER_SEARCH_KEY", KEY)
    with bulk_server("opensearch", "3.2.0") as server:
        sync(SyncOptions(str(home / "index"), to=f"opensearch://127.0.0.1:{server.port}/images"))
        (name,) = server.aliases["images"]
        fields = server.indices[name].properties | {"url": {}}  # the page's own has a template
    questions = [json.loads(text) for text in blocks(OPENSEARCH, "json")]
    assert len(questions) == 4
    for question in questions:
        assert set(_fields(question)) <= set(fields)
    assert fields["vector"]["dimension"] == 1024
    assert fields["score_red"] == {"type": "float"}


def _fields(question: Any) -> Iterator[str]:
    """Yield the fields that a question names."""
    if isinstance(question, list):
        for each in question:
            yield from _fields(each)
    if not isinstance(question, dict):
        return
    for name, value in question.items():
        if name in ("term", "range", "match"):
            yield from value
        elif name == "sort":
            yield from (field for each in value for field in each)
        elif name == "field":
            yield value
        elif name == "_source" or (name == "knn" and "field" not in value):
            yield from value
        if name not in ("match", "term"):
            yield from _fields(value)
