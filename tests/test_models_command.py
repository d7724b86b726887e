"""What `tagger models` says of a folder of models, and what --prune removes: never what is
needed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from changed_bundles import described_again
from conftest import clean_environment
from hypothesis import given
from hypothesis import strategies as st

from jobs.models import list_models, promote, prune
from jobs.models_text import models_text, prune_text
from jobs.tag_catalog import TagOptions, tag_catalog
from schemas.models import Leftover, ModelsReport, ModelVersion, Pruned, PruneReport
from schemas.record import to_json
from tagger.errors import BundleError, InputError, Locked, StoreError, TimeUp
from tagger.files import Lock
from tagger.models.bundle import load_bundle
from tagger.models.inventory import Inventory
from tagger.models.pruning import NEWEST, newest_names, reasons_to_keep, remove
from tagger.models.versions import set_current
from tagger.pipeline.resuming import work_folder

Tagger = Callable[..., subprocess.CompletedProcess[str]]
NOW = datetime(2026, 11, 23, 3, 15, tzinfo=UTC)


def add(models: Path, bundle: Path, number: int, parent: str | None = None) -> str:
    """Add tiny-v<number>, a good model with thresholds of its own; return its model_id."""
    path = models / f"tiny-v{number}"
    shutil.copytree(bundle, path)
    thresholds = json.loads((path / "thresholds.json").read_text())
    thresholds["labels"][0]["threshold"] = round(0.1 + number / 1000, 4)
    (path / "thresholds.json").write_text(json.dumps(thresholds))
    created = (NOW - timedelta(days=30 - number)).isoformat(timespec="seconds")
    described_again(path, name=path.name, parent=parent, created_at=created)
    return load_bundle(path).model_id


@pytest.fixture
def models(bundle_path: Path, tmp_path: Path) -> Path:
    """tiny-v1 to tiny-v7; the fourth is current, and was retrained from the second."""
    folder = tmp_path / "models"
    ids: dict[int, str] = {}
    for number in range(1, 8):
        ids[number] = add(folder, bundle_path, number, ids[2] if number == 4 else None)
    set_current(folder, "tiny-v4")
    return folder


@pytest.fixture
def index(models: Path, options: TagOptions) -> str:
    """An index that keeps a night of the first version, and whose current one is of the fourth."""
    tag_catalog(replace_model(options, models / "tiny-v1"))
    tag_catalog(replace_model(options, models / "current"))
    return options.index


def replace_model(options: TagOptions, model: Path) -> TagOptions:
    return TagOptions(options.catalog, str(model), options.index, workers=1)


def interrupted(models: Path, family: str, days: float, epochs: int | None = 2) -> Path:
    """Leave what an interrupted training leaves, so many days old."""
    with work_folder(models, family, resume=False) as work:
        work.begin({"family": family})
        work.checkpoints.mkdir()
        if epochs is not None:
            (work.checkpoints / "history.json").write_text(_history(epochs))
        (work.path / "pixels").mkdir()
        (work.path / "pixels" / "0.npy").write_bytes(b"0" * 1000)
    aged(work.path, days)
    return work.path


def _history(epochs: int) -> str:
    epoch = dict.fromkeys(
        ("loss", "validation_loss", "validation_recombined_loss", "choice_loss", "seconds"), 1.0
    )
    return json.dumps({"epochs": [epoch | {"validation_macro_ap": None}] * epochs, "best": 0})


def aged(folder: Path, days: float) -> None:
    """Let everything in a folder look as if nothing had changed for so many days."""
    then = (NOW - timedelta(days=days)).timestamp()
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (then, then), follow_symlinks=False)


def seen(folder: Path) -> dict[str, tuple[int, int]]:
    """Return all that is below a folder, with sizes and times."""
    found = ((str(path), path.lstat()) for path in (folder, *folder.rglob("*")))
    return {path: (stat.st_size, stat.st_mtime_ns) for path, stat in found}


def names(models: Path) -> list[str]:
    return sorted(path.name for path in models.iterdir() if not path.name.startswith(("_", ".")))


def test_a_version_is_listed_with_size_age_measures_and_use(models: Path, index: str) -> None:
    report = list_models(str(models), [index], now=NOW)
    assert set(json.loads(to_json(report))) == set(ModelsReport.__struct_fields__)
    rows = {row.name: row for row in report.versions}
    assert list(rows) == [f"tiny-v{number}" for number in range(1, 8)]
    files = [path for path in (models / "tiny-v2").rglob("*") if path.is_file()]
    assert rows["tiny-v2"].bytes == sum(path.stat().st_size for path in files)
    assert (rows["tiny-v2"].children, rows["tiny-v4"].parent) == (["tiny-v4"], "tiny-v2")
    (first,) = rows["tiny-v1"].uses
    assert (first.readers_see_it, first.snapshots, first.staged) == (False, 1, False)
    (fourth,) = rows["tiny-v4"].uses
    assert (fourth.readers_see_it, fourth.snapshots) == (True, 1)
    assert rows["tiny-v3"].uses == []
    text = models_text(report, NOW)
    line = next(line for line in text.splitlines() if line.startswith("* tiny-v4"))
    evaluation = load_bundle(models / "tiny-v4").metrics().evaluation
    assert evaluation.macro_ap is not None
    for words in ("26 days", " MB" if rows["tiny-v4"].bytes > 1e6 else " kB", "tiny-v2"):
        assert words in line
    assert f"{evaluation.macro_ap:.1%}" in line
    assert f"{evaluation.exact_match:.1%}" in line
    assert line.endswith(f"{index} (the current night, 1 kept night)")
    assert "see --index" in models_text(list_models(str(models), now=NOW), NOW)


def test_prune_lists_what_nothing_needs_and_touches_nothing(
    models: Path, index: str, tagger: Tagger
) -> None:
    before = seen(models)
    ended = tagger("models", models, "--index", index, "--prune", "--json")
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert set(report) == set(PruneReport.__struct_fields__)
    assert [each["name"] for each in report["pruned"]] == ["tiny-v3"]
    assert report["removed"] is False
    assert report["kept"]["tiny-v1"] == [f"rows of 1 night kept in {index} name it"]
    assert report["kept"]["tiny-v2"] == ["tiny-v4 was made from it"]
    assert report["kept"]["tiny-v4"][0] == "it is current"
    assert report["kept"]["tiny-v5"] == ["it is among the newest 3 of its name"]
    text = tagger("models", models, "--index", index, "--prune").stdout
    assert "--prune --yes removes these" in text
    assert seen(models) == before


def test_a_confirmed_prune_removes_that_and_nothing_else(
    models: Path, index: str, tagger: Tagger
) -> None:
    kept = {name: seen(models / name) for name in names(models) if name != "tiny-v3"}
    ended = tagger("models", models, "--index", index, "--prune", "--yes")
    assert ended.returncode == 0, ended.stderr
    assert "are free again" in ended.stdout
    assert {name: seen(models / name) for name in names(models)} == kept
    again = tagger("models", models, "--index", index, "--prune", "--yes")
    assert "nothing to remove" in again.stdout


def test_without_an_index_no_version_goes_and_leftovers_do(models: Path, tagger: Tagger) -> None:
    interrupted(models, "tiny", days=8)
    before = names(models)
    report = prune(str(models), confirmed=True, now=NOW)
    assert [each.name for each in report.pruned] == ["_training/tiny"]
    assert names(models) == before
    assert "Name every index" in prune_text(report)
    ended = tagger("models", models, "--yes")
    assert (ended.returncode, "--prune" in ended.stderr) == (2, True)


def test_an_index_that_is_none_or_cannot_be_read_stops_a_prune(models: Path, index: str) -> None:
    before = names(models)
    with pytest.raises(StoreError, match="no index"):
        prune(str(models), [index, str(models)], confirmed=True)
    manifest = next(Path(index, "snapshots").glob("*/manifest.json"))
    manifest.write_text("{")
    with pytest.raises(StoreError, match="no readable manifest"):
        prune(str(models), [index], confirmed=True)
    assert names(models) == before


def test_rows_of_an_interrupted_night_and_features_keep_their_model(
    models: Path, options: TagOptions
) -> None:
    third = load_bundle(models / "tiny-v3").model_id
    tag_catalog(replace_model(options, models / "current"))
    staging = Path(options.index) / "_staging" / f"{third}-reader1"
    staging.mkdir()
    report = prune(str(models), [options.index])
    assert report.kept["tiny-v3"] == [f"an interrupted night of {options.index} scored with it"]
    staging.rmdir()
    featured = TagOptions(
        options.catalog, str(models / "tiny-v3"), options.index, workers=1, features=True, full=True
    )
    tag_catalog(featured)
    (row,) = [
        row for row in list_models(str(models), [options.index]).versions if row.name == "tiny-v3"
    ]
    assert row.uses[0].features


@pytest.mark.parametrize("step", range(1, 18, 4))
def test_a_prune_that_is_killed_leaves_no_half_model_and_the_next_ends_it(
    models: Path, index: str, step: int
) -> None:
    """Killed before its n-th rename or removal: the first renames, each of the others removes a
    file."""
    code = (
        "import os, signal, sys\n"
        "from jobs.models import prune\n"
        "left = [int(sys.argv[3])]\n"
        "def hook(event, arguments):\n"
        "    left[0] -= event in ('os.rename', 'os.remove', 'os.rmdir')\n"
        "    if left[0] == 0:\n"
        "        left[0] = -1\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(hook)\n"
        "prune(sys.argv[1], [sys.argv[2]], confirmed=True)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(models), index, str(step)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    for path in models.iterdir():
        if path.name.startswith(".") and len(list(path.rglob("*"))) < 15:
            with pytest.raises(BundleError):
                load_bundle(path)
        elif path.name.startswith("tiny"):
            load_bundle(path)
    report = prune(str(models), [index], confirmed=True)
    assert [each.error for each in report.pruned if each.error] == []
    assert "tiny-v3" not in names(models)
    assert not [path for path in models.iterdir() if path.name.startswith(".")]


def test_an_interrupted_training_says_what_it_is_and_goes_after_a_week(models: Path) -> None:
    young, old = interrupted(models, "young", days=2), interrupted(models, "old", days=8)
    never = interrupted(models, "never", days=6.9, epochs=None)
    report = list_models(str(models), now=NOW)
    left = {each.name: each for each in report.leftovers}
    assert left["_training/young"].epochs == 2
    assert left["_training/young"].bytes > 1000
    assert left["_training/never"].epochs is None
    text = models_text(report, NOW)
    assert "ended after epoch 2: the same command with --resume goes on" in text
    assert "nothing to go on from" in text
    assert [each.name for each in prune(str(models), confirmed=True, now=NOW).pruned] == [
        "_training/old"
    ]
    assert (young.exists(), old.exists(), never.exists()) == (True, False, True)


def test_a_training_at_work_is_left_alone_however_old_it_looks(models: Path) -> None:
    path = interrupted(models, "tiny", days=30)
    with Lock(path / "lock"):
        (left,) = list_models(str(models), now=NOW).leftovers
        assert left.kept_for == ["a training is working in it"]
        assert prune(str(models), confirmed=True, now=NOW).pruned == []
        (fault,) = remove(models, [Pruned(name="_training/tiny", bytes=1)])
        assert "is held by process" in (fault.error or "")
    assert (path / "training.json").exists()


def test_no_version_goes_while_an_interrupted_training_may_have_started_from_it(
    models: Path, index: str
) -> None:
    interrupted(models, "other", days=1)
    report = prune(str(models), [index], confirmed=True, now=NOW)
    assert report.pruned == []
    assert report.kept["tiny-v3"] == [
        "_training/other is not finished, and may have started from it"
    ]


def test_half_saved_models_go_after_two_days(models: Path) -> None:
    for name in (".tiny-v8.saving-77", ".small.packing-78", ".tiny-v9.saving-79"):
        (models / name / "openvino").mkdir(parents=True)
        (models / name / "head.npz").write_bytes(b"half")
        aged(models / name, 1.9 if name.endswith("79") else 2.1)
    report = prune(str(models), confirmed=True, now=NOW)
    assert [each.name for each in report.pruned] == [".small.packing-78", ".tiny-v8.saving-77"]
    assert (models / ".tiny-v9.saving-79").exists()


def test_links_are_not_followed_and_strangers_things_not_touched(
    models: Path, index: str, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    (outside / "photos").mkdir(parents=True)
    (outside / "photos" / "mine.jpg").write_bytes(b"mine")
    shutil.copytree(models / "tiny-v3", outside / "tiny-v0")
    (models / "tiny-v0").symlink_to(outside / "tiny-v0")
    (models / "tiny-v3" / "notes.txt").write_text("the one that Ada liked")
    (models / "photos").mkdir()
    (models / ".git").mkdir()
    (models / ".saving-1").mkdir()
    (models / "_training").mkdir()
    (models / "_training" / "linked").symlink_to(outside / "photos")
    noted = interrupted(models, "noted", days=30)
    (noted / "thesis.txt").write_text("mine")
    half = models / ".tiny-v8.saving-77"
    half.mkdir()
    (half / "openvino").symlink_to(outside)
    for folder in (models / ".git", models / ".saving-1", half, noted):
        aged(folder, 30)
    before = seen(outside)
    report = prune(str(models), [index], confirmed=True, now=NOW)
    assert [each.name for each in report.pruned] == [half.name]
    assert "'notes.txt', which is no file of a model" in "; ".join(report.kept["tiny-v3"])
    assert "'thesis.txt', which no training writes" in report.kept["_training/noted"][0]
    assert seen(outside) == before
    for name in ("tiny-v0", "tiny-v3", "photos", ".git", ".saving-1", "_training/linked"):
        assert os.path.lexists(models / name)


def test_a_link_to_a_version_keeps_it(models: Path, index: str) -> None:
    (models / "stable").symlink_to("tiny-v3")
    assert prune(str(models), [index]).kept["tiny-v3"] == ["the link 'stable' leads to it"]


def test_a_damaged_version_is_left_for_a_person_to_look_at(models: Path, index: str) -> None:
    (models / "tiny-v3" / "head.npz").write_bytes(b"x")
    report = prune(str(models), [index], confirmed=True)
    assert "cannot be read" in report.kept["tiny-v3"][0]
    assert "head.npz was changed" in models_text(list_models(str(models)), NOW)
    assert (models / "tiny-v3").exists()


def test_a_stranger_s_name_is_shown_and_not_obeyed(models: Path, index: str) -> None:
    (models / "evil\x1b[2J\nname").mkdir()
    (models / "evil\x1b[2J\nname" / "bundle.json").write_text("{}")
    text = models_text(list_models(str(models)), NOW) + prune_text(prune(str(models), [index]))
    assert "evil\\x1b[2J\\nname" in text
    assert "\x1b" not in text


def test_a_folder_of_something_else_is_left_as_it_is(tmp_path: Path, tagger: Tagger) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").write_bytes(b"mine")
    before = seen(tmp_path)
    ended = tagger("models", tmp_path / "photos", "--prune", "--yes")
    assert (ended.returncode, "nothing to remove" in ended.stdout) == (0, True)
    assert seen(tmp_path) == before


def test_a_prune_waits_its_turn(models: Path, index: str, tagger: Tagger) -> None:
    with Lock(models / "_lock"):
        ended = tagger("models", models, "--index", index, "--prune", "--yes")
        assert ended.returncode == 4
        assert "is held by process" in ended.stderr
        with pytest.raises(Locked):
            promote(str(models / "tiny-v3"))
    assert "tiny-v3" in names(models)


def test_a_version_that_was_removed_meanwhile_cannot_become_current(models: Path) -> None:
    shutil.rmtree(models / "tiny-v3")
    with pytest.raises(InputError, match="removed meanwhile"):
        set_current(models, "tiny-v3")
    assert os.readlink(models / "current") == "tiny-v4"


def test_a_version_that_is_current_by_way_of_other_links_stays(
    models: Path, index: str, tmp_path: Path
) -> None:
    """As with update-alternatives: current leads out of the folder, and back in."""
    (tmp_path / "alternatives").symlink_to(models / "tiny-v3")
    (models / "current").unlink()
    (models / "current").symlink_to(tmp_path / "alternatives")
    (tmp_path / "by-another-name").symlink_to(models)
    report = list_models(str(tmp_path / "by-another-name"), [index])
    assert report.current == "tiny-v3"
    assert "* tiny-v3" in models_text(report, NOW)
    assert prune(str(tmp_path / "by-another-name"), [index]).kept["tiny-v3"] == ["it is current"]
    os.remove(tmp_path / "alternatives")
    assert "current leads to 'alternatives'" in models_text(list_models(str(models)), NOW)


def test_what_a_version_that_stays_was_made_from_stays_and_older_ancestors_go(
    bundle_path: Path, index: str, tmp_path: Path
) -> None:
    line, ids = tmp_path / "line", list[str]()
    for number in range(1, 8):
        ids.append(add(line, bundle_path, number, ids[-1] if ids else None))
    set_current(line, "tiny-v7")
    report = prune(str(line), [index])
    # tiny-v1 and tiny-v4 are named by the index: made as those of `models` are, they are the same.
    assert report.kept["tiny-v3"] == ["tiny-v4 was made from it"]
    assert [each.name for each in report.pruned] == ["tiny-v2"]


def test_a_model_elsewhere_that_a_link_shows_keeps_what_it_was_made_from(
    models: Path, bundle_path: Path, index: str, tmp_path: Path
) -> None:
    add(tmp_path / "packed", bundle_path, 99, load_bundle(models / "tiny-v3").model_id)
    (models / "small").symlink_to(tmp_path / "packed" / "tiny-v99")
    report = prune(str(models), [index])
    words = "what the link 'small' leads to was made from it"
    assert report.kept["tiny-v3"] == [words]


def test_a_damaged_current_version_keeps_what_it_was_or_may_have_been_made_from(
    models: Path, index: str
) -> None:
    (models / "tiny-v4" / "head.npz").write_bytes(b"x")
    assert prune(str(models), [index]).kept["tiny-v2"] == ["tiny-v4 was made from it"]
    (models / "tiny-v4" / "bundle.json").write_text("{")
    report = prune(str(models), [index])
    words = "the current one cannot be read, and may have been made from it"
    assert report.pruned == []
    assert report.kept["tiny-v3"] == [words]
    assert report.unseen == ["tiny-v4 cannot be read, so nobody knows what it was made from"]


def test_the_model_of_a_night_that_has_not_published_stays(
    models: Path, index: str, options: TagOptions
) -> None:
    with pytest.raises(TimeUp):
        tag_catalog(replace(replace_model(options, models / "tiny-v3"), max_seconds=0))
    words = f"the last run on {index} worked with it"
    assert prune(str(models), [index]).kept["tiny-v3"] == [words]
    (newest,) = sorted(Path(index, "runs").iterdir())[-1:]
    record = json.loads(newest.read_text())
    working = record | {"state": "running", "exit_code": None, "ended_at": None, "counts": None}
    newest.write_text(json.dumps(working))
    later = record | {"run_id": "9" + record["run_id"][1:], "model_id": record["model_id"][::-1]}
    newest.with_name(f"{later['run_id']}.json").write_text(json.dumps(later))
    assert prune(str(models), [index]).kept["tiny-v3"] == [words]


def test_before_versions_go_it_says_what_cannot_be_seen(
    models: Path, index: str, bundle_path: Path, tmp_path: Path, options: TagOptions
) -> None:
    stranger = str(tmp_path / "stranger")
    add(tmp_path / "others", bundle_path, 50)
    tag_catalog(TagOptions(options.catalog, str(tmp_path / "others" / "tiny-v50"), stranger))
    text = prune_text(prune(str(models), [index, stranger]))
    assert f"{stranger} names none of these models; is it an index of theirs?" in text
    assert f"{index} names none" not in text
    assert "Not seen from here: indexes that you did not name" in text
    interrupted(models, "old", days=30)
    assert "Not seen from here" not in prune_text(prune(str(models), now=NOW))


def test_two_prunes_at_once_remove_it_once(models: Path, index: str) -> None:
    command = [sys.executable, "-m", "jobs.cli", "models", models, "--index", index]
    both = [
        subprocess.Popen(
            [*command, "--prune", "--yes", "--json"],
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    ended = [(*each.communicate(timeout=240), each.returncode) for each in both]
    assert [(error, code) for _, error, code in ended] == [("", 0)] * 2
    removed = [each for out, _, _ in ended for each in json.loads(out)["pruned"]]
    assert [(each["name"], each["error"]) for each in removed] == [("tiny-v3", None)]
    assert not [path for path in models.iterdir() if path.name.startswith(".")]


def test_a_folder_that_cannot_be_written_is_told_before_anything_goes(
    models: Path, index: str, tagger: Tagger
) -> None:
    (models / "_lock").unlink(missing_ok=True)
    (models / "_lock").mkdir()
    before = names(models)
    ended = tagger("models", models, "--index", index, "--prune", "--yes")
    assert ended.returncode == 2
    assert "cannot be written" in ended.stderr
    assert names(models) == before


@pytest.mark.skipif(os.getuid() != 0, reason="only root can work as another user")
def test_a_version_of_another_user_keeps_its_name(models: Path, tmp_path: Path) -> None:
    """Renaming it would be allowed, and removing what is in it not."""
    models.chmod(0o777)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from schemas.models import Pruned\n"
        "from tagger.models.pruning import remove\n"
        "os.setuid(65534)\n"
        "print(remove(Path(sys.argv[1]), [Pruned(name='tiny-v3', bytes=1)])[0].error)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(models)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.stdout == "Permission denied\n", ended.stderr
    assert load_bundle(models / "tiny-v3").name == "tiny-v3"
    assert not [path for path in models.iterdir() if path.name.startswith(".")]


def test_each_strange_thing_is_a_line_at_most(models: Path, tagger: Tagger) -> None:
    lines = tagger("models", models).stdout.splitlines()
    (models / "file").write_text("mine")
    (models / "broken").symlink_to("nowhere")
    (models / "loop").symlink_to("loop")
    (models / "pipe").mkdir()
    os.mkfifo(models / "pipe" / "bundle.json")
    (models / "folder" / "bundle.json").mkdir(parents=True)
    (models / "_training").mkdir()
    (models / "_training" / "file").write_text("mine")
    (models / "_training" / "linked").symlink_to("/")
    assert tagger("models", models).stdout.splitlines() == lines
    later = Path(shutil.copytree(models / "tiny-v1", models / "later"))
    described = json.loads((later / "bundle.json").read_text())
    (later / "bundle.json").write_text(json.dumps(described | {"format_version": 99}))
    half = Path(shutil.copytree(models / "tiny-v1", models / os.fsdecode(b"half\xff\n")))
    (half / "head.npz").unlink()
    ended = tagger("models", models)
    assert (ended.returncode, ended.stderr) == (0, "")
    more = [line for line in ended.stdout.splitlines() if line not in lines]
    assert len(more) == 2
    assert "format_version 99, this program has" in more[1]
    listed = json.loads(tagger("models", models, "--json").stdout)
    assert len(listed["versions"]) == 9


VERSION = st.tuples(
    st.sampled_from([f"{name}-v{number}" for name in "ab" for number in range(1, 8)] + ["small"]),
    st.booleans(),
    st.integers(0, 7),
)
"""A version's name, whether it is damaged, and which of the others is its parent."""


