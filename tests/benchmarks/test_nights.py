"""What nights cost as a catalog grows, beside the least they could cost. Reports; asserts no times.
`make bench`.

BENCH_NIGHTS=100000,1000000 says how many pictures: links to a hundred small contents, so nearly all
of it is walk, plan, reading, carrying over and publishing, and next to nothing the network.
"""

import json
import os
import statistics
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import jpeg, textured
from measuring import Ended, measured, ratio

pytestmark = pytest.mark.benchmark
__all__ = ["ratio"]  # a fixture
SIZES = [int(size) for size in os.environ.get("BENCH_NIGHTS", "100000").split(",")]
STAGES = ("walk", "plan", "wait", "publish", "total")


def grow(root: Path, pictures: int) -> None:
    """Add links until there are so many, a multiple of 1,000, in folders of a thousand."""
    assert pictures % 1000 == 0
    contents = [root / f".content-{i}" for i in range(100)]
    for i, content in enumerate(contents):
        if not content.exists():
            content.write_bytes(jpeg(textured(60, 80, seed=i)))
            os.utime(content, (1.6e9, 1.6e9))
    have = 1000 * len(list(root.glob("f*")))
    for i in range(have, pictures):
        folder = root / f"f{i // 1000:04d}"
        if i % 1000 == 0:
            folder.mkdir()
        os.link(contents[i % 100], folder / f"{i:07d}.jpg")


def bare_walk(root: Path, pictures: int) -> float:
    """Return the seconds of scandir and stat alone, in this process: no start-up is counted for
    it."""
    start, folders, n = time.perf_counter(), [str(root)], 0
    while folders:
        for entry in os.scandir(folders.pop()):
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            else:
                entry.stat(follow_symlinks=False)
                n += 1
    assert n == pictures + 100
    return time.perf_counter() - start


def night(root: Path, model: Path, index: Path) -> tuple[Ended, dict[str, Any]]:
    ended = measured("-m", "jobs.cli", "tag", root, "--model", model, "--index", index, "--json")
    summary = json.loads(ended.said)
    return ended, json.loads((index / "runs" / f"{summary['run_id']}.json").read_text())


def query(index: Path, pictures: int) -> float:
    """Return the seconds of the page's counts per color and garment: of every row, where others
    may skip some."""
    path = os.path.realpath(index / "current")
    start = time.perf_counter()
    rows = pd.read_parquet(path, columns=["color", "garment"], filters=[("status", "==", "ok")])
    counts = rows.fillna("none").value_counts(["color", "garment"])
    assert int(counts.sum()) == pictures
    return time.perf_counter() - start


def test_nights_as_the_catalog_grows(
    bundle_path: Path, tmp_path_factory: pytest.TempPathFactory, ratio: Any
) -> None:
    root = tmp_path_factory.mktemp("bench-tree")
    per_million: dict[int, dict[str, float]] = {}
    print(
        "\n| pictures | night | s | " + " | ".join(f"{name} s" for name in STAGES) + " | peak MiB |"
    )
    print("|---|---|---|" + "---|" * (len(STAGES) + 1))
    for size in SIZES:
        grow(root, size)
        index = tmp_path_factory.mktemp(f"index{size}") / "index"
        found = {
            "first": night(root, bundle_path, index),
            "nothing changed": night(root, bundle_path, index),
        }
        bare = statistics.median(bare_walk(root, size) for _ in range(3))
        assert found["nothing changed"][1]["counts"]["unchanged"] == size
        few = sorted(root.glob("f*/*.jpg"))[::100]
        for i, path in enumerate(few):
            path.unlink()
            path.write_bytes(
                jpeg(textured(60, 80, seed=1000 + i % 500)) + (size + i).to_bytes(4, "little")
            )
            os.utime(path, (1.61e9 + size + i, 1.61e9 + size + i))
        found["1 % changed"] = night(root, bundle_path, index)
        counts = found["1 % changed"][1]["counts"]
        assert (counts["changed"], counts["scored"]) == (len(few), len(few))
        for name, (ended, record) in found.items():
            stages = " | ".join(f"{record['seconds'].get(stage, 0):.2f}" for stage in STAGES)
            print(
                f"| {size:,} | {name} | {ended.seconds:.1f} | {stages} | {ended.peak_mib:,.0f} |",
                flush=True,
            )
        asked = min(query(index, size) for _ in range(3))
        nothing = found["nothing changed"][0]
        print(f"{size:,}: pandas query {asked:.2f} s; bare walk {bare:.2f} s")
        ratio(
            f"nights: nothing changed at {size:,} / (1.5 bare walks + 1 s)",
            nothing.seconds / (1.5 * bare + 1),
        )
        per_million[size] = {name: 1e6 * ended.seconds / size for name, (ended, _) in found.items()}
        per_million[size]["query"] = 1e6 * asked / size
    for small, large in pairwise(SIZES):
        for name, seconds in per_million[large].items():
            ratio(
                f"nights: {name}, a picture at {large:,} / at {small:,}",
                seconds / per_million[small][name],
            )
