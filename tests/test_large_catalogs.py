"""A catalog that memory does not hold is planned and published by partition, in files, with the
same outcome; and buckets are split as a catalog grows. Here memory holds few pictures."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import current_rows, jpeg, settle, textured
from hypothesis import given
from hypothesis import strategies as st

import tagger.catalog
import tagger.index.buckets
import tagger.index.plan
import tagger.index.spill
from jobs.tag_catalog import TagOptions, dry_run, tag_catalog
from jobs.verify import verify
from tagger.catalog import Found, Walk
from tagger.digests import Contents, sorted_keys
from tagger.errors import Refused
from tagger.index.buckets import (
    MOST,
    PICTURES,
    Partitions,
    bucket_count,
    bucket_count_tonight,
    bucket_of,
    buckets_of,
)
from tagger.index.catalog_plan import CatalogPlan, together
from tagger.index.known_contents import sorted_contents
from tagger.index.listing import Listing
from tagger.index.plan_making import KNOWN, Before, Rules, behind_since, make_plan, within_limit
from tagger.index.spill import Spill
from tagger.index.staging import KEYS, Staging, may_hold
from tagger.index.store import Index
from tagger.machine import machine_fault
from tagger.nightly.gone import where_they_lay

NAMES = st.integers(0, 30).map(lambda n: f"{n:02d}.jpg")
FACTS = st.tuples(st.integers(0, 2), st.integers(0, 2))
FILES = st.lists(st.tuples(NAMES, FACTS), min_size=1, max_size=40)
ROWS = st.dictionaries(NAMES, st.tuples(FACTS, st.booleans(), st.booleans(), st.booleans()))
STAGED = st.lists(st.tuples(NAMES, FACTS, st.booleans()), max_size=8)
NO_CONTENTS = Contents(np.zeros((0, 2), np.uint64))
BUCKETS = 6


def known(rows: dict[str, Any], buckets: list[int]) -> pa.Table:
    tuples = [
        (name, *facts, bucket, failed, misread or (behind and not failed), misread)
        for name, (facts, failed, behind, misread) in rows.items()
        if (bucket := bucket_of(name, BUCKETS)) in buckets
    ]
    return pa.table(list(zip(*tuples, strict=True)) or [[]] * len(KNOWN), schema=KNOWN)


def keys(staged: list[Any], buckets: list[int]) -> pa.Table:
    rows = [
        (name, None, *facts, False, good, False, True, 0, at)
        for at, (name, facts, good) in enumerate(staged)
        if bucket_of(name, BUCKETS) in buckets
    ]
    return pa.table(list(zip(*rows, strict=True)) or [[]] * len(KEYS), schema=KEYS)


def planned(
    files: list[Any], rows: Any, staged: list[Any], unsettled: set[str], rules: Rules, spill: Spill
) -> CatalogPlan:
    listing = Listing(spill)
    for name, (size, time) in files:
        listing.add(Found([name.encode()], [size], [time]))
    partitions = Partitions(BUCKETS, before=3, wanted=listing.partitions)
    listing.deal(partitions)
    newest = None
    if rules.backfill_limit is not None and len(partitions) > 1:
        both = zip(partitions, listing, strict=True)
        times = (behind_since(table, [known(rows, of.tolist())]) for of, table in both)
        newest = within_limit(times, rules.backfill_limit)
    plans = []
    marked = partitions.split(pa.array(sorted(unsettled), pa.large_string()))
    for of, table, again in zip(partitions, listing, marked, strict=True):
        before = Before([known(rows, of.tolist())], again, keys(staged, of.tolist()), NO_CONTENTS)
        plans.append(make_plan(table, before, rules, BUCKETS, newest))
        newest = newest.after(plans[-1].ties) if newest else None
    listing.clear()
    return together(plans, partitions, [], spill)


def outcomes(plan: CatalogPlan) -> dict[str, Any]:
    rows = pa.concat_tables(part.table() for part in plan).to_pylist()
    return {row.pop("image_id"): row for row in rows}


@given(
    FILES,
    ROWS,
    STAGED,
    st.sets(NAMES),
    st.booleans(),
    st.booleans(),
    st.one_of(st.none(), st.integers(0, 12)),
    st.integers(1, 20),
)
def test_a_plan_by_partitions_is_the_plan_of_all_at_once(
    files: list[Any],
    rows: Any,
    staged: list[Any],
    unsettled: set[str],
    full: bool,
    retry: bool,
    limit: int | None,
    held: int,
) -> None:
    rules = Rules(full, retry, limit)
    with Spill(None) as none, Spill(None, held=held) as spill:
        whole = planned(files, rows, staged, unsettled, rules, none)
        parts = planned(files, rows, staged, unsettled, rules, spill)
        assert parts.counts == whole.counts
        mine, others = outcomes(parts), outcomes(whole)
        assert parts.carried.tolist() == [
            sum(row["carried"] and row["bucket"] == b for row in mine.values())
            for b in range(BUCKETS)
        ]
        assert mine.keys() == others.keys() == {name for name, _ in files}
        for name, row in mine.items():
            differs = {column for column in row if row[column] != others[name][column]}
            if differs:  # of files of one moment at the limit, any may be the last ones within
                assert limit is not None
                moment = row["mtime_ns"]
                assert any(r["mtime_ns"] == moment for n, r in mine.items() if n != name)
        units = [unit["image_id"] for part in parts for _, unit in part.units()]
        assert sorted(str(name) for unit in units for name in unit) == sorted(
            name for name, row in mine.items() if not row["carried"] and row["staged_file"] < 0
        )


@given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=5), max_size=6), st.integers(1, 9))
def test_known_contents_in_a_file_are_those_in_memory(blocks: list[list[int]], held: int) -> None:
    keys = [np.array([(n, n % 7) for n in block], np.uint64).reshape(-1, 2) for block in blocks]
    expected = sorted_keys(np.concatenate([np.zeros((0, 2), np.uint64), *keys]))
    with Spill(None, held=held) as spill:
        assert np.array_equal(sorted_contents(keys, spill), expected)


@given(st.lists(st.text(max_size=9), max_size=9), st.integers(1, MOST))
def test_buckets_of_many_are_those_of_each(ids: list[str], buckets: int) -> None:
    found = buckets_of(pa.array(ids, pa.large_string()), buckets)
    assert found.tolist() == [bucket_of(image_id, buckets) for image_id in ids]


@given(st.integers(1, 40), st.integers(0, 3), st.integers(1, 9))
def test_partitions_are_whole_buckets_and_halves_are_neighbours(
    before: int, doublings: int, wanted: int
) -> None:
    partitions = Partitions(before * 2**doublings, before=before, wanted=wanted)
    order = np.concatenate(list(partitions))
    assert sorted(order.tolist()) == list(range(before * 2**doublings))
    assert (np.diff(order % before) >= 0).all()
    for at, part in enumerate(partitions):
        assert (partitions.of[part] == at).all()


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 10**6))
def test_a_unit_is_read_for_every_bucket_that_its_rows_may_be_in(
    then: int, now: int, n: int
) -> None:
    path = Staging(Path("s")).unit("run", 7, bucket_of(str(n), then), then)
    assert may_hold(path, np.array([bucket_of(str(n), now)], np.int32), now)
    if then == now:
        others = [b for b in range(now) if b != bucket_of(str(n), now)]
        assert not may_hold(path, np.array(others, np.int32), now)


def test_a_unit_of_an_earlier_version_may_hold_anything() -> None:
    path = Path("unit-20260101T000000Z-0000-000003-of-256.parquet")
    assert may_hold(path, np.array([5], np.int32), 512)


def test_buckets_double_when_they_hold_twice_what_they_were_made_for() -> None:
    assert bucket_count_tonight(None, 100_001) == bucket_count(100_001) == 3
    assert bucket_count_tonight(1, 2 * PICTURES) == 1
    assert bucket_count_tonight(1, 2 * PICTURES + 1) == 2
    assert bucket_count_tonight(256, 60_000_000) == 1024
    assert bucket_count_tonight(5, 1) == 5  # they are never joined
    assert bucket_count_tonight(256, 10**12) == MOST


def test_a_folder_of_many_pictures_comes_in_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(100):
        (tmp_path / f"{i}.jpg").touch()
    monkeypatch.setattr(tagger.catalog, "_BATCH", 30)
    monkeypatch.setattr(tagger.catalog, "_ENTRIES", 16)
    batches = [len(found.ids) for found in Walk(tmp_path).batches()]
    assert max(batches) <= 30 + 16
    assert sum(batches) == 100


def test_nobody_is_gone_from_nowhere() -> None:
    assert where_they_lay(iter(())) == ""
    assert where_they_lay(iter(["a.jpg"])) == "all were in './', the first is 'a.jpg'"


@pytest.fixture
def options(catalog: Path, bundle_path: Path, tmp_path: Path) -> TagOptions:
    return TagOptions(str(catalog), str(bundle_path), str(tmp_path / "index"), workers=2)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Memory holds ten pictures, a bucket has some seven."""
    monkeypatch.setattr(tagger.index.spill, "HELD", 10)
    monkeypatch.setattr(tagger.index.buckets, "PICTURES", 7)
    monkeypatch.setattr(tagger.index.plan, "UNIT", 5)
    return monkeypatch


