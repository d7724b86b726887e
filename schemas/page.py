"""The format pages for readers in other languages, made from the declarations.

`python -m schemas.page` writes them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from schemas import (
    bundle,
    comparison,
    corrections,
    evaluation,
    evidence,
    features,
    index,
    models,
    nightly,
    report,
    rows,
    runs,
    samples,
    search_pages,
    split,
    training,
    vocabulary,
)
from schemas.record import FORMAT_VERSION
from schemas.tables import columns, meanings, records

_FOLDER = Path(__file__).parent
_TITLES = {
    "FORMAT.md": "Reading a night",
    "INDEX.md": "The other files of an index",
    "RUNS.md": "Records of runs",
    "DOCUMENTS.md": "Documents for search",
    "BUNDLE.md": "A model bundle",
    "REPORTS.md": "Reports on an index",
    "MODEL_REPORTS.md": "Reports on models",
    "TRAINING_REPORTS.md": "Reports on trainings",
    "COMPARISON.md": "Comparisons",
}


def pages() -> dict[Path, str]:
    """Return the text of every page, by its path."""
    makers: dict[str, Callable[[], list[str]]] = {
        "FORMAT.md": _format_page,
        "INDEX.md": _index_page,
        "RUNS.md": _runs_page,
        "DOCUMENTS.md": search_pages.documents_page,
        "BUNDLE.md": _bundle_page,
        "REPORTS.md": _reports_page,
        "MODEL_REPORTS.md": _model_reports_page,
        "TRAINING_REPORTS.md": _training_reports_page,
        "COMPARISON.md": _comparison_page,
    }
    return {
        _FOLDER / name: "\n\n".join([_head(name), *make()]) + "\n" for name, make in makers.items()
    }


def _head(page: str) -> str:
    """Return the title of a page, and the links to the others."""
    links = [f"[{title}]({name})" for name, title in _TITLES.items() if name != page]
    return f"# {_TITLES[page]}\n\n[README](../README.md) · {' · '.join(links)}"


class _Example(NamedTuple):
    group: str
    name: str
    column: str


def _format_page() -> list[str]:
    example = rows.rows_schema(["<group>"], [_Example("<group>", "<label>", "score_<slug>")])
    return [
        _READING,
        _PROMISE,
        "## Layout of an index",
        meanings(index.LAYOUT, "path"),
        "## Rows",
        _ROWS,
        columns(example),
        "### Status",
        meanings(rows.STATUSES, "status"),
        f"## {index.LABELS_FILE}",
        columns(index.LABELS),
        f"## {index.CHANGES_FILE}",
        columns(index.CHANGES),
    ]


def _index_page() -> list[str]:
    return [
        "The rows, labels and changes of a night are on the page [Reading a night](FORMAT.md). "
        "Here is what lies beside them.",
        f"## {index.MANIFEST_FILE}",
        *records(index.Manifest),
        f"## {corrections.CORRECTIONS_FILE}",
        _CORRECTIONS,
        *records(corrections.Correction),
        "### What an `answer` says",
        meanings(corrections.ANSWERS, "answer"),
        f"## {samples.SAMPLES_FOLDER}/*.json",
        _SAMPLES,
        *records(samples.Sample),
        f"## {index.UNSETTLED_FILE}",
        columns(index.UNSETTLED),
        "## features/&lt;features_id>/*.parquet",
        _FEATURES,
        columns(features.features_schema(1024)),
        "## features/_model.json",
        *records(index.FeaturedModel),
        "## _lock",
        *records(runs.LockHolder),
    ]


def _runs_page() -> list[str]:
    return [
        "Every run leaves a record in the index, refused and killed ones too. Records stay when "
        "snapshots go.",
        "## runs/*.json",
        *records(runs.RunRecord),
        "### What a `state` says",
        meanings(runs.RUN_STATES, "state"),
        "### What is `skipped`",
        meanings(runs.SKIPPED, "reason"),
        *search_pages.syncs(),
    ]


def _bundle_page() -> list[str]:
    return [
        "What the folder of a model holds. `bundle.json` lists every file with its digest. A later "
        "version may add files and fields: check the digests of all files that are listed, ignore "
        "those that you do not know, and read none that is not listed.",
        meanings(bundle.FILES, "file"),
        "## bundle.json",
        *records(bundle.Description),
        "## vocabulary.json",
        *records(vocabulary.VocabularyFile),
        "## preprocessing.json",
        *records(bundle.Preprocessing),
        "## thresholds.json",
        *records(bundle.Thresholds),
        "## gate.json",
        *records(bundle.Gate),
        "## metrics.json",
        *records(bundle.Metrics),
        "## split.parquet",
        columns(split.SPLIT),
    ]


def _reports_page() -> list[str]:
    return [
        _ONE_OBJECT,
        "## tagger tag",
        *records(nightly.TagReport, but=(runs.Failure,)),
        "## tagger status",
        *records(nightly.StatusReport, but=(runs.RunRecord,)),
        "## tagger runs",
        "A run record is declared [on a page of its own](RUNS.md), an estimate [with the files of "
        "an index](INDEX.md).",
        *records(nightly.RunsReport, but=(runs.RunRecord, samples.Estimate)),
        "## tagger rollback",
        *records(nightly.RollbackReport),
        "## tagger verify",
        *records(nightly.VerifyReport),
        "## tagger similar",
        *records(nightly.SimilarReport),
        *search_pages.reports(),
        "## tagger report",
        "The page itself is the file that `--out` names.",
        *records(report.NightReport),
    ]


def _training_reports_page() -> list[str]:
    shared = (bundle.Gate, evaluation.Evaluation, bundle.CalibrationChange)
    above = (*shared, training.PictureCounts, evidence.GroupEvidence)
    return [
        _ONE_OBJECT,
        "## tagger train",
        "An `Evaluation`, a `CalibrationChange` and a `Gate` are declared [with the files of a "
        "bundle](BUNDLE.md).",
        *records(training.TrainReport, but=shared),
        "## tagger train --check, tagger retrain --check",
        *records(training.CheckReport, but=(evidence.GroupEvidence,)),
        "## tagger relabel",
        *records(training.RelabelReport),
        "## tagger retrain",
        *records(training.RetrainReport, but=above),
    ]


def _model_reports_page() -> list[str]:
    return [
        _ONE_OBJECT,
        "## tagger predict",
        *records(models.PredictReport),
        "## tagger evaluate",
        "An `Evaluation` is declared [with metrics.json](BUNDLE.md).",
        *records(evaluation.EvaluateReport, but=(evaluation.Evaluation,)),
        "The CSV of an audit:",
        meanings(evaluation.AUDIT_COLUMNS, "column"),
        "## tagger pack",
        *records(models.PackReport),
        "## tagger promote",
        *records(models.PromoteReport),
        "## tagger models",
        *records(models.ModelsReport),
        "## tagger models --prune",
        *records(models.PruneReport),
    ]


def _comparison_page() -> list[str]:
    return [
        _ONE_OBJECT,
        "[What the figures mean](../jobs/COMPARE.md), and how they are made.",
        "## tagger compare",
        *records(comparison.CompareReport),
    ]


_ONE_OBJECT = """What a command prints with `--json`: one JSON object on standard output, and
nothing else there. Fields may be added; ignore what you do not know."""

_READING = f"""To read a night:

