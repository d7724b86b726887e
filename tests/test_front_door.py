"""What `import tagger` offers: its surface, that it says what the nightly job says, and that it may
be used from anywhere."""

import doctest
import importlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest
from conftest import clean_environment, jpeg, settle, textured

import tagger
from jobs.tag_catalog import TagOptions, tag_catalog
from tagger.datasets.sample import Sample, draw_sample
from tagger.errors import BundleError, InputError, StoreError, TaggerError
from tagger.models.starter import STARTER

SCRIPT = """
import sys, tagger
print("once")
model = tagger.load({model!r})
table = model.predict({paths!r})
print(*table["status"])
"""


@pytest.fixture(scope="module")
def index(
    sample: Sample, bundle_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """An index with features, and its catalog."""
    folder = tmp_path_factory.mktemp("front")
    catalog = Path(shutil.copytree(sample.catalog, folder / "catalog"))
    (catalog / "empty.jpg").write_bytes(b"")
    (catalog / "page.jpg").write_text("<html>")
    settle(catalog)
    options = TagOptions(
        str(catalog), str(bundle_path), str(folder / "index"), features=True, max_error_rate=1
    )
    tag_catalog(options)
    return folder / "index", catalog


def public(thing: object) -> list[str]:
    return [name for name in dir(thing) if not name.startswith("_")]


def test_the_surface_is_exactly_this(bundle_path: Path, index: tuple[Path, Path]) -> None:
    assert tagger.__all__ == [
        "Model",
        "OpenIndex",
        "TaggerError",
        "__version__",
        "load",
        "open_index",
    ]
    assert all(hasattr(tagger, name) for name in tagger.__all__)
    with tagger.load(bundle_path) as model:
        assert public(model) == [
            *("close", "groups", "labels", "model_id", "name", "predict", "thresholds"),
        ]
    assert public(tagger.Model) == ["close", "predict"]
    assert public(tagger.open_index(index[0])) == [
        *("changes", "corrections", "labels", "look_alikes", "model_id", "snapshot", "table"),
    ]
    assert public(tagger.OpenIndex) == ["changes", "corrections", "labels", "look_alikes", "table"]
    assert (Path(tagger.__path__[0]) / "py.typed").is_file()
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        tagger.laod  # noqa: B018


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = "{'tensorflow', 'keras', 'openvino', 'ray', 'pandas', 'pyarrow', 'cv2', 'numpy'}"
    code = f"import sys, tagger; print({heavy} & set(sys.modules))"
    assert ran([sys.executable, "-c", code]) == ["set()"]


def ran(command: list[str], **options: Any) -> list[str]:
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=clean_environment(), **options
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that the examples of the docstrings are in."""
    drawn = draw_sample(tmp_path / "drawn", labelled=88, catalog=1, seed=3).labelled
    names = {
        "dress.jpg": "blue_dress/00002.jpg",
        "catalog/dresses/0001.jpg": "blue_dress/00046.jpg",
        "catalog/jeans/0002.jpg": "green_jeans/00017.jpg",
        "catalog/jeans/0003.jpg": "red_jeans/00042.jpg",
    }
    for name, source in names.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(drawn) / source, tmp_path / name)
    settle(tmp_path / "catalog")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "current").symlink_to(STARTER.resolve())
    monkeypatch.chdir(tmp_path)
    tag_catalog(TagOptions("catalog", "models/current", "index", features=True))


@pytest.mark.usefixtures("docs")
def test_the_examples_in_the_docstrings_are_true() -> None:
    for name in ("tagger", "tagger.front_door.model", "tagger.front_door.open_index"):
        failed, tried = doctest.testmod(importlib.import_module(name))
        assert (failed, tried > 5) == (0, True), name


def test_a_model_says_what_the_nightly_job_says(
    bundle_path: Path, index: tuple[Path, Path]
) -> None:
    rows = tagger.open_index(index[0]).table()
    with tagger.load(bundle_path) as model:
        table = model.predict([index[1] / image_id for image_id in rows["image_id"]])
        assert list(model.labels.values()) == list(table.columns[-len(model.labels) :])
        assert model.model_id == tagger.open_index(index[0]).model_id
        limits = tagger.open_index(index[0]).labels().set_index("column")["threshold"]
        assert dict(model.thresholds) == limits.to_dict()
    assert list(table.columns[:4]) == ["image", "status", "error", "tags"]
    answers = [name for name in table.columns if name != "image"]
    pd.testing.assert_frame_equal(table[answers], rows[answers])
    assert table["image"][0] == str(index[1] / rows["image_id"][0])
    assert set(table["status"]) > {"ok", "empty", "unsupported"}


@pytest.mark.parametrize("way", ["script", "command", "input", "interactive", "thread"])
def test_it_works_without_a_main_guard(bundle_path: Path, tmp_path: Path, way: str) -> None:
    paths = [str(tmp_path / f"{i}.jpg") for i in range(40)]
    for path in paths[1:]:
        Path(path).write_bytes(jpeg(textured(40, 40)))
    code = SCRIPT.format(model=str(bundle_path), paths=paths)
    if way == "thread":
        inner = f"threading.Thread(target=exec, args=({code!r}, {{}}))"
        code = f"import threading\nthread = {inner}\nthread.start(); thread.join()\n"
    (tmp_path / "script.py").write_text(code)
    command = {
        "command": [sys.executable, "-c", code],
        "input": [sys.executable, "-"],
        "interactive": [sys.executable, "-q", "-i", "-c", "import sys; sys.ps1 = sys.ps2 = ''"],
    }.get(way, [sys.executable, str(tmp_path / "script.py")])
    given = code if way in ("input", "interactive") else None
    ended = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=60, env=clean_environment()
    )
    assert ended.stderr.strip() == ""
    assert ended.stdout.splitlines() == ["once", " ".join(["gone", *["ok"] * 39])]


@pytest.mark.serial
def test_workers_stay_outlive_one_another_and_end_with_the_model(
    bundle_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(textured(40, 40)))
    paths = [tmp_path / "a.jpg"] * 20
    with tagger.load(bundle_path) as model:
        assert workers() == []  # none before the first file
        assert set(model.predict(paths)["status"]) == {"ok"}
        first = workers()
        assert first
        model.predict(paths)
        assert workers() == first
        os.kill(first[0], signal.SIGKILL)
        assert set(model.predict(paths)["status"]) == {"ok"}
        assert len(workers()) == len(first)
    assert workers() == []
    assert set(model.predict(paths)["status"]) == {"ok"}  # closed is not lost
    del model
    assert workers() == []


def workers() -> list[int]:
    """Return the decode processes of this process."""
    here = Path(f"/proc/{os.getpid()}/task")
    children = " ".join(path.read_text() for path in here.glob("*/children")).split()
    return sorted(
        int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )


def test_a_program_that_ends_leaves_no_worker_and_waits_for_none(
    bundle_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(textured(40, 40)))
    code = (
        f"import tagger\nmodel = tagger.load({str(bundle_path)!r})\n"
        f"model.predict({str(tmp_path / 'a.jpg')!r})\n"
        "print(*[worker.process.pid for worker in model._decoder._workers])\n"
    )
    (pids,) = ran([sys.executable, "-c", code])
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and any(map(is_there, pids.split())):
        time.sleep(0.05)
    assert not any(map(is_there, pids.split()))


def is_there(pid: str) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_arrays_are_read_as_files_are(bundle_path: Path, tmp_path: Path) -> None:
    pictures = [textured(60 + 7 * i, 90 - 5 * i, seed=i) for i in range(5)]
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for path, pixels in zip(paths, pictures, strict=True):
        cv2.imwrite(str(path), pixels[..., ::-1])
    with tagger.load(bundle_path) as model:
        of_files = model.predict(paths).drop(columns="image")
        of_arrays = model.predict(pictures)
        assert list(of_arrays["image"]) == [0, 1, 2, 3, 4]
        pd.testing.assert_frame_equal(of_arrays.drop(columns="image"), of_files)
        one = model.predict(pictures[0])
        pd.testing.assert_frame_equal(one, of_arrays[:1])
        batch = np.stack([textured(30, 40, seed=i) for i in range(70)])
        many = model.predict(batch)
        assert list(many["image"]) == list(range(70))
        pd.testing.assert_frame_equal(many, model.predict(list(batch)))
        assert set(model.predict(batch[:, ::-1, ::-1])["status"]) == {"ok"}  # a view


def test_paths_of_any_kind_are_taken(
    bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = os.fsdecode(b"caf\xe9.jpg")
    (tmp_path / odd).write_bytes(jpeg(textured(40, 40)))
    monkeypatch.chdir(tmp_path)
    with tagger.load(bundle_path) as model:
        for paths in (odd, Path(odd), [odd], (odd,), {odd}, (p for p in [odd]), np.array([odd])):
            table = model.predict(paths)
            assert (table["status"][0], table["image"][0]) == ("ok", odd)
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")  # the worker is still in the other folder
        assert list(model.predict([odd, f"../{odd}"])["status"]) == ["gone", "ok"]
        assert "No such file" in model.predict(odd)["error"][0]
        nothing = model.predict([])
        assert list(nothing.columns) == list(table.columns)
        assert len(nothing) == 0
        assert list(model.predict(tmp_path)["status"]) == ["gone"]  # a folder is no picture


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "pictures: None (NoneType)"),
        (3, "pictures: 3 (int)"),
        (b"a.jpg", "pictures: b'a.jpg' (bytes)"),
        ([b"a.jpg"], "picture 0: b'a.jpg' (bytes)"),
        (["a.jpg", None], "picture 1: None (NoneType)"),
        ("", "picture 0: '' (str)"),
        ("a\0.jpg", "picture 0: 'a\\x00.jpg' (str)"),
        (np.zeros((4, 4), np.uint8), "picture 0: an array"),
        (np.zeros((4, 4, 3), np.float32), "picture 0: an array of float32 (4, 4, 3)"),
        (np.zeros((4, 4, 4), np.uint8), "picture 0: an array of uint8 (4, 4, 4)"),
        ([np.zeros((0, 4, 3), np.uint8)], "picture 0: an array of uint8 (0, 4, 3)"),
        (["a.jpg", np.zeros((4, 4, 3), np.uint8)], "paths and arrays together"),
    ],
)
def test_what_is_no_picture_is_named(bundle_path: Path, given: Any, said: str) -> None:
    with tagger.load(bundle_path) as model, pytest.raises(InputError) as caught:
        model.predict(given)
    assert said in str(caught.value)


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nowhere"):
        tagger.load(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"model: 3 \(int\)"):
        tagger.load(3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="backend 'cuda': it is one of"):
        tagger.load(backend="cuda")  # type: ignore[arg-type]


def test_threads_take_turns(bundle_path: Path, index: tuple[Path, Path]) -> None:
    paths = sorted(index[1].rglob("*.jpg"))
    found: list[pd.DataFrame] = []
    with tagger.load(bundle_path) as model:
        expected = model.predict(paths)
        threads = [
            threading.Thread(target=lambda: found.append(model.predict(paths))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 4
    for table in found:
        pd.testing.assert_frame_equal(table, expected)


def test_a_forked_process_is_told_to_load_its_own(bundle_path: Path, tmp_path: Path) -> None:
    with tagger.load(bundle_path) as model:
        model.predict(tmp_path / "none.jpg")
        model._process += 1  # as a fork sees it
        with pytest.raises(TaggerError, match="load it in the new process"):
            model.predict(tmp_path / "none.jpg")
        model._process -= 1


@pytest.mark.tensorflow
def test_the_keras_backend_agrees(bundle_path: Path, sample: Sample) -> None:
    paths = sorted(Path(sample.catalog).rglob("*.jpg"))[:5]
    with tagger.load(bundle_path) as one, tagger.load(bundle_path, backend="keras") as other:
        columns = list(one.labels.values())
        fast, slow = (model.predict(paths)[columns].dropna() for model in (one, other))
    assert np.abs(fast.to_numpy() - slow.to_numpy()).max() < 2e-3


def test_a_table_takes_columns_and_filters(index: tuple[Path, Path]) -> None:
    night = tagger.open_index(index[0])
    whole = night.table()
    read = pd.read_parquet(os.path.realpath(index[0] / "current"))
    pd.testing.assert_frame_equal(whole.drop(columns="tags"), read.drop(columns="tags"))
    assert whole["tags"].tolist() == [list(tags) for tags in read["tags"]]
    good = whole[whole["status"] == "ok"].reset_index(drop=True)
    columns = ["color", "image_id"]
    for filters in (
        [("status", "=", "ok")],
        [[("status", "==", "ok")]],
        pc.field("status") == "ok",
    ):
        found = night.table(columns=columns, filters=filters)
        pd.testing.assert_frame_equal(found, good[columns])
    assert set(night.changes()["op"]) == {"upsert"}
    assert len(night.changes()) == len(whole)
    with pytest.raises(InputError, match="no column 'colour'; it has: image_id, status"):
        night.table(columns=["colour"])
    with pytest.raises(InputError, match="columns 'color': give a list"):
        night.table(columns="color")  # type: ignore[arg-type]
    for nonsense in ([("colour", "=", "x")], [("color", "~", "x")], [("color", "<", 3)], 3, "x"):
        with pytest.raises(InputError, match="filters"):
            night.table(filters=nonsense)


def test_one_object_is_one_night(bundle_path: Path, catalog: Path, tmp_path: Path) -> None:
    settle(catalog)
    options = TagOptions(str(catalog), str(bundle_path), str(tmp_path / "index"), max_error_rate=1)
    tag_catalog(options)
    before = tagger.open_index(tmp_path / "index")
    rows = len(before.table())
    (catalog / "new.jpg").write_bytes(jpeg(textured(40, 40)))
    tag_catalog(options)
    after = tagger.open_index(tmp_path / "index")
    assert (len(before.table()), len(after.table())) == (rows, rows + 1)
    assert before.snapshot < after.snapshot
    assert list(after.changes()["image_id"]) == ["new.jpg"]
    part = next(before._snapshot.path.glob("rows/*.parquet"))
    part.write_bytes(part.read_bytes()[:-50])
    with pytest.raises(StoreError, match="cannot be read"):
        before.table()


def test_an_index_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not there"):
        tagger.open_index(tmp_path / "nowhere")
    (tmp_path / "index" / "snapshots").mkdir(parents=True)
    with pytest.raises(StoreError, match="has no night yet"):
        tagger.open_index(tmp_path / "index")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="it is a file"):
        tagger.open_index(tmp_path / "file")
    with pytest.raises(InputError, match="give a path"):
        tagger.open_index(3)  # type: ignore[arg-type]


def test_look_alikes_are_found_by_id_and_by_file(index: tuple[Path, Path], tmp_path: Path) -> None:
    night = tagger.open_index(index[0])
    rows = night.table(columns=["image_id", "color"], filters=[("status", "=", "ok")])
    asked = rows["image_id"][0]
    by_id = night.look_alikes(asked, n=3)
    by_file = night.look_alikes(index[1] / asked, n=3)
    assert list(by_id["image_id"]) == list(by_file["image_id"])
    assert np.abs(by_id["similarity"] - by_file["similarity"]).max() < 1e-3
    assert list(by_id.columns) == ["image_id", "similarity", "color", "garment", "same"]
    assert asked not in set(by_id["image_id"])
    assert by_id["similarity"].is_monotonic_decreasing
    found = rows.set_index("image_id")["color"][list(by_id["image_id"])]
    assert found.fillna("").tolist() == by_id["color"].fillna("").tolist()
    (tmp_path / "page.jpg").write_text("<html>")
    for nothing, said in (("no-such-id", "neither an image_id"), (tmp_path / "page.jpg", "page")):
        with pytest.raises(InputError, match=said):
            night.look_alikes(nothing)
    with pytest.raises(InputError, match="at least 1"):
        night.look_alikes(asked, n=0)


def test_a_library_is_quiet_and_a_command_is_not(tmp_path: Path) -> None:
    for module, lines in (("tagger", []), ("jobs", ["a line"])):
        code = f"import {module}; from tagger.progress import say; say('a line')"
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert ended.stderr.splitlines() == lines
