"""Speed, as ratios against peers on the same pictures and machine, one after the other. Reports; asserts no times.

`make bench`; with `BENCH_CATALOG=/path` on pictures of your own instead of drawn ones.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import clean_environment, jpeg

from jobs.train import TrainOptions, train
from tagger.sample import COLORS, GARMENTS, draw, draw_sample

pytestmark = pytest.mark.benchmark
PEERS = Path(__file__).parent / "peers"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network in its published size; one epoch, since only its speed matters here."""
    folder = tmp_path_factory.mktemp("bench-model")
    sample = draw_sample(folder, labelled=110, catalog=1)
    return Path(
        train(TrainOptions((str(sample.labelled),), str(folder / "models"), groups="color,garment", epochs=1))["bundle"]
    )


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 photographs of 1600 x 2000 pixels, unless BENCH_CATALOG names others."""
    if given := os.environ.get("BENCH_CATALOG"):
        return Path(given)
    folder, random = tmp_path_factory.mktemp("bench-pictures"), np.random.default_rng(0)
    for i in range(300):
        small = draw(list(COLORS)[i % 4], list(GARMENTS)[i % 3], random)
        large = cv2.resize(small, (1600, 2000), interpolation=cv2.INTER_CUBIC)
        noisy = np.clip(large + random.normal(0, 4, large.shape), 0, 255).astype(np.uint8)
        (folder / f"{i:04d}.jpg").write_bytes(jpeg(noisy, 88))
    return folder


def timed(*command: object) -> tuple[float, str]:
    start = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, env=clean_environment(), check=True
    )
    return time.perf_counter() - start, ended.stdout


def test_tagging_against_what_people_write_today(model: Path, pictures: Path, tmp_path: Path) -> None:
    tag = ("-m", "jobs.cli", "tag", pictures, "--model", model, "--index", tmp_path / "index", "--json")
    ours, said = timed(*tag, "--max-error-rate", "1")
    summary = json.loads(said)
    results = {"tagger tag": (ours, summary["scored"])}
    for name in ("seed_loop", "keras_pipeline"):
        seconds, said = timed(PEERS / f"{name}.py", model / "model.keras", pictures, tmp_path / f"{name}.parquet")
        results[name] = (seconds, int(said.split()[-1]))
    seconds, said = timed(PEERS / "decode_ceiling.py", pictures)
    results["decode_ceiling (no network)"] = (seconds, int(said.split()[0]))
    print()
    for name, (seconds, n) in results.items():
        rate, mine = n / seconds, summary["scored"] / ours
        print(f"{name:28} {n:6} pictures {seconds:8.2f} s {rate:8.1f} images/s, tagger tag is x {mine / rate:.2f}")
    assert all(n for _, n in results.values())


def test_training_against_the_port_of_the_method(tmp_path: Path) -> None:
    """Seconds per epoch and picture; both side by side on drawn pictures."""
    sample = draw_sample(tmp_path, labelled=440, catalog=1)
    result = train(TrainOptions((str(sample.labelled),), str(tmp_path / "models"), groups="color,garment", epochs=3))
    ours = result["seconds"] / 3 / result["pictures"]["train"]
    paths = sorted(sample.labelled.rglob("*.jpg"))
    rows = [f"{path}\t{path.parent.name.replace('_', ',')}" for path in paths]
    (tmp_path / "train.txt").write_text("\n".join(rows) + "\n")
    (tmp_path / "test.txt").write_text("\n".join(rows[::5]) + "\n")
    _, said = timed(PEERS / "port_train.py", tmp_path / "train.txt", tmp_path / "test.txt", tmp_path / "p.keras", 3)
    seconds = re.search(r"(\d+) s  binary", said)
    assert seconds is not None
    port = int(seconds[1]) / 3 / len(rows)
    print(f"\nper picture and epoch: ours {ours * 1e3:.1f} ms, port {port * 1e3:.1f} ms, ratio {ours / port:.2f}")
