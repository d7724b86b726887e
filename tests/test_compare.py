"""`tagger compare` on real models, real nights and real pictures, through the command line."""

import csv
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from conftest import current_rows, jpeg
from two_models import two_models_nights

from jobs.compare import CompareOptions, compare
from jobs.compare_text import report_text
from jobs.evaluate import evaluate
from jobs.tag_catalog import TagOptions
from schemas.comparison import CompareReport, NotCompared
from schemas.record import parse, to_json
from tagger.datasets.sample import Sample
from tagger.errors import BundleError, InputError, StoreError
from tagger.models.bundle import load_bundle

Tagger = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def table(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalog, which no model saw, with its colors in a table."""
    folder = tmp_path_factory.mktemp("compared")
    shutil.copytree(sample.catalog, folder / "catalog")
    path = folder / "catalog" / "labels.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "color"])
        writer.writerows((image, color) for image, (color, _) in sample.truth.items())
    return path


def test_two_models_have_the_figures_that_each_has_alone(table: Path, bundle_path: Path) -> None:
    report = compare(CompareOptions(str(bundle_path), "starter", on=(str(table),)))
    assert report.kind == "models"
    assert (report.a.name, report.b.name) == ("tiny-v1", "starter-v2")
    found = report.comparison
    a, b = (evaluate(each, [str(table)]) for each in (str(bundle_path), _starter()))
    (color,) = found.groups
    assert color.right is not None
    assert report.left_out == NotCompared()
    for mine, row in ((color.right.a_right, a), (color.right.b_right, b)):
        (alone,) = (each for each in row.evaluation.groups if each.group == "color")
        assert alone.right is not None
        assert mine == round(alone.right * alone.pictures)
    aps = {row.label: (row.a.ap, row.b.ap) for row in found.labels}
    assert set(aps) == {"color:black", "color:blue", "color:green", "color:red"}
    assert any(name.startswith("garment:") for name in found.only_a)
    assert any(name.startswith("type:") for name in found.only_b)
    assert parse(to_json(report), CompareReport) == report


def _starter() -> str:
    from tagger.models.starter import STARTER

    return str(STARTER)


def test_what_taught_a_model_what_looks_like_it_and_copies_are_left_out_and_counted(
    sample: Sample, bundle_path: Path, tmp_path: Path
) -> None:
    parts = load_bundle(bundle_path).parts()
    by_part = _by_part(sample, parts)
    folder = tmp_path / "set" / "red_dress"
    folder.mkdir(parents=True)
    for part in ("train", "validation"):
        shutil.copy(by_part[part][0], folder / f"{part}.jpg")
    taught = cv2.imread(str(by_part["train"][0]))
    cv2.imwrite(str(folder / "again.jpg"), taught, [cv2.IMWRITE_JPEG_QUALITY, 80])
    test = by_part["test"][0]
    shutil.copy(test, folder / "one.jpg")
    shutil.copy(test, folder / "same.jpg")
    cv2.imwrite(str(folder / "two.png"), cv2.imread(str(test)) // 2 * 2)
    (folder / "broken.jpg").write_bytes(test.read_bytes()[:200])
    report = compare(CompareOptions(str(bundle_path), "starter", on=(str(tmp_path / "set"),)))
    assert report.left_out == NotCompared(
        unreadable=1, train=1, validation=1, like_trained=1, duplicate=1, near_duplicate=1
    )
    assert report.comparison.pictures == 1
    assert "1 near-duplicates" in report_text(report)
    for path in folder.iterdir():
        if path.name not in ("train.jpg", "again.jpg"):
            path.unlink()
    with pytest.raises(InputError, match=r"no picture is left.*1 train, 1 like_trained"):
        compare(CompareOptions(str(bundle_path), "starter", on=(str(tmp_path / "set"),)))


def _by_part(sample: Sample, parts: dict[str, str]) -> dict[str, list[Path]]:
    import hashlib

    found: dict[str, list[Path]] = {"train": [], "validation": [], "test": []}
    for path in sorted(sample.labelled.rglob("*.jpg")):
        part = parts.get(hashlib.sha256(path.read_bytes()).hexdigest())
        if part:
            found[part].append(path)
    return found


def test_a_model_and_itself_differ_in_nothing(table: Path, tagger: Tagger) -> None:
    result = tagger("compare", "starter", "starter", "--on", table)
    assert result.returncode == 0
    assert "no difference that" in result.stdout
    assert "0 of 36 pictures have another answer in B" in result.stdout


def test_a_sample_of_a_catalog_is_the_same_for_the_same_seed(
    sample: Sample, bundle_path: Path, tagger: Tagger
) -> None:
    words = (
        "compare",
        bundle_path,
        "starter",
        "--catalog",
        sample.catalog,
        "--sample",
        9,
        "--json",
    )
    one, again, other = (json.loads(tagger(*words, "--seed", seed).stdout) for seed in (1, 1, 2))
    assert one == again
    assert one["comparison"]["pictures"] + sum(one["left_out"].values()) == 9
    assert one["comparison"]["verdict"] == "unknown"
    assert one["on"].startswith("9 pictures drawn from the 41 of")
    assert one != other


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("starter", "starter"), "say on which pictures: --on DATASET"),
        (("starter", "starter", "--on", "x", "--catalog", "y"), "and not both"),
        (("starter", "starter", "--on", "nowhere"), "there is no such file or folder"),
        (("starter", "nowhere", "--on", "x"), "name a folder that 'tagger train' made"),
        (("starter", "starter", "--on", "x", "--sample", "4"), "--sample goes with --catalog"),
        (("starter", "starter", "--on", "x", "--html", "no/where.html"), "there is no folder"),
        (("starter", "starter", "--on", "x", "--html", "."), "it is a folder; name a file"),
    ],
)
def test_wrong_wishes_are_answered_in_words(
    words: tuple[str, ...],
    said: str,
    tagger: Tagger,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = tagger("compare", *words)
    assert result.returncode == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert os.listdir(tmp_path) == []


@pytest.fixture
def nights(options: TagOptions, sample: Sample) -> tuple[TagOptions, str, str]:
    return two_models_nights(options, sample)


def test_two_nights_are_compared_row_by_row(nights: tuple[TagOptions, str, str]) -> None:
    options, first, index = nights
    report = compare(CompareOptions(first, index))
    before = pd.read_parquet(Path(first) / "rows").set_index("image_id")
    after = current_rows(options)
    both = before.join(after, suffixes=("_a", "_b"), how="inner")
    same = both[both["content_sha256_a"] == both["content_sha256_b"]]
    ok = same[(same["status_a"] == "ok") & (same["status_b"] == "ok")]
    assert report.rows is not None
    assert (report.rows.a, report.rows.b) == (len(before), len(after))
    assert report.rows.compared == len(ok)
    assert (report.rows.other_bytes, report.rows.only_a, report.rows.only_b) == (1, 1, 1)
    a = ok["color_a"].fillna("none")
    b = _own(ok).fillna("none")
    counts = pd.Series(zip(a, b, strict=True)).value_counts()
    flips = {(f.a or "none", f.b or "none"): f.pictures for f in report.comparison.flips}
    assert flips == {pair: n for pair, n in counts.items() if pair[0] != pair[1]}
    shares = {row.label: row.a for row in report.label_rows}
    good = before[before["status"] == "ok"]
    assert shares["color:red"] == int((good["color"] == "red").sum())
    assert shares["color:none"] == int(good["color"].isna().sum())
    assert sum(row.b for row in report.label_rows) == int((after["status"] == "ok").sum())


def _own(rows: pd.DataFrame) -> pd.Series:
    """Return what the model of B answers itself: overruled where a person spoke."""
    own = rows["color_b"].astype(object).copy()
    for at, overruled in rows["overruled_b" if "overruled_b" in rows else "overruled"].items():
        for one in overruled if overruled is not None else ():
            if one["group"] == "color":
                own[at] = one["answer"]
    return own


def test_what_persons_said_is_the_truth_of_both_nights(
    nights: tuple[TagOptions, str, str], sample: Sample
) -> None:
    _, first, index = nights
    report = compare(CompareOptions(first, index))
    before = pd.read_parquet(Path(first) / "rows").set_index("image_id")
    (color,) = report.comparison.groups
    assert color.right is not None
    said = before[before["status"] == "ok"].head(12)
    said = said[[name in sample.truth for name in said.index]]
    right = [row["color"] == sample.truth[str(name)][0] for name, row in said.iterrows()]
    assert color.right.a_right == sum(right)
    assert color.right.p is None
    assert report.comparison.verdict == "unknown"
    shares = [f"{100 * n / len(right):.1f} %" for n in (sum(right), color.right.b_right)]
    assert (
        f"persons corrected or confirmed, color right from {shares[0]} to {shares[1]} of "
        f"{len(right)} pictures. Persons look"
    ) in report.comparison.sentence
    text = report_text(report)
    assert "not compared: 1 with other bytes" in text
    assert "1 in A alone, 1 in B alone" in text


def test_a_night_is_named_by_its_index_its_snapshot_or_its_link(
    nights: tuple[TagOptions, str, str], tagger: Tagger, table: Path
) -> None:
    _, first, index = nights
    for same in (index, f"{index}/current", os.path.realpath(f"{index}/current/..")):
        report = compare(CompareOptions(same, index))
        assert report.a.name == report.b.name
        assert report.comparison.flipped == 0
    with pytest.raises(StoreError, match="no such night any more; kept are: 20"):
        compare(CompareOptions(f"{index}/snapshots/20200101T000000Z-0000", index))
    with pytest.raises(InputError, match="compare two models, or two nights"):
        compare(CompareOptions(first, "starter"))
    refused = tagger("compare", first, index, "--on", table)
    assert refused.returncode == 2
    assert "--on: for two models alone" in refused.stderr
    with pytest.raises(BundleError):
        compare(CompareOptions("nothing", "here", on=(str(table),)))


def test_parts_that_both_nights_have_count_in_both(nights: tuple[TagOptions, str, str]) -> None:
    options, _, index = nights
    report = compare(CompareOptions(index, index))
    rows = current_rows(options)
    ok = rows[rows["status"] == "ok"]
    assert report.rows is not None
    assert (report.rows.a, report.rows.b, report.rows.compared) == (len(rows), len(rows), len(ok))
    assert report.rows.without_scores == len(rows) - len(ok)
    own = _own(ok.rename(columns={"color": "color_b"})).fillna("none")
    counts = own.value_counts().to_dict()
    colors = [row for row in report.label_rows if row.label.startswith("color:")]
    for row in colors:
        assert row.a == row.b == counts.get(row.label.removeprefix("color:"), 0)
    color, _, _ = report.comparison.groups
    said = ok["corrected"].notna()
    assert color.right is not None
    assert color.right.pictures == said.sum() > 0
    assert color.right.a_right == (own[said] == ok["color"][said].fillna("none")).sum()


def test_a_damaged_night_is_said_and_not_compared(nights: tuple[TagOptions, str, str]) -> None:
    _, first, index = nights
    part = next((Path(first) / "rows").iterdir())
    part.write_bytes(part.read_bytes()[:-10])
    with pytest.raises(StoreError, match="cannot be read"):
        compare(CompareOptions(first, index))


def test_the_page_is_one_file_that_runs_and_fetches_nothing(
    nights: tuple[TagOptions, str, str], tmp_path: Path, tagger: Tagger
) -> None:
    options, first, index = nights
    path = tmp_path / "page.html"
    result = tagger("compare", first, index, "--html", path, "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["html"] == str(path)
    page = path.read_text()
    assert "default-src &#39;none&#39;; img-src data:" in page
    assert "<script" not in page
    assert re.findall(r'(?:src|href)="(?!data:image/jpeg;base64,)', page) == []
    assert page.count("<img") == sum(min(8, f["pictures"]) for f in report["comparison"]["flips"])
    assert sorted(tmp_path.glob(".*")) == []
    # A file that has changed since is not shown.
    shown = report["comparison"]["flips"][0]["first"][0]
    (Path(options.catalog) / shown).write_bytes(jpeg(np.zeros((40, 40, 3), np.uint8)))
    assert tagger("compare", first, index, "--html", path).returncode == 0
    assert "changed since" in path.read_text()


def test_strangers_words_are_text_on_the_page_and_on_the_terminal(
    sample: Sample, bundle_path: Path, tmp_path: Path, tagger: Tagger
) -> None:
    folder = tmp_path / "catalog"
    folder.mkdir()
    for i, path in enumerate(sorted(sample.catalog.rglob("*.jpg"))):
        shutil.copy(path, folder / f"{i}<img src=x onerror=alert(1)>\x1b[31m.jpg")
    words = ("compare", bundle_path, "starter", "--catalog", folder)
    result = tagger(*words, "--html", tmp_path / "page.html")
    assert result.returncode == 0, result.stderr
    assert "\x1b" not in result.stdout
    page = (tmp_path / "page.html").read_text()
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
