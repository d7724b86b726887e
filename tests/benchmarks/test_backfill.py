"""What a new head costs where features are kept, beside reading every picture again. Reports;
asserts no times."""

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from measuring import originals, ratio
from test_speed import model, night

from jobs.retrain import RetrainOptions, retrain
from tagger.datasets.sample import draw_sample

pytestmark = pytest.mark.benchmark
__all__ = ["model", "originals", "ratio"]  # fixtures


def test_a_new_head_is_scored_from_features(
    model: Path, originals: Path, tmp_path: Path, ratio: Any
) -> None:
    sample = draw_sample(tmp_path / "sample", labelled=110, catalog=1)
    options = RetrainOptions(
        (str(sample.labelled),),
        str(model),
        str(tmp_path / "models"),
        tolerance=100,
        epochs=1,
        accept_new_labels=True,
    )
    same_trunk = Path(retrain(RetrainOptions(**options.__dict__ | {"freeze_trunk": True})).bundle)
    plain, _ = night(originals, model, tmp_path / "plain")
    kept, _ = night(originals, model, tmp_path / "index", "--features")
    from_features, second = night(originals, same_trunk, tmp_path / "index", "--force-model")
    read, reading = night(
        originals, same_trunk, tmp_path / "read", "--force-model", "--backend", "openvino"
    )  # features are float32's
    nothing, _ = night(originals, same_trunk, tmp_path / "index", "--force-model")
    assert second["plan"]["to_read"] == second["counts"]["scored"] == 0
    assert second["plan"]["from_features"] == reading["counts"]["scored"]
    paths = [os.path.realpath(tmp_path / name / "current") for name in ("index", "read")]
    both = [pd.read_parquet(path).set_index("image_id") for path in paths]
    scores = [column for column in both[0] if column.startswith("score_")]
    largest = float((both[0][scores] - both[1][scores]).abs().max().max())
    assert largest <= 0.002
    size = sum(path.stat().st_size for path in (tmp_path / "index" / "features").rglob("*.parquet"))
    n = second["plan"]["from_features"]
    rescoring = second["seconds"]["rescore"]
    scoring = reading["seconds"]["last"] - reading["seconds"]["first"]
    print(
        f"\n{n:,} pictures: read {read.seconds:.2f} s, from features {from_features.seconds:.2f} "
        "s, nothing to do "
        f"{nothing.seconds:.2f} s, each from start to end of the process. Scoring alone "
        f"{1e6 * rescoring / n:.0f} us. "
        f"Largest difference of a score {largest:.4f}. {size / n:,.0f} bytes a picture, "
        f"{size / n / 1e3:.2f} GB a "
        f"million. stages {second['seconds']}; with --features {kept.seconds:.2f} s, without "
        f"{plain.seconds:.2f} s"
    )
    ratio(
        f"{originals.name}: a night of reading / a night from features",
        read.seconds / from_features.seconds,
    )
    ratio(
        f"{originals.name}: reading and scoring a picture / scoring it from features",
        scoring / rescoring,
    )
    ratio(f"{originals.name}: first night with --features / without", kept.seconds / plain.seconds)
