"""The README's queries, runnable: each is code that a reader can paste, and what it is for.

They name groups and labels of the starter model, so that they run on an index of anybody's catalog.
"""

QUERIES = [
    (
        "All red dresses over 0.9",
        """\
night = os.path.realpath("INDEX/current")  # resolve once: one complete night
pd.read_parquet(
    night,
    columns=["image_id", "score_red", "score_dress"],
    filters=[("score_red", ">=", 0.9), ("score_dress", ">=", 0.9)],
)""",
    ),
    (
        "The top 20 for a label",
        """\
pd.read_parquet(
    night, columns=["image_id", "score_blue"], filters=[("score_blue", ">", 0.5)]
).nlargest(20, "score_blue")""",
    ),
    (
        "Counts per color and type, none included",
        """\
pd.read_parquet(
    night, columns=["color", "type"], filters=[("status", "==", "ok")]
).fillna("none").value_counts(["color", "type"]).unstack(fill_value=0)""",
    ),
    (
        "What failed, and why",
        """\
pd.read_parquet(
    night, columns=["image_id", "status", "error"], filters=[("status", "!=", "ok")]
)""",
    ),
    (
        "Joined to a table of SKUs",
        """\
skus = pd.read_csv("skus.csv")  # sku, image_id
skus.merge(
    pd.read_parquet(night, columns=["image_id", "color", "color_score", "type"]), on="image_id", how="left"
)""",
    ),
    (
        "Every label's threshold, and a looser one of your own",
        """\
labels = pd.read_parquet(os.path.join(night, "..", "labels.parquet")).set_index("column")
loose = 0.5 * labels.loc["score_shirt", "threshold"]
pd.read_parquet(night, columns=["image_id", "score_shirt"], filters=[("score_shirt", ">=", loose)])""",
    ),
]

CONSUMER = """\
import json
import os

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

def follow(index, table, seen):  # the rows and the snapshot that I have; at first an empty table and None
    night = os.path.dirname(os.path.realpath(os.path.join(index, "current")))
    with open(os.path.join(night, "manifest.json")) as file:
        manifest = json.load(file)
    if manifest["snapshot"] == seen:
        return table, seen
    if manifest["parent"] != seen:  # I missed a night, or somebody rolled back
        print(f"{seen} is not the parent of {manifest['snapshot']}: reload")
        return pq.read_table(os.path.join(night, "rows")), manifest["snapshot"]
    changes = pq.read_table(os.path.join(night, "changes.parquet"))
    upserts = changes["image_id"].filter(pc.equal(changes["op"], "upsert"))
    rows = pq.read_table(os.path.join(night, "rows"), filters=pc.field("image_id").isin(upserts.combine_chunks()))
    kept = table.filter(pc.invert(pc.is_in(table["image_id"], changes["image_id"])))
    both = pa.concat_tables([rows, kept], promote_options="default")  # a new label's column is null in old rows
    return both.select(rows.column_names).cast(rows.schema), manifest["snapshot"]

table, seen = follow("INDEX", pa.table({"image_id": pa.array([], pa.string())}), None)"""
"""Keeps a copy of the rows by the change feed."""

DUCKDB = """\
duckdb.sql(f"SELECT image_id, score_red, score_dress FROM '{night}/*.parquet' "
           "WHERE score_red >= 0.9 AND score_dress >= 0.9").df()"""
"""The first query in DuckDB."""
