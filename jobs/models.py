"""The versions of a model: which there are, which is current, and which nothing needs."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from schemas.models import (
    Leftover,
    ModelsReport,
    ModelUse,
    ModelVersion,
    PromoteReport,
    Pruned,
    PruneReport,
)
from tagger.errors import GateFailed, InputError
from tagger.index.model_uses import NamedModels, named_models
from tagger.models.bundle import Bundle, load_bundle
from tagger.models.inventory import inventory
from tagger.models.leftovers import leftovers
from tagger.models.pruning import reasons_to_keep, remove
from tagger.models.versions import CURRENT, alone_in, current_name, set_current


def check_gate(bundle: Bundle, option: str) -> None:
    """Raise GateFailed if the bundle did not pass its gate.

    Parameters
    ----------
    option : str
        What allows it all the same.
    """
    gate = bundle.gate
    if gate.passed:
        return
    worse = "; ".join(gate.worse[:3])
    if gate.parent is None:
        raise GateFailed(
            f"model {bundle.path.name} is no better than guessing: {worse}. Train again with more "
            f"pictures, or better labelled ones, or allow it with {option}"
        )
    raise GateFailed(
        f"model {bundle.path.name} is worse than its parent {gate.parent}: {worse}. Use the "
        f"parent, retrain, or allow it with {option}"
    )


def promote(model: str, *, force: bool = False) -> PromoteReport:
    """Return the report, after pointing `current` beside the model to it.

    Raises
    ------
    InputError
        If it is no bundle, or the one that comes with the package.
    GateFailed
        If it did not pass its gate, unless `force`.
    Locked
        If another process is promoting.
    """
    bundle = load_bundle(model)
    if bundle.is_starter:
        raise InputError(
            "the starter comes with the package, and lies in no folder of models: 'tagger tag' "
            "takes it where no --model is named; 'tagger retrain --from starter --models DIR' "
            "makes a model of yours of it"
        )
    if not force:
        check_gate(bundle, "--force")
    models = bundle.path.parent
    promotion = set_current(models, bundle.path.name)
    return PromoteReport(
        models=str(models),
        current=bundle.path.name,
        before=promotion.before,
        passed=bundle.gate.passed,
    )


def list_models(
    folder: str, indexes: Sequence[str] = (), *, now: datetime | None = None
) -> ModelsReport:
    """Return the models of a folder, oldest first, and what killed processes left in it; what
    cannot be read says why.

    Parameters
    ----------
    indexes : sequence of str
        Indexes to look at: which models they name.
    now : datetime, optional
        With its time zone; by default the clock's.

    Raises
    ------
    InputError
        If there is no such folder.
    StoreError
        If an index is none, or a night in it cannot be read.
    """
    return _looked_at(folder, indexes, now).report


class _Looked(NamedTuple):
    """What there is, and what cannot be known of it, in words."""

    report: ModelsReport
    unseen: list[str]


def _looked_at(folder: str, indexes: Sequence[str], now: datetime | None) -> _Looked:
    models = Path(folder)
    if not models.is_dir():
        raise InputError(
            f"models {folder!r}: there is no such folder; 'tagger train --models {folder}' makes "
            "it. The starter model comes with the package, and lies in none"
        )
    named = [named_models(index) for index in indexes]
    found = inventory(models)
    left = leftovers(models, now or datetime.now(UTC))
    used = [replace(row, uses=_uses(row, models, named)) for row in found.versions]
    # Where `current` leads in the end: there may be links between.
    led_to = (name for name, links in found.links.items() if CURRENT in links)
    current = next(led_to, current_name(models))
    reasons = reasons_to_keep(
        used, current=current, found=found, leftovers=left, looked=bool(indexes)
    )
    report = ModelsReport(
        models=folder,
        current=current,
        versions=[replace(row, kept_for=reasons[row.name]) for row in used],
        leftovers=left,
        indexes=list(indexes),
    )
    return _Looked(report, _unseen(report, found.orphans))


def _unseen(report: ModelsReport, orphans: Sequence[str]) -> list[str]:
    """Return what a person should look at before versions go."""
    naming = {use.index for row in report.versions for use in row.uses}
    return [
        f"{index} names none of these models; is it an index of theirs?"
        for index in report.indexes
        if index not in naming
    ] + [f"{name} cannot be read, so nobody knows what it was made from" for name in orphans]


def _uses(row: ModelVersion, models: Path, named: Sequence[NamedModels]) -> list[ModelUse]:
    if row.model_id is None:
        return []
    uses = (index.use_of(row.model_id, str(models / row.name)) for index in named)
    return [use for use in uses if use is not None]


def prune(
    folder: str,
    indexes: Sequence[str] = (),
    *,
    confirmed: bool = False,
    now: datetime | None = None,
) -> PruneReport:
    """Return what of a folder of models nothing needs, after removing it if that is confirmed.

    Without `indexes` no version is removed, and only what killed processes left: rows name models.

    Raises
    ------
    InputError, StoreError
        As `list_models`.
    Locked
        If another process is promoting or pruning; nothing was removed then.
    """
    planned = _prunable(_looked_at(folder, indexes, now))
    if not confirmed or not planned.pruned:  # a folder of something else gets no lock
        return replace(planned, removed=confirmed)
    models = Path(folder)
    with alone_in(models):
        planned = _prunable(_looked_at(folder, indexes, now))
        return replace(planned, pruned=remove(models, planned.pruned), removed=True)


def _prunable(looked: _Looked) -> PruneReport:
    report = looked.report
    found: list[ModelVersion | Leftover] = [*report.versions, *report.leftovers]
    return PruneReport(
        models=report.models,
        removed=False,
        indexes=report.indexes,
        pruned=[
            Pruned(name=each.name, bytes=each.bytes or 0) for each in found if not each.kept_for
        ],
        kept={each.name: each.kept_for for each in found if each.kept_for},
        unseen=looked.unseen,
    )


def promote_text(report: PromoteReport) -> str:
    """Return the result of a promotion as text for a terminal."""
    text = f"{report.models}: current is {report.current}; before: {report.before or 'none'}"
    if report.passed:
        return text
    return f"{text}. It did not pass its gate: 'tagger tag' takes it with --force-model alone"
