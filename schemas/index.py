"""The files of an index beside the rows: thresholds, change feed, manifest, run records."""

import pyarrow as pa

FORMAT_VERSION = 4
"""4 came with the folder `rows` and plain names beside it, 3 with `retired` in the labels, 2 with
the unsettled ids."""

ROWS_FOLDER = "rows"
"""Holds the part files and nothing else: some readers count every file of a folder, whatever its
name."""

MANIFEST_FILE = "manifest.json"
LABELS_FILE = "labels.parquet"
CHANGES_FILE = "changes.parquet"
UNSETTLED_FILE = "unsettled.parquet"

LAYOUT = {
    "current": (
        f"symlink to the rows to read, `snapshots/<id>/{ROWS_FOLDER}`, replaced by one rename"
    ),
    f"snapshots/<id>/{ROWS_FOLDER}/part-<bucket>-<hash>.parquet": "the rows whose "
    "sha256(image_id) mod buckets is "
    "<bucket> (five digits), sorted by image_id; <hash> is the first 16 hex digits of the file's "
    "sha256, so a name "
    "never means two contents; there is nothing else in this folder",
    f"snapshots/<id>/{LABELS_FILE}": "labels, columns and thresholds of every model that rows name",
    f"snapshots/<id>/{CHANGES_FILE}": "what changed against the parent snapshot",
    f"snapshots/<id>/{UNSETTLED_FILE}": "pictures that the next run reads again though they look "
    "the same: they were "
    "read within 2 s of their last change, or the disk, the share or the worker failed rather than "
    "the file",
    f"snapshots/<id>/{MANIFEST_FILE}": "what the snapshot holds; written last",
    "runs/<id>.json": "a record per run, refused and killed ones too; ids sort by time",
    "features/<features_id>/*.parquet": "with --features: what the trunk of a model makes of "
    "each content; a model "
    "with the same trunk is then scored without reading pictures. <features_id> is a digest of the "
    "trunk, the settings "
    "in preprocessing.json and the version of the reader",
    "features/_model.json": (
        "where the bundle lay whose features the last published night kept or used"
    ),
    "_staging/<model_id>-reader<version>/": "rows that a run finished and has not published, up "
    "to 2,000 a file, for "
    "the next run; that of runs with --full ends in `-full`",
    "_lock": "held by flock while a run works; names its holder",
}

LABELS = pa.schema(
    [
        pa.field(
            "model_id",
            pa.string(),
            nullable=False,
            metadata={"meaning": "the model the row is about"},
        ),
        pa.field("group", pa.string(), nullable=False, metadata={"meaning": "the label's group"}),
        pa.field(
            "label",
            pa.string(),
            nullable=False,
            metadata={"meaning": "the label's name, unique in its group"},
        ),
        pa.field("column", pa.string(), nullable=False, metadata={"meaning": "the score column"}),
        pa.field(
            "threshold",
            pa.float64(),
            nullable=False,
            metadata={
                "meaning": "the label holds when its stored score is at least this; four decimals"
            },
        ),
        pa.field(
            "ap",
            pa.float64(),
            metadata={"meaning": "average precision on the model's test part; null if unmeasured"},
        ),
        pa.field(
            "retired",
            pa.bool_(),
            nullable=False,
            metadata={"meaning": "its column has scores, but it is neither answered nor a tag"},
        ),
    ],
    metadata={"tagger.format_version": str(FORMAT_VERSION)},
)

CHANGES = pa.schema(
    [
        pa.field(
            "image_id", pa.string(), nullable=False, metadata={"meaning": "the row that changed"}
        ),
        pa.field(
            "op",
            pa.string(),
            nullable=False,
            metadata={
                "meaning": "upsert: take the row of this snapshot; delete: there is none any more"
            },
        ),
    ],
    metadata={"tagger.format_version": str(FORMAT_VERSION)},
)

UNSETTLED = pa.schema(
    [
        pa.field(
            "image_id",
            pa.string(),
            nullable=False,
            metadata={"meaning": "read again by the next run"},
        )
    ],
    metadata={"tagger.format_version": str(FORMAT_VERSION)},
)

