"""Where things lie: a catalog that moved, a sick file in it, folders that machines make, a user's
own files nearby."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from conftest import clean_environment

from jobs.tag_catalog import TagOptions, dry_run, summary_text, tag_catalog
from jobs.verify import verify
from schemas.record import to_json
from tagger.catalog import SYSTEM_FOLDERS
from tagger.errors import InputError, Refused, StoreError

Tagger = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).parents[1]

_SICK_DISK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#define FAIL(path) if (path && strstr(path, "sick")) { errno = EIO; return -1; }
#define LOOK(name, kind) int name(const char *path, struct kind *facts) { FAIL(path) \
    return ((int (*)(const char *, struct kind *)) dlsym(RTLD_NEXT, #name))(path, facts); }
#define LOOK_AT(name, kind) \
    int name(int folder, const char *path, struct kind *facts, int flags) { FAIL(path) \
    return ((int (*)(int, const char *, struct kind *, int)) \
        dlsym(RTLD_NEXT, #name))(folder, path, facts, flags); }
#define OPEN(name) int name(const char *path, int flags, ...) { FAIL(path) \
    va_list more; va_start(more, flags); int mode = va_arg(more, int); va_end(more); \
    return ((int (*)(const char *, int, ...)) dlsym(RTLD_NEXT, #name))(path, flags, mode); }

LOOK(stat, stat) LOOK(lstat, stat) LOOK(stat64, stat64) LOOK(lstat64, stat64)
LOOK_AT(fstatat, stat) LOOK_AT(fstatat64, stat64)
#ifdef OPEN_TOO
OPEN(open) OPEN(open64)
#endif
"""
"""A library before the C library: what has `sick` in its path cannot be looked at, as on a disk or
share that fails."""


def read(options: TagOptions) -> pd.DataFrame:
    return pd.read_parquet(os.path.realpath(Path(options.index) / "current")).set_index("image_id")


def sick_disk(folder: Path, *flags: str) -> str:
    """Return a library that makes files sick, for LD_PRELOAD."""
    compiler = shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs gcc on Linux, to make a library that fails as a sick disk does")
    (folder / "sick.c").write_text(_SICK_DISK)
    library = folder / "disk.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", *flags, "-o", library, folder / "sick.c", "-ldl"], check=True
    )
    return str(library)


def tag(
    options: TagOptions, *more: str, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "jobs.cli",
        "tag",
        options.catalog,
        "--model",
        str(options.model),
    ]
    return subprocess.run(
        [*command, "--index", options.index, "--json", *more],
        capture_output=True,
        text=True,
        timeout=120,
        env=clean_environment() | environment,
    )


def test_a_file_that_cannot_be_looked_at_is_one_row_and_is_read_again(
    options: TagOptions, tmp_path: Path
) -> None:
    picture = next(Path(options.catalog).rglob("*.jpg"))
    shutil.copy2(picture, Path(options.catalog) / "sick.jpg")
    (Path(options.catalog) / "sick.txt").touch()
    disk = {"LD_PRELOAD": sick_disk(tmp_path, "-DOPEN_TOO")}
    first = tag(options, environment=disk)
    assert first.returncode == 0, first.stderr
    row = read(options).loc["sick.jpg"]
    assert row["status"] == "unreadable"
    assert "Input/output error" in row["error"]
    assert row[["size_bytes", "mtime_ns", "content_sha256"]].isna().all()
    assert verify(options.index).faults == []
    again = json.loads(tag(options, environment=disk).stdout)
    assert (again["plan"]["to_read"], again["unchanged"], again["exit_code"]) == (
        1,
        again["found"],
        0,
    )
    well = json.loads(tag(options, environment={}).stdout)
    assert (well["changed"], well["exit_code"]) == (1, 0)
    assert read(options).loc["sick.jpg", "status"] == "ok"


