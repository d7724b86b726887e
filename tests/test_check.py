"""A check finds and proposes; --skip-problems goes on within its budget; --config says it all."""

import csv
import json
import re
from pathlib import Path

import pytest
from checking import HEADER, shop, written
from conftest import TINY, Command
from hypothesis import given
from hypothesis import strategies as st
from pages import ROOT

from jobs.train import TrainOptions, train, train_text
from schemas.record import parse
from schemas.training import CheckReport
from tagger.datasets.labelled_set import Example, LabelledSet
from tagger.datasets.problem_budget import settle_problems
from tagger.datasets.problems import Problem
from tagger.errors import DatasetError
from tagger.evaluation.similar_sets import MEASURED, similar_sets
from tagger.labels.vocabulary import parse_groups
from tagger.models.bundle import load_bundle
from tagger.settings import setting


def labelled(pictures: int, problems: int) -> LabelledSet:
    """A set that names so many pictures, of which some are missing."""
    examples = [
        Example(f"{i}.jpg", f"/x/{i}.jpg", frozenset(), frozenset())
        for i in range(pictures - problems)
    ]
    missing = tuple(
        Problem("missing file", f"gone{i}.jpg", i + 2, "it is missing") for i in range(problems)
    )
    return LabelledSet("shop.csv", examples, tuple(parse_groups("color")), problems=missing)


def unreadable(n: int) -> list[Problem]:
    return [Problem("unreadable file", f"{i}.jpg", None, "truncated") for i in range(n)]


