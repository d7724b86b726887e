"""Checking a published index: that it is what its manifest says, and that answers and tags follow
from the scores."""

import os
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.index import (
    CHANGES,
    CHANGES_FILE,
    LABELS,
    LABELS_FILE,
    MANIFEST_FIELDS,
    MANIFEST_FILE,
    ROWS_FOLDER,
    UNSETTLED,
    UNSETTLED_FILE,
)
from schemas.rows import STATUSES, LabelLike, rows_schema
from tagger.arrays import BoolArray, Float64Array
from tagger.catalog import bucket_of
from tagger.index.snapshots import Snapshot, file_digest
from tagger.machine import raise_machine_fault
from tagger.parquet import read_parquet

HALF_STEP = 0.00005
"""Stored scores are rounded to four decimals; an answer must be possible within this of them."""


class _Label:
    def __init__(self, row: dict[str, Any]) -> None:
        self.group, self.name, self.column = row["group"], row["label"], row["column"]
        self.threshold: float = row["threshold"]
        self.retired: bool = row["retired"]


def verify_snapshot(snapshot: Snapshot) -> Iterator[str]:
    """Yield every fault of a snapshot, as a line that names file, row and what was expected."""
    manifest, path = snapshot.manifest, snapshot.path
    if missing := sorted(set(MANIFEST_FIELDS) - set(manifest)):
        yield f"{MANIFEST_FILE}: lacks {missing}"
        return
    if manifest["snapshot"] != path.name:
        yield f"{MANIFEST_FILE}: says it is {manifest['snapshot']!r}, lies in {path.name!r}"
    try:
        yield from _side_file(path / LABELS_FILE, LABELS, manifest["labels_sha256"])
        yield from _side_file(path / CHANGES_FILE, CHANGES, manifest["changes_sha256"])
        yield from _side_file(path / UNSETTLED_FILE, UNSETTLED, manifest["unsettled_sha256"])
        models: dict[str, list[_Label]] = {}
        for row in read_parquet(path / LABELS_FILE).to_pylist():
            models.setdefault(row["model_id"], []).append(_Label(row))
    except (OSError, pa.ArrowException, KeyError) as error:
        raise_machine_fault(error)
        yield f"{path.name}: labels or changes cannot be read: {error}"
        return
    if set(models) != set(manifest["models"]):
        yield (
            f"{LABELS_FILE}: has models {sorted(models)}, the manifest {sorted(manifest['models'])}"
        )
    if manifest["model_id"] not in models:
        yield f"{LABELS_FILE}: has no rows of the model {manifest['model_id']}"
        return
    buckets = [part["bucket"] for part in manifest["parts"]]
    if len(set(buckets)) != len(buckets):
        yield f"{MANIFEST_FILE}: a bucket has two parts: {buckets}"
    yield from _strangers(snapshot)
    schema = rows_schema(manifest["groups"], _labels_of(models[manifest["model_id"]]))
    counts = manifest["counts"]
    kinds = [counts.get(name, 0) for name in ("new", "changed", "rescored", "unchanged")]
    if not sum(kinds) == counts.get("found") == manifest["rows"]:
        yield f"{MANIFEST_FILE}: counts {counts} do not add up to {manifest['rows']} rows"
    statuses: dict[str, int] = {}
    for part in manifest["parts"]:
        yield from _part(snapshot, part, schema, models, statuses)
    if sum(part["rows"] for part in manifest["parts"]) != manifest["rows"]:
        yield f"{MANIFEST_FILE}: {manifest['rows']} rows, its parts add up to another number"
    if statuses != manifest["statuses"]:
        yield f"{MANIFEST_FILE}: statuses {manifest['statuses']}, the parts hold {statuses}"


def _strangers(snapshot: Snapshot) -> Iterator[str]:
    """Yield what lies among the parts and is none: hidden files and folders too, since some readers
    take them."""
    listed = {part["file"] for part in snapshot.manifest["parts"]}
    try:
        names = os.listdir(snapshot.path / ROWS_FOLDER)
    except OSError as error:
        yield f"{ROWS_FOLDER}: cannot be listed: {error}"
        return
    for name in sorted(names):
        if f"{ROWS_FOLDER}/{name}" not in listed:
            yield (
                f"{ROWS_FOLDER}: {name!r} is not in the manifest, and readers may count it as "
                f"rows; move it elsewhere"
            )


