"""Two nights row by row: what both have, what the models of each answered, and what persons said.

Bucket by bucket, and columns alone, so that a million rows fit.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.comparison import LabelRows, NightRows
from schemas.corrections import Correction
from schemas.index import Part
from tagger.arrays import BoolArray, Int64Array
from tagger.errors import StoreError
from tagger.evaluation.comparison import Question
from tagger.index.corrected_rows import Models, labels_of_models
from tagger.index.corrections import CorrectionLog, InForce
from tagger.index.model_answers import group_answers, label_answers
from tagger.index.snapshots import Snapshot
from tagger.labels.vocabulary import LabelKey

_FACTS = ["image_id", "status", "content_sha256", "model_id"]


class Asked(NamedTuple):
    """What the rows of both nights answer.

    Attributes
    ----------
    group : str
    label : str or None
        One label of a group with any number of them; None for an exclusive group as a whole.
    names : tuple of str
        The labels that may be answered.
    shared : tuple of str
        Those of them that both nights know.
    """

    group: str
    label: str | None
    names: tuple[str, ...]
    shared: tuple[str, ...]


class PairedNights(NamedTuple):
    """Two nights, row by row.

    Attributes
    ----------
    rows : NightRows
    label_rows : list of LabelRows
        How many rows of each night have each label.
    questions : list of Question
        About the rows that are compared.
    image_ids, contents : object (n,)
        Of those of them whose answers differ; empty strings elsewhere.
    only : two lists of str
        Labels that one night alone knows, as group:name.
    """

    rows: NightRows
    label_rows: list[LabelRows]
    questions: list[Question]
    image_ids: npt.NDArray[np.object_]
    contents: npt.NDArray[np.object_]
    only: tuple[list[str], list[str]]


class _Chunk(NamedTuple):
    """Some rows that are compared: answers of each question, each int64 (k, n)."""

    a: Int64Array
    b: Int64Array
    truth: Int64Array
    known: BoolArray
    image_ids: npt.NDArray[np.object_]
    contents: npt.NDArray[np.object_]


def pair_nights(a: Snapshot, b: Snapshot) -> PairedNights:
    """Return two nights row by row, with what persons said by now as the truth.

    Answers are the models' own, also where a person's stands in the row.

    Raises
    ------
    StoreError
        If a file is missing or damaged, or the nights have no label in common.
    """
    nights = _Night(a), _Night(b)
    asked = _asked(*nights)
    if not asked:
        raise StoreError(
            f"the nights {a.path.name} and {b.path.name} have no label in common: there is nothing "
            "to compare"
        )
    said = _said(b, a)
    counts: Counter[str] = Counter()
    given = np.zeros((2, sum(len(one.names) + 1 for one in asked)), np.int64)
    chunks = []
    for ours, theirs in _parts(a, b):
        tables = [
            night.read(parts, asked) for night, parts in zip(nights, (ours, theirs), strict=True)
        ]
        answers = [night.answers(rows, asked) for night, rows in zip(nights, tables, strict=True)]
        counts["a"] += len(tables[0])
        counts["b"] += len(tables[1])
        given += [_given(*both, asked) for both in zip(tables, answers, strict=True)]
        chunks.append(_matched(tables, answers, asked, said, counts))
    return _joined(nights, asked, chunks, counts, given)


class _Night:
    """One of the two, with the labels of its models."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.models: Models = labels_of_models(snapshot.labels())
        self.exclusive = snapshot.manifest.groups
        schema = snapshot.schema()
        self._columns = set(schema.names if schema is not None else [])

    @property
    def known(self) -> list[LabelKey]:
        """Return the labels that the night's own model answers."""
        own = self.models.get(self.snapshot.manifest.model_id, [])
        return [label.key for label in own if not label.retired]

    def read(self, parts: Sequence[Part], asked: Sequence[Asked]) -> pa.Table:
        """Return the columns of some parts that answers follow from."""
        columns = [*_FACTS, *(one.group for one in asked if one.label is None)]
        columns += ["overruled"] if "overruled" in self._columns else []
        keys = {(one.group, one.label) for one in asked}
        scores = {
            label.column
            for labels in self.models.values()
            for label in labels
            if label.key in keys and label.column in self._columns
        }
        tables = [self.snapshot.read(part.file, columns + sorted(scores)) for part in parts]
        if not tables:
            schema = self.snapshot.schema() or pa.schema([(name, pa.string()) for name in columns])
            return schema.empty_table().select(columns)
        return pa.concat_tables(tables).combine_chunks()

    def answers(self, rows: pa.Table, asked: Sequence[Asked]) -> Int64Array:
        """Return int64 (k, n): the models' own answer to each question, -1 for none."""
        found = np.full((len(asked), len(rows)), -1, np.int64)
        for answer, one in zip(found, asked, strict=True):
            if not len(rows):
                continue
            if one.label is None:
                names = pa.array(one.names, pa.string())
                places = pc.index_in(group_answers(rows, one.group), value_set=names)
                answer[:] = pc.fill_null(places, -1).to_numpy()
            else:
                answer[label_answers(rows, self.models, one.group, one.label)] = 0
        return found


