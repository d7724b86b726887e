"""What the models of a night's rows answer for a group, persons' words or not, and how sure they
are of it, columns in, arrays out."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.rows import OVERRULED_TYPE
from tagger.arrays import BoolArray, Float64Array, Int64Array
from tagger.index.night_labels import MISSING, SCALE, NightLabels, UInt16Array

_NOTHING = pa.schema(list(OVERRULED_TYPE.value_type)).empty_table()


class OwnAnswers(NamedTuple):
    """What models answer for an exclusive group.

    Attributes
    ----------
    answer : int64 (n,)
        Place in `NightLabels.names` of the group; -1 is none, or not ok.
    sure : uint16 (n,)
        How sure the model is of that, times `SCALE`; `MISSING` if not ok.
    """

    answer: Int64Array
    sure: UInt16Array


def own_answers(
    table: pa.Table,
    labels: NightLabels,
    group: str,
    *,
    ok: BoolArray,
    model: Int64Array,
    scores: UInt16Array,
) -> OwnAnswers:
    """Return what the model of each row answers for an exclusive group.

    Parameters
    ----------
    table : pa.Table
        With the group's answer and its score, and `overruled` if the night has it.
    ok : bool (n,)
    model : int64 (n,)
        Place in `NightLabels.models`.
    scores : uint16 (k, n)
        Of the group's labels, times `SCALE`.

    Raises
    ------
    ValueError, pa.ArrowException
        If an answer is no label, or a score not within 0 and 1.
    """
    names = labels.names[group]
    own = places_in(table[group], names)
    sure = as_stored(table[f"{group}_score"])
    rows, overruled = _overruled(table, group)
    own[rows] = places_in(overruled["answer"], names)
    sure[rows] = as_stored(overruled["score"])
    limits = labels.limits[:, labels.members(group)]
    for each in np.unique(model[ok & (own < 0)]):
        here = np.flatnonzero(ok & (own < 0) & (model == each))
        sure[here] = np.rint(sure_of_none(scores[:, here], limits[each]) * SCALE)
    return OwnAnswers(np.where(ok, own, -1), np.where(ok, sure, MISSING).astype(np.uint16))


def sure_of_none(scores: UInt16Array, limits: UInt16Array) -> Float64Array:
    """Return float64 (n,): p(none) by the formula of the format page, 1 / (1 + sum of odds).

    No column says it.

    Parameters
    ----------
    scores : uint16 (k, n)
        Of a group's labels on rows that answer none, times `SCALE`; `MISSING` where there is none.
    limits : uint16 (k,)
        Thresholds, likewise; `MISSING` for labels that do not count.
    """
    odds = np.zeros(scores.shape[1])
    for stored in scores[limits != MISSING]:
        # None holds, so none is 1; the bound is for rows whose thresholds changed by hand.
        probability = np.where(stored == MISSING, 0, np.minimum(stored, SCALE - 0.5)) / SCALE
        odds += probability / (1 - probability)
    return 1 / (1 + odds)


def places_in(column: pa.ChunkedArray, names: list[str]) -> Int64Array:
    """Return int64 (n,): where each value is in `names`, -1 for null.

    Raises
    ------
    ValueError
        If a value is none of them.
    """
    places = pc.index_in(column, value_set=pa.array(names, pa.string()))
    if places.null_count != column.null_count:
        strange = pc.and_(pc.is_null(places), pc.is_valid(column))
        raise ValueError(f"{column.filter(strange)[0].as_py()!r} is not one of {', '.join(names)}")
    return np.array(pc.fill_null(places, -1).to_numpy(), np.int64)


def as_stored(column: pa.ChunkedArray) -> UInt16Array:
    """Return probabilities times `SCALE`, `MISSING` for null.

    Raises
    ------
    ValueError
        If one is not within 0 and 1.
    """
    values = pc.fill_null(column, -1.0).to_numpy()
    missing = np.asarray(pc.is_null(column).to_numpy(), bool)
    if not (missing | ((values >= 0) & (values <= 1))).all():
        raise ValueError("a score is not within 0 and 1")
    return np.where(missing, MISSING, np.rint(values * SCALE)).astype(np.uint16)


def _overruled(table: pa.Table, group: str) -> tuple[Int64Array, pa.Table]:
    """Return the rows in which a person answers for a group, and there the model's own answer and
    its score."""
    if "overruled" not in table.column_names:
        return np.zeros(0, np.int64), _NOTHING
    column = pa.concat_arrays([pa.array([], OVERRULED_TYPE), *table["overruled"].chunks])
    own = pa.Table.from_struct_array(pc.list_flatten(column))
    mine = pc.equal(own["group"], group)
    return pc.list_parent_indices(column).filter(mine).to_numpy(), own.filter(mine)
