"""Rows joined by picture, labels spelled alike, and every fault found in one pass."""

import json
from pathlib import Path

import pytest
from conftest import Command, jpeg, textured

from tagger.datasets.dataset_reader import read_dataset
from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.names import read_sets
from tagger.datasets.problem_budget import settle_problems
from tagger.datasets.problems import Folded
from tagger.datasets.sample import Sample
from tagger.errors import DatasetError
from tagger.labels.vocabulary import Vocabulary, parse_groups
from tagger.pipeline.labelled_sets import folded_sentence


def table(folder: Path, text: str, name: str = "t.csv") -> Path:
    folder.mkdir(exist_ok=True)
    for i in range(1, 6):
        (folder / f"{i}.jpg").write_bytes(bytes([i]))
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def labels(found: LabelledSet) -> dict[str, list[str]]:
    return {e.image_id: sorted(name for _, name in e.present) for e in found.examples}


def names(found: LabelledSet) -> list[str]:
    return sorted(name for each in found.examples for _, name in each.present)


def read(path: Path, groups: str, vocabulary: Vocabulary | None = None) -> LabelledSet:
    return read_dataset(
        path, groups=None if vocabulary else parse_groups(groups), vocabulary=vocabulary
    )


def test_rows_of_one_picture_are_joined_under_any_spelling_of_its_name(tmp_path: Path) -> None:
    text = "image,color,use\n1.jpg,red,home\n1.JPG,Red,work\n./1.jpg,,sport\n1,red,\n2.jpg,blue,\n"
    found = read(table(tmp_path, text), "color,use+")
    assert labels(found) == {"1.jpg": ["home", "red", "sport", "work"], "2.jpg": ["blue"]}
    assert (found.problems, found.named) == ((), 2)


def test_rows_that_contradict_each_other_leave_the_group_unknown_and_name_both(
    tmp_path: Path,
) -> None:
    text = (
        "image,color,use\n1.jpg,red,home\n2.jpg,blue,home\n1.jpg,blue,home\n3.jpg,[],a\n"
        "3.jpg,red,a\n"
    )
    found = read(table(tmp_path, text), "color,use")
    first, third = found.problems
    assert (first.kind, first.image, first.row) == ("contradiction", "1.jpg", 2)
    assert "row 2 says red and row 4 says blue" in first.what
    assert "row 5 says none of its labels and row 6 says red" in third.what
    assert labels(found) == {"1.jpg": ["home"], "2.jpg": ["blue", "home"], "3.jpg": ["a"]}
    assert found.examples[0].known == {"use"}
    text = "image,labels\n1.jpg,color:red\n1.jpg,use:home\n1.jpg,color:blue\n"
    mixed = read(table(tmp_path, text), "color,use")
    assert labels(mixed) == {"1.jpg": ["home"]}
    assert [problem.kind for problem in mixed.problems] == ["contradiction"]


def test_all_faults_are_found_in_one_pass_and_the_rest_is_read(tmp_path: Path) -> None:
    text = (
        "image,color\n1.jpg,red\nno.jpg,red\n2.jpg,['red'\n3.jpg,red,too many\n4.jpg,\"red,blue\"\n"
        "9,red\n,blue\n,\n5.jpg,blue\n"
    )
    path = table(tmp_path, text)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "9.jpg").touch()
    found = read(path, "color")
    assert [(problem.kind, problem.row) for problem in found.problems] == [
        ("missing file", 3),
        ("unreadable cell", 4),
        ("unreadable cell", 5),
        ("contradiction", 6),
        ("ambiguous file", 7),
        ("missing file", 8),
    ]
    assert labels(found) == {"1.jpg": ["red"], "2.jpg": [], "4.jpg": [], "5.jpg": ["blue"]}
    assert found.named == 8
    with pytest.raises(DatasetError) as caught:
        settle_problems(found, budget=None)
    message = str(caught.value)
    assert (
        "6 of 8 pictures (75.0 %) have problems: 2 x missing file, first in row 3: image 'no.jpg'"
        in message
    )
    assert "2 x unreadable cell, first in row 4" in message
    assert "1 x ambiguous file" in message


