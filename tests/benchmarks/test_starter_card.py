"""The starter model against its card. `make accuracy`; skipped without the pictures.

The first test measures the committed bundle, in a minute. The second trains it again with the
card's own command. ACCURACY_MODELS=/path keeps that, and takes it if it is there.
"""

import re
import shlex
from pathlib import Path

import pytest
from test_accuracy import models, say

from jobs.cli import run
from jobs.evaluate import evaluate
from schemas.evaluation import Evaluation
from tagger.models.bundle import load_bundle
from tagger.models.starter import STARTER

pytestmark = [pytest.mark.accuracy, pytest.mark.shared]
__all__ = ["models"]  # a fixture
NAMES = Path(__file__).parent / "starter-names.csv"


@pytest.fixture
def paths(shared: Path) -> dict[str, str]:
    """Where the last parts of paths that the card names lie here."""
    return {
        "styles.csv": str(shared / "products" / "styles.csv"),
        "apparel": str(shared / "apparel"),
        "fashion6": str(shared / "fashion6"),
        "starter-names.csv": str(NAMES),
    }


def figures(evaluation: Evaluation) -> dict[str, float]:
    groups = {
        f"{row.group} {key}": getattr(row, key)
        for row in evaluation.groups
        for key in ("right", "top1")
    }
    return groups | {
        key: getattr(evaluation, key) for key in ("macro_ap", "exact_match", "calibration_error")
    }


def test_the_packed_starter_is_as_good_as_its_card_says(paths: dict[str, str]) -> None:
    sets = [paths[name] for name in ("styles.csv", "apparel", "fashion6")]
    report = evaluate(str(STARTER), sets, names=str(NAMES)).evaluation
    saved = load_bundle(STARTER).metrics().evaluation
    now, then = (
        figures(report),
        figures(saved),
    )  # not to the digit: training's test part counts equal files each time
    say("starter", {key: [round(then[key], 4), round(value, 4)] for key, value in now.items()})
    assert {
        key: (value, now[key]) for key, value in then.items() if abs(value - now[key]) > 0.004
    } == {}
    for path in sets:  # each source apart: what is learned may be a source
        own = None if path == paths["apparel"] else str(NAMES)
        apart = evaluate(str(STARTER), [path], names=own).evaluation
        say(
            Path(path).name,
            {key: round(value, 4) for key, value in figures(apart).items() if value is not None},
        )


def test_the_card_s_command_trains_a_model_as_good(paths: dict[str, str], models: Path) -> None:
    (command,) = re.findall(
        r"^- made by `(.+)`$", (STARTER / "README.md").read_text(), re.MULTILINE
    )
    if not (models / "starter-again-v1").is_dir():
        words = [paths.get(word, word) for word in shlex.split(command)[1:]]
        words[words.index("--models") + 1] = str(models)
        words[words.index("--name") + 1] = (
            "starter-again"  # never the one that the starter was packed from
        )
        assert run(words) == 0
    then, now = (
        figures(load_bundle(path).metrics().evaluation)
        for path in (STARTER, models / "starter-again-v1")
    )
    say(
        "trained again", {key: [round(then[key], 4), round(value, 4)] for key, value in now.items()}
    )
    assert {
        key: (then[key], value) for key, value in now.items() if abs(value - then[key]) > 0.015
    } == {}
