"""Stored features: what the trunk makes of each content, so that a new head needs no picture."""

import pyarrow as pa


def features_schema(width: int) -> pa.Schema:
    """Return the schema of the files in features/<features_id>/, for `width` features a picture."""
    meaning = f"{width} little-endian float16 values, 2 bytes each: numpy.frombuffer(value, '<f2')"
    return pa.schema(
        [
            pa.field(
                "content_sha256",
                pa.string(),
                nullable=False,
                metadata={"meaning": "hex digest of the bytes"},
            ),
            pa.field(
                "features", pa.binary(2 * width), nullable=False, metadata={"meaning": meaning}
            ),
        ]
    )
