"""Columns that one version has and another has not: nothing is lost, and nothing is a fault."""

from collections.abc import Iterator

import pyarrow as pa

_WHOSE = (b"group", b"label")


def has_columns(found: pa.Schema, ours: pa.Schema) -> bool:
    """Return whether `found` has all columns of `ours`, in their order; it may have more.

    What a column means is said in words that a later version may mend: they are not compared.
    """
    known = set(ours.names)
    if [name for name in found.names if name in known] != ours.names:
        return False
    return all(_alike(found.field(field.name), field) for field in ours)


def has_needed_columns(found: pa.Schema, ours: pa.Schema) -> bool:
    """Return whether `found` has the columns of `ours` that even an earlier version has.

    What we have added since may be null, and says nothing of a group or a label.
    """
    needed = [field for field in ours if field.name in found.names or not is_kept(field)]
    return has_columns(found, pa.schema(needed))


def added_columns(found: pa.Schema, ours: pa.Schema) -> Iterator[pa.Field]:
    """Yield the columns that `found` has beside those of `ours`."""
    known = set(ours.names)
    yield from (field for field in found if field.name not in known)


def is_kept(field: pa.Field) -> bool:
    """Return whether an added column is carried on by nights that do not know it.

    It says what it means, as all of ours do, and may be null. Scores and answers that tonight's
    model does not have are something else: they have a group.
    """
    facts = field.metadata or {}
    return field.nullable and b"meaning" in facts and not any(name in facts for name in _WHOSE)


def continued(ours: pa.Schema, before: pa.Schema | None) -> pa.Schema:
    """Return the columns of a night: ours, and those that a later version added before."""
    kept = [field for field in added_columns(before, ours) if is_kept(field)] if before else []
    return pa.schema([*ours, *kept], metadata=ours.metadata)


def aligned(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the rows with the columns of `schema`: null where there was none before."""
    if rows.schema.equals(schema, check_metadata=True):
        return rows
    columns = [
        rows[field.name].cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _alike(found: pa.Field, ours: pa.Field) -> bool:
    facts = found.metadata or {}
    mine = ours.metadata or {}
    same_subject = all(facts.get(name) == mine.get(name) for name in _WHOSE)
    said = (b"meaning" in facts) == (b"meaning" in mine)
    return found.type == ours.type and found.nullable == ours.nullable and same_subject and said
