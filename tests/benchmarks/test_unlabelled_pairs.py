"""What pictures without labels teach about combinations never seen. Two trainings of full size, an
hour on one core: `make accuracy`, or `pytest -s -m accuracy
tests/benchmarks/test_unlabelled_pairs.py`; skipped without the pictures.

Two thirds of apparel, in no order and without labels, are the catalog; the last third, of which no
near-duplicate is among them, is measured. ACCURACY_MODELS=/path keeps the bundles, and takes those
that are there already.
"""

import shutil
from pathlib import Path

import pytest
from few_labels import apparel
from test_accuracy import models, pairs, say, trained

from jobs.evaluate import evaluate

pytestmark = [pytest.mark.accuracy, pytest.mark.shared]
__all__ = ["models"]  # a fixture
MEASURED = 0
"""The fold that is measured on."""


def test_a_catalog_without_labels_makes_no_pair_worse(
    shared: Path, models: Path, tmp_path: Path
) -> None:
    domain = apparel(shared, tmp_path)
    measured = domain.rows["fold"] == MEASURED
    for folder, images in (
        ("catalog", domain.rows.loc[~measured, "image"]),
        ("measured", domain.rows.loc[measured, "image"]),
    ):
        for image in images:
            copy = tmp_path / folder / image
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(domain.root / image, copy)
    found = {}
    for name, catalog in (
        ("evidence1", None),
        ("unlabelled1", str(tmp_path / "catalog")),
    ):
        labelled = shared / "fashion6"
        model = trained(models, name, labelled, "color,garment", seed=1, unlabelled=catalog)
        report = evaluate(str(model), [str(tmp_path / "measured")])
        found[name] = pairs(report)
        say(name, {pair: [n, round(share, 4)] for pair, (n, share) in found[name].items()})
    # Two of a hundred are the noise of some hundred pictures.
    worse = {
        pair: (share, found["evidence1"][pair][1])
        for pair, (_, share) in found["unlabelled1"].items()
        if share < found["evidence1"][pair][1] - 0.02
    }
    assert worse == {}
