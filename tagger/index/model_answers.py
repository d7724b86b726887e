"""What the models of a night answered, also where persons have said something else since."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tagger.arrays import BoolArray, Float64Array
from tagger.index.corrected_rows import Models


def group_answers(rows: pa.Table, group: str) -> pa.Array:
    """Return string (n,): what the model of each row answers for an exclusive group.

    It is null where the answer is none, and on rows that are not ok.

    Parameters
    ----------
    rows : pa.Table
        With the group's answer, and `overruled` if the night has it.
    """
    stored = rows[group].combine_chunks()
    if "overruled" not in rows.column_names or rows["overruled"].null_count == len(rows):
        return stored
    lists = rows["overruled"].combine_chunks()
    each = pc.list_flatten(lists)
    about = _equal(pc.struct_field(each, "group"), group)
    at = pc.list_parent_indices(lists).to_numpy()[about]  # ascending, each once
    mask = np.zeros(len(rows), bool)
    mask[at] = True
    own = pc.struct_field(each, "answer").filter(pa.array(about))
    return pc.replace_with_mask(stored, pa.array(mask), own)


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


def _equal(values: pa.Array | pa.ChunkedArray, text: str) -> BoolArray:
    """Return bool (n,): which of the strings are `text`."""
    return np.array(pc.fill_null(pc.equal(values, text), False), bool)


def _scores(rows: pa.Table, column: str) -> Float64Array:
    """Return float64 (n,): a column of scores, NaN where there is none."""
    return np.asarray(rows[column].to_numpy(), np.float64)
