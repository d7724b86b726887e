"""The change feed: whoever applies it night by night, or reloads when told to, has exactly the
current snapshot."""

import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nights import NOTHING, World, consumer

from jobs.runs import list_runs, roll_back
from jobs.tag_catalog import TagOptions, tag_catalog
from tagger.index.store import Index

EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("night"), st.integers(0, 6)),
        st.tuples(st.just("rollback"), st.integers(0, 9)),
        st.tuples(st.just("retry"), st.just(0)),
        st.tuples(st.just("full"), st.just(0)),
        st.tuples(st.just("oversleep"), st.integers(1, 3)),
    ),
    min_size=2,
    max_size=7,
)


def check_feed(model: Path, events: list[tuple[str, int]], seed: int) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        world = World(folder, model, seed=seed, pictures=12)
        options = TagOptions(
            str(world.catalog), str(model), str(world.index), workers=1, max_error_rate=1
        )
        tag_catalog(options)
        world.follow()
        asleep = 0
        for what, n in events:
            if what == "rollback":
                kept = Index(world.index).snapshots()
                roll_back(str(world.index), kept[n % len(kept)])
            elif what == "oversleep":
                asleep = n
            else:
                world.meddle(n)
                flags = {"full": what == "full", "retry_errors": what == "retry"}
                tag_catalog(TagOptions(**vars(options) | {"max_delete_rate": 1.0} | flags))
                world.rows_equal_files()
            if asleep:
                asleep -= 1
            else:
                world.follow()
        world.follow()
        states = [record.state for record in list_runs(str(world.index), 99).runs]
        assert set(states) <= {"published", "unchanged", "rolled_back"}
    finally:
        shutil.rmtree(folder)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(EVENTS, st.integers(0, 99))
def test_applying_the_feed_gives_the_snapshot(
    bundle_path: Path, events: list[tuple[str, int]], seed: int
) -> None:
    check_feed(bundle_path, events, seed)


@pytest.mark.long
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(EVENTS, st.integers(0, 99))
def test_applying_the_feed_gives_the_snapshot_a_hundred_times(
    bundle_path: Path, events: list[tuple[str, int]], seed: int
) -> None:
    check_feed(bundle_path, events, seed)


def test_nights_with_nothing_but_deletions_or_nothing_at_all_to_tell(
    bundle_path: Path, tmp_path: Path
) -> None:
    world = World(tmp_path, bundle_path, seed=1, pictures=12)
    options = TagOptions(
        str(world.catalog), str(bundle_path), str(world.index), workers=1, max_error_rate=1
    )
    tag_catalog(options)
    world.follow()
    world.delete()
    tag_catalog(options)
    world.follow()
    picture = world.any_picture()
    soon = time.time() + 1.8
    os.utime(picture, (soon, soon))  # unsettled when it is read
    tag_catalog(options)
    world.follow()
    seen = world.seen
    time.sleep(max(0, soon + 2.2 - time.time()))
    assert (
        tag_catalog(options).unchanged == 11
    )  # read again and found the same: a new night without a change
    assert (world.index / "current").resolve().parent.name != seen
    world.follow()


def test_whoever_missed_a_night_is_told_to_reload(
    bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world, follow = World(tmp_path, bundle_path, seed=1, pictures=12), consumer()
    options = TagOptions(
        str(world.catalog), str(bundle_path), str(world.index), workers=1, max_error_rate=1
    )
    first = tag_catalog(options).snapshot
    table, seen = follow(world.index, NOTHING, None)
    assert seen == first
    for _ in range(2):
        world.add()
        tag_catalog(options)
    capsys.readouterr()
    table, seen = follow(world.index, table, seen)
    assert f"{first} is not the parent of {seen}: reload" in capsys.readouterr().out
    assert table.sort_by("image_id").equals(world.read().sort_by("image_id"))
    roll_back(str(world.index), first)
    table, seen = follow(world.index, table, seen)
    assert seen == first
    assert "reload" in capsys.readouterr().out
    assert table.equals(world.read())
