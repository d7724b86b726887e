"""The page of a review, in a browser: the real command, a real night, keys and clicks."""

import csv
import json
import re
import resource
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from browser import Tab, chromium
from conftest import eager, jpeg, passed, settle, textured
from playwright.sync_api import Browser, Route, expect
from reviewing import HOSTILE, Reviewing, hostile_catalog, reviewing, said_of, tagged

from jobs.train import TrainOptions, train
from schemas.corrections import Correction
from schemas.evaluation import AUDIT_COLUMNS
from tagger.datasets.sample import Sample
from tagger.index.corrections import CorrectionLog

pytestmark = pytest.mark.serial

FIRST = "2026/00/item-00000.jpg"
MANY = 120
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def world(
    browser: Browser, sample: Sample, bundle_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with a catalog and the index of its night; some pictures are no more as they
    were."""
    folder = tmp_path_factory.mktemp("page")
    catalog = hostile_catalog(sample.catalog, folder / "catalog")
    for number in range(MANY):
        (catalog / f"more-{number:03d}.jpg").write_bytes(jpeg(textured(24, 24, seed=number)))
    for name in ("gone.jpg", "other.jpg"):
        (catalog / name).write_bytes(jpeg(textured(30, 20, seed=len(name))))
    tagged(catalog, bundle_path, folder / "index", features=True)
    (catalog / "gone.jpg").unlink()
    (catalog / "other.jpg").write_bytes(jpeg(textured(50, 50)))
    return folder


@pytest.fixture(scope="module")
def index(world: Path) -> Path:
    """The index that tests correct; each takes what it said back by taking the log away."""
    return world / "index"


@pytest.fixture(scope="module")
def served(index: Path) -> Iterator[Reviewing]:
    with reviewing(index, "--as", "Anna") as running:
        yield running


@pytest.fixture
def anna(served: Reviewing, index: Path) -> Reviewing:
    """Anna's server; of no picture has anybody said anything that still counts."""
    take_back(served)
    return served


def take_back(server: Reviewing) -> None:
    """Take back whatever earlier tests have said."""
    items = [
        {
            "content": picture["content"],
            "image_id": picture["image_id"],
            "group": group,
            "label": None,
            "answer": "withdrawn",
            "last": -1,
        }
        for picture in server.find(said="anyone")
        for group in picture["answers"]
    ]
    if items:
        assert server.say(*items, insist=True).code == 200


Opener = Callable[..., Tab]


@pytest.fixture
def tabs(browser: Browser) -> Iterator[Opener]:
    """Open tabs; in none of them may anything go wrong, or ask anybody else for anything."""
    opened: list[Tab] = []

    def new(address: str, **context: Any) -> Tab:
        opened.append(Tab(browser, address, **context))
        return opened[-1]

    yield new
    for tab in opened:
        tab.close()


@pytest.fixture
def tab(anna: Reviewing, tabs: Opener) -> Tab:
    """A tab of Anna's that shows all pictures."""
    return tabs(anna.address).open()


class Log:
    """What is said from now on."""

    def __init__(self, index: Path) -> None:
        self._log = CorrectionLog(index)
        self.path = self._log.path
        self._start = self._log.size()

    def lines(self) -> list[Correction]:
        """Return it, in order."""
        return self._log.read(self._start).corrections

    def of_group(self, group: str, count: int) -> list[Correction]:
        """Return what is said of a group once it is so much, or after ten seconds: a page sends
        one answer after the other."""
        until = time.monotonic() + 10
        while True:
            found = [one for one in self.lines() if one.group == group]
            if len(found) >= count or time.monotonic() > until:
                return found
            time.sleep(0.05)

    def briefly(self) -> list[tuple[str, str, str | None, str]]:
        """Return image_id, group, label and answer of each."""
        return [(one.image_id, one.group, one.label, one.answer) for one in self.lines()]


@pytest.fixture
def log(anna: Reviewing, index: Path) -> Log:
    return Log(index)


def answers_of(tab: Tab, group: str) -> list[str]:
    """Return what the tiles answer for a group."""
    words = tab.page.locator(f".answer[data-group={group}] .word").all_text_contents()
    return [word.strip() for word in words]


def test_a_filter_is_in_the_address_and_survives_reload_and_back(tab: Tab) -> None:
    everything = tab.tiles().count()
    label = answers_of(tab, "garment")[0]
    tab.page.get_by_role("combobox", name="garment", exact=True).select_option(label)
    tab.page.get_by_label("Part of the file's name or folder").fill("item")
    expect(tab.page.locator("#chips")).to_contain_text("item")
    tab.settle()
    assert f"is.garment={label}" in tab.page.url
    some = tab.tiles().count()
    assert 0 < some < everything
    assert set(answers_of(tab, "garment")) == {label}
    tab.page.reload()
    expect(tab.tiles()).to_have_count(some)
    expect(tab.page.locator("#total")).to_have_text(f"{some} pictures")
    tab.button("Show all pictures").click()
    expect(tab.tiles()).to_have_count(everything)
    tab.page.go_back()
    expect(tab.tiles()).to_have_count(some)


def test_parts_of_names_scores_and_states_filter_and_what_matches_nothing_says_so(
    tab: Tab,
) -> None:
    tab.page.get_by_label("Part of the file's name or folder").fill("ITEM-00010")
    expect(tab.tiles()).to_have_count(1)
    tab.page.get_by_role("combobox", name="State of the file").select_option("truncated")
    expect(tab.page.locator("#empty")).to_contain_text("No picture is like that")
    tab.page.locator("#empty").get_by_role("button", name="Show all pictures").click()
    expect(tab.page.locator("#total")).to_contain_text("All ")
    tab.page.get_by_role("combobox", name="Score of a label").select_option("color:red")
    tab.page.get_by_label("from, %").fill("30")
    tab.page.get_by_label("from, %").press("Enter")
    expect(tab.page.locator("#chips")).to_contain_text("score of red: 30 % to 100 %")
    tab.page.get_by_role("combobox", name="Order").select_option("score")
    tab.settle()
    assert "least=0.3" in tab.page.url
    assert "order=score" in tab.page.url


def test_keys_alone_answer_from_the_first_tab_stop_to_the_disk(tab: Tab, log: Log) -> None:
    tab.open("path=item-00000")
    tab.press("Tab", "Enter")  # skip to the pictures
    assert tab.focused().startswith(FIRST)
    tab.press("c")
    tab.page.keyboard.type("bl")
    options = tab.dialog().get_by_role("option")
    expect(options.first).to_contain_text("bl")
    label = options.first.locator("bdi").inner_text()
    tab.press("Enter")
    tab.says(f"Kept: color: {label}")
    assert log.briefly() == [(FIRST, "color", label, "is")]
    expect(tab.tile(FIRST).locator(".answer.person")).to_contain_text(f"✓ {label}")
    expect(tab.tile(FIRST).locator(".answer.person")).to_contain_text("you")
    tab.page.reload()
    expect(tab.tile(FIRST)).to_have_attribute("aria-label", re.compile(f"color: {label}, by you"))


def test_after_an_answer_the_next_picture_has_the_focus(tab: Tab) -> None:
    tab.tiles().nth(2).focus()
    tab.press("y", "y")
    third, fourth = tab.tiles().nth(2), tab.tiles().nth(3)
    expect(third.locator(".answer.person").first).to_be_visible()
    expect(fourth.locator(".answer.person").first).to_be_visible()
    expect(tab.tiles().nth(4)).to_be_focused()


def test_none_of_these_and_i_do_not_know_are_apart_and_explained(tab: Tab, log: Log) -> None:
    tab.tile(FIRST).focus()
    tab.press("c")
    expect(tab.dialog()).to_contain_text("You have looked, and no label of color fits.")
    expect(tab.dialog()).to_contain_text("The model's answer stays; no model learns from it.")
    tab.press("0")
    tab.says("none of these")
    tab.press("u")
    expect(tab.dialog()).to_contain_text("I do not know: of which group?")
    tab.press("g")
    tab.says("garment: I do not know")
    assert [one[1:] for one in log.briefly()] == [
        ("color", None, "none"),
        ("garment", None, "unknown"),
    ]
    tab.open("said=unknown")
    expect(tab.tiles()).to_have_count(1)
    expect(tab.tiles().first).to_contain_text("? not known")


def test_right_as_it_is_confirms_every_group_and_undo_goes_back_step_by_step(
    tab: Tab, log: Log
) -> None:
    tab.tile(FIRST).focus()
    tab.press("y")
    tab.says("Kept:")
    assert {one.group for one in log.lines()} == {"color", "garment"}
    tab.tile(FIRST).focus()
    tab.press("c", "1")
    tab.says("Kept: color")
    expect(tab.button("Undo")).to_contain_text("(2 steps)")
    tab.press("z")
    tab.says("Undone: color")
    confirmed = next(one for one in log.lines() if one.group == "color")
    assert (log.lines()[-1].answer, log.lines()[-1].label) == (confirmed.answer, confirmed.label)
    tab.button("Undo").click()
    tab.says("garment: ")  # of the first step back the page said color alone
    expect(tab.button("Nothing to undo")).to_be_disabled()
    assert [one.answer for one in log.lines()[-2:]] == ["withdrawn", "withdrawn"]
    expect(tab.tile(FIRST).locator(".answer.person")).to_have_count(0)


def test_many_are_answered_at_once_and_undone_at_once(tab: Tab, log: Log) -> None:
    tab.tiles().nth(1).click()
    tab.tiles().nth(4).click(modifiers=["Shift"])
    expect(tab.page.locator("#target")).to_have_text("4 pictures selected")
    tab.press("g", "1")
    tab.says("4 pictures")
    assert len(log.lines()) == 4
    expect(tab.page.locator(".answer.person")).to_have_count(4)
    tab.press("z")
    tab.says("Undone")
    expect(tab.page.locator(".answer.person")).to_have_count(0)


def test_all_that_match_are_selected_after_a_question_that_names_their_number(
    tab: Tab, log: Log
) -> None:
    tab.open("path=more-")
    tab.tiles().first.focus()
    tab.press("c", "1")
    tab.says("Kept")
    tab.button(f"Select all {MANY} that match").click()
    tab.says(f"{MANY} pictures selected")
    tab.press("c", "2")
    expect(tab.dialog()).to_contain_text(f"for {MANY} pictures?")
    tab.dialog().get_by_role("button", name=f"Yes, for all {MANY} pictures").click()
    tab.says(f", {MANY} pictures.")
    assert len(log.lines()) == MANY + 1
    tab.press("z")
    tab.says("Undone")
    back = log.lines()[MANY + 1 :]
    assert [one.answer for one in back].count("withdrawn") == MANY - 1
    (earlier,) = [one for one in back if one.answer == "is"]  # what had been said before
    assert earlier.image_id == "more-000.jpg"


def test_a_queue_that_shrinks_loses_no_picture_between_its_pages(tab: Tab) -> None:
    tab.open("said=nobody&path=more-")
    tab.tiles().first.focus()
    tab.press("y")
    tab.says("Kept")
    tab.button("Later").click()
    expect(tab.tiles()).to_have_count(MANY - 96)
    expect(tab.tiles().first.locator(".file")).to_have_text("more-096.jpg")
    expect(tab.page.locator("#pager")).to_contain_text(f"of {MANY - 1}")


def test_hostile_names_and_labels_are_text(tab: Tab, log: Log) -> None:
    picture = tab.tile(HOSTILE)
    picture.scroll_into_view_if_needed()
    expect(picture.locator(".file")).to_have_text(HOSTILE)
    expect(picture.locator("img.there")).to_have_count(1)
    picture.focus()
    tab.press("c")
    tab.page.keyboard.type(SCRIPT)
    expect(tab.dialog()).to_contain_text(f"Propose the new label “{SCRIPT}”")
    tab.press("Enter")
    tab.says(SCRIPT)
    assert log.briefly() == [(HOSTILE, "color", SCRIPT, "is")]
    expect(picture.locator(".answer.person")).to_contain_text("proposed")
    tab.button("1 proposed label").click()
    expect(tab.dialog()).to_contain_text(SCRIPT)
    command = tab.dialog().get_by_label("Command").input_value()
    assert f"'color:{SCRIPT}'" in command
    tab.press("Escape")
    picture.focus()
    tab.press("Enter")
    expect(tab.dialog().locator("h2")).to_have_text(HOSTILE)
    expect(tab.dialog().locator("figure img")).to_be_visible()
    tab.page.reload()
    expect(tab.dialog().locator("h2")).to_have_text(HOSTILE)
    tab.press("Escape")
    tab.page.get_by_role("combobox", name="color", exact=True).select_option(f"{SCRIPT} (proposed)")
    expect(tab.tiles()).to_have_count(1)


def test_one_picture_large_has_every_score_its_history_and_its_look_alikes(
    anna: Reviewing, tab: Tab, log: Log
) -> None:
    tab.tile(FIRST).dblclick()
    large = tab.dialog()
    expect(large.locator("h2")).to_have_text(FIRST)
    groups = anna.get("api/night").json()["groups"]
    expect(large.locator(".meter")).to_have_count(sum(len(one["labels"]) for one in groups))
    tab.press("n")  # of the group in question
    expect(large).to_contain_text("you said color: none of these")
    expect(large.locator(".question.current h3")).to_contain_text("garment")
    tab.press("Enter")  # right
    expect(large.get_by_role("status")).to_contain_text("Every group is answered")
    assert [one.group for one in log.lines()] == ["color", "garment"]
    large.get_by_role("button", name="Show pictures that look like it").click()
    expect(large.locator(".thumbnail").first).to_be_visible()
    tab.press("ArrowRight")
    expect(large.locator("h2")).not_to_have_text(FIRST)
    tab.page.go_back()
    expect(tab.page.locator("dialog")).to_have_count(0)


def test_two_persons_on_one_picture_are_told_of_each_other(
    anna: Reviewing, index: Path, log: Log, tabs: Opener
) -> None:
    with reviewing(index, "--as", "Ben") as ben:
        hers, his = tabs(anna.address).open(), tabs(ben.address).open()
        for key, tab in (("1", his), ("2", hers)):
            tab.tile(FIRST).focus()
            tab.press("c", key)
            if tab is his:
                tab.says("Kept")
        expect(hers.dialog()).to_contain_text("Somebody else has answered meanwhile")
        expect(hers.dialog()).to_contain_text("Ben said color")
        assert len(log.lines()) == 1
        hers.dialog().get_by_role("button", name="Keep theirs").click()
        expect(hers.tile(FIRST).locator(".answer.person .by")).to_have_text("Ben")
        his.tile(FIRST).focus()
        his.press("c", "3")
        his.says("Kept")
        hers.tile(FIRST).focus()
        hers.press("c", "2")
        hers.dialog().get_by_role("button", name="Keep mine").click()
        hers.says("Kept")
        assert [one.who for one in log.lines()] == ["Ben", "Ben", "Anna"]


def test_what_others_say_while_a_page_is_read_is_not_hidden_by_what_one_said_before(
    anna: Reviewing, index: Path, tabs: Opener
) -> None:
    tab = tabs(anna.address).open()
    late: list[Route] = []
    tab.page.route("**/api/find", lambda route: late.append(route))
    with tab.page.expect_request("**/api/find"):
        tab.page.evaluate("location.hash = 'path=item'")
    tab.tile(FIRST).focus()
    tab.press("y")
    tab.says("Kept")
    with reviewing(index, "--as", "Berta") as berta:
        assert berta.say(said_of(berta.one(FIRST), None)).code == 200
    late[0].continue_()
    expect(tab.tile(FIRST).locator(".answer.person .by").first).to_have_text("Berta")


def test_a_night_that_is_published_meanwhile_is_offered_and_loses_nothing(
    world: Path, bundle_path: Path, tmp_path: Path, tabs: Opener
) -> None:
    catalog = Path(shutil.copytree(world / "catalog" / "2026", tmp_path / "catalog" / "2026"))
    catalog, index = catalog.parent, tmp_path / "index"
    tagged(catalog, bundle_path, index)
    with reviewing(index, "--as", "Anna") as anna:
        tab = tabs(anna.address).open()
        before = tab.tiles().count()
        tab.tile(FIRST).focus()
        tab.press("c", "1")
        tab.says("Kept")
        (catalog / "new.jpg").write_bytes(jpeg(textured(40, 40, seed=9)))
        tagged(catalog, bundle_path, index)
        tab.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(tab.page.locator(".banners")).to_contain_text("A new night was published")
        tab.button("Look at it").click()
        expect(tab.tiles()).to_have_count(before + 1)
        expect(tab.page.locator(".banner")).to_have_count(0)
        expect(tab.tile(FIRST).locator(".answer.person")).to_have_count(1)


def test_what_is_not_kept_stays_in_sight_until_it_is_sent_again(
    anna: Reviewing, tab: Tab, log: Log
) -> None:
    tab.tile(FIRST).focus()
    tab.press("c", "1")
    tab.says("Kept")
    room = log.path.stat().st_size + 10
    limit = resource.RLIMIT_FSIZE
    resource.prlimit(anna.process.pid, limit, (room, resource.RLIM_INFINITY))
    tab.press("c", "1")
    banner = tab.page.locator(".banner")
    expect(banner).to_contain_text("Not kept: color")
    expect(banner).to_contain_text("lacks room on a disk")
    expect(tab.page.locator(".pending:visible")).to_contain_text("Not kept: color")
    expect(tab.page.locator(".answer.person")).to_have_count(1)
    resource.prlimit(anna.process.pid, limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    banner.get_by_role("button", name="Send again").click()
    expect(tab.page.locator(".answer.person")).to_have_count(2)
    expect(banner).to_have_count(0)


def test_a_server_that_ended_and_a_tab_of_an_earlier_start_are_told_apart(
    index: Path, log: Log, tabs: Opener
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with reviewing(index, "--as", "Anna", "--port", port) as anna:
        tab = tabs(anna.address).open()
        tab.tile(FIRST).focus()
        anna.end()
    tab.press("c", "1")
    expect(tab.page.locator(".banners")).to_contain_text("The server does not answer")
    expect(tab.page.locator(".banners")).to_contain_text("Not kept: color")
    expect(tab.page.locator(".answer.person")).to_have_count(0)
    with reviewing(index, "--as", "Anna", "--port", port):
        tab.button("Send again").click()
        expect(tab.page.locator(".banners")).to_contain_text("an earlier start of tagger review")
        expect(tab.page.locator(".answer.person")).to_have_count(0)
    assert log.lines() == []


def test_pictures_that_are_gone_or_changed_or_never_could_be_read_say_so(tab: Tab) -> None:
    for image_id, words in (
        ("gone.jpg", "The file is gone."),
        ("other.jpg", "The file has changed since the night."),
    ):
        tab.open(f"path={image_id}")
        expect(tab.tile(image_id)).to_contain_text(words)
    tab.open("path=no picture")
    failed = tab.tile("no picture.jpg")
    expect(failed.locator(".answer")).to_have_count(0)
    failed.focus()
    tab.press("c")
    tab.says("takes no answers")


def test_another_sites_page_changes_nothing_even_with_the_token(
    anna: Reviewing, log: Log, browser: Browser
) -> None:
    found = anna.find(status="ok")[0]
    with other_site(anna, found) as address:
        page = browser.new_page()
        page.goto(address)
        expect(page.locator("#done")).to_have_text("tried")
        page.locator("button").click()
        page.wait_for_load_state()
        page.context.close()
    assert log.lines() == []


HOSTILE_PAGE = """<!doctype html><p id=done></p>
<form method=post enctype=text/plain><input type=hidden><button>Go</button></form>
<script>
const [body, to] = VALUES;
document.querySelector("form").action = to;
document.querySelector("input").name = body;
const post = (mode, headers) => fetch(to, {method: "POST", mode, body, headers});
const json = {"Content-Type": "application/json"};
Promise.allSettled([
  post("no-cors", {"Content-Type": "text/plain"}),
  post("no-cors", json),
  post("cors", {"Content-Type": "text/plain"}),
  post("cors", json),
  post("cors", {...json, "X-Tagger": "review"}),
  navigator.sendBeacon(to, new Blob([body], {type: "text/plain"})),
]).then(() => { document.getElementById("done").textContent = "tried"; });
</script>"""


@contextmanager
def other_site(anna: Reviewing, picture: dict[str, Any]) -> Iterator[str]:
    """Serve, from another port, a page that posts an answer to ours in the ways there are."""
    body = json.dumps({"items": [said_of(picture, None)]})
    values = json.dumps([body, f"{anna.address}api/say"])
    html = HOSTILE_PAGE.replace("VALUES", values).encode()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(html)))
            self.end_headers()
            self.wfile.write(html)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_narrow_window_has_everything_and_scrolls_down_only(
    anna: Reviewing, tabs: Opener
) -> None:
    tab = tabs(anna.address, viewport={"width": 375, "height": 700}, has_touch=True).open()
    tab.tiles().first.tap()
    tab.button("Filters").click()
    expect(tab.page.get_by_role("combobox", name="color", exact=True)).to_be_visible()
    fits(tab)
    tab.button("Filters").click()
    tab.page.locator("#actions").get_by_role("button", name="color").click()
    expect(tab.dialog()).to_be_visible()
    fits(tab)
    tab.press("Escape")
    tab.page.locator("#actions").get_by_role("button", name="Open").click()
    expect(tab.dialog().locator("figure img")).to_be_visible()
    fits(tab)
    tab.dialog().get_by_role("button", name="None of these").first.click()
    expect(tab.dialog().get_by_role("status")).to_contain_text("Kept")


def fits(tab: Tab) -> None:
    beyond = """[document.documentElement, ...document.querySelectorAll("dialog")]
        .map((element) => element.scrollWidth - element.clientWidth)"""
    assert set(tab.page.evaluate(beyond)) == {0}


def test_thumbnails_move_nothing_when_they_come(tab: Tab) -> None:
    expect(tab.page.locator("img.there").first).to_be_visible()
    moved = tab.page.evaluate(
        """() => new Promise((done) => {
            const moved = [];
            new PerformanceObserver((list) => {
                for (const shift of list.getEntries())
                    moved.push(...shift.sources.map(({ node }) => node?.className));
            }).observe({ type: "layout-shift", buffered: true });
            setTimeout(() => done(moved), 300);
        })"""
    )
    assert not [name for name in moved if name in ("tile", "frame", "facts", "there")]


def test_a_sample_is_asked_with_keys_alone_and_says_what_is_known(
    index: Path, log: Log, tabs: Opener
) -> None:
    with reviewing(index, "--as", "Anna", "--sample", 6) as anna:
        tab = tabs(anna.address).open()
        expect(tab.page.locator("#sample")).to_contain_text("0 of 6")
        tab.page.locator("#sample-on").focus()
        tab.press("Enter")
        place = tab.dialog().locator(".place")
        for number in range(3):
            expect(place).to_contain_text(f"Picture {number + 1} of the sample. {number} of 6")
            tab.press("y")
        expect(place).to_contain_text("Picture 4 of the sample. 3 of 6")
        tab.press("Enter")  # the first group is right
        expect(tab.dialog().locator(".question.current h3")).to_contain_text("garment")
        tab.press("u")
        expect(place).to_contain_text("4 of 6")
        tab.press("Escape")
        expect(tab.page.locator("#sample")).to_contain_text("4 of 6")
        expect(tab.page.locator("#sample table")).to_contain_text("between")
        assert {one.sample for one in log.lines()} == {tab.page.url.partition("sample=")[2]}
        tab.page.reload()
        expect(tab.page.locator("#sample")).to_contain_text("4 of 6")


@pytest.mark.usefixtures("log")
def test_who_corrects_out_of_turn_is_told_what_counts_and_sent_to_the_first_that_is_open(
    index: Path, tabs: Opener
) -> None:
    with reviewing(index, "--as", "Anna", "--sample", 7) as anna:
        asked = [name for name, _ in anna.get("api/sample").json()["order"]]
        tab = tabs(anna.address).open()
        shown = tab.tiles().evaluate_all("all => all.map((one) => one.ariaLabel)")
        places = [[words.startswith(f"{name}. ") for words in shown].index(True) for name in asked]
        assert places == sorted(places)
        tab.tile(asked[4]).focus()
        tab.press("y")
        sample = tab.page.locator("#sample")
        expect(sample).to_contain_text("0 of 7")
        expect(sample).to_contain_text("Something was said of 1 picture further on")
        expect(sample.locator("table")).to_have_count(0)
        tab.tile(asked[0]).focus()
        tab.press("y")
        expect(sample).to_contain_text("1 of 7")
        expect(sample.locator("table")).to_contain_text("between")
        assert anna.get("api/sample").json()["judged"] == 1
        tab.page.locator("#sample-on").click()
        expect(tab.dialog().locator(".place")).to_contain_text("Picture 2 of the sample. 1 of 7")


def test_what_an_audit_found_is_answered_with_one_key(
    anna: Reviewing, index: Path, log: Log, tmp_path: Path, tabs: Opener
) -> None:
    first, second = anna.find(status="ok")[:2]
    table = tmp_path / "audit.csv"
    with open(table, "w", newline="") as file:
        rows = csv.DictWriter(file, list(dict.fromkeys([*AUDIT_COLUMNS, "content_sha256"])))
        rows.writeheader()
        for picture in (first, second):
            found = {"finding": "doubt", "group": "color", "given": "red", "suggested": "blue"}
            rows.writerow(found | {"p_suggested": "0.93", "content_sha256": picture["content"]})
    with reviewing(index, "--as", "Anna", "--audit", table) as auditing:
        tab = tabs(auditing.address).open()
        expect(tab.tiles()).to_have_count(2)
        expect(tab.tiles().first).to_contain_text("color: given red, suggested blue (0.93)")
        tab.tiles().first.focus()
        tab.press(",")
        tab.says("Kept: color: red")
        tab.press("Enter")
        expect(tab.dialog().get_by_role("button", name="color: blue, as suggested")).to_be_visible()
        tab.press(".")
        expect(tab.dialog().get_by_role("status")).to_contain_text("Kept: color: blue")
    assert [one.label for one in log.lines()] == ["red", "blue"]


@pytest.fixture(scope="module")
def several(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of a model whose garments are not exclusive."""
    folder = tmp_path_factory.mktemp("several")
    options = TrainOptions(
        (str(sample.labelled),),
        str(folder / "models"),
        "several",
        "color,garment+",
        epochs=1,
        architecture={"size": 32, "filters": (4, 8, 8), "dense": 16},
    )
    with eager():
        bundle = passed(train(options))
    settle(sample.catalog)
    tagged(sample.catalog, bundle, folder / "index")
    return folder / "index"


def test_labels_that_may_hold_together_are_answered_one_by_one(
    browser: Browser, several: Path, tabs: Opener
) -> None:
    log = Log(several)
    with reviewing(several, "--as", "Anna") as anna:
        tab = tabs(anna.address).open()
        tab.tile(FIRST).focus()
        tab.press("g")
        first = tab.dialog().get_by_role("option").first
        label = first.locator("bdi").inner_text()
        tab.press("Enter")
        expect(first).to_contain_text("yes, by you")
        tab.press("Shift+Enter")
        expect(first).to_contain_text("no, by you")
        tab.press("Control+Enter")
        expect(first).to_contain_text("not known, by you")
        tab.press("Enter")
        expect(first).to_contain_text("yes, by you")
        tab.press("Escape")
        expect(tab.tile(FIRST).locator(".tag.person")).to_have_text(f"✓ {label}")
        tab.press("z")
        tab.says("Undone")
        answers = [(one.label, one.answer) for one in log.lines()]
        assert answers == [
            (label, "is"),
            (label, "is_not"),
            (label, "unknown"),
            (label, "is"),
            (label, "unknown"),
        ]
        tab.tile(FIRST).focus()
        tab.press("Enter")
        expect(tab.dialog().locator(".question").first).to_be_visible()
        tab.press("y")
        expect(tab.dialog().get_by_role("button", name="I do not know by you")).to_have_count(0)
        assert {one.answer for one in log.lines()[5:]} <= {"is", "is_not", "none"}


def test_one_key_answers_every_question_of_a_sample_labels_that_are_not_shown_too(
    several: Path, tabs: Opener
) -> None:
    log = Log(several)
    with reviewing(several, "--as", "Anna", "--sample", 5) as anna:
        first = anna.get("api/sample").json()
        tab = tabs(anna.address).open()
        for number, (name, _) in enumerate(first["order"][:2]):
            tab.tile(name).focus()
            tab.press("y")
            expect(tab.page.locator("#sample")).to_contain_text(f"{number + 1} of 5")
        until = time.monotonic() + 10  # the page counts before the last answer has arrived
        while anna.get("api/sample").json()["judged"] < 2 and time.monotonic() < until:
            time.sleep(0.05)
        assert anna.get("api/sample").json()["judged"] == 2
        labels = [each for each in first["estimates"] if each["group"] == "garment"]
        of_garments = log.of_group("garment", 2 * len(labels))
        assert len(of_garments) == 2 * len(labels)
        assert "is_not" in {one.answer for one in of_garments}


def test_an_answer_that_is_faster_than_the_sample_counts(
    several: Path, tabs: Opener, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    shutil.copytree(several, index, symlinks=True)
    CorrectionLog(index).path.unlink(missing_ok=True)
    with reviewing(index, "--as", "Berta", "--sample", 5) as berta:
        name = berta.get("api/sample").json()["order"][0][0]
        tab = tabs(berta.address)
        late: list[Route] = []
        tab.page.route("**/api/sample", lambda route: late.append(route))
        with tab.page.expect_request("**/api/sample"):
            tab.open()
        tab.tile(name).focus()
        tab.press("y")
        tab.says("Kept")
        late[0].continue_()
        expect(tab.page.locator("#sample")).to_contain_text("1 of 5")


def test_every_control_has_a_name_and_focus_can_be_seen(tab: Tab) -> None:
    nameless = """[...document.querySelectorAll("button, a, input, select, [role=option]")]
        .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length))
        .map((e) => e.outerHTML)"""
    assert tab.page.evaluate(nameless) == []
    tab.press("Tab")
    for _ in range(12):
        tab.press("Tab")
        outlined = "getComputedStyle(document.activeElement).outlineStyle"
        assert tab.page.evaluate(outlined) != "none"