def test_a_file_that_can_be_read_though_not_looked_at_is_scored(
    options: TagOptions, tmp_path: Path
) -> None:
    picture = next(Path(options.catalog).rglob("*.jpg"))
    shutil.copy2(picture, Path(options.catalog) / "sick.jpg")
    (Path(options.catalog) / "link.jpg").symlink_to("sick.jpg")
    disk = {"LD_PRELOAD": sick_disk(tmp_path)}
    assert tag(options, environment=disk).returncode == 0
    rows = read(options)
    assert list(rows.loc[["sick.jpg", "link.jpg"], "status"]) == ["ok", "ok"]
    assert rows.loc["sick.jpg", "size_bytes"] == picture.stat().st_size
    assert json.loads(tag(options, environment=disk).stdout)["unchanged"] == len(rows)


def test_folders_that_machines_make_are_no_pictures_unless_asked_for(options: TagOptions) -> None:
    root = Path(options.catalog)
    picture = next(root.rglob("*.jpg"))
    for folder in (
        "@eaDir",
        "2026/#recycle",
        "$Recycle.Bin/S-1-5",
        "deep/er/__MACOSX",
        "lost+found",
    ):
        (root / folder).mkdir(parents=True)
        shutil.copy2(picture, root / folder / "extra.jpg")
    summary = tag_catalog(options)
    assert summary.skipped["system_folder"] == 5
    assert not [image_id for image_id in read(options).index if image_id.endswith("extra.jpg")]
    asked = tag_catalog(replace(options, include=["@eadir", "#recycle/"]))
    assert (asked.new, asked.skipped["system_folder"]) == (2, 3)
    inside = replace(options, catalog=str(root / "lost+found"), index=options.index + "2")
    assert tag_catalog(inside).found == 1  # the catalog itself is asked for
    with pytest.raises(
        InputError, match=r"--include '\*\.png' is no folder that is left out by itself; .*@eaDir"
    ):
        tag_catalog(replace(options, include=["*.png"]))


def test_rows_of_folders_that_are_left_out_now_are_deletions_that_say_so(
    options: TagOptions,
) -> None:
    root = Path(options.catalog)
    (root / "@eaDir").mkdir()
    for n in range(30):
        shutil.copy2(next(root.rglob("item-*.jpg")), root / "@eaDir" / f"{n}.jpg")
    tag_catalog(replace(options, include=["@eaDir"]))
    with pytest.raises(
        Refused, match="What is left out of the catalog \\(1 system_folder\\) is gone too"
    ):
        tag_catalog(options)
    assert tag_catalog(replace(options, max_delete_rate=1)).deleted == 30


def test_no_system_folder_has_a_name_that_people_give() -> None:
    assert not {name.lower() for name in SYSTEM_FOLDERS} & {
        "snapshot",
        "recycled",
        "trash",
        "tmp",
        "thumbs",
        "backup",
    }


def test_what_was_skipped_is_said_where_nothing_was_found(
    options: TagOptions, tmp_path: Path, tagger: Tagger
) -> None:
    picture = next(Path(options.catalog).rglob("*.jpg"))
    cases = tmp_path / "cases"
    (cases / "links").mkdir(parents=True)
    (cases / "links" / "red").symlink_to(options.catalog)
    (cases / "plain").mkdir()
    for name in ("0a1b2c", "2.jpg?width=800"):
        shutil.copy2(picture, cases / "plain" / name)
    for name, count in (
        ("links", "1 folder_link, first 'red'"),
        ("plain", "2 not_a_picture, first '"),
    ):
        with pytest.raises(Refused, match=f"holds no picture; is it mounted.*skipped: {count}"):
            tag_catalog(replace(options, catalog=str(cases / name)))
        ended = tagger("train", cases / name, "--models", tmp_path / "models", "--check")
        assert ended.returncode == 2
        assert f"skipped: {count}" in ended.stderr


