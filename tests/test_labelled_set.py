"""Labelled sets: what is not said is unknown, not absent."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tagger.datasets.dataset_reader import read_dataset
from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.names import joined, read_names, renamed
from tagger.datasets.problem_budget import settle_problems
from tagger.errors import DatasetError
from tagger.exclusions import Exclusions
from tagger.labels.vocabulary import Vocabulary, parse_groups

GROUPS = parse_groups("color,garment")


def usable(path: Path, **more: Any) -> LabelledSet:
    """Return a labelled set in which nothing is wrong; anything else is raised, as commands do."""
    return settle_problems(read_dataset(path, **more), budget=None)


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def test_folder_tokens_are_groups_by_position(tmp_path: Path) -> None:
    found = read_dataset(make(tmp_path, "red_dress/a.jpg", "blue_jeans/sub/b.png"), groups=GROUPS)
    vocabulary = found.vocabulary()
    assert [label.key for label in vocabulary.labels] == [
        "color:blue",
        "color:red",
        "garment:dress",
        "garment:jeans",
    ]
    assert [example.image_id for example in found.examples] == [
        "blue_jeans/sub/b.png",
        "red_dress/a.jpg",
    ]
    assert found.targets(vocabulary).tolist() == [[1, 0, 0, 1], [0, 1, 1, 0]]


def test_excluded_and_system_folders_are_not_read(tmp_path: Path) -> None:
    make(
        tmp_path,
        "red_dress/a.jpg",
        "red_dress/@eaDir/a.jpg",
        "@eaDir/b.jpg",
        "to do/c.jpg",
        "blue_jeans/raw/d.jpg",
    )
    found = read_dataset(tmp_path, groups=GROUPS, exclude=Exclusions(["to do/", "raw"]))
    assert [example.image_id for example in found.examples] == ["red_dress/a.jpg"]


def test_without_groups_tokens_are_labels_of_one_group(tmp_path: Path) -> None:
    found = read_dataset(make(tmp_path, "red_dress/a.jpg", "red/b.jpg"))
    assert found.targets(found.vocabulary()).tolist() == [[0, 1], [1, 1]]


def test_a_vocabulary_lets_labels_hold_underscores(tmp_path: Path) -> None:
    vocabulary = Vocabulary.build(
        GROUPS, [("color", "navy_blue"), ("color", "red"), ("garment", "rain_coat")]
    )
    found = read_dataset(
        make(tmp_path, "navy_blue_rain_coat/a.jpg", "red_rain_coat/b.jpg"), vocabulary=vocabulary
    )
    assert found.targets(vocabulary).tolist() == [[1, 0, 1], [0, 1, 1]]


def test_a_label_the_vocabulary_lacks_makes_its_group_unknown(tmp_path: Path) -> None:
    vocabulary = Vocabulary.build(
        GROUPS, [("color", "red"), ("garment", "dress"), ("garment", "jeans")]
    )
    found = read_dataset(
        make(tmp_path, "red_pants/a.jpg", "red_dress/b.jpg"), vocabulary=vocabulary
    )
    targets = found.targets(vocabulary)
    assert targets[0].tolist() == [1, 1, 0]
    assert targets[1, 0] == 1
    assert np.isnan(targets[1, 1:]).all()
    assert found.strangers(vocabulary) == {"garment:pants": 1}


def test_an_empty_cell_is_unknown_and_an_empty_list_is_a_statement(tmp_path: Path) -> None:
    make(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    (tmp_path / "t.csv").write_text(
        "image,color,garment\n1.jpg,red,\n2.jpg,,dress\n3.jpg,blue,jeans\n"
    )
    found = read_dataset(tmp_path / "t.csv", groups=GROUPS)
    assert np.array_equal(
        found.targets(found.vocabulary()),
        [[0, 1, np.nan, np.nan], [np.nan, np.nan, 1, 0], [1, 0, 0, 1]],
        equal_nan=True,
    )
    table = pd.DataFrame(
        {"image": ["1.jpg", "2.jpg", "3.jpg"], "labels": [["red", "dress"], [], None]}
    )
    table.to_parquet(tmp_path / "t.parquet")
    found = read_dataset(tmp_path / "t.parquet")
    assert np.array_equal(
        found.targets(found.vocabulary()), [[1, 1], [0, 0], [np.nan, np.nan]], equal_nan=True
    )


def test_labels_of_a_csv_cell_are_separated_and_may_name_their_group(tmp_path: Path) -> None:
    make(tmp_path, "1.jpg", "2.jpg")
    (tmp_path / "t.csv").write_text('image,labels\n1.jpg,"red, dress"\n2.jpg,blue|coat\n')
    assert len(read_dataset(tmp_path / "t.csv").vocabulary()) == 4
    vocabulary = Vocabulary.build(GROUPS, [("color", "red"), ("garment", "dress")])
    (tmp_path / "t.csv").write_text("image,labels\n1.jpg,garment:dress;red\n")
    assert read_dataset(tmp_path / "t.csv", vocabulary=vocabulary).targets(vocabulary).tolist() == [
        [1, 1]
    ]
    with pytest.raises(
        DatasetError, match="'red' is one of color and of garment; write it as GROUP:NAME"
    ):
        usable(tmp_path / "t.csv", vocabulary=vocabulary.extend([("garment", "red")]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "image,color,garment\nmissing.jpg,red,dress\n",
            "1 x missing file, first in row 2: image 'missing.jpg'",
        ),
        ("image,color\n1.jpg,red\n", r"no column \['garment'\]"),
        ("what,color,garment\n2.jpg,red,dress\n", "needs 'image'"),
        ("image,color,garment\n1.jpg,red,dress\n1.jpg,blue,dress\n", "row 2 says red and row 3"),
        (
            'image,color,garment\n1.jpg,"red,blue",dress\n',
            "two labels of color, which is exclusive",
        ),
        ("image,color,garment\n../1.jpg,red,dress\n", "not a path below"),
        ("image,color,garment\n/etc/passwd,red,dress\n", "not a path below"),
        ("image,color,garment\n", "0 rows"),
        ("", "cannot be read"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path: Path, content: str, message: str) -> None:
    make(tmp_path, "1.jpg")
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(DatasetError, match=message):
        usable(tmp_path / "t.csv", groups=GROUPS)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "no picture in a folder"),
        (["loose.jpg"], "1 pictures lie outside"),
        (["red_dress/notes.txt"], "no picture"),
        (["red_dress/1.jpg", "red/2.jpg"], "'red' has 1 tokens for the 2 groups color,garment"),
        (["red_long_dress/1.jpg"], "3 tokens"),
    ],
)
def test_folders_that_cannot_be_used_say_why(
    tmp_path: Path, files: list[str], message: str
) -> None:
    make(tmp_path / "set", *files)
    (tmp_path / "set").mkdir(exist_ok=True)
    with pytest.raises(DatasetError, match=message):
        usable(tmp_path / "set", groups=GROUPS)


def test_one_label_is_not_enough_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="at least two"):
        read_dataset(make(tmp_path, "red/1.jpg")).vocabulary()


@pytest.mark.shared
def test_the_label_table_of_the_real_shop_reads_with_its_gaps(shared: Path) -> None:
    found = read_dataset(
        shared / "products" / "styles.csv", groups=parse_groups("color,type,season,usage")
    )
    targets = found.targets(found.vocabulary())
    assert len(found.examples) == 17_057
    assert np.isnan(targets).any()
    assert (np.nansum(targets, axis=1) <= 4).all()


def test_gaps_and_whole_numbers_in_parquet_cells_are_read_as_meant(tmp_path: Path) -> None:
    make(tmp_path, "1.jpg", "2.jpg")
    table = pd.DataFrame(
        {"image": ["1.jpg", "2.jpg"], "color": [["red", None], [None]], "garment": [7.0, np.nan]}
    )
    table.to_parquet(tmp_path / "t.parquet")
    found = read_dataset(tmp_path / "t.parquet", groups=GROUPS)
    assert [sorted(example.present) for example in found.examples] == [
        [("color", "red"), ("garment", "7")],
        [],
    ]
    pd.DataFrame({"image": ["1.jpg"], "color": [b"red"], "garment": ["x"]}).to_parquet(
        tmp_path / "t.parquet"
    )
    with pytest.raises(DatasetError, match="labels are text"):
        read_dataset(tmp_path / "t.parquet", groups=GROUPS)


def test_rows_longer_than_the_header_and_a_group_called_image_are_refused(tmp_path: Path) -> None:
    make(tmp_path, "1.jpg")
    (tmp_path / "t.csv").write_text("image,color,garment\n1.jpg,red,dress,extra\n")
    with pytest.raises(DatasetError, match="it has 4 cells and the header 3"):
        usable(tmp_path / "t.csv", groups=GROUPS)
    (tmp_path / "t.csv").write_text("image,color\n1.jpg,red\n")
    with pytest.raises(DatasetError, match="cannot be a group"):
        read_dataset(tmp_path / "t.csv", groups=parse_groups("image,color"))


def test_sets_with_names_of_their_own_become_one(tmp_path: Path) -> None:
    for folder in ("shop/red_pants", "shop/red_shoes", "web/Red_trousers"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / f"{folder[0]}.jpg").write_bytes(b"x")
    table = tmp_path / "names.csv"
    table.write_text(
        "dataset,group,name,becomes\nshop,garment,pants,trousers\n,color,Red,red\nshop,garment,shoes,\n"
    )
    names, groups = read_names(str(table)), parse_groups("color,garment")
    sets = [read_dataset(tmp_path / name, groups=groups) for name in ("shop", "web")]
    one = joined(renamed(sets, names))
    found = sorted((sorted(name for _, name in e.present), sorted(e.known)) for e in one.examples)
    assert found == [
        (["red"], ["color"]),  # what shoes are here is not said, so unknown
        (["red", "trousers"], ["color", "garment"]),
        (["red", "trousers"], ["color", "garment"]),
    ]
    assert (
        sorted(e.image_id for e in one.examples)[0] == "shop/red_pants/s.jpg"
    )  # two sets may have the same ids
    assert len(joined([sets[0], sets[0]]).examples) == len(sets[0].examples)
    assert renamed(sets[1:], names)  # rows for other sets are left aside
    assert renamed(sets[:1], names)  # Red is red, in another spelling
    with pytest.raises(DatasetError, match="no picture has: color:rde of any set"):
        renamed(sets[:1], {("", "color", "rde"): "scarlet"})
    corrected = renamed(sets[:1], {("", "color", "rde"): "red"})  # nobody has it any more
    assert "1 rows do nothing" in corrected[0].notes[-1]
    beside = renamed(sets[:1], {("", "color", "rde"): "scarlet", ("", "color", "red"): "Red"})
    assert "color:rde of any set" in beside[0].notes[-1]
    with pytest.raises(DatasetError, match="looks like several labels"):
        renamed(sets[:1], {("", "color", "red"): "red, blue"})
    with pytest.raises(DatasetError, match="--names is for shop, and given are web"):
        renamed(sets[1:], {key: name for key, name in names.items() if key[0]})
    header = "dataset,group,name,becomes\n"
    wrong = (
        ("a,b\n", "needs dataset"),
        (f"{header},a,b,c\n,a,b,d\n", "twice"),
        (f"{header},a,B,c\n,a,b,d\n", "spellings of one label; keep one row"),
        (f"{header},a,b,c,d\n", "cannot be read"),
    )
    for text, message in wrong:
        table.write_text(text)
        with pytest.raises(DatasetError, match=message):
            read_names(str(table))


def test_folders_that_name_no_label_of_a_model_s_group_say_nothing_of_it(tmp_path: Path) -> None:
    model = Vocabulary.build(
        parse_groups("color,type,pattern"),
        [("color", "black"), ("color", "red"), ("type", "dress"), ("pattern", "striped")],
    )
    two = make(tmp_path / "two", "black_jeans/a.jpg", "red_dress/b.jpg")
    found = usable(two, vocabulary=model)
    assert {each.known for each in found.examples} == {frozenset({"color", "type"})}
    assert {each.image_id: set(each.present) for each in found.examples} == {
        "black_jeans/a.jpg": {("color", "black"), ("type", "jeans")},  # jeans is new to the model
        "red_dress/b.jpg": {("color", "red"), ("type", "dress")},
    }
    three = make(tmp_path / "three", "red_dress/a.jpg", "striped/b.jpg")
    found = usable(three, vocabulary=model)
    assert {each.known for each in found.examples} == {frozenset({"color", "type", "pattern"})}
