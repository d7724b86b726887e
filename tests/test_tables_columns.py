"""Columns under a shop's own names: said with --columns, or told from the headers."""

import shlex
from pathlib import Path

import pytest

from tagger.datasets.dataset_reader import read_dataset
from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.named_columns import parse_columns
from tagger.datasets.names import read_sets
from tagger.datasets.problem_budget import settle_problems
from tagger.errors import DatasetError, InputError
from tagger.labels.vocabulary import parse_groups
from tagger.pipeline.labelled_sets import read_labelled


def table(folder: Path, text: str, pictures: int = 2, name: str = "t.csv") -> Path:
    for i in range(1, pictures + 1):
        (folder / f"{i}.jpg").write_bytes(bytes([i]))
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def read(path: Path, columns: str | None = None, groups: str | None = None) -> LabelledSet:
    return settle_problems(
        read_sets(
            [str(path)],
            None,
            groups=parse_groups(groups) if groups else None,
            columns=parse_columns(columns) if columns else None,
        ),
        budget=None,
    )


def said(found: LabelledSet) -> list[dict[str, list[str]]]:
    """Return what is known of each picture: its labels by group."""
    return [
        {group: sorted(name for of, name in e.present if of == group) for group in sorted(e.known)}
        for e in found.examples
    ]


ROT_BLAU = [{"farbe": ["rot"]}, {"farbe": ["blau"]}]


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("Bilddatei;Farbe", "image=Bilddatei,farbe=Farbe"),
        ("Bilddatei;Farbe", " image = Bilddatei , farbe = Farbe "),
        ("Bilddatei;Farbe", "image=bilddatei,farbe=FARBE"),
        ("Produktfoto neu;Farbe, außen", 'image=Produktfoto neu,farbe="Farbe, außen"'),
        ("Bild=Datei;Farbe=F", "image=Bild=Datei,farbe=Farbe=F"),
        ('Bild;"Farbe ""außen"""', 'image=Bild,farbe="Farbe ""außen"""'),
        ("Bild;Farbe+Muster", "image=Bild,farbe=Farbe+Muster"),
        ("Bild;Farbe*", "image=Bild,farbe=Farbe*"),
        ("Bild;Farbe", "farbe=Farbe"),
    ],
)
def test_columns_are_named_by_the_shop(tmp_path: Path, header: str, columns: str) -> None:
    path = table(tmp_path, f"{header}\n1.jpg;rot\n2.jpg;blau\n")
    assert said(read(path, columns)) == ROT_BLAU


@pytest.mark.parametrize(
    ("header", "group"),
    [
        *(("Bild;Farbe", "farbe"), ("Datei;FARBE", "farbe"), ("image;Farbe ", "farbe")),
        *(("Foto;Größe", "groesse"), ("Foto;Größe", "grosse"), ("файл;Цвет", "tsvet")),
        *(("图片;颜色", "yanse"), ("SKU;Waren-Gruppe", "warengruppe"), ("x;Farbe", "farbe")),
    ],
)
def test_headers_alone_are_enough_where_they_are_clear(
    tmp_path: Path, header: str, group: str
) -> None:
    path = table(tmp_path, f"{header}\n1.jpg;rot\n2.jpg;blau\n")
    assert said(read(path, groups=group)) == [{group: ["rot"]}, {group: ["blau"]}]


def test_without_any_option_every_column_of_words_that_repeat_is_a_group(tmp_path: Path) -> None:
    rows = "".join(f"{i}.jpg;{'rot' if i % 2 else 'blau'};Hose\n" for i in range(1, 7))
    path = table(tmp_path, f"Bilddatei;Farbe;Warengruppe\n{rows}", pictures=6)
    found = read(path)
    assert [group.name for group in found.groups] == ["farbe", "warengruppe"]
    assert said(found)[0] == {"farbe": ["rot"], "warengruppe": ["Hose"]}
    assert "its pictures are named by 'Bilddatei'" in found.notes[0]
    assert "its groups are farbe (Farbe), warengruppe (Warengruppe)" in found.notes[1]


