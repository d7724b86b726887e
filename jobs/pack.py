"""Packing a model for tagging alone, with what that costs said per label."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schemas.models import PackedLabel, PackReport
from tagger.arrays import Float32Array
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


@dataclass(frozen=True)
class Loss:
    """What packing changed, on pictures of the test part.

    Attributes
    ----------
    pictures : int
        That both were compared on.
    tags_changed : float
        Share of them on which any tag differs.
    labels : list of PackedLabel
        In column order.
    """

    pictures: int
    tags_changed: float
    labels: list[PackedLabel]


def pack(
    model: str,
    datasets: Sequence[str],
    out: str,
    *,
    names: str | None = None,
    exclude: Sequence[str] = (),
    columns: str | None = None,
    image_root: str | None = None,
) -> PackReport:
    """Return what packing changed, after writing `out`, a bundle for tagging alone.

    It is measured on those pictures of the sets that are in the model's test part, and is in the
    card too. `columns` and `image_root` are about the tables among the sets, see
    `tagger.pipeline.labelled_sets.read_labelled`.

    Raises
    ------
    DatasetError
        If the sets hold no picture of the test part.
    InputError
        If `out` exists or cannot be written.
    """
    bundle = load_bundle(model)
    labelled = read_labelled(
        datasets,
        names,
        exclude,
        columns=columns,
        image_root=image_root,
        vocabulary=bundle.vocabulary,
        can_skip=False,
    )
    losses: list[Loss] = []

    def measured(packed: Bundle) -> str:
        losses.append(_loss(bundle, packed, labelled))
        return _card_text(losses[0])

    folder = pack_bundle(bundle, Path(out), measured=measured)
    return PackReport(
        bundle=str(folder),
        model_id=load_bundle(folder).model_id,
        bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        pictures=losses[0].pictures,
        tags_changed=losses[0].tags_changed,
        labels=losses[0].labels,
    )


def pack_text(report: PackReport) -> str:
    """Return the result of packing as text for a terminal."""
    saved = f"saved {report.bundle}, {report.bytes / 1e6:.1f} MB"
    return f"{_card_text(report)}\n{saved}"


def _loss(bundle: Bundle, packed: Bundle, labelled: LabelledSet) -> Loss:
    """Return what packing changed on the pictures of the test part."""
    paths = [example.path for example in labelled.examples]
    with Progress(2 * len(paths), "comparing") as progress:
        facts, full = score_files(bundle, paths, backend="openvino", progress=progress.advance)
        _, half = score_files(packed, paths, backend="openvino", progress=progress.advance)
    test = {content for content, part in bundle.parts().items() if part == "test"}
    rows = np.array([fact.status == "ok" and fact.content_sha256 in test for fact in facts], bool)
    if not rows.any():
        raise DatasetError(
            f"{labelled.source}: holds no picture of the test part of {bundle.name} to measure on"
        )
    full = full[rows]  # (n, n_labels)
    half = half[rows]  # (n, n_labels)
    targets = labelled.targets(bundle.vocabulary)[rows]  # (n, n_labels)
    before = tag_matrix(full, bundle.thresholds, bundle.vocabulary)
    after = tag_matrix(half, bundle.thresholds, bundle.vocabulary)
    return Loss(
        pictures=len(full),
        tags_changed=float((before != after).any(axis=1).mean()),
        labels=[
            _label(label.key, full[:, i], half[:, i], targets[:, i])
            for i, label in enumerate(bundle.vocabulary.labels)
        ],
    )


def _label(key: str, full: Float32Array, half: Float32Array, targets: Float32Array) -> PackedLabel:
    """Return what packing changed of one label: logits before and after, each (n,)."""
    known = ~np.isnan(targets)  # (n,)
    positive = targets[known] == 1  # (n_known,)
    return PackedLabel(
        label=key,
        positives=int(positive.sum()),
        ap=average_precision(full[known], positive),
        ap_packed=average_precision(half[known], positive),
        largest_difference=float(np.abs(stored_scores(full) - stored_scores(half)).max()),
    )


def _card_text(loss: Loss | PackReport) -> str:
    """Return the section of the card."""
    lines = [
        "## Packed",
        "",
        "Weights are float16, computing is float32. Against the bundle it was packed from, on "
        f"{loss.pictures:,} pictures of the test part: tags differ on {loss.tags_changed:.2%}.",
        "",
        "| label | positives | AP | AP packed | largest difference of a score |",
        "|---|---|---|---|---|",
    ]
    for row in loss.labels:
        measures = f"{number(row.ap)} | {number(row.ap_packed)} | {row.largest_difference:.4f}"
        lines.append(f"| {row.label} | {row.positives:,} | {measures} |")
    return "\n".join(lines) + "\n"
