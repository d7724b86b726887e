"""A labelled set written anew: what persons said replaces what was given, and all else stays."""

import datetime
import json
import shutil
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Command, settle
from hypothesis import given
from hypothesis import strategies as st
from persons import Person

from jobs.relabel import relabel, report_text
from jobs.tag_catalog import TagOptions, tag_catalog
from schemas.training import RelabelReport
from tagger.datasets.corrected import with_said
from tagger.datasets.dataset_reader import read_dataset
from tagger.datasets.labelled_set import Example, LabelledSet, Said
from tagger.datasets.named_columns import parse_columns
from tagger.datasets.relabelled import Sheet, as_csv, statement, written
from tagger.datasets.relabelled import relabel as relabelled
from tagger.datasets.row_statement import labels_of_cell
from tagger.datasets.sample import Sample
from tagger.datasets.table_file import open_table
from tagger.errors import DatasetError, InputError
from tagger.labels.vocabulary import canonical_name, parse_groups

GROUPS = parse_groups("color,type")
MIXED = parse_groups("color,use+")


@pytest.fixture(scope="module")
def night(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night of the starter, in whose index nobody said anything."""
    folder = tmp_path_factory.mktemp("night")
    settle(Path(shutil.copytree(sample.catalog, folder / "catalog")))
    tag_catalog(TagOptions(str(folder / "catalog"), None, str(folder / "index"), max_error_rate=1))
    return folder / "index"


@pytest.fixture
def index(night: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(night, tmp_path / "index", symlinks=True))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Files of distinct bytes; which pictures they hold is nobody's concern here."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "abcdef":
        (folder / f"{name}.jpg").write_bytes(name.encode())
    return folder


def labels(found: LabelledSet) -> dict[str, tuple[list[tuple[str, str]], list[str]]]:
    return {e.image_id: (sorted(e.present), sorted(e.known)) for e in found.examples}


def read(path: Path) -> dict[str, tuple[list[tuple[str, str]], list[str]]]:
    return labels(read_dataset(path, groups=GROUPS))


def cells(path: Path) -> list[list[str]]:
    table = open_table(path)
    columns = [table.texts(i) for i in range(len(table.written))]
    return [table.written, *map(list, zip(*columns, strict=True))]


def test_a_folder_set_becomes_a_table_that_trains_to_exactly_what_persons_and_folders_say(
    sample: Sample, index: Path, tmp_path: Path, tagger: Command
) -> None:
    root = tmp_path / "set"
    for i, picture in enumerate(sorted((sample.labelled / "red_dress").iterdir())[:6]):
        for name in ("red_dress", "blue_rain, coat\nnew")[i % 2 :][:1]:
            (root / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(picture, root / name / f'{i} "x", y.jpg')
    pictures = sorted(root.rglob("*.jpg"), key=lambda path: path.name)
    ann = Person(index)
    ann.says(pictures[0], "color", "green")
    ann.says(pictures[1], "type", None, "none")
    ann.says(pictures[2], "color", None, "unknown")
    ann.says(pictures[3], "color", "blue")  # as it is
    ann.says(pictures[4], "color", None, "withdrawn")
    before = labels(read_dataset(root, groups=GROUPS))
    report = relabel(str(root), str(index), str(root / "new.csv"))
    assert report == RelabelReport(
        table=str(root / "new.csv"), pictures=6, spoken=4, changed=3, cells=3, emptied=0
    )
    assert "of 4 of them, which changed 3 cells of 3 rows" in report_text(report)
    expected = dict(before)
    said = {
        0: ([("color", "green"), ("type", "dress")], ["color", "type"]),
        1: ([("color", "blue")], ["color", "type"]),
        2: ([("type", "dress")], ["type"]),
    }
    for i, words in said.items():
        expected[str(pictures[i].relative_to(root))] = words
    assert read(root / "new.csv") == expected
    ended = tagger(
        *("train", root / "new.csv", "--models", tmp_path / "models"),
        *("--groups", "color,type", "--check", "--json"),
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["labels"] == {
        "color:blue": 3,
        "color:green": 1,
        "color:red": 1,
        "type:dress": 3,
        "type:rain, coat\nnew": 2,
    }


def test_rows_of_which_nothing_was_said_keep_every_cell_and_other_columns_stay(
    photos: Path, index: Path
) -> None:
    text = (
        "\ufeffname;image;Color;color;type;name\n"
        '"one; two";a.jpg;x;red;dress;007\n'
        '  blank ; b.jpg ;y;[\'red\', \'blue\'][:1];"[""dress""]";\n'
        'None;c.jpg;"two\nlines";;[];NA\n'
        "z;d.jpg;z;red;dress;1.0\n"
    ).replace("['red', 'blue'][:1]", "['red']")
    (photos / "t.csv").write_text(text, encoding="utf-8")
    Person(index).says(photos / "d.jpg", "type", "shirt")
    relabel(str(photos / "t.csv"), str(index), str(photos / "new.csv"))
    before, after = cells(photos / "t.csv"), cells(photos / "new.csv")
    assert after[:4] == before[:4]
    assert after[4] == ["z", "d.jpg", "z", "red", "shirt", "1.0"]
    assert (photos / "t.csv").read_text(encoding="utf-8") == text
    assert (photos / "new.csv").read_text().splitlines()[-1] == "z;d.jpg;z;red;shirt;1.0"
    assert read(photos / "new.csv")["c.jpg"] == ([], ["type"])


def test_a_cell_that_says_it_already_stays_as_it_is_written(photos: Path, index: Path) -> None:
    (photos / "t.csv").write_text("image,color,type\na.jpg,\"['red']\",color\n")
    Person(index).says(photos / "a.jpg", "color", "red")
    report = relabel(str(photos / "t.csv"), str(index), str(photos / "new.csv"))
    assert (report.spoken, report.changed, report.cells) == (1, 0, 0)
    assert cells(photos / "new.csv") == cells(photos / "t.csv")


def test_a_parquet_table_with_lists_numbers_and_dates_becomes_a_csv_of_the_same_labels(
    photos: Path, index: Path
) -> None:
    day = datetime.datetime(2026, 11, 27, 8, 30)
    columns = {
        "image": ["a.jpg", "b.jpg", "c.jpg", "d.jpg"],
        "color": pa.array([["red"], [], None, ["blue, light"]]),
        "type": pa.array([7, None, 8, 9]),
        "shot": [day, None, day, day],
        "price": [1.5, 2.0, None, 3.25],
    }
    pq.write_table(pa.table(columns), photos / "t.parquet")
    Person(index).says(photos / "c.jpg", "color", "red")
    relabel(str(photos / "t.parquet"), str(index), str(photos / "new.csv"))
    expected = read(photos / "t.parquet")
    assert expected["c.jpg"] == ([("type", "8")], ["type"])
    expected["c.jpg"] = ([("color", "red"), ("type", "8")], ["color", "type"])
    assert read(photos / "new.csv") == expected
    assert cells(photos / "new.csv")[1] == ["a.jpg", '["red"]', "7", "2026-11-27 08:30:00", "1.5"]


def test_one_column_for_all_labels_says_what_it_can_and_is_empty_where_it_cannot(
    photos: Path, index: Path
) -> None:
    (photos / "t.csv").write_text(
        'image,labels\na.jpg,"color:red, type:dress"\nb.jpg,"red, dress"\nc.jpg,\nd.jpg,red\n'
    )
    ann = Person(index)
    ann.says(photos / "a.jpg", "color", "blue")
    ann.says(photos / "b.jpg", "color", None, "unknown")
    ann.says(photos / "c.jpg", "color", "blue")
    report = relabel(str(photos / "t.csv"), str(index), str(photos / "new.csv"))
    assert [row[1] for row in cells(photos / "new.csv")[1:]] == [
        '["color:blue", "type:dress"]',
        "",
        "",
        "red",
    ]
    assert (report.cells, report.emptied) == (2, 2)
    assert "2 cells are empty, for unknown" in report_text(report)


def test_a_group_without_a_column_is_left_aside_in_words(
    photos: Path, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "t.csv").write_text("image,type\na.jpg,dress\n")
    Person(index).says(photos / "a.jpg", "color", "blue")
    relabel(str(photos / "t.csv"), str(index), str(photos / "new.csv"))
    assert "no column for 'color' 1 pictures" in capsys.readouterr().err
    assert cells(photos / "new.csv") == [["image", "type"], ["a.jpg", "dress"]]


def test_nothing_is_overwritten_or_written_where_its_pictures_are_not(
    photos: Path, index: Path, tmp_path: Path, tagger: Command
) -> None:
    (photos / "t.csv").write_text("image,color\na.jpg,red\n")
    Person(index).says(photos / "a.jpg", "color", "blue")
    (photos / "there.csv").write_text("mine")
    (photos / "dangling.csv").symlink_to("nowhere.csv")
    for out, why in (
        (photos / "there.csv", "is there already"),
        (photos / "t.csv", "is there already"),
        (photos / "dangling.csv", "is there already"),
        (photos / "new.parquet", "a name that ends in .csv"),
        (tmp_path / "no" / "new.csv", "there is no folder"),
        (tmp_path / "new.csv", "write the new one beside it"),
    ):
        ended = tagger("relabel", photos / "t.csv", "--corrections", index, "--out", out)
        assert ended.returncode == 2, out
        assert why in ended.stderr
        assert "Traceback" not in ended.stderr
    assert (photos / "there.csv").read_text() == "mine"
    assert not list(photos.glob(".*"))
    (photos / "red_dress").mkdir()
    (photos / "a.jpg").rename(photos / "red_dress" / "a.jpg")
    with pytest.raises(InputError, match="pictures lie below its folder"):
        relabel(str(photos), str(index), str(index / "new.csv"))
    relabel(str(photos), str(index), str(tmp_path / "above.csv"))
    assert cells(tmp_path / "above.csv")[1] == ["photos/red_dress/a.jpg", "blue", "dress", ""]


def test_pictures_are_found_by_content_under_any_name_and_not_by_name(
    photos: Path, index: Path
) -> None:
    (photos / "t.csv").write_text("image,color\na.jpg,red\nb.jpg,red\nc.jpg,red\n")
    Person(index).says(photos / "a.jpg", "color", "blue")
    shutil.copy(photos / "a.jpg", photos / "c.jpg")
    (photos / "a.jpg").write_bytes(b"other bytes")
    relabel(str(photos / "t.csv"), str(index), str(photos / "new.csv"))
    assert [row[1] for row in cells(photos / "new.csv")[1:]] == ["red", "red", "blue"]


def test_rows_of_missing_pictures_stay_as_they_are_and_are_counted(
    photos: Path, index: Path
) -> None:
    rows = ["image,size,color", "a.jpg,S,red", "gone.jpg,S, Red ", "a.jpg,M,red", ",Sum,2"]
    (photos / "t.csv").write_text("\n".join([*rows, ""]))
    Person(index).says(photos / "a.jpg", "color", "blue")
    report = relabel(str(photos / "t.csv"), str(index), str(photos / "new.csv"))
    assert [row[2] for row in cells(photos / "new.csv")[1:]] == ["blue", " Red ", "blue", "2"]
    assert (report.pictures, report.spoken, report.changed, report.missing) == (4, 2, 2, 2)
    assert "4 rows; persons spoke of the pictures of 2 of them" in report_text(report)
    assert "2 rows are as they were, for their pictures are missing" in report_text(report)


def test_a_table_with_another_fault_or_no_picture_is_refused_without_an_option_that_is_none(
    photos: Path, index: Path
) -> None:
    (photos / "t.csv").write_text("image,color\na.jpg,red\na.jpg,blue\nb.jpg,red\n")
    (photos / "u.csv").write_text("image,color\nx.jpg,red\ny.jpg,blue\n")
    for name, fault in (("t", "1 x contradiction"), ("u", "2 x missing file")):
        with pytest.raises(DatasetError) as refused:
            relabel(str(photos / f"{name}.csv"), str(index), str(photos / "new.csv"))
        assert fault in str(refused.value)
        assert str(refused.value).endswith("lists all of them and says what to do")
        assert not (photos / "new.csv").exists()


def test_a_workbook_with_headers_of_its_own_is_relabelled_as_a_csv_of_the_same_pictures(
    photos: Path, index: Path, tmp_path: Path
) -> None:
    book = openpyxl.Workbook()
    for row in (["Stand 2026"], ["SKU", "Farbe", "Preis"], ["a", "rot", 5], [], ["B", "ROT", 7.5]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    Person(index).says(photos / "b.jpg", "color", "blau")
    tables = {"columns": "color=Farbe", "image_root": str(photos)}
    out = tmp_path / "new.csv"
    report = relabel(str(tmp_path / "t.xlsx"), str(index), str(out), **tables)
    assert (report.pictures, report.changed) == (2, 1)
    assert cells(out) == [["SKU", "Farbe", "Preis"], ["a", "rot", "5"], ["B", "blau", "7.5"]]
    again = read_dataset(
        out,
        groups=parse_groups("color"),
        columns=parse_columns("color=Farbe"),
        image_root=str(photos),
    )
    assert labels(again) == {
        "a.jpg": ([("color", "rot")], ["color"]),
        "b.jpg": ([("color", "blau")], ["color"]),
    }


def test_a_table_with_several_columns_for_a_group_is_not_relabelled(
    photos: Path, index: Path
) -> None:
    (photos / "t.csv").write_text("image,color_red,color_blue\na.jpg,1,0\n")
    Person(index).says(photos / "a.jpg", "color", "blue")
    with pytest.raises(DatasetError, match="several columns for color"):
        relabel(str(photos / "t.csv"), str(index), str(photos / "new.csv"))
    assert not (photos / "new.csv").exists()


def one_row(example: Example, cell: str, column: str = "use") -> Sheet:
    return Sheet(["image", column], [["a.jpg", cell]], [example], {1: column}, MIXED)


@pytest.mark.parametrize(
    ("cell", "single", "expected"),
    [
        ("home", {("use", "work"): True}, '["home", "work"]'),
        ('["home", "work"]', {("use", "work"): False}, "home"),
        ("home", {("use", "home"): False}, "[]"),
        ("home", {("use", "home"): True}, "home"),
        ("home", {("use", "work"): None}, ""),
        ("", {("use", "work"): None}, ""),
        ("", {("use", "work"): True}, ""),
    ],
)
def test_labels_of_a_group_that_is_not_exclusive_are_added_and_taken_away_one_by_one(
    cell: str, single: dict[tuple[str, str], bool | None], expected: str
) -> None:
    present, known = labels_of_cell("use", cell, MIXED)
    sheet = one_row(Example("a.jpg", "a.jpg", present, known), cell)
    assert relabelled(sheet, [Said("0" * 64, {}, single)]).sheet.rows[0][1] == expected


NAMES = st.text(min_size=1, max_size=12).map(canonical_name).filter(bool)
HOSTILE = st.sampled_from(
    ["None", "a,b", "a;b", "a|b", "use:x", "color:x", "x:y", '"', '5"', "[x", "(a)", "['a']", "nan"]
)


@given(st.sampled_from(["color", "use", "labels"]), st.frozensets(NAMES | HOSTILE, max_size=3))
def test_a_cell_reads_back_as_exactly_the_labels_that_it_was_written_for(
    column: str, names: frozenset[str]
) -> None:
    group = "use" if column == "labels" else column
    said = frozenset((group, name) for name in names)
    try:
        cell = written(said, column, MIXED)
    except DatasetError as error:
        assert "correct the label's name" in str(error)
        return
    assert labels_of_cell(column, cell, MIXED)[0] == said


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(
    st.integers(1, 4).flatmap(
        lambda n: st.lists(st.lists(TEXT, min_size=n, max_size=n), max_size=4)
    ),
    st.sampled_from(",;\t"),
)
def test_a_table_reads_back_cell_by_cell(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], separator: str
) -> None:
    n = len(rows[0]) if rows else 2
    header = ["image", *(f"c{i}" for i in range(n))]
    full = [[f"{i}.jpg", *row] for i, row in enumerate(rows)]
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(as_csv(Sheet(header, full, [], {}, MIXED, separator)).encode())
    table = open_table(path, shown="t")
    assert table.written == header
    columns = [table.texts(i) for i in range(len(header))]
    assert [list(row) for row in zip(*columns, strict=True)] == full


def test_a_cell_with_a_nul_is_refused_in_words() -> None:
    with pytest.raises(DatasetError, match="cannot hold a NUL"):
        as_csv(Sheet(["image"], [["a\0.jpg"]], [], {}, MIXED))


def test_what_a_sheet_says_after_relabelling_is_what_its_pictures_are() -> None:
    present, known = labels_of_cell("use", "home", MIXED)
    given = Example("a.jpg", "a.jpg", present, known)
    said = Said("0" * 64, {}, {("use", "work"): True})
    new = relabelled(one_row(given, "home"), [said])
    assert new.sheet.examples == [with_said(given, said)]
    assert statement(new.sheet.examples[0], "use", MIXED) == {("use", "home"), ("use", "work")}
