"""Checking a published index.

It is what its manifest says, and answers and tags follow from the scores.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.index import (
    CHANGES,
    CHANGES_FILE,
    LABELS,
    LABELS_FILE,
    MANIFEST_FILE,
    ROWS_FOLDER,
    UNSETTLED,
    UNSETTLED_FILE,
    Manifest,
    Part,
)
from schemas.rows import STATUSES, rows_schema
from tagger.arrays import BoolArray, Float64Array, Int64Array
from tagger.files import file_digest
from tagger.index.buckets import bucket_of
from tagger.index.columns import added_columns, has_needed_columns, is_kept
from tagger.index.corrected_rows import Models, RowLabel, labels_of_models
from tagger.index.snapshots import Snapshot
from tagger.index.verify_words import Words, check_words, with_words, without_words, words_of
from tagger.machine import raise_machine_fault
from tagger.parquet import read_parquet

HALF_STEP = 0.00005
"""Stored scores are rounded to four decimals; an answer must be possible within this of them."""

_SIDE_SCHEMAS = {LABELS_FILE: LABELS, CHANGES_FILE: CHANGES, UNSETTLED_FILE: UNSETTLED}


@dataclass(frozen=True)
class _Claims:
    """What the parts are held to; `statuses` are counted on the way."""

    snapshot: Snapshot
    models: Models
    schema: pa.Schema
    words: Words
    statuses: Counter[str]


def verify_snapshot(snapshot: Snapshot) -> Iterator[str]:
    """Yield every fault of a snapshot, as a line that names file, row and what was expected."""
    manifest = snapshot.manifest
    if manifest.snapshot != snapshot.path.name:
        yield f"{MANIFEST_FILE}: says it is {manifest.snapshot!r}, lies in {snapshot.path.name!r}"
    try:
        for name, digest in snapshot.side_files.items():
            yield from _side_file(snapshot.path / name, digest)
        models = labels_of_models(read_parquet(snapshot.path / LABELS_FILE))
    except (OSError, pa.ArrowException, KeyError) as error:
        raise_machine_fault(error)
        yield f"{snapshot.path.name}: labels or changes cannot be read: {error}"
        return
    if set(models) != set(manifest.models):
        yield f"{LABELS_FILE}: has models {sorted(models)}, the manifest {sorted(manifest.models)}"
    if manifest.model_id not in models:
        yield f"{LABELS_FILE}: has no rows of the model {manifest.model_id}"
        return
    yield from _strangers(snapshot)
    yield from _sums(manifest)
    schema = rows_schema(manifest.groups, models[manifest.model_id])
    words, faults = words_of(snapshot, models)
    yield from faults
    claims = _Claims(snapshot, models, schema, words, Counter())
    for part in manifest.parts:
        yield from _part(part, claims)
    if claims.statuses != manifest.statuses:
        held = dict(claims.statuses)
        yield f"{MANIFEST_FILE}: statuses {manifest.statuses}, the parts hold {held}"


def _sums(manifest: Manifest) -> Iterator[str]:
    """Check that the numbers of a manifest add up."""
    buckets = [part.bucket for part in manifest.parts]
    if len(set(buckets)) != len(buckets):
        yield f"{MANIFEST_FILE}: a bucket has two parts: {buckets}"
    counts = manifest.counts
    kinds = counts.new + counts.changed + counts.rescored + counts.unchanged
    if not kinds == counts.found == manifest.rows:
        yield f"{MANIFEST_FILE}: counts {counts} do not add up to {manifest.rows} rows"
    if sum(part.rows for part in manifest.parts) != manifest.rows:
        yield f"{MANIFEST_FILE}: {manifest.rows} rows, its parts add up to another number"


def _strangers(snapshot: Snapshot) -> Iterator[str]:
    """Yield what lies among the parts and is none.

    Hidden files and folders too, since some readers take them.
    """
    listed = {part.file for part in snapshot.manifest.parts}
    try:
        names = os.listdir(snapshot.path / ROWS_FOLDER)
    except OSError as error:
        yield f"{ROWS_FOLDER}: cannot be listed: {error}"
        return
    for name in sorted(names):
        if f"{ROWS_FOLDER}/{name}" not in listed:
            yield (
                f"{ROWS_FOLDER}: {name!r} is not in the manifest, and readers may count it as "
                "rows; move it elsewhere"
            )


def _side_file(path: Path, digest: str) -> Iterator[str]:
    if file_digest(path) != digest:
        yield f"{path.name}: its sha256 is not the manifest's; the file was changed"
    yield from _columns(path.name, pq.read_schema(path), _SIDE_SCHEMAS[path.name])


def _columns(name: str, found: pa.Schema, ours: pa.Schema) -> Iterator[str]:
    """Check columns; those of a later or not yet of an earlier version are no fault."""
    version = b"tagger.format_version"
    same = (found.metadata or {}).get(version) == (ours.metadata or {}).get(version)
    if not (same and has_needed_columns(found, ours)):
        yield f"{name}: its schema is not the declared one"
        return
    strange = [field.name for field in added_columns(found, ours) if not is_kept(field)]
    if strange:
        yield f"{name}: its schema has columns that do not say what they mean: {strange}"


def _part(part: Part, claims: _Claims) -> Iterator[str]:
    """Check the file of a bucket, and all its rows."""
    name = part.file
    path = claims.snapshot.path / name
    try:
        digest = file_digest(path)
        table = read_parquet(path)
    except (OSError, pa.ArrowException) as error:
        raise_machine_fault(error)
        yield f"{name}: cannot be read: {error}"
        return
    if digest != part.sha256 or path.name != f"part-{part.bucket:05d}-{digest[:16]}.parquet":
        yield f"{name}: its sha256 is not the manifest's, or not its name's; the file was changed"
    wrong = list(_columns(name, table.schema, claims.schema))
    yield from wrong
    if wrong:
        return
    if path.stat().st_size != part.bytes:
        yield f"{name}: {path.stat().st_size} bytes, the manifest says {part.bytes}"
    if len(table) != part.rows:
        yield f"{name}: {len(table)} rows, the manifest says {part.rows}"
    for row in table["status"].value_counts().to_pylist():
        claims.statuses[row["values"]] += row["counts"]
    yield from (f"{name}: {fault}" for fault in _rows(table, part, claims))


def _rows(table: pa.Table, part: Part, claims: _Claims) -> Iterator[str]:
    manifest = claims.snapshot.manifest
    yield from _ids(table, part.bucket, manifest.buckets)
    yield from _facts(table)
    yield from _scores(with_words(table), claims)


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
    """Check what rows say of their files."""

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


def _scores(table: pa.Table, claims: _Claims) -> Iterator[str]:
    """Check values, answers and tags, model by model."""
    bad = table.filter(pc.invert(pc.equal(table["status"], "ok")))
    for field in bad.schema:
        of_a_model = field.metadata and b"group" in field.metadata
        if of_a_model and bad[field.name].null_count != len(bad):
            yield f"{field.name} has values on rows that are not ok"
    if pc.any(pc.greater(pc.list_value_length(bad["tags"]), 0)).as_py():
        yield "tags are not empty on rows that are not ok"
    good = table.filter(pc.equal(table["status"], "ok"))
    for model_id in pc.unique(good["model_id"]).to_pylist():
        if model_id not in claims.models:
            yield f"rows name the model {model_id!r}, which {LABELS_FILE} does not have"
            continue
        rows = good.filter(pc.equal(good["model_id"], model_id))
        labels = claims.models[model_id]
        wrong = list(_values(rows, labels))
        yield from wrong
        if not wrong:
            yield from check_words(rows, claims.words)
            own = without_words(rows, claims.words)
            yield from _model_answers(own, labels, claims.snapshot.manifest.groups)


def _values(table: pa.Table, labels: Sequence[RowLabel]) -> Iterator[str]:
    """Check that the rows of one model have its scores, and no other's."""
    own = {label.column for label in labels}
    others = {f.name for f in table.schema if f.metadata and b"label" in f.metadata} - own
    for name in sorted(others):
        if table[name].null_count != len(table):
            yield f"{name} has values on rows of a model that does not have this label"
    if any(table[label.column].null_count for label in labels):
        yield "a score is null on a row that its model scored"
        return
    scores = np.stack([table[label.column].to_numpy() for label in labels], axis=1)  # (n, labels)
    wrong = ~((scores >= 0) & (scores <= 1) & (np.round(scores, 4) == scores))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        yield (
            f"row {table['image_id'][int(row)].as_py()!r}: {labels[column].column} is "
            f"{scores[row, column]}, not four decimals within 0 and 1"
        )


