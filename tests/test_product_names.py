"""Which product a picture shows: tables and regular expressions as shops write them."""

import time
from collections.abc import Iterator, Sequence
from math import nan
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.datasets.picture_names import PictureNames
from tagger.errors import InputError
from tagger.search.product_pattern import ProductPattern
from tagger.search.product_table import ProductTable

IDS = ["a/front.jpg", "a/back.jpg", "b/front.JPG", "00123.png", "Été/x y.jpeg", "bad\\xff.jpg"]
Rows = Sequence[Sequence[object]]


def all_ids(names: Sequence[str] = IDS) -> Iterator[pa.Array]:
    """Yield names in two arrays, and an empty one."""
    half = len(names) // 2
    yield pa.array(names[:half], pa.string())
    yield pa.array([], pa.string())
    yield pa.array(names[half:], pa.string())


def table_of(folder: Path, rows: Rows, kind: str = "csv", names: Sequence[str] = IDS) -> "Found":
    """Return the products of a table; the first row is its header."""
    path = folder / f"products.{kind}"
    frame = pd.DataFrame(list(rows[1:]), columns=list(rows[0]))
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "xlsx":
        frame.to_excel(path, index=False)
    else:
        frame.to_parquet(path)
    return Found(ProductTable(str(path), lambda: all_ids(names)), names)


def text_of(folder: Path, text: str | bytes, names: Sequence[str] = IDS) -> "Found":
    """Return the products of a CSV as it is written."""
    path = folder / "products.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return Found(ProductTable(str(path), lambda: all_ids(names)), names)


class Found:
    """What a table or a pattern says of all pictures."""

    def __init__(self, products: ProductTable | ProductPattern, names: Sequence[str]) -> None:
        self.products = products
        named = products.of(pa.array(names, pa.string()))
        pairs = zip(names, named.sku.to_pylist(), strict=True)
        self.skus = {name: sku for name, sku in pairs if sku is not None}
        pairs = zip(names, named.role.to_pylist(), strict=True)
        self.roles = {name: role for name, role in pairs if role is not None}


ROWS = [
    ("sku", "image", "role"),
    ("A-1", "a/front.jpg", "front"),
    ("A-1", "a/back.jpg", ""),
    ("B-2", "b/front.JPG", " Detail "),
]


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
@pytest.mark.parametrize("header", [("sku", "image", "role"), ("SKU", " Image ", "ROLE")])
def test_a_table_of_each_kind_says_product_and_role(
    tmp_path: Path, kind: str, header: tuple[str, str, str]
) -> None:
    found = table_of(tmp_path, [header, *ROWS[1:]], kind)
    assert found.skus == {"a/front.jpg": "A-1", "a/back.jpg": "A-1", "b/front.JPG": "B-2"}
    assert found.roles == {"a/front.jpg": "front", "b/front.JPG": "Detail"}
    pictures = found.products.pictures(pa.array(["A-1", "C-3"]))
    assert sorted(pictures.to_pylist()) == ["a/back.jpg", "a/front.jpg"]
    assert found.products.notes == []


def test_columns_may_stand_in_any_order_and_others_beside_them(tmp_path: Path) -> None:
    found = text_of(tmp_path, "price,Image,note,SKU\n9.99,a/front.jpg,nice,A\n")
    assert (found.skus, found.roles) == ({"a/front.jpg": "A"}, {})


@pytest.mark.parametrize(
    ("cell", "image_id"),
    [
        *[("a/front.jpg", "a/front.jpg"), ("a\\front.jpg", "a/front.jpg")],
        *[("A/FRONT.jpg", "a/front.jpg"), ("a/front", "a/front.jpg")],
        (" a/front.jpg ", "a/front.jpg"),
        *[("./a/front.jpg", "a/front.jpg"), ("/mnt/shop/a/front.jpg", "a/front.jpg")],
        *[("C:\\Fotos\\a\\front.jpg", "a/front.jpg"), ("123", "00123.png"), ("00123", "00123.png")],
        *[("https://cdn.example/a/front.jpg?w=200", "a/front.jpg"), ("été/X Y", "Été/x y.jpeg")],
        *[("E\u0301te\u0301/x y.jpeg", "Été/x y.jpeg"), ("bad\\xff.jpg", "bad\\xff.jpg")],
    ],
)
def test_a_cell_names_a_picture_by_its_id_or_as_another_machine_does(
    tmp_path: Path, cell: str, image_id: str | None
) -> None:
    found = table_of(tmp_path, [("sku", "image"), ("A", cell)])
    assert found.skus == {image_id: "A"}


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
def test_products_that_look_like_numbers_keep_their_zeros(tmp_path: Path, kind: str) -> None:
    rows = [("sku", "image"), ("00042", "a/front.jpg"), ("42", "a/back.jpg"), ("042.10", "00123")]
    found = table_of(tmp_path, rows, kind)
    assert found.skus == {"a/front.jpg": "00042", "a/back.jpg": "42", "00123.png": "042.10"}


