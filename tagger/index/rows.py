"""From facts and logits to rows of the index."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

import tagger.imaging.preprocessing
from schemas.bundle import Likeness
from schemas.index import LABELS
from schemas.rows import CORRECTED_TYPE, FIXED_COLUMNS, OVERRULED_TYPE, rows_schema
from tagger.arrays import BoolArray, Float32Array, Float64Array
from tagger.imaging.file_facts import FileFacts
from tagger.index.staging import staged_schema
from tagger.labels.unlikeness import unlikeness
from tagger.labels.views import stored_scores, tag_matrix, view
from tagger.labels.vocabulary import Vocabulary
from tagger.models.bundle import Bundle


def schema_of(vocabulary: Vocabulary) -> pa.Schema:
    """Return the schema of the rows that a model with this vocabulary writes."""
    return rows_schema([group.name for group in vocabulary.exclusive_groups], vocabulary.labels)


def make_rows(
    image_ids: Sequence[str],
    facts: Sequence[FileFacts],
    logits: Float32Array,
    *,
    vocabulary: Vocabulary,
    thresholds: Float64Array,
    model_id: str,
    likeness: Likeness | None,
    outside: Float64Array,
) -> pa.Table:
    """Return one row per picture, in the order given.

    It has the schema of `schema_of` and the mark of unsettled ones. A picture whose content is
    `known` gets no scores and no model: they are filled in when the night is published.

    Parameters
    ----------
    image_ids, facts : sequences of length n
    logits : float32 (n, n_labels)
        Rows of pictures that are not ok are ignored.
    likeness : Likeness or None
        None: the model says nothing of unlikeness.
    outside : float64 (n,)
        What `Bundle.outside` says of their features.
    """
    ok = np.array([f.status == "ok" for f in facts], bool)
    now = datetime.now(UTC)
    columns: list[pa.Array] = [
        pa.array(image_ids, pa.string()),
        pa.array(["ok" if f.status == "known" else f.status for f in facts], pa.string()),
        pa.array([f.error for f in facts], pa.string()),
        pa.array([f.content_sha256 for f in facts], pa.string()),
        pa.array([f.size_bytes for f in facts], pa.int64()),
        pa.array([f.mtime_ns for f in facts], pa.int64()),
        pa.array([f.width for f in facts], pa.int32()),
        pa.array([f.height for f in facts], pa.int32()),
        pa.array([tagger.imaging.preprocessing.READER] * len(facts), pa.int32()),
        pa.array([model_id if good else None for good in ok], pa.string()),
        pa.array([now if good else None for good in ok], pa.timestamp("us", tz="UTC")),
        *_answer_columns(logits, ok, vocabulary, thresholds, likeness, outside),
    ]
    columns.append(pa.array([f.unsettled for f in facts], pa.bool_()))
    return pa.Table.from_arrays(columns, schema=staged_schema(schema_of(vocabulary)))


def rescored_rows(
    rows: pa.Table, logits: Float32Array, features: Float32Array, bundle: Bundle, when: datetime
) -> pa.Table:
    """Return rows that are ok with the answers of `logits` in place of their own.

    What is known of the file stays.

    Parameters
    ----------
    rows : pa.Table
        With the columns of `schema_of`.
    logits : float32 (n, n_labels)
    features : float32 (n, n_features)
    """
    n = len(rows)
    schema = staged_schema(schema_of(bundle.vocabulary))
    answers = _answer_columns(
        logits,
        np.ones(n, bool),
        bundle.vocabulary,
        bundle.thresholds,
        bundle.likeness,
        bundle.outside(features),
    )
    columns = [rows[name] for name in FIXED_COLUMNS[: FIXED_COLUMNS.index("model_id")]]
    columns += [
        pa.array([bundle.model_id] * n, pa.string()),
        pa.array([when] * n, pa.timestamp("us", tz="UTC")),
    ]
    return pa.Table.from_arrays([*columns, *answers, pa.array(np.zeros(n, bool))], schema=schema)


def _answer_columns(
    logits: Float32Array,
    ok: BoolArray,
    vocabulary: Vocabulary,
    thresholds: Float64Array,
    likeness: Likeness | None,
    outside: Float64Array,
) -> list[pa.Array]:
    """Return tags, unlikeness, answers and scores, null where not ok; no person has answered
    yet."""
    columns = [_tags(logits, thresholds, vocabulary, ok)]
    columns += [pa.nulls(len(ok), kind) for kind in (CORRECTED_TYPE, OVERRULED_TYPE)]
    columns.append(_unlikeness(logits, ok, vocabulary, likeness, outside))
    columns.append(pa.nulls(len(ok), pa.timestamp("us", tz="UTC")))  # first_seen: when published
    names = pa.array([label.name for label in vocabulary.labels], pa.string())
    for group in vocabulary.exclusive_groups:
        answers = view(logits, thresholds, vocabulary.members(group.name))
        none = ~ok | (answers.answer < 0)
        columns.append(names.take(pa.array(answers.answer, mask=none)))
        columns.append(pa.array(answers.probability, mask=none))
    scores = stored_scores(logits)
    return columns + [pa.array(scores[:, i], mask=~ok) for i in range(len(vocabulary))]


def _unlikeness(
    logits: Float32Array,
    ok: BoolArray,
    vocabulary: Vocabulary,
    likeness: Likeness | None,
    outside: Float64Array,
) -> pa.Array:
    if likeness is None:
        return pa.nulls(len(ok), pa.float64())
    return pa.array(unlikeness(logits, vocabulary, likeness, outside), mask=~ok)


def labels_table(bundle: Bundle) -> pa.Table:
    """Return the rows of the labels file about one model, in column order."""
    ap = {row.label: row.ap for row in bundle.metrics().evaluation.labels}
    rows = [
        {
            "model_id": bundle.model_id,
            "group": label.group,
            "label": label.name,
            "column": label.column,
            "threshold": float(threshold),
            "ap": ap.get(label.key),
            "retired": label.retired,
        }
        for label, threshold in zip(bundle.vocabulary.labels, bundle.thresholds, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=LABELS)


def _tags(
    logits: Float32Array,
    thresholds: Float64Array,
    vocabulary: Vocabulary,
    ok: BoolArray,
) -> pa.Array:
    matrix = tag_matrix(logits, thresholds, vocabulary) & ok[:, None]
    offsets = np.concatenate([[0], np.cumsum(matrix.sum(axis=1))]).astype(np.int32)
    names = pa.array([label.name for label in vocabulary.labels], pa.string())
    field = pa.field("element", pa.string(), nullable=False)
    values = names.take(pa.array(np.nonzero(matrix)[1]))
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=pa.list_(field))
