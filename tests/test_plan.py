"""The plan and the merge do what a loop over dictionaries would do."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tagger.digests import Contents
from tagger.index.buckets import bucket_of
from tagger.index.columns import aligned
from tagger.index.listing import LISTING
from tagger.index.merge import merge
from tagger.index.plan_making import KNOWN, Before, Rules, make_plan
from tagger.index.staging import KEYS

NAMES = st.sampled_from([f"{name}.jpg" for name in "abcdefgh"])
FILES = st.dictionaries(NAMES, st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1)
ROWS = st.dictionaries(
    NAMES,
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.booleans(), st.booleans(), st.booleans()),
)
NO_CONTENTS = Contents(np.zeros((0, 2), np.uint64))


def staged(rows: list[tuple[str, int, int, bool]]) -> pa.Table:
    columns = {name: [] for name in KEYS.names}  # type: ignore[var-annotated]
    for i, (name, size, mtime, good) in enumerate(rows):
        one = (name, None, size, mtime, False, good, False, True, 0, i)
        for column, value in zip(columns.values(), one, strict=True):
            column.append(value)
    return pa.table(columns, schema=KEYS)


@given(
    FILES,
    ROWS,
    st.sets(NAMES),
    st.lists(st.tuples(NAMES, st.integers(0, 2), st.integers(0, 2), st.booleans()), max_size=6),
    st.booleans(),
    st.booleans(),
    st.one_of(st.none(), st.integers(0, 3)),
)
def test_the_plan_is_that_of_a_loop(
    files: dict[str, tuple[int, int]],
    rows: dict[str, tuple[int, int, bool, bool, bool]],
    unsettled: set[str],
    in_staging: list[tuple[str, int, int, bool]],
    full: bool,
    retry: bool,
    limit: int | None,
) -> None:
    listing = pa.table(
        [list(files), [f[0] for f in files.values()], [f[1] for f in files.values()]],
        schema=LISTING,
    )
    tuples = [
        (name, size, mtime, bucket_of(name, 3), failed, misread or (behind and not failed), misread)
        for name, (size, mtime, failed, behind, misread) in rows.items()
    ]
    columns = [list(column) for column in zip(*tuples, strict=True)] or [[]] * len(KNOWN)
    known = pa.table(columns, schema=KNOWN)
    marked = pa.array(sorted(unsettled), pa.large_string())
    before = Before([known.slice(0, 2), known.slice(2)], marked, staged(in_staging), NO_CONTENTS)
    plan = make_plan(listing, before, Rules(full, retry, limit), 3)

    same = {name for name in files if name in rows and rows[name][:2] == files[name]}
    failed = {name for name in same if rows[name][2]}
    misread = {name for name in same if rows[name][4]}
    behind = misread | {name for name in same if rows[name][3] and not rows[name][2]}
    newest = sorted(behind, key=lambda name: -files[name][1])
    chosen = behind if limit is None else set(newest[:limit])
    carried = dict(zip(files, plan.carried, strict=True))
    for name in files:
        if full or name not in same or name in unsettled or (retry and name in failed):
            assert not carried[name], name
        elif name not in behind:
            assert carried[name], name
    if not full:
        tried = failed if retry else set()
        assert plan.counts.behind >= len(behind) - len(chosen) - len(tried)
        later = [files[name][1] for name in behind if carried[name]]
        now = [files[name][1] for name in behind - unsettled - tried if not carried[name]]
        assert not later or not now or max(later) <= min(now)
    assert plan.counts.found == len(files)
    assert plan.counts.new == len(set(files) - set(rows))
    assert plan.counts.changed == len(set(files) & set(rows) - same)
    assert plan.counts.deleted == len(set(rows) - set(files))
    assert plan.counts.found == sum(
        getattr(plan.counts, kind) for kind in ("new", "changed", "rescored", "unchanged")
    )
    outdated = dict(zip(files, plan.outdated, strict=True))
    assert not any(outdated[name] for name in misread)  # features of another reader would not do
    for name, at in zip(files, plan.staged_row, strict=True):
        answers = [i for i, (n, *_, good) in enumerate(in_staging) if n == name and good]
        first = answers[0] if answers else None  # the newest reading counts, or none
        fits = first is not None and in_staging[first][1:3] == files[name]
        assert at == (first if fits and not carried[name] else -1)
    assert [bucket_of(name, 3) for name in files] == plan.bucket.tolist()
    ordered = [name for _, unit in plan.units() for name in unit["image_id"].to_pylist()]
    todo = [name for name, at in zip(files, plan.staged, strict=True) if not (carried[name] or at)]
    assert ordered == sorted(todo, key=lambda name: (bucket_of(name, 3), name))
    assert {b: plan.ids(places).to_pylist() for b, places in plan.by_bucket(plan.carried)} == {
        b: kept
        for b in range(3)
        if (kept := [name for name in files if carried[name] and bucket_of(name, 3) == b])
    }


COLUMNS = (
    "status",
    "error",
    "content_sha256",
    "size_bytes",
    "mtime_ns",
    "reader",
    "model_id",
    "scored_at",
)
LISTS = pa.list_(pa.string())
SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        *((name, pa.string()) for name in COLUMNS),
        ("corrected", LISTS),
        ("tags", LISTS),
    ]
)
# Of the same scores, tags differ only where persons spoke.
WORDS = st.sampled_from([(None, []), (["color"], ["x"]), (["color"], ["y"])])
VALUES = st.tuples(*[st.sampled_from([None, "x", "y"]) for _ in COLUMNS], WORDS).map(
    lambda values: (*values[:-1], *values[-1])
)
TABLES = st.dictionaries(NAMES, VALUES)


def table(rows: dict[str, Any]) -> pa.Table:
    width = len(SCHEMA) - 1
    columns = [list(rows), *([values[i] for values in rows.values()] for i in range(width))]
    return pa.table(columns, schema=SCHEMA)


@example(
    {"a.jpg": (None, "x", None, "x", "x", None, "x", "x", None, [])},
    {"a.jpg": (None, "x", None, "x", "x", None, "x", "x", ["color"], ["x"])},
    set(),
)
@given(TABLES, TABLES, st.sets(NAMES))
def test_the_merge_is_that_of_a_loop(
    before: dict[str, Any], fresh: dict[str, Any], keep: set[str]
) -> None:
    keep -= set(fresh)
    kept = {name: before[name] for name in keep & set(before)}
    merged = merge(table(before), table(kept), table(fresh))
    rows = {row.pop("image_id"): tuple(row.values()) for row in merged.rows.to_pylist()}
    assert rows == kept | fresh
    changes = {row["image_id"]: row["op"] for row in merged.changes.to_pylist()}
    upserted = {name for name, values in fresh.items() if before.get(name) != values}
    gone = set(before) - set(rows)
    assert changes == dict.fromkeys(upserted, "upsert") | dict.fromkeys(gone, "delete")
    counts = merged.counts
    assert counts["new"] == len(set(fresh) - set(before))
    assert counts["deleted"] == len(gone)
    assert counts["published_rows"] == len(rows)
    assert counts["published_rows"] == sum(
        counts[kind] for kind in ("new", "changed", "rescored", "unchanged")
    )
    moved = [name for name in fresh if name in before and before[name][3:5] != fresh[name][3:5]]
    assert counts["changed"] == len(moved)
    touched = [
        name for name in moved if fresh[name][2] is not None and before[name][2] == fresh[name][2]
    ]
    assert counts["touched"] == len(touched)


def test_rows_get_the_columns_of_a_grown_vocabulary() -> None:
    grown = SCHEMA.append(pa.field("score_new", pa.float64()))
    rows = aligned(table({"a.jpg": (*"x" * 8, None, [])}), grown)
    assert rows.schema.equals(grown)
    assert rows["score_new"].to_pylist() == [None]


def one_row(
    *, failed: bool = False, behind: bool = False, misread: bool = False, size: int = 7
) -> pa.Table:
    row = [["a.jpg"], [size], [0], [0], [failed], [behind or misread], [misread]]
    return pa.table(row, schema=KNOWN)


NO_ROW = KNOWN.empty_table()


@pytest.mark.parametrize(
    ("row", "unsettled", "rules", "carried", "counted"),
    [
        (NO_ROW, False, Rules(), False, "new"),
        (one_row(size=8), False, Rules(), False, "changed"),
        (one_row(size=8), True, Rules(), False, "changed"),
        (one_row(), False, Rules(full=True), False, "rescored"),
        (one_row(behind=True), False, Rules(), False, "rescored"),
        (one_row(failed=True, misread=True), False, Rules(), False, "rescored"),
        (one_row(behind=True), True, Rules(), False, "rescored"),
        (one_row(failed=True), False, Rules(retry_errors=True), False, "rescored"),
        (one_row(), True, Rules(), False, "unchanged"),
        (one_row(behind=True), True, Rules(backfill_limit=0), False, "unchanged"),
        (one_row(behind=True), False, Rules(backfill_limit=0), True, "unchanged"),
        (one_row(failed=True), False, Rules(), True, "unchanged"),
        (one_row(), False, Rules(retry_errors=True), True, "unchanged"),
    ],
)
def test_the_plan_is_that_of_its_table(
    row: pa.Table, unsettled: bool, rules: Rules, carried: bool, counted: str
) -> None:
    listing = pa.table([["a.jpg"], [7], [0]], schema=LISTING)
    marked = pa.array(["a.jpg"] if unsettled else [], pa.large_string())
    plan = make_plan(listing, Before([row], marked, staged([]), NO_CONTENTS), rules, 1)
    assert plan.carried.tolist() == [carried]
    kinds = {name: getattr(plan.counts, name) for name in ("new", "changed", "rescored")}
    kinds["unchanged"] = plan.counts.unchanged
    assert kinds == {name: int(name == counted) for name in kinds}
    assert plan.counts.to_read == int(not carried)


def test_a_row_whose_picture_is_gone_is_deleted() -> None:
    marked = pa.array([], pa.large_string())
    before = Before([one_row()], marked, staged([]), NO_CONTENTS)
    plan = make_plan(LISTING.empty_table(), before, Rules(), 1)
    assert (plan.counts.found, plan.counts.deleted) == (0, 1)
