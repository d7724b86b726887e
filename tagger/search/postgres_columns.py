"""Documents as columns of PostgreSQL: their types, their indexes, and whether a table has them."""

from collections.abc import Mapping

from schemas.documents import DocumentField, Kind

TYPES: dict[Kind, str] = {
    "key": "text",
    "text": "text",
    "texts": "text[]",
    "choice": "text",
    "choices": "text[]",
    "words": "text[]",
    "score": "double precision",
    "moment": "timestamp with time zone",
    "vector": "real[]",
    "mark": "text",
}
# By hash, since a path may be longer than a tree's entry. Scores have none: one each is too many.
INDEXES: dict[Kind, str] = {
    "text": "hash",
    "choice": "btree",
    "choices": "gin",
    "words": "gin",
    "moment": "btree",
}

COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""
"""The columns of a table, and their types."""


def create_statement(fields: list[DocumentField]) -> str:
    """Return the statement that makes a table of documents; `{}` in it is the table's name."""
    columns = ", ".join(f'"{field.name}" {TYPES[field.kind]}' for field in fields)
    return f"CREATE TABLE {{}} ({columns})"


def difference(there: Mapping[str, str], fields: list[DocumentField]) -> str | None:
    """Return in what columns are not what they should be, or None.

    Parameters
    ----------
    there : mapping of str to str
        Name to type.
    """
    for field in fields:
        wanted = TYPES[field.kind]
        if there.get(field.name) != wanted:
            found = there.get(field.name, "gone")
            return f"the column {field.name!r} is {found}, not {wanted}"
    more = [name for name in there if name not in {field.name for field in fields}]
    return f"the column {more[0]!r} is not ours" if more else None
