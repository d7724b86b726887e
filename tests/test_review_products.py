"""A review that knows products: which one a picture shows, all pictures of one, and those of
products whose pictures disagree, as they answer now."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from browser import Tab, chromium
from conftest import Command, current_rows, jpeg, textured
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, expect
from reviewing import Reviewing, hostile_catalog, reviewing, said_of, tagged
from with_products import ALIKE, DIFFERENT, disagreeing, product_table

from jobs.tag_catalog import TagOptions
from tagger.datasets.sample import Sample
from tagger.models.starter import STARTER
from tagger.review.products import NightProducts

pytestmark = pytest.mark.serial


@pytest.fixture(scope="module")
def world(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the index of a night and a table of some of its products."""
    folder = tmp_path_factory.mktemp("review_products")
    tagged(hostile_catalog(sample.catalog, folder / "catalog"), STARTER, folder / "index")
    product_table(rows_of(folder), folder / "skus.csv")
    return folder


def rows_of(world: Path) -> pd.DataFrame:
    return current_rows(TagOptions(str(world / "catalog"), None, str(world / "index")))


@pytest.fixture(scope="module")
def products(world: Path) -> dict[str, list[str]]:
    """The pictures of each product of the table, those of the front first."""
    table = pd.read_csv(world / "skus.csv")
    return {str(sku): list(mine.image) for sku, mine in table.groupby("sku")}


@pytest.fixture(scope="module")
def served(world: Path) -> Iterator[Reviewing]:
    with reviewing(world / "index", "--as", "Anna", "--products", world / "skus.csv") as running:
        yield running


@pytest.fixture
def anna(served: Reviewing) -> Reviewing:
    """Anna's server; of no picture's color has anybody said anything that still counts."""
    said = [one for one in served.find(said="anyone") if one["answers"]["color"]["said"]]
    if said:
        taken = [said_of(one, None, answer="withdrawn") for one in said]
        assert served.say(*taken, insist=True).code == 200
    return served


def names(pictures: list[dict[str, Any]]) -> list[str]:
    return [picture["image_id"] for picture in pictures]


def test_every_picture_says_which_product_it_shows(
    anna: Reviewing, products: dict[str, list[str]]
) -> None:
    of = {image_id: sku for sku, mine in products.items() for image_id in mine}
    pictures = anna.find()
    assert {each["image_id"]: each["sku"] for each in pictures} == {
        each["image_id"]: of.get(each["image_id"]) for each in pictures
    }
    assert anna.get("api/night").json()["products"] == len(products) == 3


def test_the_pictures_of_a_product_are_found(
    anna: Reviewing, products: dict[str, list[str]]
) -> None:
    for sku, mine in products.items():
        assert names(anna.find(sku=sku)) == sorted(mine)
        assert names(anna.find(sku=sku, path=mine[0])) == [mine[0]]
    for stranger in ("no such product", "ali", "", "'; --"):
        assert anna.find(sku=stranger) == []


def test_and_those_of_products_whose_pictures_disagree_product_by_product(
    anna: Reviewing, world: Path, products: dict[str, list[str]]
) -> None:
    for group in ("color", "type", "pattern"):
        differ = disagreeing(rows_of(world), products, group)
        found = names(anna.find(disagree=group))
        assert found == [each for sku in sorted(differ) for each in sorted(products[sku])]
    assert ALIKE not in disagreeing(rows_of(world), products, "color")


def test_a_correction_counts_at_once(anna: Reviewing, products: dict[str, list[str]]) -> None:
    mine = anna.find(sku=DIFFERENT)
    assert names(anna.find(disagree="color")) == names(mine)
    assert anna.say(*(said_of(each, "green") for each in mine)).code == 200
    assert anna.find(disagree="color") == []
    alike = anna.find(sku=ALIKE)
    assert anna.say(said_of(alike[0], "mauve")).code == 200  # a label that the model does not have
    assert names(anna.find(disagree="color")) == names(alike)
    assert anna.say(said_of(anna.one(alike[0]["image_id"]), None)).code == 200
    assert anna.find(disagree="color") == []  # none is no answer


def test_what_is_not_there_is_said_in_words(anna: Reviewing) -> None:
    def asked(**wanted: object) -> Any:
        return anna.post("api/find", {"wanted": wanted, "offset": 0, "limit": 10})

    unknown = asked(disagree="size")
    assert (unknown.code, "choose one of: color, type, pattern" in unknown.error) == (422, True)
    assert asked(disagree=True).code == 400
    assert asked(sku=["alike"]).code == 400
    surrogate = b'{"wanted": {"sku": "\\ud800"}}'
    headers = {"Content-Type": "application/json", "X-Tagger": "review"}
    assert anna.ask("POST", f"{anna.root}api/find", surrogate, headers).code == 400


def test_a_newer_night_has_its_products_too(world: Path, tmp_path: Path) -> None:
    catalog, index = tmp_path / "catalog", tmp_path / "index"
    for number in range(3):
        path = catalog / f"sku-{number % 2}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(textured(40, 40, seed=number)))
    tagged(catalog, STARTER, index)
    with reviewing(index, "--product-from", "^([^/]+)/") as page:
        assert names(page.find(sku="sku-0")) == ["sku-0/0.jpg", "sku-0/2.jpg"]
        (catalog / "sku-2").mkdir()
        (catalog / "sku-2" / "new.jpg").write_bytes(jpeg(textured(40, 40, seed=9)))
        tagged(catalog, STARTER, index)
        assert page.find(sku="sku-2") == []
        assert page.post("api/night?open=newer").json()["products"] == 3
        assert names(page.find(sku="sku-2")) == ["sku-2/new.jpg"]


