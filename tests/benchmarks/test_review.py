"""What looking at a night costs: every filter and order under half a second at a million rows, the
process under a gigabyte. `make bench`.

BENCH_REVIEW=1000000 says how many rows, and BENCH_CORRECTIONS=200000 how many lines were said.
"""

import hashlib
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from measuring import measured, ratio

import tagger.imaging.preprocessing
from schemas.corrections import Answer, Correction
from schemas.index import CHANGES, LABELS, Manifest
from schemas.rows import CORRECTED_TYPE, rows_schema
from schemas.runs import Counts
from tagger.catalog import bucket_of
from tagger.index.corrected_rows import RowLabel
from tagger.index.corrections import CorrectionLog
from tagger.index.snapshots import new_id
from tagger.index.store import Index
from tagger.labels.views import group_probabilities, logit, stored_scores

pytestmark = pytest.mark.benchmark
__all__ = ["ratio"]  # a fixture
ROWS = int(os.environ.get("BENCH_REVIEW", "1000000"))
CORRECTIONS = int(os.environ.get("BENCH_CORRECTIONS", "200000"))
GROUPS = {"color": 20, "type": 20, "style": 8}
EXCLUSIVE = ["color", "type"]
LABELS_ = [
    RowLabel(group, f"{group} {i}", f"score_{group}_{i}", 0.5 + i / 100, False)
    for group, n in GROUPS.items()
    for i in range(n)
]
QUERIES = Path(__file__).with_name("review_queries.py")


def image_id(i: int) -> str:
    kind = ("dresses", "shoes", "outerwear")[i % 3]
    return f"2026/autumn-winter/{kind}/{i // 1000:04d}/item-{i:07d}-front.jpg"


def content(i: int) -> str:
    return hashlib.sha256(b"%d" % (i - i % 20 if i % 20 == 1 else i)).hexdigest()  # 5 % are copies


def bucket_rows(numbers: list[int], schema: pa.Schema, random: np.random.Generator) -> pa.Table:
    """Return the rows of a bucket as the model of the night would have written them."""
    n = len(numbers)
    ok = random.random(n) > 0.01
    logits = random.normal(-2.5, 1.5, (n, len(LABELS_))).astype(np.float32)
    scores = stored_scores(logits)
    thresholds = np.array([label.threshold for label in LABELS_])
    holds = scores >= thresholds
    columns: dict[str, Any] = {
        "image_id": [image_id(i) for i in numbers],
        "status": np.where(ok, "ok", "truncated"),
        "error": pa.array(["the file ends before the picture does"] * n, mask=ok),
        "content_sha256": [content(i) for i in numbers],
        "size_bytes": np.full(n, 200_000),
        "mtime_ns": np.full(n, 1_600_000_000_000_000_000),
        "width": pa.array(np.full(n, 1000), mask=~ok),
        "height": pa.array(np.full(n, 1500), mask=~ok),
        "reader": np.full(n, tagger.imaging.preprocessing.READER),
        "model_id": pa.array(["m" * 64] * n, mask=~ok),
        "scored_at": pa.array([datetime.now(UTC)] * n, pa.timestamp("us", tz="UTC"), mask=~ok),
        "tags": [[]] * n,
        "corrected": pa.nulls(n, CORRECTED_TYPE),
    }
    for group in EXCLUSIVE:
        members = [i for i, label in enumerate(LABELS_) if label.group == group]
        margin = np.where(holds[:, members], logits[:, members] - logit(thresholds[members]), -9)
        best = margin.argmax(axis=1)
        none = ~ok | ~holds[:, members].any(axis=1)
        names = pa.array([LABELS_[i].name for i in members])
        probability = group_probabilities(logits, members)[np.arange(n), best].round(4)
        columns[group] = names.take(pa.array(best, mask=none))
        columns[f"{group}_score"] = pa.array(probability, mask=none)
    for i, label in enumerate(LABELS_):
        columns[label.column] = pa.array(scores[:, i], mask=~ok)
    return pa.table([pa.array(columns[f.name], f.type) for f in schema], schema=schema)


