"""A review as a person has it: the real command in a process of its own, asked over HTTP."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from conftest import clean_environment, jpeg, settle, textured

from jobs.tag_catalog import TagOptions, tag_catalog

HOSTILE = '"><img src=x onerror=alert(1)>.jpg'
ODD_NAMES = (HOSTILE, "two\nlines.jpg", "back\\slash.jpg", "percent %41 & plus+.jpg")


class Answered(NamedTuple):
    """What the server answered."""

    code: int
    headers: dict[str, str]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def error(self) -> str:
        return str(self.json()["error"])


class Reviewing:
    """A running `tagger review`."""

    def __init__(self, process: "subprocess.Popen[str]", address: str) -> None:
        self.process = process
        self.address = address
        self.port = int(urlsplit(address).port or 0)
        self.root = urlsplit(address).path

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answered:
        """Ask for a path of the server, as anybody may."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Answered(answer.status, named, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answered:
        """Ask for a path below the token, as the page does."""
        return self.ask("GET", f"{self.root}{path}", headers=headers)

    def post(self, path: str, value: object = None) -> Answered:
        """Say something, as the page does."""
        body = json.dumps({} if value is None else value).encode()
        headers = {"Content-Type": "application/json", "X-Tagger": "review"}
        return self.ask("POST", f"{self.root}{path}", body, headers)

    def find(self, **wanted: object) -> list[dict[str, Any]]:
        """Return the pictures that are wanted."""
        found = self.post("api/find", {"wanted": wanted, "offset": 0, "limit": 500})
        assert found.code == 200, found.content
        return list(found.json()["pictures"])

    def one(self, image_id: str) -> dict[str, Any]:
        """Return a picture."""
        found = self.get(f"api/picture?id={quote(image_id, safe='')}")
        assert found.code == 200, found.content
        return dict(found.json()["picture"])

    def picture(self, picture: dict[str, Any], side: int | str = 256) -> Answered:
        """Return the picture itself."""
        name = quote(picture["image_id"], safe="")
        return self.get(f"picture/{picture['content']}?id={name}&side={side}")

    def say(self, *items: dict[str, Any], **more: object) -> Answered:
        """Say things of pictures."""
        return self.post("api/say", {"items": list(items), **more})

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Return exit code and what was said on standard error, after a signal."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said


def said_of(picture: dict[str, Any], label: str | None, **more: object) -> dict[str, Any]:
    """Return a person's answer about the color of a picture, as the page sends it."""
    item = {
        "content": picture["content"],
        "image_id": picture["image_id"],
        "group": "color",
        "label": label,
        "answer": "none" if label is None else "is",
        "last": picture["answers"]["color"]["last"] if picture["answers"] else -1,
    }
    return item | more


@contextmanager
def reviewing(index: Path, *options: object) -> Iterator[Reviewing]:
    """Run `tagger review` on an index."""
    command = [sys.executable, "-m", "jobs.cli", "review", str(index)]
    process = subprocess.Popen(
        [*command, *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment() | {"PYTHONPATH": os.getcwd()},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), process.stderr.read()
        yield Reviewing(process, address)
    finally:
        process.kill()
        process.communicate()


def tagged(catalog: Path, bundle: Path, index: Path, *, features: bool = False) -> None:
    """Tag a catalog, as a night does."""
    settle(catalog)
    tag_catalog(
        TagOptions(
            str(catalog), str(bundle), str(index), workers=1, features=features, max_error_rate=1
        )
    )


def hostile_catalog(source: Path, folder: Path) -> Path:
    """Return a copy of a catalog with names that mean something to browsers and shells."""
    catalog = Path(shutil.copytree(source, folder))
    for seed, name in enumerate(ODD_NAMES):
        (catalog / name).write_bytes(jpeg(textured(300, 200, seed=seed)))
    (catalog / "no picture.jpg").write_bytes(b"\xff\xd8\xff no picture")
    return catalog
