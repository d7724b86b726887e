"""What a new head costs where features are kept, beside reading every picture again. Reports; asserts no times."""

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_speed import model, pictures, timed

from jobs.retrain import RetrainOptions, retrain
from tagger.sample import draw_sample

pytestmark = pytest.mark.benchmark
PICTURES = int(os.environ.get("BENCH_BACKFILL", "6000"))
__all__ = ["model", "pictures"]  # fixtures of the speed comparison


@pytest.fixture(scope="module")
def catalog(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures under many names, a trailing byte altered, so that nothing is scored once for being equal."""
    root = tmp_path_factory.mktemp("bench-backfill")
    contents = [path.read_bytes() for path in sorted(pictures.rglob("*.*")) if path.is_file()]
    for i in range(PICTURES):
        path = root / f"f{i // 1000:03d}" / f"{i:06d}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(contents[i % len(contents)] + i.to_bytes(4, "little"))
        os.utime(path, (1.6e9, 1.6e9))
    return root


def night(catalog: Path, model: Path, index: Path, *more: str) -> tuple[float, dict[str, Any]]:
    tag = ("-m", "jobs.cli", "tag", catalog, "--model", model, "--index", index, "--max-error-rate", "1", "--json")
    seconds, said = timed(*tag, *more)
    summary = json.loads(said)
    record = json.loads((index / "runs" / f"{summary['run_id']}.json").read_text())
    return seconds, summary | {"stages": record["seconds"]}


def test_a_new_head_is_scored_from_features(model: Path, catalog: Path, tmp_path: Path) -> None:
    sample = draw_sample(tmp_path / "sample", labelled=110, catalog=1)
    options = RetrainOptions((str(sample.labelled),), str(model), str(tmp_path / "models"), tolerance=100, epochs=1)
    same_trunk = Path(retrain(RetrainOptions(**options.__dict__ | {"freeze_trunk": True}))["bundle"])
    plain, _ = night(catalog, model, tmp_path / "plain")
    kept, _ = night(catalog, model, tmp_path / "index", "--features")
    from_features, second = night(catalog, same_trunk, tmp_path / "index")
    read, reading = night(catalog, same_trunk, tmp_path / "read")
    nothing, _ = night(catalog, same_trunk, tmp_path / "index")
    assert second["plan"]["to_read"] == second["scored"] == 0
    assert second["plan"]["from_features"] == reading["scored"]
    paths = [os.path.realpath(tmp_path / name / "current") for name in ("index", "read")]
    both = [pd.read_parquet(path).set_index("image_id") for path in paths]
    scores = [column for column in both[0] if column.startswith("score_")]
    largest = float((both[0][scores] - both[1][scores]).abs().max().max())
    assert largest <= 0.002
    size = sum(path.stat().st_size for path in (tmp_path / "index" / "features").rglob("*.parquet"))
    n = second["plan"]["from_features"]
    job = reading["stages"]["total"] / second["stages"]["total"]
    rescoring = second["stages"]["rescore"]
    scoring = reading["stages"]["wait"] + reading["stages"]["infer"]
    print(
        f"\n{n:,} pictures: read {read:.2f} s (with --features {kept / plain:.2f} of without), from features "
        f"{from_features:.2f} s, nothing to do {nothing:.2f} s, each from start to end of the process: x "
        f"{read / from_features:.1f}; the job without the process's start x {job:.0f}, scoring alone x "
        f"{scoring / rescoring:.0f}, {1e6 * rescoring / n:.0f} us. Largest difference of a score {largest:.4f}. "
        f"{size / n:,.0f} bytes a picture, {size / n / 1e3:.2f} GB a million. stages {second['stages']}"
    )


def test_a_product_of_features_and_head_alone(model: Path) -> None:
    """The least it could cost: the product, in memory."""
    from tagger.bundle import load_bundle

    head = load_bundle(model).head()
    features = np.random.default_rng(0).random((20_000, head.kernel.shape[0])).astype(np.float16)
    start = time.perf_counter()
    logits = features.astype(np.float32) @ head.kernel + head.bias
    seconds = time.perf_counter() - start
    print(f"\n{len(logits):,} products of float16 features in memory: {1e6 * seconds / len(logits):.1f} us each")
