"""Labels are what is written: CSV, Parquet and folders that say the same give the same set."""

import datetime
import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.datasets.dataset_reader import read_dataset
from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.names import joined, read_names, renamed
from tagger.datasets.problem_budget import settle_problems
from tagger.errors import DatasetError, TaggerError
from tagger.labels.growing import columns_of_same_names, parse_known_label, parse_label
from tagger.labels.vocabulary import Vocabulary, parse_groups

GROUPS = parse_groups("color,garment")


def usable(path: Path | str, **more: Any) -> LabelledSet:
    """Return a labelled set in which nothing is wrong; anything else is raised, as commands do."""
    return settle_problems(read_dataset(path, **more), budget=None)


ROSE, ROSE_APART = "rosé", "rose\u0301"


def drawn(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def present(found: LabelledSet) -> list[list[str]]:
    return [sorted(name for _, name in example.present) for example in found.examples]


def read_csv(root: Path, text: str, groups: str | None = None) -> LabelledSet:
    (root / "t.csv").write_text(text, encoding="utf-8")
    return read_dataset(root / "t.csv", groups=parse_groups(groups) if groups else None)


def read_parquet(root: Path, columns: dict[str, Any], groups: str | None = None) -> LabelledSet:
    pq.write_table(pa.table(columns), root / "t.parquet")
    return read_dataset(root / "t.parquet", groups=parse_groups(groups) if groups else None)


ODD = [
    "None",
    "NA",
    "null",
    "nan",
    "N/A",
    "<NA>",
    "007",
    "7",
    "1.5",  # not 1.0: where all numbers of a CSV column are whole, they have no point
    "True",
    "true",
    "Red",
    "red",
    "a b",
    "x%20y",
    "#1",
]
ODD += [ROSE, ROSE_APART, "Größe 3", "(unisex) a", "men's", '7"', "1e5", "-1", "inf"]
AROUND = ["", " ", "\u00a0", "\u200b", "\t"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(ODD),
            st.sampled_from(ODD),
            st.sampled_from(AROUND),
            st.sampled_from(AROUND),
        ),
        min_size=2,
        max_size=5,
    )
)
def test_csv_parquet_and_folders_that_say_the_same_give_the_same_set(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str, str]]
) -> None:
    root = tmp_path_factory.mktemp("set")
    named = [(f"{before}{color}{after}", garment) for color, garment, before, after in rows]
    folders = [f"{color}_{garment}".replace("/", "\u2215") for color, garment in named]
    named = [tuple(folder.split("_")) for folder in folders]
    images = [f"{folder}/{i}.jpg" for i, folder in enumerate(folders)]
    drawn(root / "set", *images)
    cells = {"image": images, "color": [c for c, _ in named], "garment": [g for _, g in named]}
    forms = {
        "folders": root / "set",
        "a.csv": pd.DataFrame(cells),
        "a.parquet": pd.DataFrame(cells),
        "categories.parquet": pd.DataFrame(cells).astype({"color": "category"}),
        "lists.parquet": pd.DataFrame(cells | {"color": [[c] for c, _ in named]}),
        "json.csv": pd.DataFrame(cells | {"color": [json.dumps([c]) for c, _ in named]}),
        "printed.csv": pd.DataFrame(cells | {"color": [[c] for c, _ in named]}),
        "numpy.csv": pd.DataFrame(cells | {"color": [str(np.array([c, c])) for c, _ in named]}),
        "labels.csv": pd.DataFrame(
            {"image": images, "labels": [[f"color:{c}", f"garment:{g}"] for c, g in named]},
        ),
    }
    found = []
    for name, table in forms.items():
        if isinstance(table, pd.DataFrame):
            path = root / "set" / name
            write = table.to_csv if name.endswith(".csv") else table.to_parquet
            write(path, index=False)
        keyed = name == "labels.csv"
        empty = Vocabulary(tuple(GROUPS), ())
        one = read_dataset(
            root / "set" if name == "folders" else path,
            groups=None if keyed else GROUPS,
            vocabulary=empty if keyed else None,
        )
        try:
            columns = one.vocabulary().to_record()
        except (
            TaggerError
        ) as error:  # two labels that differ in case alone: said alike of every form
            columns = {"error": str(error).removeprefix(f"{one.source}: ")}
        found.append(([(e.image_id, e.path, e.present, e.known) for e in one.examples], columns))
    assert all(one == found[0] for one in found[1:])