def test_without_the_options_no_picture_shows_a_product(world: Path) -> None:
    with reviewing(world / "index") as page:
        assert page.get("api/night").json()["products"] is None
        assert {each["sku"] for each in page.find()} == {None}
        for wanted in ({"sku": "a"}, {"disagree": "color"}):
            refused = page.post("api/find", {"wanted": wanted, "offset": 0, "limit": 10})
            assert refused.code == 422
            assert "start 'tagger review --products'" in refused.error


def test_what_makes_no_sense_is_refused_in_a_line(
    world: Path, tmp_path: Path, tagger: Command
) -> None:
    (tmp_path / "others.csv").write_text("sku,image\na,nowhere.jpg\n")
    refused: list[tuple[list[object], str]] = [
        (["--products", tmp_path / "others.csv"], "none of its 1 rows names a picture"),
        (["--product-from", "("], "is no regular expression"),
        (["--product-from", "x", "--products", world / "skus.csv"], "contradict each other"),
    ]
    for options, words in refused:
        ended = tagger("review", world / "index", *options)
        assert ended.returncode == 2, options
        assert words in ended.stderr
        assert len(ended.stderr.strip().splitlines()) == 1


@settings(max_examples=50)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from([None, "a", "B", "ä", "\U0001f457"]),
            st.integers(-1, 3),
            st.booleans(),
        ),
        max_size=12,
    ),
    parts=st.integers(1, 3),
)
def test_products_are_what_a_plain_loop_finds(
    rows: list[tuple[str | None, int, bool]], parts: int
) -> None:
    skus = [sku for sku, _, _ in rows]
    cut = -(-len(rows) // parts)
    chunks = [pa.array(skus[at : at + cut], pa.string()) for at in range(0, len(skus), cut or 1)]
    found = NightProducts(pa.chunked_array(chunks, pa.string()))
    answers = np.array([answer for _, answer, _ in rows], np.int32)
    ok = np.array([each for _, _, each in rows], bool)
    assert len(found) == len(set(skus) - {None})
    assert found.of(np.arange(len(rows))) == skus
    for sku in ("a", "B", "b", ""):
        assert found.shows(sku).tolist() == [each == sku for each in skus]
    said: dict[str | None, set[int]] = {}
    for sku, answer, is_ok in rows:
        if is_ok and answer >= 0:
            said.setdefault(sku, set()).add(answer)
    differ = [sku is not None and len(said.get(sku, ())) > 1 for sku in skus]
    assert found.disagreeing(answers, ok).tolist() == differ
    ordered = found.in_order(np.flatnonzero(differ)).tolist()
    by_name = sorted((str(skus[at]).encode(), at) for at in range(len(rows)) if differ[at])
    assert ordered == [at for _, at in by_name]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def tab(anna: Reviewing, browser: Browser) -> Iterator[Tab]:
    """A tab of Anna's that shows all pictures; nothing may go wrong in it."""
    opened = Tab(browser, anna.address)
    yield opened.open()
    opened.close()


def test_a_click_on_a_product_shows_its_pictures_and_back_goes_back(
    tab: Tab, products: dict[str, list[str]]
) -> None:
    everything = tab.tiles().count()
    line = tab.tile(products[DIFFERENT][0]).locator(".product")
    assert line.text_content() == f"Product {DIFFERENT}"
    line.click()
    expect(tab.tiles()).to_have_count(3)
    expect(tab.page.locator("#chips")).to_contain_text(f"product {DIFFERENT}")
    assert tab.page.locator("#pictures img[src=x]").count() == 0
    tab.page.reload()
    expect(tab.tiles()).to_have_count(3)
    tab.page.go_back()
    expect(tab.tiles()).to_have_count(everything)
    assert tab.page.locator("#pictures .product").count() == 6


def test_so_does_the_button_beside_a_large_picture_by_keys_alone(
    tab: Tab, products: dict[str, list[str]]
) -> None:
    tab.tile(products[ALIKE][0]).focus()
    tab.press("Enter")
    button = tab.dialog().get_by_role("button", name=f"All pictures of product {ALIKE}")
    button.focus()
    tab.press("Enter")
    expect(tab.page.locator("dialog")).to_have_count(0)
    expect(tab.tiles()).to_have_count(2)
    label = tab.tiles().first.get_attribute("aria-label")
    assert re.search(rf"\. Product {ALIKE}\.$", str(label))


def test_products_that_disagree_are_chosen_corrected_and_gone(
    tab: Tab, products: dict[str, list[str]], world: Path
) -> None:
    field = tab.page.get_by_role("combobox", name="Products whose pictures disagree")
    field.select_option("in color")
    expect(tab.tiles()).to_have_count(3)
    expect(tab.page.locator("#chips")).to_contain_text("products disagree: color")
    expect(tab.page.get_by_role("combobox", name="Order")).to_have_value("")
    assert "disagree=color" in tab.page.url
    tab.tiles().first.focus()
    tab.press("a", "c")
    tab.page.keyboard.type("green")
    tab.press("Enter")
    tab.says("Kept: color: green")
    tab.page.reload()
    expect(tab.page.locator("#empty")).to_contain_text("No picture is like that")
    lines = (world / "index" / "corrections.jsonl").read_text().splitlines()
    assert {json.loads(line)["image_id"] for line in lines[-3:]} == set(products[DIFFERENT])


def test_without_the_options_the_page_shows_no_products(world: Path, browser: Browser) -> None:
    with reviewing(world / "index") as page:
        tab = Tab(browser, page.address).open()
        assert tab.page.get_by_text("product", exact=False).count() == 0
        tab.tiles().first.focus()
        tab.press("Enter")
        expect(tab.dialog().get_by_role("button", name="Everything is right")).to_be_visible()
        assert tab.dialog().get_by_text("product", exact=False).count() == 0
        tab.close()
