"""Drawing the pictures of a sample from the columns of a night, part by part."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.index import Part
from schemas.samples import Estimate, SampledPicture
from tagger.arrays import BoolArray, Int64Array
from tagger.errors import InputError
from tagger.evaluation.sampling import combinations, draw
from tagger.index.corrected_rows import Models, labels_of_models
from tagger.index.model_answers import group_answers, label_answers
from tagger.index.snapshots import Snapshot


class Answer(NamedTuple):
    """An answer that a model can give: a label, or none (None) of an exclusive group."""

    group: str
    label: str | None


class DrawnPictures(NamedTuple):
    """The pictures of a new sample, and what the night answers as a whole.

    Attributes
    ----------
    rows : int
        Rows that are ok.
    items : list of SampledPicture
    estimates : list of Estimate
        An empty one for each answer, with how many rows have it.
    """

    rows: int
    items: list[SampledPicture]
    estimates: list[Estimate]


def draw_pictures(snapshot: Snapshot, size: int, seed: int) -> DrawnPictures:
    """Return pictures of a night, drawn at random.

    Raises
    ------
    InputError
        If no row is ok.
    StoreError
        If the night cannot be read.
    """
    present = set(_names(snapshot))
    models = {
        model_id: [label for label in labels if label.column in present]
        for model_id, labels in labels_of_models(snapshot.labels()).items()
    }
    groups = snapshot.manifest.groups
    answers = answers_of(models, snapshot.manifest.model_id, groups)
    given, where = _given(snapshot, models, answers)
    if not len(given):
        raise InputError(
            f"night {snapshot.path.name}: no picture in it is ok, so there is nothing to judge; "
            "'tagger runs' and the column error say why"
        )
    drawn = draw(combinations(given), size, np.random.default_rng(seed))
    facts = _facts(snapshot, where[drawn.rows])
    items = []
    for fact, weight, has in zip(facts, drawn.weight.tolist(), given[drawn.rows], strict=True):
        own = [answers[i] for i in np.flatnonzero(has)]
        items.append(_picture(fact, weight, own, groups))
    empty = [
        Estimate(group=answer.group, label=answer.label, answered_rows=count)
        for answer, count in zip(answers, given.sum(axis=0).tolist(), strict=True)
    ]
    return DrawnPictures(len(given), items, empty)


def answers_of(models: Models, model_id: str, groups: Sequence[str]) -> list[Answer]:
    """Return every answer of a night that persons are asked about, each group's together.

    These are the labels of its model, those of exclusive groups that rows still have of other
    models, and the answer none after the labels of an exclusive group. Of other groups each label
    is a question of its own, and nobody is asked about one that the night's model does not have.
    """
    ordered = [models[model_id], *(labels for name, labels in models.items() if name != model_id)]
    labels = [
        Answer(label.group, label.name)
        for own in ordered
        for label in own
        if not label.retired and (own is models[model_id] or label.group in groups)
    ]
    found: list[Answer] = []
    for group in dict.fromkeys(label.group for label in labels):
        found += dict.fromkeys(label for label in labels if label.group == group)
        if group in groups:
            found.append(Answer(group, None))
    return found


def _given(
    snapshot: Snapshot, models: Models, answers: Sequence[Answer]
) -> tuple[BoolArray, Int64Array]:
    """Return bool (rows, answers): what each row that is ok answers; and its part and place there.

    The latter is int64 (rows, 2).
    """
    given = [np.zeros((0, len(answers)), bool)]
    where = [np.zeros((0, 2), np.int64)]
    for number, part in enumerate(snapshot.manifest.parts):
        rows = _answering(snapshot, part, models)
        ok = np.flatnonzero(pc.equal(rows["status"], "ok").to_numpy())
        given.append(_matrix(rows.take(pa.array(ok)), models, answers, snapshot.manifest.groups))
        where.append(np.stack([np.full(len(ok), number), ok], axis=1))
    return np.concatenate(given), np.concatenate(where)


def _answering(snapshot: Snapshot, part: Part, models: Models) -> pa.Table:
    """Return the columns of a part that the models' answers are read from.

    Of exclusive groups these are the answers, and those that persons overruled; an earlier version
    has none of the latter.
    """
    groups = snapshot.manifest.groups
    labels = [label for own in models.values() for label in own]
    scores = dict.fromkeys(label.column for label in labels if label.group not in groups)
    overruled = [name for name in ("overruled",) if name in _names(snapshot)]
    return snapshot.read(part.file, ["status", "model_id", *groups, *scores, *overruled])


def _names(snapshot: Snapshot) -> list[str]:
    """Return the columns of a night."""
    schema = snapshot.schema()
    return [] if schema is None else list(schema.names)


def _matrix(
    rows: pa.Table, models: Models, answers: Sequence[Answer], groups: Sequence[str]
) -> BoolArray:
    """Return bool (rows, answers): what each row answers."""
    given = np.zeros((len(rows), len(answers)), bool)
    numbers = {answer: i for i, answer in enumerate(answers)}
    for group in groups:
        names = [label for of, label in answers if of == group and label is not None]
        said = group_answers(rows, group)
        place = np.array(
            pc.fill_null(pc.index_in(said, value_set=pa.array(names, pa.string())), -1)
        )  # (rows,)
        for i, name in enumerate(names):
            given[:, numbers[Answer(group, name)]] = place == i
        if names:
            given[:, numbers[Answer(group, None)]] = np.array(pc.is_null(said))
    for (group, label), i in numbers.items():
        if group not in groups:
            given[:, i] = label_answers(rows, models, group, str(label))
    return given


def _facts(snapshot: Snapshot, where: Int64Array) -> list[tuple[str, str]]:
    """Return image_id and content of rows, which are given by part and place there."""
    found: dict[tuple[int, int], tuple[str, str]] = {}
    parts: list[Part] = snapshot.manifest.parts
    for number in np.unique(where[:, 0]).tolist():
        places = where[where[:, 0] == number, 1]
        rows = snapshot.read(parts[number].file, ["image_id", "content_sha256"])
        for place, row in zip(
            places.tolist(), rows.take(pa.array(places)).to_pylist(), strict=True
        ):
            found[number, place] = (row["image_id"], row["content_sha256"])
    return [found[number, place] for number, place in where.tolist()]


def _picture(
    fact: tuple[str, str], weight: float, own: Sequence[Answer], groups: Sequence[str]
) -> SampledPicture:
    image_id, content = fact
    return SampledPicture(
        content=content,
        image_id=image_id,
        weight=weight,
        answers={answer.group: answer.label for answer in own if answer.group in groups},
        tags=[f"{group}:{label}" for group, label in own if group not in groups],
    )
