"""What a night costs beside the least it could cost. Reports; asserts no times. `make bench`."""

import json
import os
import statistics
import time
from pathlib import Path

import pytest
from conftest import jpeg, textured
from test_speed import timed

pytestmark = pytest.mark.benchmark
PICTURES = int(os.environ.get("BENCH_PICTURES", "100000"))
ROUNDS = 5


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in folders of a thousand; each of a hundred contents has many names."""
    root = tmp_path_factory.mktemp("bench-tree")
    contents = []
    for i in range(100):
        contents.append(root / f".content-{i}")
        contents[-1].write_bytes(jpeg(textured(60, 80, seed=i)))
        os.utime(contents[-1], (1.6e9, 1.6e9))
    for i in range(PICTURES):
        folder = root / f"f{i // 1000:04d}"
        folder.mkdir(exist_ok=True)
        os.link(contents[i % 100], folder / f"{i:07d}.jpg")
    return root


def test_a_night_with_nothing_to_do_against_a_bare_walk(bundle_path: Path, tree: Path, tmp_path: Path) -> None:
    tag = ("-m", "jobs.cli", "tag", tree, "--model", bundle_path, "--index", tmp_path / "index", "--json")
    first, _ = timed(*tag)
    bare, ours, walk = [], [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        bare_walk(tree)
        bare.append(time.perf_counter() - start)
        seconds, said = timed(*tag)
        ours.append(seconds)
        summary = json.loads(said)
        assert summary["unchanged"] == PICTURES
        record = tmp_path / "index" / "runs" / f"{summary['run_id']}.json"
        walk.append(json.loads(record.read_text())["seconds"]["walk"])
    middle = {"bare": statistics.median(bare), "ours": statistics.median(ours), "walk": statistics.median(walk)}
    allowed = 1.5 * middle["bare"] + 1
    print(
        f"\n{PICTURES:,} unchanged pictures, median of {ROUNDS}: bare scandir and stat {middle['bare']:.3f} s; a whole "
        f"night, process start included {middle['ours']:.3f} s, of it the walk {middle['walk']:.3f} s. "
        f"Allowed is 1.5 x bare + 1 s = {allowed:.3f} s: {middle['ours'] / allowed:.2f} of it. "
        f"(The first night took {first:.1f} s.)"
    )


def bare_walk(tree: Path) -> None:
    """The walk alone, in this process: no start-up is counted for it."""
    folders, n = [str(tree)], 0
    while folders:
        for entry in os.scandir(folders.pop()):
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            else:
                entry.stat(follow_symlinks=False)
                n += 1
    assert n == PICTURES + 100


def test_a_night_with_one_percent_changed(bundle_path: Path, tree: Path, tmp_path: Path) -> None:
    tag = ("-m", "jobs.cli", "tag", tree, "--model", bundle_path, "--index", tmp_path / "index", "--json")
    full, said = timed(*tag)
    summary = json.loads(said)
    changed = sorted(tree.glob("f*/*.jpg"))[::100]
    for i, path in enumerate(changed):
        path.unlink()
        path.write_bytes(jpeg(textured(60, 80, seed=1000 + i)))
        os.utime(path, (1.61e9, 1.61e9))
    few, said = timed(*tag)
    night = json.loads(said)
    assert (night["changed"], night["scored"]) == (len(changed), len(changed))
    none, _ = timed(*tag)
    print(
        f"\n{PICTURES:,} pictures: full night {full:.2f} s ({summary['scored']:,} contents scored), "
        f"1 % changed {few:.2f} s ({night['scored']:,} scored), nothing changed {none:.2f} s; "
        f"1 % costs {few / full:.3f} of a full night"
    )
