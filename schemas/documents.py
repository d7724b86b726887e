"""Documents for a search engine: their fields, declared once.

Every engine's mapping is made of them. A document is a picture of a night that is ok, or, by
product, a product with at least one such picture.
"""

import hashlib
from collections.abc import Sequence
from typing import Literal, NamedTuple

import pyarrow as pa

from schemas.rows import LabelLike

DOCUMENTS_VERSION = 1
"""Raised when the same night would make other documents: every engine is then built anew."""

Kind = Literal[
    "key", "text", "texts", "choice", "choices", "words", "score", "moment", "vector", "mark"
]

KINDS: dict[Kind, tuple[pa.DataType, str]] = {
    "key": (pa.string(), "what the engine knows the document by"),
    "text": (pa.string(), "found by its whole value"),
    "texts": (pa.list_(pa.string()), "several, each found by its whole value"),
    "choice": (pa.string(), "one of a few values: filtered, counted as a facet, sorted by"),
    "choices": (pa.list_(pa.string()), "several of a few values: filtered, counted as a facet"),
    "words": (pa.list_(pa.string()), "searched by what a person types; lower case"),
    "score": (pa.float64(), "0 to 1, four decimals: filtered and sorted by"),
    "moment": (
        pa.timestamp("s", tz="UTC"),
        "seconds since 1970, or the engine's own type for times: filtered and sorted by",
    ),
    "vector": (pa.list_(pa.float32()), "of length 1: pictures alike have near vectors"),
    "mark": (pa.string(), "kept, and not searched"),
}
"""What a field may hold, as Arrow has it, and what it is for."""

MOST_NAME = 60
"""Bytes of a field's name: PostgreSQL cuts longer ones than 63 off, in silence."""


class DocumentField(NamedTuple):
    """A field of a document.

    Attributes
    ----------
    name : str
    kind : Kind
    meaning : str
    size : int
        Of a vector: how many numbers; else 0.
    """

    name: str
    kind: Kind
    meaning: str
    size: int = 0


ID = DocumentField(
    "id", "key", "the first 32 hex digits of the sha256 of `path`, by product of `sku`"
)
PATH = DocumentField(
    "path", "text", "the picture, as `image_id` in the rows; by product the first of `images`"
)
URL = DocumentField("url", "text", "with `--url`: the address made of its template")
TAGS = DocumentField("tags", "choices", "the row's tags; by product see the rule")
WORDS = DocumentField(
    "words", "words", "every tag, and with `--words` what that table has for it; lower case"
)
FIRST_SEEN = DocumentField(
    "first_seen",
    "moment",
    "when the night began that found the picture first, by product the first of its pictures; "
    "missing where an earlier version of the program found it",
)
SKU = DocumentField("sku", "text", "the product")
IMAGES = DocumentField(
    "images", "texts", "the product's pictures that are ok, the weightiest role first, then by path"
)
DISAGREE = DocumentField(
    "disagree", "choices", "exclusive groups in which pictures of the product answer differently"
)
MEMBERS = DocumentField(
    "members",
    "mark",
    "a digest of what the product table says of the product: how a later sync finds what changed "
    "there",
)

RESERVED = frozenset(
    field.name for field in (ID, PATH, URL, TAGS, WORDS, FIRST_SEEN, SKU, IMAGES, DISAGREE, MEMBERS)
) | {"vector", "ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"}
"""Names that a group's field cannot have: other fields', and columns of PostgreSQL's own."""


def document_fields(
    exclusive: Sequence[str],
    labels: Sequence[LabelLike],
    *,
    by_product: bool,
    with_url: bool,
    vector_size: int,
) -> list[DocumentField]:
    """Return the fields of the documents of a night, in their order.

    Parameters
    ----------
    exclusive : sequence of str
        The exclusive groups, in column order.
    labels : sequence of LabelLike
        Those that are answered, in column order.
    vector_size : int
        Numbers of a look-alike vector; 0 where no features are kept.
    """
    fields = [ID, SKU, PATH, IMAGES] if by_product else [ID, PATH]
    fields += [URL] if with_url else []
    for group in dict.fromkeys([*exclusive, *(label.group for label in labels)]):
        alone = group in exclusive
        meaning = (
            f"the answer for {group}; missing where it is none" if alone else f"what {group} has"
        )
        fields.append(DocumentField(group_field(group), "choice" if alone else "choices", meaning))
    fields += [TAGS, WORDS]
    fields += [DISAGREE] if by_product else []
    fields.append(FIRST_SEEN)
    fields += [
        DocumentField(
            score_field(label.column), "score", f"the score of {label.group}:{label.name}"
        )
        for label in labels
    ]
    fields += [MEMBERS] if by_product else []
    if vector_size:
        meaning = "with features: what the trunk makes of the picture `path`"
        fields.append(DocumentField("vector", "vector", meaning, vector_size))
    return fields


def group_field(group: str) -> str:
    """Return the name of the field with a group's answers: the group's, unless that is taken."""
    taken = group in RESERVED or group.startswith(("score_", "group_"))
    return _fitting(f"group_{group}" if taken else group)


def score_field(column: str) -> str:
    """Return the name of the field with the scores of a column."""
    return _fitting(column)


def document_schema(fields: Sequence[DocumentField]) -> pa.Schema:
    """Return the Arrow schema of tables of documents; null is a field that a document lacks."""
    return pa.schema([pa.field(field.name, KINDS[field.kind][0]) for field in fields])


def _fitting(name: str) -> str:
    if len(name.encode()) <= MOST_NAME:
        return name
    return f"{name[: MOST_NAME - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