@pytest.mark.parametrize("kind", ["xlsx", "parquet"])
def test_products_that_are_numbers_have_no_point(tmp_path: Path, kind: str) -> None:
    rows = [("sku", "image"), (1001, "a/front.jpg"), (1002, "a/back.jpg")]
    assert set(table_of(tmp_path, rows, kind).skus.values()) == {"1001", "1002"}
    rows += [(nan, "")]  # pandas makes floats of whole numbers beside a gap
    assert set(table_of(tmp_path, rows, kind).skus.values()) == {"1001", "1002"}


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffsku,image\nA,a/front.jpg\n",
        "sku;image\nA;a/front.jpg\n",
        "sku\timage\nA\ta/front.jpg\n",
        'sku,image\r\n"A","a/front.jpg"\r\n',
        "\n\nsku,image\n\n,\nA,a/front.jpg\n  ,  \n",
        "sku,image,role\nA,a/front.jpg\n",
    ],
)
def test_a_csv_as_spreadsheets_write_it_is_read(tmp_path: Path, text: str) -> None:
    assert text_of(tmp_path, text).skus == {"a/front.jpg": "A"}


def test_a_csv_of_an_old_code_page_is_read_or_refused_in_words(tmp_path: Path) -> None:
    text = "sku;image\nJäckchen;a/front.jpg\n".encode("cp1252")
    try:
        assert text_of(tmp_path, text).skus == {"a/front.jpg": "Jäckchen"}
    except InputError as error:
        assert "products" in str(error)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no header"),
        ("sku,image\n", "has no row"),
        ("sku,image\n,\n", "has no row"),
        ("sku,picture\nA,a/front.jpg\n", "no column 'image'"),
        ("article,image\nA,a/front.jpg\n", "no column 'sku'"),
        ("sku,image,SKU\nA,a/front.jpg,B\n", "several columns 'sku'"),
        ("sku,image\nA,a/front.jpg\n,a/back.jpg\n", "row 3 without sku"),
        ("sku,image\nA,a/front.jpg\nB,\n", "row 3 without image"),
        ("sku,image\nA,a/front.jpg\nA,a/front.jpg\n", "row 2 (A) and row 3 (A)"),
        ("sku,image\nA,a/front.jpg\nB,/mnt/a/front.jpg\n", "row 2 (A) and row 3 (B)"),
        ("sku,image\nA,nowhere.jpg\n", "none of its 1 rows names a picture"),
        ("sku,image\nA,http://[\n", "none of its 1 rows names a picture"),
        ("sku,image\nA,/\n", "none of its 1 rows names a picture"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused_and_says_where(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(InputError) as raised:
        text_of(tmp_path, text)
    assert said in str(raised.value)
    assert "products.csv" in str(raised.value)


@pytest.mark.parametrize(
    "name", ["gone.csv", "folder.csv", "table.txt", "broken.xlsx", "b.parquet"]
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, name: str) -> None:
    if name == "folder.csv":
        (tmp_path / name).mkdir()
    elif name != "gone.csv":
        (tmp_path / name).write_bytes(b"\x00\xff neither")
    with pytest.raises(InputError):
        ProductTable(str(tmp_path / name), all_ids)


def test_rows_of_pictures_that_are_not_there_are_counted_and_do_no_harm(tmp_path: Path) -> None:
    found = text_of(tmp_path, "sku,image\nA,a/front.jpg\nB,gone/1.jpg\nB,gone/2.jpg\n")
    assert found.skus == {"a/front.jpg": "A"}
    (note,) = found.products.notes
    assert "2 of 3 rows" in note
    assert "'gone/1.jpg'" in note


def test_a_name_that_may_mean_several_pictures_means_none(tmp_path: Path) -> None:
    text = "sku,image\nA,/mnt/1.jpg\nB,00123\n"
    found = text_of(tmp_path, text, ["a/1.jpg", "b/1.jpg", "00123.png"])
    assert found.skus == {"00123.png": "B"}
    assert len(found.products.notes) == 1


def test_a_picture_that_went_leaves_its_row_to_no_other_products_picture(tmp_path: Path) -> None:
    text = "sku,image\nA,/mnt/shop/a/1.jpg\nB,/mnt/shop/b/1.jpg\n"
    assert text_of(tmp_path, text, ["a/1.jpg", "b/1.jpg"]).skus == {"a/1.jpg": "A", "b/1.jpg": "B"}
    found = text_of(tmp_path, text, ["b/1.jpg"])
    assert found.skus == {"b/1.jpg": "B"}
    assert "1 of 2 rows" in found.products.notes[0]


def test_a_table_differs_in_the_products_that_it_says_something_else_of(tmp_path: Path) -> None:
    before = table_of(tmp_path, ROWS).products
    skus = pa.array(["A-1", "B-2", "C-3"])
    known = pa.table({"sku": skus, "members": before.members(skus)})
    known = known.filter(pa.array([True, True, False]))
    assert before.differing(known).to_pylist() == []
    other = [ROWS[0], ROWS[1], ("A-1", "a/back.jpg", "back"), ("D-4", "b/front.JPG", "Detail")]
    after = table_of(tmp_path, other).products
    assert after.digest != before.digest
    assert sorted(after.differing(known).to_pylist()) == ["A-1", "B-2", "D-4"]
    again = table_of(tmp_path, [ROWS[0], *reversed(ROWS[1:])]).products
    assert again.digest == before.digest, "the order of rows says nothing"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["A", "B", "ü", "007"]), st.integers(0, 7)),
        unique_by=lambda pair: pair[1],
        min_size=1,
    )
)
def test_all_pictures_of_all_products_are_those_of_the_table(pairs: list[tuple[str, int]]) -> None:
    import tempfile

    names = [f"{i % 3}/{i}.jpg" for i in range(8)]
    rows = [("sku", "image"), *((sku, names[i]) for sku, i in pairs)]
    with tempfile.TemporaryDirectory() as folder:
        found = table_of(Path(folder), rows, names=names)
    assert found.skus == {names[i]: sku for sku, i in pairs}
    for sku in {sku for sku, _ in pairs}:
        pictures = found.products.pictures(pa.array([sku])).to_pylist()
        assert sorted(pictures) == sorted(names[i] for one, i in pairs if one == sku)