def test_check_looks_at_a_table_with_faults_and_a_training_stops_in_one_sentence(
    sample: Sample, tmp_path: Path, tagger: Command
) -> None:
    pictures = sorted(sample.labelled.rglob("*.jpg"))[:12]
    rows = [
        f"{path.stem};{path.parent.name.split('_')[0].upper() if i else 'x'};{i % 2}\n"
        for i, path in enumerate(pictures)
    ]
    text = "Artikelnummer;Farbe, außen;Größe\n" + "".join(rows) + "nirgends;RED;1\n"
    (tmp_path / "t.csv").write_bytes(
        text.replace("Farbe, außen", '"Farbe, außen"').encode("cp1252")
    )
    arguments = (
        *("train", tmp_path / "t.csv", "--models", tmp_path / "models"),
        *("--image-root", sample.labelled, "--columns", 'farbe="Farbe, außen"'),
    )
    checked = tagger(*arguments, "--check", "--json")
    assert checked.returncode == 0, checked.stderr
    assert sum(json.loads(checked.stdout)["labels"].values()) == 12
    assert "read as Windows-1252" in checked.stderr
    stopped = tagger(*arguments)
    assert stopped.returncode == 2
    assert (
        "1 of 13 pictures (7.7 %) have problems: 1 x missing file, first in row 14"
        in stopped.stderr
    )
    assert "Traceback" not in stopped.stderr
    assert not list((tmp_path / "models").glob("fashion-*"))


def test_what_one_column_for_all_labels_leaves_out_is_said_to_be_taught_as_absent(
    sample: Sample, tmp_path: Path, tagger: Command
) -> None:
    pictures = sorted(sample.labelled.rglob("*.jpg"))[:12]
    rows = [
        f'{path.stem},"{"farbe:rot" if i % 2 else "farbe:blau"}{",muster:uni" * (i < 4)}"\n'
        for i, path in enumerate(pictures)
    ]
    rows[-1] = f"{pictures[-1].stem},\n"  # an empty cell says nothing
    (tmp_path / "t.csv").write_text("".join(["image,labels\n", *rows]))
    checked = tagger(
        *("train", tmp_path / "t.csv", "--models", tmp_path / "models", "--check"),
        *("--image-root", sample.labelled, "--groups", "farbe,muster"),
    )
    assert checked.returncode == 0, checked.stderr
    sentence = "muster: 7 pictures have none of its labels: they are taught as showing none"
    assert sentence in checked.stdout
    assert sentence in checked.stderr  # where a training says it, too
    assert "farbe: 7" not in checked.stdout


def test_a_set_without_faults_is_settled_as_it_is(tmp_path: Path) -> None:
    found = read(table(tmp_path, "image,color\n1.jpg,red\n2.jpg,blue\n"), "color")
    assert settle_problems(found, budget=None) is found


