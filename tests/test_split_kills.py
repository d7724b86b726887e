"""A night in which buckets are split, killed with SIGKILL at one moment after the other: the next
night gives the rows of one that nobody killed."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from nights import World, lasting, wait_until
from small_nights import BUCKETS, HELD, PICTURES, UNIT

from jobs.verify import verify
from tagger.index.store import Index

pytestmark = pytest.mark.serial

FEW = 2 * PICTURES * BUCKETS - 60
MANY = FEW + 150

MOMENTS = {
    "a partition is planned": (1, "_staging/spill-*/plan-*.arrow"),
    "half of the units are staged": (4, "_staging/*/unit-*.parquet"),
    "half of the parts are written": (BUCKETS, "_staging/snapshot-*/*/part-*.parquet"),
    "the night is published": (2, "snapshots/*/manifest.json"),
}
"""How many files of which names lie in the index at a moment."""


def manifest(index: Path) -> dict[str, Any]:
    return dict(json.loads((index / "current" / os.pardir / "manifest.json").read_text()))


def changes(index: Path) -> list[dict[str, str]]:
    feed = pq.read_table(Path(os.path.realpath(index / "current")).parent / "changes.parquet")
    return list(feed.sort_by("image_id").to_pylist())


def killed(world: World, n: int, names: str) -> None:
    """Kill a night as soon as so many files of these names lie in the index; readers see a whole
    one."""
    process = world.start("--workers", 1)
    wait_until(lambda: len(list(world.index.glob(names))) >= n, process)
    process.kill()
    process.communicate()
    assert process.returncode == -9
    assert verify(str(world.index)).faults == []


def test_a_night_that_splits_buckets_is_gone_on_with_wherever_it_was_killed(
    bundle_path: Path, tmp_path: Path
) -> None:
    world = World(tmp_path, bundle_path, seed=5, pictures=FEW)
    world.run()
    world.follow()
    first = world.index
    assert (manifest(first)["buckets"], FEW > HELD) == (BUCKETS, True)
    for _ in range(MANY - FEW):
        world.add()
    for change in (world.edit, world.touch, world.rename, world.copy, world.delete) * 3:
        change()
    world.say(20)
    before = world.table, world.seen

    undisturbed = world.index = tmp_path / "undisturbed"
    shutil.copytree(first, world.index, symlinks=True)
    world.run()
    expected = lasting(world.read())
    assert manifest(undisturbed)["buckets"] == 2 * BUCKETS
    assert changes(undisturbed)

    for moment, (n, names) in MOMENTS.items():
        world.index = tmp_path / moment
        world.scored.write_text("")
        shutil.copytree(first, world.index, symlinks=True)
        world.table, world.seen = before
        killed(world, n, names)
        world.follow()
        published = manifest(world.index)["buckets"] == 2 * BUCKETS
        assert not published or "published" in moment

        world.run()
        world.follow()
        assert lasting(world.read()).equals(expected), moment
        assert manifest(world.index)["buckets"] == 2 * BUCKETS
        assert changes(world.index) == changes(undisturbed), moment
        assert verify(str(world.index)).faults == []
        assert not list((world.index / "_staging").iterdir())
        assert world.scored_again() <= UNIT, moment


def test_rows_that_were_staged_before_buckets_are_split_are_taken_afterwards(
    bundle_path: Path, tmp_path: Path
) -> None:
    world = World(tmp_path, bundle_path, seed=6, pictures=FEW)
    world.run()
    for _ in range(150):
        world.edit()
    killed(world, 1, "_staging/*/unit-*-of-00003.parquet")
    staged = world.staged_rows()
    for _ in range(MANY - FEW):
        world.add()
    world.run()
    assert manifest(world.index)["buckets"] == 2 * BUCKETS
    (last, *_) = Index(world.index).runs.newest_first()
    assert last.counts is not None
    assert last.counts.reused == staged > 0
    world.rows_equal_files()
    world.equals_an_undisturbed_run()
    assert verify(str(world.index)).faults == []
