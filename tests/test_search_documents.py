"""What a document of a search engine says: words, addresses, names of fields, moments, vectors, and
the rows' own answers."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from engines import expected
from hypothesis import given, settings
from hypothesis import strategies as st
from made_nights import MODEL, OLDER, MadeNight, row_labels

from schemas.documents import MOST_NAME, RESERVED, document_fields, group_field
from schemas.index import FeaturedModel
from schemas.record import to_json
from tagger.catalog import image_id
from tagger.errors import InputError
from tagger.index.corrected_rows import RowLabel
from tagger.index.night_labels import NightLabels
from tagger.index.store import Index
from tagger.labels.columns import new_column
from tagger.labels.vocabulary import Vocabulary, parse_groups
from tagger.search.documents import DocumentSettings, picture_documents, unit_vectors
from tagger.search.engine import as_json_lines, as_objects
from tagger.search.opening import DocumentOptions, open_source
from tagger.search.postgres_rows import copy_text
from tagger.search.url_template import addresses, check_template
from tagger.search.words import all_words, read_words, unknown_labels

NAMES: dict[str, Sequence[str]] = {
    "color": ["black", "Navy"],
    "garment": ["dress"],
    "style": ["printed", "long sleeve"],
}


def content(i: int) -> str:
    return hashlib.sha256(str(i).encode()).hexdigest()


def made(folder: Path, n: int = 400, names: dict[str, Sequence[str]] = NAMES, **more: Any) -> Path:
    """Return an index with one night of two models; style is not exclusive."""
    models = {MODEL: row_labels(names, 0.1), OLDER: row_labels(names, 0.05)}
    more = {"image_id": lambda i: f"p{i // 3}/{i % 3}.jpg", "content": content, **more}
    exclusive = [group for group in names if group != "style"]
    MadeNight(n, models=models, exclusive=exclusive, **more).publish(folder / "index")
    return folder / "index"


def rows_of(index: Path) -> list[dict[str, Any]]:
    """Return the rows of the current night."""
    night = Index(index).current()
    assert night is not None
    return [row for part in night.manifest.parts for row in night.read_whole(part).to_pylist()]


def id_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]


# --- words


def words_file(folder: Path, text: str) -> str:
    path = folder / "words.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_navy_is_found_by_blue_and_dresses_by_kleid(tmp_path: Path) -> None:
    table = "Label;Synonyme;Oberbegriff\nnavy;marine, dark  blue;Blue\nDRESS;Kleid|Kleider;\n"
    table += "blue;blau;\n"
    index = made(tmp_path)
    found = expected(DocumentOptions(str(index), words=words_file(tmp_path, table)))
    for one in found.values():
        words = one["words"]
        if one.get("color") == "Navy":
            assert words[:5] == ["navy", "marine", "dark blue", "blue", "blau"]
        if one.get("garment") == "dress":
            assert {"dress", "kleid", "kleider"} <= set(words)
        assert set(words) >= {tag.casefold() for tag in one["tags"]}
        assert len(set(words)) == len(words)
    assert {"Navy", "dress"} <= {tag for one in found.values() for tag in one["tags"]}


def test_words_go_round_in_circles_once(tmp_path: Path) -> None:
    table = read_words(words_file(tmp_path, "label,of\na,b\nb,c\nc,a\nd,d\n"))
    assert all_words("A", table) == ["a", "b", "c"]
    assert all_words("d", table) == ["d"]
    assert all_words("nothing", table) == ["nothing"]


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from("abcde"), st.lists(st.sampled_from("abcdef"), unique=True).map(tuple)
    ),
    st.sampled_from("abcdef"),
)
def test_words_are_all_that_can_be_reached_each_once(
    table: Mapping[str, tuple[str, ...]], name: str
) -> None:
    reached = {name}
    while more := {w for n in reached for w in table.get(n, ())} - reached:
        reached |= more
    found = all_words(name, table)
    assert found[0] == name
    assert sorted(found) == sorted(reached)


def test_a_table_of_words_may_be_of_any_kind_and_names_a_label_twice(tmp_path: Path) -> None:
    rows = {"LABEL": ["Dress", "dress", "jeans"], "de": ["Kleid", "Robe", None]}
    wanted = {"dress": ("kleid", "robe"), "jeans": ()}
    pd.DataFrame(rows).to_excel(tmp_path / "w.xlsx", index=False)
    pd.DataFrame(rows).to_parquet(tmp_path / "w.parquet")
    assert read_words(str(tmp_path / "w.xlsx")) == wanted
    assert read_words(str(tmp_path / "w.parquet")) == wanted


def test_a_list_in_a_cell_is_words_too(tmp_path: Path) -> None:
    rows = {"label": ["dress", "jeans"], "de": [["Kleid", "Kleider"], ["Jeans"]]}
    pd.DataFrame(rows).to_parquet(tmp_path / "w.parquet")
    found = read_words(str(tmp_path / "w.parquet"))
    assert found == {"dress": ("kleid", "kleider"), "jeans": ("jeans",)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no header"),
        ("label\nnavy\n", "one or more with words beside it"),
        ("name,de\nnavy,blau\n", "one called 'label'"),
        ("label,de,Label\nnavy,blau,x\n", "one called 'label'"),
        ("label,de\nnavy,blau\n,rot\n", "row 3 has words and no label"),
        (f"label,de\nnavy,blau\nred,{'x' * 201}\n", "row 3 has a word of 201 letters"),
    ],
)
def test_a_table_of_words_that_makes_no_sense_is_refused(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(InputError) as raised:
        read_words(words_file(tmp_path, text))
    assert said in str(raised.value)
    assert "words.csv" in str(raised.value)


def test_labels_that_the_night_does_not_have_are_said(tmp_path: Path) -> None:
    index = made(tmp_path, 30)
    table = words_file(tmp_path, "label,de\nnavy,blue\nblue,blau\nscarf,Schal\nLong  Sleeve,x\n")
    _, notes = open_source(Index(index), DocumentOptions(str(index), words=table))
    (note,) = notes
    assert note.endswith("labels that the night does not have: scarf")
    assert unknown_labels(read_words(table), ["NAVY", "scarf", "long sleeve"]) == []


# --- addresses


PATHS = [b"a b/c.jpg", b"100%.jpg", b"a#b?c=d&e.jpg", b"\xff\xfe.jpg", "Été/👗.jpg".encode()]
PATHS += [b"back\\slash.jpg", b"\\x41.jpg", b"+'\"<>.jpg", b"a\nb.jpg"]


def test_an_address_leads_back_to_the_bytes_of_the_path() -> None:
    ids = pa.array([image_id(path) for path in PATHS])
    found = addresses("https://shop.example/{path}?w=200", {"path": ids})
    for path, address in zip(PATHS, found.to_pylist(), strict=True):
        middle = address.removeprefix("https://shop.example/").removesuffix("?w=200")
        assert unquote_to_bytes(middle) == path
        assert re.fullmatch(r"[A-Za-z0-9/%._~-]+", middle), middle


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=20).filter(lambda path: b"\0" not in path))
def test_an_address_of_any_path_leads_back_to_it(path: bytes) -> None:
    (found,) = addresses("x/{path}", {"path": pa.array([image_id(path)])}).to_pylist()
    assert unquote_to_bytes(found[2:]) == path


def test_a_product_in_an_address_is_one_part_of_it() -> None:
    columns = {"sku": pa.array(["A/1 ü?#%"]), "id": pa.array(["0f"]), "path": pa.array(["a/b.jpg"])}
    (found,) = addresses("https://{id}.x/{{{sku}}}/{path}", columns).to_pylist()
    assert found == "https://0f.x/{A%2F1%20%C3%BC%3F%23%25}/a/b.jpg"


@pytest.mark.parametrize(
    "template",
    [
        *["", "https://x/", "{", "}", "{}", "{path", "{0}", "{path!r}", "{path:>9}", "{path.x}"],
        *["{path[0]}", "{sku}", "{name}", "{path}{", "{{path}}", "{ path }", "{path}{secret}"],
    ],
)
def test_a_template_with_anything_else_in_braces_is_refused(template: str) -> None:
    with pytest.raises(InputError) as raised:
        check_template(template, ("path", "id"))
    assert "{path}, {id}" in str(raised.value)
    assert "\n" not in str(raised.value)


# --- names of fields


def fields_of(groups: Sequence[str], names: Sequence[str], *, by_product: bool) -> list[str]:
    taken: set[str] = set()
    labels = []
    for group in groups:
        for name in names:
            column = new_column(group, name, taken)
            taken.add(column)
            labels.append(RowLabel(group, name, column, 0.5, False))
    found = document_fields(
        groups[::2], labels, by_product=by_product, with_url=True, vector_size=4
    )
    return [field.name for field in found]


ODD_GROUPS = [
    *["id", "path", "words", "members", "images", "sku", "url", "vector", "disagree", "score_x"],
    *["group_id", "group_path", "group_group_id", "user", "order", "x" * 200, "x" * 199 + "y"],
    *["x" * 59, "x" * 60, "x" * 61, "first_seen", "tags", "group_score_x"],
]
ODD_NAMES = ["red", "ü" * 90, "红" * 90, "x" * 300, "x" * 299 + "y", "★" * 40, "'; DROP TABLE--"]


@pytest.mark.parametrize("by_product", [False, True])
def test_fields_have_names_of_their_own_that_every_engine_takes(*, by_product: bool) -> None:
    found = fields_of(ODD_GROUPS, ODD_NAMES, by_product=by_product)
    assert len(set(found)) == len(found)
    for name in found:
        assert len(name.encode()) <= MOST_NAME
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name), name
    own = {"id", "path", "words", "tags", "first_seen", "url", "vector"}
    assert own <= set(found)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(sorted(RESERVED)),
            st.sampled_from(sorted(RESERVED)).map(lambda name: f"group_{name}"),
            st.from_regex(r"\A(group_|score_)?[a-z][a-z0-9_]{0,70}\Z"),
        ),
        unique=True,
        max_size=12,
    )
)
def test_no_two_groups_share_a_field(groups: list[str]) -> None:
    found = fields_of(groups, ["red"], by_product=True)
    assert len(set(found)) == len(found)


def test_a_group_keeps_its_name_where_that_is_free() -> None:
    assert group_field("color") == "color"
    assert group_field("path") == "group_path"
    assert group_field("score_x") == "group_score_x"


@pytest.mark.parametrize("by", [None, "^([^/]+)/"], ids=["picture", "product"])
def test_groups_may_be_called_what_documents_call_something_else(
    tmp_path: Path, by: str | None
) -> None:
    odd = ["id", "path", "words", "members", "sku", "role", "lighter", "user", "order", "group_id"]
    odd += ["images", "disagree", "url", "vector"]
    names: dict[str, Sequence[str]] = {group: [f"{group} a", f"{group} b"] for group in odd}
    index = made(tmp_path, 90, names)
    found = expected(DocumentOptions(str(index), product_from=by, url="x/{path}"))
    assert found
    rows = {id_of(row["image_id"]): row for row in rows_of(index)}
    for one in found.values():
        assert {group_field(group) for group in odd if f"{group} a" in one["tags"]} <= set(one)
        if by is None:
            row = rows[one["id"]]
            assert [one.get(group_field(group)) for group in odd] == [row[group] for group in odd]


# --- moments, vectors, and what is written


@pytest.mark.parametrize("by", [None, "^([^/]+)/"], ids=["picture", "product"])
def test_moments_are_whole_seconds_and_missing_where_unknown(
    tmp_path: Path, by: str | None
) -> None:
    index = made(tmp_path, 30)
    options = DocumentOptions(str(index), product_from=by)
    source, _ = open_source(Index(index), options)
    night = Index(index).current()
    assert night is not None
    rows = night.read_whole(night.manifest.parts[0])
    rows = rows.filter(pc.equal(rows["status"], "ok"))
    at = rows.schema.get_field_index("first_seen")
    moments = [datetime(2026, 11, 1, 3, 15, 7, 999_999, UTC), None]
    column = pa.array([moments[i % 2] for i in range(len(rows))], pa.timestamp("us", tz="UTC"))
    rows = rows.set_column(at, rows.schema.field(at), column)
    found = picture_documents(rows, DocumentSettings(source.settings.labels, {}), None)
    whole = datetime(2026, 11, 1, 3, 15, 7, tzinfo=UTC)
    assert set(found["first_seen"].to_pylist()) == {whole, None}
    for i, one in enumerate(as_objects(found)):
        assert one.get("first_seen") == (int(whole.timestamp()) if i % 2 == 0 else None)
    for one in expected(options).values():
        assert isinstance(one["first_seen"], int)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.floats(-60_000, 60_000, width=16), min_size=3, max_size=3), max_size=6))
def test_vectors_have_length_1_and_are_missing_where_all_is_0(values: list[list[float]]) -> None:
    features = np.array(values, np.float16).reshape(-1, 3)
    there = np.arange(len(features)) % 3 != 2
    found = unit_vectors(features, there).to_pylist()
    for row, is_there, vector in zip(features, there, found, strict=True):
        if not is_there or not row.any():
            assert vector is None
        else:
            assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-4)
            direction = row.astype(float) / np.linalg.norm(row.astype(float))
            assert vector == pytest.approx(direction.tolist(), abs=1e-5)


def test_vectors_of_what_is_no_number_are_missing() -> None:
    odd = np.array([[np.inf, 1], [np.nan, 1], [6e-8, 0]], np.float16)
    assert unit_vectors(odd, np.ones(3, bool)).to_pylist() == [None, None, [1.0, 0.0]]


def with_features(index: Path, numbers: Sequence[int]) -> None:
    """Keep features of the pictures of these numbers; those of number 0 are all 0."""
    store = Index(index).features("f" * 64, 4)
    values = np.array([[i, 1, 2, 3] if i else [0, 0, 0, 0] for i in numbers], np.float16)
    store.write("night", [content(i) for i in numbers], values)
    noted = FeaturedModel(model="/gone", features_id="f" * 64, width=4)
    (index / "features" / "_model.json").write_text(to_json(noted))


@pytest.mark.parametrize("by", [None, "^([^/]+)/"], ids=["picture", "product"])
def test_documents_have_the_vector_of_their_own_picture(tmp_path: Path, by: str | None) -> None:
    index = made(tmp_path, 60, broken=0.0)
    with_features(index, range(0, 60, 2))
    numbers = {f"p{i // 3}/{i % 3}.jpg": i for i in range(60)}
    found = expected(DocumentOptions(str(index), product_from=by))
    assert len(found) == (60 if by is None else 20)
    for one in found.values():
        i = numbers[one["path"]]
        if i % 2 or i == 0:
            assert "vector" not in one
        else:
            values = np.array([i, 1, 2, 3], float)
            assert one["vector"] == pytest.approx(
                (values / np.linalg.norm(values)).tolist(), abs=1e-5
            )


# --- the rows' own answers


@pytest.mark.parametrize("n", [40, 12_000])
def test_tags_and_facets_are_those_of_the_rows_and_what_is_not_ok_is_not_there(
    tmp_path: Path, n: int
) -> None:
    index = made(tmp_path, n, broken=0.2)
    found = expected(DocumentOptions(str(index)))
    ok = {id_of(row["image_id"]): row for row in rows_of(index) if row["status"] == "ok"}
    assert 0 < len(ok) < n
    assert set(found) == set(ok)
    for at, row in ok.items():
        one = found[at]
        assert one["path"] == row["image_id"]
        assert one["tags"] == row["tags"]
        assert one["words"] == [tag.casefold() for tag in row["tags"]]
        assert [one.get(group) for group in ("color", "garment")] == [row["color"], row["garment"]]
        assert one["style"] == [tag for tag in row["tags"] if tag in NAMES["style"]]
        scores = {name: value for name, value in row.items() if name.startswith("score_")}
        assert {name: one[name] for name in scores} == scores


def test_of_two_labels_of_one_name_each_group_has_its_own(tmp_path: Path) -> None:
    keys = [("color", "red"), ("color", "gold"), ("style", "gold"), ("style", "plain")]
    vocabulary = Vocabulary.build(parse_groups("color,style+"), keys)
    labels = [RowLabel(x.group, x.name, x.column, 0.1, False) for x in vocabulary.labels]
    index = tmp_path / "index"
    MadeNight(400, lambda i: f"{i}.jpg", content, {MODEL: labels}, ["color"]).publish(index)
    found = expected(DocumentOptions(str(index)))
    rows = {id_of(row["image_id"]): row for row in rows_of(index) if row["status"] == "ok"}
    for at, one in found.items():
        row = rows[at]
        column = vocabulary.labels[2].column
        assert ("gold" in one["style"]) == (row[column] >= 0.1)
        assert one.get("color") == row["color"]


@pytest.mark.parametrize("status", ["every", "none"])
def test_a_night_of_broken_pictures_alone_has_no_document(tmp_path: Path, status: str) -> None:
    index = made(tmp_path, 12 if status == "every" else 0, broken=1.1)
    assert expected(DocumentOptions(str(index))) == {}
    assert expected(DocumentOptions(str(index), product_from="^([^/]+)/")) == {}


def test_a_product_whose_pictures_are_all_broken_has_no_document(tmp_path: Path) -> None:
    index = made(tmp_path, 90, broken=0.6)
    ok: dict[str, set[str]] = {}
    for row in rows_of(index):
        if row["status"] == "ok":
            ok.setdefault(row["image_id"].partition("/")[0], set()).add(row["image_id"])
    assert len(ok) < 30
    found = expected(DocumentOptions(str(index), product_from="^([^/]+)/"))
    assert {one["sku"]: set(one["images"]) for one in found.values()} == ok
    table = tmp_path / "skus.csv"
    names = [row["image_id"] for row in rows_of(index)]
    lines = [f"{name.partition('/')[0]},{name}" for name in names]
    table.write_text("\n".join(["sku,image", *lines]))
    options = DocumentOptions(str(index), products=str(table))
    assert {one["sku"]: set(one["images"]) for one in expected(options).values()} == ok
    _, notes = open_source(Index(index), options)
    assert notes == [], "a picture that cannot be read tonight is in the catalog all the same"


ODD_TEXTS = ['"', "\\", "a,b", "{}", "NULL", "", " ", "a\nb", "\r", "\t", "'", "ü", "👗", "\\."]


def test_what_is_written_is_read_back_whatever_texts_there_are(tmp_path: Path) -> None:
    import csv
    import io
    import json

    index = made(tmp_path, 0, {"color": ["red"], "style": [text for text in ODD_TEXTS if text]})
    night = Index(index).current()
    assert night is not None
    schema = DocumentSettings(NightLabels(night), {}).schema
    rows = [
        {"id": id_of(text), "path": text, "tags": [text, *ODD_TEXTS], "words": []}
        for text in ODD_TEXTS
    ]
    documents = pa.Table.from_pylist(rows, schema)
    for row, line in zip(rows, as_json_lines(documents), strict=True):
        assert line.count(b"\n") == 0
        assert json.loads(line) == row
        assert line.startswith(f'{{"id":"{row["id"]}"'.encode())
    text = copy_text(documents).decode()
    cells = list(csv.reader(io.StringIO(text, newline="")))
    assert [line[:2] for line in cells] == [[row["id"], row["path"]] for row in rows]
