"""When a picture was found first: kept as long as the picture stays, whatever happens to it."""

import os
import time
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from nights import World

from tagger.index.merge import with_first_seen


def seen(world: World) -> pd.Series:
    rows = pd.read_parquet(os.path.realpath(world.index / "current"))
    moments: pd.Series = rows.set_index("image_id")["first_seen"]
    return moments


@pytest.fixture
def world(tmp_path: Path, bundle_path: Path) -> World:
    world = World(tmp_path, bundle_path, seed=4, pictures=8)
    world.run()
    return world


def test_all_pictures_of_the_first_night_have_its_beginning(world: World) -> None:
    first = seen(world)
    assert first.notna().all()
    assert first.nunique() == 1
    assert str(first.iloc[0].tz) == "UTC"


def test_an_edit_a_touch_and_another_reading_change_nothing(world: World) -> None:
    before = seen(world)
    world.edit()
    world.touch()
    world.say(2)
    world.run("--full")
    assert seen(world).equals(before)


def test_a_new_name_and_what_comes_back_are_new(world: World) -> None:
    before = seen(world)
    time.sleep(1.1)  # moments are whole seconds
    gone = world.any_picture()
    data = gone.read_bytes()
    gone.unlink()
    world.add()
    world.run()
    after = seen(world)
    new = after[~after.index.isin(before.index)]
    assert (new > before.iloc[0]).all()
    assert after[after.index.isin(before.index)].equals(before[before.index.isin(after.index)])
    gone.write_bytes(data)
    world.run()
    assert seen(world)[str(gone.relative_to(world.catalog))] >= new.iloc[0]


def test_what_an_earlier_version_found_has_none() -> None:
    kind = pa.timestamp("us", tz="UTC")
    before = pa.table({"image_id": ["old.jpg"], "first_seen": pa.nulls(1, kind)})
    fresh = pa.table({"image_id": ["old.jpg", "new.jpg"], "first_seen": pa.nulls(2, kind)})
    now = pd.Timestamp("2026-11-28", tz="UTC").to_pydatetime()
    found = with_first_seen(fresh, before, now)["first_seen"].to_pylist()
    assert found == [None, now]