@given(st.integers(2, 400), st.integers(0, 40), st.integers(1, 100))
def test_what_has_problems_is_at_most_the_share_that_was_allowed_or_one_picture(
    pictures: int, problems: int, percent: int
) -> None:
    problems = min(problems, pictures - 1)
    here = labelled(pictures, problems)
    if problems <= max(1, pictures * percent // 100):
        assert settle_problems(here, budget=percent) is here
    else:
        with pytest.raises(DatasetError, match="have problems"):
            settle_problems(here, budget=percent)


def test_without_the_option_any_problem_stops_with_counts_the_first_and_what_to_do() -> None:
    with pytest.raises(DatasetError) as stopped:
        settle_problems(labelled(100, 2), budget=None)
    assert str(stopped.value) == (
        "shop.csv: 2 of 100 pictures (2.0 %) have problems: 2 x missing file, first in row 2, "
        f"'gone0.jpg': it is missing. 'tagger train ... {setting('check')}' lists all of them and "
        f"says what to do; {setting('skip_problems')} goes on without them where they are at most "
        "5 %, or another share that it is given"
    )


def test_a_command_without_the_option_does_not_name_it() -> None:
    with pytest.raises(DatasetError, match=r"says what to do$"):
        settle_problems(labelled(100, 2), budget=None, can_skip=False)


def test_too_many_are_refused_by_kind_and_with_the_share_that_is_allowed() -> None:
    with pytest.raises(DatasetError) as stopped:
        settle_problems(labelled(100, 4), budget=5, unreadable=unreadable(3))
    assert "7 of 100 pictures (7.0 %) have problems: 4 x missing file, first in " in str(
        stopped.value
    )
    assert "3 x unreadable file, first in '0.jpg': truncated" in str(stopped.value)
    assert f"{setting('skip_problems')} 5 allows 5 of them" in str(stopped.value)


def test_a_file_that_broke_overnight_does_not_end_a_training() -> None:
    for pictures, broken in ((100, 5), (10, 1)):
        settle_problems(labelled(pictures, 0), budget=None, unreadable=unreadable(broken))
    with pytest.raises(DatasetError, match="6 x unreadable file"):
        settle_problems(labelled(100, 0), budget=None, unreadable=unreadable(6))
    with pytest.raises(DatasetError, match=f"{setting('skip_problems')} 0 allows 0"):
        settle_problems(labelled(100, 0), budget=0, unreadable=unreadable(1))


def test_what_was_measured_on_similar_sets_stands_on_the_page_of_benchmarks() -> None:
    page = (ROOT / "tests" / "benchmarks" / "README.md").read_text()
    for each in MEASURED:
        assert re.search(rf"\b{each.low}\b", page), each
        assert re.search(rf"\b{each.high}\b", page), each
        assert each.pictures in (745,) or f"{each.pictures:,}" in page, each


def test_sets_are_similar_in_number_of_labels_and_pictures_per_label_or_there_are_none() -> None:
    assert similar_sets(5_000, 6)[0].pictures == 5460
    assert similar_sets(40, 4) == []
    assert similar_sets(5_000, 1) == []


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shop in which a file is missing, and a label is misspelt."""
    monkeypatch.chdir(tmp_path)
    rows = shop(tmp_path)
    rows[3][0] = "weg.jpg"
    rows[0][2] = "klied"
    return written(tmp_path, rows)


WORDS = ("bestand.csv", "--models", "models", "--groups", "farbe,warengruppe")


@pytest.mark.usefixtures("faulty")
def test_a_proposed_table_is_edited_and_given_back(tagger: Command, tmp_path: Path) -> None:
    first = tagger("train", *WORDS, "--check", "--propose", "names.csv")
    assert first.returncode == 0, first.stderr
    assert "proposed: names.csv" in first.stdout
    text = (tmp_path / "names.csv").read_text(encoding="utf-8-sig")
    assert list(csv.reader(text.splitlines())) == [
        ["dataset", "group", "name", "becomes"],
        ["", "warengruppe", "klied", "kleid"],
    ]
    again = tagger("train", *WORDS, "--check", "--names", "names.csv", "--json")
    report = parse(again.stdout, CheckReport)
    assert report.near_misses == []
    assert report.labels["warengruppe:kleid"] == 18
    refused = tagger("train", *WORDS, "--check", "--propose", "names.csv")
    assert refused.returncode == 2
    assert "is there already, and nothing is overwritten" in refused.stderr


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--propose", "n.csv"), "give --check too"),
        (("--check", "--propose", "n.csv", "--names", "x.csv"), "give one of them"),
        (("--check", "--propose", "no/n.csv"), "there is no folder for it"),
    ],
)
def test_a_table_that_cannot_be_proposed_is_refused_before_anything_is_read(
    words: tuple[str, ...], reason: str, tagger: Command
) -> None:
    ended = tagger("train", *WORDS, *words)
    assert ended.returncode == 2
    assert reason in ended.stderr


@pytest.mark.usefixtures("faulty")
def test_the_json_of_a_check_has_all_that_its_text_says(tagger: Command, tmp_path: Path) -> None:
    report = parse(tagger("train", *WORDS, "--check", "--json").stdout, CheckReport)
    assert (report.named, report.with_problems) == (36, 1)
    assert [(row.kind, row.image, row.row) for row in report.problems] == [
        ("missing file", "weg.jpg", 5)
    ]
    kinds = {row.kind: row for row in report.findings}
    assert kinds["missing file"].stops
    assert not kinds["near-miss label"].stops
    assert report.trainable is not None
    assert report.trainable.pictures == 35
    assert report.trainable.groups["farbe"] == {"blau": 12, "gelb": 12, "rot": 11}
    parts = report.trainable.train + report.trainable.validation + report.trainable.test
    assert parts == report.trainable.pictures
    assert not (tmp_path / "models").exists()


@pytest.mark.usefixtures("faulty")
def test_a_file_that_cannot_be_read_has_the_row_that_names_it(
    tagger: Command, tmp_path: Path
) -> None:
    image = (tmp_path / "bestand.csv").read_text("cp1252").splitlines()[6].split(";")[0]
    (file,) = tmp_path.rglob(f"{image}*")
    file.write_bytes(file.read_bytes()[:-200])
    assert f"row 7, {file.name!r}: truncated" in tagger("train", *WORDS, "--check").stdout


@pytest.mark.usefixtures("faulty")
def test_a_training_stops_at_a_problem_before_it_decodes(tagger: Command, tmp_path: Path) -> None:
    ended = tagger("train", *WORDS)
    assert ended.returncode == 2
    assert (
        "1 of 36 pictures (2.8 %) have problems: 1 x missing file, first in row 5" in ended.stderr
    )
    assert "--skip-problems goes on" in ended.stderr
    assert not (tmp_path / "models").exists()


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize(
    ("words", "stops", "verdict"),
    [
        ((), True, "a training stops there: mend them, or go on with the rest: --skip-problems"),
        (("--skip-problems",), False, "goes on without them: --skip-problems 5 allows 1"),
        (("--skip-problems", "0"), True, "a training stops there: --skip-problems 0 allows 0"),
    ],
)
def test_a_check_says_what_a_training_with_the_same_budget_does(
    words: tuple[str, ...], stops: bool, verdict: str, tagger: Command, tmp_path: Path
) -> None:
    said = tagger("train", *WORDS, "--check", *words).stdout
    assert verdict in said
    assert ("stops a training" in said) is stops
    (tmp_path / "shop.toml").write_text(f"skip-problems = {words[1] if words[1:] else 5}\n")
    if words:
        again = tagger("train", *WORDS, "--check", "--config", "shop.toml")
        assert again.stdout == said


@pytest.mark.usefixtures("faulty")
def test_a_group_that_nothing_can_be_learned_of_stops_a_training_and_is_said(
    tagger: Command, tmp_path: Path
) -> None:
    rows = [row.split(";") for row in Path("bestand.csv").read_text("cp1252").splitlines()[1:]]
    for row in rows:
        row[1] = ""
    rows[3][0] = "58003.jpg"
    written(tmp_path, rows)
    ended = tagger("train", *WORDS)
    assert ended.returncode == 2
    assert "there is no label of farbe, so it cannot be learned" in ended.stderr
    report = parse(tagger("train", *WORDS, "--check", "--json").stdout, CheckReport)
    finding = next(row for row in report.findings if row.kind == "group without any label")
    assert finding.stops
    assert report.trainable is not None
    assert report.trainable.unknown == {"farbe": 36}
    forgiven = tagger("train", *WORDS, "--check", "--json", "--skip-problems").stdout
    finding = next(
        row
        for row in parse(forgiven, CheckReport).findings
        if row.kind == "group without any label"
    )
    assert not finding.stops


@pytest.mark.usefixtures("faulty")
def test_pictures_that_a_later_set_labels_otherwise_are_named_by_a_check_and_counted_by_a_training(
    tagger: Command,
) -> None:
    table = Path("bestand.csv").read_text("cp1252").replace("weg.jpg", "58003.jpg")
    Path("eins.csv").write_text(table)
    Path("zwei.csv").write_text(
        table.replace("58001.jpg;blau", "58001.jpg;rot").replace("gelb", "Gelb")
    )
    words = ("eins.csv", "zwei.csv", *WORDS[1:])
    ended = tagger("train", *words, "--check", "--json")
    assert "1 pictures are labelled otherwise by a later set" in ended.stderr
    finding = next(
        row
        for row in parse(ended.stdout, CheckReport).findings
        if row.kind == "labelled otherwise by a later set"
    )
    assert (finding.pictures, finding.first) == (1, ["'zwei.csv/58001.jpg'"])


@pytest.mark.usefixtures("faulty")
def test_a_check_says_which_model_a_training_would_begin_with(tagger: Command) -> None:
    ended = tagger("train", *WORDS, "--from", "starter", "--check")
    starter = load_bundle("starter")
    assert f"begins with the trunk of {starter.name} ({starter.model_id[:12]})" in ended.stderr


@pytest.mark.usefixtures("faulty")
def test_renamings_of_what_has_been_mended_since_are_said_and_stop_nothing(
    tagger: Command,
) -> None:
    Path("names.csv").write_text("dataset,group,name,becomes\n,warengruppe,kleidd,kleid\n")
    ended = tagger("train", *WORDS, "--names", "names.csv", "--check")
    assert ended.returncode == 0, ended.stderr
    assert "1 rows do nothing, since no picture has the label: warengruppe:kleidd" in ended.stderr
    Path("names.csv").write_text("dataset,group,name,becomes\n,warengruppe,kleidd,rock\n")
    refused = tagger("train", *WORDS, "--names", "names.csv", "--check")
    assert refused.returncode == 2
    assert "renames labels that no picture has: warengruppe:kleidd of any set" in refused.stderr


@pytest.mark.usefixtures("faulty")
def test_evaluate_goes_on_without_what_has_problems_and_counts_it(
    tagger: Command, bundle_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "names.csv").write_text(
        "dataset,group,name,becomes\n,color,rot,red\n,color,blau,blue\n,color,gelb,\n"
        ",garment,kleid,dress\n,garment,klied,dress\n,garment,hose,jeans\n"
    )
    table = (tmp_path / "bestand.csv").read_text()
    (tmp_path / "bestand.csv").write_text(table.replace(HEADER, "image;color;garment"))
    words = ("evaluate", bundle_path, "bestand.csv", "--names", "names.csv", "--json")
    assert tagger(*words).returncode == 2
    ended = tagger("evaluate", "--skip-problems", *words[1:])
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["left_out"]["skipped"] == 1
    assert tagger(*words, "--skip-problems", "0").returncode == 2


@pytest.mark.usefixtures("faulty")
def test_a_retraining_is_checked_against_its_parent(tagger: Command, bundle_path: Path) -> None:
    table = Path("bestand.csv").read_text().replace(HEADER, "image;color;garment")
    Path("bestand.csv").write_text(table.replace("rot", "red").replace("blau", "blue"))
    words = ("bestand.csv", "--from", bundle_path, "--models", "models", "--check", "--json")
    ended = tagger("retrain", *words)
    assert ended.returncode == 0, ended.stderr
    report = parse(ended.stdout, CheckReport)
    unknown = next(row for row in report.findings if row.kind == "unknown label")
    assert unknown.stops
    assert {problem.what for problem in report.problems if problem.kind == "unknown label"} == {
        f"{key} is no known label"
        for key in ("color:gelb", "garment:kleid", "garment:klied", "garment:hose")
    }


def test_a_config_file_says_what_a_command_line_says(
    faulty: Path, tagger: Command, tmp_path: Path
) -> None:
    (tmp_path / "shop.toml").write_text(
        'datasets = ["bestand.csv"]\nmodels = "models"\ngroups = "farbe,warengruppe"\n'
    )
    by_file = tagger("train", "--config", "shop.toml", "--check", "--json")
    by_words = tagger("train", *WORDS, "--check", "--json")
    assert by_file.returncode == 0, by_file.stderr
    assert by_file.stdout == by_words.stdout
    other = tagger("train", "--config", "shop.toml", "--groups", "farbe+", "--check", "--json")
    assert set(parse(other.stdout, CheckReport).labels) == {"farbe:blau", "farbe:gelb", "farbe:rot"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('dataset = "x.csv"', "sets 'dataset'; it may set: "),
        ('datasets = "x.csv"', "datasets = 'x.csv' should be a list of paths"),
        ('datasets = [" "]', "should be a list of paths"),
        ("check = 1", "check = 1 should be true or false"),
        ("models = 3", "models = 3 should be a path"),
        ("skip-problems = true", "skip-problems = True should be a text or a number"),
    ],
)
def test_a_config_file_that_cannot_be_meant_is_refused_with_what_is_possible(
    text: str, reason: str, tagger: Command, tmp_path: Path
) -> None:
    (tmp_path / "shop.toml").write_text(text)
    for command in ("train", "retrain", "evaluate"):
        if command == "evaluate" and ("check" in text or "models" in text):
            continue
        ended = tagger(command, "--config", tmp_path / "shop.toml")
        assert ended.returncode == 2
        assert reason in ended.stderr


def test_a_config_file_has_the_budget_and_the_command_line_wins(
    faulty: Path, tagger: Command, tmp_path: Path
) -> None:
    (tmp_path / "shop.toml").write_text(
        'datasets = ["bestand.csv", "$SHOP/x.csv"]\nmodels = "models"\nskip-problems = 10\n'
    )
    ended = tagger("train", "--config", "shop.toml")
    assert "the variable $SHOP is not set" in ended.stderr
    (tmp_path / "shop.toml").write_text(
        'models = "models"\ngroups = "farbe,warengruppe"\nskip-problems = 10\n'
    )
    ended = tagger("train", "bestand.csv", "--config", "shop.toml", "--skip-problems", "0")
    assert ended.returncode == 2
    assert "--skip-problems 0 allows 0 of them" in ended.stderr


@pytest.mark.tensorflow
def test_the_report_and_the_card_of_a_model_say_how_many_were_skipped(faulty: Path) -> None:
    options = TrainOptions(
        (str(faulty),),
        "models",
        groups="farbe,warengruppe",
        skip_problems=5,
        epochs=1,
        workers=1,
        architecture=TINY,
    )
    report = train(options)
    assert report.pictures.skipped == 1
    assert "skipped: 1 pictures with problems" in train_text(report)
    card = Path(report.bundle, "README.md").read_text()
    assert "0 could not be read;\n  1 had problems: left out, or unknown where they had one" in card
    assert "--skip-problems 5" in card
