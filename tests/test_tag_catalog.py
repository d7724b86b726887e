"""The nightly job, end to end: real files, a real bundle, real Parquet, real kills."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import clean_environment, jpeg, settle, textured

import tagger.index.buckets
import tagger.index.plan
import tagger.nightly.night
import tagger.nightly.scoring
from jobs.tag_catalog import TagOptions, tag_catalog
from jobs.verify import verify
from schemas.index import (
    CHANGES,
    LABELS,
    UNSETTLED,
    Manifest,
)
from schemas.nightly import TagReport
from schemas.record import to_json
from schemas.runs import Counts, PlanCounts, RunRecord
from tagger.errors import InputError, Locked, Refused, StoreError
from tagger.files import Lock
from tagger.imaging.decoder import DecodedChunk
from tagger.imaging.picture_error import PictureError
from tagger.imaging.reader import read_picture
from tagger.index.rows import schema_of
from tagger.index.store import Index
from tagger.labels.views import stored_scores
from tagger.models.bundle import load_bundle
from tagger.models.predictor import make_predictor

Tagger = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def options(catalog: Path, bundle_path: Path, tmp_path: Path) -> TagOptions:
    return TagOptions(str(catalog), str(bundle_path), str(tmp_path / "index"), workers=2)


def read(options: TagOptions) -> pd.DataFrame:
    return pd.read_parquet(os.path.realpath(Path(options.index) / "current"))


def test_one_new_content_among_copies_does_not_keep_the_rest_from_being_staged(
    options: TagOptions, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand copies of one picture: its batch never fills, and nothing else is to be
    computed."""
    shutil.rmtree(catalog)
    catalog.mkdir()
    (catalog / "0000.jpg").write_bytes(jpeg(textured(40, 40)))
    for i in range(1, 1000):
        os.link(catalog / "0000.jpg", catalog / f"{i:04d}.jpg")
    monkeypatch.setattr(tagger.index.plan, "UNIT", 100)
    staged: list[int] = []

    class Watched(tagger.nightly.scoring.Decoder):
        def decode(self, *arguments: Any, **more: Any) -> Iterator[DecodedChunk]:
            for chunk in super().decode(*arguments, **more):
                staged.append(len(list(Path(options.index).rglob("_staging/*/*.parquet"))))
                yield chunk

    monkeypatch.setattr(tagger.nightly.scoring, "Decoder", Watched)
    assert tag_catalog(options).scored == 1
    assert staged[0] == 0
    assert staged[-1] > 5


def test_every_picture_is_a_row_with_the_scores_that_reading_it_alone_gives(
    options: TagOptions, catalog: Path
) -> None:
    summary = tag_catalog(options)
    rows, bundle = read(options).set_index("image_id"), load_bundle(options.model)
    files = {
        str(path.relative_to(catalog)): path
        for path in catalog.rglob("*")
        if path.suffix in (".jpg", ".png")
    }
    assert set(rows.index) == set(files)
    predictor = make_predictor(bundle, "openvino")
    for image_id, path in files.items():
        row = rows.loc[image_id]
        assert (row["size_bytes"], row["mtime_ns"]) == (
            path.stat().st_size,
            path.stat().st_mtime_ns,
        )
        try:
            picture = read_picture(path.read_bytes(), bundle.reading)
        except PictureError as error:
            assert (row["status"], row["error"]) == (error.status, error.reason)
            assert pd.isna(row["model_id"])
            assert list(row["tags"]) == []
            continue
        scores = stored_scores(predictor.infer(picture.pixels[None]).logits)[0]
        assert row["status"] == "ok"
        assert [row[label.column] for label in bundle.vocabulary.labels] == scores.tolist()
        assert (row["width"], row["height"]) == (picture.width, picture.height)
    assert summary.found == summary.published_rows == summary.new == len(files)
    assert summary.failed == summary.failed_now == 5
    assert summary.skipped == {"not_a_picture": 1}