@given(
    drawn=st.lists(VERSION, max_size=8, unique_by=lambda version: version[0]),
    current=st.integers(0, 7),
    going_on=st.booleans(),
    looked=st.booleans(),
)
def test_what_has_no_reason_to_stay_is_needed_by_nothing(
    drawn: list[tuple[str, bool, int]], current: int, going_on: bool, looked: bool
) -> None:
    listed = [name for name, _, _ in drawn]
    rows = [
        ModelVersion(
            name=name,
            error="damaged" if damaged else None,
            parent=listed[parent] if parent < len(listed) else None,
        )
        for name, damaged, parent in drawn
    ]
    now = listed[current] if current < len(listed) else None
    training = Leftover(
        name="_training/a", kind="training", bytes=1, changed_at="", epochs=3, kept_for=["young"]
    )
    reasons = reasons_to_keep(
        rows,
        current=now,
        found=Inventory(rows, links={}, strange={}, linked={}, orphans=[]),
        leftovers=[training] if going_on else [],
        looked=looked,
    )
    free = [row for row in rows if not reasons[row.name]]
    assert not free or (looked and not going_on)
    for row in free:
        assert row.error is None
        assert row.name != now
        staying = [other for other in rows if reasons[other.name]]
        own = [other for other in staying if not reasons[other.name][0].endswith("made from it")]
        assert row.name not in [other.parent for other in own]
        family, number = row.name.split("-v")
        higher = [
            other.name
            for other in rows
            if other.error is None
            and other.name.startswith(f"{family}-v")
            and int(other.name.split("-v")[1]) > int(number)
        ]
        assert len(higher) >= NEWEST


def test_a_number_counts_however_it_is_written() -> None:
    assert newest_names(["a-v1", "a-v02", "a-v003", "a-v٤"]) == {"a-v02", "a-v003", "a-v٤"}


@given(st.sets(st.integers(1, 99)))
def test_of_each_name_the_highest_numbers_are_the_newest(numbers: set[int]) -> None:
    listed = [f"a-v{number}" for number in numbers]
    highest = sorted(numbers)[-NEWEST:]
    assert newest_names(listed) == {f"a-v{number}" for number in highest}
