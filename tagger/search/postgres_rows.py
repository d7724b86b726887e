"""Documents as PostgreSQL's COPY takes them. Tables in, bytes out."""

import io

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

_OPTIONS = csv.WriteOptions(include_header=False, quoting_style="needed")


def copy_text(documents: pa.Table) -> bytes:
    """Return documents as CSV in UTF-8: an empty cell is null, and lists are array literals."""
    plain = pa.table(
        [_written(documents[name].combine_chunks()) for name in documents.column_names],
        names=documents.column_names,
    )
    out = io.BytesIO()
    csv.write_csv(plain, out, _OPTIONS)
    return out.getvalue()


def _written(column: pa.Array) -> pa.Array:
    if pa.types.is_list(column.type):
        return _array_literals(column)
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
    return column


def _array_literals(lists: pa.ListArray) -> pa.Array:
    """Return lists as `{"a","b"}`, null as null."""
    values = lists.flatten()
    if pa.types.is_string(values.type):
        escaped = pc.replace_substring(pc.replace_substring(values, "\\", "\\\\"), '"', '\\"')
        values = pc.binary_join_element_wise('"', escaped, '"', "")
    else:
        values = values.cast(pa.string())
    sizes = pc.fill_null(pc.list_value_length(lists), 0)
    ends = pc.cumulative_sum(sizes.cast(pa.int32()))
    starts = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    joined = pc.binary_join(pa.ListArray.from_arrays(starts, values), ",")
    literals = pc.binary_join_element_wise("{", joined, "}", "")
    return pc.if_else(pc.is_null(lists), pa.scalar(None, pa.string()), literals)
