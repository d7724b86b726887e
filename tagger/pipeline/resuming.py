"""What an interrupted training left on disk, and whether a new one may go on from it."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from schemas.record import parse, to_json
from schemas.training import History, ResumeNote
from tagger.datasets.prepared_set import PreparedSet
from tagger.errors import InputError
from tagger.files import Lock, atomic_text
from tagger.labels.vocabulary import Vocabulary
from tagger.progress import say
from tagger.settings import setting
from tagger.training.recipe import Recipe

_AGAIN = "checkpoints-again"
_LAST = "last.npz"


@dataclass(frozen=True)
class WorkFolder:
    """The folder of a training under way.

    Attributes
    ----------
    path : Path
    resume : bool
        Whether to go on from what is there.
    state : str
        The folder of the state after each epoch.
    """

    path: Path
    resume: bool
    state: str = "checkpoints"

    @property
    def pixels(self) -> Path:
        """Return where decoded pictures are."""
        return self.path / "pixels"

    @property
    def unlabelled(self) -> Path:
        """Return where decoded pictures without labels are."""
        return self.path / "unlabelled"

    @property
    def checkpoints(self) -> Path:
        """Return where the state after each epoch is."""
        return self.path / self.state

    def again(self, asked: object) -> "WorkFolder":
        """Return the same folder for a second training in it.

        That goes on from what is there if it is of the very same; else it is begun anew.

        Parameters
        ----------
        asked : JSON-serialisable
            All that decides what the second training does.
        """
        second = replace(self, state=_AGAIN)
        note = second.checkpoints / "asked"
        wanted = _digest(asked)
        begun = note.exists() and note.read_text() == wanted
        resume = self.resume and begun and (second.checkpoints / _LAST).exists()
        if not resume:
            shutil.rmtree(second.checkpoints, ignore_errors=True)
            second.checkpoints.mkdir(parents=True)
            atomic_text(note, wanted)
        return replace(second, resume=resume)

    def begin(self, asked: object) -> None:
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
        note = ResumeNote(asked=_digest(asked))
        if not self.resume:
            for state in (self.state, _AGAIN):
                shutil.rmtree(self.path / state, ignore_errors=True)
            self._write(note)
            return
        before, history = self._interrupted()
        if before.asked != note.asked:
            raise InputError(
                f"{setting('resume')}: the interrupted training had other pictures, labels or "
                "options; repeat those"
            )
        say(f"going on after epoch {len(history.epochs)}")

    def check_contents(self, prepared: PreparedSet, recipe: Recipe, vocabulary: Vocabulary) -> None:
        """Refuse to resume on other bytes, with another recipe, or where groups are judged anew.

        With other bytes the split could put pictures that the weights have seen into the test part.
        The recipe depends on how many pictures there are, and on the version of this program; so
        does what pictures say of a group.
        """
        before = self._note()
        note = ResumeNote(
            asked=before.asked,
            contents=_digest(prepared.digests),
            recipe=_digest(asdict(recipe)),
            evidence={group.name: group.evidence for group in vocabulary.groups},
        )
        if self.resume and before.contents != note.contents:
            raise InputError(
                f"{setting('resume')}: pictures changed since the training was interrupted; start "
                f"it without {setting('resume')}"
            )
        if self.resume and before.recipe != note.recipe:
            raise InputError(
                f"{setting('resume')}: this version has another recipe for so many pictures; "
                f"start it without {setting('resume')}"
            )
        if self.resume and before.evidence not in (None, note.evidence):
            raise InputError(
                f"{setting('resume')}: this version judges groups otherwise; start it without "
                f"{setting('resume')}"
            )
        self._write(note)

    def remove(self) -> None:
        """Remove the folder: the model is saved."""
        shutil.rmtree(self.path)

    def _interrupted(self) -> tuple[ResumeNote, History]:
        try:
            return self._note(), parse((self.checkpoints / "history.json").read_bytes(), History)
        except FileNotFoundError as error:
            raise InputError(
                f"{setting('resume')}: {str(self.path)!r} holds no interrupted training; start it "
                f"without {setting('resume')}"
            ) from error
        except (OSError, ValueError) as error:
            raise InputError(
                f"{setting('resume')}: {str(self.path)!r} is damaged ({error}); start it without "
                f"{setting('resume')}"
            ) from error

    def _note(self) -> ResumeNote:
        return parse((self.path / "training.json").read_bytes(), ResumeNote)

    def _write(self, note: ResumeNote) -> None:
        atomic_text(self.path / "training.json", to_json(note))


@contextmanager
def work_folder(models: Path, family: str, *, resume: bool) -> Iterator[WorkFolder]:
    """Yield the folder of a training under way, made where it is missing, while nobody else has it.

    Raises
    ------
    InputError
        If it cannot be written.
    Locked
        If another training has it.
    """
    path = models / "_training" / family
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{setting('models')} {str(models)!r} cannot be written: {error.strerror}"
        ) from error
    with Lock(path / "lock"):
        yield WorkFolder(path, resume)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