def publish(folder: Path) -> Index:
    """Publish a night of so many rows, of which a tenth changed, as the nightly job does."""
    index = Index(folder)
    (folder / "snapshots").mkdir(parents=True)
    writer = index.new_snapshot(new_id())
    schema = rows_schema(EXCLUSIVE, LABELS_)
    buckets = max(1, ROWS // 50_000)
    numbers: dict[int, list[int]] = {}
    for i in range(ROWS):
        numbers.setdefault(bucket_of(image_id(i), buckets), []).append(i)
    statuses: dict[str, int] = {}
    for bucket, mine in sorted(numbers.items()):
        rows = bucket_rows(mine, schema, np.random.default_rng(bucket))
        writer.add_part(bucket, rows)
        for each in rows["status"].value_counts().to_pylist():
            statuses[each["values"]] = statuses.get(each["values"], 0) + each["counts"]
    changed = [image_id(i) for i in range(0, ROWS, 10)]
    writer.add_changes(pa.table([changed, ["upsert"] * len(changed)], schema=CHANGES))
    labels = [
        {"model_id": "m" * 64, "group": label.group, "label": label.name, "column": label.column}
        | {"threshold": label.threshold, "ap": None, "retired": False}
        for label in LABELS_
    ]
    written = writer.finish(pa.Table.from_pylist(labels, LABELS), pa.array([], pa.large_string()))
    counts = {name: 0 for name in Counts.__struct_fields__}
    writer.publish(
        Manifest(
            format_version=1,
            snapshot=writer.snapshot_id,
            parent=None,
            created_at=datetime.now(UTC).isoformat(),
            catalog="/catalog",
            buckets=buckets,
            model_id="m" * 64,
            models=["m" * 64],
            reader=tagger.imaging.preprocessing.READER,
            groups=EXCLUSIVE,
            parts=written.parts,
            labels_sha256=written.labels_sha256,
            changes_sha256=written.changes_sha256,
            unsettled_sha256=written.unsettled_sha256,
            rows=ROWS,
            statuses=statuses,
            counts=Counts(**counts | {"found": ROWS, "new": ROWS}),
            versions={},
        )
    )
    return index


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
            Correction(
                format_version=1,
                at=datetime.now(UTC).isoformat(timespec="microseconds"),
                who=f"person {line % 3}",
                content_sha256=content(i) if line % 10 else content(ROWS + i),
                image_id=image_id(i),
                group=group,
                label=label,
                answer=answer,
            )
        )
    CorrectionLog(index.path).append(said)


@pytest.mark.parametrize("said", [0, CORRECTIONS])
def test_every_question_is_answered_in_half_a_second_and_a_gigabyte(
    tmp_path_factory: pytest.TempPathFactory, ratio: Any, said: int
) -> None:
    start = time.perf_counter()
    folder = tmp_path_factory.getbasetemp() / "night"
    index = Index(folder) if folder.exists() else publish(folder)
    if said:
        say(index)
    print(f"\nmade in {time.perf_counter() - start:.0f} s")
    ended = measured(QUERIES, index.path)
    report = json.loads(ended.said)
    print(
        f"{report['rows']:,} rows, {report['lines']:,} corrections: loaded in {report['load']:.1f} "
        f"s, peak {report['peak_loaded']:,.0f} MiB then, {ended.peak_mib:,.0f} MiB at the end"
    )
    print("| question | found | median s | worst s |\n|---|---|---|---|")
    for name, (median, worst) in report["seconds"].items():
        total = report["totals"].get(name, "")
        print(f"| {name} | {total} | {median:.3f} | {worst:.3f} |")
    slowest = max(worst for _, worst in report["seconds"].values())
    ratio(f"review: slowest question of {ROWS:,} rows, {said:,} corrections / 0.5 s", slowest / 0.5)
    ratio(f"review: peak with {ROWS:,} rows, {said:,} corrections / 1 GB", ended.peak_mib / 953.7)
    assert slowest < 0.5
    assert ended.peak_mib < 953.7