def test_the_files_are_the_declared_ones(options: TagOptions) -> None:
    summary = tag_catalog(options)
    assert set(json.loads(to_json(summary))) == set(TagReport.__struct_fields__)
    index = Path(options.index)
    assert {path.name for path in index.iterdir()} == {
        "current",
        "snapshots",
        "runs",
        "_staging",
        "_lock",
    }
    assert os.readlink(index / "current") == f"snapshots/{summary.snapshot}/rows"
    assert not any((index / "_staging").iterdir())
    night = (index / "current").resolve().parent
    manifest = json.loads((night / "manifest.json").read_text())
    assert set(manifest) == set(Manifest.__struct_fields__)
    (part,) = manifest["parts"]
    names = {"rows", "labels.parquet", "changes.parquet", "unsettled.parquet", "manifest.json"}
    assert {path.name for path in night.iterdir()} == names
    assert list((night / "rows").iterdir()) == [night / part["file"]]
    assert pq.read_schema(night / part["file"]).equals(
        schema_of(load_bundle(options.model).vocabulary), True
    )
    assert pq.read_schema(night / "labels.parquet").equals(LABELS, True)
    assert pq.read_schema(night / "changes.parquet").equals(CHANGES, True)
    assert pq.read_schema(night / "unsettled.parquet").equals(UNSETTLED, True)
    (record,) = (index / "runs").iterdir()
    run = json.loads(record.read_text())
    assert set(run) == set(RunRecord.__struct_fields__)
    assert (run["state"], run["message"], run["run_id"]) == ("published", None, summary.snapshot)
    assert run["counts"] == {name: getattr(summary, name) for name in Counts.__struct_fields__}
    stages = {
        "walk",
        "plan",
        "start",
        "wait",
        "read",
        "decode",
        "infer",
        "write",
        "publish",
        "total",
    } | {
        "first",
        "last",
    }
    assert set(run["seconds"]) == stages
    assert set(run["plan"]) == set(PlanCounts.__struct_fields__)
    assert manifest["counts"] == run["counts"]
    assert summary.found == sum(
        getattr(summary, name) for name in ("new", "changed", "rescored", "unchanged")
    )
    assert verify(options.index).faults == []


def test_many_buckets_and_units_give_the_same_rows(
    options: TagOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag_catalog(options)
    whole = read(options).drop(columns=["scored_at", "first_seen"])
    monkeypatch.setattr(tagger.index.buckets, "bucket_count", lambda found: 7)
    monkeypatch.setattr(tagger.index.plan, "UNIT", 3)
    shutil.rmtree(options.index)
    tag_catalog(options)
    night = (Path(options.index) / "current").resolve()
    assert len(list(night.glob("part-*.parquet"))) == 7
    parts = (
        read(options)
        .drop(columns=["scored_at", "first_seen"])
        .sort_values("image_id", ignore_index=True)
    )
    pd.testing.assert_frame_equal(parts, whole)
    assert verify(options.index).faults == []


def test_the_change_feed_is_against_the_parent(options: TagOptions, catalog: Path) -> None:
    settle(catalog)
    first = tag_catalog(options)
    gone = next(catalog.rglob("*.png"))
    gone_id = str(gone.relative_to(catalog))
    gone.unlink()
    (catalog / "new.jpg").write_bytes(jpeg(textured(50, 50)))
    second = tag_catalog(options)
    night = (Path(options.index) / "current").resolve()
    assert json.loads((night.parent / "manifest.json").read_text())["parent"] == first.snapshot
    changes = pd.read_parquet(night.parent / "changes.parquet").set_index("image_id")["op"]
    assert changes[gone_id] == "delete"
    assert changes["new.jpg"] == "upsert"
    assert len(changes) == 2
    assert (second.new, second.deleted, second.unchanged) == (1, 1, first.found - 1)


@pytest.mark.serial
def test_a_killed_run_changes_nothing_and_the_next_uses_its_units(
    options: TagOptions, catalog: Path, bundle_path: Path, tmp_path: Path
) -> None:
    for i in range(600):
        (catalog / f"more-{i:04d}.jpg").write_bytes(jpeg(textured(300, 300, seed=i)))
    settle(catalog)
    script = tmp_path / "night.py"
    script.write_text(
        "import sys, tagger.index.plan, jobs.tag_catalog as job\n"
        "if __name__ == '__main__':\n"
        "    tagger.index.plan.UNIT = 50\n"
        "    job.tag_catalog(job.TagOptions(*sys.argv[1:4], workers=1))\n"
    )
    command = [sys.executable, script, options.catalog, options.model, options.index]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=clean_environment())
    staging = Index(options.index).staging(load_bundle(options.model).model_id).path
    deadline = time.monotonic() + 60
    while (
        time.monotonic() < deadline
        and len(list(staging.glob("unit-*"))) < 3
        and process.poll() is None
    ):
        time.sleep(0.005)
    process.kill()
    process.wait()
    done = len(list(staging.glob("unit-*")))
    assert done >= 3
    assert not os.path.lexists(Path(options.index) / "current")
    finished = subprocess.run(
        [*command[:2], *command[2:]], capture_output=True, env=clean_environment(), check=True
    )
    assert finished.returncode == 0
    runs = sorted((Path(options.index) / "runs").iterdir(), key=lambda path: path.stat().st_mtime)
    assert json.loads(runs[-1].read_text())["counts"]["reused"] == 50 * done
    assert verify(options.index).faults == []
    assert len(read(options)) == 600 + 41