MANIFEST_FIELDS = {
    "format_version": f"integer, {FORMAT_VERSION}",
    "snapshot": "string, the folder's name: UTC time of the run and four hex digits",
    "parent": f"string, the snapshot that {CHANGES_FILE} is against, or null for the first",
    "created_at": "ISO 8601, UTC",
    "catalog": "string, the absolute path of the catalog",
    "buckets": "integer, fixed when the index is created",
    "model_id": "string, the model of this run",
    "models": "list of strings, every model_id that rows name",
    "reader": (
        "integer, the version of the reader of this run; rows say which one they were made by"
    ),
    "groups": "list of strings, the exclusive groups, in column order",
    "parts": (
        "list of {file, bucket, rows, bytes, sha256}, by bucket; file is the path below the "
        "snapshot's folder"
    ),
    "labels_sha256": f"string, of {LABELS_FILE}",
    "changes_sha256": f"string, of {CHANGES_FILE}",
    "unsettled_sha256": f"string, of {UNSETTLED_FILE}",
    "rows": "integer, all parts together: pictures found",
    "statuses": "object, status to number of rows; they add up to rows",
    "counts": "object, the run's, as in its record; found is rows",
    "versions": "object, library to version",
}

SKIPPED = {
    "hidden": (
        "names that begin with a dot, folders with all they hold counted once; rename what is meant"
    ),
    "not_a_picture": (
        "no picture's ending, such as .jpg or .png; rename what is a picture, and "
        "name.jpg?width=800 too"
    ),
    "folder_link": (
        "links to folders are not followed; name the folder itself as the catalog, or mount it "
        "there"
    ),
    "link_outside": (
        "links to files outside the catalog; put the files there, or name a folder that holds both"
    ),
    "broken_link": "links to nothing, to themselves or to where there is no permission",
    "special": "pipes, sockets and devices, never opened",
    "excluded": "named by --exclude, folders with all they hold counted once",
    "system_folder": "made by a NAS or a desktop, with all they hold counted once; tagger tag "
    "takes them in with "
    "--include NAME",
}

RUN_COUNTS = (
    *("found", "new", "changed", "rescored", "unchanged", "deleted", "touched", "scored", "reused"),
    *("failed", "failed_now", "published_rows"),
)

PLAN_FIELDS = {
    "found": "pictures listed",
    "new": "without a row",
    "changed": "with another size or modification time than their row",
    "rescored": (
        "the same file, to be tried again: another model, another reader, --full, or --retry-errors"
    ),
    "unchanged": "rows to be carried over",
    "deleted": "rows whose picture was not found",
    "staged": "pictures whose rows an interrupted run left in staging",
    "to_read": "pictures to be read",
    "from_features": (
        "pictures scored by another model whose new scores come from stored features: they are "
        "not read"
    ),
    "behind": (
        "unchanged rows of an older model or reader, left for a later run by --backfill-limit"
    ),
}

RUN_STATES = {
    "running": "not ended yet, or killed and not yet noticed by a later run",
    "published": "a snapshot was published; it has the run's name",
    "unchanged": "nothing to publish: the current snapshot is what the catalog holds",
    "rolled_back": "`tagger rollback` pointed current to `snapshot`",
    "refused": "a guard, the lock or unusable input; nothing was published",
    "stopped": "--max-seconds was up; nothing was published, what was done is in staging",
    "failed": "an unexpected failure; nothing was published",
    "killed": "ended by a signal, or without a word (SIGKILL, power): the next run notes that",
}

RUN_FIELDS = {
    "format_version": f"integer, {FORMAT_VERSION}",
    "run_id": (
        "string, UTC time and four hex digits of its fraction; a published snapshot has the "
        "same name"
    ),
    "state": " | ".join(RUN_STATES),
    "message": "string, why it did not publish and what to do, or null",
    "exit_code": "integer, or null while running or if it ended without a word",
    "command": "list of strings, as started",
    "host": "string",
    "process": "integer",
    "started_at": "ISO 8601, UTC",
    "ended_at": "ISO 8601, UTC, or null while running or if it ended without a word",
    "catalog": "string, absolute path, or null for a rollback",
    "model_id": "string, or null if it was not read",
    "backend": "openvino | openvino bfloat16 | keras, or null if nothing had to be scored",
    "snapshot": "string, the snapshot that `current` led to at the end, or null",
    "plan": "object, what was to be done: "
    + ", ".join(PLAN_FIELDS)
    + "; empty if the catalog was not walked to its end",
    "counts": "object, the numbers of the --json result: " + ", ".join(RUN_COUNTS),
    "skipped": "object, reason to number of things that are no picture",
    "idle_patterns": "list of {pattern, meant}: those of --exclude that matched nothing, and a "
    "path that has another "
    "case only, or null",
    "seconds": "object, stage to seconds: walk, plan, start (loading the network), wait (for the "
    "workers), infer, "
    "write, rescore (from features), publish, total; first and last: when pictures were answered, "
    "since the start; "
    "read (and hash) and decode are those of the workers, added up over all of them, as is every "
    "stage "
    "with --engine ray",
    "peak_mib": "number, the most memory any one process of the run held, in MiB",
    "versions": "object, library to version",
}
