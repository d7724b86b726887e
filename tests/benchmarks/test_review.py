"""What looking at a night costs: every filter and order under half a second at a million rows, the
process under a gigabyte. `make bench`.

BENCH_REVIEW=1000000 says how many rows, and BENCH_CORRECTIONS=200000 how many lines were said.
"""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_nights import MODEL, MadeNight, correction, row_labels
from measuring import measured, ratio

from schemas.corrections import Answer, Correction
from tagger.index.corrections import CorrectionLog
from tagger.index.store import Index

pytestmark = pytest.mark.benchmark
__all__ = ["ratio"]  # a fixture
ROWS = int(os.environ.get("BENCH_REVIEW", "1000000"))
CORRECTIONS = int(os.environ.get("BENCH_CORRECTIONS", "200000"))
GROUPS = {"color": 20, "type": 20, "style": 8}
NAMES = {group: [f"{group} {i}" for i in range(n)] for group, n in GROUPS.items()}
LABELS = row_labels(NAMES, 0.5)
QUERIES = Path(__file__).with_name("review_queries.py")


def image_id(i: int) -> str:
    kind = ("dresses", "shoes", "outerwear")[i % 3]
    return f"2026/autumn-winter/{kind}/{i // 1000:04d}/item-{i:07d}-front.jpg"


def content(i: int) -> str:
    return hashlib.sha256(b"%d" % (i - i % 20 if i % 20 == 1 else i)).hexdigest()  # 5 % are copies


NIGHT = MadeNight(ROWS, image_id, content, {MODEL: LABELS}, ["color", "type"])


def say(index: Index) -> None:
    """Say so much of the night's pictures: all answers there are, a tenth of other bytes."""
    random = np.random.default_rng(0)
    said: list[Correction] = []
    answers: list[tuple[str, str | None, Answer]] = [
        ("color", "color 3", "is"),
        ("type", None, "none"),
        ("color", None, "unknown"),
        ("style", "style 2", "is"),
        ("style", "style 3", "is_not"),
        ("color", "teal", "is"),
        ("color", None, "withdrawn"),
    ]
    for line, i in enumerate(random.integers(0, ROWS, CORRECTIONS).tolist()):
        group, label, answer = answers[line % len(answers)]
        said.append(
            correction(
                content(i) if line % 10 else content(ROWS + i),
                group,
                label,
                answer,
                image_id=image_id(i),
                who=f"person {line % 3}",
            )
        )
    CorrectionLog(index.path).append(said)


@pytest.mark.parametrize("said", [0, CORRECTIONS])
def test_every_question_is_answered_in_half_a_second_and_a_gigabyte(
    tmp_path_factory: pytest.TempPathFactory, ratio: Any, said: int
) -> None:
    start = time.perf_counter()
    folder = tmp_path_factory.getbasetemp() / "night"
    index = Index(folder) if folder.exists() else NIGHT.publish(folder)
    if said:
        say(index)
    print(f"\nmade in {time.perf_counter() - start:.0f} s")
    ended = measured(QUERIES, index.path)
    report = json.loads(ended.said)
    print(
        f"{report['rows']:,} rows, {report['lines']:,} corrections: loaded in {report['load']:.1f} "
        f"s, peak {report['peak_loaded']:,.0f} MiB then, {ended.peak_mib:,.0f} MiB at the end"
    )
    print("| question | found | median s | worst s | CPU s |\n|---|---|---|---|---|")
    for name, (median, worst, cpu) in report["seconds"].items():
        total = report["totals"].get(name, "")
        print(f"| {name} | {total} | {median:.3f} | {worst:.3f} | {cpu:.3f} |")
    slowest = max(median for median, _, _ in report["seconds"].values())
    ratio(f"review: slowest question of {ROWS:,} rows, {said:,} corrections / 0.5 s", slowest / 0.5)
    ratio(f"review: peak with {ROWS:,} rows, {said:,} corrections / 1 GB", ended.peak_mib / 953.7)
    assert slowest < 0.5
    assert ended.peak_mib < 953.7
