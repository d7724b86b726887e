"""What corrections teach, of the least sure answers and at random. Half an hour of training:
`make accuracy`, or pytest -m accuracy tests/benchmarks/test_circle.py -s.

The page beside this file has the figures. CIRCLE=/path keeps the models and the indexes there.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from circle import (
    at_random,
    correct,
    least_sure,
    make_world,
    measured,
    read_pictures,
    tag,
    train_weak,
    trained_again,
)

pytestmark = [pytest.mark.accuracy, pytest.mark.shared]
SEEDS = (1, 2, 3)
NOISE = 2.0
"""Points by which means of three such models differ without a reason."""


def say(title: str, value: object) -> None:
    print(f"\n{title}: {json.dumps(value)}", flush=True)


def test_corrections_of_the_least_sure_answers_teach_and_as_well_as_random_ones(
    shared: Path, tmp_path: Path
) -> None:
    root = Path(os.environ.get("CIRCLE") or tmp_path)
    pictures = read_pictures(shared / "apparel", root / "pixels")
    both: dict[str, list[float]] = {"weak": [], "least sure": [], "random": []}
    for seed in SEEDS:
        folder = root / f"seed{seed}"
        world = make_world(pictures, folder, seed=seed)
        weak = train_weak(world, folder / "models", seed=seed)
        tag(world, weak, folder / "index")
        chosen = {
            "least sure": least_sure(folder / "index"),
            "random": at_random(folder / "index", seed=seed),
        }
        models = {"weak": weak}
        for name, images in chosen.items():
            called = name.replace(" ", "-")
            index = correct(world, folder / "index", images, folder / f"index-{called}")
            models[name] = trained_again(world, index, folder / "models", called, seed=seed)
        for name, model in models.items():
            found = measured(model, world.held_out)
            say(f"seed {seed}, {name}", found)
            both[name].append(found["both"])
    means = {name: float(np.mean(shares)) for name, shares in both.items()}
    say("means, both right", means)
    assert means["least sure"] > means["weak"] + NOISE
    assert means["least sure"] > means["random"] - NOISE
