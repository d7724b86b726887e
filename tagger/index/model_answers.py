"""What the models of a night answered, under what persons have said since: from stored scores."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.arrays import BoolArray, Float64Array
from tagger.index.corrected_rows import Models
from tagger.labels.views import logits_near, view


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
        at = np.flatnonzero(_equal(theirs["model_id"], model_id))
        if not len(at) or not members:
            continue
        some = theirs.take(pa.array(at))
        logits = logits_near(np.stack([_scores(some, each.column) for each in members], axis=1))
        thresholds = [each.threshold for each in members]
        answer = view(logits, thresholds, list(range(len(members)))).answer
        for row, which in zip(at.tolist(), answer.tolist(), strict=True):
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
            if each.key == (group, label) and not each.retired:
                own = _equal(rows["model_id"], model_id)
                holds |= own & (_scores(rows, each.column) >= each.threshold)
    return holds


def is_corrected(rows: pa.Table, key: str) -> BoolArray:
    """Return bool (n,): whether a person answered `key`, an exclusive group or `group:label`."""
    found = np.zeros(len(rows), bool)
    if "corrected" in rows.column_names and rows["corrected"].null_count < len(rows):
        lists = rows["corrected"].combine_chunks()
        hit = _equal(pc.list_flatten(lists), key)
        found[pc.list_parent_indices(lists).to_numpy()[hit]] = True
    return found


def _equal(values: pa.Array | pa.ChunkedArray, text: str) -> BoolArray:
    """Return bool (n,): which of the strings are `text`."""
    same = pc.fill_null(pc.equal(values, text), False)
    return np.array(same, bool)


def _scores(rows: pa.Table, column: str) -> Float64Array:
    """Return float64 (n,): a column of scores, NaN where there is none."""
    return np.asarray(rows[column].to_numpy(), np.float64)