def _labels_of(labels: list[_Label]) -> list[LabelLike]:
    return list(labels)


def _side_file(path: Any, schema: pa.Schema, digest: str) -> Iterator[str]:
    if file_digest(path) != digest:
        yield f"{path.name}: its sha256 is not the manifest's; the file was changed"
    if not pq.read_schema(path).equals(schema, check_metadata=True):
        yield f"{path.name}: its schema is not the declared one"


def _part(
    snapshot: Snapshot,
    part: dict[str, Any],
    schema: pa.Schema,
    models: dict[str, list[_Label]],
    statuses: dict[str, int],
) -> Iterator[str]:
    name, path = part["file"], snapshot.path / part["file"]
    try:
        digest = file_digest(path)
        table = read_parquet(path)
    except (OSError, pa.ArrowException) as error:
        raise_machine_fault(error)
        yield f"{name}: cannot be read: {error}"
        return
    if digest != part["sha256"] or path.name != f"part-{part['bucket']:05d}-{digest[:16]}.parquet":
        yield f"{name}: its sha256 is not the manifest's, or not its name's; the file was changed"
    if not table.schema.equals(schema, check_metadata=True):
        yield f"{name}: its schema is not that of its model's labels"
        return
    if path.stat().st_size != part["bytes"]:
        yield f"{name}: {path.stat().st_size} bytes, the manifest says {part['bytes']}"
    if len(table) != part["rows"]:
        yield f"{name}: {len(table)} rows, the manifest says {part['rows']}"
    for row in table["status"].value_counts().to_pylist():
        statuses[row["values"]] = statuses.get(row["values"], 0) + row["counts"]
    manifest = snapshot.manifest
    yield from (f"{name}: {fault}" for fault in _ids(table, part["bucket"], manifest["buckets"]))
    yield from (f"{name}: {fault}" for fault in _facts(table))
    yield from (f"{name}: {fault}" for fault in _scores(table, models, manifest["groups"]))


def _ids(table: pa.Table, bucket: int, buckets: int) -> Iterator[str]:
    ids = table["image_id"].to_pylist()
    keys = [image_id.encode() for image_id in ids]
    for a, b in pairwise(keys):
        if a >= b:
            yield f"image_id {b.decode()!r} is {'there twice' if a == b else 'out of order'}"
            break
    strays = [image_id for image_id in ids if bucket_of(image_id, buckets) != bucket]
    if strays:
        yield f"{len(strays)} rows belong to another bucket, first {strays[0]!r}"


def _facts(table: pa.Table) -> Iterator[str]:
    def first(mask: Any, fault: str) -> Iterator[str]:
        at = np.flatnonzero(pc.fill_null(mask, False).to_numpy(zero_copy_only=False))
        if len(at):
            yield f"row {table['image_id'][int(at[0])].as_py()!r}: {fault} ({len(at)} such rows)"

    ok = pc.equal(table["status"], "ok")
    yield from first(
        pc.invert(pc.is_in(table["status"], value_set=pa.array(list(STATUSES)))), "unknown status"
    )
    yield from first(pc.equal(ok, pc.is_valid(table["error"])), "error is null only on ok rows")
    for column in ("model_id", "scored_at"):
        yield from first(
            pc.xor(ok, pc.is_valid(table[column])), f"{column} is null only on rows not ok"
        )
    for column in ("content_sha256", "size_bytes", "mtime_ns", "width", "height"):
        yield from first(pc.and_(ok, pc.is_null(table[column])), f"{column} is null on an ok row")
    for column in ("width", "height"):
        yield from first(pc.less(table[column], 1), f"{column} is not positive")
    yield from first(pc.less(table["size_bytes"], 0), "size_bytes is negative")
    digest = pc.match_substring_regex(table["content_sha256"], "^[0-9a-f]{64}$")
    yield from first(pc.invert(digest), "content_sha256 is not 64 hex digits")
    for field in table.schema:
        if not field.nullable:
            yield from first(pc.is_null(table[field.name]), f"{field.name} is null")