def _model_answers(table: pa.Table, labels: Sequence[RowLabel], groups: list[str]) -> Iterator[str]:
    """Check that the answers and tags of one model follow from its scores."""
    scores = np.stack([table[label.column].to_numpy() for label in labels], axis=1)  # (n, labels)
    thresholds = np.array([label.threshold for label in labels])
    tags = (scores >= thresholds) & ~np.array([label.retired for label in labels])  # (n, labels)
    active = [label.group for label in labels if label.group in groups and not label.retired]
    for group in dict.fromkeys(active):
        members = [
            i for i, label in enumerate(labels) if label.group == group and not label.retired
        ]
        names = [labels[i].name for i in members]
        given = _given(table[group], names)
        yield from _group(
            table, group, names, _Evidence(given, scores[:, members], thresholds[members])
        )
        tags[:, members] = given[:, None] == np.arange(len(members))
    yield from _tags(table, labels, tags)


class _Evidence(NamedTuple):
    """The answers of a group, int64 (n,): -1 is none, -2 no label of it; and what they rest on."""

    given: Int64Array
    scores: Float64Array  # (n, members)
    thresholds: Float64Array  # (members,)


def _given(answers: pa.ChunkedArray, names: list[str]) -> Int64Array:
    numbers = {name: k for k, name in enumerate(names)}
    return np.array([numbers.get(a, -2 if a else -1) for a in answers.to_pylist()], np.int64)


