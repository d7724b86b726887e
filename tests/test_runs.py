"""Records, retention, going back, stopping in time, settings from a file: through the real command
line."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import jpeg, textured
from msgspec import structs
from nights import World, wait_until

from jobs.runs import list_runs, roll_back, runs_text
from jobs.tag_catalog import TagOptions, tag_catalog
from jobs.verify import verify
from schemas.nightly import RollbackReport, RunsReport
from schemas.record import parse, to_json
from schemas.runs import RUN_STATES, Counts, PlanCounts, RunRecord
from tagger.errors import InputError, StoreError
from tagger.imaging.worker import CHUNK
from tagger.index.snapshots import new_id
from tagger.index.store import Index
from tagger.models.bundle import load_bundle

Tagger = Callable[..., subprocess.CompletedProcess[str]]


def add(catalog: Path, name: str, seed: int) -> None:
    (catalog / name).write_bytes(jpeg(textured(40, 40, seed=seed)))
    os.utime(catalog / name, (1.6e9, 1.6e9))


def test_ids_sort_by_time_and_tell_it() -> None:
    ids = [new_id() for _ in range(50)]
    assert ids == sorted(ids)
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{4}", ids[0])
    told = datetime.strptime(ids[0][:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs(told - datetime.now(UTC)) < timedelta(seconds=5)


def test_records_hold_what_is_declared_and_counts_that_add_up(
    options: TagOptions, catalog: Path
) -> None:
    summary = tag_catalog(options)
    add(catalog, "new.jpg", 1)
    tag_catalog(options)
    report = list_runs(options.index)
    assert set(json.loads(to_json(report))) == set(RunsReport.__struct_fields__)
    assert [record.state for record in report.runs] == ["published", "published"]
    for record in report.runs:
        written = json.loads((Path(options.index) / "runs" / f"{record.run_id}.json").read_text())
        assert set(written) == set(RunRecord.__struct_fields__)
        assert set(written["plan"]) == set(PlanCounts.__struct_fields__)
        assert set(written["counts"]) == set(Counts.__struct_fields__)
        assert record.state in RUN_STATES
        counts = record.counts
        assert counts.found == counts.published_rows
        assert counts.found == sum(
            getattr(counts, name) for name in ("new", "changed", "rescored", "unchanged")
        )
        assert record.plan.to_read + record.plan.staged + counts.unchanged == counts.found
        assert record.peak_mib > 50
        apart = (
            "total",
            "first",
            "last",
            "read",
            "decode",
        )  # moments, and what workers did meanwhile
        parts = sum(seconds for name, seconds in record.seconds.items() if name not in apart)
        assert 0 < parts <= record.seconds["total"] + 0.01
    assert report.runs[1].counts.scored == summary.scored
    text = runs_text(report)
    assert text.splitlines()[1].startswith(report.current + "*")


def test_a_run_that_ended_without_a_word_is_marked_by_the_next(world: World) -> None:
    process = world.start()
    wait_until(lambda: any((world.index / "runs").glob("[0-9]*.json")), process)
    process.kill()
    process.communicate()
    (record,) = list_runs(str(world.index)).runs
    assert (record.state, record.exit_code) == ("running", None)
    world.run()
    second, first = list_runs(str(world.index)).runs
    assert (first.state, second.state) == ("killed", "published")
    assert "ended without a word" in first.message


@pytest.fixture
def world(tmp_path: Path, bundle_path: Path) -> World:
    return World(tmp_path, bundle_path, seed=0, pictures=200)


def test_a_run_killed_after_it_published_is_not_called_killed(
    options: TagOptions, catalog: Path
) -> None:
    """The moment between the rename that publishes and the record's last word."""
    summary = tag_catalog(options)
    path = Path(options.index) / "runs" / f"{summary.run_id}.json"
    record = json.loads(path.read_text())
    path.write_text(
        json.dumps(record | {"state": "running", "counts": {}, "snapshot": None, "exit_code": None})
    )
    tag_catalog(options)
    first = json.loads(path.read_text())
    assert (first["state"], first["snapshot"], first["counts"]) == (
        "published",
        summary.snapshot,
        record["counts"],
    )
    assert "before it could say so" in first["message"]


