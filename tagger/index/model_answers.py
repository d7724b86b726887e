"""What the models of a night answered, under what persons have said since: from stored scores."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.arrays import BoolArray, Float64Array, Int64Array
from tagger.index.snapshots import Snapshot


class ModelLabel(NamedTuple):
    """A label of a model, as labels.parquet has it."""

    group: str
    name: str
    column: str
    threshold: float
    retired: bool


Models = Mapping[str, Sequence[ModelLabel]]
"""model_id to the labels of that model, in its order."""


def models_of(snapshot: Snapshot) -> dict[str, list[ModelLabel]]:
    """Return the labels of each model that the rows of a night name.

    Raises
    ------
    StoreError
        If labels.parquet is missing or damaged.
    """
    models: dict[str, list[ModelLabel]] = {}
    for row in snapshot.labels().to_pylist():
        label = ModelLabel(
            row["group"], row["label"], row["column"], row["threshold"], row["retired"]
        )
        models.setdefault(row["model_id"], []).append(label)
    return models


def best_label(scores: Float64Array, thresholds: Float64Array) -> Int64Array:
    """Return int64 (n,): which of k labels of an exclusive group is the answer; -1 is none.

    Parameters
    ----------
    scores : float64 (n, k)
        Stored scores of labels that are not retired.
    thresholds : float64 (k,)
    """
    if not len(thresholds):
        return np.full(len(scores), -1, np.int64)
    holds = scores >= thresholds  # (n, k)
    with np.errstate(divide="ignore"):
        margin = (scores / (1 - scores)) / (thresholds / (1 - thresholds))  # (n, k)
    best = np.where(holds, margin, -np.inf).argmax(axis=1)
    return np.where(holds.any(axis=1), best, -1).astype(np.int64)


def group_answers(rows: pa.Table, models: Models, group: str) -> pa.Array:
    """Return string (n,): what the model of each row answers for an exclusive group.

    It is null where the answer is none, and on rows that are not ok. Where a person answered it is
    recomputed from the stored scores, which have four decimals: an answer that was a close call may
    be the other one.

    Parameters
    ----------
    rows : pa.Table
        With `model_id`, the group's answer, the scores of its labels, and `corrected` if the night
        has it.
    """
    stored = rows[group].combine_chunks()
    persons = np.flatnonzero(is_corrected(rows, group))
    if not len(persons):
        return stored
    theirs = rows.take(pa.array(persons))
    names: list[str | None] = [None] * len(persons)
    for model_id, labels in models.items():
        members = [each for each in labels if each.group == group and not each.retired]
        at = np.flatnonzero(pc.equal(theirs["model_id"], model_id).to_numpy().astype(bool))
        if not len(at) or not members:
            continue
        some = theirs.take(pa.array(at))
        scores = np.stack([_scores(some, each.column) for each in members], axis=1)
        best = best_label(scores, np.array([each.threshold for each in members]))
        for row, which in zip(at.tolist(), best.tolist(), strict=True):
            names[row] = members[which].name if which >= 0 else None
    mask = np.zeros(len(rows), bool)
    mask[persons] = True
    return pc.replace_with_mask(stored, pa.array(mask), pa.array(names, pa.string()))


def label_answers(rows: pa.Table, models: Models, group: str, label: str) -> BoolArray:
    """Return bool (n,): whether the model of each row says that a label of a group that is not
    exclusive holds.

    Parameters
    ----------
    rows : pa.Table
        With `model_id` and the label's scores.
    """
    holds = np.zeros(len(rows), bool)
    for model_id, labels in models.items():
        for each in labels:
            if (each.group, each.name) == (group, label) and not each.retired:
                own = pc.fill_null(pc.equal(rows["model_id"], model_id), False)
                holds |= own.to_numpy().astype(bool) & (
                    _scores(rows, each.column) >= each.threshold
                )
    return holds


def is_corrected(rows: pa.Table, key: str) -> BoolArray:
    """Return bool (n,): whether a person answered `key`, an exclusive group or `group:label`."""
    found = np.zeros(len(rows), bool)
    if "corrected" in rows.column_names and rows["corrected"].null_count < len(rows):
        lists = rows["corrected"].combine_chunks()
        hit = pc.equal(pc.list_flatten(lists), key).to_numpy(zero_copy_only=False).astype(bool)
        found[pc.list_parent_indices(lists).to_numpy()[hit]] = True
    return found


def _scores(rows: pa.Table, column: str) -> Float64Array:
    """Return float64 (n,): a column of scores, NaN where there is none."""
    return np.asarray(rows[column].to_numpy(), np.float64)
