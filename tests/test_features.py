"""Stored features: a model with the same trunk is scored from them, equal to reading, and no
picture is touched."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import clean_environment, eager, settle

from jobs.retrain import RetrainOptions, retrain
from jobs.tag_catalog import TagOptions, tag_catalog
from jobs.verify import verify
from schemas.features import features_schema
from tagger.datasets.sample import Sample
from tagger.index.features import FeatureStore
from tagger.models.bundle import load_bundle
from tagger.models.predictor import make_predictor

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def family(
    bundle_path: Path, sample: Sample, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, Path]:
    """A model, one with the same trunk and another head, and one with another trunk."""
    models = Path(
        shutil.copytree(
            bundle_path.parent, tmp_path_factory.mktemp("family") / "models", symlinks=True
        )
    )
    found = [models / "tiny-v1"]
    for freeze in (True, False):
        options = RetrainOptions(
            (str(sample.labelled),), str(found[0]), str(models), freeze_trunk=freeze, epochs=3
        )
        with eager():
            result = retrain(
                RetrainOptions(**options.__dict__ | {"tolerance": 100.0, "promote": False})
            )
        assert result.same_trunk == freeze
        found.append(Path(result.bundle))
    return found[0], found[1], found[2]


def night(catalog: Path, model: Path, index: Path, **more: Any) -> dict[str, Any]:
    return tag_catalog(TagOptions(str(catalog), str(model), str(index), max_error_rate=1, **more))


def rows(index: Path) -> pd.DataFrame:
    return pd.read_parquet(os.path.realpath(index / "current")).set_index("image_id").sort_index()


def ruin(catalog: Path) -> None:
    """Overwrite every picture with as many other bytes, and leave size and time as they were."""
    for path in catalog.rglob("*"):
        if path.is_file() and path.stat().st_size:
            stat = path.stat()
            path.write_bytes(b"x" * stat.st_size)
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_model_with_the_same_trunk_is_scored_without_reading_a_picture(
    catalog: Path, family: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    settle(catalog)
    before, same, _ = family
    night(catalog, before, tmp_path / "index", features=True)
    night(catalog, same, tmp_path / "read")
    ruin(catalog)
    summary = night(catalog, same, tmp_path / "index")
    ok = int((rows(tmp_path / "index")["status"] == "ok").sum())
    assert (summary.plan.from_features, summary.plan.to_read, summary.scored) == (
        ok,
        0,
        0,
    )
    assert summary.rescored == ok
    assert summary.found == summary.new + summary.changed + summary.rescored + summary.unchanged
    assert not verify(str(tmp_path / "index")).faults
    by_head, by_reading = rows(tmp_path / "index"), rows(tmp_path / "read")
    scores = [column for column in by_head if column.startswith("score_")]
    assert float((by_head[scores] - by_reading[scores]).abs().max().max()) <= 0.002
    left = [
        "scored_at",
        "first_seen",
        "tags",
        "unlikeness",
        *scores,
        *(c for c in by_head if c.startswith(("color", "garment"))),
    ]
    assert by_head.drop(columns=left).equals(by_reading.drop(columns=left))
    assert by_head["unlikeness"].notna().equals(by_reading["unlikeness"].notna())
    agree = by_head["color"].fillna("") == by_reading["color"].fillna("")
    assert agree.mean() > 0.9
    changes = pd.read_parquet((tmp_path / "index" / "current").resolve().parent / "changes.parquet")
    assert set(changes["image_id"]) == set(by_head.index[by_head["status"] == "ok"])


def test_what_has_no_features_and_what_changed_is_read_and_another_trunk_reads_all(
    catalog: Path, family: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    settle(catalog)
    before, same, other = family
    index = tmp_path / "index"
    late = sorted(catalog.rglob("*.jpg"))[:3]
    for path in late:
        path.rename(path.with_suffix(".later"))
    night(catalog, before, index, features=True)
    for path in late:
        path.with_suffix(".later").rename(path)
    night(catalog, before, index)  # these have rows, and no features
    ok = int((rows(index)["status"] == "ok").sum())
    os.utime(sorted(catalog.rglob("*.jpg"))[5], (1.6e9, 1.6e9))
    summary = night(catalog, same, index)
    assert summary.plan.from_features == ok - 4
    assert summary.plan.to_read == 4
    assert night(catalog, other, index).plan.from_features == 0
    assert night(catalog, same, index, full=True).plan.from_features == 0
    assert not verify(str(index)).faults


def test_a_backfill_from_features_can_be_spread_over_nights_and_killed(
    catalog: Path, family: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    settle(catalog)
    before, same, _ = family
    index = tmp_path / "index"
    night(catalog, before, index, features=True)
    first = night(catalog, same, index, backfill_limit=10)
    assert (first.plan.from_features, first.rescored) == (10, 10)
    assert first.plan.behind == int((rows(index)["status"] == "ok").sum()) - 10
    assert len(rows(index)["model_id"].dropna().unique()) == 2
    command = [sys.executable, "-m", "jobs.cli", "tag", catalog, "--model", same, "--index", index]
    process = subprocess.Popen(
        [*map(str, command), "--max-error-rate", "1"], env=clean_environment(), stderr=-3
    )
    staged = index / "_staging" / load_bundle(same).model_id
    deadline = time.monotonic() + 60
    while (
        time.monotonic() < deadline and process.poll() is None and not list(staged.glob("unit-*"))
    ):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() in (-9, 0)  # it may have been done by then
    night(catalog, same, index)
    assert set(rows(index)["model_id"].dropna()) == {load_bundle(same).model_id}
    assert not verify(str(index)).faults


def test_features_are_float16_by_content_and_what_is_damaged_is_read_again(
    catalog: Path, family: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    settle(catalog)
    before, same, _ = family
    index, bundle = tmp_path / "index", load_bundle(before)
    night(catalog, before, index, features=True)
    files = sorted((index / "features" / bundle.features_id).glob("*.parquet"))
    table = pa.concat_tables([pq.read_table(path) for path in files])
    assert table.schema.equals(features_schema(16), check_metadata=True)
    contents = rows(index).query("status == 'ok'")["content_sha256"]
    assert sorted(table["content_sha256"].to_pylist()) == sorted(contents.unique())
    head = bundle.head()
    features = np.frombuffer(table["features"][0].as_py(), "<f2").astype(np.float32)
    scores = 1 / (1 + np.exp(-(features @ head.kernel + head.bias)))
    row = rows(index).set_index("content_sha256").loc[table["content_sha256"][0].as_py()]
    assert np.allclose(
        scores, [row[label.column] for label in bundle.vocabulary.labels], atol=0.002
    )
    files[0].write_bytes(files[0].read_bytes()[:200])
    summary = night(catalog, same, index)
    assert summary.plan.from_features < len(contents)
    assert not verify(str(index)).faults


def test_one_flipped_bit_costs_reading_and_not_the_night(
    catalog: Path, family: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    settle(catalog)
    before, same, _ = family
    index = tmp_path / "index"
    night(catalog, before, index, features=True)
    (path,) = (index / "features" / load_bundle(before).features_id).glob("*.parquet")
    column = pq.ParquetFile(path).metadata.row_group(0).column(1)
    content = bytearray(path.read_bytes())
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(content)
    summary = night(catalog, same, index)
    assert summary.plan.from_features == 0
    assert summary.plan.to_read == summary.scored == summary.rescored
    assert not path.exists()
    assert not verify(str(index)).faults


def test_features_go_when_no_night_used_them_for_two_days_and_when_all_was_read_again(
    catalog: Path, family: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    settle(catalog)
    before, _, other = family
    index = tmp_path / "index"
    night(catalog, before, index, features=True)
    folder = index / "features" / load_bundle(before).features_id
    (first,) = folder.glob("*.parquet")
    night(catalog, before, index, features=True, full=True)
    (second,) = folder.glob("*.parquet")
    assert first.name != second.name
    os.utime(folder, (1.7e9, 1.7e9))
    night(catalog, before, index)  # uses them, if only by being of this trunk
    assert time.time() - folder.stat().st_mtime < 600
    night(catalog, other, index)
    assert folder.exists()
    os.utime(folder, (1.7e9, 1.7e9))
    night(catalog, other, index)
    assert not folder.exists()


def test_a_store_finds_what_it_holds_and_nothing_else(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "trunk", 4)
    digests = [hashlib.sha256(bytes([i])).hexdigest() for i in range(5)]
    assert (store.find(pa.chunked_array([digests])).file == -1).all()
    values = np.arange(20, dtype=np.float16).reshape(5, 4)
    store.write("a", digests[:3], values[:3])
    store.write("b", digests[3:], values[3:])
    store = FeatureStore(tmp_path / "trunk", 4)
    places = store.find(pa.chunked_array([[digests[4], "f" * 64, digests[0]]]))
    assert (places.file >= 0).tolist() == [True, False, True]
    here = store.find(pa.chunked_array([[digests[4], digests[0], digests[2]]]))
    assert (store.read(here) == values[[4, 0, 2]]).all()
    assert (FeatureStore(tmp_path / "trunk", 5).find(pa.chunked_array([digests])).file == -1).all()


def test_both_backends_give_the_same_features_and_the_head_gives_the_logits(
    bundle_path: Path,
) -> None:
    bundle = load_bundle(bundle_path)
    pixels = (
        np.random.default_rng(0).integers(0, 255, (5, bundle.size, bundle.size, 3)).astype(np.uint8)
    )
    inferred = [make_predictor(bundle, backend).infer(pixels) for backend in ("openvino", "keras")]
    assert np.allclose(inferred[0].features, inferred[1].features, atol=1e-3)
    head = bundle.head()
    for each in inferred:
        assert np.allclose(each.features @ head.kernel + head.bias, each.logits, atol=1e-3)