def _asked(a: _Night, b: _Night) -> list[Asked]:
    """Return what both nights answer: groups that are exclusive in both, and other labels."""
    ours = a.known
    theirs = set(b.known)
    found = []
    for group in dict.fromkeys(group for group, _ in ours):
        shared = tuple(name for at, name in ours if at == group and (group, name) in theirs)
        if not shared:
            continue
        if group in a.exclusive and group in b.exclusive:
            names = tuple(dict.fromkeys(_ever(a, group) + _ever(b, group)))
            found.append(Asked(group, None, names, shared))
        elif group not in a.exclusive and group not in b.exclusive:
            found += [Asked(group, name, (name,), (name,)) for name in shared]
    return found


def _ever(night: _Night, group: str) -> list[str]:
    """Return the labels of a group that any model of the night knows: old rows may answer them."""
    return [
        label.name for labels in night.models.values() for label in labels if label.group == group
    ]


def _said(b: Snapshot, a: Snapshot) -> InForce:
    """Return what persons said by now, in the index of A, and in that of B if it is another."""
    folders = dict.fromkeys((a.index_folder, b.index_folder))
    words: list[Correction] = []
    for folder in folders:
        words += CorrectionLog(folder).read().corrections
    return InForce(words, [*a.manifest.groups, *b.manifest.groups])


def _parts(a: Snapshot, b: Snapshot) -> Iterator[tuple[list[Part], list[Part]]]:
    """Yield parts of both that hold the same pictures: by bucket if both have as many, else all."""
    if a.manifest.buckets != b.manifest.buckets:
        yield list(a.manifest.parts), list(b.manifest.parts)
        return
    for bucket in range(a.manifest.buckets):
        found = [[part for part in (each.part(bucket),) if part is not None] for each in (a, b)]
        if any(found):
            yield found[0], found[1]


def _given(rows: pa.Table, answers: Int64Array, asked: Sequence[Asked]) -> Int64Array:
    """Return int64: rows with scores by each answer of each question, none first."""
    ok = _equal(rows["status"], "ok")
    counts = [
        np.bincount(answer[ok] + 1, minlength=len(one.names) + 1)
        for answer, one in zip(answers, asked, strict=True)
    ]
    return np.concatenate(counts).astype(np.int64)


def _matched(
    tables: Sequence[pa.Table],
    answers: Sequence[Int64Array],
    asked: Sequence[Asked],
    said: InForce,
    counts: Counter[str],
) -> _Chunk:
    """Return the rows of both that are compared; counts what is not."""
    ours, theirs = tables
    at = pc.fill_null(
        pc.index_in(ours["image_id"].combine_chunks(), value_set=theirs["image_id"]), -1
    )
    places = np.asarray(at.to_numpy(), np.int64)  # (n,), of A's rows in B
    mine = np.flatnonzero(places >= 0)
    other = places[mine]
    counts["only_a"] += len(ours) - len(mine)
    counts["only_b"] += len(theirs) - len(mine)
    contents = ours["content_sha256"].take(pa.array(mine))
    same = _flags(pc.equal(contents, theirs["content_sha256"].take(pa.array(other))))
    counts["other_bytes"] += int((~same).sum())
    mine, other = mine[same], other[same]
    ok = _equal(ours["status"], "ok")[mine] & _equal(theirs["status"], "ok")[other]
    counts["without_scores"] += int((~ok).sum())
    mine, other = mine[ok], other[ok]
    a = answers[0][:, mine]
    b = answers[1][:, other]
    digests = ours["content_sha256"].take(pa.array(mine)).combine_chunks()
    truth, known = _truth(digests, said, asked)
    ids = ours["image_id"].take(pa.array(mine))
    differ = (a != b).any(axis=0)
    return _Chunk(a, b, truth, known, _where(ids, differ), _where(digests, differ))