def test_columns_that_are_not_clear_are_asked_for_with_the_option_that_may_be_meant(
    tmp_path: Path,
) -> None:
    rows = "".join(f"{i}.jpg;{'rot' if i % 2 else 'blau'};{i},99;Modell {i}\n" for i in range(1, 7))
    path = table(tmp_path, f"Bilddatei;Farbe, außen;Preis;Name\n{rows}", pictures=6)
    with pytest.raises(DatasetError) as caught:
        read(path)
    message = str(caught.value)
    assert "['Bilddatei', 'Farbe, außen', 'Preis', 'Name']" in message
    words = shlex.split(message.split("perhaps ", 1)[1])
    proposed = words[words.index("columns") + 1 if "columns" in words else 1]
    assert proposed == 'image=Bilddatei,farbe_aussen="Farbe, außen"'
    assert said(read(path, proposed))[0] == {"farbe_aussen": ["rot"]}


@pytest.mark.parametrize(
    "amounts",
    [
        ["28,95 €", "1.028,95 €"],
        ["€ 28.95", "-1"],
        ["39.-", "39.50"],
        ["5 EUR", "CHF 7"],
        ["2026-11-27", "27.11.2026"],
        ["19 %", "7%"],
    ],
)
def test_prices_and_dates_are_no_labels_though_they_repeat_and_a_word_stands_below(
    tmp_path: Path, amounts: list[str]
) -> None:
    rows = "".join(f"{i}.jpg;{'ab'[i % 2]};{amounts[i % 2]}\n" for i in range(1, 13))
    path = table(tmp_path, f"Bilddatei;Stil;Was\n{rows};;insgesamt\n", pictures=12)
    with pytest.raises(DatasetError, match=r"perhaps .* image=Bilddatei,stil=Stil is meant$"):
        read(path)


def test_columns_known_by_name_are_proposed_alone_and_the_others_are_named(tmp_path: Path) -> None:
    others = [f"Merkmal {i}" for i in range(8)]
    header = ";".join(["Bilddatei", "Name", *others, "Warengruppe", "Farbe"])
    rows = [";".join([f"{i}.jpg", f"Modell {i}", *["ab"[i % 2]] * 10]) for i in range(1, 7)]
    path = table(tmp_path, "\n".join([header, *rows, ""]), pictures=6)
    with pytest.raises(DatasetError) as caught:
        read(path)
    assert str(caught.value).endswith(
        "image=Bilddatei,warengruppe=Warengruppe,farbe=Farbe is meant (groups may also be "
        "'Merkmal 0', 'Merkmal 1', 'Merkmal 2', 'Merkmal 3', 'Merkmal 4', 'Merkmal 5', ...)"
    )
    path.write_text(path.read_text().replace("Warengruppe;Farbe", "Eins;Zwei"))
    with pytest.raises(DatasetError, match=r"may also be 'Merkmal 6', 'Merkmal 7', 'Eins', 'Zwei'"):
        read(path)


