"""Small real things: drawn pictures, a trained network of a few filters, the real pictures where
they lie."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from jobs.train import TrainOptions, train
from schemas.training import TrainReport
from tagger.arrays import Pixels
from tagger.datasets.sample import Sample, draw_sample
from tagger.models.versions import set_current

TINY = {"size": 32, "filters": (4, 8, 8), "dense": 16}
SHARED = Path(__file__).parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("shared") and not SHARED.is_dir():
            item.add_marker(
                pytest.mark.skip(reason=f"needs the real pictures, which are not at {SHARED}")
            )


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder of the tests' own, for child processes too."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["XDG_CACHE_HOME"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    return SHARED


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A drawn labelled set of 88 pictures and a catalog of 36."""
    return draw_sample(tmp_path_factory.mktemp("sample"), labelled=88, catalog=36, seed=3)


@pytest.fixture(scope="session")
def bundle_path(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A really trained bundle of a few filters, with groups color and garment."""
    models = tmp_path_factory.mktemp("models")
    options = TrainOptions(
        (str(sample.labelled),), str(models), "tiny", "color,garment", epochs=3, architecture=TINY
    )
    return passed(train(options))


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


@pytest.fixture
def tagger() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the real command line in a real process."""

    def run(*arguments: object, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "jobs.cli", *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, env=clean_environment()
        )

    return run


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