def test_an_orphan_is_found_behind_runs_that_were_refused_at_the_door(
    options: TagOptions, catalog: Path
) -> None:
    index = Index(options.index)
    run_id = tag_catalog(options).run_id
    record = parse((index.path / "runs" / f"{run_id}.json").read_bytes(), RunRecord)
    orphan = structs.replace(
        record, run_id="20200101T000000Z-0000", state="running", exit_code=None
    )
    index.runs.write(orphan)
    wrong = structs.replace(record, run_id="29990101T000000Z-0000")  # the clock was wrong once
    index.runs.write(wrong)
    catalog.rename(catalog.with_name("away"))
    with pytest.raises(InputError):
        tag_catalog(options)
    catalog.with_name("away").rename(catalog)
    tag_catalog(options)
    states = {record.run_id: record.state for record in list_runs(options.index).runs}
    assert states[orphan.run_id] == "killed"


def test_a_snapshot_that_nobody_ever_saw_is_removed(options: TagOptions, catalog: Path) -> None:
    """A run killed between the rename that completes its snapshot and the one that makes it
    current."""
    first = tag_catalog(options)
    add(catalog, "new.jpg", 1)
    second = tag_catalog(options)
    index = Index(options.index)
    (index.path / "current").unlink()
    (index.path / "current").symlink_to(f"snapshots/{first.snapshot}/rows")
    record = parse((index.path / "runs" / f"{second.run_id}.json").read_bytes(), RunRecord)
    index.runs.write(structs.replace(record, state="running"))
    third = tag_catalog(options)
    assert (third.new, third.unchanged) == (1, 41)
    assert index.snapshots() == sorted([first.snapshot, third.snapshot])


def test_rollback_goes_back_and_the_next_night_goes_forward(
    options: TagOptions, catalog: Path, tagger: Tagger
) -> None:
    first = tag_catalog(options).snapshot
    add(catalog, "new.jpg", 1)
    second = tag_catalog(options).snapshot
    ended = tagger("rollback", options.index, first, "--json")
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert set(report) == set(RollbackReport.__struct_fields__)
    assert (report["before"], report["snapshot"], report["rows"]) == (second, first, 41)
    assert os.readlink(Path(options.index) / "current") == f"snapshots/{first}/rows"
    assert verify(options.index).faults == []
    newest = list_runs(options.index).runs[0]
    assert (newest.state, newest.snapshot) == ("rolled_back", first)
    written = (Path(options.index) / "runs" / f"{newest.run_id}.json").read_text()
    assert set(json.loads(written)) == set(RunRecord.__struct_fields__)
    third = tag_catalog(options)
    assert (third.new, third.unchanged) == (1, 41)
    manifest = json.loads(
        ((Path(options.index) / "current").resolve().parent / "manifest.json").read_text()
    )
    assert manifest["parent"] == first


@pytest.mark.parametrize("name", ["nonsense", "../../etc", "", "20260101T000000Z-0000"])
def test_rollback_to_what_is_not_there_says_what_is(
    options: TagOptions, tagger: Tagger, name: str
) -> None:
    first = tag_catalog(options).snapshot
    ended = tagger("rollback", options.index, name)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    if name:
        assert f"has no snapshot {name!r}; there are: {first}" in ended.stderr


def test_rollback_refuses_a_snapshot_that_is_not_whole_and_leaves_a_broken_one(
    options: TagOptions, catalog: Path, tagger: Tagger
) -> None:
    first = tag_catalog(options).snapshot
    add(catalog, "new.jpg", 1)
    second = tag_catalog(options).snapshot
    snapshots = Path(options.index) / "snapshots"
    (snapshots / second / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match="no readable manifest"):
        tag_catalog(options)
    assert tagger("rollback", options.index, first).returncode == 0
    for pattern in ("unsettled.parquet", "rows/part-*"):
        for file in (snapshots / first).glob(pattern):
            file.unlink()
        ended = tagger("rollback", options.index, first)
        assert (ended.returncode, "cannot be read" in ended.stderr) == (2, True)


def test_old_snapshots_and_stale_staging_are_removed_and_never_the_current_one(
    options: TagOptions, catalog: Path
) -> None:
    names = []
    for night in range(5):
        add(catalog, f"{night}.jpg", night)
        names.append(tag_catalog(options).snapshot)
    index, now = Index(options.index), datetime.now(UTC)
    stale = index.path / "_staging" / ("0" * 64)
    stale.mkdir()
    assert index.retire(1, now=now) == []  # none was replaced 48 h ago
    late = now + timedelta(hours=49)
    assert index.retire(4, now=late) == [names[0], f"_staging/{stale.name}"]
    roll_back(options.index, names[2])
    # Rolled back to 2: that one and its parent stay, and so does 4, which is the newest. Only 3 may
    # go.
    assert index.retire(1, now=late) == [names[3]]
    assert index.snapshots() == [names[1], names[2], names[4]]
    assert verify(options.index).faults == []


