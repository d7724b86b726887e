"""Whoever reads an index, and by whichever path, reads the same rows: one per picture, and nothing
else."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from conftest import TINY, jpeg, settle, textured

import tagger.index.buckets
from jobs.runs import roll_back
from jobs.tag_catalog import TagOptions, tag_catalog
from jobs.train import TrainOptions, train
from jobs.verify import verify
from tagger.datasets.sample import Sample
from tagger.errors import Refused, StoreError
from tagger.index.store import Index

COLUMNS = pa.schema(
    {
        "image_id": "string",
        "status": "string",
        "model_id": "string",
        "color": "string",
        "score_red": "float64",
    }
)
BUCKETS = 5


def in_duckdb(pattern: str, options: str = "") -> pa.Table:
    return duckdb.sql(f"SELECT * FROM read_parquet(?{options})", params=[pattern]).to_arrow_table()  # noqa: S608


READERS: dict[str, Callable[[str], pa.Table]] = {
    "pandas": lambda folder: pa.Table.from_pandas(pd.read_parquet(folder)),
    "pandas with a filter": lambda folder: pa.Table.from_pandas(
        pd.read_parquet(folder, filters=[("image_id", ">", "")])
    ),
    "pyarrow table": pq.read_table,
    "pyarrow dataset": lambda folder: ds.dataset(folder).to_table(),
    "pyarrow dataset, no prefix ignored": lambda folder: ds.dataset(
        folder, ignore_prefixes=[]
    ).to_table(),
    "pyarrow, Hive partitions": lambda folder: ds.dataset(folder, partitioning="hive").to_table(),
    "DuckDB, *.parquet": lambda folder: in_duckdb(f"{folder}/*.parquet"),
    "DuckDB, *": lambda folder: in_duckdb(f"{folder}/*"),
    "DuckDB, **": lambda folder: in_duckdb(f"{folder}/**"),
    "DuckDB, folder": in_duckdb,
    "DuckDB, Hive partitions": lambda folder: in_duckdb(
        f"{folder}/*.parquet", ", hive_partitioning = true"
    ),
    "DuckDB, columns by name": lambda folder: in_duckdb(
        f"{folder}/*.parquet", ", union_by_name = true"
    ),
    "polars, folder": lambda folder: pl.read_parquet(folder).to_arrow(),
    "polars, *.parquet": lambda folder: pl.read_parquet(f"{folder}/*.parquet").to_arrow(),
    "polars, *": lambda folder: pl.read_parquet(f"{folder}/*").to_arrow(),
    "polars, lazily": lambda folder: pl.scan_parquet(folder).collect().to_arrow(),
    "polars, Hive partitions": lambda folder: pl.read_parquet(
        folder, hive_partitioning=True
    ).to_arrow(),
}


@pytest.fixture
def night(
    catalog: Path, bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> TagOptions:
    """Options for an index of several parts, below folders with a space, an equals sign and letters
    of all kinds."""
    monkeypatch.setattr(tagger.index.buckets, "bucket_count", lambda found: BUCKETS)
    settle(catalog)
    index = tmp_path / "shop=1" / "Frühjahr 目录" / "the index"
    return TagOptions(
        str(catalog), str(bundle_path), str(index), workers=1, max_error_rate=1, max_delete_rate=1
    )


def every_reader_reads_the_pictures(options: TagOptions) -> pa.Table:
    """Return the rows, after holding every reader to them, and them to the catalog."""
    current = os.path.join(options.index, "current")
    snapshot = Index(options.index).current()
    assert snapshot is not None
    parts = [snapshot.read(part.file, COLUMNS.names) for part in snapshot.manifest.parts]
    expected = pa.concat_tables(parts).cast(COLUMNS).sort_by("image_id")
    pictures = {
        str(path.relative_to(options.catalog))
        for path in Path(options.catalog).rglob("*.[jp][pn]g")
    }
    assert set(expected["image_id"].to_pylist()) == pictures
    assert len(expected) == len(pictures)
    for folder in (current, os.path.realpath(current)):
        for name, read in READERS.items():
            rows = read(folder).select(COLUMNS.names).cast(COLUMNS).sort_by("image_id")
            assert rows.equals(expected), f"{name} by {folder}"
    assert verify(options.index).faults == []
    return expected


@pytest.mark.tensorflow
@pytest.mark.usefixtures("eagerly")
def test_every_reader_reads_the_same_rows_night_by_night(
    night: TagOptions, sample: Sample, tmp_path: Path
) -> None:
    catalog = Path(night.catalog)
    first = tag_catalog(night).snapshot
    rows = every_reader_reads_the_pictures(night)
    assert 0 < rows.filter(pc.field("status") == "ok").num_rows < len(rows)
    parts = set(os.listdir(os.path.join(night.index, "current")))
    assert len(parts) == BUCKETS

    (catalog / "new.jpg").write_bytes(jpeg(textured(60, 60)))
    settle(catalog)
    tag_catalog(night)
    every_reader_reads_the_pictures(night)
    linked = parts & set(os.listdir(os.path.join(night.index, "current")))
    assert len(linked) == BUCKETS - 1

    labelled = (str(sample.labelled),)
    other = train(
        TrainOptions(
            labelled,
            str(tmp_path / "models"),
            "other",
            "color,garment",
            epochs=1,
            architecture=TINY,
        )
    )
    tag_catalog(replace(night, model=other.bundle, backfill_limit=9, force_model=True))
    rows = every_reader_reads_the_pictures(night)
    assert len(set(rows["model_id"].drop_null().to_pylist())) == 2

    for image_id in rows.filter(pc.field("status") != "ok")["image_id"].to_pylist():
        (catalog / image_id).unlink()
    tag_catalog(replace(night, model=other.bundle, backfill_limit=9, force_model=True))
    rows = every_reader_reads_the_pictures(night)
    assert set(rows["status"].to_pylist()) == {"ok"}

    roll_back(night.index, first)
    assert len(set(os.listdir(os.path.join(night.index, "current"))) & parts) == BUCKETS


def test_a_night_of_failures_alone_is_read_by_all_and_one_of_nothing_leaves_the_last(
    night: TagOptions,
) -> None:
    catalog = Path(night.catalog)
    for path in catalog.rglob("*.*"):
        path.write_bytes(b"no picture")
    settle(catalog)
    tag_catalog(night)
    rows = every_reader_reads_the_pictures(night)
    assert rows["score_red"].null_count == len(rows)
    pictures = [(path, path.read_bytes()) for path in catalog.rglob("*.*")]
    for path, _ in pictures:
        path.unlink()
    with pytest.raises(Refused, match="holds no picture"):
        tag_catalog(night)
    for path, data in pictures:
        path.write_bytes(data)
    every_reader_reads_the_pictures(night)


def test_nothing_but_whole_parts_ever_lies_among_the_rows(
    night: TagOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at whenever a night renames something, in staging and where readers are."""
    seen: list[str] = []
    real = os.replace

    def replace_and_look(source: str, target: str) -> None:
        real(source, target)
        for rows in Path(night.index).glob("*/*/rows"):
            for path in rows.iterdir():
                pq.read_metadata(path)
                seen.append(path.name)

    monkeypatch.setattr(os, "replace", replace_and_look)
    tag_catalog(night)
    assert len(set(seen)) == BUCKETS
    assert all(name.startswith("part-") and name.endswith(".parquet") for name in seen)


