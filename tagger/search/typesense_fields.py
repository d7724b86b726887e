"""Documents as a collection of Typesense: its fields."""

from typing import Any

from schemas.documents import DocumentField, Kind

_TYPES: dict[Kind, dict[str, Any]] = {
    "text": {"type": "string"},
    "texts": {"type": "string[]"},
    "choice": {"type": "string", "facet": True},
    "choices": {"type": "string[]", "facet": True},
    "words": {"type": "string[]"},
    "score": {"type": "float"},
    "moment": {"type": "int64", "sort": True},
    "vector": {"type": "float[]"},
    "mark": {"type": "string", "index": False},
}


def collection_fields(fields: list[DocumentField]) -> list[dict[str, Any]]:
    """Return the fields of a collection; `id` is every document's own."""
    found = []
    for field in fields:
        if field.kind == "key":
            continue
        facts = {"name": field.name, **_TYPES[field.kind], "optional": True}
        if field.kind == "vector":
            facts["num_dim"] = field.size
        found.append(facts)
    return found