def test_a_snapshot_that_was_current_until_a_moment_ago_stays_though_it_is_old(
    options: TagOptions, catalog: Path
) -> None:
    names = []
    for night in range(3):
        add(catalog, f"{night}.jpg", night)
        names.append(tag_catalog(options).snapshot)
    index = Index(options.index)
    for name in names:  # a month without a change
        os.utime(index.path / "snapshots" / name, (1.6e9, 1.6e9))
    roll_back(options.index, names[0])
    roll_back(options.index, names[1])
    assert index.retire(1) == []  # 0 was current a moment ago, 1 is, 2 was before and is the newest
    add(catalog, "last.jpg", 9)
    tag_catalog(options)
    assert names[0] in index.snapshots()


def test_an_index_that_lost_its_link_is_not_taken_for_a_new_one(
    options: TagOptions, catalog: Path, tagger: Tagger
) -> None:
    first = tag_catalog(options).snapshot
    (Path(options.index) / "current").unlink()
    with pytest.raises(StoreError, match=f"no link 'current'.*tagger rollback INDEX {first}"):
        tag_catalog(options)
    assert tagger("rollback", options.index, first).returncode == 0
    assert tag_catalog(options).unchanged == 41


def test_junk_in_the_index_stops_nothing(
    options: TagOptions, catalog: Path, tagger_process: Tagger
) -> None:
    tag_catalog(options)
    index = Path(options.index)
    os.mkfifo(index / "runs" / "99990101T000000Z-0000.json")
    (index / "runs" / "99990101T000000Z-0001.json").write_text(
        '{"run_id": "99990101T000000Z-0001", "counts": [1]}'
    )
    (index / "runs" / ".x.json.y").mkdir()
    (index / "_current-x").mkdir()
    (index / "_staging" / "zz").mkdir()
    (index / "_staging" / "zz" / ".unit-x").mkdir()
    (index / "_staging" / load_bundle(options.model).model_id).write_text("a file")
    (index / "snapshots" / "notes.txt").write_text("notes")
    (index / "snapshots" / "folder").mkdir()
    add(catalog, "new.jpg", 1)
    ended = tagger_process(
        "tag", options.catalog, "--model", options.model, "--index", options.index, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    ended = tagger_process("runs", options.index, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert verify(options.index).faults == []


def test_a_broken_manifest_is_a_fault_and_in_the_record(
    options: TagOptions, tagger: Tagger
) -> None:
    tag_catalog(options)
    ((Path(options.index) / "current").resolve().parent / "manifest.json").write_text("{")
    ended = tagger(
        "tag", options.catalog, "--model", options.model, "--index", options.index, "--json"
    )
    assert (ended.returncode, json.loads(ended.stdout)["exit_code"]) == (2, 2)
    assert "tagger rollback" in ended.stderr
    assert list_runs(options.index).runs[0].state == "refused"
    assert tagger("verify", options.index).returncode == 6


def test_a_path_that_parquet_cannot_spell_is_named(options: TagOptions, tagger: Tagger) -> None:
    ended = tagger(
        "tag",
        options.catalog,
        "--model",
        options.model,
        "--index",
        options.index + os.fsdecode(b"\xff"),
    )
    assert ended.returncode == 2
    assert "no valid UTF-8" in ended.stderr


def test_time_up_stops_cleanly_and_the_next_run_goes_on(world: World) -> None:
    process = world.start("--max-seconds", "0", "--json")
    out, said = process.communicate(timeout=60)
    assert process.returncode == 7, said
    assert json.loads(out)["exit_code"] == 7
    for _ in range(1500):
        world.add()
    process = world.start("--max-seconds", "2", "--json", "--workers", "1")
    out, said = process.communicate(timeout=60)
    if process.returncode == 7:  # a fast machine may be done
        assert "max-seconds" in said
        assert list_runs(str(world.index)).runs[0].state == "stopped"
        staged = world.staged_rows()
        assert json.loads(world.run("--json"))["reused"] == staged
    world.rows_equal_files()
    assert world.scored_again() < 2 * CHUNK


def test_settings_come_from_a_file_and_the_command_line_wins(
    options: TagOptions, tmp_path: Path, tagger: Tagger
) -> None:
    config = tmp_path / "nightly.toml"
    config.write_text(
        f'catalog = "{options.catalog}"\nmodel = "{options.model}"\nindex = "{options.index}"\n'
        'exclude = ["*.png"]\nmax-error-rate = 0.5\nworkers = 1\nretry-errors = true\njson = true\n'
    )
    ended = tagger("tag", "--config", config)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["skipped"]["excluded"] > 0
    other = tmp_path / "other"
    ended = tagger("tag", "--config", config, "--index", other, "--exclude", "nothing")
    assert ended.returncode == 0, ended.stderr
    assert "excluded" not in json.loads(ended.stdout)["skipped"]
    assert other.is_dir()


def test_settings_are_read_as_editors_save_them_and_paths_as_a_shell_reads_them(
    options: TagOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tagger: Tagger
) -> None:
    monkeypatch.setenv("HOME", str(Path(options.catalog).parent))
    monkeypatch.setenv("SHOP_MODEL", str(options.model))
    lines = (
        f'catalog = "~/{Path(options.catalog).name}"',
        'model = "${SHOP_MODEL}"',
        'index = """$HOME/nightly/',
        '"""',
        "workers = 1",
    )
    config = tmp_path / "nightly.toml"
    config.write_bytes("\r\n".join(["\ufeff# saved by an editor of Windows", *lines]).encode())
    ended = tagger("tag", "--config", config)
    assert ended.returncode == 0, ended.stderr
    assert (Path(options.catalog).parent / "nightly" / "current").is_symlink()
    (tmp_path / "$odd").mkdir()
    config.write_text(f'catalog = "{tmp_path}/$odd"\n')  # there just as it is written
    ended = tagger(
        "tag", "--config", config, "--index", tmp_path / "other", "--model", options.model
    )
    assert f"{str(tmp_path / '$odd')!r} holds no picture" in ended.stderr
    config.write_bytes('catalog = "Größe"'.encode("utf-16"))
    ended = tagger("tag", "--config", config, "--index", tmp_path / "other")
    assert (ended.returncode, "save it as UTF-8" in ended.stderr) == (2, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keepp = 3", "sets 'keepp'; it may set: "),
        ("exclude = '*.png'", "should be a list of texts"),
        ("max-delete-rate = true", "should be a text or a number"),
        ("full = 1", "should be true or false"),
        ("catalog = ' '", "should be a path"),
        ("index = 7", "should be a path"),
        ("catalog = '$NOT_SET_HERE/photos'", "the variable $NOT_SET_HERE is not set"),
        ("model = '~nobody-of-that-name/m'", "there is no such home folder"),
        ("keep = ['a']", "should be a text or a number"),
        ("keep = {a = 1}", "should be a text or a number"),
        ("keep = ", "is no TOML"),
        ("keep = 'many'", "--keep many (a setting of --config): no whole number; possible is"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, tagger: Tagger, text: str, message: str) -> None:
    (tmp_path / "nightly.toml").write_text(text)
    ended = tagger(
        "tag", "x", "--model", "y", "--index", "z", "--config", tmp_path / "nightly.toml"
    )
    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_runs_of_what_is_no_index_says_so(tmp_path: Path, tagger: Tagger) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        ended = tagger("runs", folder)
        assert ended.returncode == 2
        assert "make one with 'tagger tag'" in ended.stderr


@pytest.mark.serial
def test_a_term_signal_is_in_the_record(world: World) -> None:
    process = world.start()
    wait_until(lambda: any((world.index / "runs").glob("[0-9]*.json")), process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 143, said
    assert list_runs(str(world.index)).runs[0].exit_code == 143


def test_400_records_strangers_words_and_damaged_files_are_a_line_each_or_none(
    options: TagOptions, tagger: Tagger
) -> None:
    tag_catalog(options)
    runs = Path(options.index) / "runs"
    (first,) = runs.iterdir()
    record = json.loads(first.read_text())
    for number in range(400):
        name = f"20250101T0315{number % 60:02d}Z-{number:04x}"
        evil = record | {"run_id": name, "state": "refused", "message": f"evil \x1b[2J\n{number}"}
        (runs / f"{name}.json").write_text(json.dumps(evil))
    (runs / "9-half.json").write_text("{")
    (runs / "8-zeros.json").write_bytes(b"\0" * 100)
    (runs / "7-folder.json").mkdir()
    (runs / "6-link.json").symlink_to("nowhere")
    ended = tagger("runs", options.index, "--last", "1000")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(ended.stdout.splitlines()) == 1 + 401 + 2
    assert "evil \\x1b[2J\\n399" in ended.stdout
    assert "\x1b" not in ended.stdout
    assert "records " in ended.stdout.splitlines()[-1]
    (Path(options.index) / "current").unlink()
    for manifest in (Path(options.index) / "snapshots").glob("*/manifest.json"):
        manifest.write_text("{")
    ended = tagger("runs", options.index)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(ended.stdout.splitlines()) == 1 + 30 + 2
