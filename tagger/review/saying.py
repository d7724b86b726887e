"""What a person may say: checked against the night, before any of it is kept."""

import unicodedata
from collections.abc import Iterable
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from schemas.corrections import Answer, Correction
from schemas.record import FORMAT_VERSION
from schemas.review import GroupNow, SaidAtOnce
from tagger.errors import InputError
from tagger.labels.vocabulary import Group, Label, Vocabulary, canonical_name

_OF_EXCLUSIVE = ("is", "none", "unknown", "withdrawn")
_OF_OTHERS = ("is", "is_not", "unknown", "withdrawn")
_LONGEST = 200
"""Letters of a name, as `schemas.corrections.Name` has it; composing may make it longer."""

_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They make text read as another one."""


class Saying:
    """The questions of a night, and what may be answered to them.

    Parameters
    ----------
    groups : iterable of GroupNow
        Those of the night.
    labels : pyarrow.Table
        Its labels, of all models.
    model_id : str
        The model whose labels are offered.
    """

    def __init__(self, groups: Iterable[GroupNow], labels: pa.Table, model_id: str) -> None:
        self._groups = {group.name: group for group in groups}
        self._vocabulary = Vocabulary(
            tuple(Group(group.name, group.exclusive) for group in self._groups.values()),
            tuple(
                Label(row["group"], row["label"], row["column"], retired=row["retired"])
                for row in labels.filter(pc.equal(labels["model_id"], model_id)).to_pylist()
                if row["group"] in self._groups
            ),
        )
        labels_now = self._vocabulary.labels
        self._known = {(label.group, canonical_name(label.name)): label for label in labels_now}

    def spelt(self, said: SaidAtOnce) -> SaidAtOnce:
        """Return a stroke with its labels as the vocabulary spells them, or as it may come to.

        Raises
        ------
        InputError
            If anything in it is no answer to a question of this night.
        """
        answers = dict.fromkeys((item.group, item.label, item.answer) for item in said.items)
        labels = {answer: self._label_of(*answer) for answer in answers}  # each looked at once
        return replace(
            said,
            items=[
                replace(item, label=labels[item.group, item.label, item.answer])
                for item in said.items
            ],
        )

    def _label_of(self, group: str, label: str | None, answer: Answer) -> str | None:
        """Return the label that an answer names, as the vocabulary spells it."""
        asked = self._groups.get(group)
        if asked is None:
            raise InputError(
                f"group {group!r}: this night has no such group; there are: "
                f"{', '.join(self._groups)}"
            )
        possible = _OF_EXCLUSIVE if asked.exclusive else _OF_OTHERS
        if answer not in possible:
            raise InputError(f"answer {answer!r}: of {group} one says {', '.join(possible)}")
        names_one = answer == "is" or not asked.exclusive
        if names_one != (label is not None):
            what = "which label it is about" if names_one else "no label"
            raise InputError(f"answer {answer!r} of {group} says {what}")
        return None if label is None else self._spelt(group, label, answer)

    def _spelt(self, group: str, text: str, answer: Answer) -> str:
        """Return a label as the vocabulary spells it, or as it may come to.

        One that is retired can be taken back, but not said any more.
        """
        name = canonical_name(text)
        _check_visible(name, f"label {text!r}")
        label = self._known.get((group, name))
        if label is None:
            self._vocabulary.extend([(group, name)])  # says what is wrong with a new name
            return name
        if label.retired and answer in ("is", "is_not"):
            raise InputError(
                f"label {label.key!r} is retired: nothing answers it any more. Choose another, or "
                "none of these"
            )
        return label.name


def corrections(said: SaidAtOnce, who: str, at: datetime) -> list[Correction]:
    """Return the lines that a stroke of `who` becomes, once it is spelt."""
    return [
        Correction(
            format_version=FORMAT_VERSION,
            at=at.isoformat(timespec="microseconds"),
            who=who,
            content_sha256=item.content,
            image_id=item.image_id,
            group=item.group,
            label=item.label,
            answer=item.answer,
            sample=said.sample,
        )
        for item in said.items
    ]


def checked_name(who: str) -> str:
    """Return the name of a person who corrects.

    Raises
    ------
    InputError
        If it is empty, too long, or holds what cannot be seen.
    """
    name = canonical_name(who)
    _check_visible(name, f"--as {who!r}")
    return name


def is_visible(name: str) -> bool:
    """Return whether all letters of a name can be seen, on one line, in the order they have."""
    return not any(
        unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or letter in _TURNING
        for letter in name
    )


def _check_visible(name: str, shown: str) -> None:
    """Raise InputError unless a name may stand in a line of the log, which is read again."""
    if not is_visible(name) or not 1 <= len(name) <= _LONGEST:
        raise InputError(
            f"{shown:.300}: a name is 1 to {_LONGEST} letters that can be seen, on one line"
        )
