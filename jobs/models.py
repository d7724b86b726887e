"""The versions of a model: which there are, where they come from, which is current."""

from pathlib import Path

from msgspec.structs import replace

from schemas.models import ModelsReport, ModelVersion, PromoteReport
from tagger.errors import BundleError, GateFailed, InputError
from tagger.machine import raise_machine_fault
from tagger.models.bundle import Bundle, load_bundle
from tagger.models.card import number
from tagger.models.versions import current_name, set_current


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
    BundleError
        If it is no bundle.
    GateFailed
        If it did not pass its gate, unless `force`.
    Locked
        If another process is promoting.
    """
    bundle = load_bundle(model)
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


def list_models(folder: str) -> ModelsReport:
    """Return the models of a folder, oldest first; what cannot be read says why.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    models = Path(folder)
    if not models.is_dir():
        raise InputError(
            f"models {folder!r}: there is no such folder; 'tagger train --models {folder}' makes it"
        )
    paths = [path.parent for path in models.glob("*/bundle.json") if not path.parent.is_symlink()]
    rows = [_version(path) for path in paths if not path.name.startswith(".")]
    rows.sort(key=lambda row: (row.created_at or "", row.name))
    names = {row.model_id: row.name for row in rows if row.model_id is not None}
    named = [
        replace(row, parent=names.get(row.parent, row.parent)) if row.parent else row
        for row in rows
    ]
    return ModelsReport(models=folder, current=current_name(models), versions=named)


def models_text(report: ModelsReport) -> str:
    """Return the list of versions as text for a terminal."""
    if not report.versions:
        return f"{report.models}: no model"
    wide = max(len(row.name) for row in report.versions)
    lines = [
        f"  {'model':{wide}}  {'created (UTC)':16}  labels  macro AP  exact match  gate    parent"
    ]
    for row in report.versions:
        mark = "*" if row.name == report.current else " "
        lines.append(f"{mark} {row.name:{wide}}  {row.error or _facts(row)}")
    return "\n".join([*lines, "* is current"])


def _facts(row: ModelVersion) -> str:
    created = (row.created_at or "")[:16].replace("T", " ")
    gate = "failed"
    if row.gate_passed:
        gate = "-" if row.parent is None else "passed"
    measures = f"{number(row.macro_ap):>8}  {number(row.exact_match):>11}"
    return f"{created}  {row.labels:6}  {measures}  {gate:6}  {row.parent or '-'}"


def promote_text(report: PromoteReport) -> str:
    """Return the result of a promotion as text for a terminal."""
    text = f"{report.models}: current is {report.current}; before: {report.before or 'none'}"
    if report.passed:
        return text
    return f"{text}. It did not pass its gate: 'tagger tag' takes it with --force-model alone"


def _version(path: Path) -> ModelVersion:
    try:
        bundle = load_bundle(path)
        evaluation = bundle.metrics().evaluation
    except BundleError as error:
        raise_machine_fault(error)
        return ModelVersion(name=path.name, error=f"cannot be used: {error}")
    return ModelVersion(
        name=path.name,
        model_id=bundle.model_id,
        created_at=bundle.created_at.isoformat(timespec="seconds"),
        parent=bundle.parent,
        trunk=bundle.trunk,
        labels=len(bundle.vocabulary),
        macro_ap=evaluation.macro_ap,
        exact_match=evaluation.exact_match,
        gate_passed=bundle.gate.passed,
    )
