"""Accuracy on the real pictures: full-size networks, hours of training. `make accuracy`; skipped
without the pictures.

Every accuracy on the page beside this file comes from here. ACCURACY_MODELS=/path keeps the bundles
there, and takes those that are there already instead of training again.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import clean_environment
from msgspec.structs import asdict
from non_garments import KINDS, draw_non_garment

from jobs.evaluate import evaluate
from jobs.predict import predict
from jobs.train import TrainOptions, train
from schemas.evaluation import EvaluateReport
from schemas.record import to_json
from tagger.models.bundle import load_bundle

pytestmark = [pytest.mark.accuracy, pytest.mark.shared]
SEEDS = (1, 2, 3)
METRICS = ("binary_accuracy", "exact_match", "macro_ap")
PORT = Path(__file__).parent / "peers" / "port_train.py"
EXAMPLES = [
    "red dress",
    "blue dress",
    "red shirt",
    "blue shirt",
    "blue jeans",
    "black jeans",
    "black dress",
]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(os.environ.get("ACCURACY_MODELS") or tmp_path_factory.mktemp("accuracy"))


def trained(models: Path, name: str, dataset: Path, groups: str, **more: Any) -> Path:
    """Return a bundle, trained with the product's own command unless it is there; its summary lies
    beside it."""
    if not (models / f"{name}-v1").is_dir():
        result = train(TrainOptions((str(dataset),), str(models), name, groups, **more))
        (models / f"{name}.json").write_text(to_json(result))
    return models / f"{name}-v1"


def pairs(report: EvaluateReport) -> dict[str, tuple[int, float]]:
    """Return pictures and share with both answers right, by pair."""
    return {
        "_".join(key.split(":")[1] for key in row.pair): (
            row.pictures,
            row.both_right / row.pictures,
        )
        for row in report.evaluation.combinations
        if row.pictures
    }


def say(title: str, value: object) -> None:
    print(f"\n{title}: {json.dumps(value)}", flush=True)


def test_pairs_never_seen_come_out_right(shared: Path, models: Path) -> None:
    found: dict[str, list[float]] = {}
    for seed in SEEDS:
        path = trained(models, f"evidence{seed}", shared / "fashion6", "color,garment", seed=seed)
        report = evaluate(str(path), [str(shared / "apparel")])
        saved = load_bundle(path).metrics()
        test = asdict(saved.evaluation)
        keys = ("binary_accuracy", "exact_match", "macro_ap")
        say(
            f"seed {seed}, fashion6 test part",
            {key: round(test[key], 4) for key in keys} | asdict(saved.calibration),
        )
        say(
            f"seed {seed}, apparel",
            {pair: [n, round(share, 4)] for pair, (n, share) in pairs(report).items()},
        )
        say(f"seed {seed}, no answer to what it does not know", report.unanswered)
        for pair, (_, share) in pairs(report).items():
            found.setdefault(pair, []).append(share)
    means = {pair: float(np.mean(shares)) for pair, shares in found.items()}
    say("means", means)
    # What is wanted; README.md says what was measured, which is less for shirts and, by a little,
    # for dresses.
    wanted = {
        "black_dress": 0.88,
        "black_shirt": 0.86,
        "blue_dress": 0.95,
        "red_dress": 0.95,
        "blue_shirt": 0.95,
    }
    assert {pair: means[pair] for pair in wanted if means[pair] < wanted[pair]} == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_published_examples_come_out_right(seed: int, shared: Path, models: Path) -> None:
    path = trained(models, f"evidence{seed}", shared / "fashion6", "color,garment", seed=seed)
    pictures = sorted(str(picture) for picture in (shared / "examples").iterdir())
    results = predict(str(path), pictures).predictions
    answers = [f"{r.answers['color'].label} {r.answers['garment'].label}" for r in results]
    say(f"seed {seed}, examples", answers)
    assert answers[6] == EXAMPLES[6]
    assert "shirt" not in results[0].tags


def port(models: Path, seed: int, dataset: Path, like: Path, folder: Path) -> dict[str, float]:
    """Return seconds and test metrics of the method's port, on the split of the bundle `like`; run
    once, then kept."""
    kept = models / f"port{seed}.json"
    if not kept.exists():
        part_of = load_bundle(like).parts()
        lists: dict[str, list[str]] = {"train": [], "test": []}
        for picture in sorted(dataset.rglob("*.*")):
            part = part_of.get(hashlib.sha256(picture.read_bytes()).hexdigest())
            if part and cv2.imread(str(picture)) is not None:  # the port cannot read everything
                labels = picture.parent.name.replace("_", ",")
                lists["test" if part == "test" else "train"].append(f"{picture}\t{labels}")
        for name, lines in lists.items():
            (folder / name).write_text("\n".join(lines) + "\n")
        arguments = [sys.executable, PORT, folder / "train", folder / "test", folder / "port.keras"]
        said = subprocess.run(
            map(str, arguments), capture_output=True, text=True, env=clean_environment(), check=True
        ).stdout
        words = said.strip().splitlines()[-1].split()
        found = {
            name: float(words[at])
            for name, at in (("binary_accuracy", 4), ("exact_match", 7), ("macro_ap", 10))
        }
        kept.write_text(json.dumps(found | {"seconds": float(words[0])}))
    result: dict[str, float] = json.loads(kept.read_text())
    return result


@pytest.mark.parametrize("seed", SEEDS)
def test_the_pairs_it_saw_are_not_worse_than_the_method_s(
    seed: int, shared: Path, models: Path, tmp_path: Path
) -> None:
    path = trained(models, f"evidence{seed}", shared / "fashion6", "color,garment", seed=seed)
    theirs = port(models, seed, shared / "fashion6", path, tmp_path)
    ours = asdict(load_bundle(path).metrics().evaluation)
    say(f"seed {seed}, port", theirs)
    worse = {key: (ours[key], theirs[key]) for key in METRICS if ours[key] < theirs[key] - 0.005}
    assert worse == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_method_s_own_recipe_is_as_good_in_half_the_time(
    seed: int, shared: Path, models: Path, tmp_path: Path
) -> None:
    """To be run alone: it compares times. From reading the set to the saved bundle, where the port
    only fits."""
    path = trained(
        models, f"plain{seed}", shared / "fashion6", "color,garment", seed=seed, recipe="plain"
    )
    theirs = port(models, seed, shared / "fashion6", path, tmp_path)
    ours = asdict(load_bundle(path).metrics().evaluation)
    seconds = float(json.loads((models / f"plain{seed}.json").read_text())["seconds"])
    say(f"seed {seed}, --recipe plain", {key: ours[key] for key in METRICS} | {"seconds": seconds})
    say(f"seed {seed}, port", theirs)
    assert seconds <= theirs["seconds"] / 2
    assert {
        key: (ours[key], theirs[key]) for key in METRICS if ours[key] < theirs[key] - 0.005
    } == {}


def test_what_is_no_garment_mostly_gets_none(shared: Path, models: Path, tmp_path: Path) -> None:
    path = trained(models, "evidence1", shared / "fashion6", "color,garment", seed=1)
    random = np.random.default_rng(0)
    shares = {}
    for kind in KINDS:
        files = []
        for i in range(50):
            files.append(tmp_path / f"{kind}{i}.png")
            cv2.imwrite(str(files[-1]), draw_non_garment(kind, random)[..., ::-1])
        found = predict(str(path), [str(file) for file in files]).predictions
        shares[kind] = sum(one.answers["garment"].label is None for one in found) / len(found)
    say("no garment found in drawn things", shares)
    silent = evaluate(str(path), [str(shared / "apparel")]).unanswered["garment:shoes"]
    say("no garment found in apparel's shoes", silent)
    assert np.mean([*shares.values()]) > 0.5
    assert silent > 0.5


def test_many_labels_in_five_groups(shared: Path, models: Path) -> None:
    table, groups = shared / "products" / "styles.csv", "color,type,gender,season,usage"
    path = trained(models, "products", table, groups, min_pictures=100, seed=1)
    rows = {row.group: row for row in load_bundle(path).metrics().evaluation.groups}
    say(
        "products",
        {
            name: [row.labelled, round(row.top1, 4), round(row.right, 4)]
            for name, row in rows.items()
        },
    )
    assert rows["type"].top1 >= 0.87
    assert rows["color"].top1 >= 0.72


def test_all_of_apparel(shared: Path, models: Path) -> None:
    path = trained(models, "apparel", shared / "apparel", "color,garment", seed=1)
    seen = load_bundle(path).metrics().evaluation.seen
    say("apparel", asdict(seen))
    assert seen.share >= 0.92
