"""The report by product: its counts are what a plain look at the rows gives, its examples disagree,
and without the options nothing of it is there."""

import csv
import json
import re
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from browser import chromium
from conftest import Command, current_rows
from made_nights import MODEL, MadeNight, row_labels
from reviewing import hostile_catalog, tagged
from with_products import DIFFERENT, disagreeing, product_table

from jobs.by_product import by_product
from jobs.report import report
from jobs.tag_catalog import TagOptions
from schemas.report import NightReport
from tagger.datasets.sample import Sample
from tagger.errors import InputError
from tagger.index.snapshots import Snapshot
from tagger.models.starter import STARTER
from tagger.report.products import EXAMPLES, PICTURES, ReadProducts, read_products
from tagger.search.opening import ProductChoice

GROUPS = ["color", "type", "pattern"]


@pytest.fixture(scope="module")
def world(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the index of a night and a table of some of its products; tests only read
    them."""
    folder = tmp_path_factory.mktemp("by_product")
    tagged(hostile_catalog(sample.catalog, folder / "catalog"), STARTER, folder / "index")
    product_table(rows_of(folder), folder / "skus.csv")
    return folder


def rows_of(world: Path) -> pd.DataFrame:
    return current_rows(TagOptions(str(world / "catalog"), None, str(world / "index")))


def products_of(world: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    with open(world / "skus.csv", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["sku"], []).append(row["image"])
    return found


def check_counts(told: NightReport, rows: pd.DataFrame, products: dict[str, list[str]]) -> None:
    """Hold that a report counts what the rows and the products say."""
    counts = told.products
    assert counts is not None
    assert counts.products == len(products)
    assert counts.pictures == sum(map(len, products.values()))
    assert counts.without_product == (rows.status == "ok").sum() - counts.pictures
    assert counts.disagree == {x: len(disagreeing(rows, products, x)) for x in GROUPS}


def test_it_counts_what_the_rows_and_the_table_say(world: Path, tmp_path: Path) -> None:
    told = report(
        str(world / "index"), str(tmp_path / "night.html"), products=str(world / "skus.csv")
    )
    check_counts(told, rows_of(world), products_of(world))
    assert told.products is not None
    assert told.products.disagree["color"] == 1


def test_and_what_a_part_of_the_path_says(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "night.html"
    told = report(str(world / "index"), str(out), product_from=r"/(item-000.)")
    rows = rows_of(world)
    products: dict[str, list[str]] = {}
    for image_id in rows.index[rows.status == "ok"]:
        if found := re.search(r"/(item-000.)", image_id):
            products.setdefault(found[1], []).append(image_id)
    check_counts(told, rows, products)
    assert "pictures match it not" in out.read_text()


def test_the_page_shows_products_whose_pictures_disagree_with_each_answer(
    world: Path, tmp_path: Path
) -> None:
    out = tmp_path / "night.html"
    report(str(world / "index"), str(out), products=str(world / "skus.csv"))
    rows, products = rows_of(world), products_of(world)
    differ = {sku for group in GROUPS for sku in disagreeing(rows, products, group)}
    assert DIFFERENT in differ
    assert DIFFERENT not in out.read_text()
    assert f"<bdi>{escape(DIFFERENT).replace('&quot;', '&#34;')}</bdi>" in out.read_text()
    with chromium() as browser:
        page = browser.new_context(viewport={"width": 375, "height": 800}).new_page()
        wrong: list[str] = []
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on("console", lambda message: wrong.append(message.text))
        page.goto(out.as_uri())
        headings = page.locator("h3 > bdi").all_text_contents()
        mine = page.locator("section", has=page.get_by_text(DIFFERENT, exact=True))
        shown = mine.locator("figcaption").all()
        titles = [each.get_attribute("title") for each in shown]
        words = [each.locator("b").inner_text() for each in shown]
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        assert mine.locator("img").count() == len(shown)
    assert set(headings) == differ
    assert titles == products[DIFFERENT]  # the front first, then by path
    mine_disagree = [x for x in GROUPS if DIFFERENT in disagreeing(rows, products, x)]
    answers = rows.loc[products[DIFFERENT], mine_disagree].fillna("no answer")
    assert words == [", ".join(row) for row in answers.itertuples(index=False)]
    assert not wrong


def test_without_the_options_the_page_says_nothing_of_products(world: Path, tmp_path: Path) -> None:
    told = report(str(world / "index"), str(tmp_path / "night.html"))
    assert told.products is None
    assert "By product" not in (tmp_path / "night.html").read_text()


def test_the_command_says_it_too(world: Path, tmp_path: Path, tagger: Command) -> None:
    given = ["report", world / "index", "--out", tmp_path / "night.html"]
    given += ["--products", world / "skus.csv"]
    assert "color: pictures of 1 products disagree (33.3 %)" in tagger(*given).stdout
    printed = json.loads(tagger(*given, "--json").stdout)
    assert printed["products"]["products"] == 3


def test_what_makes_no_sense_is_refused_in_a_line_and_no_page_is_written(
    world: Path, tmp_path: Path, tagger: Command
) -> None:
    out = tmp_path / "night.html"
    (tmp_path / "others.csv").write_text("sku,image\na,nowhere.jpg\n")
    refused: list[tuple[list[object], str]] = [
        (["--products", tmp_path / "others.csv"], "none of its 1 rows names a picture"),
        (["--products", tmp_path / "no.csv"], "no.csv"),
        (["--product-from", "("], "is no regular expression"),
        (["--product-from", "x", "--products", world / "skus.csv"], "contradict each other"),
    ]
    for options, words in refused:
        ended = tagger("report", world / "index", "--out", out, *options)
        assert ended.returncode == 2, options
        assert words in ended.stderr
        assert len(ended.stderr.strip().splitlines()) == 1
    assert not out.exists()


def test_two_settings_contradict_each_other_before_anything_is_read(
    world: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"products and .*product.from contradict each other"):
        report(
            str(world / "index"), str(tmp_path / "night.html"), products="no.csv", product_from="x"
        )


NAMES = {"color": ["black", "blue", "green", "red"], "garment": ["dress", "jeans", "shirt"]}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """A night of 600 pictures in several parts: 100 products, and one with 200 pictures."""

    def image_id(i: int) -> str:
        return f"{'many' if i < 200 else i % 100}/{i}.jpg"

    night = MadeNight(
        600,
        image_id,
        lambda i: f"{i:064x}",
        {MODEL: row_labels(NAMES, 0.1)},
        ["color", "garment"],
        bucket=100,
    )
    snapshot = night.publish(tmp_path_factory.mktemp("large") / "index").current()
    assert snapshot is not None
    return snapshot


def read(snapshot: Snapshot, **more: Any) -> ReadProducts:
    source, _ = by_product(snapshot, ProductChoice("^([^/]+)/", False))
    batches = [batch for chunk in source.all() for batch in chunk]
    return read_products(snapshot, more.get("ordered", list)(batches), [])


def test_a_few_of_many_are_shown_the_same_ones_each_time(large: Snapshot) -> None:
    found = read(large)
    rows = _rows(large)
    products = {str(sku): list(mine.index) for sku, mine in rows.groupby("sku")}
    assert found.counts.products == len(products) == 101
    assert found.counts.disagree == {x: len(disagreeing(rows, products, x)) for x in NAMES}
    assert len(found.examples) == EXAMPLES
    for example in found.examples:
        assert example.sku in {x for g in NAMES for x in disagreeing(rows, products, g)}
        assert len(example.pictures) + example.more == len(products[example.sku])
        for group in example.answers:
            answers = rows.loc[products[example.sku], group].dropna()
            shown = [each.answers[group] for each in example.pictures]
            assert set(answers) == set(shown) - {None}
        for each in example.pictures:
            assert each.picture.content_sha256 == rows.content_sha256[each.picture.image_id]
    again = read(large, ordered=lambda batches: reversed(batches))
    assert again.examples == found.examples


def test_of_a_product_of_many_pictures_a_few_are_shown_that_disagree(large: Snapshot) -> None:
    source, _ = by_product(large, ProductChoice("^(many)/", False))
    (example,) = read_products(
        large, (batch for chunk in source.all() for batch in chunk), []
    ).examples
    assert len(example.pictures) == PICTURES
    assert len({each.answers["color"] for each in example.pictures}) == 5
    names = [each.picture.image_id for each in example.pictures]
    assert names == sorted(names)


def _rows(snapshot: Snapshot) -> pd.DataFrame:
    rows = pd.read_parquet(snapshot.path / "rows").set_index("image_id")
    rows = rows[rows.status == "ok"]
    return rows.assign(sku=rows.index.str.partition("/").get_level_values(0))
