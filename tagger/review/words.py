"""What persons said, laid over the rows of a night."""

from collections import Counter
from typing import NamedTuple

import numpy as np

from tagger.arrays import BoolArray, Int64Array
from tagger.index.night_labels import MISSING, NightLabels
from tagger.review.contents import Pairs
from tagger.review.lines import Log
from tagger.review.rows import Int32Array, NightRows, UInt8Array
from tagger.review.standing import INERT, IS, IS_NOT, NONE, UNKNOWN, WITHDRAWN


class WordsOfRows(NamedTuple):
    """Words in force, and a row that each concerns.

    Attributes
    ----------
    line : int64 (n,)
    question : int64 (n,)
    answer : uint8 (n,)
    row : int64 (n,)
    """

    line: Int64Array
    question: Int64Array
    answer: UInt8Array
    row: Int64Array


class Words:
    """The answers of a night at this moment: persons' over the model's.

    Rows that are not ok answer nothing, whatever is said of their bytes.

    Parameters
    ----------
    rows : NightRows
    labels : NightLabels
    log : Log
        Not read yet.

    Attributes
    ----------
    now : int32 (exclusive groups, n)
        Place of the answer in `Log.names`; -1 is none.
    said : uint8 (exclusive groups, n)
        The last answer of a person, WITHDRAWN where nobody has said anything that a row can
        answer.
    last : int32 (exclusive groups, n)
        The last line about it; -1: there is none.
    """

    def __init__(self, rows: NightRows, labels: NightLabels, log: Log) -> None:
        self._rows = rows
        self._labels = labels
        self._log = log
        self._groups = {group.name for group in labels.groups()}
        self._lay_bare()
        self.refresh()

    def _lay_bare(self) -> None:
        """Answer as the model alone does."""
        shape = self._rows.own.shape
        self.now: Int32Array = self._rows.own.astype(np.int32)
        self.said: UInt8Array = np.full(shape, WITHDRAWN, np.uint8)
        self.last: Int32Array = np.full(shape, -1, np.int32)
        self._labels_said: WordsOfRows | None = None

    def refresh(self) -> bool:
        """Take in what was appended to the log; return whether something was.

        Raises
        ------
        StoreError
            If the log is damaged, or lacks what the rows follow.
        """
        if not self._log.grown():
            return False
        replaced = self._log.replaced()
        if replaced:
            self._log.start_anew()
            self._lay_bare()
        known = len(self._log.lines)
        for fresh in self._log.read():
            self._lay(fresh)
        return replaced or len(self._log.lines) != known

    def _lay(self, fresh: Int64Array) -> None:
        """Lay new lines that stand over the rows that have their contents."""
        self._labels_said = None
        lines = self._log.lines[fresh]
        whole = lines["question"] < len(self._labels.exclusive)
        found = self._of_rows(fresh[whole])
        line = fresh[whole][found.which]
        lines = self._log.lines[line]
        for i in range(len(self._labels.exclusive)):
            mine = lines["question"] == i
            row, answer = found.row[mine], lines["answer"][mine]
            self.said[i, row] = np.where(answer == INERT, WITHDRAWN, answer)
            self.last[i, row] = line[mine]
            now = np.where(answer == IS, lines["name"][mine], self._rows.own[i, row])
            self.now[i, row] = np.where(answer == NONE, -1, now)

    def _of_rows(self, lines: Int64Array) -> Pairs:
        """Return the rows that are ok and have the contents that these lines are about."""
        found = self._rows.contents.find(self._log.lines["digest"][lines])
        ok = self._rows.ok[found.row]
        return Pairs(found.which[ok], found.row[ok])

    def about_labels(self) -> WordsOfRows:
        """Return what is in force about labels of groups that are not exclusive."""
        if self._labels_said is None:
            lines = self._log.lines
            wanted = lines["stands"] & ~np.isin(lines["answer"], (WITHDRAWN, INERT))
            wanted &= lines["question"] >= len(self._labels.exclusive)
            standing = np.flatnonzero(wanted)
            found = self._of_rows(standing)
            line = standing[found.which]
            self._labels_said = WordsOfRows(
                line, lines["question"][line].astype(np.int64), lines["answer"][line], found.row
            )
        return self._labels_said

    def persons(self, group: int) -> BoolArray:
        """Return bool (n,): rows whose answer for an exclusive group is a person's."""
        said = self.said[group]
        return np.asarray((said == IS) | (said == NONE))

    def anyone(self) -> BoolArray:
        """Return bool (n,): rows of which somebody has said something that still counts."""
        spoken = (self.said != WITHDRAWN).any(axis=0)
        spoken[self.about_labels().row] = True
        return np.asarray(spoken)

    def unknown(self) -> BoolArray:
        """Return bool (n,): rows of which a person said of something that they do not know."""
        found = (self.said == UNKNOWN).any(axis=0)
        words = self.about_labels()
        found[words.row[words.answer == UNKNOWN]] = True
        return np.asarray(found)

    def model_holds(self, label: int, rows: Int64Array | None = None) -> BoolArray:
        """Return bool (n,): where the model's score of a label reaches its threshold."""
        chosen = slice(None) if rows is None else rows
        scores = self._rows.scores[label, chosen]
        limits = self._labels.limits[:, label]
        limit = limits[self._rows.model[chosen]] if len(limits) > 1 else limits[0]
        return np.asarray((scores >= limit) & (scores != MISSING) & (limit != MISSING))

    def holds(self, group: str, name: str) -> BoolArray:
        """Return bool (n,): rows that have a label of a group that is not exclusive now."""
        label = self._labels.at(group, name)
        has = np.zeros(len(self._rows), bool) if label is None else self.model_holds(label)
        question = self._log.question_at(group, name)
        if question is not None:
            words = self.about_labels()
            mine = words.question == question
            has[words.row[mine & (words.answer == IS)]] = True
            has[words.row[mine & (words.answer == IS_NOT)]] = False
        return has

    def against_model(self) -> BoolArray:
        """Return bool (n,): rows of which a person said something else than the model."""
        differs = np.zeros(len(self._rows), bool)
        for i in range(len(self._labels.exclusive)):
            differs |= self.persons(i) & (self.now[i] != self._rows.own[i])
        words = self.about_labels()
        for question in np.unique(words.question):
            mine = np.flatnonzero(words.question == question)
            row, answer = words.row[mine], words.answer[mine]
            label = self._labels.at(*self._log.questions[question])
            model = np.zeros(len(row), bool) if label is None else self.model_holds(label, row)
            differs[row[np.where(model, answer == IS_NOT, answer == IS)]] = True
        return differs

    def proposed(self) -> BoolArray:
        """Return bool (n,): rows of which a person named a label that the model does not have."""
        standing = np.flatnonzero(self._log.lines["stands"])
        named = standing[self._are_proposed(standing)]
        found = np.zeros(len(self._rows), bool)
        found[self._of_rows(named).row] = True
        return found

    def proposals(self) -> Counter[tuple[str, str]]:
        """Return each label in force that the model does not have, and of how many contents."""
        standing = np.flatnonzero(self._log.lines["stands"])
        named = self._log.lines[standing[self._are_proposed(standing)]]
        pairs = np.stack([named["question"], named["name"]], axis=1)
        counts: Counter[tuple[str, str]] = Counter()
        for (question, name), n in zip(*np.unique(pairs, axis=0, return_counts=True), strict=True):
            group, label = self._log.questions[question]
            counts[group, label or self._log.names[question][name]] += int(n)
        return counts

    def _are_proposed(self, lines: Int64Array) -> BoolArray:
        """Return bool (n,): which of these lines name a label that the model does not have."""
        chosen = self._log.lines[lines]
        strange = np.array(
            [self._is_strange(group, name) for group, name in self._log.questions], bool
        )
        found = strange[chosen["question"]]
        for i, group in enumerate(self._labels.exclusive):
            unknown = [self._is_strange(group, name) for name in self._log.names[i]]
            mine = chosen["question"] == i
            found[mine] = np.array([*unknown, False])[chosen["name"][mine]]  # -1: no name
        return np.asarray(found & (chosen["answer"] == IS))

    def _is_strange(self, group: str, name: str | None) -> bool:
        """Return whether a group of the night lacks a label; another group has none to lack."""
        return name is not None and group in self._groups and self._labels.at(group, name) is None

    def asking(self, rows: Int64Array | None = None) -> WordsOfRows:
        """Return the words in force about other bytes under the names of rows, of whose own bytes
        nothing is in force about the same question.

        Of one row and question the latest; by default of all rows.
        """
        lines = self._log.lines
        wanted = lines["elsewhere"] & (lines["question"] >= 0)
        if rows is not None:
            wanted &= np.isin(lines["row"], rows)
        once = np.flatnonzero(wanted)
        line = self._log.standing_for(once)
        once, line = once[line >= 0], line[line >= 0]
        row = lines["row"][once].astype(np.int64)
        question = lines["question"][line].astype(np.int64)
        answers = np.isin(lines["answer"][line], (IS, IS_NOT, NONE))
        kept = answers & ~self._are_said(question, row)
        line, question, row = line[kept], question[kept], row[kept]
        order = np.lexsort((line, question, row))
        latest = np.append(np.diff(row[order]) != 0, True) if len(order) else np.zeros(0, bool)
        latest[:-1] |= np.diff(question[order]) != 0
        chosen = order[latest]
        line = line[chosen]
        return WordsOfRows(line, question[chosen], lines["answer"][line], row[chosen])

    def _are_said(self, question: Int64Array, row: Int64Array) -> BoolArray:
        """Return bool (n,): whether something is in force about a row's own bytes."""
        whole = question < len(self._labels.exclusive)
        said = np.zeros(len(row), bool)
        said[whole] = self.said[question[whole], row[whole]] != WITHDRAWN
        words = self.about_labels()
        n = len(self._rows)
        said[~whole] = np.isin(question[~whole] * n + row[~whole], words.question * n + words.row)
        return said
