"""What an interrupted training left on disk, and whether a new one may go on from it."""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tagger.datasets.prepared_set import PreparedSet
from tagger.errors import InputError
from tagger.files import atomic_text
from tagger.progress import say
from tagger.settings import setting
from tagger.training.recipe import Recipe


def work_folder(models: Path, name: str) -> Path:
    """Return the folder of a training under way, made where it is missing.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    work = models / "_training" / name
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{setting('models')} {str(models)!r} cannot be written: {error.strerror}"
        ) from error
    return work


def begin(work: Path, asked: Any, *, resume: bool) -> None:
    """Clear the traces of an earlier training, or make sure that they are of this very one.

    Parameters
    ----------
    asked : JSON-serialisable
        All that decides what the training does.

    Raises
    ------
    InputError
        If there is nothing to resume, or it is of another training.
    """
    fingerprint = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    note, history = work / "training.json", work / "checkpoints" / "history.json"
    if not resume:
        shutil.rmtree(work / "checkpoints", ignore_errors=True)
        atomic_text(note, json.dumps({"fingerprint": fingerprint}))
        return
    if not (note.exists() and history.exists()):
        raise InputError(
            f"{setting('resume')}: {str(work)!r} holds no interrupted training; start it without "
            f"{setting('resume')}"
        )
    if json.loads(note.read_text())["fingerprint"] != fingerprint:
        raise InputError(
            f"{setting('resume')}: the interrupted training had other pictures, labels or options; "
            "repeat those"
        )
    say(f"going on after epoch {len(json.loads(history.read_text())['epochs'])}")


def check_contents(work: Path, prepared: PreparedSet, recipe: Recipe, *, resume: bool) -> None:
    """Refuse to resume on other bytes, or with another recipe, which depends on how many pictures
    there are.

    With other bytes the split could put pictures that the weights have seen into the test part.
    """
    digest = hashlib.sha256("".join(prepared.digests).encode()).hexdigest()
    note = json.loads((work / "training.json").read_text())
    if resume and note.get("contents") != digest:
        raise InputError(
            f"{setting('resume')}: pictures changed since the training was interrupted; start it "
            "without "
            f"{setting('resume')}"
        )
    if resume and note.get("recipe") != asdict(recipe):
        raise InputError(
            f"{setting('resume')}: this version has another recipe for so many pictures; start it "
            "without "
            f"{setting('resume')}"
        )
    atomic_text(
        work / "training.json", json.dumps(note | {"contents": digest, "recipe": asdict(recipe)})
    )
