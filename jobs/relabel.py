"""`tagger relabel`: a labelled set in which persons had the last word, as a new table."""

from pathlib import Path

from schemas.training import RelabelReport
from tagger.pipeline.relabelling import write_relabelled


def relabel(
    dataset: str,
    corrections: str,
    out: str,
    *,
    columns: str | None = None,
    image_root: str | None = None,
) -> RelabelReport:
    """Return the report, after writing the new table; the set stays as it is.

    Raises
    ------
    InputError
        If something cannot be read, or `out` is there already or cannot be written.
    """
    rows, changes = write_relabelled(
        dataset, corrections, Path(out), columns=columns, image_root=image_root
    )
    return RelabelReport(
        table=out,
        pictures=rows,
        spoken=changes.spoken,
        changed=changes.rows,
        cells=changes.cells,
        emptied=changes.emptied,
        missing=changes.missing,
    )


def report_text(report: RelabelReport) -> str:
    """Return the report as text for a terminal."""
    lines = [
        f"saved {report.table}: {report.pictures:,} rows; persons spoke of the pictures of "
        f"{report.spoken:,} of them, which changed {report.cells:,} cells of "
        f"{report.changed:,} rows"
    ]
    if report.missing:
        lines.append(
            f"{report.missing:,} rows are as they were, for their pictures are missing: what "
            "persons said cannot be told of them"
        )
    if report.emptied:
        lines.append(
            f"{report.emptied:,} cells are empty, for unknown: a cell cannot say that one label "
            "is known and another is not"
        )
    return "\n".join(lines)
