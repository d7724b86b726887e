"""The label audit: what in a labelled set is likely to be labelled wrongly.

As a table, and as sheets to look at.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from schemas.evaluation import AUDIT_COLUMNS, AuditReport
from tagger.arrays import Float32Array
from tagger.cpus import usable_cpus
from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.prepared_set import PreparedSet, prepare
from tagger.errors import InputError
from tagger.evaluation.label_errors import contradictions, doubted_labels
from tagger.evaluation.plots import contact_sheet, png
from tagger.files import atomic_bytes, atomic_text
from tagger.imaging.file_facts import FileFacts
from tagger.models.bundle import Bundle
from tagger.models.predictor import Backend, logits_of, make_predictor
from tagger.progress import Progress

COLUMNS = list(AUDIT_COLUMNS)
_TILES = 64
_TILE_SIDE = 144


def audit_set(
    bundle: Bundle,
    labelled: LabelledSet,
    part_of: Mapping[str, str],
    out: Path,
    *,
    backend: Backend,
) -> tuple[list[FileFacts], Float32Array, AuditReport]:
    """Return facts and float32 (n, n_labels) logits of every picture, and what was found.

    Writes `audit.csv` (with `COLUMNS`), and the first findings of each kind as `doubts.png` and
    `contradictions.png`.

    Raises
    ------
    InputError
        If `out` cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        # Inside `out`: decoded pictures take 27 KB each, and /tmp may be memory.
        folder = tempfile.TemporaryDirectory(prefix=".audit-", dir=out)
    except OSError as error:
        raise InputError(f"--audit {str(out)!r} cannot be written: {error.strerror}") from error
    with folder as work:
        with Progress(len(labelled.examples), "evaluating") as progress:
            prepared = prepare(
                labelled,
                Path(work),
                bundle.reading,
                workers=usable_cpus(),
                progress=progress.advance,
            )
        prepared.refuse_nothing()
        pixels = prepared.cache.pixels
        predictor = make_predictor(bundle, backend, pictures=len(pixels))
        logits = logits_of(predictor, pixels)
        found = _findings(prepared, logits, bundle, part_of)
        table = out / "audit.csv"
        atomic_text(table, found[COLUMNS].to_csv(index=False))
        sheets = [_sheet(found, kind, prepared, out) for kind in ("doubt", "contradiction")]
        facts = prepared.cache.facts
    report = AuditReport(
        csv=str(table),
        sheets=[str(sheet) for sheet in sheets if sheet],
        doubts=int((found["finding"] == "doubt").sum()),
        contradictions=int(found.loc[found["finding"] == "contradiction", "family"].nunique()),
    )
    return facts, logits, report


def _findings(
    prepared: PreparedSet,
    logits: Float32Array,
    bundle: Bundle,
    part_of: Mapping[str, str],
) -> pd.DataFrame:
    """Return the findings, doubts first; `row` is the position among the set's examples."""
    rows = prepared.rows
    targets = prepared.labelled.targets(bundle.vocabulary)[rows]  # (n_readable, n_labels)
    doubts = doubted_labels(logits[rows], targets, bundle.vocabulary).assign(finding="doubt")
    contradicting = contradictions(prepared.clusters, targets, bundle.vocabulary).assign(
        finding="contradiction"
    )
    found = pd.concat([doubts, contradicting], ignore_index=True).reindex(columns=["row", *COLUMNS])
    found["row"] = rows[found["row"].to_numpy(np.int64)]
    found["image"] = [prepared.labelled.examples[row].image_id for row in found["row"]]
    found["content_sha256"] = [
        prepared.cache.facts[row].content_sha256 or "" for row in found["row"]
    ]
    found["part"] = [part_of.get(digest, "") for digest in found["content_sha256"]]
    found["family"] = found["family"].astype("Int64")
    return found


def _sheet(found: pd.DataFrame, kind: str, prepared: PreparedSet, out: Path) -> Path | None:
    chosen = found[found["finding"] == kind].head(_TILES)
    path = out / f"{kind}s.png"
    if chosen.empty:
        path.unlink(missing_ok=True)  # of an earlier audit
        return None
    tiles = []
    for row, finding in zip(chosen["row"].to_numpy(np.int64), chosen.itertuples(), strict=True):
        pixels = cv2.resize(
            prepared.cache.pixels[row], (_TILE_SIDE, _TILE_SIDE), interpolation=cv2.INTER_AREA
        )
        second = (
            f"model: {finding.suggested} {finding.p_suggested:.2f}"
            if kind == "doubt"
            else f"no. {finding.family}"
        )
        tiles.append((pixels.astype(np.uint8), [f"given: {finding.given}", second]))
    atomic_bytes(path, png(contact_sheet(tiles)))
    return path
