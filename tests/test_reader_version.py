"""Rows follow the reader: what an earlier one made of a file is read again, and nothing of it is
used."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from conftest import current_rows, jpeg, textured

import tagger.imaging.preprocessing
from jobs.runs import list_runs
from jobs.tag_catalog import TagOptions, dry_run, tag_catalog
from jobs.verify import verify
from schemas.bundle import Preprocessing
from tagger.errors import BundleError
from tagger.imaging.preprocessing import READER, Reading
from tagger.index.store import Index
from tagger.models.bundle import load_bundle


def test_rows_and_manifest_say_which_reader_made_them(options: TagOptions) -> None:
    tag_catalog(options)
    assert set(current_rows(options)["reader"]) == {READER}
    snapshot = Index(options.index).current()
    assert snapshot is not None
    assert snapshot.manifest.reader == READER


def test_rows_of_an_earlier_reader_are_read_again_failed_ones_too(
    options: TagOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagger.imaging.preprocessing, "READER", READER - 1)
    first = tag_catalog(options)
    assert first.failed == 5
    monkeypatch.setattr(tagger.imaging.preprocessing, "READER", READER)
    plan = dry_run(options).plan
    assert (plan.rescored, plan.to_read, plan.unchanged) == (
        first.found,
        first.found,
        0,
    )
    second = tag_catalog(options)
    assert (
        second.scored == first.scored
    )  # contents, not rows: no score of the earlier reader was used
    assert set(current_rows(options)["reader"]) == {READER}
    assert verify(options.index).faults == []
    assert tag_catalog(options).unchanged == first.found


def test_the_backfill_limit_spreads_them_over_nights(
    options: TagOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagger.imaging.preprocessing, "READER", READER - 1)
    found = tag_catalog(options).found
    monkeypatch.setattr(tagger.imaging.preprocessing, "READER", READER)
    limited = replace(options, backfill_limit=10)
    for night in range(1, 6):
        tag_catalog(limited)
        readers = current_rows(options)["reader"]
        assert (readers == READER).sum() == min(found, 10 * night)
    assert set(current_rows(options)["reader"]) == {READER}
    manifest = Index(options.index).current()
    assert manifest is not None
    assert manifest.manifest.reader == READER


def test_a_renamed_file_takes_no_scores_from_a_row_of_an_earlier_reader(
    options: TagOptions, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagger.imaging.preprocessing, "READER", READER - 1)
    tag_catalog(options)
    monkeypatch.setattr(tagger.imaging.preprocessing, "READER", READER)
    picture = sorted(path for path in catalog.rglob("*.jpg") if path.stat().st_size > 1000)[0]
    shutil.copy2(picture, catalog / "copy.jpg")
    night = tag_catalog(replace(options, backfill_limit=0))
    assert (night.new, night.scored) == (1, 1)


def test_what_an_earlier_reader_left_in_staging_and_in_features_is_not_used(
    options: TagOptions, catalog: Path, bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    featured = replace(options, features=True)
    bundle = load_bundle(bundle_path)
    monkeypatch.setattr(tagger.imaging.preprocessing, "READER", READER - 1)
    old = Index(options.index).staging(bundle.model_id).path.name, bundle.features_id
    tag_catalog(featured)
    monkeypatch.setattr(tagger.imaging.preprocessing, "READER", READER)
    new = Index(options.index).staging(bundle.model_id).path.name, bundle.features_id
    assert old[0] != new[0]
    assert old[1] != new[1]
    night = tag_catalog(featured)
    assert night.plan.from_features == 0
    assert night.scored > 0
    assert len(list_runs(options.index, 9).runs) == 2
    (catalog / "later.jpg").write_bytes(jpeg(textured(40, 40)))
    assert tag_catalog(featured).new == 1


def test_older_settings_are_followed_and_strange_ones_refused(
    bundle_path: Path, tmp_path: Path
) -> None:
    now = msgspec.to_builtins(Reading(32).to_record())
    older = {key: value for key, value in now.items() if key != "color_profiles"}
    assert Reading.parse(json.dumps(older)) == Reading(32, profiles="ignored")
    older = {key: value for key, value in now.items() if key != "progressive_jpeg"}
    assert Reading.parse(json.dumps(older)) == Reading(32, progressive="all")
    assert Reading(32, progressive="all").to_record() == msgspec.convert(older, Preprocessing)
    assert Reading.parse(json.dumps(now)) == Reading(32)
    for change in (
        {"orientation": "none"},
        {"size": "big"},
        {"size": True},
        {"sharpen": 1},
        {"color_profiles": "P3"},
        {"progressive_jpeg": "fine"},
    ):
        with pytest.raises(ValueError, match=r"size|preprocessing"):
            Reading.parse(json.dumps(now | change))
    copy = Path(shutil.copytree(bundle_path, tmp_path / "strange"))
    (copy / "preprocessing.json").write_text(json.dumps(now | {"background": "black"}))
    with pytest.raises(BundleError, match=r"preprocessing\.json was changed"):
        load_bundle(copy)
