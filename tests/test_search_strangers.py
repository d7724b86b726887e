"""Engines that are another thing, too old, away, of somebody else, or changed by somebody."""

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from bulk_server import bulk_server
from conftest import in_this_process
from engines import BulkSeen, EngineSeen, engines, expected, key
from made_nights import next_night
from refusing import (
    NAMES,
    SERVERS,
    contents,
    first_index,
    index,
    made_index,
    named,
    refused,
    refused_or_said,
)
from servers import KEY

from jobs.sync import SyncOptions, sync
from tagger.search.address import parse_address
from tagger.search.engines import open_engine

__all__ = ["engines", "first_index", "index", "key"]  # fixtures


# --- servers that are another thing


@contextmanager
def web_server(status: int, body: bytes, kind: str) -> Iterator[int]:
    """Run a web server that gives one answer to everything; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield http.server_address[1]
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


@pytest.mark.parametrize("scheme", ["typesense", "elasticsearch", "opensearch"])
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"<html>a shop</html>", "text/html"),
        (404, b"<html>nothing here</html>", "text/html"),
        (200, b"[1, 2]", "application/json"),
        (200, b'{"a": 1}', "application/json"),
        (200, b"", "application/json"),
        (302, b"", "text/html"),
        (500, b"<html>oh</html>", "text/html"),
    ],
)
def test_a_web_server_that_is_no_engine_is_said(
    index: Path, scheme: str, status: int, body: bytes, kind: str
) -> None:
    with web_server(status, body, kind) as port:
        words = ["sync", index, "--to", f"{scheme}://127.0.0.1:{port}/images", "--max-wait", 0]
        ended = in_this_process(*words)
        assert ended.returncode in (2, 9), ended
        assert len(ended.stderr.splitlines()) == 1
        assert f"{scheme}://127.0.0.1:{port}/images" in ended.stderr


@pytest.mark.parametrize("product", ["elasticsearch", "opensearch"])
def test_an_elasticsearch_is_no_opensearch_nor_the_reverse(index: Path, product: Any) -> None:
    other = {"elasticsearch": "opensearch", "opensearch": "elasticsearch"}[product]
    with bulk_server(product, "9.5.0") as server:
        to = f"{other}://127.0.0.1:{server.port}/images"
        line = refused("sync", index, "--to", to, "--max-wait", 5)
        assert f"{product}" in line
        assert not server.indices
        refused("sync", index, "--to", to, "--dry-run")


def test_a_typesense_that_is_too_old_is_said(index: Path) -> None:
    with web_server(200, b'{"state": 1, "version": "0.23.1"}', "application/json") as port:
        to = f"typesense://127.0.0.1:{port}/images"
        line = refused("sync", index, "--to", to)
        assert "is Typesense 0.23.1; needed is 0.24 or later" in line
        refused("sync", index, "--to", to, "--dry-run")


@contextmanager
def old_postgres(version: str) -> Iterator[int]:
    """Run what greets as a PostgreSQL does, and no more; yields its port."""
    listening = socket.create_server(("127.0.0.1", 0))

    def said(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!i", len(body) + 4) + body

    def serve() -> None:
        while True:
            try:
                one, _ = listening.accept()
            except OSError:
                return
            with one:
                while (length := struct.unpack("!i", one.recv(4))[0]) == 8:  # asks for TLS, or GSS
                    one.recv(4)
                    one.sendall(b"N")
                one.recv(length - 4)
                parameter = f"server_version\0{version}\0client_encoding\0UTF8\0"
                name, value, *_ = parameter.split("\0")
                one.sendall(
                    said(b"R", struct.pack("!i", 0))
                    + said(b"S", f"{name}\0{value}\0".encode())
                    + said(b"S", b"client_encoding\0UTF8\0")
                    + said(b"Z", b"I")
                )
                one.recv(9)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


def test_a_postgresql_that_is_too_old_is_said(index: Path) -> None:
    with old_postgres("11.22") as port:
        to = f"postgresql://me@127.0.0.1:{port}/db"
        assert "is PostgreSQL 11; needed is 12 or later" in refused(
            "sync", index, "--to", to, "--max-wait", 2
        )


@pytest.mark.parametrize("scheme", SERVERS)
def test_an_engine_that_is_away_is_no_fault_of_the_user(index: Path, scheme: str) -> None:
    before = contents(index)
    words = ["sync", index, "--to", f"{scheme}://127.0.0.1:9/images", "--max-wait", 0]
    line = refused(*words, code=9)
    assert "did not answer" in line
    assert "Connection refused" in line
    assert contents(index) == before
    (record,) = (index / "syncs").iterdir()
    assert json.loads(record.read_text())["state"] == "failed"


# --- what is not ours, and what somebody changed


@pytest.mark.parametrize("more", [[], ["--anew"], ["--dry-run"]])
def test_a_collection_of_somebody_else_is_left_alone(
    index: Path, engines: dict[str, EngineSeen], more: list[str]
) -> None:
    seen = named(engines["typesense"], "theirs")
    if "theirs" not in seen.collections():
        fields = [{"name": "a", "type": "string"}]
        seen.ask("POST", "/collections", json={"name": "theirs", "fields": fields})
        seen.ask("POST", "/collections/theirs/documents", json={"id": "1", "a": "b"})
    line = refused_or_said("sync", index, "--to", seen.to, *more)
    assert "'tagger sync' did not make it" in line
    assert seen.documents() == {"1": {"id": "1", "a": "b"}}


@pytest.mark.parametrize("more", [[], ["--anew"], ["--dry-run"]])
@pytest.mark.parametrize("kind", ["TABLE theirs (a)", "VIEW theirs_seen"])
def test_a_table_of_somebody_else_is_left_alone(
    index: Path, engines: dict[str, EngineSeen], more: list[str], kind: str
) -> None:
    name = kind.split()[1]
    seen = named(engines["postgresql"], name)
    seen.ask(f"DROP {kind.split()[0]} IF EXISTS {name}")
    seen.ask(f"CREATE {kind} AS SELECT 1 AS a")
    line = refused_or_said("sync", index, "--to", seen.to, *more)
    assert "'tagger sync' did not make it" in line
    assert seen.ask(f"TABLE {name}")[1] == [(1,)]


def test_a_table_where_ours_would_be_built_is_left_alone(
    index: Path, engines: dict[str, EngineSeen]
) -> None:
    seen = named(engines["postgresql"], "occupied")
    seen.ask("CREATE TABLE occupied__new AS SELECT 1 AS a")
    line = refused_or_said("sync", index, "--to", seen.to)
    assert "occupied__new" in line
    assert seen.ask("TABLE occupied__new")[1] == [(1,)]
    seen.ask("DROP TABLE occupied__new")


def test_the_names_of_our_own_records_are_no_names(
    index: Path, engines: dict[str, EngineSeen]
) -> None:
    for name in SERVERS:
        for own in ("tagger_sync", "images__new"):
            seen = named(engines[name], own)
            assert f"{own!r} is no name" in refused_or_said("sync", index, "--to", seen.to)


def test_a_file_of_somebody_else_is_left_alone(index: Path, tmp_path: Path) -> None:
    path = tmp_path / "theirs.ndjson"
    path.write_text('{"id": 1}\n')
    line = refused("sync", index, "--to", f"ndjson://{path}")
    assert "'tagger sync' did not write it" in line
    assert path.read_text() == '{"id": 1}\n'
    assert sorted(tmp_path.iterdir()) == [index, path]
    sync(SyncOptions(str(index), to=f"ndjson://{path}", anew=True))
    assert len(path.read_text().splitlines()) > 9


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DROP COLUMN color", "the column 'color' is gone, not text"),
        ("ADD COLUMN mine integer", "the column 'mine' is not ours"),
        ("ALTER COLUMN score_red TYPE real", "the column 'score_red' is real, not double"),
        ("RENAME COLUMN garment TO what", "the column 'garment' is gone"),
    ],
)
def test_a_table_that_somebody_changed_is_left_until_it_is_built_anew(
    index: Path, engines: dict[str, EngineSeen], change: str, said: str
) -> None:
    seen = named(engines["postgresql"], "altered")
    options = SyncOptions(str(index), to=seen.to, anew=True)
    sync(options)
    seen.ask(f"ALTER TABLE altered {change}")
    next_night(index)
    line = refused("sync", index, "--to", seen.to)
    assert "somebody changed the table 'altered'" in line
    assert said in line
    assert "--anew" in line
    assert "somebody changed" in refused("sync", index, "--to", seen.to, "--dry-run")
    sync(options)
    assert seen.documents() == expected(options)


def test_a_collection_that_somebody_changed_is_left_until_it_is_built_anew(
    index: Path, engines: dict[str, EngineSeen]
) -> None:
    seen = named(engines["typesense"], "patched")
    options = SyncOptions(str(index), to=seen.to, anew=True)
    sync(options)
    (collection,) = [one for one in seen.collections() if one.startswith("patched_")]
    fields = [{"name": "color", "drop": True}]
    seen.ask("PATCH", f"/collections/{collection}", json={"fields": fields})
    line = refused("sync", index, "--to", seen.to)
    assert "somebody changed the mapping" in line
    assert "the field 'color' is gone" in line
    sync(options)
    assert seen.documents() == expected(options)


@pytest.mark.parametrize("product", ["elasticsearch", "opensearch"])
def test_an_index_that_somebody_changed_is_left_until_it_is_built_anew(
    index: Path, product: Any
) -> None:
    with bulk_server(product, "9.5.0") as server:
        seen = BulkSeen(server, "images")
        options = SyncOptions(str(index), to=seen.to, anew=True)
        sync(options)
        (name,) = server.aliases["images"]
        server.indices[name].properties["color"] = {"type": "text"}
        line = refused("sync", index, "--to", seen.to)
        assert "type of the field 'color' is 'text', not 'keyword'" in line
        server.aliases["images"].add("tagger_sync")
        assert "leads to several indexes" in refused("sync", index, "--to", seen.to)
        server.aliases["images"].discard("tagger_sync")
        sync(options)
        assert seen.documents() == expected(options)


@pytest.mark.parametrize("name", NAMES)
def test_documents_of_another_catalog_are_left_alone(
    index: Path, tmp_path: Path, engines: dict[str, EngineSeen], name: str
) -> None:
    seen = named(engines[name], "another")
    sync(SyncOptions(str(index), to=seen.to, anew=True))
    before = seen.documents()
    (tmp_path / "other").mkdir()
    other = made_index(tmp_path / "other", 30)
    manifest = next((other / "snapshots").glob("*/manifest.json"), None)
    manifest = manifest or next(path for path in other.rglob("*manifest*.json"))
    manifest.write_text(manifest.read_text().replace('"/catalog"', '"/elsewhere"'))
    line = refused("sync", other, "--to", seen.to)
    assert "'/catalog'" in line
    assert "'/elsewhere'" in line
    assert seen.documents() == before


@pytest.mark.parametrize("name", ["ndjson", "postgresql", "typesense"])
def test_two_syncs_of_one_collection_do_not_work_at_once(
    index: Path, engines: dict[str, EngineSeen], name: str
) -> None:
    to = named(engines[name], "locked").to
    other = open_engine(parse_address(to, default_name="images"), KEY, 5)
    with closing(other), other.held():
        line = refused("sync", index, "--to", to, code=4)
    assert "another" in line or "is synced by" in line
