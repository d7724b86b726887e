"""`tagger sync --dry-run` touches nothing and counts right; `tagger products` writes what documents
say."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import in_this_process
from engines import EngineSeen, PostgresSeen, engines, expected, key
from made_nights import next_night
from refusing import BY, NAMES, contents, first_index, index, named, refused, state_of

from tagger.search.opening import DocumentOptions

__all__ = ["engines", "first_index", "index", "key"]  # fixtures


# --- what would be done


@pytest.mark.parametrize("by", [[], ["--product-from", BY]], ids=["picture", "product"])
@pytest.mark.parametrize("name", NAMES)
def test_a_dry_run_touches_nothing_and_counts_what_a_sync_does(
    index: Path, engines: dict[str, EngineSeen], name: str, by: list[str]
) -> None:
    seen = named(engines[name], f"dry-{len(by)}-{name}")
    words = ["sync", index, "--to", seen.to, *by, "--json"]

    def rehearsed(*more: str) -> tuple[dict[str, Any], dict[str, Any]]:
        before = state_of(seen), contents(index, records=True)
        would = in_this_process(*words, "--dry-run", *more)
        assert would.returncode == 0, would.stderr
        assert (state_of(seen), contents(index, records=True)) == before
        did = in_this_process(*words, *more)
        assert did.returncode == 0, did.stderr
        return json.loads(would.stdout), json.loads(did.stdout)

    for more in ([], [], ["--anew"]):
        would, did = rehearsed(*more)
        assert (would["way"], would["upserted"]) == (did["way"], did["upserted"])
        assert (would["why"], would["deleted"]) == (did["why"], did["deleted"])
    next_night(index, every=20)
    would, did = rehearsed()
    assert would["way"] == did["way"] == "follow"
    assert (would["upserted"], would["deleted"]) == (did["upserted"], did["deleted"])
    assert did["upserted"] > 0


def test_a_dry_run_of_an_empty_postgresql_makes_no_table(
    index: Path, engines: dict[str, EngineSeen]
) -> None:
    seen = named(engines["postgresql"], "dry")
    seen.ask("CREATE DATABASE dry")
    other = PostgresSeen(int(seen.to.split(":")[2].split("/")[0]), "images")
    other.to = other.to.replace("/postgres?", "/dry?")
    ended = in_this_process("sync", index, "--to", other.to, "--dry-run")
    assert ended.returncode == 0, ended.stderr
    assert state_of(other) == {}


# --- tagger products


def test_the_table_of_products_says_what_the_documents_say(index: Path, tmp_path: Path) -> None:
    out = tmp_path / "products.parquet"
    out.write_text("what was there before")
    words = tmp_path / "words.csv"
    words.write_text("label,de\nred,rot\n")
    more = {"product_from": BY, "words": str(words), "url": "https://shop.example/{sku}"}
    flags = [word for name, text in more.items() for word in (f"--{name.replace('_', '-')}", text)]
    ended = in_this_process("products", index, "--out", out, *flags, "--json")
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    documents = {one["sku"]: one for one in expected(DocumentOptions(str(index), **more)).values()}
    frame = pd.read_parquet(out)
    assert report["products"] == len(frame) == len(documents)
    assert report["pictures"] == sum(len(one["images"]) for one in documents.values())
    assert report["without_product"] == 0
    for row in frame.to_dict("records"):
        one = documents[row["sku"]]
        seen = row.pop("first_seen")
        assert one.pop("first_seen") == int(seen.timestamp())
        one.pop("members")
        plain = {name: list(v) if hasattr(v, "tolist") else v for name, v in row.items()}
        assert {name: v for name, v in plain.items() if not is_missing(v)} == one
    for group in ("color", "garment"):
        disagree = sum(group in one["disagree"] for one in documents.values())
        assert report["disagree"][group] == disagree


def is_missing(value: Any) -> bool:
    return value is None or value != value


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("gone/products.parquet", "there is no folder"),
        (".", "it is a folder"),
        ("index", "it is a folder"),
    ],
)
def test_a_table_of_products_that_cannot_be_written_is_refused(
    index: Path, tmp_path: Path, out: str, said: str
) -> None:
    before = contents(tmp_path)
    line = refused("products", index, "--out", tmp_path / out, "--product-from", BY)
    assert said in line
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give --products or --product-from"),
        (["--products", "x.csv", "--product-from", BY], "contradict each other"),
        (["--products", "gone.csv"], "cannot be read"),
        (["--product-from", "("], "is no regular expression"),
        (["--product-from", BY, "--url", "{name}"], "a template has some of {path}, {sku}, {id}"),
    ],
)
def test_products_that_are_not_said_leave_the_old_table(
    index: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    out = tmp_path / "products.parquet"
    out.write_text("what was there before")
    assert said in refused("products", index, "--out", out, *words)
    assert out.read_text() == "what was there before"
    assert sorted(tmp_path.iterdir()) == [index, out]
