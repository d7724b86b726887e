"""The page about documents for search engines, and what the page of runs says of syncs."""

from typing import NamedTuple

from schemas import sync
from schemas.documents import KINDS, DocumentField, document_fields
from schemas.tables import meanings, records


class _Example(NamedTuple):
    group: str
    name: str
    column: str


def documents_page() -> list[str]:
    """Return the parts of the page about documents."""
    labels = [_Example("<group>", "<label>", "score_<slug>")]
    both = [
        document_fields(["<group>"], labels, by_product=by_product, with_url=True, vector_size=1024)
        for by_product in (False, True)
    ]
    return [
        _HEAD,
        "## A picture",
        _table(both[0]),
        "## A product",
        "[The rule](../jobs/PRODUCTS.md#the-rule) says how a product's answer is made.",
        _table(both[1]),
        "## Kinds of fields",
        _kinds(),
    ]


def syncs() -> list[str]:
    """Return the parts about syncs on the page of runs."""
    return [
        "## syncs/*.json",
        "[What a sync does](../jobs/SEARCH.md).",
        *records(sync.SyncRecord),
        "### How a sync ends: `state`",
        meanings(sync.SYNC_STATES, "state"),
        "## What an engine remembers",
        "In the collection, table or index `tagger_sync`, under `synced:<collection>`, and while "
        "something is built under `building:<name>`, while somebody syncs under `lease:<name>`.",
        *records(sync.Synced),
        *records(sync.Building, but=(sync.Synced,)),
        *records(sync.Lease),
    ]


def reports() -> list[str]:
    """Return the parts about what the commands print."""
    return [
        "## tagger sync",
        "A `SyncReport` is declared [with its record](RUNS.md#syncsjson).",
        "## tagger products",
        *records(sync.ProductsReport),
    ]


def _table(fields: list[DocumentField]) -> str:
    lines = ["| field | kind | meaning |", "|---|---|---|"]
    for field in fields:
        meaning = field.meaning.replace("|", "\\|").replace("<", "&lt;")
        lines.append(f"| `{field.name}` | {field.kind} | {meaning} |")
    return "\n".join(lines)


def _kinds() -> str:
    lines = ["| kind | as Arrow has it | what for |", "|---|---|---|"]
    for kind, (arrow, meaning) in KINDS.items():
        lines.append(f"| {kind} | `{arrow}` | {meaning} |")
    return "\n".join(lines)


_HEAD = """What `tagger sync` writes into a search engine, and `tagger products` into a table. A
document is a picture that is ok, or a product with at least one such picture. A field that a
document lacks is left out, and null in a table. Retired labels have no fields.

Each engine's mapping is made from the kinds below. A group's field has the group's name; if that is
the name of another field here, `group_` stands before it. A group that is not exclusive has a list
of its labels. A name longer than 60 bytes is cut, and ends with eight digits of its digest."""