def manifest(options: TagOptions) -> dict[str, Any]:
    rows = Path(os.path.realpath(Path(options.index) / "current"))
    return dict(json.loads((rows.parent / "manifest.json").read_text()))


def changes(options: TagOptions) -> list[str]:
    rows = Path(os.path.realpath(Path(options.index) / "current"))
    return list(pq.read_table(rows.parent / "changes.parquet")["image_id"].to_pylist())


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    os.utime(path, (1.6e9, 1.6e9))
    return path


def test_nights_by_partition_publish_what_nights_at_once_do(
    options: TagOptions, catalog: Path, tmp_path: Path, small: pytest.MonkeyPatch
) -> None:
    other = replace(options, index=str(tmp_path / "at-once"))
    for night in range(3):
        tag_catalog(options)
        with small.context() as large:
            large.setattr(tagger.index.spill, "HELD", 1000)
            tag_catalog(other)
        assert not list((Path(options.index) / "_staging").iterdir())
        drop = ["scored_at", "first_seen"]
        pd.testing.assert_frame_equal(
            current_rows(options).drop(columns=drop), current_rows(other).drop(columns=drop)
        )
        assert sorted(changes(options)) == sorted(changes(other))
        assert verify(options.index).faults == []
        touched, edited, gone, *_ = sorted(catalog.rglob("*.jpg"))[night:]
        os.utime(touched, (1.6e9, 1.6e9 + night))
        edited.write_bytes(jpeg(textured(40, 40, seed=night)))
        gone.unlink()
        settle(catalog)


