"""What `tagger runs` says an index takes on the disk: every file once, whatever nights share."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from conftest import jpeg, textured

from jobs.runs import list_runs
from jobs.tag_catalog import TagOptions, tag_catalog
from schemas.nightly import DiskUse
from tagger.index.disk_use import disk_use


def files_once(folder: Path) -> int:
    """Return the bytes of all files below a folder, hard links counted once."""
    found = (path.lstat() for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum({(stat.st_dev, stat.st_ino): stat.st_size for stat in found}.values())


def two_nights(options: TagOptions, catalog: Path) -> list[str]:
    first = tag_catalog(options).snapshot
    (catalog / "new.jpg").write_bytes(jpeg(textured(40, 40, seed=1)))
    os.utime(catalog / "new.jpg", (1.6e9, 1.6e9))
    second = tag_catalog(options).snapshot
    assert first is not None
    assert second is not None
    return [first, second]


def used(options: TagOptions) -> DiskUse:
    found = list_runs(options.index).disk
    assert found is not None
    return found


def test_a_file_that_nights_share_is_counted_once(options: TagOptions, catalog: Path) -> None:
    names = two_nights(options, catalog)
    index = Path(options.index)
    shared = index / "snapshots" / names[1] / "rows" / "part-00999-0000000000000000.parquet"
    os.link(next((index / "snapshots" / names[0] / "rows").iterdir()), shared)
    use = used(options)
    assert use.snapshots == files_once(index / "snapshots")
    assert list(use.only_in) == names
    assert use.snapshots == sum(use.only_in.values()) + shared.stat().st_size


def test_removing_a_night_frees_what_was_said(options: TagOptions, catalog: Path) -> None:
    names = two_nights(options, catalog)
    index = Path(options.index)
    part = next((index / "snapshots" / names[0] / "rows").iterdir())
    os.link(part, index / "snapshots" / names[1] / "rows" / "part-00999-0000000000000000.parquet")
    before = used(options)
    shutil.rmtree(index / "snapshots" / names[0])
    assert used(options).snapshots == before.snapshots - before.only_in[names[0]]


def test_the_parts_add_up_to_what_is_there(options: TagOptions, catalog: Path) -> None:
    two_nights(options, catalog)
    index = Path(options.index)
    staged = index / "_staging" / "model"
    (staged / "deeper").mkdir(parents=True)
    (staged / "deeper" / "unit-0.parquet").write_bytes(b"0" * 5000)
    (index / "features" / "id").mkdir(parents=True)
    (index / "features" / "id" / "0.parquet").write_bytes(b"0" * 7000)
    (index / "corrections.jsonl").write_bytes(b"0" * 300)
    use = used(options)
    assert (use.staging, use.features, use.corrections, use.samples) == (5000, 7000, 300, 0)
    lock = (index / "_lock").stat().st_size
    assert use.total == files_once(index) - lock


def test_links_are_not_followed_and_what_nobody_knows_is_no_night(
    options: TagOptions, catalog: Path, tmp_path: Path
) -> None:
    two_nights(options, catalog)
    index = Path(options.index)
    before = disk_use(index)
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "film").write_bytes(b"0" * 100_000)
    (index / "snapshots" / "elsewhere").symlink_to(tmp_path / "large")
    (index / "samples").symlink_to(tmp_path / "large")
    (index / "snapshots" / "notes.txt").write_text("mine")
    after = disk_use(index)
    assert after.only_in == before.only_in
    assert after.total - before.total < 1000


def test_the_command_says_it_in_words(
    options: TagOptions, catalog: Path, tagger: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    names = two_nights(options, catalog)
    said = tagger("runs", options.index).stdout
    assert "on disk: " in said
    assert " free" in said
    assert f"removing one alone frees: {names[0]} " in said
