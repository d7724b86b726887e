"""Nights on a catalog of millions that is not there, see `synthetic_night`: what they take as it
grows, and how much memory. `make bench`.

BENCH_MADE_UP=1000000,10000000 says how many pictures: half an hour, and 8 GB on the disk.
"""

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from measuring import measured, ratio

pytestmark = pytest.mark.benchmark
__all__ = ["ratio"]  # a fixture
SIZES = [int(size) for size in os.environ.get("BENCH_MADE_UP", "300000,1000000").split(",")]
STAGES = ("walk", "plan", "write", "publish", "total")
NIGHTS = {"first": 0, "nothing changed": 0, "1 % changed": 1}


def test_made_up_nights_as_the_catalog_grows(
    bundle_path: Path, tmp_path_factory: pytest.TempPathFactory, ratio: Any
) -> None:
    per_million: dict[int, dict[str, float]] = {}
    print(
        "\n| pictures | night | s | " + " | ".join(f"{name} s" for name in STAGES) + " | peak MiB |"
    )
    print("|---|---|---|" + "---|" * (len(STAGES) + 1))
    for size in SIZES:
        index = tmp_path_factory.mktemp(f"made-up-{size}") / "index"
        per_million[size] = {}
        for name, changed in NIGHTS.items():
            program = Path(__file__).with_name("synthetic_night.py")
            ended = measured(program, index, bundle_path, size, changed)
            record = json.loads(ended.said)
            counts = record["counts"]
            assert counts["published_rows"] == size
            assert counts["changed"] == counts["tried"] * (name != "first") == size * changed // 100
            stages = " | ".join(f"{record['seconds'].get(stage, 0):.1f}" for stage in STAGES)
            print(
                f"| {size:,} | {name} | {ended.seconds:.1f} | {stages} | {ended.peak_mib:,.0f} |",
                flush=True,
            )
            ratio(f"made-up nights: {name} at {size:,}, MiB / 700", ended.peak_mib / 700)
            per_million[size][name] = 1e6 * ended.seconds / size
    for small, large in pairwise(SIZES):
        for name, seconds in per_million[large].items():
            ratio(
                f"made-up nights: {name}, a picture at {large:,} / at {small:,}",
                seconds / per_million[small][name],
            )
