"""Which picture a table's cell means, and that it is never one outside the folder."""

import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.datasets.dataset_reader import read_dataset
from tagger.datasets.image_finder import ImageFinder, Lost
from tagger.labels.vocabulary import parse_groups

FILES = ["red/58502.jpg", "red/AB-12.JPG", "blue/1.jpg", "red/1.jpg", "00123.png", "Été/x y.jpeg"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_bytes(name.encode())
    (tmp_path / "outside.jpg").write_bytes(b"secret")
    (tmp_path / "root" / "way.jpg").symlink_to(tmp_path / "outside.jpg")
    (tmp_path / "root" / "door").symlink_to(tmp_path)
    (tmp_path / "root" / "inside.jpg").symlink_to("red/58502.jpg")
    return tmp_path / "root"


@pytest.mark.parametrize(
    ("image", "file"),
    [
        ("58502", "red/58502.jpg"),
        ("58502.0", "red/58502.jpg"),
        ("058502", "red/58502.jpg"),
        ("123", "00123.png"),
        ("ab-12", "red/AB-12.JPG"),
        ("AB-12.jpg", "red/AB-12.JPG"),
        ("Red\\58502.JPG", "red/58502.jpg"),
        ("C:\\Fotos\\neu\\red\\1.jpg", "red/1.jpg"),
        ("C:\\Fotos\\58502.jpg", "red/58502.jpg"),
        ("/home/anna/root/blue/1.jpg", "blue/1.jpg"),
        ("https://shop.example/img/58502.jpg?w=200#x", "red/58502.jpg"),
        ("https://shop.example/%C3%89t%C3%A9/x%20y.jpeg", "Été/x y.jpeg"),
        ("root/red/1.jpg", "red/1.jpg"),
        ("été/X Y.jpeg", "Été/x y.jpeg"),
        ("inside.jpg", "inside.jpg"),
    ],
)
def test_the_only_picture_that_may_be_meant_is_found(root: Path, image: str, file: str) -> None:
    assert ImageFinder(root).find(image) == os.path.join(os.path.realpath(root), file)


@pytest.mark.parametrize(
    ("image", "kind", "why"),
    [
        ("1", "ambiguous file", "may be 2 files: 'blue/1.jpg', 'red/1.jpg'; write which"),
        ("D:\\1.jpg", "ambiguous file", "may be 2 files"),
        ("green/58502.jpg", "missing file", "another folder has 'red/58502.jpg'"),
        ("58502.png", "missing file", "is missing"),
        ("AB", "missing file", "is missing"),
        ("red", "missing file", "is a folder"),
        ("way.jpg", "missing file", "is a link that leads out of"),
        ("door/outside.jpg", "missing file", "is a link that leads out of"),
        ("../outside.jpg", "missing file", "is not a path below"),
        ("../1.jpg", "missing file", "is not a path below"),
        ("outside", "missing file", "is missing"),
        ("  ", "missing file", "names no picture"),
        ("http://[", "missing file", ""),
    ],
)
def test_what_is_not_clear_is_lost_with_the_reason(
    root: Path, image: str, kind: str, why: str
) -> None:
    found = ImageFinder(root).find(image)
    assert isinstance(found, Lost)
    assert found.kind == kind
    assert why in found.what


PARTS = st.sampled_from(
    [
        *("..", ".", "", "/", "\\", "door", "way.jpg", "outside.jpg", "outside", "red", "1.jpg"),
        *("root", "C:\\", "http://", "%2e%2e", "\0", "58502", "~", "é"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PARTS, max_size=6), st.sampled_from(["/", "\\", ""]))
def test_nothing_outside_the_folder_is_ever_found(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], between: str
) -> None:
    top = tmp_path_factory.getbasetemp() / "never-outside"
    root = top / "root"
    if not root.exists():
        (root / "red").mkdir(parents=True)
        (root / "red" / "1.jpg").write_bytes(b"1")
        (root / "58502.jpg").write_bytes(b"2")
        (top / "outside.jpg").write_bytes(b"secret")
        (root / "way.jpg").symlink_to(top / "outside.jpg")
        (root / "door").symlink_to(top)
    finder = ImageFinder(root)
    for image in (between.join(parts), f"{root}/{between.join(parts)}", f"{top}/outside.jpg"):
        found = finder.find(image)
        if isinstance(found, str):
            assert os.path.realpath(found).startswith(os.path.join(os.path.realpath(root), ""))
            assert os.path.isfile(found)


def test_pictures_lie_below_another_folder_where_it_is_named(root: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    table = tmp_path / "lists" / "t.csv"
    pd.DataFrame({"SKU": ["58502", "AB-12"], "farbe": ["rot", "blau"]}).to_csv(table, index=False)
    found = read_dataset(table, groups=parse_groups("farbe"), image_root=str(root))
    assert [example.image_id for example in found.examples] == ["red/58502.jpg", "red/AB-12.JPG"]
    assert found.named == 2
    without = read_dataset(table, groups=parse_groups("farbe"))
    assert [problem.kind for problem in without.problems] == ["missing file"] * 2


@pytest.mark.parametrize(
    ("image", "file"),
    [("007", "007.jpg"), ("0012", "012.jpg"), ("12", "012.jpg"), ("7.jpg", "7.jpg")],
)
def test_a_number_finds_its_file_where_only_one_may_be_meant(
    tmp_path: Path, image: str, file: str
) -> None:
    for name in ("7.jpg", "007.jpg", "012.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    assert ImageFinder(tmp_path).find(image) == os.path.join(os.path.realpath(tmp_path), file)


@pytest.mark.parametrize("image", ["7", "7.0", "0007"])
def test_a_number_that_lost_its_zeros_is_never_guessed_where_several_files_have_it(
    tmp_path: Path, image: str
) -> None:
    for name in ("7.jpg", "007.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    found = ImageFinder(tmp_path).find(image)
    assert isinstance(found, Lost)
    assert "may be 2 files: '007.jpg', '7.jpg'; write which" in found.what