@pytest.mark.parametrize("word", ["None", "NA", "null", "nan", "N/A", "NULL", "<NA>", "n/a", "NaN"])
def test_words_for_nothing_are_labels_and_only_an_empty_cell_is_unknown(
    tmp_path: Path, word: str
) -> None:
    drawn(tmp_path, "1.jpg", "2.jpg", "3.jpg", f"{word}/4.jpg")
    expected = [["red", word], ["red"], ["red"], ["red", word]]
    text = (
        f"image,color,pattern\n1.jpg,red,{word}\n2.jpg,red,\n3.jpg,red,  "
        f"\n{word}/4.jpg,red,{word}\n"
    )
    found = read_csv(tmp_path, text, "color,pattern")
    assert sorted(present(found)) == sorted(map(sorted, expected))
    assert sum("pattern" not in example.known for example in found.examples) == 2
    cells = {"image": ["1.jpg", "2.jpg", "3.jpg", f"{word}/4.jpg"], "color": ["red"] * 4}
    again = read_parquet(tmp_path, cells | {"pattern": [word, None, " ", word]}, "color,pattern")
    assert again.examples == found.examples
    (tmp_path / "n.csv").write_text(f"dataset,group,name,becomes\n,pattern,{word},plain\n")
    assert ["plain", "red"] in present(renamed([found], read_names(str(tmp_path / "n.csv")))[0])


@pytest.mark.parametrize("written", [ROSE, ROSE_APART])
def test_a_word_in_two_unicode_forms_is_one_label_wherever_it_is_written(
    tmp_path: Path, written: str
) -> None:
    other = ROSE_APART if written == ROSE else ROSE
    sets = [
        drawn(tmp_path / name, f"{w}_dress/1.jpg", "blue_coat/2.jpg")
        for name, w in (("a", ROSE), ("b", other))
    ]
    drawn(tmp_path / "b", f"{written}_dress/3.jpg", f"{other}_dress/4.jpg")
    one = joined([read_dataset(each, groups=GROUPS) for each in sets])
    assert [label.column for label in one.vocabulary().labels] == [
        *("score_blue", "score_rose"),
        *("score_coat", "score_dress"),
    ]
    rose = {"group": "color", "name": written, "column": "score_rose"}
    text = json.dumps({"groups": [{"name": "color"}], "labels": [rose]})
    vocabulary = Vocabulary.parse(text).canonical()
    assert (
        read_dataset(drawn(tmp_path / "c", f"{other}/1.jpg"), vocabulary=vocabulary).strangers(
            vocabulary
        )
        == {}
    )
    assert parse_label(f"color: {written}", vocabulary, "--add") == ("color", ROSE)
    assert parse_known_label(written, vocabulary, "--retire") == parse_known_label(
        f"color:{other}", vocabulary, ""
    )
    assert len(vocabulary.extend([("color", other), ("color", written)])) == 1
    (tmp_path / "n.csv").write_text(
        f"dataset,group,name,becomes\n,color,{written},{other}2\n", encoding="utf-8"
    )
    assert {"rosé2"} < {
        n
        for e in renamed([one], read_names(str(tmp_path / "n.csv")))[0].examples
        for _, n in e.present
    }


def test_a_table_finds_its_files_in_the_other_unicode_form_the_exact_one_first(
    tmp_path: Path,
) -> None:
    drawn(tmp_path, f"{ROSE_APART}/été/a.jpg", f"{ROSE}.jpg", f"{ROSE_APART}.jpg")
    mixed = f"{ROSE}/{unicodedata.normalize('NFD', 'été')}/a.jpg"
    found = read_csv(
        tmp_path, f"image,labels\n{mixed},red\n{ROSE}.jpg,blue\n{ROSE_APART}.jpg,green\n"
    )
    paths = {
        str(Path(example.path).relative_to(tmp_path)): present(found)[i]
        for i, example in enumerate(found.examples)
    }
    assert paths == {
        f"{ROSE_APART}/été/a.jpg": ["red"],
        f"{ROSE}.jpg": ["blue"],
        f"{ROSE_APART}.jpg": ["green"],
    }
    both = read_csv(tmp_path, f"image,labels\n{mixed},red\n{ROSE_APART}/été/a.jpg,blue\n")
    assert present(both) == [["blue", "red"]]  # one file: two rows of one picture


