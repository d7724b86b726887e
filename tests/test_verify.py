"""`tagger verify` finds every fault that is planted."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.tag_catalog import TagOptions, tag_catalog
from jobs.verify import verify
from tagger.datasets.sample import Sample
from tagger.files import file_digest


@pytest.fixture(scope="module")
def published(sample: Sample, bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    index = tmp_path_factory.mktemp("verify") / "index"
    tag_catalog(TagOptions(str(sample.catalog), str(bundle_path), str(index)))
    return index


@pytest.fixture
def index(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "index", symlinks=True))


def rewrite(index: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the rows, and mend names, digests and counts, so that only the change itself is a
    fault."""
    night = (index / "current").resolve().parent
    manifest = json.loads((night / "manifest.json").read_text())
    (part,) = manifest["parts"]
    table = change(pq.read_table(night / part["file"]))
    (night / part["file"]).unlink()
    pq.write_table(table, night / "new")
    digest = file_digest(night / "new")
    name = f"rows/part-00000-{digest[:16]}.parquet"
    (night / "new").rename(night / name)
    part |= {
        "file": name,
        "sha256": digest,
        "rows": len(table),
        "bytes": (night / name).stat().st_size,
    }
    manifest["rows"] = len(table)
    manifest["statuses"] = {
        row["values"]: row["counts"] for row in table["status"].value_counts().to_pylist()
    }
    (night / "manifest.json").write_text(json.dumps(manifest))


def with_value(column: str, value: object, *, status: str = "ok") -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        values = table[column].to_pylist()
        values[table["status"].to_pylist().index(status)] = value
        at, field = table.schema.get_field_index(column), table.schema.field(column)
        return table.set_column(at, field, pa.array(values, field.type))

    return change


def first_ok(index: Path) -> pd.Series:
    rows = pd.read_parquet(os.path.realpath(index / "current"))
    return rows[rows["status"] == "ok"].iloc[0]


def test_a_published_index_has_no_fault(index: Path) -> None:
    assert verify(str(index)).faults == []


def test_mending_the_digests_leaves_no_fault_of_its_own(index: Path) -> None:
    rewrite(index, lambda table: table)
    assert verify(str(index)).faults == []


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        ("score_red", 1.5, "not four decimals within 0 and 1"),
        ("score_red", 0.12345, "not four decimals"),
        ("score_red", None, "a score is null"),
        ("status", "fine", "unknown status"),
        ("model_id", None, "model_id is null only"),
        ("model_id", "0" * 64, "which labels.parquet does not have"),
        ("content_sha256", "abc", "not 64 hex digits"),
        ("content_sha256", None, "content_sha256 is null"),
        ("width", 0, "width is not positive"),
        ("error", "why", "error is null only on ok rows"),
        ("size_bytes", -1, "size_bytes is negative"),
        ("image_id", "zzz.jpg", "out of order"),
    ],
)
def test_a_wrong_value_is_found(index: Path, column: str, value: object, fault: str) -> None:
    rewrite(index, with_value(column, value))
    assert any(fault in found for found in verify(str(index)).faults)


def test_an_answer_that_does_not_follow_from_the_scores_is_found(index: Path) -> None:
    row = first_ok(index)
    colors = {"black", "blue", "green", "red"}
    wrong = next(c for c in sorted(colors - {row["color"]}) if row[f"score_{c}"] < 0.3)
    rewrite(index, with_value("color", wrong))
    assert any("does not follow" in fault for fault in verify(str(index)).faults)


def test_a_group_score_or_tags_that_do_not_follow_are_found(
    index: Path, published: Path, tmp_path: Path
) -> None:
    rewrite(index, with_value("tags", ["black", "blue"]))
    assert any("answers and scores give" in fault for fault in verify(str(index)).faults)
    other = Path(shutil.copytree(published, tmp_path / "other", symlinks=True))
    answered = pd.read_parquet(os.path.realpath(other / "current"))["garment_score"].dropna()
    if not answered.empty:

        def change(table: pa.Table) -> pa.Table:
            values = [
                None if value is None else round((value + 0.37) % 1, 4)
                for value in table["garment_score"].to_pylist()
            ]
            at = table.schema.get_field_index("garment_score")
            return table.set_column(at, table.schema.field(at), pa.array(values, pa.float64()))

        rewrite(other, change)
        assert any("does not follow" in fault for fault in verify(str(other)).faults)