@pytest.mark.parametrize(
    ("text", "columns", "groups", "why"),
    [
        ("a;b\n1.jpg;1.jpg\n2.jpg;2.jpg\n", None, "b", "several columns may name the pictures"),
        ("Was;Farbe\nx;rot\ny;blau\n", None, "farbe", "no column's cells are files here"),
        ("Bild;Farbe\n1.jpg;rot\n", "image=Foto,farbe=Farbe", None, "image=Foto: .* no such"),
        ("Bild;Farbe\n1.jpg;rot\n", "farbe=Color", None, r"farbe=Color: .*\['Bild', 'Farbe'\]"),
        ("Bild;Farbe\n1.jpg;rot\n", "farbe=Farbe_*", None, r"farbe=Farbe_\*: .* no such column"),
        ("Bild;Farbe;farbe \n1.jpg;rot;a\n", "farbe=FARBE", None, "several columns like 'FARBE'"),
        ("Bild;Farbe;F_arbe\n1.jpg;rot;a\n", None, "farbe_", "may be farbe_"),
        ("Bild;Farbe;Farbe\n1.jpg;rot;a\n", "farbe=Farbe", None, "2 columns 'Farbe'"),
        ("Bild;Farbe\n1.jpg;rot\n", None, "farbe,stoff", r"no column \['stoff'\]"),
        ("Bild;Farbe\n1.jpg;rot\n", "stoff=Farbe", "farbe", "names the group 'stoff'"),
        ("Bild;F_a;F_a \n1.jpg;1;1\n", "farbe=F_*", None, "two columns for farbe:a"),
    ],
)
def test_columns_that_cannot_be_told_are_said_with_the_headers(
    tmp_path: Path, text: str, columns: str | None, groups: str | None, why: str
) -> None:
    path = table(tmp_path, text)
    with pytest.raises(DatasetError, match=why):
        read(path, columns, groups)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        *(("Bild", "is not NAME=HEADER"), ("", "names no column"), ("image=", "has no header")),
        *(("Farbe=F", "'Farbe' is no name of a group"), ("a=x,a=y", "a is there twice; join")),
        *(("a=x,y", "'y' is not NAME=HEADER; write"), ('a="x', "is not NAME=HEADER")),
    ],
)
def test_an_option_of_another_form_is_refused_with_the_form(text: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        parse_columns(text)


@pytest.mark.parametrize(
    ("header", "columns", "groups"),
    [
        ("Bild;Farbe_rot;Farbe_blau", "image=Bild,farbe=Farbe_*", None),
        ("Bild;Farbe_rot;Farbe_blau", None, "farbe"),
        ("Bild;farbe:rot;farbe:blau", None, "farbe"),
        ("Bild;ist rot;ist blau", "farbe=ist *", None),
    ],
)
@pytest.mark.parametrize(
    ("yes", "no"),
    [("1", "0"), ("x", ""), ("ja", "nein"), ("yes", "no"), ("TRUE", "FALSE"), ("wahr", "falsch")],
)
def test_one_hot_columns_are_the_labels_behind_their_beginning(
    tmp_path: Path, header: str, columns: str | None, groups: str | None, yes: str, no: str
) -> None:
    rows = f"1.jpg;{yes};{no}\n2.jpg;{no};{yes}\n3.jpg;0;0\n4.jpg;;\n5.jpg;0;\n"
    path = table(tmp_path, f"{header}\n{rows}", pictures=5)
    nothing: list[str] = []
    # All no: none applies. Nothing said of one: unknown.
    assert said(read(path, columns, groups)) == [*ROT_BLAU, {"farbe": nothing}, {}, {}]


def test_a_one_hot_cell_that_is_neither_yes_nor_no_is_a_problem_of_its_row(tmp_path: Path) -> None:
    path = table(tmp_path, "Bild;Farbe_rot\n1.jpg;vielleicht\n2.jpg;x\n")
    found = read_dataset(path, columns=parse_columns("farbe=Farbe_*"))
    (problem,) = found.problems
    assert (problem.kind, problem.row) == ("unreadable cell", 2)
    assert "'vielleicht' is neither yes nor no" in problem.what
    assert said(found) == [{}, {"farbe": ["rot"]}]


def test_several_columns_of_a_group_add_up(tmp_path: Path) -> None:
    text = "Bild;Farbe1;Farbe2;Extra_gelb\n1.jpg;rot;blau;x\n2.jpg;grün;;\n3.jpg;;;\n"
    path = table(tmp_path, text, pictures=3)
    found = read(path, "farbe=Farbe1+Farbe2+Extra_*", "farbe+")
    assert said(found) == [{"farbe": ["blau", "gelb", "rot"]}, {"farbe": ["grün"]}, {}]
    alone = read_dataset(path, groups=parse_groups("farbe"), columns=parse_columns("farbe=Farbe1"))
    assert said(alone)[0] == {"farbe": ["rot"]}


def test_the_options_hold_for_every_table_and_are_refused_where_there_is_none(
    tmp_path: Path,
) -> None:
    (tmp_path / "b").mkdir()
    paths = [
        table(tmp_path, "Bild;Farbe\n1.jpg;rot\n2.jpg;blau\n"),
        table(tmp_path / "b", "Bild;Farbe\n1.jpg;Rot\n2.jpg;grün\n"),
    ]
    found = read_labelled(
        [*map(str, paths)], None, [], columns="farbe=Farbe", image_root=str(tmp_path)
    )
    assert [sorted(name for _, name in e.present) for e in found.examples] == [["Rot"], ["grün"]]
    (tmp_path / "set" / "rot").mkdir(parents=True)
    (tmp_path / "set" / "rot" / "1.jpg").touch()
    with pytest.raises(InputError, match="is about tables"):
        read_labelled([str(tmp_path / "set")], None, [], columns="farbe=Farbe")
    with pytest.raises(InputError, match="no such folder"):
        read_labelled([str(paths[0])], None, [], image_root=str(tmp_path / "nowhere"))


def test_a_flag_beside_a_group_is_not_taken_for_one_hot(tmp_path: Path) -> None:
    path = table(tmp_path, "Bild;Farbe_geprüft;Hauptfarbe\n1.jpg;ja;rot\n2.jpg;nein;rot\n")
    with pytest.raises(DatasetError) as caught:
        read(path, groups="farbe")
    message = str(caught.value)
    assert "'Farbe_geprüft' alone may be something else" in message
    assert "columns farbe=Farbe_*" in message
    assert "image=Bild,farbe=Hauptfarbe is meant" in message
    path = table(tmp_path, "Bild;Farbe_rot;Farbe_Text\n1.jpg;x;ein Wort\n2.jpg;;\n")
    with pytest.raises(DatasetError, match="cells of 'Farbe_Text' are neither yes nor no"):
        read(path, groups="farbe")


def test_columns_that_were_told_or_passed_over_are_said(tmp_path: Path) -> None:
    path = table(tmp_path, "Bild;Größe_36;Größe_38\n1.jpg;1;0\n2.jpg;0;1\n")
    found = read(path, groups="groesse")
    assert said(found) == [{"groesse": ["36"]}, {"groesse": ["38"]}]
    assert "groesse is one-hot in 'Größe_36' and 'Größe_38'; " in found.notes[-1]
    path = table(tmp_path, "Bild;Farbe;Hauptfarbe;Preis\n1.jpg;rot;a;1\n2.jpg;blau;b;2\n")
    found = read(path, groups="farbe")
    assert said(found) == ROT_BLAU
    assert "farbe is read from 'Farbe', not from 'Hauptfarbe'; " in found.notes[-1]
    assert not [note for note in read(path, "farbe=Farbe").notes if "Hauptfarbe" in note]


def test_two_columns_of_one_header_are_asked_to_be_renamed(tmp_path: Path) -> None:
    rows = "".join(f"{i}.jpg;rot;Hose;x\n" for i in (1, 2))
    path = table(tmp_path, f"Bild;Farbe;Art;Farbe \n{rows}")
    with pytest.raises(DatasetError, match="2 columns 'Farbe'; rename or remove one"):
        read(path)
    with pytest.raises(DatasetError, match="2 columns 'Farbe'; rename or remove one"):
        read(path, groups="farbe")
    with pytest.raises(DatasetError) as caught:
        read(path, groups="stoff")
    assert "farbe=Farbe" not in str(caught.value)


@pytest.mark.parametrize("columns", ["farbe=Bild", "image=Bild,farbe=Farbe,stoff=Farbe"])
def test_a_column_cannot_be_two_things(tmp_path: Path, columns: str) -> None:
    path = table(tmp_path, "Bild;Farbe\n1.jpg;rot\n2.jpg;blau\n")
    with pytest.raises(DatasetError, match="would be both"):
        read(path, columns)


def test_a_column_for_all_groups_that_is_named_is_not_dropped_for_others(tmp_path: Path) -> None:
    path = table(tmp_path, "Bild;Wörter;farbe\n1.jpg;rot;x\n2.jpg;blau;x\n")
    assert said(read(path, "labels=Wörter", "farbe")) == ROT_BLAU
    with pytest.raises(InputError, match="labels is one column for all groups, so farbe cannot"):
        parse_columns("labels=Wörter,farbe=farbe")


def test_a_preamble_with_a_word_for_pictures_is_no_header(tmp_path: Path) -> None:
    text = "Datei;Artikelexport.csv\nStand;2026\n\nBild;Farbe;Art\n1.jpg;rot;a\n2.jpg;blau;a\n"
    assert said(read(table(tmp_path, text), groups="farbe")) == ROT_BLAU


def test_whole_numbers_have_no_point_where_a_program_wrote_one(tmp_path: Path) -> None:
    path = table(tmp_path, "SKU;Größe\n1.0;36.0\n2.0;38\n")
    assert said(read(path, groups="groesse")) == [{"groesse": ["36"]}, {"groesse": ["38"]}]
    path = table(tmp_path, "SKU;Größe\n1.0;36.0\n2.0;38.5\n")
    assert said(read(path, groups="groesse")) == [{"groesse": ["36.0"]}, {"groesse": ["38.5"]}]
