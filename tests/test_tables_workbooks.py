"""Workbooks as shops keep them: several sheets, merged cells, errors, formulas, lost zeros."""

from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pytest
from openpyxl.chart import BarChart

from tagger.datasets.dataset_reader import read_dataset
from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.named_columns import parse_columns
from tagger.errors import DatasetError
from tagger.labels.vocabulary import parse_groups

HEADER = ["Bild", "Farbe"]


def pictures(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(name.encode())


def sheet_of(book: openpyxl.Workbook, title: str, rows: Sequence[Sequence[object]]) -> None:
    sheet = book.create_sheet(title)
    for row in rows:
        sheet.append(list(row))


def workbook(**sheets: Sequence[Sequence[object]]) -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet_of(book, title, rows)
    return book


def read(book: openpyxl.Workbook, folder: Path) -> LabelledSet:
    book.save(folder / "t.xlsx")
    return read_dataset(folder / "t.xlsx", groups=parse_groups("farbe"))


def labels(found: LabelledSet) -> dict[str, list[str] | None]:
    return {
        e.image_id: sorted(name for _, name in e.present) if e.known else None
        for e in found.examples
    }


def test_the_sheet_that_names_pictures_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg")
    info = [["Stand", "2026-11-01"], ["Autor", "Meier"]]
    book = workbook(Info=info, Artikel=[HEADER, ["1.jpg", "rot"]], Leer=[["Notiz"]])
    found = read(book, tmp_path)
    assert labels(found) == {"1.jpg": ["rot"]}
    assert "its sheet 'Artikel' is read, 'Info' is not; to use it too, save it" in found.notes[0]
    assert "'Leer' has no table" in found.notes[0]


def test_a_hidden_sheet_is_never_read(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg")
    book = workbook(Alt=[HEADER, ["1.jpg", "alt"]], Neu=[HEADER, ["1.jpg", "neu"]])
    book["Alt"].sheet_state = "hidden"
    book.active = 1
    found = read(book, tmp_path)
    assert labels(found) == {"1.jpg": ["neu"]}
    assert "its sheet 'Neu' is read, 'Alt' is hidden and not read" in found.notes[0]
    book["Neu"].delete_rows(1, 2)
    with pytest.raises(DatasetError, match="hidden and not read: 'Alt', show it if it is meant"):
        read(book, tmp_path)


def test_a_workbook_of_one_sheet_says_nothing_of_sheets(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg")
    found = read(workbook(Artikel=[HEADER, ["1.jpg", "rot"]]), tmp_path)
    assert not [note for note in found.notes if "its sheet" in note]


def test_a_cell_that_is_merged_over_rows_counts_in_each_of_them(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    rows = [["Unsere Artikel", None], HEADER, ["1.jpg", "rot"], ["2.jpg", None], ["3.jpg", "blau"]]
    book = workbook(Artikel=rows)
    book["Artikel"].merge_cells("A1:B1")  # a title
    book["Artikel"].merge_cells("B3:B4")
    found = read(book, tmp_path)
    assert labels(found) == {"1.jpg": ["rot"], "2.jpg": ["rot"], "3.jpg": ["blau"]}
    assert "sheet 'Artikel': merged cells, 1, count in each of their rows" in found.notes[0]


def test_a_header_that_is_merged_over_rows_is_no_row(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg")
    book = workbook(Artikel=[HEADER, [None, None], ["1.jpg", "rot"]])
    book["Artikel"].merge_cells("A1:A2")
    book["Artikel"].merge_cells("B1:B2")
    found = read(book, tmp_path)
    assert (labels(found), found.problems) == ({"1.jpg": ["rot"]}, ())


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("#N/A", "'#N/A' is an error of the spreadsheet and no label"),
        ("#DIV/0!", "'#DIV/0!' is an error"),
        ("#REF!", "'#REF!' is an error"),
        ('=LOWER("ROT")', "is a formula without a result; open the table in a spreadsheet"),
        ("=A3&A4", "is a formula without a result"),
    ],
)
def test_an_error_or_a_formula_without_a_result_is_a_problem_and_no_silence(
    tmp_path: Path, cell: str, why: str
) -> None:
    pictures(tmp_path, "1.jpg", "2.jpg")
    found = read(workbook(Artikel=[HEADER, ["1.jpg", cell], ["2.jpg", "rot"]]), tmp_path)
    (problem,) = found.problems
    assert (problem.kind, problem.image, problem.row) == ("unreadable cell", "1.jpg", 2)
    assert why in problem.what
    assert labels(found) == {"1.jpg": None, "2.jpg": ["rot"]}


@pytest.mark.parametrize("word", ["#NV", "#N/A", "#WERT!", "#BEZUG!", "#DIV/0!", "#NAME?", "#REF!"])
def test_a_spreadsheets_error_is_no_label_in_a_csv_either(tmp_path: Path, word: str) -> None:
    pictures(tmp_path, "1.jpg", "2.jpg")
    (tmp_path / "t.csv").write_text(f"Bild;Farbe\n1.jpg;{word}\n2.jpg;rot\n")
    found = read_dataset(tmp_path / "t.csv", groups=parse_groups("farbe"))
    assert [(each.kind, each.row) for each in found.problems] == [("unreadable cell", 2)]


@pytest.mark.parametrize("label", ["#1", "#rot", "#sommer!", "=", "=:", "A=B"])
def test_labels_with_these_signs_stay_labels(tmp_path: Path, label: str) -> None:
    pictures(tmp_path, "1.jpg")
    (tmp_path / "t.csv").write_text(f"Bild;Farbe\n1.jpg;{label}\n")
    found = read_dataset(tmp_path / "t.csv", groups=parse_groups("farbe"))
    assert labels(found) == {"1.jpg": [label]}


@pytest.mark.parametrize("word", ["-", "?", "k.A.", "k. A.", "n/a", "unbekannt", "nan"])
def test_words_that_may_mean_unknown_stay_labels_and_are_named(tmp_path: Path, word: str) -> None:
    pictures(tmp_path, "1.jpg", "2.jpg")
    (tmp_path / "t.csv").write_text(f"image;Farbe\n1.jpg;{word}\n2.jpg;rot\n")
    found = read_dataset(tmp_path / "t.csv", groups=parse_groups("farbe"))
    assert labels(found) == {"1.jpg": [word], "2.jpg": ["rot"]}
    (note,) = found.notes
    assert f"labels that may mean unknown are learned as labels: 'farbe:{word}' (1 pic" in note


def test_a_number_has_the_zeros_that_its_sheet_shows(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg", "00001.jpg", "00002.jpg")
    book = workbook(Artikel=[["Artikelnummer", "Farbe"], [1, "rot"], [2, "blau"]])
    for at in (2, 3):
        book["Artikel"][f"A{at}"].number_format = "00000"
    assert labels(read(book, tmp_path)) == {"00001.jpg": ["rot"], "00002.jpg": ["blau"]}
    for at in (2, 3):
        book["Artikel"][f"A{at}"].number_format = "General"
    plain = read(book, tmp_path)
    assert labels(plain) == {"00002.jpg": ["blau"]}
    assert [(each.kind, each.row) for each in plain.problems] == [("ambiguous file", 2)]


def test_a_sheet_that_is_a_chart_is_passed_over(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg")
    book = workbook(Artikel=[HEADER, ["1.jpg", "rot"]])
    book.create_chartsheet("Umsatz").add_chart(BarChart())
    found = read(book, tmp_path)
    assert labels(found) == {"1.jpg": ["rot"]}


def test_the_sheet_with_the_headers_that_are_named_is_read(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg")
    old = [["Bild", "Farbe", "Preis"], ["1.jpg", "alt", 1]]
    book = workbook(Liste=old, Shop=[["Bild", "Ton"], ["1.jpg", "rot"]])
    book.save(tmp_path / "t.xlsx")
    found = read_dataset(tmp_path / "t.xlsx", columns=parse_columns("image=Bild,farbe=Ton"))
    assert labels(found) == {"1.jpg": ["rot"]}
    assert "its sheet 'Shop' is read, 'Liste' is not" in found.notes[0]