PATHS = ["shoes/A12_front.jpg", "shoes/A12_detail.jpg", "bags/B7.jpg", "readme.png"]


def pattern_of(pattern: str, names: Sequence[str] = PATHS) -> Found:
    return Found(ProductPattern(pattern, lambda: all_ids(names)), names)


@pytest.mark.parametrize(
    ("pattern", "skus"),
    [
        (r"(?P<sku>[A-Z]\d+)", ["A12", "A12", "B7", None]),
        (r"(?<sku>[A-Z]\d+)", ["A12", "A12", "B7", None]),
        (r"^(shoes|bags)/(?P<sku>[A-Z]\d+)", ["A12", "A12", "B7", None]),
        (r"/([A-Z]\d+)(_\w+)?", ["A12", "A12", "B7", None]),
        (r"/(?P<article>[A-Z]\d+)_?", ["A12", "A12", "B7", None]),
        (r"(?P<role>front|detail)?.*/([A-Z]\d+)", ["A12", "A12", "B7", None]),
        (r"[A-Z]\d+", ["A12", "A12", "B7", None]),
        (r"(?i)[a-z]\d+", ["A12", "A12", "B7", None]),
        (r"(?:shoes|bags)/(.+?)[_.]", ["A12", "A12", "B7", None]),
        (r"[(](x)|([A-Z]\d+)", [None, None, None, None]),
        (r"\(?([A-Z]\d+)", ["A12", "A12", "B7", None]),
        (r"[[:upper:](]([0-9]+)", ["12", "12", "7", None]),
        (r"[]([:upper:]]([0-9]+)", ["12", "12", "7", None]),
        (r"\Q/\E([A-Z]\d+)|\Q(", ["A12", "A12", "B7", None]),
        (r"(?P<group_1>/)([A-Z])([0-9]+)", ["/", "/", "/", None]),
        (r"(?P<group_1>/)(?P<sku>[A-Z])([0-9]+)", ["A", "A", "B", None]),
    ],
)
def test_a_pattern_takes_its_group_sku_else_its_first_else_all_that_matches(
    pattern: str, skus: list[str | None]
) -> None:
    if not any(skus):
        with pytest.raises(InputError, match="matches none of the 4 pictures"):
            pattern_of(pattern)
        return
    found = pattern_of(pattern)
    assert [found.skus.get(name) for name in PATHS] == skus


