"""Growing a model on the real pictures: full-size networks, hours. `make accuracy`; skipped without
the pictures.

ACCURACY_MODELS=/path keeps the bundles there, and takes those that are there already instead of
training again.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from test_accuracy import models, say, trained

from jobs.evaluate import evaluate
from jobs.retrain import RetrainOptions, gate_text, retrain
from schemas.record import to_json
from tagger.imaging.decoder import Decoder
from tagger.models.bundle import Bundle, load_bundle
from tagger.models.predictor import make_predictor

pytestmark = [pytest.mark.accuracy, pytest.mark.shared]
__all__ = ["models"]  # a fixture
OLD = [
    "black_dress",
    "black_pants",
    "black_shirt",
    "blue_dress",
    "blue_pants",
    "blue_shirt",
    "red_dress",
    "red_pants",
]
NEW = ("color:white", "color:green", "color:brown", "garment:shoes", "garment:shorts")


@pytest.fixture(scope="module")
def sets(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Apparel's folders of old labels alone, and the others."""
    root = tmp_path_factory.mktemp("apparel")
    for folder in sorted((shared / "apparel").iterdir()):
        shutil.copytree(folder, root / ("old" if folder.name in OLD else "new") / folder.name)
    return root / "old", root / "new"


def grown(models: Path, parent: Path, name: str, *sets: Path, **more: object) -> Path:
    """Return the retrained bundle, made unless it is there; its summary lies beside it."""
    if not (models / f"{name}-v1").is_dir():
        options = RetrainOptions(
            tuple(map(str, sets)), str(parent), str(models), NEW, name=name, promote=False
        )
        result = retrain(RetrainOptions(**options.__dict__ | more))
        (models / f"{name}.json").write_text(to_json(result))
    return models / f"{name}-v1"


def label_aps(path: Path, dataset: Path) -> dict[str, float | None]:
    rows = evaluate(str(path), [str(dataset)]).evaluation.labels
    return {row.label: row.ap for row in rows}


def seconds(models: Path, name: str) -> float:
    return float(json.loads((models / f"{name}.json").read_text())["seconds"])


def mean_of(aps: dict[str, float | None], labels: list[str]) -> float:
    return float(np.mean([aps[label] for label in labels]))


@pytest.mark.parametrize(
    ("name", "replay", "allowed", "wanted"),
    [("replayed", True, 0.005, 0.95), ("distilled", False, 0.02, 0.93)],
)
def test_new_labels_are_learned_and_old_ones_kept(
    name: str, replay: bool, allowed: float, wanted: float, sets: tuple[Path, Path], models: Path
) -> None:
    old, new = sets
    parent = trained(models, "parent", old, "color,garment", seed=1)
    path = grown(models, parent, name, *((old, new) if replay else (new,)))
    result = json.loads((models / f"{name}.json").read_text())
    print("\n" + gate_text(load_bundle(path).gate))
    before, after, on_new = label_aps(parent, old), label_aps(path, old), label_aps(path, new)
    kept = [label.key for label in load_bundle(parent).vocabulary.labels]
    say(
        f"{name}, {result['seconds']:.0f} s",
        {
            "old labels on the parent's test part": [mean_of(before, kept), mean_of(after, kept)],
            "each": {label: [before[label], after[label]] for label in kept},
            "new labels on the new test part": mean_of(on_new, [*NEW]),
            "exact match": result["evaluation"]["exact_match"],
            "both right": result["evaluation"]["seen"]["share"],
        },
    )
    assert mean_of(after, kept) >= mean_of(before, kept) - allowed
    assert mean_of(on_new, [*NEW]) >= wanted


def test_growing_takes_half_the_time_of_training_from_nothing_at_most(
    shared: Path, models: Path
) -> None:
    """To be run alone: it compares times."""
    trained(models, "apparel", shared / "apparel", "color,garment", seed=1)
    nothing = seconds(models, "apparel")
    shares = {name: seconds(models, name) / nothing for name in ("replayed", "distilled")}
    say("share of the time of training from nothing", shares | {"from nothing, s": nothing})
    assert max(shares.values()) <= 0.5


def test_look_alikes_are_of_the_same_pair(shared: Path, models: Path) -> None:
    """Precision at 10 by pair: of a test picture's ten nearest among the other test pictures."""
    path = trained(models, "apparel", shared / "apparel", "color,garment", seed=1)
    bundle = load_bundle(path)
    features, pairs = features_of_the_test_part(bundle, shared / "apparel")
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -2)
    nearest = np.argsort(-likeness, axis=1)[:, :10]
    hits = (pairs[nearest] == pairs[:, None]).mean(axis=1)
    by_pair = {
        str(pair): [int((pairs == pair).sum()), float(hits[pairs == pair].mean())]
        for pair in np.unique(pairs)
    }
    say("precision at 10", {"all": float(hits.mean()), "by pair": by_pair})
    assert hits.mean() > 0.5


def features_of_the_test_part(bundle: Bundle, dataset: Path) -> tuple[np.ndarray, np.ndarray]:
    test = {row["content_sha256"] for row in bundle.split().to_pylist() if row["part"] == "test"}
    paths = sorted(
        path
        for path in dataset.rglob("*.*")
        if hashlib.sha256(path.read_bytes()).hexdigest() in test
    )
    predictor = make_predictor(bundle)
    features, pairs = [], []
    with Decoder(bundle.reading, workers=os.cpu_count() or 1) as decoder:
        for chunk in decoder.decode(
            (at, [str(p) for p in paths[at : at + 64]]) for at in range(0, len(paths), 64)
        ):
            ok = np.array([facts.status == "ok" for facts in chunk.facts])
            features.append(predictor.infer(chunk.pixels).features[ok])
            pairs += [
                path.parent.name for path, good in zip(paths[chunk.key :], ok, strict=False) if good
            ]
    return np.concatenate(features), np.array(pairs)
