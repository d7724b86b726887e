"""Small real things: drawn pictures, a trained network of a few filters, the real pictures where
they lie."""

import hashlib
import io
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import cv2
import numpy as np
import pandas as pd
import pytest
from long_tests import draw, record, recorded
from sharing import Groups, groups_file, in_order, made_once, write_groups

from jobs.cli import run
from jobs.tag_catalog import TagOptions
from jobs.train import TrainOptions, train
from schemas.training import TrainReport
from tagger.arrays import Pixels
from tagger.datasets.sample import Sample, draw_sample
from tagger.models.versions import set_current

if TYPE_CHECKING:
    from shop import Mails, Shop

TINY = {"size": 32, "filters": (4, 8, 8), "dense": 16}
SHARED = Path(__file__).parents[2] / "shared" / "data"
if "PYTEST_XDIST_WORKER" in os.environ:  # side by side, more threads than processors only wait
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
_DRAWN = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long-minutes",
        type=float,
        metavar="N",
        help="of the long tests, run some that took N minutes at most, drawn by the date",
    )
    parser.addoption(
        "--record-long", action="store_true", help="keep how long each of the long tests takes"
    )
    parser.addoption(
        "--renew-drills", action="store_true", help="write the golden mails of tests/drills/ anew"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("shared") and not SHARED.is_dir():
            item.add_marker(
                pytest.mark.skip(reason=f"needs the real pictures, which are not at {SHARED}")
            )
    if (minutes := config.getoption("--long-minutes")) is not None:
        _keep_drawn(config, items, minutes)
    items[:] = in_order(items)
    write_groups(config, items)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process, which is about to start, where to write its groups."""
    node.workerinput["groups"] = str(groups_file(node.config))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    return Groups(config, log)


def _keep_drawn(config: pytest.Config, items: list[pytest.Item], minutes: float) -> None:
    """Leave of the long tests those of today."""
    seconds = recorded()
    names = [item.nodeid for item in items if item.get_closest_marker("long")]
    drawn = draw(names, seconds, 60 * minutes, datetime.now(UTC).date())
    config.stash[_DRAWN] = [f"{seconds[name]:6.0f} s  {name}" for name in drawn]
    left = [item for item in items if item.nodeid not in drawn]
    items[:] = [item for item in items if item.nodeid in drawn]
    config.hook.pytest_deselected(items=left)


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    drawn = config.stash.get(_DRAWN, None)
    return [] if drawn is None else ["Drawn by the date, with what each took last:", *drawn]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Keep the durations of long tests that passed, where that was asked for."""
    if not config.getoption("--record-long"):
        return
    took: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", []):
        took[report.nodeid] += report.duration
    record(took)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder of the tests' own, for child processes too."""
    folder = made_once(tmp_path_factory, "cache", lambda new: None)
    os.environ["XDG_CACHE_HOME"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    return SHARED


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A drawn labelled set of 88 pictures and a catalog of 36; tests only read them."""

    def drawn(folder: Path) -> None:
        truth = draw_sample(folder, labelled=88, catalog=36, seed=3).truth
        (folder / "truth.json").write_text(json.dumps(truth))

    folder = made_once(tmp_path_factory, "sample", drawn)
    truth = json.loads((folder / "truth.json").read_text())
    pairs = {image_id: (color, garment) for image_id, (color, garment) in truth.items()}
    return Sample(folder / "labelled", folder / "catalog", pairs)


@pytest.fixture(scope="session")
def bundle_path(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A really trained bundle of a few filters, with groups color and garment; tests only read
    it."""

    def trained(models: Path) -> None:
        sets = (str(sample.labelled),)
        groups = "color,garment"
        passed(train(TrainOptions(sets, str(models), "tiny", groups, epochs=3, architecture=TINY)))

    return made_once(tmp_path_factory, "models", trained) / "tiny-v1"


@contextmanager
def eager() -> Iterator[None]:
    """Train step by step rather than as a compiled graph.

    Of the seconds that a training of three steps takes, most go into compiling. It is for tests of
    what a training is given and what becomes of it; tests of fitting itself compile.
    """
    from tagger.backend import tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.fixture
def eagerly() -> Iterator[None]:
    """The test's trainings compile nothing."""
    with eager():
        yield


def passed(trained: TrainReport) -> Path:
    """Return the bundle of a training of seconds, its gate as if it were better than guessing; it
    becomes current."""
    path = Path(trained.bundle)
    set_gate(path, passed=True, worse=[])
    set_current(path.parent, path.name)
    return path


def set_gate(bundle: Path, **changes: Any) -> None:
    """Change the gate of a bundle, everything else being as it was saved."""
    gate, described = (
        json.loads((bundle / name).read_text()) for name in ("gate.json", "bundle.json")
    )
    (bundle / "gate.json").write_text(json.dumps(gate | changes))
    described["files"]["gate.json"] = hashlib.sha256(
        (bundle / "gate.json").read_bytes()
    ).hexdigest()
    (bundle / "bundle.json").write_text(json.dumps(described))


@pytest.fixture
def catalog(sample: Sample, tmp_path: Path) -> Path:
    """A catalog of its own: links would be no regular files, so copies."""
    import shutil

    return Path(shutil.copytree(sample.catalog, tmp_path / "catalog"))


@pytest.fixture(scope="session")
def first_shop(tmp_path_factory: pytest.TempPathFactory) -> "Shop":
    """A shop with a first night behind it; tests only copy it."""
    from shop import Shop

    return Shop(made_once(tmp_path_factory, "shop", lambda home: Shop(home).open()))


@pytest.fixture
def shop(first_shop: "Shop", tmp_path: Path) -> "Shop":
    """A shop of a test's own."""
    return first_shop.copy_to(tmp_path / "shop")


@pytest.fixture
def mails(shop: "Shop", request: pytest.FixtureRequest) -> "Mails":
    """What holds the shop's mails to their golden files."""
    from shop import Mails

    return Mails(shop, renew=request.config.getoption("--renew-drills"))


Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def options(catalog: Path, bundle_path: Path, tmp_path: Path) -> TagOptions:
    """What `tagger tag` is asked for a catalog and an index of a test's own."""
    settle(catalog)
    return TagOptions(str(catalog), str(bundle_path), str(tmp_path / "index"), workers=1)


def current_rows(options: TagOptions) -> pd.DataFrame:
    """Return the rows that readers see, by image_id."""
    night = os.path.realpath(Path(options.index) / "current")
    return pd.read_parquet(night).set_index("image_id").sort_index()


@pytest.fixture
def tagger() -> Command:
    """Run the command line in this process: what it prints, and its exit code."""
    return in_this_process


@pytest.fixture
def tagger_process() -> Command:
    """Run the command line in a process of its own."""
    return in_its_own_process


def in_this_process(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a command of `tagger` without the second or two that a process takes to load it."""
    words = [str(argument) for argument in arguments]
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, clean_environment(), clear=True),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code = run(words)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def in_its_own_process(
    *arguments: object, timeout: float = 120
) -> "subprocess.CompletedProcess[str]":
    """Run a command of `tagger` as a shell does."""
    command = [sys.executable, "-m", "jobs.cli", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, env=clean_environment()
    )


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("COLUMNS")} | {
        "COLUMNS": "200",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }


def settle(catalog: Path) -> None:
    """Give every file a past: what was written within 2 s of being read would be read again by the
    next run."""
    for path in catalog.rglob("*"):
        if path.is_file():
            os.utime(path, (1.7e9, 1.7e9))


def jpeg(pixels: Pixels, quality: int = 95) -> bytes:
    """Return uint8 (height, width, 3) RGB as JPEG."""
    encoded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return bytes(encoded)


def textured(height: int, width: int, seed: int = 0) -> Pixels:
    """Return a picture that compresses badly: smooth noise in all channels."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 255, (height // 8 + 1, width // 8 + 1, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
