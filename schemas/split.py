"""split.parquet: which part of the labelled set each picture belongs to, for ever."""

import pyarrow as pa

SPLIT = pa.schema(
    [
        pa.field(
            "content_sha256",
            pa.string(),
            nullable=False,
            metadata={"meaning": "hex digest of the file's bytes"},
        ),
        pa.field(
            "cluster",
            pa.string(),
            nullable=False,
            metadata={"meaning": "digest of its near-duplicates' first"},
        ),
        pa.field(
            "part", pa.string(), nullable=False, metadata={"meaning": "train | validation | test"}
        ),
        pa.field(
            "judged",
            pa.int32(),
            nullable=False,
            metadata={
                "meaning": (
                    "how many labels, the first of the vocabulary, there were when it was "
                    "labelled; 0: only the trunk that the model was begun with saw it, or it "
                    "taught without labels"
                )
            },
        ),
    ]
)