def _group(table: pa.Table, group: str, names: list[str], evidence: _Evidence) -> Iterator[str]:
    """Yield the first answer of a group that does not follow from the scores."""
    column = table[f"{group}_score"]
    probability = column.to_numpy(zero_copy_only=False).astype(np.float64)
    impossible = np.flatnonzero(~_answer_possible(evidence, probability))
    for row in impossible[:1].tolist():
        scores = dict(zip(names, evidence.scores[row].tolist(), strict=True))
        yield (
            f"row {table['image_id'][row].as_py()!r}: {group} = {table[group][row].as_py()!r} "
            f"with {probability[row]} does not follow from the scores {scores}"
        )


def _tags(table: pa.Table, labels: Sequence[RowLabel], tags: BoolArray) -> Iterator[str]:
    """Yield the first row whose tags are not those of answers and scores."""
    for row, (written, expected) in enumerate(zip(table["tags"].to_pylist(), tags, strict=True)):
        wanted = [label.name for label, tag in zip(labels, expected, strict=True) if tag]
        if written != wanted:
            image_id = table["image_id"][row].as_py()
            yield f"row {image_id!r}: tags {written}, but answers and scores give {wanted}"
            break


def _answer_possible(evidence: _Evidence, probability: Float64Array) -> BoolArray:
    """Return bool (n,): whether logits near the stored scores could have given these answers.

    Near is within half a step of their four decimals.
    """
    given, scores, thresholds = evidence
    rows = np.arange(len(scores))
    holds = scores >= thresholds  # (n, members)
    k = np.maximum(given, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.clip(scores - HALF_STEP, 0, 1)
        high = np.clip(scores + HALF_STEP, 0, 1)
        odds_low = low / (1 - low)
        odds_high = high / (1 - high)
        limit = thresholds / (1 - thresholds)
        margin_low = np.where(holds, odds_low / limit, -np.inf)
        margin = odds_high[rows, k] / limit[k]
        right = holds[rows, k] & (margin >= margin_low.max(axis=1) * (1 - 1e-9))
        others_low = odds_low.sum(axis=1) - odds_low[rows, k]
        others_high = odds_high.sum(axis=1, where=np.arange(len(thresholds)) != k[:, None])
        least = odds_low[rows, k] / (1 + odds_low[rows, k] + others_high)
        # p rises with the label's own odds, to 1 / (1 + (1 + others) / odds)
        most = 1 / (1 + (1 + others_low) / odds_high[rows, k])
    # An infinite bound (a score rounded to 1) bounds nothing.
    least = np.nan_to_num(least, nan=0.0)
    most = np.nan_to_num(most, nan=1.0)
    near = (probability >= least - 2 * HALF_STEP) & (probability <= most + 2 * HALF_STEP)
    none = ~holds.any(axis=1) & np.isnan(probability)
    return np.asarray(np.where(given == -1, none, (given >= 0) & right & near))
