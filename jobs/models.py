"""The versions of a model: which there are, where they come from, which is current."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from tagger.errors import BundleError, GateFailed, InputError
from tagger.machine import raise_machine_fault
from tagger.models.bundle import Bundle, load_bundle
from tagger.models.card import number
from tagger.models.versions import current_name, set_current


def check_gate(bundle: Bundle, option: str) -> None:
    """Raise GateFailed if the bundle did not pass its gate; `option` is what allows it all the
    same."""
    if not bundle.gate["passed"]:
        worse = "; ".join(str(text) for text in bundle.gate["worse"][:3])
        if bundle.gate["parent"] is None:
            raise GateFailed(
                f"model {bundle.path.name} is no better than guessing: {worse}. Train again with "
                "more pictures, or "
                f"better labelled ones, or allow it with {option}"
            )
        raise GateFailed(
            f"model {bundle.path.name} is worse than its parent {bundle.gate['parent']}: {worse}. "
            "Use the parent, "
            f"retrain, or allow it with {option}"
        )


def promote(model: str, *, force: bool = False) -> dict[str, Any]:
    """Return the report declared in `schemas.reports.PROMOTE`, after pointing `current` beside the
    model to it.

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
    return {
        "models": str(models),
        "current": bundle.path.name,
        "before": promotion.before,
        "passed": bundle.gate["passed"],
    }


def list_models(folder: str) -> dict[str, Any]:
    """Return the report declared in `schemas.reports.MODELS`, oldest first; what cannot be read
    says why.

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
    rows = [_row(path) for path in paths if not path.name.startswith(".")]
    names = {row["model_id"]: row["name"] for row in rows if row["model_id"]}
    for row in rows:
        row["parent"] = names.get(row["parent"], row["parent"])
    rows.sort(key=lambda row: (row["created_at"] or "", row["name"]))
    return {"models": folder, "current": current_name(models), "versions": rows}


def models_text(report: dict[str, Any]) -> str:
    """Return the list of versions as text for a terminal."""
    if not report["versions"]:
        return f"{report['models']}: no model"
    wide = max(len(row["name"]) for row in report["versions"])
    lines = [
        f"  {'model':{wide}}  {'created (UTC)':16}  labels  macro AP  exact match  gate    parent"
    ]
    for row in report["versions"]:
        mark = "*" if row["name"] == report["current"] else " "
        if row["error"]:
            lines.append(f"{mark} {row['name']:{wide}}  {row['error']}")
            continue
        created = datetime.fromisoformat(row["created_at"]).strftime("%Y-%m-%d %H:%M")
        gate = "failed" if not row["gate_passed"] else "-" if row["parent"] is None else "passed"
        measures = f"{number(row['macro_ap']):>8}  {number(row['exact_match']):>11}"
        lines.append(
            f"{mark} {row['name']:{wide}}  {created}  {row['labels']:6}  {measures}  {gate:6}  "
            f"{row['parent'] or '-'}"
        )
    return "\n".join([*lines, "* is current"])


def promote_text(report: dict[str, Any]) -> str:
    """Return the result of a promotion as text for a terminal."""
    text = (
        f"{report['models']}: current is {report['current']}; before: {report['before'] or 'none'}"
    )
    return (
        text
        if report["passed"]
        else f"{text}. It did not pass its gate: 'tagger tag' takes it with --force-model alone"
    )


def _row(path: Path) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(
        (
            "model_id",
            "created_at",
            "parent",
            "trunk",
            "labels",
            "macro_ap",
            "exact_match",
            "gate_passed",
            "error",
        )
    )
    row["name"] = path.name
    try:
        bundle = load_bundle(path)
        evaluation = bundle.metrics()["evaluation"]
        described = json.loads((path / "bundle.json").read_text())
        row |= {
            "model_id": bundle.model_id,
            "trunk": bundle.trunk,
            "labels": len(bundle.vocabulary),
        }
        row |= {"created_at": described["created_at"], "parent": described["parent"]}
        row |= {"macro_ap": evaluation["macro_ap"], "exact_match": evaluation["exact_match"]}
        row["gate_passed"] = bundle.gate["passed"]
    except (BundleError, KeyError, OSError, TypeError, ValueError) as error:
        raise_machine_fault(error)
        row["error"] = f"cannot be used: {error}"
    return row
