"""Two nights row by row: what both have, what the models of each answered, and what persons said.

Bucket by bucket, and columns alone, so that a million rows fit. A part that both nights have is
read once.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from schemas.comparison import Comparison, LabelRows, NightRows
from schemas.corrections import Correction
from schemas.index import Part
from tagger.arrays import BoolArray, Int16Array, Int64Array
from tagger.errors import StoreError
from tagger.evaluation.comparison import Found, Question, compare_answers
from tagger.index.night_label_rows import given_by, label_rows_of
from tagger.index.night_questions import Asked, NightSide, asked_of
from tagger.index.night_truth import NightTruth
from tagger.index.snapshots import Snapshot


class Pairs(NamedTuple):
    """Pictures that both nights have scores of.

    Attributes
    ----------
    questions : list of Question
    image_ids, contents : object (n,)
        Of those of them whose answers differ, contents as B has them; empty strings elsewhere.
    """

    questions: list[Question]
    image_ids: npt.NDArray[np.object_]
    contents: npt.NDArray[np.object_]


class PairedNights(NamedTuple):
    """Two nights, row by row.

    Attributes
    ----------
    models : two str
        The model that each night ran with.
    rows : NightRows
    label_rows : list of LabelRows
        How many rows of each night have each label.
    compared, replaced : Pairs
        Pictures with the same bytes in both; with other bytes, of which no person's words are
        looked at.
    only : two lists of str
        Labels that one night alone knows, as group:name.
    """

    models: tuple[str, str]
    rows: NightRows
    label_rows: list[LabelRows]
    compared: Pairs
    replaced: Pairs
    only: tuple[list[str], list[str]]

    def found(self) -> Found:
        """Return what the models answer differently of the same bytes.

        Persons look for what is wrong, so what they said is counted, and nothing is tested with it.
        """
        found = compare_answers(
            self.compared.questions,
            lambda at: str(self.compared.image_ids[at]),
            scores={},
            only=self.only,
            tested=False,
        )
        sentence = self._sentence(found.comparison)
        return found._replace(comparison=replace(found.comparison, sentence=sentence))

    def _sentence(self, found: Comparison) -> str:
        """Return the sentence of a comparison, with what is to be known of the two models."""
        if not found.pictures:
            return (
                "no picture is in both nights with the same bytes and with scores: there is "
                "nothing to compare"
            )
        if self.models[0] == self.models[1]:
            return found.sentence
        words = f"{found.sentence}. The two nights have different models"
        if all(row.right is None for row in found.groups):
            return words
        return f"{words}, and B's may have been trained with these answers"


class _Chunk(NamedTuple):
    """Some pictures that both have scores of: answers to each question, each (k, n)."""

    a: Int16Array
    b: Int16Array
    truth: Int16Array
    known: BoolArray
    image_ids: npt.NDArray[np.object_]
    contents: npt.NDArray[np.object_]


def pair_nights(a: Snapshot, b: Snapshot, said: Sequence[Correction]) -> PairedNights:
    """Return two nights row by row.

    Answers are the models' own, also where a person's stands in the row.

    Parameters
    ----------
    said : sequence of Correction
        What persons said, which is the truth.

    Raises
    ------
    StoreError
        If a file is missing or damaged, or the nights have no label in common.
    """
    nights = NightSide(a), NightSide(b)
    asked = asked_of(*nights)
    if not asked:
        raise StoreError(
            f"the nights {a.path.name} and {b.path.name} have no label in common: there is nothing "
            "to compare"
        )
    pairing = _Pairing(nights, asked, said)
    for ours, theirs in _parts(a, b):
        if [part.sha256 for part in ours] == [part.sha256 for part in theirs]:
            pairing.take_alike(theirs)
        else:
            pairing.take(ours, theirs)
    return pairing.paired()


class _Pairing:
    """What was paired so far."""

    def __init__(
        self,
        nights: tuple[NightSide, NightSide],
        asked: Sequence[Asked],
        said: Sequence[Correction],
    ) -> None:
        self._nights = nights
        self._asked = asked
        self._truth = NightTruth(nights, asked, said)
        self._counts: Counter[str] = Counter()
        self._given = np.zeros((2, sum(len(one.names) + 1 for one in asked)), np.int64)
        self._compared: list[_Chunk] = []
        self._replaced: list[_Chunk] = []

    def take_alike(self, parts: Sequence[Part]) -> None:
        """Take parts in that both nights have, byte by byte: read once, and nothing differs."""
        night = self._nights[1]
        rows = night.read(parts, self._asked)
        answers = night.answers(rows, self._asked)
        self._counts.update(a=len(rows), b=len(rows))
        self._given += given_by(rows, answers, self._asked)
        ok = np.flatnonzero(_equal(rows["status"], "ok"))
        self._counts["without_scores"] += len(rows) - len(ok)
        answers = answers[:, ok]
        truth, known = self._truth.take(_at(rows, "content_sha256", ok), answers, answers)
        nothing = np.full(len(ok), "", object)
        self._compared.append(_Chunk(answers, answers, truth, known, nothing, nothing))

    def take(self, ours: Sequence[Part], theirs: Sequence[Part]) -> None:
        """Take parts in that differ, and hold the same pictures."""
        a, b = (
            night.read(parts, self._asked, ["image_id"])
            for night, parts in zip(self._nights, (ours, theirs), strict=True)
        )
        a_answers, b_answers = (
            night.answers(rows, self._asked)
            for night, rows in zip(self._nights, (a, b), strict=True)
        )
        self._counts.update(a=len(a), b=len(b))
        self._given[0] += given_by(a, a_answers, self._asked)
        self._given[1] += given_by(b, b_answers, self._asked)
        mine, other = _same_pictures(a, b)
        self._counts.update(only_a=len(a) - len(mine), only_b=len(b) - len(mine))
        ids = _at(a, "image_id", mine)
        contents = _at(b, "content_sha256", other)
        same = _flags(pc.equal(_at(a, "content_sha256", mine), contents))
        ok = _equal(a["status"], "ok")[mine] & _equal(b["status"], "ok")[other]
        # What was never read has no digest: nothing is known of its bytes.
        self._counts.update(without_scores=int((~ok).sum()), other_bytes=int((ok & ~same).sum()))
        for here, chunks in ((same & ok, self._compared), (~same & ok, self._replaced)):
            digests = contents.filter(pa.array(here))
            before, after = a_answers[:, mine[here]], b_answers[:, other[here]]
            truth, known = np.full_like(after, -1), np.zeros(after.shape, bool)
            if chunks is self._compared:
                truth, known = self._truth.take(digests, before, after)
            differ = (before != after).any(axis=0)
            names = _where(ids.filter(pa.array(here)), differ)
            chunks.append(_Chunk(before, after, truth, known, names, _where(digests, differ)))

    def paired(self) -> PairedNights:
        """Return all that was taken in."""
        compared = _joined(self._asked, self._compared)
        self._counts.update(
            compared=len(compared.image_ids),
            copies=self._truth.copies,
            unheard=self._truth.unheard,
        )
        ours, theirs = self._nights
        return PairedNights(
            models=(ours.snapshot.manifest.model_id, theirs.snapshot.manifest.model_id),
            rows=NightRows(**{name: self._counts[name] for name in NightRows.__struct_fields__}),
            label_rows=label_rows_of(self._asked, self._given),
            compared=compared,
            replaced=_joined(self._asked, self._replaced),
            only=(
                [":".join(key) for key in ours.not_known_to(theirs)],
                [":".join(key) for key in theirs.not_known_to(ours)],
            ),
        )


def _parts(a: Snapshot, b: Snapshot) -> Iterator[tuple[list[Part], list[Part]]]:
    """Yield parts of both that hold the same pictures: by bucket if both have as many; if one has
    been split in two, that with both of them; if their numbers share no divisor, all at once."""
    both = math.gcd(a.manifest.buckets, b.manifest.buckets)
    found: defaultdict[int, tuple[list[Part], list[Part]]] = defaultdict(lambda: ([], []))
    for side, night in enumerate((a, b)):
        for part in night.manifest.parts:
            found[part.bucket % both][side].append(part)
    yield from found.values()


def _same_pictures(a: pa.Table, b: pa.Table) -> tuple[Int64Array, Int64Array]:
    """Return int64 (m,) twice: where the pictures of both are in A, and in B."""
    at = pc.index_in(a["image_id"].combine_chunks(), value_set=b["image_id"])
    places = np.asarray(pc.fill_null(at, -1).to_numpy(), np.int64)
    mine = np.flatnonzero(places >= 0)
    return mine, places[mine]


def _joined(asked: Sequence[Asked], chunks: Sequence[_Chunk]) -> Pairs:
    """Return all chunks as one."""
    nothing = np.zeros((len(asked), 0), np.int16)
    empty = _Chunk(nothing, nothing, nothing, nothing.astype(bool), *[np.zeros(0, object)] * 2)
    a, b, truth, known, image_ids, contents = (
        np.concatenate(arrays, axis=-1) for arrays in zip(empty, *chunks, strict=True)
    )
    questions = [
        Question(one.group, one.names, one.shared, one.label is None, *arrays)
        for one, *arrays in zip(asked, a, b, truth, known, strict=True)
    ]
    return Pairs(questions, image_ids, contents)


def _where(values: pa.Array | pa.ChunkedArray, here: BoolArray) -> npt.NDArray[np.object_]:
    """Return object (n,): strings where `here`, empty ones elsewhere, which take no room."""
    found = np.full(len(here), "", object)
    found[here] = values.filter(pa.array(here)).to_pylist()
    return found


def _at(rows: pa.Table, column: str, here: Int64Array) -> pa.Array:
    """Return a column's values at some places."""
    return rows[column].combine_chunks().take(pa.array(here))


def _equal(values: pa.Array | pa.ChunkedArray, text: str) -> BoolArray:
    return _flags(pc.equal(values, text))


def _flags(values: pa.Array | pa.ChunkedArray) -> BoolArray:
    """Return bool (n,): null is false."""
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), bool)
