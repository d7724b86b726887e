"""Syncs that are killed at any moment, and engines that go away: what is served stays whole, and
the next sync goes on."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bulk_server import bulk_server
from conftest import clean_environment
from engines import (
    BulkSeen,
    Documents,
    EngineSeen,
    TypesenseSeen,
    bring,
    engines,
    expected,
    key,
)
from made_nights import MODEL, MadeNight, next_night, row_labels
from servers import KEY, typesense

from jobs.runs import roll_back
from jobs.sync import SyncOptions
from schemas.sync import SyncRecord
from tagger.errors import EngineError, Locked
from tagger.index.store import Index
from tagger.search.records import newest

__all__ = ["engines", "key"]  # fixtures

LABELS = {"color": ["black", "blue", "red"], "garment": ["dress", "jeans"], "style": ["printed"]}
ENGINES = ["ndjson", "typesense", "postgresql", "elasticsearch", "opensearch"]


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return made_index(tmp_path, 3_000)


def made_index(folder: Path, pictures: int, labels: dict[str, list[str]] = LABELS) -> Path:
    index = folder / "index"
    index.mkdir(exist_ok=True)
    MadeNight(
        pictures,
        lambda i: f"p{i // 3:05d}/{i % 3}.jpg",
        lambda i: hashlib.sha256(str(i).encode()).hexdigest(),
        {MODEL: row_labels(labels, 0.1)},
        ["color", "garment"],
        bucket=pictures // 6,
    ).publish(index)
    return index


def started(options: SyncOptions, *more: str) -> "subprocess.Popen[str]":
    """Start a sync in a process of its own."""
    by = ["--product-from", options.product_from] if options.product_from else []
    command = [sys.executable, "-m", "jobs.cli", "sync", options.index, "--to", options.to]
    return subprocess.Popen(
        [*command, *by, "--max-wait", str(options.max_wait), *more],
        env=clean_environment() | {"TAGGER_SEARCH_KEY": KEY, "PYTHONPATH": os.getcwd()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def served(engine: EngineSeen) -> Documents:
    """Return what is served; nothing where nothing is there yet."""
    try:
        return engine.documents()
    except Exception:
        return {}


def is_whole(found: Documents, before: Documents, after: Documents, *, anew: bool) -> bool:
    """Return whether searchers saw one night, or, where changes are followed, whole documents of
    either."""
    if anew:
        return found in (before, after)
    either = all(one in (before.get(at), after.get(at)) for at, one in found.items())
    return either and set(before) & set(after) <= set(found) <= set(before) | set(after)


@pytest.mark.serial
@pytest.mark.parametrize("by", [None, "^([^/]+)/"], ids=["picture", "product"])
@pytest.mark.parametrize("name", ENGINES)
def test_a_sync_that_is_killed_at_any_moment_goes_on(
    engines: dict[str, EngineSeen], index: Path, name: str, by: str | None
) -> None:
    check_kills(engines[name], index, by, rounds=2, seed=ENGINES.index(name))


@pytest.mark.long
@pytest.mark.serial
@pytest.mark.parametrize("by", [None, "^([^/]+)/"], ids=["picture", "product"])
@pytest.mark.parametrize("name", ENGINES)
def test_a_sync_that_is_killed_sixteen_times_goes_on(
    engines: dict[str, EngineSeen], index: Path, name: str, by: str | None
) -> None:
    check_kills(engines[name], index, by, rounds=8, seed=100 + ENGINES.index(name))


def check_kills(engine: EngineSeen, index: Path, by: str | None, *, rounds: int, seed: int) -> None:
    draw = random.Random(seed)
    options = SyncOptions(str(index), to=engine.to, product_from=by, max_wait=20)
    began = time.monotonic()
    bring(options, anew=True)
    longest = time.monotonic() - began + 1.5  # a process has to load what this one has already
    for turn in range(rounds):
        before = engine.documents()
        anew = turn % 2 == 1
        next_night(index, every=2 if anew else 100)
        if turn == rounds - 1:
            roll_back(str(index), Index(index).snapshots()[0])
        after = expected(options)
        for _ in range(2):
            process = started(options)
            time.sleep(draw.uniform(0.5, longest))
            process.send_signal(draw.choice([signal.SIGKILL, signal.SIGTERM]))
            process.communicate(timeout=60)
            whole = anew or "typesense" not in engine.to  # others change all at once
            assert is_whole(served(engine), before, after, anew=whole)
        bring(options)
        assert engine.documents() == after
        assert bring(options).way == "nothing"


def test_what_a_killed_sync_had_built_is_not_built_again(
    tmp_path: Path, engines: dict[str, EngineSeen], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tagger.search.aliased import AliasedEngine

    index = made_index(tmp_path, 600)
    engine = engines["typesense"]
    options = SyncOptions(str(index), to=f"{engine.to}-resumed")
    note = AliasedEngine._note
    notes = []

    def noted(self: AliasedEngine, at: str, record: object) -> None:
        note(self, at, record)  # type: ignore[arg-type]
        notes.append(at)
        if notes.count("building:images-resumed") == 4:  # begun, and three of six chunks
            raise KeyboardInterrupt

    monkeypatch.setattr(AliasedEngine, "_note", noted)
    with pytest.raises(KeyboardInterrupt):
        bring(options)
    monkeypatch.undo()
    monkeypatch.setenv("TAGGER_SEARCH_KEY", KEY)
    report = bring(options)
    everything = expected(options)
    assert report.documents == len(everything)
    assert 0 < report.upserted < len(everything) * 0.7
    assert TypesenseSeen(_port(engine.to), "images-resumed").documents() == everything


def _port(to: str) -> int:
    return int(to.split(":")[2].split("/")[0])


@pytest.mark.serial
def test_an_engine_that_comes_back_in_time_is_waited_for(tmp_path: Path, index: Path) -> None:
    with typesense(tmp_path / "typesense") as server:
        seen = TypesenseSeen(server.port, "images")
        options = SyncOptions(str(index), to=seen.to, max_wait=60)
        bring(options)
        next_night(index)
        server.process.kill()
        server.process.wait()
        process = started(options)
        time.sleep(3)
        assert process.poll() is None, process.communicate()
        again = subprocess.Popen(server.again)
        try:
            _, said = process.communicate(timeout=90)
            assert process.returncode == 0, said
            assert seen.documents() == expected(options)
        finally:
            again.terminate()
            again.wait()


@pytest.mark.parametrize("scheme", ["typesense", "postgresql", "elasticsearch", "opensearch"])
def test_an_engine_that_stays_away_ends_a_sync_and_the_record_says_so(
    index: Path, scheme: str
) -> None:
    options = SyncOptions(str(index), to=f"{scheme}://127.0.0.1:9/images", max_wait=0.5)
    with pytest.raises(EngineError, match="did not answer") as raised:
        bring(options)
    assert raised.value.exit_code == 9
    record = newest(index)
    assert record is not None
    assert (record.state, record.exit_code) == ("failed", 9)
    assert "did not answer" in str(record.message)


@pytest.mark.parametrize("product", ["elasticsearch", "opensearch"])
def test_single_documents_that_are_refused_are_said_and_tried_again(
    index: Path, product: str
) -> None:
    with bulk_server(product, "9.5.0") as server:  # type: ignore[arg-type]
        seen = BulkSeen(server, "images")
        options = SyncOptions(str(index), to=seen.to, max_wait=1)
        server.poison = "p00007/1.jpg"
        with pytest.raises(EngineError, match=r"refused 1 documents, the first 'p00007/1.jpg'"):
            bring(options)
        record = newest(index)
        assert record is not None
        assert record.report is not None
        assert (record.state, record.report.missing) == ("missing", 1)
        assert len(seen.documents()) == len(expected(options)) - 1
        server.poison = ""
        report = bring(options)
        assert (report.way, report.upserted, report.missing) == ("follow", 1, 0)
        assert seen.documents() == expected(options)


@pytest.mark.parametrize("product", ["elasticsearch", "opensearch"])
def test_a_server_that_is_busy_is_asked_again(index: Path, product: str) -> None:
    with bulk_server(product, "9.5.0") as server:  # type: ignore[arg-type]
        seen = BulkSeen(server, "images")
        options = SyncOptions(str(index), to=seen.to, max_wait=20)
        server.refuse_next = [429, 503, 429]
        server.busy_items = 700
        bring(options)
        assert seen.documents() == expected(options)
        server.refuse_next = [429] * 99
        next_night(index)
        with pytest.raises(EngineError, match="too many requests"):
            bring(options, max_wait=1.0)
        server.refuse_next = []
        bring(options)
        assert seen.documents() == expected(options)


@pytest.mark.parametrize("product", ["elasticsearch", "opensearch"])
def test_a_request_that_is_too_large_is_cut(index: Path, product: str) -> None:
    with bulk_server(product, "9.5.0") as server:  # type: ignore[arg-type]
        seen = BulkSeen(server, "images")
        options = SyncOptions(str(index), to=seen.to, max_wait=1)
        server.most_bytes = 20_000
        bring(options)
        assert seen.documents() == expected(options)
        server.most_bytes = 100
        next_night(index)
        with pytest.raises(EngineError, match="too large: request_too_large"):
            bring(options)


def test_an_engine_that_refuses_most_documents_keeps_what_it_serves(index: Path) -> None:
    with bulk_server("opensearch", "3.2.0") as server:
        seen = BulkSeen(server, "images")
        options = SyncOptions(str(index), to=seen.to, max_wait=1)
        bring(options)
        before = dict(seen.documents())
        server.poison = "p0000"
        next_night(index, every=2)
        server.poison = "p00"
        with pytest.raises(EngineError, match="What it serves stays as it was"):
            bring(options, anew=True)
        assert seen.documents() == before
        assert [name for name in server.indices if name.startswith("images_")] == list(
            server.aliases["images"]
        )


@pytest.mark.parametrize("name", ["typesense", "postgresql", "ndjson"])
def test_two_syncs_do_not_work_at_once(
    engines: dict[str, EngineSeen], index: Path, name: str
) -> None:
    from tagger.search.address import parse_address
    from tagger.search.engines import open_engine

    engine = engines[name]
    options = SyncOptions(str(index), to=engine.to)
    other = open_engine(parse_address(engine.to, default_name="images"), KEY, 5)
    with other.held(), pytest.raises(Locked):
        bring(options)
    other.close()
    bring(options, anew=True)
    assert engine.documents() == expected(options)


def test_two_machines_with_indexes_of_their_own_do_no_harm(
    engines: dict[str, EngineSeen], tmp_path: Path
) -> None:
    indexes = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        indexes.append(made_index(tmp_path / name, 300))
    for engine in engines.values():
        bring(SyncOptions(str(indexes[0]), to=engine.to), anew=True)
        for index in (indexes[1], indexes[0], indexes[0]):
            options = SyncOptions(str(index), to=engine.to)
            bring(options)
            assert engine.documents() == expected(options)


def test_another_vocabulary_is_built_beside_and_old_collections_go(
    engines: dict[str, EngineSeen], index: Path
) -> None:
    engine = engines["typesense"]
    assert isinstance(engine, TypesenseSeen)
    options = SyncOptions(str(index), to=engine.to)
    bring(options, anew=True)
    more = LABELS | {"style": ["printed", "striped", "long sleeve"]}
    made_index(index.parent, 300, more)
    report = bring(options)
    assert report.way == "anew"
    assert "vocabulary" in report.why
    assert engine.documents() == expected(options)
    ours = [name for name in engine.collections() if name.startswith("images_")]
    assert len(ours) == 1


def test_records_name_no_key(engines: dict[str, EngineSeen], index: Path) -> None:
    for engine in engines.values():
        bring(SyncOptions(str(index), to=engine.to), anew=True)
    texts = [path.read_text() for path in (index / "syncs").glob("*.json")]
    assert len(texts) == len(engines)
    assert not any(KEY in text or "a key" in text for text in texts)
    for text in texts:
        assert SyncRecord(**json.loads(text)).state == "equal"
