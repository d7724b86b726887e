"""The log of corrections as an array, a line each, and which of its lines are in force."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.corrections import Correction
from schemas.review import Said
from tagger.arrays import Int64Array
from tagger.errors import StoreError
from tagger.index.corrections import CorrectionLog, LogPart, Question
from tagger.index.night_labels import NightLabels
from tagger.index.snapshots import Snapshot
from tagger.review.contents import Digests, digests_of, texts_of
from tagger.review.log_reader import LogReader
from tagger.review.rows import NightRows
from tagger.review.standing import (
    ANSWER_CODES,
    INERT,
    LINE,
    NO_QUESTION,
    Lines,
    drop_words_on_other_answers,
    last_of_each,
    topics,
)


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
    lines : structured (n,), see `standing.LINE`
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
        self._reader = LogReader(log, snapshot.manifest.corrections)
        self.start_anew()

    def start_anew(self) -> None:
        """Forget what was read."""
        self._reader.start_anew()
        labels = self._labels
        self.lines: Lines = np.zeros(0, LINE)
        self.questions: list[Question] = [(group, None) for group in labels.exclusive]
        self.names = [list(labels.names[group]) for group in labels.exclusive]
        self.persons: list[str] = []
        self._question_at = {question: i for i, question in enumerate(self.questions)}
        self._name_at = [{name: i for i, name in enumerate(names)} for names in self.names]
        self._person_at: dict[str, int] = {}

    def question_at(self, group: str, label: str | None) -> int | None:
        """Return the place of what is asked about a label, or None if nobody ever said anything."""
        whole = group in self._labels.exclusive
        return self._question_at.get((group, None if whole else label))

    def grown(self) -> bool:
        """Return whether the log is not as it was when it was last read."""
        return self._reader.changed()

    def replaced(self) -> bool:
        """Return whether it is another log than the one that was read."""
        return self._reader.replaced()

    def read(self) -> Iterator[Int64Array]:
        """Take in what was appended; yield, batch by batch, the new lines that stand.

        Raises
        ------
        StoreError
            If it is damaged, or does not begin with what the rows follow.
        """
        for part in self._reader.parts():
            yield self._take(part)

    def _take(self, part: LogPart) -> Int64Array:
        """Append lines; return the places of those that stand."""
        before = len(self.lines)
        new = self._as_lines(part)
        old = self.standing_of(new["digest"])
        self.lines = np.concatenate([self.lines, new])
        drop_words_on_other_answers(self.lines, before, len(self._labels.exclusive))
        asked = before + np.flatnonzero(self.lines["question"][before:] != NO_QUESTION)
        touched = np.concatenate([old, asked])
        last = touched[last_of_each(self.lines[touched])]
        self.lines["stands"][touched] = False
        self.lines["stands"][last] = True
        self._clear(before, part.corrections)
        fresh: Int64Array = last[(last >= before) & self.lines["stands"][last]]
        return fresh

    def _clear(self, before: int, said: Sequence[Correction]) -> None:
        """Let words on the labels of a group that is not exclusive stand no more if afterwards,
        in what was said from `before` on, the whole group was answered.

        That was said when the group was exclusive.
        """
        cleared = {
            (one.content_sha256, one.group): before + i
            for i, one in enumerate(said)
            if one.label is None and one.group not in self._labels.exclusive
        }
        standing = self.standing_of(digests_of(content for content, _ in cleared))
        contents = texts_of(self.lines["digest"][standing])
        for line, content in zip(standing.tolist(), contents, strict=True):
            group, _ = self.questions[self.lines["question"][line]]
            if line < cleared.get((str(content), group), -1):
                self.lines["stands"][line] = False

    def _as_lines(self, part: LogPart) -> Lines:
        said = part.corrections
        lines = np.zeros(len(said), LINE)
        lengths = [len(line) for line in part.data.splitlines(keepends=True)]
        lines["start"] = part.end - len(part.data) + np.cumsum([0, *lengths[:-1]])
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
        """Return, for each of these lines, that in force about the same content and question, or -1
        if there is none any more."""
        standing = self.standing_of(self.lines["digest"][lines])
        topic = topics(self.lines[np.concatenate([lines, standing])])
        of_topic = np.full(len(topic), -1, np.int64)
        of_topic[topic[len(lines) :]] = standing
        return of_topic[topic[: len(lines)]]

    def all_of(self, digest: Digests) -> Int64Array:
        """Return the places of all lines about one content, uint64 (4,)."""
        return np.flatnonzero((self.lines["digest"] == digest).all(axis=1))

    def number_at(self, start: int) -> int:
        """Return the number of the line that begins at a byte of the log."""
        return int(np.searchsorted(self.lines["start"], start))

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
        return int(self.lines["start"][line]) if line < len(self.lines) else self._reader.end


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
