"""The files of an index beside the rows: thresholds, change feed, manifest, run records."""

import pyarrow as pa

FORMAT_VERSION = 1

LAYOUT = {
    "current": "symlink to the snapshot to read, replaced by one rename",
    "snapshots/<id>/part-<bucket>-<hash>.parquet": "the rows whose sha256(image_id) mod buckets is <bucket> (five "
    "digits), sorted by image_id; <hash> is the first 16 hex digits of the file's sha256, so a name never means two "
    "contents",
    "snapshots/<id>/_labels.parquet": "labels, columns and thresholds of every model that rows name",
    "snapshots/<id>/_changes.parquet": "what changed against the parent snapshot",
    "snapshots/<id>/_manifest.json": "what the snapshot holds; written last",
    "runs/<id>.json": "a record per run, refused and killed ones too",
    "_staging/<model_id>/": "finished units of a run that has not published",
    "_lock": "held by flock while a run works; names its holder",
}

LABELS = pa.schema(
    [
        pa.field("model_id", pa.string(), nullable=False, metadata={"meaning": "the model the row is about"}),
        pa.field("group", pa.string(), nullable=False, metadata={"meaning": "the label's group"}),
        pa.field("label", pa.string(), nullable=False, metadata={"meaning": "the label's name, unique in its group"}),
        pa.field("column", pa.string(), nullable=False, metadata={"meaning": "the score column"}),
        pa.field(
            "threshold",
            pa.float64(),
            nullable=False,
            metadata={"meaning": "the label holds when its stored score is at least this; four decimals"},
        ),
        pa.field(
            "ap", pa.float64(), metadata={"meaning": "average precision on the model's test part; null if unmeasured"}
        ),
    ],
    metadata={"tagger.format_version": str(FORMAT_VERSION)},
)

CHANGES = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False, metadata={"meaning": "the row that changed"}),
        pa.field(
            "op",
            pa.string(),
            nullable=False,
            metadata={"meaning": "upsert: take the row of this snapshot; delete: there is none any more"},
        ),
    ],
    metadata={"tagger.format_version": str(FORMAT_VERSION)},
)

MANIFEST_FIELDS = {
    "format_version": f"integer, {FORMAT_VERSION}",
    "snapshot": "string, the folder's name: UTC time of the run and four hex digits",
    "parent": "string, the snapshot that _changes.parquet is against, or null for the first",
    "created_at": "ISO 8601, UTC",
    "catalog": "string, the absolute path of the catalog",
    "buckets": "integer, fixed when the index is created",
    "model_id": "string, the model of this run",
    "models": "list of strings, every model_id that rows name",
    "groups": "list of strings, the exclusive groups, in column order",
    "parts": "list of {file, bucket, rows, bytes, sha256}, by bucket",
    "labels_sha256": "string, of _labels.parquet",
    "changes_sha256": "string, of _changes.parquet",
    "rows": "integer, all parts together: pictures found",
    "statuses": "object, status to number of rows; they add up to rows",
    "versions": "object, library to version",
}

RUN_COUNTS = (
    *("found", "new", "changed", "rescored", "unchanged", "deleted", "touched", "scored", "reused"),
    *("failed", "failed_now", "published_rows"),
)

RUN_FIELDS = {
    "format_version": f"integer, {FORMAT_VERSION}",
    "run_id": "string, UTC time and four hex digits; a published snapshot has the same name",
    "state": "running | published | unchanged | refused | failed | killed",
    "message": "string, why it was refused or failed, or null",
    "command": "list of strings, as started",
    "host": "string",
    "process": "integer",
    "started_at": "ISO 8601, UTC",
    "ended_at": "ISO 8601, UTC, or null while running",
    "catalog": "string, absolute path",
    "model_id": "string",
    "backend": "openvino | keras, or null if nothing had to be scored",
    "counts": "object, the numbers of the --json result: " + ", ".join(RUN_COUNTS),
    "seconds": "object, stage to seconds: walk, start (loading the network), decode (waiting for the workers), "
    "infer, write, publish, total",
    "peak_mib": "number, the most memory any one process of the run held, in MiB",
    "versions": "object, library to version",
}
