"""What tests of refused syncs share: an index, engines by name, and how a refusal looks."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import in_this_process
from engines import BulkSeen, Documents, EngineSeen, NdjsonSeen, PostgresSeen, TypesenseSeen
from made_nights import MODEL, MadeNight, row_labels
from servers import KEY

LABELS: dict[str, Sequence[str]] = {
    "color": ["black", "red"],
    "garment": ["dress"],
    "style": ["printed"],
}
NAMES = ["ndjson", "typesense", "postgresql", "elasticsearch", "opensearch"]
SERVERS = NAMES[1:]
BY = "^([^/]+)/"
AWAY = "typesense://127.0.0.1:9/images"
SECRET = "hunter2-secret"  # noqa: S105 - of nobody


@pytest.fixture(scope="module")
def first_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_index(tmp_path_factory.mktemp("first"))


@pytest.fixture
def index(first_index: Path, tmp_path: Path) -> Path:
    """An index of a test's own."""
    return Path(shutil.copytree(first_index, tmp_path / "index", symlinks=True))


def made_index(folder: Path, n: int = 120, labels: dict[str, Sequence[str]] = LABELS) -> Path:
    """Return an index with one night of pictures, three a product."""
    MadeNight(
        n,
        lambda i: f"p{i // 3:03d}/{i % 3}.jpg",
        lambda i: hashlib.sha256(str(i).encode()).hexdigest(),
        {MODEL: row_labels(labels, 0.1)},
        [group for group in labels if group != "style"],
        bucket=max(1, n // 3),
    ).publish(folder / "index")
    return folder / "index"


def named(engine: EngineSeen, name: str) -> Any:
    """Return another collection of the same engine."""
    if isinstance(engine, TypesenseSeen):
        return TypesenseSeen(engine.port, name)
    if isinstance(engine, PostgresSeen):
        return PostgresSeen(int(engine.to.split(":")[2].split("/")[0]), name)
    if isinstance(engine, BulkSeen):
        return BulkSeen(engine.server, name)
    assert isinstance(engine, NdjsonSeen)
    folder = Path(engine.to.removeprefix("ndjson://")).parent / name
    folder.mkdir(exist_ok=True)
    return NdjsonSeen(folder)


def refused(*words: object, code: int = 2) -> str:
    """Return the one line that a command says when it refuses."""
    ended = in_this_process(*words)
    assert ended.returncode == code, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith("tagger: ")
    assert ended.stdout == ""
    assert KEY not in line
    assert "Error(" not in line
    return line


def refused_or_said(*words: object) -> str:
    """Return what a command says last, where it may say before what it is about to do."""
    ended = in_this_process(*words)
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr.splitlines()[-1]


def contents(folder: Path, *, records: bool = False) -> dict[str, bytes]:
    """Return the files below a folder; records of syncs are left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and (records or "syncs" not in path.parts)
    }


def state_of(seen: Any) -> Any:
    """Return all that an engine has, our own records included."""
    if isinstance(seen, TypesenseSeen):
        export = "/collections/{}/documents/export"
        return {
            name: sorted(seen.ask("GET", export.format(name)).splitlines())
            for name in seen.collections()
        }
    if isinstance(seen, PostgresSeen):
        names = seen.ask("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")[1]
        return {name: sorted(map(repr, seen.ask(f'TABLE "{name}"')[1])) for (name,) in names}
    if isinstance(seen, BulkSeen):
        return json.dumps([vars(one) for one in seen.server.indices.values()]), str(
            seen.server.aliases
        )
    return contents(Path(seen.to.removeprefix("ndjson://")).parent)


def differences(found: Documents, wanted: Documents) -> list[tuple[str, str, str]]:
    """Return the fields that are not as wanted, with the beginning of what they are."""
    return [
        (field, repr(found.get(at, {}).get(field))[:80], repr(wanted.get(at, {}).get(field))[:80])
        for at in set(found) | set(wanted)
        for field in sorted({*found.get(at, {}), *wanted.get(at, {})})
        if found.get(at, {}).get(field) != wanted.get(at, {}).get(field)
    ]
