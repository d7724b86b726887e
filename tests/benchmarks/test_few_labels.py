"""How good a model becomes with 10, 30, 100 and all labelled pictures of each type. Hours of
training: `make accuracy`, or `pytest -s -m accuracy tests/benchmarks/test_few_labels.py`; skipped
without the pictures.

FEW_FROM=MODEL begins with that model's trunk; it must not have seen phone photographs.
FEW_UNLABELLED=1 lets the pictures teach whose labels a training does not get.
FEW_EACH=10,30 and FEW_DOMAINS=phones run a part. ACCURACY_MODELS=/path keeps the bundles, and takes
those that are there already.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from few_labels import EACH, FOLDS, Domain, apparel, phones
from test_accuracy import models, say, trained

from jobs.evaluate import evaluate

pytestmark = [pytest.mark.accuracy, pytest.mark.shared]
__all__ = ["models"]  # a fixture
FROM = os.environ.get("FEW_FROM")
UNLABELLED = bool(os.environ.get("FEW_UNLABELLED"))
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


def catalog_of(domain: Domain, fold: int, each: int | None, folder: Path) -> str | None:
    """Return a folder with the pictures whose labels the fold does not get, where they teach."""
    pictures = domain.unlabelled(fold, each) if UNLABELLED else []
    for picture in pictures:
        (folder / picture).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(domain.root / picture, folder / picture)
    return str(folder) if pictures else None


@pytest.mark.parametrize("each", SIZES)
def test_few_labels_teach(domain: Domain, each: int | None, models: Path, tmp_path: Path) -> None:
    found = []
    for fold in range(FOLDS):
        start = "start" if FROM else "nothing"
        catalog = catalog_of(domain, fold, each, tmp_path / f"catalog{fold}")
        more = "-unlabelled" if catalog else ""
        name = f"{domain.name}-{each or 'all'}-{fold}-{start}{more}"
        labels = tmp_path / f"{name}.csv"
        domain.training(fold, each).to_csv(labels, index=False)
        root = str(domain.root)
        path = trained(
            models,
            name,
            labels,
            "type",
            image_root=root,
            seed=fold,
            trunk=FROM,
            unlabelled=catalog,
        )
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