def _scores(table: pa.Table, models: dict[str, list[_Label]], groups: list[str]) -> Iterator[str]:
    """Check values, answers and tags, model by model."""
    bad = table.filter(pc.invert(pc.equal(table["status"], "ok")))
    for field in bad.schema:
        if (
            field.metadata
            and (b"group" in field.metadata)
            and bad[field.name].null_count != len(bad)
        ):
            yield f"{field.name} has values on rows that are not ok"
    if pc.any(pc.greater(pc.list_value_length(bad["tags"]), 0)).as_py():
        yield "tags are not empty on rows that are not ok"
    good = table.filter(pc.equal(table["status"], "ok"))
    for model_id in pc.unique(good["model_id"]).to_pylist():
        if model_id not in models:
            yield f"rows name the model {model_id!r}, which {LABELS_FILE} does not have"
            continue
        yield from _model_scores(
            good.filter(pc.equal(good["model_id"], model_id)), models[model_id], groups
        )


def _model_scores(table: pa.Table, labels: list[_Label], groups: list[str]) -> Iterator[str]:
    ids = table["image_id"].to_pylist()
    own = {label.column for label in labels}
    others = {f.name for f in table.schema if f.metadata and b"label" in f.metadata} - own
    for name in sorted(others):
        if table[name].null_count != len(table):
            yield f"{name} has values on rows of a model that does not have this label"
    if any(table[label.column].null_count for label in labels):
        yield "a score is null on a row that its model scored"
        return
    scores = np.stack([table[label.column].to_numpy() for label in labels], axis=1)
    wrong = ~((scores >= 0) & (scores <= 1) & (np.round(scores, 4) == scores))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        yield (
            f"row {ids[row]!r}: {labels[column].column} is {scores[row, column]}, not four "
            f"decimals within 0 and 1"
        )
        return
    thresholds = np.array([label.threshold for label in labels])
    tags = (scores >= thresholds) & ~np.array([label.retired for label in labels])
    for group in dict.fromkeys(
        label.group for label in labels if label.group in groups and not label.retired
    ):
        members = [
            i for i, label in enumerate(labels) if label.group == group and not label.retired
        ]
        names = {labels[i].name: k for k, i in enumerate(members)}
        given = np.array(
            [names.get(answer, -2 if answer else -1) for answer in table[group].to_pylist()]
        )
        probability = table[f"{group}_score"].to_numpy(zero_copy_only=False).astype(np.float64)
        for row in np.flatnonzero(
            ~_answer_possible(given, probability, scores[:, members], thresholds[members])
        )[:1]:
            yield (
                f"row {ids[row]!r}: {group} = {table[group][int(row)].as_py()!r} with "
                f"{probability[row]} does not "
                "follow from the scores "
                f"{dict(zip(names, scores[row, members].tolist(), strict=True))}"
            )
        tags[:, members] = given[:, None] == np.arange(len(members))
    for row, (written, expected) in enumerate(zip(table["tags"].to_pylist(), tags, strict=True)):
        wanted = [label.name for label, tag in zip(labels, expected, strict=True) if tag]
        if written != wanted:
            yield f"row {ids[row]!r}: tags {written}, but answers and scores give {wanted}"
            break


def _answer_possible(
    given: Any, probability: Float64Array, scores: Float64Array, thresholds: Float64Array
) -> BoolArray:
    """Return bool (n,): whether logits within half a step of the stored scores could have given
    these answers."""
    rows, holds = np.arange(len(scores)), scores >= thresholds
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.clip(scores - HALF_STEP, 0, 1), np.clip(scores + HALF_STEP, 0, 1)
        odds_low, odds_high = low / (1 - low), high / (1 - high)
        limit = thresholds / (1 - thresholds)
        margin_low = np.where(holds, odds_low / limit, -np.inf)
        k = np.maximum(given, 0)
        right = holds[rows, k] & (
            odds_high[rows, k] / limit[k] >= margin_low.max(axis=1) * (1 - 1e-9)
        )
        others_low, others_high = odds_low.sum(axis=1) - odds_low[rows, k], odds_high.copy()
        others_high[rows, k] = 0
        least = odds_low[rows, k] / (1 + odds_low[rows, k] + others_high.sum(axis=1))
        # p rises with the label's own odds, to 1 / (1 + (1 + others) / odds)
        most = 1 / (1 + (1 + others_low) / odds_high[rows, k])
    # An infinite bound (a score rounded to 1) bounds nothing.
    least, most = np.nan_to_num(least, nan=0.0), np.nan_to_num(most, nan=1.0)
    near = (probability >= least - 2 * HALF_STEP) & (probability <= most + 2 * HALF_STEP)
    none = ~holds.any(axis=1) & np.isnan(probability)
    return np.asarray(np.where(given == -1, none, (given >= 0) & right & near))
