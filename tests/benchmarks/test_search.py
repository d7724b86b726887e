"""How fast a night comes into a search engine: against the engine's own bulk loader, fed with ready
documents, and a night of one per cent against a first sync."""

import hashlib
import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from engines import PostgresSeen, TypesenseSeen, bring
from made_nights import MODEL, MadeNight, next_night, row_labels
from measuring import Ratios, measured, ratio
from servers import KEY, postgres, typesense

from jobs.sync import SyncOptions
from tagger.index.store import Index
from tagger.search.engine import as_json_lines
from tagger.search.opening import open_source
from tagger.search.postgres_rows import copy_text

pytestmark = pytest.mark.benchmark
__all__ = ["ratio"]  # a fixture

N = int(os.environ.get("BENCH_SEARCH", "100000"))
ROUNDS = 2
LABELS = {
    "color": ["black", "blue", "green", "navy", "red", "white", "yellow", "pink"],
    "garment": ["dress", "jeans", "shirt", "skirt", "shorts", "sweater", "coat", "top"],
    "style": ["printed", "striped", "long sleeve", "hooded"],
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night of N pictures."""
    folder = tmp_path_factory.mktemp("search") / "index"
    folder.mkdir()
    night = MadeNight(
        N,
        lambda i: f"sku{i // 3:06d}/{i % 3}.jpg",
        lambda i: hashlib.sha256(str(i).encode()).hexdigest(),
        {MODEL: row_labels(LABELS, 0.1)},
        ["color", "garment"],
    )
    night.publish(folder)
    return folder


def seconds_of(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ready(index: Path) -> Iterator[pa.Table]:
    source, _ = open_source(Index(index), SyncOptions(str(index)))
    for chunk in source.all():
        yield from chunk


def load_typesense(seen: TypesenseSeen, lines: list[list[bytes]]) -> None:
    """Feed Typesense's own import with ready documents, as its own client does."""
    import typesense

    client = typesense.Client(
        {
            "nodes": [{"host": "127.0.0.1", "port": seen.port, "protocol": "http"}],
            "api_key": KEY,
            "connection_timeout_seconds": 60,
        }
    )
    for some in lines:
        client.collections["loaded"].documents.import_(
            b"\n".join(some).decode(), {"action": "upsert"}
        )
    client.api_call.close()


def test_a_sync_into_typesense_against_its_own_import(
    index: Path, tmp_path: Path, ratio: Ratios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server of its own each, in turn: one that has much is slower."""
    monkeypatch.setenv("TAGGER_SEARCH_KEY", KEY)
    warnings.simplefilter("ignore", DeprecationWarning)
    lines = [as_json_lines(batch) for batch in ready(index)]
    synced, imported = [], []
    fields: list[Any] = []
    for turn in range(ROUNDS):
        with typesense(tmp_path / f"synced{turn}") as server:
            seen = TypesenseSeen(server.port, "images")
            options = SyncOptions(str(index), to=seen.to)
            synced.append(seconds_of(lambda: bring(options)))  # noqa: B023 - called at once
            fields = seen.ask("GET", "/collections/images")["fields"]
            if turn == ROUNDS - 1:
                next_night(index)
                nightly = seconds_of(lambda: bring(options))  # noqa: B023 - called at once
        with typesense(tmp_path / f"imported{turn}") as server:
            seen = TypesenseSeen(server.port, "loaded")
            seen.ask("POST", "/collections", json={"name": "loaded", "fields": fields})
            imported.append(seconds_of(lambda: load_typesense(seen, lines)))  # noqa: B023
    documents = sum(map(len, lines))
    print(f"\n{documents:,} documents: syncs {synced}, imports {imported}")
    allowed = 2 + 0.05 * min(synced)
    print(f"a night of 1 %: {nightly:.2f} s, allowed {allowed:.2f} s")
    ratio("search: typesense's own import / a first sync", sum(imported) / sum(synced))
    ratio("search: a night of 1 % into typesense / (2 s + 5 % of a first)", nightly / allowed)


def test_a_sync_into_postgresql_against_copy(
    index: Path, tmp_path: Path, ratio: Ratios, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    with postgres(tmp_path / "postgres") as server:
        seen = PostgresSeen(server.port, "images")
        options = SyncOptions(str(index), to=seen.to)
        first = seconds_of(lambda: bring(options))
        batches = [copy_text(batch) for batch in ready(index)]
        indexes = seen.ask("SELECT indexdef FROM pg_indexes WHERE tablename = 'images'")[1]

        def copied(*, indexed: bool) -> None:
            with psycopg.connect(seen.to.partition("?")[0]) as connection:
                connection.execute("DROP TABLE IF EXISTS loaded")
                connection.execute("CREATE TABLE loaded (LIKE images)")
                with connection.cursor().copy("COPY loaded FROM STDIN (FORMAT csv)") as copy:
                    for batch in batches:
                        copy.write(batch)
                for (one,) in indexes if indexed else ():
                    words = one.replace("images__new_", "loaded_").replace(".images ", ".loaded ")
                    connection.execute(words)

        bare = seconds_of(lambda: copied(indexed=False))
        whole = seconds_of(lambda: copied(indexed=True))
        second = seconds_of(lambda: bring(options, anew=True))
        next_night(index)
        nightly = seconds_of(lambda: bring(options))
    print(
        f"\nfirst {first:.1f} s, again {second:.1f} s; COPY {bare:.2f} s, indexes too {whole:.2f} s"
    )
    print(f"a night of 1 %: {nightly:.2f} s, allowed {2 + 0.05 * first:.2f} s")
    ratio("search: COPY without indexes / a first sync into postgresql", bare / second)
    ratio("search: COPY with its indexes / a first sync into postgresql", whole / second)
    ratio(
        "search: a night of 1 % into postgresql / (2 s + 5 % of a first)",
        nightly / (2 + 0.05 * first),
    )


def test_memory_does_not_grow_with_the_catalog(tmp_path: Path, ratio: Ratios) -> None:
    peaks = []
    for n in (N // 5, N):
        folder = tmp_path / str(n)
        folder.mkdir()
        MadeNight(
            n,
            lambda i: f"sku{i // 3:06d}/{i % 3}.jpg",
            lambda i: hashlib.sha256(str(i).encode()).hexdigest(),
            {MODEL: row_labels(LABELS, 0.1)},
            ["color", "garment"],
            bucket=5_000,
        ).publish(folder)
        for by in ((), ("--product-from", "^([^/]+)/")):
            target = f"ndjson://{tmp_path}/{n}{len(by)}.ndjson"
            ended = measured("-m", "jobs.cli", "sync", folder, *by, "--to", target)
            peaks.append((n, len(by), ended.peak_mib))
    print("\npictures, by product, MiB:", peaks)
    ratio("search: memory of a sync, all pictures / a fifth of them", peaks[2][2] / peaks[0][2])
    ratio("search: memory of a sync by product, all / a fifth", peaks[3][2] / peaks[1][2])
