"""What the report of a night costs: at a million rows under 30 seconds and a gigabyte.

`make bench`. BENCH_REPORT=1000000 says how many rows.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from made_nights import MODEL, MadeNight, row_labels
from measuring import measured, ratio

pytestmark = pytest.mark.benchmark
__all__ = ["ratio"]  # a fixture
ROWS = int(os.environ.get("BENCH_REPORT", "1000000"))
GROUPS = {"color": 20, "type": 20, "style": 8}
LABELS = row_labels({g: [f"{g} {i}" for i in range(n)] for g, n in GROUPS.items()}, 0.5)
REPORT = Path(__file__).with_name("report_once.py")


def image_id(i: int) -> str:
    return f"2026/autumn-winter/{i // 1000:04d}/item-{i:07d}-front.jpg"


def content(i: int) -> str:
    return hashlib.sha256(b"%d" % i).hexdigest()


NIGHT = MadeNight(ROWS, image_id, content, {MODEL: LABELS}, ["color", "type"])


def test_a_night_is_told_in_half_a_minute_and_a_gigabyte(tmp_path: Path, ratio: Any) -> None:
    NIGHT.publish(tmp_path / "index")
    index = NIGHT._replace(drawn_anew=0.1).publish(tmp_path / "index")
    ended = measured(REPORT, index.path, tmp_path / "night.html")
    seconds = json.loads(ended.said)["seconds"]
    size = (tmp_path / "night.html").stat().st_size
    print(f"\n{ROWS:,} rows: {seconds:.1f} s, peak {ended.peak_mib:,.0f} MiB, page {size:,} bytes")
    ratio(f"report: seconds with {ROWS:,} rows / 30 s", seconds / 30)
    ratio(f"report: peak with {ROWS:,} rows / 1 GB", ended.peak_mib / 953.7)
    assert seconds < 30
    assert ended.peak_mib < 953.7
