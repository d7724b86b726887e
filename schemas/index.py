"""The files of a snapshot beside its rows: labels, change feed, manifest."""

from typing import Annotated, Literal

import pyarrow as pa
from msgspec import Meta

from schemas.record import FORMAT_VERSION, Record
from schemas.runs import Counts

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
    "corrections.jsonl": "what persons said of pictures, a JSON object a line, appended and never "
    "changed: see [the other files](INDEX.md). Back it up with the rest: nothing else has it",
    "samples/<id>.json": "with `tagger review --sample`: which pictures a person was asked about, "
    "and how good the answers were by what that person said",
    "runs/<id>.json": "a record per run, refused and killed ones too; ids sort by time",
    "features/<features_id>/*.parquet": "with --features: what the trunk of a model makes of "
    "each content; a model "
    "with the same trunk is then scored without reading pictures. <features_id> is a digest of the "
    "trunk, the settings "
    "in preprocessing.json and the version of the reader",
    "syncs/<id>.json": "a record per run of `tagger sync`; ids sort by time",
    "features/_model.json": (
        "where the bundle lay whose features the last published night kept or used"
    ),
    "_staging/spill-<letters>/": "while a run works on more than a million pictures: what memory "
    "need not hold, some 150 bytes a picture; removed at its end, or by the next run",
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

Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
PartFile = Annotated[
    str, Meta(pattern=rf"\A{ROWS_FOLDER}/part-[0-9]{{5}}-[0-9a-f]{{16}}\.parquet\Z")
]
"""No other path: a manifest must not lead out of its snapshot."""


class Part(Record):
    """One Parquet file of a snapshot, with the rows of one bucket."""

    file: PartFile
    """Path below the snapshot's folder."""
    bucket: Annotated[int, Meta(ge=0)]
    """sha256(image_id) mod buckets, of all its rows."""
    rows: Annotated[int, Meta(ge=0)]
    """How many it has."""
    bytes: Annotated[int, Meta(ge=0)]
    """Size of the file."""
    sha256: Sha256
    """Digest of the file, hex."""


class CorrectionsRead(Record):
    """How much of corrections.jsonl the rows of a snapshot follow: its first bytes."""

    bytes: Annotated[int, Meta(ge=1)]
    """How many, up to the end of a line."""
    sha256: Sha256
    """Their digest, hex."""


class Manifest(Record):
    """What a snapshot holds. It is written last: a folder without it is no snapshot."""

    format_version: Literal[1]
    """Of all files of an index."""
    snapshot: str
    """The folder's name: UTC time of the run and four hex digits."""
    parent: str | None
    """The snapshot that changes.parquet is against; null for the first."""
    created_at: str
    """ISO 8601, UTC."""
    catalog: str
    """Absolute path of the catalog."""
    buckets: Annotated[int, Meta(ge=1, le=65_536)]
    """As many as the parent has, or twice as many, four times and so on: as the catalog grows."""
    model_id: str
    """The model of this run."""
    models: list[str]
    """Every model_id that rows name, and that of this run."""
    reader: int
    """Version of the reader of this run; rows say which one they were made by."""
    groups: list[str]
    """The exclusive groups, in column order."""
    parts: list[Part]
    """By bucket; a bucket without rows has none."""
    labels_sha256: Sha256
    """Digest of labels.parquet, hex."""
    changes_sha256: Sha256
    """Digest of changes.parquet, hex."""
    unsettled_sha256: Sha256
    """Digest of unsettled.parquet, hex."""
    rows: Annotated[int, Meta(ge=0)]
    """Of all parts together: pictures found."""
    statuses: dict[str, int]
    """Status to number of rows; they add up to rows."""
    counts: Counts
    """The run's, as in its record; found is rows."""
    versions: dict[str, str]
    """Library to version."""
    corrections: CorrectionsRead | None = None
    """What of corrections.jsonl is in the rows; null if nothing was said yet."""


class FeaturedModel(Record):
    """Whose features an index keeps."""

    model: str
    """Where the bundle lay whose features the last published night kept or used."""
    features_id: str | None = None
    """The folder they lie in; null in indexes of earlier versions."""
    width: int | None = None
    """Features a picture; null in indexes of earlier versions."""
