"""The format page for readers in other languages, made from the declarations. `python -m
schemas.page` writes it."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from schemas import bundle, features, index, reports, rows, split, vocabulary

PAGE = Path(__file__).with_name("FORMAT.md")


class _Example(NamedTuple):
    group: str
    name: str
    column: str


def page() -> str:
    """Return the text of FORMAT.md."""
    example = rows.rows_schema(["<group>"], [_Example("<group>", "<label>", "score_<slug>")])
    sections = [
        _INTRODUCTION,
        "## Layout of an index\n\n" + _fields(index.LAYOUT, "path"),
        "## Rows\n\n" + _ROWS + _schema(example),
        "### Status\n\n" + _fields(rows.STATUSES, "status"),
        f"## {index.LABELS_FILE}\n\n" + _schema(index.LABELS),
        f"## {index.CHANGES_FILE}\n\n" + _schema(index.CHANGES),
        f"## {index.UNSETTLED_FILE}\n\n" + _schema(index.UNSETTLED),
        "## features/<features_id>/*.parquet\n\n"
        + _FEATURES
        + _schema(features.features_schema(1024)),
        f"## {index.MANIFEST_FILE}\n\n" + _fields(index.MANIFEST_FIELDS),
        "## runs/*.json\n\n" + _fields(index.RUN_FIELDS),
        "### state\n\n" + _fields(index.RUN_STATES, "state"),
        "### plan\n\n" + _fields(index.PLAN_FIELDS),
        "### skipped\n\n" + _fields(index.SKIPPED, "reason"),
        "## A model bundle\n\n" + _fields(bundle.FILES, "file"),
        "### bundle.json\n\n" + _fields(bundle.BUNDLE_FIELDS),
        "### vocabulary.json\n\n" + _fields(vocabulary.VOCABULARY_FIELDS),
        "A group:\n\n" + _fields(vocabulary.GROUP_FIELDS),
        "A label:\n\n" + _fields(vocabulary.LABEL_FIELDS),
        "### preprocessing.json\n\n" + _fields(bundle.PREPROCESSING_FIELDS),
        "### thresholds.json, each of `labels`\n\n" + _fields(bundle.THRESHOLD_FIELDS),
        "### gate.json\n\n" + _fields(bundle.GATE_FIELDS),
        "### metrics.json\n\n" + _fields(bundle.METRICS_FIELDS),
        "### split.parquet\n\n" + _schema(split.SPLIT),
        "## What --json prints\n\n`tagger tag`:\n\n" + _fields(reports.TAG),
        '`tagger predict` prints `{"predictions": [...]}`, each:\n\n' + _fields(reports.PREDICTION),
        "`tagger evaluate`:\n\n" + _fields(reports.EVALUATE),
        "Its `evaluation`, which metrics.json holds too:\n\n" + _fields(reports.EVALUATION),
        "Its `labels`:\n\n" + _fields(reports.EVALUATION_LABEL),
        "Its `groups`:\n\n" + _fields(reports.EVALUATION_GROUP),
        "`audit` of `tagger evaluate --audit`:\n\n" + _fields(reports.AUDIT),
        "The CSV of an audit:\n\n" + _fields(reports.AUDIT_COLUMNS, "column"),
        "`tagger train`:\n\n" + _fields(reports.TRAIN),
        "Its `verdict`:\n\n" + _fields(reports.VERDICT),
        "Its `groups`:\n\n" + _fields(reports.VERDICT_GROUP),
        "`tagger retrain`:\n\n" + _fields(reports.RETRAIN),
        "`tagger pack`:\n\n" + _fields(reports.PACK),
        "`tagger promote`:\n\n" + _fields(reports.PROMOTE),
        "`tagger models`:\n\n" + _fields(reports.MODELS),
        "Its `versions`:\n\n" + _fields(reports.MODELS_VERSION),
        "`tagger train --check`:\n\n" + _fields(reports.CHECK),
        "`tagger similar`:\n\n" + _fields(reports.SIMILAR),
        "`tagger verify`:\n\n" + _fields(reports.VERIFY),
        "`tagger runs`:\n\n" + _fields(reports.RUNS),
        "`tagger rollback`:\n\n" + _fields(reports.ROLLBACK),
    ]
    return "\n\n".join(sections) + "\n"


_INTRODUCTION = f"""# Format

Made from `schemas/` by `python -m schemas.page`; a test holds the two together. Format version
{index.FORMAT_VERSION}.

To read a night: point any Parquet reader at the folder `current`, or, if it takes patterns, at
`current/*.parquet`. The folder holds parts and nothing else, one row per picture found; there is
at least one row, since a night without a picture is refused. Every part has the same schema,
column for column. To use the folder more than once, resolve the symlink **once**: a part's name
never means two contents, so a reader that does not may fail to find a file while a night is
published; it never reads two nights mixed. Labels, changes and manifest lie beside the folder
that `current` leads to.

Keep the index below folders without `=`: DuckDB takes a folder `key=value` for a column, and for
`color=red` the folder's word instead of the rows', unless `hive_partitioning = false` is given.

To follow the nights: remember the snapshot you have. If the manifest's `parent` is that, apply
`{index.CHANGES_FILE}` (`upsert`: take the row from the parts; `delete`: drop it). If not, read
the whole snapshot.

To recompute an answer: a label that is not retired *holds* when its stored score is at least its
stored threshold in `{index.LABELS_FILE}`, of the row's `model_id`. With odds o = s / (1 - s) of
the scores of a group's labels that are not retired, p(label i) = o_i / (1 + sum o); none has the
rest. The answer is, among the labels that hold, the one with the largest
o_i / odds(threshold_i), or none."""

_ROWS = (
    "zstd-compressed Parquet. Fixed columns, then per exclusive group two columns, then per label "
    "one, in vocabulary\n"
    "order. Each field's metadata has its `meaning`, and `group` and `label` where there is one. A "
    "column's name is\n"
    "`score_` and the label's slug: lower case, runs outside [a-z0-9] as one `_`; a slug already "
    "taken becomes\n"
    "`score_<group>_<slug>`. It is fixed when the label is born and never changes.\n\n"
)


_FEATURES = (
    "With `tagger tag --features`, for each content that went through the network since: what the "
    "trunk of the model "
    "made of it. The width is the model's, 1,024 as a rule.\n\n"
)


def _fields(fields: Mapping[str, str], what: str = "field") -> str:
    lines = [f"| {what} | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {_escaped(text)} |" for name, text in fields.items()]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Return text that a Markdown table shows as it is."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _schema(schema: pa.Schema) -> str:
    lines = ["| column | type | null | meaning |", "|---|---|---|---|"]
    for field in schema:
        meaning = (field.metadata or {}).get(b"meaning", b"").decode()
        kind = str(field.type).replace(" not null", "")
        lines.append(
            f"| `{field.name}` | {kind} | {'yes' if field.nullable else 'never'} | "
            f"{_escaped(meaning)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page())
