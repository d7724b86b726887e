"""What persons said of pictures, as the truth of what two nights answer."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.corrections import Correction
from tagger.arrays import BoolArray, Int16Array
from tagger.index.corrections import InForce
from tagger.index.night_questions import Asked, NightSide


class NightTruth:
    """The last words of persons, each counted once, however many pictures have the bytes.

    A label that one night alone knows was no choice for whoever spoke before that night, or after
    the other one was current. Such words do not count where they would decide about that label:
    none may be the label by now, and a label may have been split since.

    Parameters
    ----------
    nights : two NightSide
    asked : sequence of Asked
    said : sequence of Correction
        In the order in which they were said.

    Attributes
    ----------
    copies, unheard : int
        As in `schemas.comparison.NightRows`, of what was taken so far.
    """

    def __init__(
        self,
        nights: tuple[NightSide, NightSide],
        asked: Sequence[Asked],
        said: Sequence[Correction],
    ) -> None:
        self._asked = asked
        self._said = InForce(said, [one.group for one in asked if one.label is None])
        self._contents = pa.array(self._said.contents(), pa.string())
        self._since = [_moment(night.snapshot.manifest.created_at) for night in nights]
        # (k, 2): of each question, the places of labels that one night alone knows.
        self._alone = [
            [one.places_of(night.not_known_to(other)) for night, other in (nights, nights[::-1])]
            for one in asked
        ]
        self._seen: set[str] = set()
        self.copies = 0
        self.unheard = 0

    def take(
        self, contents: pa.Array, a: Int16Array, b: Int16Array
    ) -> tuple[Int16Array, BoolArray]:
        """Return int16 and bool (k, n): what persons answered to each question, and where that is
        known.

        Parameters
        ----------
        contents : pa.Array
            Of n pictures.
        a, b : int16 (k, n)
            What the nights answer.
        """
        shape = len(self._asked), len(contents)
        truth = np.full(shape, -1, np.int16)
        known = np.zeros(shape, bool)
        spoken = pc.fill_null(pc.is_in(contents, value_set=self._contents), False)
        for place in np.flatnonzero(spoken.to_numpy(zero_copy_only=False)).tolist():
            content = contents[place].as_py()
            if content in self._seen:
                self.copies += 1
                continue
            self._seen.add(content)
            given = a[:, place].tolist(), b[:, place].tolist()
            truth[:, place], known[:, place] = self._of(content, *given)
        return truth, known

    def _of(self, content: str, a: list[int], b: list[int]) -> tuple[list[int], list[bool]]:
        """Return what persons answered to each question about a content, and whether that is
        known."""
        words = self._said.of(content)
        truth = [-1] * len(self._asked)
        known = [False] * len(self._asked)
        unheard = False
        for k, one in enumerate(self._asked):
            word = words.get((one.group, one.label))
            answer = None if word is None else one.place_of(word)
            if word is None or answer is None:
                continue
            if self._had_the_choice(word, answer, k, (a[k], b[k])):
                truth[k], known[k] = answer, True
            else:
                unheard = True
        self.unheard += unheard
        return truth, known

    def _had_the_choice(
        self, word: Correction, answer: int, question: int, given: tuple[int, int]
    ) -> bool:
        """Return whether whoever spoke could have said what a night alone may answer here."""
        offered = self._offered(word)
        return all(
            not alone or offered == night or (answer >= 0 and given[night] not in alone)
            for night, alone in enumerate(self._alone[question])
        )

    def _offered(self, word: Correction) -> int | None:
        """Return which of the two nights was the newer one when somebody spoke."""
        at = _moment(word.at)
        before = [(since, night) for night, since in enumerate(self._since) if since <= at]
        return max(before)[1] if before else None


def _moment(text: str) -> datetime:
    """Return a time of ISO 8601; what is none is before all others."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
