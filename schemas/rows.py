"""The rows of the index: one per picture found.

Every part of a snapshot has this schema, field by field.
"""

from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa

from schemas.record import FORMAT_VERSION

STATUSES = {
    "ok": "scored",
    "empty": "the file has no bytes",
    "truncated": "the file ends before the picture does",
    "unreadable": (
        "damaged, or of a kind that the decoder cannot read; or the disk or share failed on "
        "it, then it is read again"
    ),
    "unsupported": "not a picture format that is known",
    "too_large": (
        "claims too many pixels, has too many bytes, or decoding it needs more memory than a "
        "picture may"
    ),
    "denied": "no permission to read it",
    "timeout": "decoding took too long and was stopped",
    "crashed": "the decoder died on it, twice",
}

_FIXED: list[tuple[str, pa.DataType, bool, str]] = [
    (
        "image_id",
        pa.string(),
        False,
        "path below the catalog, '/'; valid UTF-8 as is, an invalid byte as \\xNN, a backslash as "
        "\\\\",
    ),
    ("status", pa.string(), False, "ok, or why there are no scores: one of " + ", ".join(STATUSES)),
    ("error", pa.string(), True, "the reason in words; null when ok"),
    (
        "content_sha256",
        pa.string(),
        True,
        "hex digest of the file's bytes; null only if never read",
    ),
    (
        "size_bytes",
        pa.int64(),
        True,
        "the file's size; null only if it could be neither opened nor looked at",
    ),
    (
        "mtime_ns",
        pa.int64(),
        True,
        "the file's modification time, ns since 1970; null only if it could be neither opened nor "
        "looked at",
    ),
    ("width", pa.int32(), True, "pixels after EXIF orientation; null unless known"),
    ("height", pa.int32(), True, "pixels after EXIF orientation; null unless known"),
    (
        "reader",
        pa.int32(),
        False,
        "version of the reader that last looked at the file; rows of an older one are read again",
    ),
    ("model_id", pa.string(), True, "the model that gave the scores; null on failed rows"),
    (
        "scored_at",
        pa.timestamp("us", tz="UTC"),
        True,
        "when the scores were computed; null on failed rows",
    ),
]
_TAGS = pa.field(
    "tags",
    pa.list_(pa.field("element", pa.string(), nullable=False)),
    nullable=False,
    metadata={
        "meaning": "answers of exclusive groups and all other labels at or over threshold, as "
        "'name', in vocabulary "
        "order; [] if not ok"
    },
)

CORRECTED_TYPE = pa.list_(pa.field("element", pa.string(), nullable=False))
OVERRULED_TYPE = pa.list_(
    pa.field(
        "element",
        pa.struct(
            [
                pa.field("group", pa.string(), nullable=False),
                pa.field("answer", pa.string()),
                pa.field("score", pa.float64()),
            ]
        ),
        nullable=False,
    )
)
_OF_PERSONS = [
    pa.field(
        "corrected",
        CORRECTED_TYPE,
        metadata={
            "meaning": "what persons answered in place of the model: exclusive groups by name, "
            "other labels as 'group:label'; null if nobody did"
        },
    ),
    pa.field(
        "overruled",
        OVERRULED_TYPE,
        metadata={
            "meaning": "of each exclusive group in corrected, the model's own answer and its "
            "p(answer), both null for none; null if there is no such group"
        },
    ),
]
"""Added with corrections; null in the rows of earlier versions."""

_OF_MODEL = [
    pa.field(
        "unlikeness",
        pa.float64(),
        metadata={
            "meaning": "how far the picture lies from what the model was trained on: 0 is an "
            "ordinary picture, over 1 it is unlike all but one in a hundred of those; four "
            "decimals; null when not scored, or by a model of an earlier version"
        },
    ),
]
"""Added later; null in the rows of earlier versions."""

_OF_NIGHTS = [
    pa.field(
        "first_seen",
        pa.timestamp("us", tz="UTC"),
        metadata={
            "meaning": "when the night began that found this image_id first, since it was last "
            "missing; null where a night of an earlier version found it"
        },
    ),
]
"""Added later; null in the rows of earlier versions."""

FIXED_COLUMNS = tuple(name for name, _, _, _ in _FIXED)
TAGS_COLUMNS = ("tags", *(field.name for field in _OF_PERSONS))
MODEL_COLUMNS = tuple(field.name for field in _OF_MODEL)
NIGHT_COLUMNS = tuple(field.name for field in _OF_NIGHTS)


class LabelLike(Protocol):
    """What the schema needs to know of a label."""

    @property
    def group(self) -> str:
        """The group's name."""
        ...

    @property
    def name(self) -> str:
        """The label's name."""
        ...

    @property
    def column(self) -> str:
        """The score column."""
        ...


def rows_schema(exclusive_groups: Sequence[str], labels: Sequence[LabelLike]) -> pa.Schema:
    """Return the schema of a part: fixed columns, tags, two per exclusive group, one per label.

    Scores are doubles rounded to four decimals: as small as float32 after compression, and a filter
    on 0.9 finds a stored 0.9. Field metadata holds each column's meaning, and group and label where
    it has one.
    """
    fields = [
        pa.field(n, t, nullable=null, metadata={"meaning": text}) for n, t, null, text in _FIXED
    ]
    fields += [_TAGS, *_OF_PERSONS, *_OF_MODEL, *_OF_NIGHTS]
    for group in exclusive_groups:
        answer = f"the answer for {group}; null = none, or not ok"
        score = (
            f"p(answer) of the formula above, 0 to 1, four decimals; null where {group} is null "
            "or a person answered"
        )
        fields.append(pa.field(group, pa.string(), metadata={"meaning": answer, "group": group}))
        fields.append(
            pa.field(f"{group}_score", pa.float64(), metadata={"meaning": score, "group": group})
        )
    for label in labels:
        meaning = "calibrated sigmoid score, 0 to 1, four decimals; null when not scored"
        metadata = {"meaning": meaning, "group": label.group, "label": label.name}
        fields.append(pa.field(label.column, pa.float64(), metadata=metadata))
    return pa.schema(fields, metadata={"tagger.format_version": str(FORMAT_VERSION)})