def test_scores_or_tags_on_a_failed_row_are_found(index: Path) -> None:
    rewrite(index, with_value("score_red", 0.5, status="empty"))
    assert any("not ok" in fault for fault in verify(str(index)).faults)


def test_a_row_that_is_there_twice_or_missing_is_found(index: Path) -> None:
    rewrite(index, lambda table: pa.concat_tables([table.slice(0, 1), table]))
    assert any("there twice" in fault for fault in verify(str(index)).faults)


def test_a_column_too_many_is_found(index: Path) -> None:
    rewrite(index, lambda table: table.append_column("extra", pa.nulls(len(table))))
    assert any("schema" in fault for fault in verify(str(index)).faults)


@pytest.mark.parametrize("pattern", ["rows/part-*.parquet", "labels.parquet", "changes.parquet"])
def test_a_changed_byte_or_a_missing_file_is_found(index: Path, pattern: str) -> None:
    (file,) = (index / "current").resolve().parent.glob(pattern)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 255
    file.write_bytes(data)
    assert verify(str(index)).faults
    file.unlink()
    assert verify(str(index)).faults


@pytest.mark.parametrize(
    "name",
    [
        "part-00001-0123456789abcdef.parquet",
        ".DS_Store",
        "_SUCCESS",
        "notes.json",
        b"caf\xe9.parquet",
        "folder/",
    ],
)
def test_whatever_lies_among_the_parts_and_is_not_in_the_manifest_is_found(
    index: Path, name: str | bytes
) -> None:
    rows = (index / "current").resolve()
    (part,) = rows.glob("part-*.parquet")
    stranger = rows / os.fsdecode(name)
    if os.fsdecode(name).endswith("/"):
        stranger.mkdir()
    else:
        shutil.copy(part, stranger)
    (fault,) = verify(str(index)).faults
    assert repr(stranger.name) in fault
    assert "not in the manifest" in fault


def test_a_snapshot_without_its_folder_of_rows_is_found(index: Path) -> None:
    shutil.rmtree((index / "current").resolve())
    assert any("cannot be listed" in fault for fault in verify(str(index)).faults)


def test_a_part_listed_twice_or_of_another_length_is_found(index: Path) -> None:
    night = (index / "current").resolve().parent
    whole = json.loads((night / "manifest.json").read_text())
    doubled = whole | {"parts": whole["parts"] * 2, "rows": whole["rows"] * 2}
    doubled["statuses"] = {status: 2 * n for status, n in whole["statuses"].items()}
    (night / "manifest.json").write_text(json.dumps(doubled))
    assert any("two parts" in fault for fault in verify(str(index)).faults)
    whole["parts"][0]["bytes"] += 1
    (night / "manifest.json").write_text(json.dumps(whole))
    assert any("bytes, the manifest says" in fault for fault in verify(str(index)).faults)


@pytest.mark.parametrize(
    "change",
    [
        {"rows": None},
        {"models": 3},
        {"groups": [1]},
        {"buckets": 0},
        {"parts": [{"file": "../../x"}]},
        {"catalog": []},
    ],
)
def test_a_manifest_that_cannot_be_ours_is_a_fault(index: Path, change: dict[str, object]) -> None:
    file = (index / "current").resolve().parent / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert any("no readable manifest" in fault for fault in verify(str(index)).faults)


def test_quiet_prints_nothing_if_all_is_well_and_a_few_faults_if_not(
    index: Path, tagger: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    good = tagger("verify", index, "--quiet")
    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")
    assert json.loads(tagger("verify", index, "--quiet", "--json").stdout)["faults"] == []
    rows = (index / "current").resolve()
    for number in range(9):
        (rows / f"stranger\n{number}").touch()
    bad = tagger("verify", index, "--quiet")
    assert (bad.returncode, bad.stderr) == (6, "")
    lines = bad.stdout.splitlines()
    assert "9 faults" in lines[0]
    assert len(lines) == 7
    assert lines[5] == f"  and 5 more: tagger verify {index}"
    assert len(tagger("verify", index).stdout.splitlines()) == 11
    missing = tagger("verify", index / "none", "--quiet")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "no such folder" in missing.stderr
