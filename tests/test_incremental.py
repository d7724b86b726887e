"""Nights that follow each other: only what changed is read, only new contents are scored, rows
equal files."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import TINY, clean_environment, current_rows, jpeg, passed, settle, textured

import tagger.index.buckets
import tagger.index.plan
import tagger.nightly.night
import tagger.nightly.scoring
from jobs.runs import list_runs
from jobs.tag_catalog import TagOptions, dry_run, summary_text, tag_catalog
from jobs.train import TrainOptions, train
from jobs.verify import verify
from schemas.nightly import TagReport
from tagger.catalog import Found, Walk
from tagger.datasets.sample import draw_sample
from tagger.errors import InputError, Refused, StoreError
from tagger.index.store import Index
from tagger.models.bundle import load_bundle

Tagger = Callable[..., subprocess.CompletedProcess[str]]
OLD = (1.6e9, 1.6e9)


def counted(summary: TagReport, *names: str) -> tuple[int, ...]:
    assert summary.found == sum(
        getattr(summary, name) for name in ("new", "changed", "rescored", "unchanged")
    )
    assert summary.found == summary.published_rows
    return tuple(getattr(summary, name) for name in names)


def a_picture(catalog: Path) -> Path:
    return sorted(path for path in catalog.rglob("*.jpg") if path.stat().st_size > 1000)[0]


def test_a_night_with_nothing_to_do_leaves_everything_as_it_is(options: TagOptions) -> None:
    first = tag_catalog(options)
    before = {
        path: path.stat().st_mtime_ns
        for path in Path(options.index).rglob("*")
        if "runs" not in path.parts
    }
    second = tag_catalog(options)
    assert counted(second, "unchanged", "new", "changed", "rescored", "scored", "failed") == (
        41,
        0,
        0,
        0,
        0,
        5,
    )
    assert second.snapshot == first.snapshot
    after = {
        path: path.stat().st_mtime_ns
        for path in Path(options.index).rglob("*")
        if "runs" not in path.parts
    }
    changed = {path.name for path in before if after.get(path) != before[path]} | {
        p.name for p in set(after) - set(before)
    }
    assert changed <= {"index", "_lock", "_staging"}
    record = json.loads((Path(options.index) / "runs" / f"{second.run_id}.json").read_text())
    assert (record["state"], record["exit_code"], record["backend"]) == ("unchanged", 0, None)


def test_a_night_with_nothing_to_do_loads_no_network_and_starts_no_worker(
    options: TagOptions, tmp_path: Path
) -> None:
    tag_catalog(options)
    script = tmp_path / "script.py"
    script.write_text(
        "import subprocess, sys\n"
        "from jobs.tag_catalog import TagOptions, tag_catalog\n"
        "subprocess.Popen = None\n"
        "assert tag_catalog(TagOptions(*sys.argv[1:])).unchanged == 41\n"
        "heavy = {'tensorflow', 'keras', 'openvino', 'sklearn', 'matplotlib', 'cv2', 'PIL'} & "
        "set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    command = [sys.executable, script, options.catalog, options.model, options.index]
    ended = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
    assert ended.returncode == 0, ended.stderr


def test_only_what_is_new_or_changed_is_scored(options: TagOptions, catalog: Path) -> None:
    tag_catalog(options)
    before = current_rows(options)
    (catalog / "new.jpg").write_bytes(jpeg(textured(60, 60, seed=1)))
    edited = a_picture(catalog)
    edited.write_bytes(jpeg(textured(60, 60, seed=2)))
    gone = sorted(
        path for path in catalog.rglob("*.jpg") if path != edited and path.name != "new.jpg"
    )[-1]
    gone.unlink()
    for path in (edited, catalog / "new.jpg"):
        os.utime(path, OLD)
    summary = tag_catalog(options)
    kinds = ("new", "changed", "rescored", "unchanged", "deleted", "scored", "touched")
    assert counted(summary, *kinds) == (1, 1, 0, 39, 1, 2, 0)
    after = current_rows(options)
    same = before.index.difference(
        [str(edited.relative_to(catalog)), str(gone.relative_to(catalog))]
    )
    pd.testing.assert_frame_equal(before.loc[same], after.loc[same])
    assert str(gone.relative_to(catalog)) not in after.index
    assert verify(options.index).faults == []


def test_a_touched_file_keeps_its_scores_and_a_renamed_or_copied_one_takes_them_along(
    options: TagOptions, catalog: Path
) -> None:
    tag_catalog(options)
    before = current_rows(options)
    touched, *others = sorted(path for path in catalog.rglob("*.jpg") if path.stat().st_size > 1000)
    os.utime(touched, OLD)
    moved = others[0].rename(
        catalog / "moved.png"
    )  # the name's ending says nothing about the content
    shutil.copyfile(others[1], catalog / "copy.jpg")
    os.utime(catalog / "copy.jpg", OLD)
    summary = tag_catalog(options)
    kinds = ("new", "changed", "touched", "deleted", "scored")
    assert counted(summary, *kinds) == (2, 1, 1, 1, 0)
    after = current_rows(options)
    names = [str(path.relative_to(catalog)) for path in (touched, others[0], others[1])]
    kept = before.columns.difference(["mtime_ns", "first_seen"])
    for old, new in zip(names, (names[0], moved.name, "copy.jpg"), strict=True):
        pd.testing.assert_series_equal(
            before.loc[old, kept], after.loc[new, kept], check_names=False
        )
    assert (
        after.loc[names[0], "mtime_ns"] == touched.stat().st_mtime_ns == 1_600_000_000_000_000_000
    )
    record = json.loads((Path(options.index) / "runs" / f"{summary.run_id}.json").read_text())
    assert record["backend"] is None  # nothing had to be scored, so no network was loaded
    assert verify(options.index).faults == []


def test_equal_bytes_under_many_names_are_scored_once(
    options: TagOptions, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, through = tagger.nightly.scoring.make_predictor, []

    def counting(*arguments: Any, **options: Any) -> Any:
        predictor = real(*arguments, **options)
        infer = predictor.infer
        monkeypatch.setattr(
            predictor, "infer", lambda pixels: (through.append(len(pixels)), infer(pixels))[1]
        )
        return predictor

    monkeypatch.setattr(tagger.nightly.scoring, "make_predictor", counting)
    for i in range(150):
        (catalog / f"same-{i:03d}.jpg").write_bytes(jpeg(textured(60, 60, seed=i % 2)))
    settle(catalog)
    summary = tag_catalog(options)
    rows = current_rows(options)
    same = rows[rows.index.str.startswith("same-")]
    assert len(same) == 150
    assert len(same.drop(columns=["mtime_ns"]).astype(str).drop_duplicates()) == 2
    assert (
        sum(through)
        == summary.scored
        == rows.loc[rows["status"] == "ok", "content_sha256"].nunique()
    )
    assert verify(options.index).faults == []


def test_a_failure_that_has_not_changed_is_tried_again_only_when_asked(
    options: TagOptions, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(30):
        (catalog / f"broken-{i}.jpg").write_bytes(b"")
    settle(catalog)
    tag_catalog(replace(options, max_error_rate=1))
    assert counted(tag_catalog(options), "unchanged", "failed", "failed_now") == (71, 35, 0)
    # Failing once more they are no news: neither a new snapshot nor a reason to refuse the night.
    again = tag_catalog(replace(options, retry_errors=True))
    assert counted(again, "unchanged", "rescored", "failed", "failed_now") == (71, 0, 35, 35)
    assert again.plan.rescored == 35
    assert (
        json.loads((Path(options.index) / "runs" / f"{again.run_id}.json").read_text())["state"]
        == "unchanged"
    )


def test_a_denied_file_is_a_row_with_its_fingerprint(options: TagOptions, catalog: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything; tests/test_faults.py does it as another user")
    picture = a_picture(catalog)
    name = str(picture.relative_to(catalog))
    picture.chmod(0)
    tag_catalog(options)
    row = current_rows(options).loc[name]
    assert (row["status"], row["size_bytes"]) == ("denied", picture.stat().st_size)
    picture.chmod(0o644)
    assert tag_catalog(options).unchanged == 41
    assert tag_catalog(replace(options, retry_errors=True)).rescored == 1
    assert current_rows(options).loc[name, "status"] == "ok"


def test_a_file_read_right_after_its_last_change_is_read_again_the_next_night(
    options: TagOptions, catalog: Path
) -> None:
    tag_catalog(options)
    fresh = catalog / "fresh.jpg"
    fresh.write_bytes(jpeg(textured(60, 60, seed=1)))
    soon = time.time() + 1.8  # so that it is fresh when a worker comes to read it
    os.utime(fresh, (soon, soon))
    tag_catalog(options)
    facts, first = fresh.stat(), current_rows(options)
    # Edited within the resolution of a slow clock: same size, same time.
    data = bytearray(fresh.read_bytes())
    data[-3] ^= 1
    fresh.write_bytes(data)
    os.utime(fresh, ns=(facts.st_mtime_ns, facts.st_mtime_ns))
    time.sleep(max(0, soon + 2.2 - time.time()))
    night = tag_catalog(options)
    assert night.plan.to_read == 1
    assert counted(night, "unchanged", "rescored", "scored") == (41, 1, 1)
    assert (
        current_rows(options).loc["fresh.jpg", "content_sha256"]
        != first.loc["fresh.jpg", "content_sha256"]
    )
    assert tag_catalog(options).plan.to_read == 0
    assert verify(options.index).faults == []


def test_an_edit_that_keeps_size_and_time_is_seen_by_full_alone(
    options: TagOptions, catalog: Path
) -> None:
    tag_catalog(options)
    picture = a_picture(catalog)
    name, facts = str(picture.relative_to(catalog)), picture.stat()
    picture.write_bytes(jpeg(textured(20, 20)).ljust(facts.st_size, b"\0"))
    os.utime(picture, ns=(facts.st_mtime_ns, facts.st_mtime_ns))
    before = current_rows(options)
    assert tag_catalog(options).unchanged == 41
    summary = tag_catalog(replace(options, full=True))
    ok = before[before["status"] == "ok"]
    distinct = ok["content_sha256"].nunique()
    assert counted(summary, "rescored", "unchanged", "scored") == (len(ok), 41 - len(ok), distinct)
    assert current_rows(options).loc[name, "content_sha256"] != before.loc[name, "content_sha256"]


def test_what_happens_while_the_night_runs_is_of_one_moment(
    options: TagOptions, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag_catalog(options)
    for i in range(10):
        (catalog / f"new-{i}.jpg").write_bytes(jpeg(textured(60, 60, seed=i)))
    settle(catalog)
    outside = catalog.with_name("outside.jpg")
    outside.write_bytes(jpeg(textured(60, 60, seed=102)))
    real = tagger.nightly.night.plan_night

    def plan_and_meddle(*arguments: Any) -> Any:
        planned = real(*arguments)
        (catalog / "new-0.jpg").unlink()
        (catalog / "new-1.jpg").write_bytes(jpeg(textured(70, 70, seed=100)))
        os.utime(catalog / "new-1.jpg", OLD)
        (catalog / "new-2.jpg").unlink()
        (catalog / "new-2.jpg").mkdir()
        (catalog / "new-3.jpg").unlink()
        (catalog / "new-3.jpg").symlink_to(outside)  # a way out of the catalog
        (catalog / "new-4.jpg").unlink()
        (catalog / "new-4.jpg").symlink_to("new-4.jpg")
        (catalog / "later.jpg").write_bytes(jpeg(textured(60, 60, seed=101)))
        os.utime(catalog / "later.jpg", OLD)
        return planned

    with monkeypatch.context() as patch:
        patch.setattr(tagger.nightly.night, "plan_night", plan_and_meddle)
        assert counted(tag_catalog(options), "new", "unchanged") == (6, 41)
    rows = current_rows(options)
    assert rows.loc["new-1.jpg", "size_bytes"] == (catalog / "new-1.jpg").stat().st_size
    assert counted(tag_catalog(options), "new", "unchanged") == (1, 47)
    assert_equal_to_a_fresh_index(options)


def assert_equal_to_a_fresh_index(options: TagOptions) -> None:
    fresh = replace(
        options, index=options.index + "-fresh", max_error_rate=1, max_delete_rate=1, full=False
    )
    tag_catalog(fresh)
    pd.testing.assert_frame_equal(
        current_rows(options).drop(columns=["scored_at", "first_seen"]),
        current_rows(fresh).drop(columns=["scored_at", "first_seen"]),
    )
    assert verify(options.index).faults == []
    shutil.rmtree(fresh.index)


def test_too_many_deletions_are_refused_unless_allowed(options: TagOptions, catalog: Path) -> None:
    before = tag_catalog(options).snapshot
    for path in sorted(catalog.rglob("*.jpg"))[:21]:
        path.unlink()
    with pytest.raises(
        Refused, match=r"21 of 41 pictures are gone, more than 20%.*--max-delete-rate"
    ) as refused:
        tag_catalog(options)
    report = refused.value.report
    assert report is not None
    assert (report.exit_code, report.snapshot, report.plan.deleted) == (3, before, 21)
    assert os.readlink(Path(options.index) / "current") == f"snapshots/{before}/rows"
    assert counted(tag_catalog(replace(options, max_delete_rate=0.6)), "deleted", "unchanged") == (
        21,
        20,
    )


def test_a_dry_run_says_what_would_be_done_and_touches_nothing(
    options: TagOptions, catalog: Path, tagger: Tagger
) -> None:
    arguments = (
        "tag",
        options.catalog,
        "--model",
        options.model,
        "--index",
        options.index,
        "--dry-run",
        "--json",
    )
    first = json.loads(tagger(*arguments).stdout)
    assert set(first) == set(TagReport.__struct_fields__)
    assert (first["new"], first["run_id"], first["snapshot"]) == (41, None, None)
    assert not Path(options.index).exists()
    tag_catalog(options)
    (catalog / "new.jpg").write_bytes(jpeg(textured(60, 60)))
    before = sorted((path, path.lstat().st_mtime_ns) for path in Path(options.index).rglob("*"))
    second = dry_run(options)
    assert (
        sorted((path, path.lstat().st_mtime_ns) for path in Path(options.index).rglob("*"))
        == before
    )
    assert (second.new, second.unchanged, second.plan.to_read) == (1, 41, 1)
    assert "to read: 1" in summary_text(second, dry=True)
    shutil.rmtree(catalog)
    catalog.mkdir()
    ended = tagger(*arguments)
    assert ended.returncode == 3
    assert json.loads(ended.stdout)["exit_code"] == 3


@pytest.mark.tensorflow
@pytest.mark.usefixtures("eagerly")
def test_a_grown_vocabulary_has_its_columns_in_every_part_and_rows_say_who_scored_them(
    options: TagOptions, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagger.index.buckets, "bucket_count", lambda found: 5)
    tag_catalog(options)
    old = load_bundle(options.model)
    grown = load_bundle(grown_model(tmp_path))
    now = replace(options, model=str(grown.path))
    summary = tag_catalog(replace(now, backfill_limit=10))
    assert counted(summary, "rescored", "unchanged") == (10, 31)
    assert summary.plan.behind == 26
    with pytest.raises(
        Refused, match=r"score_purple \(color:purple\)"
    ):  # though most rows are the older model's
        tag_catalog(options)
    rows = current_rows(options)
    ok = rows[rows["status"] == "ok"]
    assert ok["model_id"].value_counts().to_dict() == {old.model_id: 26, grown.model_id: 10}
    assert ok["score_purple"].notna().eq(ok["model_id"] == grown.model_id).all()
    night = (Path(options.index) / "current").resolve()
    schemas = [pq.read_schema(part) for part in sorted(night.glob("part-*"))]
    assert len(schemas) == 5
    assert all(schema.equals(schemas[0], check_metadata=True) for schema in schemas)
    labels = pd.read_parquet(night.parent / "labels.parquet")
    assert set(labels["model_id"]) == {old.model_id, grown.model_id}
    assert verify(options.index).faults == []
    invented = Path(shutil.copytree(options.index, tmp_path / "invented", symlinks=True))
    part = next(
        part
        for part in sorted((invented / "current").resolve().glob("part-*"))
        if has_old(part, old.model_id)
    )
    table = pq.read_table(part)
    at = table.schema.get_field_index("score_purple")
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array([0.5] * len(table))), part)
    assert any("does not have this label" in fault for fault in verify(str(invented)).faults)
    tag_catalog(now)
    labels = pd.read_parquet((Path(options.index) / "current").resolve().parent / "labels.parquet")
    assert set(labels["model_id"]) == {grown.model_id}
    assert_equal_to_a_fresh_index(now)
    with pytest.raises(
        InputError, match=r"--backfill-limit .* does not have their score_purple \(color:purple\)"
    ):
        tag_catalog(replace(options, backfill_limit=3))


def has_old(part: Path, model_id: str) -> bool:
    return model_id in pq.read_table(part)["model_id"].to_pylist()


def grown_model(folder: Path) -> Path:
    """Train a model whose vocabulary has one label more, after all others."""
    sample = draw_sample(folder / "grown", labelled=88, catalog=1, seed=4)
    first = next(path for path in sorted(sample.labelled.iterdir()) if path.is_dir())
    shutil.copytree(first, sample.labelled / f"purple_{first.name.split('_')[1]}")
    labels = [
        *({"group": "color", "name": name} for name in ("black", "blue", "green", "red")),
        *(
            {"group": "garment", "name": name}
            for name in sorted({p.name.split("_")[1] for p in sample.labelled.iterdir()})
        ),
        {"group": "color", "name": "purple"},
    ]
    text = {"groups": [{"name": "color"}, {"name": "garment"}], "labels": labels}
    (folder / "vocabulary.json").write_text(json.dumps(text))
    options = TrainOptions(
        (str(sample.labelled),),
        str(folder / "grown-models"),
        "grown",
        vocabulary=str(folder / "vocabulary.json"),
        epochs=1,
        architecture=TINY,
    )
    return passed(train(options))


def test_full_scores_duplicates_anew_too(options: TagOptions, catalog: Path) -> None:
    shutil.copy2(a_picture(catalog), catalog / "copy.jpg")
    tag_catalog(options)
    before = current_rows(options)
    summary = tag_catalog(replace(options, full=True))
    after = current_rows(options)
    ok = before["status"] == "ok"
    assert counted(summary, "rescored") == (int(ok.sum()),)
    assert (after.loc[ok, "scored_at"] > before.loc[ok, "scored_at"]).all()


def test_a_full_run_does_not_trust_what_an_old_one_left(options: TagOptions, catalog: Path) -> None:
    tag_catalog(options)
    for i in range(30):
        (catalog / f"broken-{i}.jpg").write_bytes(b"")
    settle(catalog)
    with pytest.raises(Refused):
        tag_catalog(replace(options, full=True))
    (staging,) = (Path(options.index) / "_staging").glob("*-full")
    for i in range(30):
        (catalog / f"broken-{i}.jpg").unlink()
    assert dry_run(replace(options, full=True)).plan.staged > 0
    os.utime(staging, OLD)
    assert tag_catalog(replace(options, full=True)).reused == 0


def test_what_a_full_night_staged_is_not_taken_by_the_next_one_if_it_was_killed_in_its_last_moment(
    options: TagOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = replace(options, full=True)
    with monkeypatch.context() as killed:
        killed.setattr("tagger.index.staging.Staging.clear", lambda self: None)
        first = tag_catalog(full)
    assert list((Path(options.index) / "_staging").iterdir())
    second = tag_catalog(full)
    assert (second.reused, second.scored) == (0, first.scored)
    assert second.snapshot != first.snapshot


def test_a_bit_that_turned_on_the_disk_is_not_carried_over(
    options: TagOptions, catalog: Path
) -> None:
    tag_catalog(options)
    before = os.readlink(Path(options.index) / "current")
    (part,) = (Path(options.index) / "current").resolve().glob("part-*")
    data = bytearray(part.read_bytes())
    (catalog / "new.jpg").write_bytes(jpeg(textured(60, 60)))
    for at in range(40, len(data) // 2, len(data) // 20):
        flipped = data.copy()
        flipped[at] ^= 4
        part.write_bytes(flipped)
        with pytest.raises(
            StoreError, match=r"cannot be read .*nothing was changed.*tagger verify"
        ):
            tag_catalog(options)
    part.write_bytes(data)
    assert os.readlink(Path(options.index) / "current") == before
    assert tag_catalog(options).new == 1


def test_a_bit_that_turned_in_a_column_s_name_is_no_column_that_would_go(
    options: TagOptions,
) -> None:
    tag_catalog(options)
    (part,) = (Path(options.index) / "current").resolve().glob("part-*")
    whole = part.read_bytes()
    part.write_bytes(whole.replace(b"garment_score", b"garmant_score"))
    assert part.read_bytes() != whole
    with pytest.raises(StoreError, match=r"cannot be read .*nothing was changed"):
        tag_catalog(options)


def test_a_name_that_a_folder_lists_twice_is_one_row_even_at_a_border_of_buckets(
    options: TagOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Walk.batches

    def twice(walk: Walk) -> Iterator[Found]:
        for found in real(walk):
            yield found
            yield Found(*(values[:9] for values in found))

    monkeypatch.setattr(Walk, "batches", twice)
    monkeypatch.setattr(tagger.index.buckets, "bucket_count", lambda found: -(-found // 41))
    assert counted(tag_catalog(options), "new") == (41,)
    assert len(current_rows(options)) == 41
    assert verify(options.index).faults == []


def test_a_first_night_goes_on_with_the_buckets_it_began_with(
    options: TagOptions, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagger.index.buckets, "bucket_count", lambda found: 3)
    for i in range(30):
        (catalog / f"broken-{i}.jpg").write_bytes(b"")
    settle(catalog)
    with pytest.raises(Refused):
        tag_catalog(options)
    monkeypatch.setattr(tagger.index.buckets, "bucket_count", lambda found: 9)
    summary = tag_catalog(replace(options, max_error_rate=1))
    assert summary.reused > 0
    manifest = json.loads(
        ((Path(options.index) / "current").resolve().parent / "manifest.json").read_text()
    )
    assert manifest["buckets"] == 3
    assert verify(options.index).faults == []


def test_a_signal_right_after_a_unit_was_written_mixes_nothing_up(
    options: TagOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagger.index.plan, "UNIT", 5)
    real, calls = os.replace, []

    def replace_and_end(source: Any, target: Any) -> None:
        real(source, target)
        calls.append(target)
        if (
            Path(target).name.startswith("unit-")
            and sum("unit-" in str(call) for call in calls) == 3
        ):
            raise SystemExit(143)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace_and_end)
        with pytest.raises(SystemExit):
            tag_catalog(options)
    assert tag_catalog(options).reused >= 15  # three units; the first task has 16 pictures
    assert_equal_to_a_fresh_index(options)


@pytest.mark.parametrize("moment", ["rename", "point"])
def test_a_signal_while_a_night_is_published_leaves_the_old_night_or_the_new(
    options: TagOptions, catalog: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    first = tag_catalog(options).snapshot
    (catalog / "new.jpg").write_bytes(jpeg(textured(60, 60)))
    os.utime(catalog / "new.jpg", OLD)
    real_rename, real_replace = os.rename, os.replace

    def rename(source: Any, target: Any) -> None:
        real_rename(source, target)
        if Path(target).parent.name == "snapshots":
            raise SystemExit(143)

    def replace_(source: Any, target: Any) -> None:
        real_replace(source, target)
        if Path(target).name == "current":
            raise SystemExit(143)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename) if moment == "rename" else patch.setattr(
            os, "replace", replace_
        )
        with pytest.raises(SystemExit):
            tag_catalog(options)
    record = list_runs(options.index).runs[0]
    if moment == "rename":
        assert Index(options.index).snapshots() == [first]
        assert (record.state, record.snapshot) == ("killed", first)
    else:
        assert (record.state, record.snapshot, record.exit_code) == (
            "published",
            record.run_id,
            143,
        )
        assert len(Index(options.index).snapshots()) == 2
    assert verify(options.index).faults == []
    assert tag_catalog(options).new == (moment == "rename")
    assert_equal_to_a_fresh_index(options)
