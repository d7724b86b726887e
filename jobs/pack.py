"""Packing a model for tagging alone, with what that costs said per label."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tagger.datasets.labelled_set import LabelledSet
from tagger.errors import DatasetError
from tagger.evaluation.metrics import average_precision
from tagger.labels.views import stored_scores, tag_matrix
from tagger.models.bundle import Bundle, load_bundle
from tagger.models.card import number
from tagger.models.file_scoring import score_files
from tagger.models.packing import pack_bundle
from tagger.pipeline.labelled_sets import read_labelled
from tagger.progress import Progress


def pack(
    model: str,
    datasets: Sequence[str],
    out: str,
    *,
    names: str | None = None,
    exclude: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the report declared in `schemas.reports.PACK`, after writing `out`, a bundle for
    tagging alone.

    The loss is measured on those pictures of the sets that are in the model's test part, and is in
    the card too.

    Raises
    ------
    DatasetError
        If the sets hold no picture of the test part.
    InputError
        If `out` exists or cannot be written.
    """
    bundle = load_bundle(model)
    labelled = read_labelled(datasets, names, exclude, vocabulary=bundle.vocabulary)
    report: dict[str, Any] = {}

    def measured(packed: Bundle) -> str:
        report.update(_loss(bundle, packed, labelled))
        return _card_text(report)

    folder = pack_bundle(bundle, Path(out), measured=measured)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {
        "bundle": str(folder),
        "model_id": load_bundle(folder).model_id,
        "bytes": size,
        **report,
    }


def pack_text(report: dict[str, Any]) -> str:
    """Return the result of packing as text for a terminal."""
    saved = f"saved {report['bundle']}, {report['bytes'] / 1e6:.1f} MB"
    return f"{_card_text(report)}\n{saved}"


def _loss(bundle: Bundle, packed: Bundle, labelled: LabelledSet) -> dict[str, Any]:
    """Return pictures, tags_changed and labels of the report: both bundles on the test part's
    pictures."""
    paths = [example.path for example in labelled.examples]
    with Progress(2 * len(paths), "comparing") as progress:
        facts, full = score_files(bundle, paths, backend="openvino", progress=progress.advance)
        _, half = score_files(packed, paths, backend="openvino", progress=progress.advance)
    test = {row["content_sha256"] for row in bundle.split().to_pylist() if row["part"] == "test"}
    rows = np.array([fact.status == "ok" and fact.content_sha256 in test for fact in facts], bool)
    if not rows.any():
        raise DatasetError(
            f"{labelled.source}: holds no picture of the test part of {bundle.name} to measure on"
        )
    full, half, targets = full[rows], half[rows], labelled.targets(bundle.vocabulary)[rows]
    tags = [tag_matrix(logits, bundle.thresholds, bundle.vocabulary) for logits in (full, half)]
    labels = []
    for i, label in enumerate(bundle.vocabulary.labels):
        known = ~np.isnan(targets[:, i])
        positive = targets[known, i] == 1
        difference = np.abs(stored_scores(full[:, i]) - stored_scores(half[:, i]))
        row = {"label": label.key, "largest_difference": float(difference.max())}
        row |= {
            name: average_precision(z[known, i], positive)
            for name, z in (("ap", full), ("ap_packed", half))
        }
        labels.append(row | {"positives": int(positive.sum())})
    return {
        "pictures": len(full),
        "tags_changed": float((tags[0] != tags[1]).any(axis=1).mean()),
        "labels": labels,
    }


def _card_text(report: dict[str, Any]) -> str:
    lines = [
        "## Packed",
        "",
        "Weights are float16, computing is float32. The network for Keras is left out: this bundle "
        "tags and predicts, "
        "and cannot be retrained. Against the bundle it was packed from, on "
        f"{report['pictures']:,} pictures of the test part: tags differ on "
        f"{report['tags_changed']:.2%}.",
        "",
        "| label | positives | AP | AP packed | largest difference of a score |",
        "|---|---|---|---|---|",
    ]
    for row in report["labels"]:
        measures = (
            f"{number(row['ap'])} | {number(row['ap_packed'])} | {row['largest_difference']:.4f}"
        )
        lines.append(f"| {row['label']} | {row['positives']:,} | {measures} |")
    return "\n".join(lines) + "\n"
