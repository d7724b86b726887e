"""A browser that people have, headless, and what a page did in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Playwright, expect, sync_playwright

expect.set_options(timeout=20_000)

MISSING = "install chromium (Debian: apt-get install chromium)"
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Nothing that a browser does of itself; root may not have a sandbox."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the machine's chromium; skip where there is none."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        browser = _started(playwright, found)
        try:
            yield browser
        finally:
            browser.close()


def _started(playwright: Playwright, path: str) -> Browser:
    return playwright.chromium.launch(executable_path=path, args=list(_QUIET))


class Tab:
    """A tab with the review's page, and everything that it did.

    Attributes
    ----------
    page : Page
    asked : list of str
        The addresses that it requested.
    wrong : list of str
        Errors of its scripts, what the content policy refused, and dialogs that scripts opened.
    """

    def __init__(self, browser: Browser, address: str, **context: Any) -> None:
        self.address = address
        self.page: Page = browser.new_context(**context).new_page()
        self.page.set_default_timeout(10_000)
        self.asked: list[str] = []
        self.wrong: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", self._refuse)
        self.page.on("console", self._note)

    def _refuse(self, dialog: Any) -> None:
        if dialog.type != "beforeunload":
            self.wrong.append(f"a dialog: {dialog.message}")
        dialog.accept()

    def _note(self, message: Any) -> None:
        if "Content Security Policy" in message.text:
            self.wrong.append(message.text)

    def open(self, view: str = "") -> "Tab":
        """Go to a view, which is what stands after # in the address, and wait for its pictures."""
        self.page.goto(self.address + (f"#{view}" if view else ""))
        self.settle()
        return self

    def settle(self) -> None:
        """Wait until the grid shows what the address asks for."""
        expect(self.page.locator("#pictures")).to_have_attribute("aria-busy", "false")

    def press(self, *keys: str) -> None:
        """Press keys, one after another."""
        for key in keys:
            self.page.keyboard.press(key)

    def tile(self, image_id: str) -> Locator:
        """Return the tile of a picture."""
        return self.page.locator(f"#pictures > [aria-label^={_quoted(image_id + '. ')}]")

    def tiles(self) -> Locator:
        """Return all tiles of this page of the grid."""
        return self.page.locator("#pictures > [role=option]")

    def focused(self) -> str:
        """Return what a screen reader says of the element in focus."""
        said = self.page.evaluate("document.activeElement.getAttribute('aria-label') ?? ''")
        return str(said)

    def says(self, words: str) -> None:
        """Wait until the page has said these words of what was done last."""
        expect(self.page.locator("#status")).to_contain_text(words)

    def dialog(self) -> Locator:
        """Return the dialog that is open."""
        return self.page.locator("dialog[open]").last

    def button(self, words: str) -> Locator:
        """Return the first button with these words in its name."""
        return self.page.get_by_role("button", name=words).first

    def close(self) -> None:
        """Close it, and hold that nothing went wrong and nothing was asked of anybody else."""
        self.page.context.close()
        assert not self.wrong
        here = urlsplit(self.address).netloc
        assert {urlsplit(address).netloc for address in self.asked} <= {here}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\a ")
    return f'"{escaped}"'