def test_a_link_to_a_snapshot_instead_of_its_rows_is_refused_and_can_be_put_right(
    night: TagOptions,
) -> None:
    first = tag_catalog(night).snapshot
    link = Path(night.index) / "current"
    link.unlink()
    link.symlink_to(f"snapshots/{first}")
    for command in (lambda: tag_catalog(night), lambda: verify(night.index)):
        with pytest.raises(
            StoreError, match=rf"instead of its folder rows; 'tagger rollback INDEX {first}'"
        ):
            command()
    roll_back(night.index, first)
    every_reader_reads_the_pictures(night)


def test_an_index_of_an_earlier_format_is_refused_and_left_as_it_is(night: TagOptions) -> None:
    first = tag_catalog(night).snapshot
    snapshot = Path(night.index) / "snapshots" / first
    for part in (snapshot / "rows").iterdir():
        part.rename(snapshot / part.name)
    (snapshot / "rows").rmdir()
    (snapshot / "manifest.json").rename(snapshot / "_manifest.json")
    (Path(night.index) / "current").unlink()
    (Path(night.index) / "current").symlink_to(f"snapshots/{first}")
    for command in (lambda: tag_catalog(night), lambda: verify(night.index)):
        with pytest.raises(StoreError, match=r"made in an earlier format.*tag into a new folder"):
            command()
    assert len(os.listdir(snapshot)) == BUCKETS + 4
