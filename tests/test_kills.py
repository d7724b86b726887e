"""Nights that are killed with SIGKILL at any moment, with changes between: nothing is lost, nothing
is twice."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from nights import World, wait_until
from small_nights import UNIT

from jobs.verify import verify
from tagger.imaging.worker import CHUNK

pytestmark = pytest.mark.serial

WORKERS = 2


def check_nights(folder: Path, model: Path, *, kills: int, seed: int) -> str:
    """Kill runs until `kills` of them died, and return the numbers."""
    world, random = World(folder, model, seed=seed, pictures=500), np.random.default_rng(seed)
    whole, killed, nights, lost, before_first = 3.0, 0, 0, [], 0
    while killed < kills:
        world.meddle(int(random.integers(0, 60)))
        if (world.index / "current").is_symlink():
            world.say(int(random.integers(0, 5)))
        process, again = world.start("--workers", WORKERS), world.scored_again()
        moment = random.random()
        if moment < 0.5:
            time.sleep(whole * random.random())
        elif moment < 0.75:  # while it publishes: that is short, and where most can go wrong
            wait_until(lambda: bool(list(world.index.glob("_staging/snapshot-*"))), process)
            time.sleep(0.04 * random.random())
        else:  # while it scores
            staged = world.staged_rows() if world.index.is_dir() else 0
            wait_until(
                lambda staged=staged: world.index.is_dir() and world.staged_rows() > staged, process
            )
        process.kill()
        process.communicate()
        died = process.returncode == -9
        killed += died
        if (world.index / "current").is_symlink():
            assert verify(str(world.index)).faults == []
            world.follow()
        else:
            before_first += 1
        if random.random() < 0.3 or not died:
            start = time.monotonic()
            world.run_apart()
            whole = 0.5 * whole + 0.5 * (time.monotonic() - start)
            nights += 1
            world.rows_equal_files()
            world.follow()
        lost.append(world.scored_again() - again)
    world.run()
    world.rows_equal_files()
    world.follow()
    world.equals_an_undisturbed_run()
    assert verify(str(world.index)).faults == []
    assert not list((world.index / "_staging").iterdir())
    # The unit in hand, and the batches that its last pictures were in: less than a unit per worker.
    assert max(lost) < UNIT + 2 * CHUNK < WORKERS * UNIT, (
        "more than the unit that was being scored was lost"
    )
    return (
        f"{killed} kills, {before_first} of them before the first snapshot; {nights + 1} nights; "
        f"{len(world.scored.read_text().split()):,} pictures scored, {world.scored_again()} of "
        "them again, "
        f"at most {max(lost)} for one kill (a unit is {UNIT})"
    )


def test_ten_kills_lose_nothing(bundle_path: Path, tmp_path: Path) -> None:
    print(check_nights(tmp_path, bundle_path, kills=10, seed=int(os.environ.get("SEED", "1"))))


@pytest.mark.long
def test_five_hundred_kills_lose_nothing(bundle_path: Path, tmp_path: Path) -> None:
    print(
        "\n" + check_nights(tmp_path, bundle_path, kills=500, seed=int(os.environ.get("SEED", "2")))
    )