def _truth(
    contents: pa.Array, said: InForce, asked: Sequence[Asked]
) -> tuple[Int64Array, BoolArray]:
    """Return int64 and bool (k, n): what persons answered to each question, and where they did."""
    shape = len(asked), len(contents)
    truth = np.full(shape, -1, np.int64)
    known = np.zeros(shape, bool)
    spoken_of = _flags(pc.is_in(contents, value_set=pa.array(said.contents(), pa.string())))
    for place in np.flatnonzero(spoken_of).tolist():
        words = said.of(contents[place].as_py())
        for k, one in enumerate(asked):
            word = words.get((one.group, one.label))
            answer = None if word is None else _answered(word, one)
            if answer is not None:
                truth[k, place] = answer
                known[k, place] = True
    return truth, known


def _answered(word: Correction, one: Asked) -> int | None:
    """Return a person's answer to a question; None if it is one that not both nights could give."""
    if word.answer in ("none", "is_not"):
        return -1
    if word.answer == "is" and word.label in one.shared:
        return one.names.index(word.label)
    return None


def _joined(
    nights: tuple[_Night, _Night],
    asked: Sequence[Asked],
    chunks: Sequence[_Chunk],
    counts: Counter[str],
    given: Int64Array,
) -> PairedNights:
    """Return all chunks as one."""
    a, b, truth, known = (
        np.concatenate([getattr(chunk, name) for chunk in chunks], axis=1)
        for name in ("a", "b", "truth", "known")
    )
    questions = [
        Question(one.group, one.names, one.shared, one.label is None, *arrays)
        for one, *arrays in zip(asked, a, b, truth, known, strict=True)
    ]
    fields = {name: counts[name] for name in NightRows.__struct_fields__ if name != "compared"}
    ours = set(nights[0].known)
    theirs = set(nights[1].known)
    return PairedNights(
        rows=NightRows(compared=a.shape[1], **fields),
        label_rows=_label_rows(asked, given),
        questions=questions,
        image_ids=np.concatenate([chunk.image_ids for chunk in chunks]),
        contents=np.concatenate([chunk.contents for chunk in chunks]),
        only=(_alone(nights[0], theirs), _alone(nights[1], ours)),
    )


def _label_rows(asked: Sequence[Asked], given: Int64Array) -> list[LabelRows]:
    """Return the counts of each label; given: int64 (2, answers), in the order of `_given`."""
    rows = []
    at = 0
    for one in asked:
        counts = given[:, at : at + len(one.names) + 1]  # (2, answers)
        at += counts.shape[1]
        totals = counts.sum(axis=1)  # (2,): rows with scores
        for place, name in enumerate(("none", *one.names)):
            if name == "none" and place == 0 and one.label is not None:
                continue
            a, b = (int(count) for count in counts[:, place])
            rows.append(
                LabelRows(
                    label=f"{one.group}:{name}",
                    a=a,
                    b=b,
                    a_share=a / int(totals[0]) if totals[0] else None,
                    b_share=b / int(totals[1]) if totals[1] else None,
                )
            )
    return rows


def _alone(night: _Night, others: set[LabelKey]) -> list[str]:
    return [":".join(key) for key in night.known if key not in others]


def _where(values: pa.Array | pa.ChunkedArray, here: BoolArray) -> npt.NDArray[np.object_]:
    """Return object (n,): strings where `here`, empty ones elsewhere, which take no room."""
    found = np.full(len(here), "", object)
    found[here] = values.filter(pa.array(here)).to_pylist()
    return found


def _equal(values: pa.Array | pa.ChunkedArray, text: str) -> BoolArray:
    return _flags(pc.equal(values, text))


def _flags(values: pa.Array | pa.ChunkedArray) -> BoolArray:
    """Return bool (n,): null is false."""
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), bool)