def test_a_night_without_changes_reads_nothing_and_stays(
    options: TagOptions, small: pytest.MonkeyPatch
) -> None:
    first = tag_catalog(options)
    again = tag_catalog(options)
    assert (again.snapshot, again.unchanged) == (first.snapshot, first.found)
    assert not list((Path(options.index) / "_staging").iterdir())


def test_a_dry_run_of_a_large_catalog_touches_nothing(
    options: TagOptions, small: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    small.setattr("tempfile.tempdir", str(temporary))
    assert dry_run(options).plan == tag_catalog(options).plan
    assert list(temporary.iterdir()) == []


def test_buckets_that_are_split_keep_every_row_and_the_change_feed_says_nothing_of_it(
    options: TagOptions, catalog: Path, small: pytest.MonkeyPatch
) -> None:
    tag_catalog(options)
    before = current_rows(options)
    buckets = manifest(options)["buckets"]
    small.setattr(tagger.index.buckets, "PICTURES", 2)
    new = put(catalog / "new.jpg", jpeg(textured(40, 40, seed=99)))
    report = tag_catalog(options)
    assert (report.new, report.unchanged) == (1, len(before))
    assert manifest(options)["buckets"] == 2 * buckets
    assert changes(options) == ["new.jpg"]
    pd.testing.assert_frame_equal(current_rows(options).drop("new.jpg"), before)
    assert verify(options.index).faults == []
    small.setattr(tagger.index.buckets, "PICTURES", 50_000)
    new.unlink()
    tag_catalog(options)
    assert manifest(options)["buckets"] == 2 * buckets  # they are never joined
    pd.testing.assert_frame_equal(current_rows(options), before)


def test_a_night_that_only_splits_buckets_is_published(
    options: TagOptions, small: pytest.MonkeyPatch
) -> None:
    first = tag_catalog(options)
    before = current_rows(options)
    small.setattr(tagger.index.buckets, "PICTURES", 1)
    second = tag_catalog(options)
    assert second.snapshot != first.snapshot
    assert second.unchanged == first.found
    assert manifest(options)["buckets"] == 24 == 4 * 6
    assert changes(options) == []
    pd.testing.assert_frame_equal(current_rows(options), before)
    assert verify(options.index).faults == []
    assert tag_catalog(options).snapshot == second.snapshot


def test_an_interrupted_night_that_was_to_split_buckets_is_gone_on_with(
    options: TagOptions, catalog: Path, small: pytest.MonkeyPatch
) -> None:
    tag_catalog(options)
    before = current_rows(options)
    small.setattr(tagger.index.buckets, "PICTURES", 2)
    for i in range(30):
        put(catalog / f"broken-{i}.jpg", b"")
        put(catalog / f"new-{i}.jpg", jpeg(textured(40, 40, seed=i)))
    with pytest.raises(Refused, match="tried failed"):
        tag_catalog(options)
    report = tag_catalog(replace(options, max_error_rate=1))
    assert report.reused > 0
    assert report.reused + report.scored <= 61
    assert report.failed_now == 30 == sum(report.failed_by_status.values())
    assert sorted(failure.image_id for failure in report.failures)[0].startswith("broken-")
    assert verify(options.index).faults == []
    after = current_rows(options)
    pd.testing.assert_frame_equal(after.loc[before.index], before)
    assert len(after) == len(before) + 60


def test_a_catalog_that_lies_elsewhere_takes_all_its_scores_along(
    options: TagOptions, catalog: Path, tmp_path: Path, small: pytest.MonkeyPatch
) -> None:
    tag_catalog(options)
    before = current_rows(options)
    moved = tmp_path / "moved"
    shutil.copytree(catalog, moved / "deeper")
    settle(moved)
    elsewhere = replace(options, catalog=str(moved), same_catalog=True, max_delete_rate=1)
    report = tag_catalog(elsewhere)
    assert (report.scored, report.new) == (0, len(before))
    after = current_rows(options)
    after.index = after.index.str.removeprefix("deeper/")
    same = ["content_sha256", "status", "color", "garment", "color_score", "model_id"]
    pd.testing.assert_frame_equal(after[same], before.sort_index()[same])
    assert verify(options.index).faults == []


def test_what_is_gone_from_a_large_catalog_is_told_as_ever(
    options: TagOptions, catalog: Path, small: pytest.MonkeyPatch
) -> None:
    for i in range(30):
        (catalog / "autumn").mkdir(exist_ok=True)
        (catalog / "autumn" / f"{i}.jpg").write_bytes(jpeg(textured(40, 40, seed=i)))
    settle(catalog)
    tag_catalog(options)
    shutil.rmtree(catalog / "autumn")
    with pytest.raises(Refused, match=r"30 of 71 .*all were in 'autumn/', the first is 'autumn/0"):
        tag_catalog(options)
    assert not list((Path(options.index) / "_staging").iterdir())


def test_what_a_killed_run_left_of_its_spill_goes(
    options: TagOptions, small: pytest.MonkeyPatch
) -> None:
    tag_catalog(options)
    left = Path(options.index) / "_staging" / "spill-abc"
    left.mkdir()
    (left / "walk.arrow").write_bytes(b"x")
    tag_catalog(options)
    assert not left.exists()


def test_a_backfill_of_a_large_catalog_takes_exactly_as_many_as_it_may() -> None:
    same = {f"{n:02d}.jpg": ((1, 1), False, True, False) for n in range(30)}
    files = [(name, (1, 1)) for name in same]
    with Spill(None, held=5) as spill:
        plan = planned(files, same, [], set(), Rules(backfill_limit=7), spill)
        assert len(plan.partitions) == BUCKETS
        assert (plan.counts.rescored, plan.counts.behind) == (7, 23)


def test_a_disk_that_fills_up_under_the_walk_costs_nothing(
    options: TagOptions, tmp_path: Path, small: pytest.MonkeyPatch
) -> None:
    first = tag_catalog(options)
    full = tmp_path / "full"
    full.mkdir()
    (full / "walk.arrow").symlink_to("/dev/full")
    with small.context() as meanwhile:
        meanwhile.setattr("tempfile.mkdtemp", lambda **_: str(full))
        with pytest.raises(OSError, match="No space left on device") as error:
            tag_catalog(options)
    assert "room on a disk" in str(machine_fault(error.value))
    assert not full.exists()
    (run, *_) = Index(options.index).runs.newest_first()
    assert (run.state, run.exit_code) == ("failed", 1)
    assert "room on a disk" in str(run.message)
    assert tag_catalog(options).snapshot == first.snapshot
