"""Search engines as tests see them: how each is addressed, and all documents that it has."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from bulk_server import BulkServer, bulk_server
from servers import KEY, postgres, typesense

from jobs.sync import SyncOptions, sync
from schemas.sync import SyncReport
from tagger.index.store import Index
from tagger.search.engine import as_objects
from tagger.search.opening import DocumentOptions, open_source

Documents = dict[str, dict[str, Any]]


class EngineSeen(Protocol):
    """An engine: the address of one collection in it, and its documents."""

    to: str

    def documents(self) -> Documents:
        """Return what is served, by id."""
        ...


def expected(options: DocumentOptions) -> Documents:
    """Return the documents of the current night, made afresh."""
    source, _ = open_source(Index(options.index), options)
    batches = (batch for chunk in source.all() for batch in chunk)
    return {one["id"]: one for batch in batches for one in as_objects(batch)}


def bring(options: SyncOptions, **more: Any) -> SyncReport:
    """Return what a sync did."""
    return sync(SyncOptions(**vars(options) | more))


class NdjsonSeen:
    def __init__(self, folder: Path) -> None:
        self._file = folder / "documents.ndjson"
        self.to = f"ndjson://{self._file}"

    def documents(self) -> Documents:
        rows = [json.loads(line) for line in self._file.read_bytes().splitlines()]
        assert len({row["id"] for row in rows}) == len(rows)
        return {row["id"]: row for row in rows}


class TypesenseSeen:
    def __init__(self, port: int, name: str) -> None:
        self.to = f"typesense://127.0.0.1:{port}/{name}"
        self.name = name
        self.port = port

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """Return what the server answers, as text where it is no JSON."""
        import httpx

        answer = httpx.request(
            method,
            f"http://127.0.0.1:{self.port}{path}",
            headers={"X-TYPESENSE-API-KEY": KEY},
            timeout=60,
            **more,
        )
        assert answer.status_code < 300, answer.text
        return answer.text if path.endswith("export") else answer.json()

    def documents(self) -> Documents:
        text = self.ask("GET", f"/collections/{self.name}/documents/export")
        rows = [json.loads(line) for line in text.splitlines()]
        return {row["id"]: row for row in rows}

    def collections(self) -> list[str]:
        return sorted(one["name"] for one in self.ask("GET", "/collections"))


class PostgresSeen:
    def __init__(self, port: int, name: str) -> None:
        self.to = f"postgresql://postgres@127.0.0.1:{port}/postgres?table={name}"
        self.name = name

    def documents(self) -> Documents:
        columns, rows = self.ask(f'TABLE "{self.name}"')
        found = [dict(zip(columns, row, strict=True)) for row in rows]
        return {row["id"]: _as_json(row) for row in found}

    def ask(self, question: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        import psycopg

        with psycopg.connect(self.to.partition("?")[0], autocommit=True) as connection:
            answer = connection.execute(question)  # type: ignore[call-overload]
            if answer.description is None:
                return [], []
            return [one.name for one in answer.description], answer.fetchall()


class BulkSeen:
    def __init__(self, server: BulkServer, name: str) -> None:
        self.to = f"{server.product}://127.0.0.1:{server.port}/{name}"
        self.server = server
        self.name = name

    def documents(self) -> Documents:
        (index,) = self.server.aliases[self.name]
        return self.server.indices[index].documents


def _as_json(row: dict[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in row.items() if value is not None}
    if "first_seen" in found:
        found["first_seen"] = int(found["first_seen"].timestamp())
    if "vector" in found:
        found["vector"] = [round(value, 5) for value in found["vector"]]
    return found


@contextmanager
def every_engine(folder: Path) -> Iterator[dict[str, EngineSeen]]:
    """Run all engines, and the server that stands for two of them."""
    with (
        typesense(folder / "typesense") as a,
        postgres(folder / "postgres") as b,
        bulk_server("elasticsearch", "9.5.0") as c,
        bulk_server("opensearch", "3.2.0") as d,
    ):
        yield {
            "ndjson": NdjsonSeen(folder),
            "typesense": TypesenseSeen(a.port, "images"),
            "postgresql": PostgresSeen(b.port, "images"),
            "elasticsearch": BulkSeen(c, "images"),
            "opensearch": BulkSeen(d, "images"),
        }


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, EngineSeen]]:
    with every_engine(tmp_path_factory.mktemp("engines")) as found:
        yield found


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGGER_SEARCH_KEY", KEY)