- Point any Parquet reader at the folder `current`, or, if it takes patterns, at
  `current/*.parquet`. It holds parts and nothing else, one row for each picture found. All parts
  have the same columns. There is at least one row: a night without a picture is refused.
- To use the folder more than once, resolve the symlink **once**. A part's name never means two
  contents, so a reader that does not may miss a file while a night is published; it never reads
  two nights mixed.
- Labels, changes and manifest lie beside the folder that `current` leads to.
- Keep the index below folders without `=`. DuckDB takes a folder `color=red` for a column `color`
  and shows `red` instead of the rows' own values, unless `hive_partitioning = false` is given.

To follow the nights, remember the snapshot that you have. If the `parent` in
`{index.MANIFEST_FILE}` is that one, apply `{index.CHANGES_FILE}` (`upsert`: take the row from the
parts; `delete`: drop it). If not, read the whole snapshot.

To compute an answer yourself: a label that is not retired *holds* when its stored score is at
least its stored threshold in `{index.LABELS_FILE}`, of the row's `model_id`. Take the scores s of
a group's labels that are not retired, with odds o = s / (1 - s). Then
p(label i) = o_i / (1 + sum o), and "none" has the rest. The answer is, among the labels that hold,
the one with the largest o_i / odds(threshold_i), or none. Stored scores have
four decimals, and answers come from unrounded ones: the last digit of p(answer) may differ, and an
answer that was a close call."""

_PROMISE = f"""## What stays

One format version, {FORMAT_VERSION}, for everything, frozen at the first release; later versions
read it. Columns, files and fields may be added; ignore what you do not know.

An added column says what it means, as all do, and may be null. A version that does not know it
keeps it, and leaves it null in the rows that it makes anew. Files and fields that are added to a
snapshot stay with that snapshot.

These pages are made from `schemas/` by `python -m schemas.page`; a test holds the two together."""

_ROWS = """zstd-compressed Parquet. Fixed columns come first, then two columns for each exclusive
group, then one for each label, in the order of the vocabulary. Each field's metadata has its
`meaning`, and `group` and `label` where there is one. A column's name is `score_` and the label's
slug: lower case a-z and 0-9, all other runs as one `_`. Other scripts are transliterated, by
anyascii, so that every column can be typed: `grün` is `score_gruen` (umlauts as Germans type them:
ae, oe, ue, ss), `红色` is `score_hongse`, and a sign without a sound is its code point, `u2605`. A
slug that is already taken becomes `<group>_<slug>`, and if that is taken too, `<group>_<slug>_2`.
A column is fixed when the label is born and never changes: `labels.parquet` says which label it is.

Where a person answered (`corrected`), that answer is in `<group>` and in `tags`; the scores stay
the model's, `<group>_score` is null, and `overruled` has the model's own answer."""

_CORRECTIONS = """One JSON object a line, in the order in which things were said; lines are appended
and never changed. `pd.read_json(path, lines=True, dtype=False)` reads it. Each line ends with
`check`: the first 16 hex digits of the sha256 of the line up to, and without, `, "check"`. A line
with `more` was said with one stroke together with the line after it. Where the file ends without a
line break, or with a line that has `more`, its writer died: nobody was told that it is kept; ignore
that stroke.

In an exclusive group the last line about a content and the group counts; in other groups, the last
line about a content, the group and the label, and a line without a label takes back all that was
said of the group before. A label that the model does not have (yet) is what a
person proposes: until `tagger retrain --add` the row answers none. Where the label is retired, the
model's answer stands. A correction goes with the bytes: a picture that is renamed or copied keeps
it, and other bytes under the same name do not have it. Rows that are not ok have no answers."""

_SAMPLES = """What `tagger review` with `--sample` drew, and the figures from what persons said of
it by now: precision and the share of missing answers, with 95 % intervals. They are about the
answers of the models, also where a person's answer is in the rows.
[How good is it here?](../jobs/SAMPLES.md) says how they are made and what they mean."""

_FEATURES = """With `tagger tag --features`, for each content that went through the network since:
what the trunk of the model made of it. The width is the model's, 1,024 as a rule."""


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