def test_a_pattern_that_matched_nothing_is_in_the_summary_the_record_and_the_text(
    options: TagOptions,
) -> None:
    asked = replace(options, exclude=["2026/Incoming/", "2026/00", "nowhere"])
    for run in (dry_run, tag_catalog):
        report = run(asked)
        summary = json.loads(to_json(report))
        assert summary["skipped"]["excluded"] == 1
        assert summary["idle_patterns"] == [
            {"pattern": "2026/Incoming/", "meant": "2026/incoming"},
            {"pattern": "nowhere", "meant": None},
        ]
        text = summary_text(report, dry=run is dry_run)
        assert "'2026/Incoming/' matched nothing; did you mean '2026/incoming'?" in text
        assert "'nowhere' matched nothing" in text
    (record,) = (
        json.loads(path.read_text()) for path in (Path(options.index) / "runs").glob("*.json")
    )
    assert record["idle_patterns"] == summary["idle_patterns"]


def test_an_index_goes_on_with_a_catalog_that_moved_if_the_user_says_it_is_the_same(
    options: TagOptions, tmp_path: Path
) -> None:
    found = tag_catalog(options).found
    moved = replace(options, catalog=str(Path(options.catalog).rename(tmp_path / "photos")))
    with pytest.raises(StoreError, match="go on with --same-catalog"):
        tag_catalog(moved)
    said = replace(moved, same_catalog=True)
    assert dry_run(said).plan.to_read == 0
    night = tag_catalog(said)
    assert (night.unchanged, night.scored, night.published_rows) == (found, 0, found)
    assert verify(options.index).faults == []
    manifest = json.loads((Path(options.index) / "current" / ".." / "manifest.json").read_text())
    assert manifest["catalog"] == str(tmp_path / "photos")
    assert tag_catalog(moved).snapshot == night.snapshot  # it is the index's catalog now


def test_an_index_goes_on_with_a_link_that_moved_on_and_still_minds_deletions(
    options: TagOptions, tmp_path: Path
) -> None:
    live = tmp_path / "live"
    live.symlink_to(options.catalog)
    through = replace(options, catalog=str(live), same_catalog=True)
    tag_catalog(through)
    release = shutil.copytree(options.catalog, tmp_path / "release2")
    next(release.rglob("*.jpg")).unlink()
    live.unlink()
    live.symlink_to(release)
    night = tag_catalog(through)
    assert (night.deleted, night.changed, night.scored) == (1, 0, 0)
    empty = tmp_path / "release3"
    shutil.copytree(release / "2026" / "00", empty)
    live.unlink()
    live.symlink_to(empty)
    with pytest.raises(Refused, match="pictures are gone"):
        tag_catalog(through)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A working folder with a user's own scripts, called as modules are that Python or the library
    imports."""
    desk = tmp_path / "desk"
    for package in ("PIL", "pyarrow"):
        (desk / package).mkdir(parents=True)
        (desk / package / "__init__.py").write_text("raise SystemExit('shadowed')\n")
    for name in ("signal", "select", "struct", "random", "numpy", "cv2", "tagger", "queue"):
        (desk / f"{name}.py").write_text("raise SystemExit('shadowed')\n")
    return desk


COMMANDS = {
    "the command": [str(Path(sys.executable).parent / "tagger")],
    "the module": [sys.executable, "-m", "jobs.cli"],
}


def tag_from(desk: Path, options: TagOptions, command: list[str], *more: str) -> None:
    arguments = [
        "tag",
        options.catalog,
        "--model",
        str(options.model),
        "--index",
        options.index,
        "--json",
        *more,
    ]
    environment = clean_environment() | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [*command, *arguments],
        cwd=desk,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["scored"] > 0


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_files_in_the_working_folder_stand_in_for_nothing(
    options: TagOptions, desk: Path, command: list[str]
) -> None:
    tag_from(desk, options, command)


@pytest.mark.serial
def test_files_in_the_working_folder_stand_in_for_nothing_on_a_ray_cluster(
    options: TagOptions, desk: Path
) -> None:
    pytest.importorskip("ray", reason="the ray extra is not installed")
    tag_from(desk, options, COMMANDS["the command"], "--engine", "ray", "--workers", "1")
