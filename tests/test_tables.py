"""Any table a shop has: whatever program wrote it, the same rows are the same labelled set."""

import csv
import io
import unicodedata
import zipfile
from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.datasets.dataset_reader import read_dataset
from tagger.datasets.labelled_set import LabelledSet
from tagger.errors import DatasetError
from tagger.labels.folding import folded
from tagger.labels.vocabulary import parse_groups

GROUPS = parse_groups("farbe,groesse")
HEADER = ["Bilddatei", "Farbe", "Größe"]


def pictures(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def content(found: LabelledSet) -> list[tuple[str, list[tuple[str, str]], list[str]]]:
    return [(e.image_id, sorted(e.present), sorted(e.known)) for e in found.examples]


def csv_text(rows: Sequence[Sequence[str]], separator: str) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=separator).writerows(rows)
    return stream.getvalue()


def write(path: Path, rows: Sequence[Sequence[str]], separator: str = ";") -> Path:
    """Write a table as its name says: `x.cp1252.csv` is in this encoding."""
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(list(row))
        book.save(path)
    elif path.suffix == ".parquet":
        pd.DataFrame(rows[1:], columns=rows[0]).to_parquet(path)
    else:
        encoding = path.name.split(".")[1]
        path.write_bytes(csv_text(rows, separator).encode(encoding))
    return path


WORDS = ["rot", "grün", "weiß", "dunkel blau", "T-Shirt", 'zoll 7"', "a;b", "a,b", "x\ny", "", "40"]
FORMS = [
    *(f"t.{encoding}.csv" for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le")),
    *("t.utf-16-be.csv", "t.cp1252.csv", "t.xlsx", "t.parquet"),
]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS)), min_size=1, max_size=5),
    st.sampled_from(",;\t|"),
)
def test_a_table_reads_as_the_same_set_in_every_format_encoding_and_separator(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], separator: str
) -> None:
    root = tmp_path_factory.mktemp("set")
    names = [f"bild {i}.jpg" for i in range(len(rows))]
    pictures(root, *names)
    full = [HEADER, *([name, *row] for name, row in zip(names, rows, strict=True))]
    groups = parse_groups("farbe+,groesse+")
    found = [
        content(read_dataset(write(root / form, full, separator), groups=groups)) for form in FORMS
    ]
    assert all(each == found[0] for each in found)
    assert len(found[0]) == len(rows)


@given(st.text(max_size=20))
def test_folding_is_idempotent_and_blind_to_case_and_unicode_form(text: str) -> None:
    once = folded(text)
    assert folded(once) == once
    assert folded(unicodedata.normalize("NFD", text)) == folded(unicodedata.normalize("NFC", text))
    assert folded(f"  {text}\t") == once


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(
            ("T-Shirt", "t shirt "),
            ("weiß", "WEISS"),
            ("navy_blue", "Navy  Blue"),
            ("é", "e\u0301"),
        ),
        *(("T\u2011Shirt", "T-Shirt"), ("５", "5"), ("soft\u00adshell", "softshell")),
    ],
)
def test_spellings_of_one_label_fold_to_the_same(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    ("one", "other"), [("-1", "1"), ("tshirt", "t-shirt"), ('7"', "7"), ("grün", "grun")]
)
def test_different_labels_stay_apart(one: str, other: str) -> None:
    assert folded(one) != folded(other)


def test_numbers_dates_and_truth_are_text_as_a_sheet_shows_them(tmp_path: Path) -> None:
    pictures(tmp_path, "58502.jpg", "2.jpg")
    book = openpyxl.Workbook()
    book.active.append(["Stand 2026"])  # a cover
    sheet = book.create_sheet("Artikel")
    sheet["B3"], sheet["C3"], sheet["D3"] = "Bild", "Größe", "Neu"
    sheet["B4"], sheet["C4"], sheet["D4"] = 58502, 38.5, True
    sheet["B6"], sheet["C6"], sheet["D6"] = "2.jpg", 40.0, None
    book.save(tmp_path / "t.xlsx")
    found = read_dataset(tmp_path / "t.xlsx", groups=parse_groups("groesse,neu"))
    assert content(found) == [
        ("2.jpg", [("groesse", "40")], ["groesse"]),
        ("58502.jpg", [("groesse", "38.5"), ("neu", "TRUE")], ["groesse", "neu"]),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\nBild;Farbe\n1.jpg;rot\n2.jpg;blau\n",
        "Artikelliste;;\nStand;27.11.2026;\nBild;Farbe;Marke\n1.jpg;rot;A\n2.jpg;blau;B\n",
        "# exported\nBild,Farbe\n1.jpg,rot\n2.jpg,blau\n",
        "Bild;Farbe;;\n1.jpg;rot;;\n;;;\n\n2.jpg;blau;;\n",
        "Produktbild;Preis;Farbe\n1.jpg;1,50;rot\n2.jpg;2,00;blau\n",
        'Bild;Farbe;Text\n1.jpg;rot;"zwei\nZeilen; und, mehr"\n2.jpg;blau;x\n',
        'Bild;Farbe;Farbe 2;Farbe 2\n1.jpg;rot;a;b\n2.jpg;"blau";a;b\n',
        "Bild|Farbe\n1.jpg|rot\n2.jpg|blau",
    ],
)
def test_a_csv_is_read_as_shops_write_it(tmp_path: Path, text: str) -> None:
    pictures(tmp_path, "1.jpg", "2.jpg")
    (tmp_path / "t.csv").write_text(text)
    found = read_dataset(tmp_path / "t.csv", groups=parse_groups("farbe"))
    assert not found.problems
    assert [e.present for e in found.examples] == [{("farbe", "rot")}, {("farbe", "blau")}]