def test_folders_that_say_nothing_are_problems_of_each_of_their_pictures(tmp_path: Path) -> None:
    for name in ("red_dress/1.jpg", "red_dress/2.jpg", "oops/3.jpg", "oops/4.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = read(tmp_path, "color,garment")
    assert len(found.examples) == 2
    assert [(each.kind, each.image, each.row) for each in found.problems] == [
        ("unreadable cell", "oops/3.jpg", None),
        ("unreadable cell", "oops/4.jpg", None),
    ]
    assert found.named == 4


def test_the_commonest_spelling_is_the_name_and_what_was_folded_is_said(tmp_path: Path) -> None:
    text = "image,type\n1.jpg,T-Shirt\n2.jpg,t-shirt\n3.jpg,T-Shirt \n4.jpg,T shirt\n5.jpg,Dress\n"
    found = read(table(tmp_path, text), "type")
    assert names(found) == ["Dress", "T-Shirt", "T-Shirt", "T-Shirt", "T-Shirt"]
    assert found.folded == (Folded("type", "T-Shirt", ("T shirt", "t-shirt"), 2),)
    assert folded_sentence(found.folded) == (
        "spellings that are one label, on 2 pictures: type:T-Shirt ('T shirt', 't-shirt')"
    )


def test_a_vocabulary_says_how_its_labels_are_spelled_in_tables_and_folders(tmp_path: Path) -> None:
    vocabulary = Vocabulary.build(
        parse_groups("color,type"), [("color", "Navy Blue"), ("type", "t-shirt")]
    )
    text = "image,color,type\n1.jpg,navy_blue,T-SHIRT\n2.jpg,NAVY BLUE,T Shirt\n3.jpg,Rot,rot\n"
    found = read(table(tmp_path / "t", text), "", vocabulary)
    assert labels(found) == {
        "1.jpg": ["Navy Blue", "t-shirt"],
        "2.jpg": ["Navy Blue", "t-shirt"],
        "3.jpg": ["Rot", "rot"],  # in two groups: two labels
    }
    (tmp_path / "f" / "NAVY_blue_T-Shirt").mkdir(parents=True)
    (tmp_path / "f" / "NAVY_blue_T-Shirt" / "1.jpg").touch()
    assert [*labels(read(tmp_path / "f", "", vocabulary)).values()] == [["Navy Blue", "t-shirt"]]


def test_folders_in_several_spellings_and_several_sets_are_one_label(tmp_path: Path) -> None:
    for name in ("a/Red/1.jpg", "a/red/2.jpg", "a/red/3.jpg", "b/RED/4.jpg", "b/blue/5.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    found = read_sets([str(tmp_path / "a"), str(tmp_path / "b")], None)
    assert names(found) == ["blue", "red", "red", "red", "red"]
    assert found.folded == (Folded("label", "red", ("RED", "Red"), 2),)


def test_names_match_in_any_spelling(tmp_path: Path) -> None:
    path = table(tmp_path, "image,type\n1.jpg,Hose\n2.jpg,hose\n3.jpg,Hose\n4.jpg,T-Shirt\n")
    renaming = table(tmp_path, "dataset,group,name,becomes\n,type,HOSE,trousers\n", "n.csv")
    found = read_sets([str(path)], str(renaming), groups=parse_groups("type"))
    assert names(found) == ["T-Shirt", "trousers", "trousers", "trousers"]


def test_of_several_sets_each_says_what_it_knows_and_of_a_group_the_last_one_counts(
    tmp_path: Path,
) -> None:
    for name in ("red_dress/1.jpg", "blue_shirt/2.jpg"):
        (tmp_path / "shop" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "shop" / name).write_bytes(jpeg(textured(8, 8)))
    patterns = tmp_path / "shop" / "patterns.csv"
    patterns.write_text("image,pattern\nred_dress/1.jpg,striped\n")
    again = tmp_path / "shop" / "again.csv"
    again.write_text("image,color\nred_dress/1.jpg,pink\nblue_shirt/2.jpg,\n")
    folders, *tables = (str(tmp_path / "shop"), str(patterns), str(again))
    both = read_sets([folders, *tables], None, groups=parse_groups("color,type,pattern"))
    first, second = sorted(both.examples, key=lambda example: example.path, reverse=True)
    assert first.present == {("color", "pink"), ("type", "dress"), ("pattern", "striped")}
    assert first.known == {"color", "type", "pattern"}
    assert second.present == {("color", "blue"), ("type", "shirt")}
    assert second.known == {"color", "type"}  # an empty cell takes nothing back
    assert len(both.replaced) == 1
    with pytest.raises(DatasetError, match="no column"):
        read_dataset(patterns, groups=parse_groups("color,pattern"))