@pytest.mark.parametrize(
    "image",
    [
        "./a/1.jpg",
        "a//1.jpg",
        "a/../a/1.jpg",
        " a/1.jpg ",
        "a\\1.jpg",
        ".\\a\\1.jpg",
        "{root}/a/1.jpg",
        "{link}/a/1.jpg",
    ],
)
def test_a_picture_is_found_by_whatever_name_means_it(tmp_path: Path, image: str) -> None:
    drawn(tmp_path / "root", "a/1.jpg", "b 100%20.jpg", "back\\slash.jpg")
    (tmp_path / "link").symlink_to("root")
    image = image.format(root=tmp_path / "root", link=tmp_path / "link")
    table = pd.DataFrame(
        {"image": [image, "b 100%20.jpg", "back\\slash.jpg"], "labels": ["red", "blue", "green"]}
    )
    table.to_csv(tmp_path / "root" / "t.csv", index=False)
    found = read_dataset(tmp_path / "link" / "t.csv")
    assert [example.image_id for example in found.examples] == [
        "a/1.jpg",
        "b 100%20.jpg",
        "back\\\\slash.jpg",
    ]
    assert all(Path(example.path).is_file() for example in found.examples)
    by_id = pd.DataFrame(
        {"image": [e.image_id for e in found.examples], "labels": ["red", "blue", "green"]}
    )
    by_id.to_parquet(tmp_path / "root" / "t.parquet")
    assert read_dataset(tmp_path / "root" / "t.parquet").examples == found.examples


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "['red', 'dress']",
            '["red", "dress"]',
            "['red' 'dress']",
            "('red', 'dress')",
            "['red'\n 'dress']",
        ),
        *(
            "[ 'red' ,\"dress\" ]",
            '["\\u0072ed", "dress"]',
            "['\\x72ed', 'dress', None]",
            "red, dress",
            "red|dress;",
        ),
    ],
)
def test_a_list_is_read_however_it_is_written_as_text(tmp_path: Path, cell: str) -> None:
    drawn(tmp_path, "1.jpg", "2.jpg")
    table = pd.DataFrame({"image": ["1.jpg", "2.jpg"], "labels": [cell, "[]"]})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        found = read_dataset(tmp_path / name)
        assert present(found) == [["dress", "red"], []]
        assert [example.known for example in found.examples] == [
            {"label"},
            {"label"},
        ]  # nothing applies: a statement
    table.rename(columns={"labels": "tags"}).to_csv(tmp_path / "t.csv", index=False)
    assert present(read_dataset(tmp_path / "t.csv", groups=parse_groups("tags+"))) == [
        ["dress", "red"],
        [],
    ]