def test_a_pattern_may_say_the_role_too() -> None:
    found = pattern_of(r"(?P<sku>[A-Z]\d+)(?:_(?P<role>\w+))?\.")
    assert found.roles == {"shoes/A12_front.jpg": "front", "shoes/A12_detail.jpg": "detail"}
    assert "1 of 4 pictures" in found.products.notes[0]
    pictures = found.products.pictures(pa.array(["A12"]))
    assert pictures.to_pylist() == ["shoes/A12_front.jpg", "shoes/A12_detail.jpg"]
    assert found.products.members(pa.array(["A12", "B7"])).to_pylist() == ["", ""]


def test_a_pattern_sees_line_ends_and_letters_of_all_scripts() -> None:
    names = ["Ä1/x.jpg", "a\nb/y.jpg", "\U0001f457/z.jpg"]
    found = pattern_of(r"^([^/]+)/", names)
    assert list(found.skus.values()) == ["Ä1", "a\nb", "\U0001f457"]


@pytest.mark.parametrize(
    "pattern",
    [
        *["(", "(?P<sku>", "[", "*", "a**", "(?P<sku>a)|(?P<sku>b)", "\\", "\\8"],
        *[r"(?=x)a", r"(?!x)a", r"(?<=x)a", r"(a)\1", "(?P<sku>a)(?P=sku)", "(?>a)", "a{1001}"],
        "(((a{100}){100}){100})",
    ],
)
def test_what_is_no_pattern_of_re2_is_refused_in_one_line(pattern: str) -> None:
    with pytest.raises(InputError) as raised:
        pattern_of(pattern)
    assert "no regular expression" in str(raised.value)
    assert "lookahead" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"^(([a-z])+.)+[A-Z]([a-z])+$", r"(.*a){25}x"])
def test_a_pattern_that_would_take_for_ever_elsewhere_ends_at_once(pattern: str) -> None:
    names = ["a" * 4000 + "!", "a" * 3000, "aaaA" * 900]
    began = time.monotonic()
    try:
        pattern_of(pattern, names)
    except InputError as error:
        assert "matches none of the 3 pictures" in str(error)
    assert time.monotonic() - began < 2


def test_a_pattern_that_matches_nothing_says_what_paths_look_like() -> None:
    with pytest.raises(InputError) as raised:
        pattern_of(r"SKU-(\d+)")
    assert "matches none of the 4 pictures" in str(raised.value)
    assert "'shoes/A12_front.jpg'" in str(raised.value)


def test_an_empty_product_is_none() -> None:
    found = pattern_of(r"/([A-Z]?)")
    assert set(found.skus.values()) == {"A", "B"}
    with pytest.raises(InputError, match="matches none"):
        pattern_of(r"^(x*)")


@settings(max_examples=200, deadline=None)
@given(st.text(r"()[]\?:P<>sku|ab1_^$.*+{},=!-", max_size=14))
def test_any_text_is_a_pattern_or_is_refused(pattern: str) -> None:
    try:
        pattern_of(pattern)
    except InputError as error:
        assert "\n" not in str(error)


def test_of_many_pictures_of_one_name_the_folder_says_which() -> None:
    names = PictureNames([*(f"f{i}/1.jpg" for i in range(50)), "1.jpg"])
    assert names.matching(["f7", "1.jpg"], any_folder=False) == ["f7/1.jpg"]
    assert names.matching(["x", "f7", "1.jpg"], any_folder=True) == ["f7/1.jpg"]
    assert names.matching(["other", "1.jpg"], any_folder=False) == ["1.jpg"]
    assert len(names.matching(["other", "1.jpg"], any_folder=True)) == 51
