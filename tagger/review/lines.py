"""The log of corrections as an array, a line each, and which of its lines are in force."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.corrections import Answer, Correction
from schemas.review import Said
from tagger.arrays import Int64Array
from tagger.errors import StoreError
from tagger.index.corrections import CorrectionLog, LogPart, Question
from tagger.index.night_labels import NightLabels
from tagger.index.snapshots import Snapshot
from tagger.review.contents import Digests, digests_of
from tagger.review.rows import NightRows

_AT_A_TIME = 8 << 20
"""Bytes of the log that are taken in at a time: parsed lines take some ten times that."""

ANSWER_CODES: dict[Answer, int] = {
    "withdrawn": 0,
    "is": 1,
    "is_not": 2,
    "none": 3,
    "unknown": 4,
}
WITHDRAWN, IS, IS_NOT, NONE, UNKNOWN = range(5)
INERT = 5
"""Said, but nothing that a row can answer: the label is retired, or there is none. The model's
answer stands."""
NO_QUESTION = -1

LINE = np.dtype(
    [
        ("start", np.int64),  # its place in the log
        ("digest", np.uint64, (4,)),
        ("question", np.int32),  # place in `questions`, or NO_QUESTION if it answers none
        ("answer", np.uint8),
        ("name", np.int32),  # of an exclusive group: place of the label in `names`
        ("who", np.int32),  # place in `persons`
        ("row", np.int32),  # that now has its image_id; -1: there is none
        ("elsewhere", np.bool_),  # that row is ok and has other bytes
        ("stands", np.bool_),  # nothing was said of the same content and question since
    ]
)
Lines = npt.NDArray[Any]
"""Structured (n,) as `LINE`."""


class Log:
    """What was said, as far as it was read: some 80 bytes a line.

    Parameters
    ----------
    log : CorrectionLog
    snapshot : Snapshot
    labels : NightLabels
    rows : NightRows

    Attributes
    ----------
    lines : structured (n,), see `LINE`
    questions : list of Question
        The exclusive groups first, in their order.
    names : list of list of str
        Of each exclusive group, `NightLabels.names` and what else was said.
    persons : list of str
    """

    def __init__(
        self, log: CorrectionLog, snapshot: Snapshot, labels: NightLabels, rows: NightRows
    ) -> None:
        self._log = log
        self._labels = labels
        self._rows = rows
        self._follows = snapshot.manifest.corrections
        self.start_anew()

    def start_anew(self) -> None:
        """Forget what was read."""
        labels = self._labels
        self.lines: Lines = np.zeros(0, LINE)
        self.questions: list[Question] = [(group, None) for group in labels.exclusive]
        self.names = [list(labels.names[group]) for group in labels.exclusive]
        self.persons: list[str] = []
        self._question_at = {question: i for i, question in enumerate(self.questions)}
        self._name_at = [{name: i for i, name in enumerate(names)} for names in self.names]
        self._person_at: dict[str, int] = {}
        self._end = 0
        self._size = -1

    def question_at(self, group: str, label: str | None) -> int | None:
        """Return the place of what is asked about a label, or None if nobody ever said anything."""
        whole = group in self._labels.exclusive
        return self._question_at.get((group, None if whole else label))

    def grown(self) -> bool:
        """Return whether the log is not as it was when it was last read."""
        return self._log.size() != self._size

    def replaced(self) -> bool:
        """Return whether the log has become shorter than what was read: it is another one.

        Raises
        ------
        StoreError
            If it lacks what the rows follow.
        """
        size = self._log.size()
        if self._follows is not None and size < self._follows.bytes:
            raise StoreError(
                f"{str(self._log.path)!r} has {size:,} bytes, but the night follows "
                f"{self._follows.bytes:,} of them: some of what people said is gone. Restore the "
                "file from a backup"
            )
        return size < self._end

    def read(self) -> Iterator[Int64Array]:
        """Take in what was appended; yield, batch by batch, the new lines that stand.

        Raises
        ------
        StoreError
            If it is damaged.
        """
        size = self._log.size()
        while (part := self._log.read(self._end, self._end + _AT_A_TIME)).corrections:
            fresh = self._take(part)
            self._end = part.end
            yield fresh
        self._size = size

    def _take(self, part: LogPart) -> Int64Array:
        """Append lines; return the places of those that stand."""
        before = len(self.lines)
        new = self._as_lines(part)
        old = np.flatnonzero(
            self.lines["stands"] & np.isin(self.lines["digest"][:, 0], new["digest"][:, 0])
        )
        self.lines = np.concatenate([self.lines, new])
        asked = before + np.flatnonzero(new["question"] != NO_QUESTION)
        touched = np.concatenate([old, asked])
        last = touched[_last_of_each(self.lines[touched])]
        self.lines["stands"][touched] = False
        self.lines["stands"][last] = True
        return last[last >= before]

    def _as_lines(self, part: LogPart) -> Lines:
        said = part.corrections
        lines = np.zeros(len(said), LINE)
        lengths = [len(line) for line in part.data.splitlines(keepends=True)]
        lines["start"] = self._end + np.cumsum([0, *lengths[:-1]])
        lines["digest"] = digests_of(one.content_sha256 for one in said)
        lines["question"] = [self._question(one) for one in said]
        lines["answer"] = [self._answer(one) for one in said]
        lines["name"] = [self._name(one) for one in said]
        lines["who"] = [_place(one.who, self._person_at, self.persons) for one in said]
        row = self._rows.place.find(pa.array([one.image_id for one in said], pa.large_string()))
        lines["row"] = row
        here = np.flatnonzero(row >= 0)
        here = here[self._rows.ok[row[here]]]
        other = (self._rows.digests[row[here]] != lines["digest"][here]).any(axis=1)
        lines["elsewhere"][here[other]] = True
        return lines

    def _question(self, one: Correction) -> int:
        """Return what a line is about; as `InForce` has it, some lines answer nothing."""
        whole = one.group in self._labels.exclusive
        if one.answer == "is_not" if whole else one.label is None:
            return NO_QUESTION
        question = (one.group, None if whole else one.label)
        return _place(question, self._question_at, self.questions)

    def _answer(self, one: Correction) -> int:
        whole = one.group in self._labels.exclusive
        label = self._labels.at(one.group, one.label)
        retired = label is not None and self._labels.all[label].retired
        nameless = whole and one.label is None
        if one.answer in ("is", "is_not") and (retired or nameless):
            return INERT
        if one.answer == "none" and not whole:
            return INERT
        return ANSWER_CODES[one.answer]

    def _name(self, one: Correction) -> int:
        if one.group not in self._labels.exclusive or one.label is None:
            return -1
        group = self._labels.exclusive.index(one.group)
        return _place(one.label, self._name_at[group], self.names[group])

    def standing_of(self, digests: Digests) -> Int64Array:
        """Return the places of the lines in force about these contents, withdrawn ones too."""
        about = np.isin(self.lines["digest"][:, 0], digests[:, 0])
        return np.flatnonzero(about & self.lines["stands"])

    def standing_for(self, lines: Int64Array) -> Int64Array:
        """Return, for each of these lines, that in force about the same content and question."""
        standing = self.standing_of(self.lines["digest"][lines])
        topic = _topics(self.lines[np.concatenate([lines, standing])])
        of_topic = np.full(len(topic), -1, np.int64)
        of_topic[topic[len(lines) :]] = standing
        return of_topic[topic[: len(lines)]]

    def all_of(self, digest: Digests) -> Int64Array:
        """Return the places of all lines about one content, uint64 (4,)."""
        return np.flatnonzero((self.lines["digest"] == digest).all(axis=1))

    def newer_than(self, items: Sequence[Said]) -> list[int]:
        """Return the last lines about the same as these items that those did not know."""
        contents = digests_of(item.content for item in items)
        standing = self.standing_of(contents)
        said = zip(
            self.lines["digest"][standing].tolist(),
            self.lines["question"][standing].tolist(),
            standing.tolist(),
            strict=True,
        )
        last = {(tuple(content), question): line for content, question, line in said}
        newer = []
        for item, content in zip(items, contents.tolist(), strict=True):
            question = self.question_at(item.group, item.label)
            line = last.get((tuple(content), question), -1)
            if line > item.last:
                newer.append(line)
        return newer

    def said_in(self, lines: Iterable[int]) -> list[Correction]:
        """Return lines as they stand in the log, in order, each once.

        Raises
        ------
        StoreError
            If they cannot be read any more.
        """
        found: list[Correction] = []
        for first, last in _runs(sorted(set(lines))):
            part = self._log.read(self._start_of(first), self._start_of(last + 1))
            if len(part.corrections) != last + 1 - first:
                raise StoreError(
                    f"{str(self._log.path)!r} is no longer what it was when it was read; nothing "
                    "of it was changed here. Open the night again"
                )
            found += part.corrections
        return found

    def _start_of(self, line: int) -> int:
        return int(self.lines["start"][line]) if line < len(self.lines) else self._end


def _topics(lines: Lines) -> Int64Array:
    """Return int64 (n,): a number for each content and question; the same for the same."""
    digest = lines["digest"]
    order = np.lexsort((lines["question"], digest[:, 1], digest[:, 0]))
    ordered = lines[order]
    other = (ordered["digest"][1:, :2] != ordered["digest"][:-1, :2]).any(axis=1)
    other |= ordered["question"][1:] != ordered["question"][:-1]
    topics = np.zeros(len(lines), np.int64)
    topics[order[1:]] = np.cumsum(other)
    return topics


def _last_of_each(lines: Lines) -> Int64Array:
    """Return the places of the last line on each content and question, in order."""
    last = np.full(len(lines), -1, np.int64)
    last[_topics(lines)] = np.arange(len(lines))  # the last of equals is what stays
    return np.sort(last[last >= 0])


def _place(value: Any, at: dict[Any, int], values: list[Any]) -> int:
    """Return where a value is in a list that grows."""
    if value not in at:
        at[value] = len(values)
        values.append(value)
    return at[value]


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first and last of each run of successive numbers."""
    runs = []
    for _, run in itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        runs.append((members[0], members[-1]))
    return runs
