"""The page's own files, read once when the server starts: no path of a request reaches the disk."""

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from jinja2 import Environment, StrictUndefined

KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_SHELL = "page.html"


class StaticFile(NamedTuple):
    """A file of the page."""

    content: bytes
    kind: str


class PageFiles(NamedTuple):
    """What the page is made of: its shell, rendered, and the files that it names."""

    shell: bytes
    files: Mapping[str, StaticFile]


REVIEW = files("tagger.review") / "page"
"""The review page."""


def read_page(title: str, folder: Traversable = REVIEW) -> PageFiles:
    """Return the files of a page; `title` is what its window is called."""
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    shell = environment.from_string((folder / _SHELL).read_text(encoding="utf-8"))
    found = {
        entry.name: StaticFile(entry.read_bytes(), KINDS[ending])
        for entry in folder.iterdir()
        if (ending := f".{entry.name.rpartition('.')[2]}") in KINDS
    }
    return PageFiles(shell.render(title=title).encode(), found)
