"""The README's pandas queries, runnable: each is code that a reader can paste, and what it is for."""

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
        "Counts per color and garment, none included",
        """\
pd.read_parquet(
    night, columns=["color", "garment"], filters=[("status", "==", "ok")]
).fillna("none").value_counts(["color", "garment"]).unstack(fill_value=0)""",
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
    pd.read_parquet(night, columns=["image_id", "color", "color_score", "garment"]), on="image_id", how="left"
)""",
    ),
    (
        "Every label's threshold, and a looser one of your own",
        """\
labels = pd.read_parquet(os.path.join(night, "_labels.parquet")).set_index("column")
loose = 0.5 * labels.loc["score_jeans", "threshold"]
pd.read_parquet(night, columns=["image_id", "score_jeans"], filters=[("score_jeans", ">=", loose)])""",
    ),
]

DUCKDB = """\
duckdb.sql(f"SELECT image_id, score_red, score_dress FROM '{night}/part-*.parquet' "
           "WHERE score_red >= 0.9 AND score_dress >= 0.9").df()"""
"""The first query in DuckDB; a glob names the parts, since DuckDB does not skip names that begin with `_`."""
