"""What a check says of the faults that tables of shops have.

One pass finds them, and one table has them, each with its first rows and what to do.

The golden texts of `tests/checks/` are what a shopkeeper reads; where one of them changes, read it
as one.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from checking import checked, copied, found, picture, shop, written

Rows = list[list[str]]
GOLDEN = Path(__file__).parent / "checks"


def missing_files(folder: Path, rows: Rows) -> None:
    rows[3][0] = "99998.jpg"
    rows[9][0] = "alt/99999.jpg"


def unreadable_files(folder: Path, rows: Rows) -> None:
    whole = (folder / "58004.jpg").read_bytes()
    (folder / "58004.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "58005.jpg").write_bytes(b"")


def ambiguous_files(folder: Path, rows: Rows) -> None:
    rows[7][0] = "58007"
    copied(folder, "58007.jpg", "alt/58007.jpg")


def unreadable_cells(folder: Path, rows: Rows) -> None:
    rows[2][1] = '"[""rot"'


def contradicting_rows(folder: Path, rows: Rows) -> None:
    rows.append([rows[0][0], "blau", rows[0][2]])


def misspelt_labels(folder: Path, rows: Rows) -> None:
    rows[0][2] = "klied"
    rows[6][2] = "klied"


def plurals(folder: Path, rows: Rows) -> None:
    for row in rows[3:18:3]:
        row[2] = row[2].replace("hose", "hosen")


def rare_labels(folder: Path, rows: Rows) -> None:
    rows[1][1] = "türkis"


def different_labels_of_one_picture(folder: Path, rows: Rows) -> None:
    copied(folder, "58000.jpg", "58001.jpg")


def copies(folder: Path, rows: Rows) -> None:
    copied(folder, "58000.jpg", "58006.jpg")


def rows_without_labels(folder: Path, rows: Rows) -> None:
    rows[5][1:] = ["", ""]
    rows[8][1:] = ["", ""]


def a_group_without_labels(folder: Path, rows: Rows) -> None:
    for row in rows:
        row[1] = ""


def a_pair_that_never_comes_apart(folder: Path, rows: Rows) -> None:
    for row in rows:
        row[2] = "hut" if row[1] == "gelb" else row[2]


def nothing_at_all(folder: Path, rows: Rows) -> None:
    pass


def all_at_once(folder: Path, rows: Rows) -> None:
    for fault in (missing_files, unreadable_files, ambiguous_files, unreadable_cells):
        fault(folder, rows)
    rows.append([rows[0][0], "blau", rows[0][2]])
    rows[12][2] = "klied"
    rows[13][1:] = ["", ""]
    copied(folder, "58030.jpg", "58031.jpg")


FAULTS: list[Callable[[Path, Rows], None]] = [
    missing_files,
    unreadable_files,
    ambiguous_files,
    unreadable_cells,
    contradicting_rows,
    misspelt_labels,
    plurals,
    rare_labels,
    different_labels_of_one_picture,
    copies,
    rows_without_labels,
    a_group_without_labels,
    a_pair_that_never_comes_apart,
    nothing_at_all,
    all_at_once,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_check_says_what_is_wrong_and_what_to_do(
    fault: Callable[[Path, Rows], None], tmp_path: Path
) -> None:
    rows = shop(tmp_path)
    fault(tmp_path, rows)
    said = found(checked(written(tmp_path, rows)))
    assert said == (GOLDEN / f"{fault.__name__}.txt").read_text().rstrip("\n")


def test_a_folder_whose_name_does_not_fit_the_groups_is_a_row_of_the_table(tmp_path: Path) -> None:
    for number in range(12):
        folder = ["rot_kleid", "blau_hose", "rot_sommer_kleid"][number % 3]
        picture(tmp_path / "fotos" / folder / f"{number}.jpg", "rot", number)
    said = found(checked(tmp_path / "fotos"))
    assert said == (GOLDEN / "folder_names.txt").read_text().rstrip("\n")


def test_a_set_without_a_single_good_picture_is_reported_as_the_others_are(tmp_path: Path) -> None:
    rows = shop(tmp_path, rows=6)
    for row in rows[:3]:
        (tmp_path / row[0]).write_bytes(b"no picture")
    for row in rows[3:]:
        row[0] = f"x{row[0]}"
    said = checked(written(tmp_path, rows))
    assert said == (GOLDEN / "no_good_picture.txt").read_text().rstrip("\n")


def test_a_table_without_any_label_is_reported_as_the_others_are(tmp_path: Path) -> None:
    rows = [[image, "", ""] for image, *_ in shop(tmp_path, rows=6)]
    rows[0][0] = "weg.jpg"
    said = checked(written(tmp_path, rows))
    assert said == (GOLDEN / "no_label.txt").read_text().rstrip("\n")


def test_labels_that_a_given_vocabulary_lacks_are_rows_of_the_table(tmp_path: Path) -> None:
    rows = shop(tmp_path)
    rows[0][1] = "rott"
    names = {"farbe": ("rot", "blau", "gelb"), "warengruppe": ("kleid", "hose")}
    labels = [{"group": group, "name": name} for group in names for name in names[group]]
    file = tmp_path / "vocabulary.json"
    file.write_text(json.dumps({"groups": [{"name": group} for group in names], "labels": labels}))
    said = found(checked(written(tmp_path, rows), vocabulary=str(file)))
    assert said == (GOLDEN / "unknown_labels.txt").read_text().rstrip("\n")
