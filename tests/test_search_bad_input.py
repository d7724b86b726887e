"""Everything that can be wrong about what a sync is given, as users run it: an exit code that means
something, one line that says what to do, nothing half done, and no secret shown."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bulk_server import bulk_server
from conftest import in_this_process
from engines import BulkSeen, EngineSeen, engines, expected, key
from hypothesis import example, given, settings
from hypothesis import strategies as st
from refusing import (
    AWAY,
    BY,
    SECRET,
    SERVERS,
    contents,
    first_index,
    index,
    named,
    refused,
    refused_or_said,
)

from jobs.sync import SyncOptions, sync
from tagger.errors import InputError
from tagger.search.address import parse_address, read_key, without_table

__all__ = ["engines", "first_index", "index", "key"]  # fixtures


# --- addresses


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("", "an argument is empty"),
        ("localhost:8108/images", "begin with one of typesense://, postgresql://"),
        ("typesense", "begin with one of"),
        ("https://localhost:8108/images", "begin with one of"),
        ("Typesense://localhost/images", "begin with one of"),
        ("postgres://localhost/images", "begin with one of"),
        ("typesense:/localhost/images", "begin with one of"),
        ("typesense://", "names no host"),
        ("typesense:///images", "names no host"),
        ("typesense://ex ample/images", "names no host"),
        ("elasticsearch://ex ample:9/images", "names no host"),
        ("opensearch://a..b:9/images", "names no host"),
        (f"typesense://{'a' * 300}:9/images", "names no host"),
        ("elasticsearch://üü:9/images", "names no host"),
        ("typesense://localhost:abc/images", "cast to integer value as 'abc'"),
        ("typesense://localhost:70000/images", "out of range"),
        ("postgresql://localhost:abc/db", "cast to integer value as 'abc'"),
        ("typesense://[::1/images", "Invalid IPv6"),
        ("typesense://localhost/Images", "'Images' is no name"),
        ("typesense://localhost/a/b", "'a/b' is no name"),
        ("typesense://localhost/1images", "'1images' is no name"),
        (f"typesense://localhost/{'a' * 61}", "is no name"),
        ("typesense://localhost/a;drop", "'a;drop' is no name"),
        ("elasticsearch://localhost/_all", "'_all' is no name"),
        ("elasticsearch://localhost/*", "'*' is no name"),
        ('postgresql://localhost/db?table=a"b', "is no name"),
        ("postgresql://localhost/db?table=", "'' is no name"),
        ("typesense://localhost/images?tsl=no", "'tsl' is no option"),
        ("typesense://localhost/images?ca=x", "'ca' is no option"),
        ("typesense://localhost/images?tls=maybe", "tls=maybe should be yes or no"),
        ("elasticsearch://localhost/images?ca=/gone.pem", "write tls=yes too"),
        ("elasticsearch://localhost/images?tls=yes&ca=/gone.pem", "no file '/gone.pem'"),
        ("postgresql://127.0.0.1:9/db?foo=bar", 'invalid URI query parameter: "foo"'),
        ("postgresql://127.0.0.1:9/%zz", "percent-encoded"),
        ("ndjson://", "write ndjson://FILE"),
        ("ndjson://folder/", "write ndjson://FILE"),
    ],
)
def test_what_is_no_address_is_refused(index: Path, to: str, said: str) -> None:
    before = contents(index)
    assert said in refused("sync", index, "--to", to, "--max-wait", 0)
    assert contents(index) == before


LEAKY = [
    *["{}://me:{}@h:9/images", "{}://:{}@h/images", "{}://me:{}@h:abc/images", "{}://me:{}@/x"],
    *["{}://me:12/{}@h/images", "{}://me:x/{}@h/images", "{}://me:x#{}@h/db", "{}://me:12#{}@h/db"],
    *["{}://me:x?{}@h/db", "{}://me:12?{}@h/db", "{}://h/db?password={}", "{}://h/db?api_key={}"],
    *["{}://h/db?PASSWORD={}", "{}://h/db?%70assword={}", "{}://h/db?token={}"],
    *["{}://h/db?sslpassword={}", "{}://h/db?x-typesense-api-key={}", "{}://me:{}@h/a b?tls=1"],
]


@pytest.mark.parametrize("scheme", [*SERVERS, "mysql", "http"])
@pytest.mark.parametrize("form", LEAKY)
def test_a_password_in_an_address_is_refused_and_not_repeated(
    index: Path, scheme: str, form: str
) -> None:
    line = refused("sync", index, "--to", form.format(scheme, SECRET), "--max-wait", 0)
    if scheme in SERVERS or "@" in form:
        assert SECRET not in line
    assert not (index / "syncs").exists()


@pytest.mark.parametrize("scheme", ["typesense", "elasticsearch", "opensearch"])
def test_a_key_in_place_of_a_user_is_refused_and_not_repeated(index: Path, scheme: str) -> None:
    for to in (f"{scheme}://{SECRET}@h:9/images", f"{scheme}://a/{SECRET}@h:9/images"):
        assert SECRET not in refused("sync", index, "--to", to)


WORDS = ["typesense", "postgresql", "opensearch", "ndjson", "://", "@", ":", "/", "?", "#", "["]
WORDS += [
    "]",
    "%",
    "tls=",
    "table=",
    "&",
    "localhost",
    "images",
    "9",
    " ",
    "ü",
    "\\",
    "=",
    ".",
    ",",
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=9).map("".join))
@example("typesense://[")
@example("postgresql://\u2100/x")
def test_any_text_is_an_address_or_is_refused_in_one_line(text: str) -> None:
    try:
        found = parse_address(text, default_name="images")
    except InputError as error:
        assert "\n" not in str(error)
        return
    assert found.name
    if found.scheme not in ("ndjson", "postgresql"):
        assert found.host
        assert 0 < found.port < 65_536
        assert parse_address(found.plain, default_name="x").name == found.name


def test_an_address_says_tls_by_where_it_leads() -> None:
    for text, tls in [
        ("typesense://localhost/x", False),
        ("typesense://[::1]/x", False),
        ("typesense://search.example/x", True),
        ("typesense://search.example/x?tls=no", False),
        ("opensearch://127.0.0.1/x?tls=yes", True),
    ]:
        found = parse_address(text, default_name="images")
        assert (found.tls, found.name) == (tls, "x")
    assert parse_address("typesense://localhost", default_name="images").name == "images"
    assert parse_address("typesense://localhost/", default_name="images").port == 8108


def test_options_of_postgresql_reach_it_as_they_are_written() -> None:
    base = "postgresql://me@h:9/db"
    assert without_table(base) == base
    assert without_table(f"{base}?table=x") == base
    options = "options=-c%20search_path%3Dshop&sslmode=disable"
    assert without_table(f"{base}?table=x&{options}") == f"{base}?{options}"
    assert without_table(f"{base}?{options}&table=x") == f"{base}?{options}"


# --- keys


def test_a_typesense_without_a_key_is_refused(
    index: Path, engines: dict[str, EngineSeen], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TAGGER_SEARCH_KEY")
    assert "needs an API key" in refused("sync", index, "--to", engines["typesense"].to)
    monkeypatch.setenv("TAGGER_SEARCH_KEY", " \n")
    assert "needs an API key" in refused("sync", index, "--to", engines["typesense"].to)


def test_a_wrong_key_is_refused_and_not_shown(
    index: Path, engines: dict[str, EngineSeen], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAGGER_SEARCH_KEY", SECRET)
    line = refused("sync", index, "--to", engines["typesense"].to)
    assert "does not accept the API key" in line
    assert SECRET not in line
    line = refused("sync", index, "--to", engines["opensearch"].to)
    assert "has no ':' in it" in line
    assert SECRET not in line
    assert not any(SECRET in path.read_text() for path in (index / "syncs").glob("*"))


@pytest.mark.parametrize("product", ["elasticsearch", "opensearch"])
def test_a_server_that_does_not_let_us_in_is_said(index: Path, product: Any) -> None:
    with bulk_server(product, "9.5.0") as server:
        server.key = "Basic somebody"
        line = refused("sync", index, "--to", BulkSeen(server, "images").to, "--max-wait", 5)
        assert "does not let us in" in line
        assert not server.indices


def test_a_postgresql_that_does_not_know_us_is_said(
    index: Path, engines: dict[str, EngineSeen]
) -> None:
    to = engines["postgresql"].to
    line = refused("sync", index, "--to", to.replace("postgres@", "nobody@"), "--max-wait", 5)
    assert 'role "nobody" does not exist' in line
    line = refused("sync", index, "--to", to.replace("/postgres?", "/gone?"), "--max-wait", 5)
    assert 'database "gone" does not exist' in line


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        (b"", "its first line is empty"),
        (b"\n" + SECRET.encode(), "its first line is empty"),
        (b"\xff\xfe" + SECRET.encode(), "cannot be read"),
        (SECRET.encode() + b"\x00\x01", "signs in it that no key has"),
        (f"{SECRET}-ß".encode(), "other signs than ASCII"),
    ],
)
def test_a_key_file_that_holds_no_key_is_refused(
    index: Path, tmp_path: Path, engines: dict[str, EngineSeen], content: bytes | None, said: str
) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    line = refused("sync", index, "--to", engines["typesense"].to, "--key-file", path)
    assert said in line
    assert SECRET not in line


def test_a_folder_is_no_key_file(index: Path, tmp_path: Path) -> None:
    assert "cannot be read" in refused("sync", index, "--to", AWAY, "--key-file", tmp_path)


def test_a_key_may_end_with_a_line_in_a_file_or_in_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbf a key \r\nsomething else\n")
    assert read_key(str(tmp_path / "key")) == "a key"
    monkeypatch.setenv("TAGGER_SEARCH_KEY", "a key\n")
    assert read_key(None) == "a key"
    monkeypatch.setenv("TAGGER_SEARCH_KEY", f"{SECRET}\x07")
    with pytest.raises(InputError) as raised:
        read_key(None)
    assert SECRET not in str(raised.value)


def test_a_key_for_collections_documents_and_aliases_is_enough(
    index: Path, engines: dict[str, EngineSeen], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = named(engines["typesense"], "restricted")
    actions = ["collections:*", "documents:*", "aliases:*", "debug:list"]
    wanted = {"description": "sync", "actions": actions, "collections": ["*"]}
    made = seen.ask("POST", "/keys", json=wanted)
    monkeypatch.setenv("TAGGER_SEARCH_KEY", made["value"])
    options = SyncOptions(str(index), to=seen.to)
    sync(options)
    assert seen.documents() == expected(options)


# --- options, tables and the index


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--products", "x.csv", "--product-from", "(.*)"], "contradict each other"),
        (["--products", "gone.csv"], "cannot be read"),
        (["--product-from", "("], "is no regular expression"),
        (["--product-from", "(?=a)"], "has no lookahead"),
        (["--product-from", "nothing-like-this"], "matches none of the 120 pictures"),
        (["--words", "gone.csv"], "cannot be read"),
        (["--url", "https://shop.example/"], "a template has some of"),
        (["--url", "https://shop.example/{sku}"], "a template has some of {path}, {id}"),
        (["--max-wait", "-1"], "max-wait"),
        (["--max-wait", "nan"], "max-wait"),
        (["--max-wait", "soon"], "max-wait"),
        (["--config", "gone.toml"], "cannot be read"),
        (["--frequency", "9"], "no such option"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    index: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    to = f"ndjson://{tmp_path}/out.ndjson"
    assert said in refused("sync", index, "--to", to, *words)
    assert not (tmp_path / "out.ndjson").exists()


def test_a_sync_needs_an_address(index: Path) -> None:
    assert "--to is missing" in refused("sync", index)


@pytest.mark.parametrize("command", ["sync", "products"])
def test_without_a_night_there_is_nothing_to_bring(tmp_path: Path, command: str) -> None:
    words = ["--to", f"ndjson://{tmp_path}/out.ndjson"]
    if command == "products":
        words = ["--out", str(tmp_path / "out.parquet"), "--product-from", BY]
    assert "there is no such folder" in refused(command, tmp_path / "gone", *words)
    (tmp_path / "folder").mkdir()
    assert "it is no index" in refused(command, tmp_path / "folder", *words)
    (tmp_path / "new" / "snapshots").mkdir(parents=True)
    line = refused(command, tmp_path / "new", *words)
    assert "no night yet" in line or "it is no index" in line
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("out")]


def test_a_damaged_night_is_not_brought_anywhere(index: Path, tmp_path: Path) -> None:
    part = next(path for path in (index / "snapshots").rglob("*.parquet") if "part" in path.name)
    part.write_bytes(part.read_bytes()[:100])
    out = tmp_path / "out.ndjson"
    line = refused("sync", index, "--to", f"ndjson://{out}")
    assert part.name in line
    assert not out.exists()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be a user who may write almost nowhere."""
    if os.geteuid() != 0:
        pytest.skip("needs to be root to become nobody")
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_cannot_be_written_is_said(index: Path, tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):  # noqa: S108 - pytest's own
            folder.chmod(folder.stat().st_mode | 0o055)
    to = f"ndjson://{tmp_path}/out.ndjson"
    with as_nobody():
        ended = in_this_process("sync", index, "--to", to)
    assert ended.returncode == 2, ended.stderr
    line = ended.stderr.splitlines()[-1]
    assert "out.ndjson" in line
    assert "ermission" in line
    assert sorted(tmp_path.iterdir()) == [index]


def test_a_folder_that_is_not_there_is_said(index: Path, tmp_path: Path) -> None:
    line = refused("sync", index, "--to", f"ndjson://{tmp_path}/gone/out.ndjson")
    assert "gone" in line
    assert sorted(tmp_path.iterdir()) == [index]


def test_a_folder_is_no_file_of_documents(index: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for more in ([], ["--anew"], ["--dry-run"]):
        line = refused_or_said("sync", index, "--to", f"ndjson://{tmp_path}/out", *more)
        assert "/out" in line
    assert not list((tmp_path / "out").iterdir())
    assert sorted(tmp_path.iterdir()) == [index, tmp_path / "out"]
