"""The model that comes with the package: it tags at once, and never takes over an index by
mistake."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import settle

from jobs.models import promote
from jobs.tag_catalog import TagOptions, dry_run, tag_catalog
from tagger.errors import InputError, Refused
from tagger.models.bundle import load_bundle
from tagger.models.starter import STARTER
from tagger.models.versions import next_name

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_a_catalog_is_tagged_right_after_install_without_a_model_named(
    tagger: Run, catalog: Path, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    settle(catalog)
    for scored in (True, False):  # the second night has nothing to do
        ran = tagger("tag", catalog, "--index", index, "--max-error-rate", 1, "--json")
        assert ran.returncode == 0, ran.stderr
        assert bool(json.loads(ran.stdout)["scored"]) is scored
    rows = pq.read_table(os.path.realpath(index / "current")).to_pandas()
    ok = rows[rows["status"] == "ok"]
    starter = load_bundle(STARTER)
    assert set(ok["model_id"]) == {starter.model_id}
    assert ok[[label.column for label in starter.vocabulary.labels]].notna().all(axis=None)
    assert tagger("verify", index).returncode == 0


def test_a_night_that_forgets_its_model_does_not_score_the_index_again(
    bundle_path: Path, catalog: Path, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    settle(catalog)
    tag_catalog(TagOptions(str(catalog), str(bundle_path), str(index), max_error_rate=1))
    before = os.readlink(index / "current")
    for night in (tag_catalog, dry_run):
        with pytest.raises(InputError, match="no --model was given") as caught:
            night(TagOptions(str(catalog), None, str(index), max_error_rate=1))
        assert str(STARTER.resolve()) in str(caught.value)
    assert os.readlink(index / "current") == before
    named = TagOptions(str(catalog), str(STARTER), str(index), max_error_rate=1)
    for night in (tag_catalog, dry_run):  # naming it is not enough: columns would go
        with pytest.raises(Refused, match=r"would take from this index .*--replace-columns"):
            night(named)
    assert os.readlink(index / "current") == before
    named = tag_catalog(replace(named, replace_columns=True))
    assert named.rescored > 0
    again = tag_catalog(TagOptions(str(catalog), None, str(index), max_error_rate=1))
    assert again.unchanged == again.found


def test_only_a_bundle_called_starter_stands_in_the_place_of_the_packaged_one(
    bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("starter").mkdir()
    assert load_bundle("starter").path == STARTER.resolve()
    Path("starter").rmdir()
    shutil.copytree(bundle_path, "starter")
    assert load_bundle("starter").path == Path("starter").resolve()
    for part in ("bundle.json", "vocabulary.json"):  # what is left of one's own stands in its place
        shutil.copytree(bundle_path, "broken", dirs_exist_ok=True)
        shutil.rmtree("starter")
        Path("broken").rename("starter")
        Path("starter", part).unlink()
        with pytest.raises(InputError, match=rf"no {part} there"):
            load_bundle("starter")
    shutil.rmtree("starter")
    Path("starter").symlink_to("not-mounted/models/current")
    with pytest.raises(InputError, match="model 'starter': no "):
        load_bundle("starter")
    Path("table.csv").write_text("image,color\n")
    with pytest.raises(InputError, match=r"model 'table\.csv' is a file; a model is a folder"):
        load_bundle("table.csv")


def test_the_starter_is_small_can_be_retrained_and_says_how_it_was_made(
    tmp_path: Path,
) -> None:
    assert sum(path.stat().st_size for path in STARTER.rglob("*") if path.is_file()) <= 30e6
    assert load_bundle(STARTER).trainable
    card = (STARTER / "README.md").read_text()
    for wanted in (
        "`tagger train styles.csv patterns.csv apparel fashion6 phones.csv ",
        "--names starter-names.csv",
        "## Where it fails",
    ):
        assert wanted in card
    packed = card.split("## Packed")[1]
    for label in load_bundle(STARTER).vocabulary.labels:
        assert f"| {label.key} |" in packed
    copy = shutil.copytree(STARTER, tmp_path / "elsewhere")
    assert load_bundle(copy).model_id == load_bundle(STARTER).model_id


def test_the_packaged_model_is_not_promoted_where_it_lies() -> None:
    before = sorted(STARTER.parent.iterdir())
    with pytest.raises(InputError, match="the starter comes with the package") as caught:
        promote("starter")
    assert "retrain --from starter --models DIR" in str(caught.value)
    assert sorted(STARTER.parent.iterdir()) == before


def test_a_model_grown_from_the_starter_has_a_name_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "starter-v3").mkdir()
    assert next_name(tmp_path, "starter", parent="starter-v1") == "starter-v4"
    assert next_name(tmp_path, "starter", parent="starter-v7") == "starter-v8"
    assert next_name(tmp_path, "shop", parent="starter-v7") == "shop-v1"
