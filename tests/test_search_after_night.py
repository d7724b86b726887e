"""`tagger tag --sync`: a night, and then the engines."""

import json
import os
from pathlib import Path

import pytest
from conftest import Command, in_this_process, settle
from engines import expected, key
from refusing import (
    AWAY,
    SECRET,
    refused,
)

from tagger.search.address import parse_address
from tagger.search.engines import open_engine
from tagger.search.opening import DocumentOptions

__all__ = ["key"]  # fixtures


@pytest.fixture
def night(tmp_path: Path, catalog: Path, bundle_path: Path) -> list[object]:
    """The words of a night on a catalog of its own."""
    settle(catalog)
    words = ["tag", catalog, "--model", bundle_path, "--index", tmp_path / "index"]
    return [*words, "--workers", 1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("to = ", "is no TOML"),
        ("", "--to is missing"),
        ("to = 9", "to = 9 should be a text"),
        ('to = "typesense://127.0.0.1:9/a b"', "is no name"),
        (f'to = "typesense://me:{SECRET}@h/x"', "has a password or a key in it"),
        ('to = "ndjson://{out}"\nindex = "other"', "it may set"),
        ('to = "ndjson://{out}"\nmax-wait = "long"', "should be a number"),
        ('to = "ndjson://{out}"\nmax-wait = -1', "max-wait"),
        ('to = "ndjson://{out}"\nmax-wait = nan', "max-wait"),
        ('to = "ndjson://{out}"\nwords = 3', "should be a path"),
        ('to = "ndjson://{out}"\nurl = 3', "should be a text"),
        ('to = "ndjson://{out}"\nurl = "https://x/"', "a template has some of"),
        ('to = "ndjson://{out}"\nproduct-from = "("', "is no regular expression"),
        ('to = "ndjson://{out}"\nproducts = "a.csv"\nproduct-from = "b"', "contradict each other"),
        ('to = "ndjson://{out}"\nkey-file = "gone.txt"', "cannot be read"),
        ('to = "opensearch://127.0.0.1:9/x"\nkey-file = "{key}"', "has no ':' in it"),
    ],
)
def test_a_file_of_a_sync_that_makes_no_sense_is_refused_before_the_night(
    night: list[object], tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "sync.toml"
    (tmp_path / "key").write_text("nothing")
    if text is not None:
        text = text.replace("{key}", str(tmp_path / "key")).replace("{out}", str(tmp_path / "x"))
        path.write_text(text)
    line = refused(*night, "--sync", path)
    assert said in line
    assert SECRET not in line
    assert not (tmp_path / "index").exists()


def test_an_engine_without_its_key_is_refused_before_the_night(
    night: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TAGGER_SEARCH_KEY")
    (tmp_path / "sync.toml").write_text(f'to = "{AWAY}"')
    assert "needs an API key" in refused(*night, "--sync", tmp_path / "sync.toml")
    assert not (tmp_path / "index").exists()


def test_an_engine_that_is_away_leaves_a_published_night_and_the_others_have_it(
    night: list[object], tmp_path: Path
) -> None:
    away, good = tmp_path / "away.toml", tmp_path / "good.toml"
    away.write_text(f'to = "{AWAY}"\nmax-wait = 0\n')
    out = tmp_path / "out.ndjson"
    good.write_text(f'to = "ndjson://{out}"\n')
    ended = in_this_process(*night, "--sync", away, "--sync", good, "--json")
    assert ended.returncode == 9, ended.stderr
    index = tmp_path / "index"
    name = json.loads(ended.stdout)["snapshot"]
    said = ended.stderr.splitlines()[-1]
    assert f"the night {name} is published, but not in the engine" in said
    assert AWAY in said
    assert name in os.path.realpath(index / "current")
    documents = {one["id"]: one for one in map(json.loads, out.read_text().splitlines())}
    assert documents == expected(DocumentOptions(str(index)))


def test_a_sync_that_another_one_keeps_away_says_that_the_night_is_published(
    night: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    to = f"ndjson://{out}/out.ndjson"
    (tmp_path / "sync.toml").write_text(f'to = "{to}"\n')
    with open_engine(parse_address(to, default_name="images"), None, 1).held():
        ended = in_this_process(*night, "--sync", tmp_path / "sync.toml")
    assert ended.returncode == 9, ended.stderr
    assert "is published, but not in the engine" in ended.stderr.splitlines()[-1]


def test_a_good_sync_after_the_night_arrives(
    night: list[object], tmp_path: Path, tagger: Command
) -> None:
    out = tmp_path / "out.ndjson"
    words = tmp_path / "words.csv"
    words.write_text("label,de\nred,rot\n")
    text = f'to = "ndjson://{out}"\nwords = "{words}"\nproduct-from = "(.*)[.]"\nmax-wait = 5\n'
    (tmp_path / "sync.toml").write_text(text)
    ended = tagger(*night, "--sync", tmp_path / "sync.toml")
    assert ended.returncode == 0, ended.stderr
    options = DocumentOptions(str(tmp_path / "index"), None, "(.*)[.]", str(words))
    documents = {one["id"]: one for one in map(json.loads, out.read_text().splitlines())}
    assert documents == expected(options)
    assert documents
