"""The models of a folder as a terminal shows them: versions, what was left over, what may go."""

from datetime import UTC, datetime

from jobs.console.table import age, plain, size, table
from schemas.models import Leftover, ModelsReport, ModelUse, ModelVersion, PruneReport

_COLUMNS = ("  model", "created (UTC)", "age", "size", "labels", "macro AP", "exact match")
_MORE = ("gate", "parent", "used by")
_NUMBERS = range(2, len(_COLUMNS))
"""The columns that are set flush right."""

_LEGEND = (
    "* is current; macro AP and exact match are those of the test part, pictures that no training "
    "saw"
)
_HALF_DONE = {
    "saving": "half a model; its saving was killed",
    "packing": "half a model; its packing was killed",
    "removing": "the rest of what a killed --prune was removing",
}


_NOT_SEEN = (
    "Not seen from here: indexes that you did not name; a nightly.toml that was just changed, and "
    "links elsewhere; models in other folders that were packed or retrained from one of these; and "
    "trainings that save to another folder and started from one of these"
)


def models_text(report: ModelsReport, now: datetime | None = None) -> str:
    """Return the versions of a folder, and what was left over, as text for a terminal.

    Parameters
    ----------
    now : datetime, optional
        With its time zone; by default the clock's.
    """
    moment = now or datetime.now(UTC)
    lines = [f"{report.models}: no model"]
    if report.versions:
        good = [row for row in report.versions if row.error is None]
        lines = table(
            [(*_COLUMNS, *_MORE), *(_cells(row, report, moment) for row in good)], _NUMBERS
        )
        bad = [row for row in report.versions if row.error is not None]
        lines += [plain(f"  {row.name}  {size(row.bytes or 0)}  {row.error}") for row in bad]
        lines.append(_LEGEND)
        if report.current not in {None, *(row.name for row in report.versions)}:
            lines.append(
                f"current leads to {report.current!r}, which is no model in this folder; 'tagger "
                "promote' makes one current"
            )
    if report.leftovers:
        lines += ["", "Left over:"]
        rows = [_leftover(each, moment) for each in report.leftovers]
        lines += [f"  {line}" for line in table(rows, (1,))]
    return "\n".join(lines)


def _cells(row: ModelVersion, report: ModelsReport, now: datetime) -> tuple[str, ...]:
    """Return the cells of a version."""
    created = row.created_at or ""
    gate = "failed"
    if row.gate_passed:
        gate = "-" if row.parent is None else "passed"
    return (
        ("* " if row.name == report.current else "  ") + plain(row.name),
        created[:16].replace("T", " "),
        age(datetime.fromisoformat(created), now),
        size(row.bytes or 0),
        str(row.labels),
        _percent(row.macro_ap),
        _percent(row.exact_match),
        gate,
        _parent(row, report),
        ", ".join(map(_use, row.uses)) or ("nothing" if report.indexes else "see --index"),
    )


def _parent(row: ModelVersion, report: ModelsReport) -> str:
    """Return the name of a version's parent; of one that is not here, what its model_id begins
    with."""
    if row.parent is None:
        return "-"
    here = any(other.name == row.parent for other in report.versions)
    return plain(row.parent) if here else f"{row.parent[:12]} (not here)"


def _use(use: ModelUse) -> str:
    """Return in a few words how an index uses a model."""
    words = ["the current night"] if use.readers_see_it else []
    if use.snapshots:
        words.append("1 kept night" if use.snapshots == 1 else f"{use.snapshots} kept nights")
    if use.staged:
        words.append("an interrupted night")
    if use.features:
        words.append("look-alikes")
    if use.last_run and not words:
        words.append("the last run")
    return f"{use.index} ({', '.join(words)})"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _leftover(each: Leftover, now: datetime) -> tuple[str, ...]:
    """Return the cells of something left over."""
    return (
        plain(each.name),
        size(each.bytes),
        age(datetime.fromisoformat(each.changed_at), now),
        _HALF_DONE.get(each.kind) or _training(each),
    )


def _training(each: Leftover) -> str:
    if "a training is working in it" in each.kept_for:
        return "a training is working in it"
    if each.epochs is None:
        return "a training that ended before its first epoch did: nothing to go on from"
    return (
        f"a training that ended after epoch {each.epochs}: the same command with --resume goes on"
    )


def prune_text(report: PruneReport) -> str:
    """Return what nothing needs, and why the rest stays, as text for a terminal."""
    lines = [plain(f"{name} stays: {'; '.join(why)}") for name, why in report.kept.items()]
    if not report.indexes:
        lines.append(
            "Versions stay because no index was looked at: rows name the model that scored them. "
            "Name every index that these models score with --index"
        )
    lines += [plain(each) for each in report.unseen]
    total = size(sum(each.bytes for each in report.pruned if each.error is None))
    if not report.pruned:
        return "\n".join([*lines, f"{report.models}: nothing to remove"])
    lines += ["", "Removed:" if report.removed else "Nothing needs:"]
    lines += [
        plain(f"  {each.name}  {size(each.bytes)}")
        + (f"  NOT removed: {plain(each.error)}" if each.error else "")
        for each in report.pruned
    ]
    if report.removed:
        return "\n".join([*lines, f"{report.models}: {total} are free again"])
    unseen = (
        [_NOT_SEEN] if any(not each.name.startswith((".", "_")) for each in report.pruned) else []
    )
    last = f"Nothing was removed yet; --prune --yes removes these {total}"
    return "\n".join([*lines, *unseen, last])
