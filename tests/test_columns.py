"""A night never takes columns away by accident: readers filter on them."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from changed_bundles import described_again
from conftest import TINY, settle

from jobs.tag_catalog import TagOptions, dry_run, tag_catalog
from jobs.train import TrainOptions, train
from tagger.datasets.sample import Sample
from tagger.errors import Refused

pytestmark = pytest.mark.tensorflow

Change = Callable[[dict[str, Any]], None]


def changed(bundle: Path, folder: Path, change: Change) -> Path:
    """Return a copy of a bundle with another vocabulary of as many labels, as sound as any."""
    shutil.copytree(bundle, folder)
    vocabulary = json.loads((folder / "vocabulary.json").read_text())
    thresholds = json.loads((folder / "thresholds.json").read_text())
    change(vocabulary)
    for row, label in zip(thresholds["labels"], vocabulary["labels"], strict=True):
        row["label"] = f"{label['group']}:{label['name']}"
    for name, value in (("vocabulary.json", vocabulary), ("thresholds.json", thresholds)):
        (folder / name).write_text(json.dumps(value))
    described_again(folder)
    return folder


def label(vocabulary: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in vocabulary["labels"] if row["name"] == name)


def group(vocabulary: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in vocabulary["groups"] if row["name"] == name)


def another_column(vocabulary: dict[str, Any]) -> None:
    label(vocabulary, "red").update(name="crimson", column="score_crimson")


def another_label(vocabulary: dict[str, Any]) -> None:
    label(vocabulary, "red")["name"] = "crimson"


def another_group(vocabulary: dict[str, Any]) -> None:
    vocabulary["groups"].append({"name": "shade"})
    label(vocabulary, "red")["group"] = "shade"


def renamed_group(vocabulary: dict[str, Any]) -> None:
    group(vocabulary, "color")["name"] = "colour"
    for row in vocabulary["labels"]:
        row["group"] = "colour" if row["group"] == "color" else row["group"]


def any_number(vocabulary: dict[str, Any]) -> None:
    group(vocabulary, "color")["exclusive"] = False


def all_retired(vocabulary: dict[str, Any]) -> None:
    for row in vocabulary["labels"]:
        row["retired"] = row["group"] == "color"


def one_retired(vocabulary: dict[str, Any]) -> None:
    label(vocabulary, "red")["retired"] = True


def new_group(vocabulary: dict[str, Any]) -> None:
    vocabulary["groups"].append({"name": "season"})


def other_order(vocabulary: dict[str, Any]) -> None:
    vocabulary["labels"].reverse()
    vocabulary["groups"].reverse()


@pytest.fixture
def night(catalog: Path, bundle_path: Path, tmp_path: Path) -> Callable[..., Any]:
    """Tag the catalog with a changed bundle, or with the bundle itself."""
    settle(catalog)

    def run(
        change: Change | None = None, job: Callable[..., Any] = tag_catalog, **more: Any
    ) -> Any:
        folder = tmp_path / (change.__name__ if change else "same")
        if change and not folder.exists():
            changed(bundle_path, folder, change)
        how = {
            "model": str(folder if change else bundle_path),
            "max_error_rate": 1,
            "workers": 1,
        } | more
        return job(TagOptions(str(catalog), index=str(tmp_path / "index"), **how))

    return run


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (another_column, r"score_red \(color:red\)"),
        (another_label, r"score_red \(color:red, which would be color:crimson\)"),
        (another_group, r"score_red \(color:red, which would be shade:red\)"),
        (renamed_group, r"color \(answer of color\), .* score_black .* and 1 more\."),
        (any_number, r"color \(answer of color\), color_score \(answer of color\)\."),
        (all_retired, r"color \(answer of color\), color_score \(answer of color\)\."),
    ],
)
def test_a_model_that_lacks_columns_or_means_others_is_refused_before_a_picture_is_read(
    night: Callable[..., Any], catalog: Path, tmp_path: Path, change: Change, named: str
) -> None:
    night()
    before = os.readlink(tmp_path / "index" / "current")
    shutil.move(catalog / "2026", tmp_path / "2026")  # so that a walk would refuse, too
    for job in (tag_catalog, dry_run):
        with pytest.raises(
            Refused, match=rf"would take from this index .*: {named}.*--replace-columns"
        ) as caught:
            night(change, job)
        assert caught.value.exit_code == 3
        assert caught.value.report.exit_code == 3
    assert os.readlink(tmp_path / "index" / "current") == before
    shutil.move(tmp_path / "2026", catalog / "2026")
    assert night(change, dry_run, replace_columns=True).rescored > 0


@pytest.mark.parametrize("change", [one_retired, new_group, other_order])
def test_what_takes_no_column_is_never_refused(night: Callable[..., Any], change: Change) -> None:
    night()
    assert night(change, dry_run).rescored > 0


@pytest.mark.usefixtures("eagerly")
def test_a_group_that_had_any_number_of_tags_does_not_become_exclusive_without_a_word(
    night: Callable[..., Any], sample: Sample, tmp_path: Path
) -> None:
    options = TrainOptions(
        (str(sample.labelled),), str(tmp_path), groups="color+,garment", epochs=1, architecture=TINY
    )
    night(model=train(options).bundle, force_model=True)
    with pytest.raises(Refused, match=r"tags \(of color, which would have one at most\)"):
        night()
    assert night(replace_columns=True).rescored > 0


def test_the_option_works_on_the_command_line_and_in_a_config(
    night: Callable[..., Any],
    bundle_path: Path,
    catalog: Path,
    tmp_path: Path,
    tagger: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    night()
    model = changed(bundle_path, tmp_path / "other", another_column)
    arguments = [
        "tag",
        catalog,
        "--model",
        model,
        "--index",
        tmp_path / "index",
        "--max-error-rate",
        1,
        "--json",
    ]
    for more in ([], ["--dry-run"]):
        refused = tagger(*arguments, *more)
        assert refused.returncode == json.loads(refused.stdout)["exit_code"] == 3
        assert "score_red (color:red)" in refused.stderr
        assert "Traceback" not in refused.stderr
    assert tagger(*arguments, "--dry-run", "--replace-columns").returncode == 0
    (tmp_path / "nightly.toml").write_text("replace-columns = true\n")
    assert tagger(*arguments, "--config", tmp_path / "nightly.toml").returncode == 0
    schema = pq.read_schema(next((tmp_path / "index" / "current").resolve().glob("**/part-*")))
    assert "score_crimson" in schema.names
    assert "score_red" not in schema.names