def test_a_label_with_a_separator_is_written_in_a_list(tmp_path: Path) -> None:
    drawn(tmp_path, "1.jpg", "2.jpg")
    found = read_csv(
        tmp_path, 'image,labels\n1.jpg,"[""black, white"", ""it\'s"", ""007""]"\n2.jpg,[7 7.0]\n'
    )
    assert present(found) == [["007", "black, white", "it's"], ["7", "7.0"]]


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "[red, dress]",
            "['red'",
            "'dress']",
            "'red'",
            "'red', 'dress'",
            '"red"',
            "{'red', 'dress'}",
            "{red,dress}",
        ),
        *(
            '{"color": "red"}',
            "['a' 'b' ... 'z']",
            '[["red"]]',
            "array(['red'], dtype=object)",
            "(red, dress)",
            "[[]]",
        ),
        *("{}", '"red, dress"', "'red dress'"),
        *("['red''dress']", "['a\\d']", '["\\ud800"]', "[new] dress", "[<NA>]", "[" * 3000),
    ],
)
def test_what_still_looks_like_a_list_is_refused_with_its_form(tmp_path: Path, cell: str) -> None:
    drawn(tmp_path, "1.jpg")
    pd.DataFrame({"image": ["1.jpg"], "labels": [cell]}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(
        DatasetError, match=r"row 2, '1.jpg': column 'labels': .*write red, dress or \["
    ):
        usable(tmp_path / "t.csv")


@pytest.mark.parametrize("cell", ["(unisex)", "dress (long)", "men's", '7"', "'90s", "1) small"])
def test_brackets_and_quotes_of_words_stay(tmp_path: Path, cell: str) -> None:
    drawn(tmp_path, "1.jpg")
    pd.DataFrame({"image": ["1.jpg"], "labels": [cell]}).to_csv(tmp_path / "t.csv", index=False)
    assert present(read_dataset(tmp_path / "t.csv")) == [[cell]]


@pytest.mark.parametrize(
    "cell", ["", " ", ",", " ; ", "\u200b", "[None]", "[nan]", '[""]', "[null]"]
)
def test_a_cell_that_names_nothing_is_unknown(tmp_path: Path, cell: str) -> None:
    drawn(tmp_path, "1.jpg", "2.jpg")
    table = pd.DataFrame({"image": ["1.jpg", "2.jpg"], "labels": [cell, "red"]})
    table.to_csv(tmp_path / "t.csv", index=False)
    assert [example.known for example in read_dataset(tmp_path / "t.csv").examples] == [
        frozenset(),
        {"label"},
    ]


@pytest.mark.parametrize(
    ("column", "labels"),
    [
        (pa.array([7, None, 8]), ["7", None, "8"]),
        (pa.array([7.0, None, 8.0]), ["7", None, "8"]),  # what a gap makes of whole numbers
        (pa.array([7.0, float("nan"), 7.5]), ["7.0", None, "7.5"]),
        (pa.array([0.1, None, 2.5], pa.float32()), ["0.1", None, "2.5"]),
        (pa.array([2**63 - 1, None, 2**60 + 1]), [str(2**63 - 1), None, str(2**60 + 1)]),
        (pa.array([True, None, False]), ["True", None, "False"]),
        (pa.array(["None", None, "NA"]).dictionary_encode(), ["None", None, "NA"]),
        (pa.array(["a", None, "b"], pa.large_string()), ["a", None, "b"]),
        (pa.array([["a"], None, ["b"]], pa.large_list(pa.string())), ["a", None, "b"]),
    ],
)
def test_columns_of_any_type_are_read_as_what_they_say(
    tmp_path: Path, column: pa.Array, labels: list[Any]
) -> None:
    drawn(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    found = read_parquet(tmp_path, {"image": ["1.jpg", "2.jpg", "3.jpg"], "color": column}, "color")
    assert present(found) == [[] if label is None else [label] for label in labels]


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array([b"red"]), "binary"),
        (pa.array([datetime.date(2026, 1, 1)]), "date32"),
        (pa.array([[["red"]]]), "list"),
        (pa.array([{"a": "red"}]), "struct"),
    ],
)
def test_columns_that_are_no_text_are_refused_with_their_type(
    tmp_path: Path, column: pa.Array, kind: str
) -> None:
    drawn(tmp_path, "1.jpg")
    with pytest.raises(DatasetError, match=rf"column 'color'.*{kind}.*labels are text"):
        read_parquet(tmp_path, {"image": ["1.jpg"], "color": column}, "color")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"image,color,color\n1.jpg,red,blue\n", "2 columns 'color'; rename or remove one"),
        (b"image,image,color\n1.jpg,red,blue\n", "2 columns 'image'"),
        (
            b"image,color\n1.jpg,red,blue\n",
            "first in row 2, '1.jpg': it has 3 cells and the header 2",
        ),
        (b'image,color\n"1.jpg,red\n', "cannot be read"),
        (b"image,color\n,red\n", "row 2: image '' is not a path"),
        (b"image,color\nno.jpg,red\n", "1 x missing file, first in row 2: image 'no.jpg' "),
    ],
)
def test_a_csv_that_cannot_be_read_is_refused_with_the_reason(
    tmp_path: Path, data: bytes, message: str
) -> None:
    drawn(tmp_path, "1.jpg")
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(DatasetError, match=message):
        usable(tmp_path / "t.csv", groups=parse_groups("color"))


@pytest.mark.parametrize(
    "data",
    [
        "\ufeffimage,color\n1.jpg,red\n",
        "image;color\n1.jpg;red\n",
        '"image"\t"color"\r\n1.jpg\tred\r\n',
        " image , color \n1.jpg, red \n",
        "color,image,,\nred,1.jpg,,\n",
        "image,color\n\n1.jpg,red\n\n",
    ],
)
def test_a_csv_is_read_as_spreadsheets_write_it(tmp_path: Path, data: str) -> None:
    drawn(tmp_path, "1.jpg")
    assert present(read_csv(tmp_path, data, "color")) == [["red"]]


