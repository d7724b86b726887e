"""How good a model becomes with 10, 30, 100 and all labelled pictures of each type. Hours of
training: `make accuracy`, or `pytest -s -m accuracy tests/benchmarks/test_few_labels.py`; skipped
without the pictures.

FEW_FROM=MODEL begins with that model's trunk; it must not have seen phone photographs.
FEW_EACH=10,30 and FEW_DOMAINS=phones run a part. ACCURACY_MODELS=/path keeps the bundles, and takes
those that are there already.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from few_labels import EACH, FOLDS, Domain, apparel, phones
from test_accuracy import models, say, trained

from jobs.evaluate import evaluate

pytestmark = [pytest.mark.accuracy, pytest.mark.shared]
__all__ = ["models"]  # a fixture
FROM = os.environ.get("FEW_FROM")
SIZES = (
    [None if each == "all" else int(each) for each in os.environ["FEW_EACH"].split(",")]
    if "FEW_EACH" in os.environ
    else list(EACH)
)
DOMAINS = os.environ.get("FEW_DOMAINS", "phones,apparel").split(",")


@pytest.fixture(scope="session", params=DOMAINS)
def domain(
    request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Domain:
    if request.param == "phones":
        return phones(shared)
    return apparel(shared, tmp_path_factory.mktemp("apparel"))


@pytest.mark.parametrize("each", SIZES)
def test_few_labels_teach(domain: Domain, each: int | None, models: Path, tmp_path: Path) -> None:
    found = []
    for fold in range(FOLDS):
        start = "start" if FROM else "nothing"
        name = f"{domain.name}-{each or 'all'}-{fold}-{start}"
        labels = tmp_path / f"{name}.csv"
        domain.training(fold, each).to_csv(labels, index=False)
        root = str(domain.root)
        path = trained(models, name, labels, "type", image_root=root, seed=fold, trunk=FROM)
        domain.tested(fold).to_csv(labels, index=False)
        evaluation = evaluate(str(path), [str(labels)], image_root=root).evaluation
        top1 = evaluation.groups[0].top1
        assert top1 is not None
        assert evaluation.macro_ap is not None
        found.append((top1, evaluation.macro_ap))
        say(
            name,
            {
                "n": evaluation.pictures,
                "top1": round(top1, 4),
                "macro_ap": round(evaluation.macro_ap, 4),
            },
        )
    means = np.mean(found, axis=0)
    say(
        f"{domain.name}, {each or 'all'} a type",
        {"top1": round(means[0], 4), "macro_ap": round(means[1], 4)},
    )
    assert means[0] > 1.5 / domain.rows["type"].nunique()
