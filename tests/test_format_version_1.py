"""The promise of format version 1: later versions read what it wrote, and it leaves alone what they
add."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import jpeg, textured
from fixtures import renew_index
from test_columns import changed

from jobs.runs import list_runs, roll_back
from jobs.tag_catalog import TagOptions, tag_catalog
from jobs.verify import verify
from schemas.index import LABELS, LABELS_FILE
from tagger.errors import StoreError
from tagger.files import file_digest
from tagger.index.store import Index
from tagger.index.verify import _SIDE_SCHEMAS
from tagger.models.bundle import load_bundle

BRAND = pa.field("brand", pa.string(), metadata={"meaning": "who made it", "unit": "none"})


@pytest.fixture
def committed(tmp_path: Path) -> TagOptions:
    """A copy of the index that this format version was committed with, and of its catalog."""
    shutil.copytree(renew_index.INDEX, tmp_path / "index", symlinks=True)
    shutil.copytree(renew_index.CATALOG, tmp_path / "catalog")
    renew_index.settle(tmp_path / "catalog")
    return TagOptions(
        str(tmp_path / "catalog"),
        str(renew_index.BUNDLE),
        str(tmp_path / "index"),
        workers=1,
        max_error_rate=1,
        same_catalog=True,
    )


def test_an_index_of_version_1_is_read(committed: TagOptions) -> None:
    assert verify(committed.index).faults == []
    assert [run.state for run in list_runs(committed.index).runs] == ["published", "published"]
    night = Path(os.path.realpath(Path(committed.index) / "current"))
    rows = pd.read_parquet(night).set_index("image_id")
    assert set(rows["status"]) == {"ok", "empty"}
    assert rows.loc["red.png", ["score_blue", "score_red"]].notna().all()
    changes = pd.read_parquet(night.parent / "changes.parquet").set_index("image_id")["op"]
    assert changes.to_dict() == {
        "checks.png": "delete",
        "green.png": "upsert",
        "red-again.png": "upsert",
    }
    labels = pd.read_parquet(night.parent / "labels.parquet")
    assert {"red", "dress"} <= set(labels["label"])
    first = list_runs(committed.index).snapshots[0]
    assert roll_back(committed.index, first).rows == 4


def test_a_night_goes_on_from_an_index_of_version_1(committed: TagOptions) -> None:
    before = pd.read_parquet(os.path.realpath(Path(committed.index) / "current"))
    catalog = Path(committed.catalog)
    (catalog / "blue.png").unlink()
    (catalog / "new.jpg").write_bytes(jpeg(textured(50, 50)))
    report = tag_catalog(committed)
    assert (report.new, report.deleted, report.unchanged) == (1, 1, len(before) - 1)
    assert (report.scored, report.changed, report.rescored) == (1, 0, 0)
    assert verify(committed.index).faults == []
    after = pd.read_parquet(os.path.realpath(Path(committed.index) / "current"))
    kept = before[before["image_id"] != "blue.png"]
    assert set(after) - set(before) == {
        *("corrected", "overruled", "unlikeness", "first_seen"),  # added since, and null
    }
    pd.testing.assert_frame_equal(
        after[after["image_id"] != "new.jpg"][before.columns].reset_index(drop=True),
        kept.reset_index(drop=True),
    )


def test_another_version_is_refused_in_words(committed: TagOptions) -> None:
    manifest = Path(os.path.realpath(Path(committed.index) / "current")).parent / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format_version": 2}))
    with pytest.raises(StoreError, match="format_version 2, this program reads 1; tag into a new"):
        tag_catalog(committed)


def add_to(night: Path) -> None:
    """Add what a later version might: columns, fields, and files."""
    manifest = json.loads((night / "manifest.json").read_text())
    (part,) = manifest["parts"]

    def with_brand(table: pa.Table) -> pa.Table:
        made = [f"of {image_id}" for image_id in table["image_id"].to_pylist()]
        table = table.add_column(1, BRAND, [made])  # between columns that are known
        return table.replace_schema_metadata({**table.schema.metadata, "later": "yes"})

    rewrite(night / part["file"], with_brand)
    digest = file_digest(night / part["file"])
    name = f"rows/part-00000-{digest[:16]}.parquet"
    (night / part["file"]).rename(night / name)
    part |= {"file": name, "sha256": digest, "bytes": (night / name).stat().st_size, "age": 3}
    for kind, column in (("labels", "label"), ("changes", "image_id"), ("unsettled", "image_id")):
        rewrite(night / f"{kind}.parquet", lambda table, of=column: noted(table, of))
        manifest[f"{kind}_sha256"] = file_digest(night / f"{kind}.parquet")
    manifest["counts"]["looked_at"] = 9
    manifest |= {"cluster": {"nodes": 3}, "editors": ["a"]}
    (night / "manifest.json").write_text(json.dumps(manifest))
    (night / "clusters.parquet").write_bytes(b"of a later version")
    (night.parents[1] / "statistics").mkdir()


def noted(table: pa.Table, column: str) -> pa.Table:
    field = pa.field("note", pa.string(), metadata={"meaning": "a note"})
    notes = [f"on {text}" for text in table[column].to_pylist()]
    return table.append_column(field, pa.array(notes, pa.string()))


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    table = change(pq.read_table(path))
    path.unlink()  # it may be a link into another night
    pq.write_table(table, path)


def current(options: TagOptions) -> Path:
    return Path(os.path.realpath(Path(options.index) / "current")).parent


def test_what_a_later_version_adds_is_no_fault_and_no_night_loses_it(
    options: TagOptions, catalog: Path, tagger: Any
) -> None:
    found = tag_catalog(options).found
    add_to(current(options))
    (record,) = (Path(options.index) / "runs").iterdir()
    record.write_text(json.dumps(json.loads(record.read_text()) | {"mood": "good"}))
    assert verify(options.index).faults == []
    assert len(list_runs(options.index).runs) == 1
    assert tag_catalog(options).unchanged == found  # nothing new: the snapshot stays

    picture = sorted(path for path in catalog.rglob("*.jpg") if path.stat().st_size > 1000)[0]
    touched = str(picture.relative_to(catalog))
    os.utime(picture, (1.6e9, 1.6e9))
    (catalog / "new.jpg").write_bytes(jpeg(textured(50, 50)))
    os.utime(catalog / "new.jpg", (1.6e9, 1.6e9))
    report = tag_catalog(options)
    assert (report.new, report.changed, report.unchanged) == (1, 1, found - 1)
    assert verify(options.index).faults == []
    rows = pd.read_parquet(current(options) / "rows").set_index("image_id")["brand"]
    assert set(rows[rows.isna()].index) == {"new.jpg", touched}  # rows that were made anew
    kept = rows.dropna()
    assert kept.to_list() == [f"of {image_id}" for image_id in kept.index]
    assert pq.read_schema(next((current(options) / "rows").iterdir())).field("brand") == BRAND
    (catalog / "new.jpg").unlink()
    assert tag_catalog(options).deleted == 1
    assert verify(options.index).faults == []
    assert "brand" in pd.read_parquet(current(options) / "rows").columns


def grown_up(vocabulary: dict[str, Any]) -> None:
    vocabulary["labels"][0]["since"] = "other-v1"


def test_labels_of_an_older_model_keep_what_a_later_version_added(
    options: TagOptions, bundle_path: Path, tmp_path: Path
) -> None:
    tag_catalog(options)
    old = load_bundle(bundle_path).model_id
    add_to(current(options))
    other = changed(bundle_path, tmp_path / "other", grown_up)
    tag_catalog(replace(options, model=str(other), backfill_limit=5))
    labels = pd.read_parquet(current(options) / "labels.parquet").set_index("model_id")
    assert labels.loc[old, "note"].to_list() == [f"on {name}" for name in labels.loc[old, "label"]]
    assert labels.loc[load_bundle(other).model_id, "note"].isna().all()
    assert verify(options.index).faults == []


def test_an_added_column_must_say_what_it_means(options: TagOptions) -> None:
    tag_catalog(options)
    night = current(options)
    rewrite(
        night / "labels.parquet",
        lambda table: table.append_column("junk", pa.nulls(len(table), pa.string())),
    )
    faults = verify(options.index).faults
    assert any("columns that do not say what they mean: ['junk']" in fault for fault in faults)


def test_an_index_opens_with_a_manifest_of_more_fields(options: TagOptions) -> None:
    tag_catalog(options)
    add_to(current(options))
    snapshot = Index(options.index).current()
    assert snapshot is not None
    assert snapshot.manifest.rows == 41


def test_a_column_that_this_version_adds_is_null_in_what_earlier_ones_wrote(
    committed: TagOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = pa.field("temperature", pa.float64(), metadata={"meaning": "of the group's answer"})
    grown = LABELS.append(added)
    monkeypatch.setattr("tagger.index.snapshots.LABELS", grown)
    monkeypatch.setitem(_SIDE_SCHEMAS, LABELS_FILE, grown)
    assert verify(committed.index).faults == []
    snapshot = Index(committed.index).current()
    assert snapshot is not None
    labels = snapshot.labels()
    assert labels.column_names == grown.names
    assert labels["temperature"].null_count == len(labels)