def test_parquet_whose_index_is_the_image_and_a_header_in_another_form_are_read(
    tmp_path: Path,
) -> None:
    drawn(tmp_path, "1.jpg")
    table = pd.DataFrame({" color": ["red"]}, index=pd.Index(["1.jpg"], name="image"))
    table.to_parquet(tmp_path / "t.parquet")
    assert present(read_dataset(tmp_path / "t.parquet", groups=parse_groups("color"))) == [["red"]]
    doubled = pa.Table.from_arrays([pa.array(["1.jpg"])] * 3, names=["image", "color", "color"])
    pq.write_table(doubled, tmp_path / "t.parquet")
    with pytest.raises(DatasetError, match=re.escape("2 columns 'color'")):
        read_dataset(tmp_path / "t.parquet", groups=parse_groups("color"))
    (tmp_path / "t.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DatasetError, match="cannot be read"):
        read_dataset(tmp_path / "t.parquet", groups=parse_groups("color"))


def written(folder: Path, table: str) -> str:
    for name in ("a.jpg", "b.jpg"):
        (folder / name).touch()
    (folder / "t.csv").write_text(table)
    return str(folder / "t.csv")


def test_labels_as_group_and_name_are_of_the_groups_that_are_named(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        'image,labels\na.jpg,"color:red,garment:dress"\nb.jpg,"color:blue,garment:shirt"\n',
    )
    found = read_dataset(path, groups=parse_groups("color,garment"))
    assert [sorted(example.present) for example in found.examples] == [
        [("color", "red"), ("garment", "dress")],
        [("color", "blue"), ("garment", "shirt")],
    ]
    with pytest.raises(DatasetError, match="--groups color"):
        usable(path)


def test_a_group_may_stand_before_a_label_in_its_own_column_alone(tmp_path: Path) -> None:
    groups = parse_groups("color,garment")
    path = written(
        tmp_path, "image,color,garment\na.jpg,color:red,dress\nb.jpg,blue,garment:shirt\n"
    )
    found = read_dataset(path, groups=groups)
    assert [sorted(name for _, name in example.present) for example in found.examples] == [
        ["dress", "red"],
        ["blue", "shirt"],
    ]
    with pytest.raises(DatasetError, match="stands in the column"):
        usable(
            written(tmp_path, "image,color,garment\na.jpg,garment:dress,dress\nb.jpg,blue,shirt\n"),
            groups=groups,
        )


@pytest.mark.parametrize("front", ["groesse", "Größe", " GRÖSSE ", "größe"])
def test_a_group_before_a_label_is_spelt_as_headers_are(tmp_path: Path, front: str) -> None:
    groups = parse_groups("farbe,groesse")
    own = written(
        tmp_path, f"image,Farbe,Größe\na.jpg,Farbe:weiß,{front}:klein\nb.jpg,weiß,klein\n"
    )
    said = [each.present for each in read_dataset(own, groups=groups).examples]
    assert said == [{("farbe", "weiß"), ("groesse", "klein")}] * 2
    mixed = written(tmp_path, f"image,labels\na.jpg,FARBE:weiß\nb.jpg,{front}:klein\n")
    said = [each.present for each in usable(mixed, groups=groups).examples]
    assert said == [{("farbe", "weiß")}, {("groesse", "klein")}]


def test_what_is_no_group_before_a_colon_is_part_of_the_label(tmp_path: Path) -> None:
    path = written(tmp_path, "image,farbe\na.jpg,Ratio:weiß\nb.jpg,farben:weiß\n")
    found = read_dataset(path, groups=parse_groups("farbe"))
    assert [name for each in found.examples for _, name in each.present] == [
        "Ratio:weiß",
        "farben:weiß",
    ]


def test_a_label_takes_over_the_row_of_its_name_in_its_own_group_first_however_it_is_spelt() -> (
    None
):
    old = Vocabulary(tuple(parse_groups("color,type")), ()).extend(
        [("color", "navy blue"), ("color", "rose"), ("type", "flip flops"), ("type", "rose")]
    )
    new = Vocabulary(tuple(parse_groups("farbe,type")), ()).extend(
        [("farbe", "Navy-Blue"), ("farbe", "Rose"), ("type", "Flip_Flops"), ("type", "ROSE")]
    )
    columns = columns_of_same_names(new, old)
    taken = [None if at is None else old.labels[at].key for at in columns]
    assert taken == ["color:navy blue", None, "type:flip flops", "type:rose"]  # None: two are Rose