def test_a_decimal_comma_is_no_separator_of_labels_where_a_picture_has_one(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg", "2.jpg")
    (tmp_path / "t.csv").write_text("image;groesse\n1.jpg;38,5\n2.jpg;40\n")
    found = read_dataset(tmp_path / "t.csv", groups=parse_groups("groesse"))
    assert found.examples[0].present == {("groesse", "38,5")}
    found = read_dataset(tmp_path / "t.csv", groups=parse_groups("groesse+"))
    assert found.examples[0].present == {("groesse", "38"), ("groesse", "5")}


def test_an_assumed_encoding_is_said_with_a_word_of_the_table(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg")
    (tmp_path / "t.csv").write_bytes("image;farbe\n1.jpg;grün\n".encode("cp1252"))
    found = read_dataset(tmp_path / "t.csv", groups=parse_groups("farbe"))
    (note,) = found.notes
    assert "read as Windows-1252, for byte 0xfc in line 2 is not UTF-8" in note
    assert "'grün'" in note
    (tmp_path / "t.csv").write_text("image;farbe\n1.jpg;grün\n", encoding="utf-8")
    assert read_dataset(tmp_path / "t.csv", groups=parse_groups("farbe")).notes == ()


def row_numbers(path: Path) -> list[int | None]:
    return [problem.row for problem in read_dataset(path, groups=parse_groups("farbe")).problems]


def test_rows_are_numbered_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg")
    text = 'Liste;\n\nBild;Farbe\n1.jpg;"zwei\nZeilen"\n;\nno.jpg;rot\n1.jpg;rot;zu viel\n'
    (tmp_path / "t.csv").write_text(text)
    assert row_numbers(tmp_path / "t.csv") == [6, 7]
    rows = [["Liste", None], [None] * 2, ["Bild", "Farbe"], ["1.jpg", "x"], [None] * 2]
    write(tmp_path / "t.xlsx", [*rows, ["no.jpg", "rot"]])  # type: ignore[list-item]
    assert row_numbers(tmp_path / "t.xlsx") == [6]
    write(tmp_path / "t.parquet", [["image", "farbe"], ["1.jpg", "x"], ["no.jpg", "rot"]])
    assert row_numbers(tmp_path / "t.parquet") == [3]


def bomb(path: Path) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
        packed.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as file,
    ):
        for _ in range(1100):
            file.write(bytes(2**20))


def endless(path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["image", "farbe"])
    book.active["XFD1048576"] = "far away"
    book.save(path)


def lying(path: Path) -> None:
    """A workbook whose sheet says that it is smaller than it is."""
    book = openpyxl.Workbook()
    book.active.append(["image", "farbe"])
    book.save(path)
    data = path.read_bytes()
    with zipfile.ZipFile(path) as packed:
        size = packed.getinfo("xl/worksheets/sheet1.xml").file_size
    path.write_bytes(data.replace(size.to_bytes(4, "little"), (10).to_bytes(4, "little")))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600)), r"older Excel .*\.xls"),
        (
            lambda path: path.write_bytes(
                b"\xd0\xcf\x11\xe0" + bytes(600) + "EncryptedPackage".encode("utf-16-le")
            ),
            "protected by a password",
        ),
        (lambda path: path.write_bytes(b"<html><table></table></html>"), "no Excel workbook"),
        (lambda path: path.write_bytes(b""), "no Excel workbook"),
        (lambda path: path.write_bytes(b"PK\x03\x04 cut off"), "no Excel workbook"),
        (bomb, "unpacked it has 1.2 GB"),
        (endless, "a sheet reaches over 17,179,869,184 cells"),
        (lying, "damaged"),
        (lambda path: openpyxl.Workbook().save(path), "no sheet has a header and a row"),
    ],
)
def test_a_workbook_that_is_none_is_refused_in_a_sentence(
    tmp_path: Path, make: object, why: str
) -> None:
    make(tmp_path / "t.xlsx")  # type: ignore[operator]
    with pytest.raises(DatasetError, match=why) as caught:
        read_dataset(tmp_path / "t.xlsx", groups=parse_groups("farbe"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"<!DOCTYPE html>\n<html><table><tr><td>Bild</td></tr></table>", "a web page or XML"),
        (b"PK\x03\x04" + bytes(40), "an Excel workbook or a ZIP archive"),
        (b"\xd0\xcf\x11\xe0" + bytes(40), "an older Excel workbook"),
        (b"%PDF-1.7\n", "a PDF"),
        (bytes(range(256)), "no text|not UTF-16"),
        (b"image,farbe\n1.jpg,ro\x81\n", "byte 0x81 in line 2 is not UTF-8, and byte 0x81"),
        (b'image,farbe\n"1.jpg,rot\n2.jpg,blau\n', "a quote is opened and never closed"),
        (b"\n\n", "it has no header"),
        (b"a;b,c\n1;2,3\n", "semicolons|commas"),
    ],
)
def test_a_csv_that_is_none_is_refused_in_a_sentence(tmp_path: Path, data: bytes, why: str) -> None:
    pictures(tmp_path, "1.jpg")
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(DatasetError, match=why) as caught:
        read_dataset(tmp_path / "t.csv", groups=parse_groups("farbe"))
    assert "\n" not in str(caught.value)
