"""Rows of a night as documents, one a product. Tables in, tables out; touches no file."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.documents import group_field, score_field
from tagger.arrays import BoolArray, Float64Array, Int64Array
from tagger.index.night_labels import MISSING, SCALE, NightLabel, NightLabels
from tagger.search.documents import (
    DocumentSettings,
    as_documents,
    document_ids,
    has_label,
    lists_by_row,
    model_numbers,
    spoken,
    words_of,
)
from tagger.search.product_rule import (
    disagreeing,
    exclusive_answers,
    margins,
    mean_margins,
    persons_answers,
    product_scores,
    role_weight,
)
from tagger.search.products import ROLE, SKU
from tagger.search.url_template import addresses


class _Pictures(NamedTuple):
    """Pictures in the order of their products, the weightiest first.

    Attributes
    ----------
    rows : pa.Table
    weight : float64 (n,)
    product : int64 (n,)
        Of each, from 0.
    first : int64 (products,)
        Where each product begins.
    """

    rows: pa.Table
    weight: Float64Array
    product: Int64Array
    first: Int64Array

    @property
    def products(self) -> int:
        return len(self.first)


def main_pictures(rows: pa.Table) -> pa.Table:
    """Return the first picture of each product, in the order of `product_documents`."""
    pictures = _in_order(rows)
    return pictures.rows.take(pa.array(pictures.first))


def product_documents(
    rows: pa.Table, settings: DocumentSettings, members: pa.Array, vectors: pa.Array | None
) -> pa.Table:
    """Return one document per product, in the order of their names.

    Parameters
    ----------
    rows : pa.Table
        Rows of the index, all of them ok, with two columns more: `SKU`, and `ROLE`, which may be
        null. All pictures of each product are there.
    members : string array (products,)
        The digest of each product's pictures, see `Products`.
    vectors : list array of float32 (products,), optional
        Of `main_pictures`.
    """
    pictures = _in_order(rows)
    rows = pictures.rows
    path = rows["image_id"].combine_chunks()
    first = pa.array(pictures.first)
    sku = rows[SKU].combine_chunks().take(first)
    columns = {"id": document_ids(sku), "sku": sku, "path": path.take(first), "members": members}
    columns["images"] = lists_by_row(path, pictures.product, pictures.products)
    columns |= _answers(pictures, settings)
    columns["words"] = words_of(columns["tags"], settings)
    columns["first_seen"] = _first_seen(pictures)
    if settings.url is not None:
        columns["url"] = addresses(settings.url, columns)
    if vectors is not None:
        columns["vector"] = vectors
    return as_documents(columns, settings)


def _in_order(rows: pa.Table) -> _Pictures:
    weights = {role: role_weight(role) for role in pc.unique(rows[ROLE]).to_pylist()}
    weight = np.array([weights[role] for role in rows[ROLE].to_pylist()], np.float64)
    keyed = rows.select([SKU, "image_id"]).append_column("lighter", pa.array(-weight))
    order = pc.sort_indices(
        keyed,
        sort_keys=[(SKU, "ascending"), ("lighter", "ascending"), ("image_id", "ascending")],
    )
    rows = rows.take(order).combine_chunks()
    weight = weight[np.asarray(order)]
    names = rows[SKU].to_pylist()
    begins = np.array([i == 0 or name != names[i - 1] for i, name in enumerate(names)], bool)
    return _Pictures(rows, weight, np.cumsum(begins) - 1, np.flatnonzero(begins))


def _answers(pictures: _Pictures, settings: DocumentSettings) -> dict[str, pa.Array]:
    """Return the columns of answers, tags, disagreement and scores."""
    labels = settings.labels
    places = [labels.all.index(label) for label in settings.answered]
    limits = _thresholds(labels, places)  # (models, labels)
    margin = margins(_scores(pictures.rows, settings), limits[model_numbers(pictures.rows, labels)])
    mean = mean_margins(margin, pictures.weight, pictures.product, pictures.products)
    has = np.zeros(mean.shape, bool)
    columns: dict[str, pa.Array] = {}
    disagree = []
    for group in labels.exclusive:
        members = [i for i, x in enumerate(settings.answered) if x.group == group]
        own = _row_answers(pictures.rows, group, settings)
        said = _said(pictures, group, own)
        votes = np.zeros((pictures.products, len(places) + 1))
        np.add.at(votes, (pictures.product, own), pictures.weight)  # none is the last
        answer = exclusive_answers(mean[:, members], votes[:, members])
        answer = np.where(answer >= 0, np.take([*members, -1], answer), -1)
        for product, place in said.items():
            answer[product] = place
        columns[group_field(group)] = _names(settings).take(pa.array(answer, mask=answer < 0))
        has[np.flatnonzero(answer >= 0), answer[answer >= 0]] = True
        disagree.append(disagreeing(own, pictures.product, pictures.products))
    for i, label in enumerate(settings.answered):
        if label.exclusive:
            continue
        has[:, i] = np.nan_to_num(mean[:, i], nan=-1) >= 0
        for product, present in _said_of_label(pictures, label, settings).items():
            has[product, i] = present
    for group in settings.open_groups:
        mine = np.array([label.group == group for label in settings.answered])
        columns[group_field(group)] = _named(has & mine, _names(settings))
    columns["tags"] = _named(has, _names(settings))
    columns["disagree"] = _named(_columns(disagree, pictures.products), pa.array(labels.exclusive))
    scores = product_scores(mean, limits[0])
    for i, label in enumerate(settings.answered):
        column = pa.array(scores[:, i], mask=~np.isfinite(scores[:, i]))
        columns[score_field(label.column)] = column
    return columns


def _thresholds(labels: NightLabels, places: list[int]) -> Float64Array:
    """Return float64 (models, labels), NaN where a label is retired or unknown to a model."""
    limits = labels.limits[:, places]
    return np.where(limits == MISSING, np.nan, limits / SCALE)


def _scores(rows: pa.Table, settings: DocumentSettings) -> Float64Array:
    if not settings.answered:
        return np.zeros((len(rows), 0))
    columns = [rows[label.column].combine_chunks() for label in settings.answered]
    return np.stack([c.to_numpy(zero_copy_only=False) for c in columns], axis=1).astype(float)


def _names(settings: DocumentSettings) -> pa.Array:
    return pa.array([label.name for label in settings.answered], pa.string())


def _row_answers(rows: pa.Table, group: str, settings: DocumentSettings) -> Int64Array:
    """Return int64 (n,): the label in each row, -1 for none; one that the model has no more is
    none."""
    places = {x.name: i for i, x in enumerate(settings.answered) if x.group == group}
    return np.array([places.get(name, -1) for name in rows[group].to_pylist()], np.int64)


def _said(pictures: _Pictures, group: str, own: Int64Array) -> dict[int, int]:
    """Return the label that persons answered of products, -1 for none."""
    if not len(pictures.rows["corrected"].drop_null()):
        return {}
    here = spoken(pictures.rows, group)
    answers = np.asarray(own[here], object)
    found = persons_answers(answers, pictures.weight[here], pictures.product[here])
    return {product: int(str(answer)) for product, answer in found.items()}


def _said_of_label(
    pictures: _Pictures, label: NightLabel, settings: DocumentSettings
) -> dict[int, bool]:
    """Return whether products have a label, of which persons said so."""
    if not len(pictures.rows["corrected"].drop_null()):
        return {}
    here = spoken(pictures.rows, label.key)
    answers = np.asarray(has_label(pictures.rows, label, settings)[here], object)
    found = persons_answers(answers, pictures.weight[here], pictures.product[here])
    return {product: bool(answer) for product, answer in found.items()}


def _columns(columns: list[BoolArray], rows: int) -> BoolArray:
    return np.stack(columns, axis=1) if columns else np.zeros((rows, 0), bool)


def _named(has: BoolArray, names: pa.Array) -> pa.Array:
    """Return lists of names: those of each row that it has."""
    row, place = np.nonzero(has)
    return lists_by_row(names.cast(pa.string()).take(pa.array(place)), row, len(has))


def _first_seen(pictures: _Pictures) -> pa.Array:
    """Return when the first picture of each product was seen; null if that is not known of one."""
    seen = pc.floor_temporal(pictures.rows["first_seen"].combine_chunks(), unit="second")
    seconds = np.asarray(
        pc.fill_null(
            seen.cast(pa.timestamp("s", tz="UTC")).cast(pa.int64()), np.iinfo(np.int64).min
        )
    )
    least = (
        np.minimum.reduceat(seconds, pictures.first) if pictures.products else np.zeros(0, np.int64)
    )
    unknown = least == np.iinfo(np.int64).min
    return pa.array(least, pa.int64(), mask=unknown).cast(pa.timestamp("s", tz="UTC"))
