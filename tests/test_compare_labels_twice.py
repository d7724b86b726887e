"""Labelled sets that contradict each other, or themselves, are compared on and said to."""

import csv
import shutil
from pathlib import Path

from jobs.compare import CompareOptions, compare
from jobs.compare_text import notes_of
from tagger.datasets.names import read_sets
from tagger.datasets.sample import Sample
from tagger.labels.vocabulary import parse_groups


def written(path: Path, group: str, rows: dict[str, str]) -> str:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", group])
        writer.writerows(rows.items())
    return str(path)


def test_two_tables_over_the_same_pictures_say_how_many_the_last_replaced(
    sample: Sample, bundle_path: Path, tmp_path: Path
) -> None:
    shutil.copytree(sample.catalog, tmp_path / "catalog")
    truth = dict(list(sample.truth.items())[:20])
    colors = written(
        tmp_path / "catalog" / "c.csv", "color", {name: said[0] for name, said in truth.items()}
    )
    others = written(
        tmp_path / "catalog" / "t.csv",
        "color",
        {name: "red" if said[0] != "red" else "blue" for name, said in truth.items()},
    )
    garments = written(
        tmp_path / "catalog" / "g.csv", "garment", {name: said[1] for name, said in truth.items()}
    )
    both = compare(CompareOptions(str(bundle_path), str(bundle_path), on=(colors, garments)))
    assert both.labelled_again == 0  # each says what it knows
    report = compare(CompareOptions(str(bundle_path), str(bundle_path), on=(colors, others)))
    assert report.labelled_again == 20
    assert any(
        note.startswith("20 pictures have different labels in several of the sets: only what the")
        for note in notes_of(report)
    )
    assert read_sets([colors, colors], None, groups=parse_groups("color")).replaced == ()


def test_a_picture_in_two_label_folders_is_said_to_be_labelled_otherwise(
    sample: Sample, bundle_path: Path, tmp_path: Path
) -> None:
    pictures = [sample.catalog / name for name in list(sample.truth)[:3]]
    for folder in ("black_dress", "red_dress"):
        (tmp_path / "set" / folder).mkdir(parents=True)
    for at, (path, folder) in enumerate(
        zip(pictures, ("black_dress", "red_dress", "red_dress"), strict=True)
    ):
        shutil.copy(path, tmp_path / "set" / folder / f"{at}.jpg")
    shutil.copy(pictures[0], tmp_path / "set" / "red_dress" / "other.jpg")
    shutil.copy(pictures[1], tmp_path / "set" / "red_dress" / "same.jpg")
    report = compare(
        CompareOptions(str(bundle_path), str(bundle_path), on=(str(tmp_path / "set"),))
    )
    assert report.left_out is not None
    assert report.left_out.duplicate == 2
    assert report.copies_labelled_otherwise == 1
    assert any(
        note.startswith("1 of the duplicates and near-duplicates has other labels")
        for note in notes_of(report)
    )
