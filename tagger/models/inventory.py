"""The models of a folder, each read and measured, with what in it or beside it holds it there."""

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec.structs import replace

from schemas.bundle import Description
from schemas.models import ModelVersion
from schemas.record import parse
from tagger.errors import BundleError
from tagger.machine import raise_machine_fault
from tagger.models.bundle import load_bundle
from tagger.models.leftovers import folder_bytes


@dataclass(frozen=True)
class Inventory:
    """The models of a folder.

    Attributes
    ----------
    versions : list of ModelVersion
        Oldest first, without uses and reasons.
    links : mapping from str to list of str
        Name of a model to the names of the links in the folder that lead to it, if perhaps by way
        of other links.
    strange : mapping from str to str
        Name of a model to a file or link in it that is none of its own.
    linked : mapping from str to str
        Name of a link, to a model elsewhere that was made from one here, to the name of that one.
    orphans : list of str
        Names of models, or of links to some, of which nobody knows what they were made from:
        they cannot be read.
    """

    versions: list[ModelVersion]
    links: dict[str, list[str]]
    strange: dict[str, str]
    linked: dict[str, str]
    orphans: list[str]


def inventory(models: Path) -> Inventory:
    """Return the models of a folder; links in it are looked at, and nothing behind them is listed.

    What is hidden is left out, and what cannot be read says why.
    """
    found = [path.parent for path in models.glob("[!.]*/bundle.json") if path.is_file()]
    paths = [path for path in found if not path.is_symlink()]
    parents = {path.name: _parent_in(path) for path in found}
    here = os.path.realpath(models)
    elsewhere = [path for path in found if os.path.dirname(os.path.realpath(path)) != here]
    rows = sorted(map(_version, paths), key=lambda row: (row.created_at or "", row.name))
    names = {row.model_id: row.name for row in rows if row.model_id is not None}
    children = defaultdict(list)
    for row in rows:
        children[row.parent].append(row.name)
    strange = ((path.name, _strange_in(path)) for path in paths)
    return Inventory(
        versions=[
            replace(
                row,
                parent=names.get(row.parent, row.parent) if row.parent else None,
                children=children[row.model_id] if row.model_id else [],
            )
            for row in rows
        ],
        links=_links(models),
        strange={name: file for name, file in strange if file is not None},
        linked={
            path.name: names[parent]
            for path in elsewhere
            if (parent := parents[path.name]) is not None and parent in names
        },
        orphans=sorted(path.name for path in (*paths, *elsewhere) if parents[path.name] is None),
    )


def _version(path: Path) -> ModelVersion:
    try:
        bundle = load_bundle(path)
        evaluation = bundle.metrics().evaluation
    except BundleError as error:
        raise_machine_fault(error)
        return ModelVersion(
            name=path.name,
            error=f"cannot be used: {error}",
            bytes=folder_bytes(path),
            parent=_parent_in(path) or None,
        )
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
        bytes=folder_bytes(path),
    )


def _parent_in(path: Path) -> str | None:
    """Return the model_id of what a model was made from, also of one that is damaged or of another
    format; "" if from nothing, None if that cannot be known."""
    try:
        described = msgspec.json.decode((path / "bundle.json").read_bytes())
        parent = described["parent"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return parent if isinstance(parent, str) else ""


def _links(models: Path) -> dict[str, list[str]]:
    found = defaultdict(list)
    here = os.path.realpath(models)
    for link in sorted(models.iterdir()):
        folder, name = os.path.split(os.path.realpath(link))
        if link.is_symlink() and folder == here:
            found[name].append(link.name)
    return dict(found)


def _strange_in(path: Path) -> str | None:
    """Return something in a model's folder that its bundle.json does not list, or None."""
    try:
        listed = parse((path / "bundle.json").read_bytes(), Description).files
    except (OSError, ValueError):
        return "bundle.json"
    for where, folders, names in os.walk(path):
        for each in (Path(where, name) for name in (*folders, *names)):
            own = each.is_dir() or str(each.relative_to(path)) in {*listed, "bundle.json"}
            if each.is_symlink() or not own:
                return str(each.relative_to(path))
    return None