def test_a_refused_night_is_not_published_by_the_next_run(
    options: TagOptions, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagger.index.plan, "UNIT", 10)
    for i in range(30):
        (catalog / f"broken-{i}.jpg").write_bytes(b"")
    for _ in range(2):
        with pytest.raises(Refused, match="max-error-rate"):
            tag_catalog(options)
        assert not os.path.lexists(Path(options.index) / "current")
    assert verify_raises_nothing_published(options)
    for i in range(30):
        (catalog / f"broken-{i}.jpg").unlink()
    assert tag_catalog(options).found == 41


def verify_raises_nothing_published(options: TagOptions) -> bool:
    with pytest.raises(StoreError, match="nothing was published"):
        verify(options.index)
    return True


def test_a_catalog_that_goes_away_while_it_is_read_is_refused(
    options: TagOptions, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tag_catalog(options).snapshot
    real = tagger.nightly.night.plan_night
    (catalog / "new.jpg").write_bytes(jpeg(textured(50, 50)))

    def plan_and_lose(*arguments: object) -> object:
        planned = real(*arguments)
        shutil.move(catalog, catalog.with_name("unmounted"))
        return planned

    monkeypatch.setattr(tagger.nightly.night, "plan_night", plan_and_lose)
    with pytest.raises(Refused, match="went away"):
        tag_catalog(options)
    assert os.readlink(Path(options.index) / "current") == f"snapshots/{before}/rows"


def test_readers_see_one_whole_night_while_nights_are_published(
    options: TagOptions, catalog: Path
) -> None:
    """Each night's pictures all have one size, so a mixture of two nights would show."""
    tag_catalog(options)
    stop, seen, faults = threading.Event(), set(), []

    def reader() -> None:
        while not stop.is_set():
            night = os.path.realpath(Path(options.index) / "current")
            sizes = set(
                pd.read_parquet(night, columns=["width"], filters=[("status", "==", "ok")])["width"]
            )
            seen.add(night)
            if len(sizes) != 1:
                faults.append(sizes)

    for path in catalog.rglob("*.*"):
        path.unlink()
    for i in range(30):
        (catalog / f"{i}.jpg").write_bytes(jpeg(textured(20, 20, seed=i)))
    tag_catalog(replace(options, max_delete_rate=1))
    threads = [threading.Thread(target=reader) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for night in range(1, 5):
            for i in range(30):
                (catalog / f"{i}.jpg").write_bytes(jpeg(textured(20, 20 + night, seed=i)))
            tag_catalog(options)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert faults == []
    assert len(seen) >= 3


def test_the_job_never_imports_tensorflow_with_openvino(options: TagOptions) -> None:
    script = (
        "import sys\n"
        "from jobs.tag_catalog import TagOptions, tag_catalog\n"
        "if __name__ == '__main__':\n"
        "    tag_catalog(TagOptions(*sys.argv[1:4]))\n"
        "    heavy = {'tensorflow', 'keras', 'sklearn', 'matplotlib', 'ray'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
    )
    path = Path(options.index).parent / "script.py"
    path.write_text(script)
    command = [sys.executable, path, options.catalog, options.model, options.index]
    ended = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
    assert ended.returncode == 0, ended.stderr


@pytest.mark.tensorflow
def test_the_reference_backend_gives_the_same_index_within_0_005(
    options: TagOptions, tmp_path: Path
) -> None:
    tag_catalog(options)
    other = replace(options, backend="keras", index=str(tmp_path / "reference"))
    tag_catalog(other)
    columns = [label.column for label in load_bundle(options.model).vocabulary.labels]
    assert (
        np.nanmax(np.abs(read(options)[columns].to_numpy() - read(other)[columns].to_numpy()))
        < 0.005
    )
    assert verify(other.index).faults == []


def test_too_many_failures_refuse_the_night_and_keep_the_last(
    options: TagOptions, catalog: Path
) -> None:
    settle(catalog)
    before = tag_catalog(options).snapshot
    for i in range(25):
        (catalog / f"broken-{i}.jpg").write_bytes(b"")
    with pytest.raises(Refused, match=r"25 of 25 pictures tried failed.*--max-error-rate"):
        tag_catalog(options)
    assert os.readlink(Path(options.index) / "current") == f"snapshots/{before}/rows"
    states = {
        json.loads(path.read_text())["state"] for path in (Path(options.index) / "runs").iterdir()
    }
    assert states == {"published", "refused"}
    assert tag_catalog(replace(options, max_error_rate=1)).failed == 30


def test_a_catalog_without_pictures_is_refused(options: TagOptions, catalog: Path) -> None:
    tag_catalog(options)
    shutil.rmtree(catalog)
    catalog.mkdir()
    with pytest.raises(Refused, match="is it mounted"):
        tag_catalog(options)
    assert len(read(options)) == 41


def test_one_run_at_a_time_and_the_holder_is_named(options: TagOptions) -> None:
    tag_catalog(options)
    code = "import sys, time; from pathlib import Path; from tagger.files import Lock\n"
    code += "with Lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(Path(options.index) / "_lock")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(Locked, match=f"held by process {holder.pid} on "):
        tag_catalog(options)
    holder.kill()
    holder.wait()
    holder.stdout.close()
    tag_catalog(options)  # a dead holder does not block


def test_a_damaged_snapshot_is_named_and_nothing_is_changed(options: TagOptions) -> None:
    tag_catalog(options)
    (part,) = (Path(options.index) / "current").resolve().glob("part-*")
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(StoreError, match=r"part-.* cannot be read .*tagger verify"):
        tag_catalog(options)


@pytest.mark.parametrize("redirection", ["| true", ">/dev/full", ">&-", "2>/dev/full", "2>&-"])
def test_a_night_that_was_published_ends_with_0_though_nobody_can_be_told(
    options: TagOptions, redirection: str
) -> None:
    words = [
        sys.executable,
        "-m",
        "jobs.cli",
        "tag",
        options.catalog,
        "--model",
        options.model,
        "--index",
        options.index,
    ]
    script = f'set -o pipefail; "$@" {redirection}'
    ended = subprocess.run(
        ["bash", "-c", script, "bash", *words],
        capture_output=True,
        text=True,
        env=clean_environment(),
    )
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    (record,) = (Path(options.index) / "runs").iterdir()
    assert json.loads(record.read_text())["state"] == "published"
    assert len(read(options)) == 41


def test_an_index_of_another_catalog_is_refused(
    options: TagOptions, sample: object, tmp_path: Path
) -> None:
    tag_catalog(options)
    other = tmp_path / "other"
    shutil.copytree(options.catalog, other)
    with pytest.raises(StoreError, match="is of the catalog"):
        tag_catalog(replace(options, catalog=str(other)))


def test_a_folder_that_is_no_index_is_refused_and_left_alone(
    options: TagOptions, tmp_path: Path
) -> None:
    mine = tmp_path / "index"
    mine.mkdir()
    (mine / "thesis.doc").write_text("mine")
    with pytest.raises(StoreError, match=r"is no index .*'thesis.doc'"):
        tag_catalog(options)
    assert [path.name for path in mine.iterdir()] == ["thesis.doc"]


def test_a_file_system_without_links_or_locks_is_named(
    options: TagOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    with monkeypatch.context() as patch:
        patch.setattr(os, "symlink", refuse)
        with pytest.raises(InputError, match="no symbolic links"):
            tag_catalog(options)
    with monkeypatch.context() as patch:
        patch.setattr("fcntl.flock", refuse)
        with pytest.raises(InputError, match="no locks"):
            tag_catalog(options)
    tag_catalog(options)


@pytest.mark.serial
@pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux",
    reason="mounting a read-only disk needs root on Linux",
)
def test_a_read_only_index_is_named_and_nothing_is_lost(
    options: TagOptions, tagger: Tagger
) -> None:
    tag_catalog(options)
    before = read(options)
    index = options.index
    mounted = subprocess.run(["mount", "--bind", index, index], capture_output=True)
    if mounted.returncode:
        pytest.skip("this sandbox may not mount")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", index], check=True)
        ended = tagger("tag", options.catalog, "--model", options.model, "--index", index)
    finally:
        subprocess.run(["umount", index], check=True)
    assert ended.returncode == 2
    assert "cannot be written: Read-only file system" in ended.stderr
    assert "Traceback" not in ended.stderr
    pd.testing.assert_frame_equal(read(options), before)


@pytest.mark.serial
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_cleanly(
    options: TagOptions, catalog: Path, number: int, code: int
) -> None:
    for i in range(1500):
        (catalog / f"more-{i:04d}.jpg").write_bytes(jpeg(textured(300, 300, seed=i % 50)))
    command = [sys.executable, "-m", "jobs.cli", "tag", options.catalog, "--model", options.model]
    process = subprocess.Popen(
        [*command, "--index", options.index, "--workers", "1"],
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(Path(options.index).glob("runs/*.json")):
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == code, said
    assert "Traceback" not in said
    (record,) = (Path(options.index) / "runs").iterdir()
    assert json.loads(record.read_text())["state"] == "killed"
    assert not os.path.lexists(Path(options.index) / "current")
    with Lock(Path(options.index) / "_lock"):
        pass


def test_a_current_that_points_elsewhere_is_refused(options: TagOptions, tmp_path: Path) -> None:
    tag_catalog(options)
    (tmp_path / "index" / "current").unlink()
    (tmp_path / "index" / "current").symlink_to("/etc")
    with pytest.raises(StoreError, match="outside its snapshots"):
        Index(options.index).current()


@pytest.mark.shared
def test_every_odd_file_is_a_row_and_the_deadly_one_is_a_row_too(
    shared: Path, bundle_path: Path, tmp_path: Path
) -> None:
    summary = tag_catalog(
        TagOptions(str(shared / "odd"), str(bundle_path), str(tmp_path / "odd"), max_error_rate=1)
    )
    rows = pd.read_parquet((tmp_path / "odd" / "current").resolve())
    assert (
        len(rows)
        == summary.found
        == sum(1 for path in (shared / "odd").iterdir()) - sum(summary.skipped.values())
    )
    deadly = rows[rows["image_id"].str.contains("80d9991980")]
    # OpenCV alone would die on it; here it gets the picture without the animation.
    assert deadly["status"].tolist() == ["truncated"]
    assert (rows["status"] == "ok").sum() >= 360
    assert (
        rows[rows["image_id"].str.endswith((".heic", ".heif"))]["status"]
        .isin(["unsupported", "ok"])
        .all()
    )
    assert verify(str(tmp_path / "odd")).faults == []
