"""The format pages are what the declarations make of them, short, and linked with each other."""

import re
from pathlib import Path
from typing import get_args

import pytest

from schemas.page import pages
from schemas.runs import RUN_STATES, State

PAGES = pages()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_is_the_one_the_declarations_make(path: Path) -> None:
    assert path.read_text() == PAGES[path], "run: python -m schemas.page"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_is_read_to_its_end_and_leads_to_the_others(path: Path) -> None:
    text = PAGES[path]
    assert len(text.splitlines()) <= 300
    links = set(re.findall(r"\]\(([^)#]+)\)", text))
    assert {other.name for other in PAGES if other != path} | {"../README.md"} <= links
    assert all((path.parent / link).is_file() for link in links)


def test_the_first_screen_says_what_to_do_first() -> None:
    text = next(text for path, text in PAGES.items() if path.name == "FORMAT.md")
    assert "Point any Parquet reader at the folder `current`" in "\n".join(text.splitlines()[:12])
    promise = "One format version, 1, for everything, frozen at the first release"
    assert promise in " ".join(text.split())


def test_every_state_of_a_run_is_explained() -> None:
    assert get_args(State) == tuple(RUN_STATES)
