"""The starter model against its card. `make accuracy`; skipped without the pictures.

The first tests measure the committed bundle, in two minutes. The last trains it again with the
card's own command, and before it what that begins with. ACCURACY_MODELS=/path keeps both, and takes
them if they are there.
"""

import hashlib
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_accuracy import models, say

from jobs.cli import run
from jobs.evaluate import evaluate
from schemas.evaluation import Evaluation
from tagger.models.bundle import load_bundle
from tagger.models.starter import STARTER

pytestmark = [pytest.mark.accuracy, pytest.mark.shared]
__all__ = ["models"]  # a fixture
SETS = ("styles.csv", "patterns.csv", "apparel", "fashion6", "phones.csv")
NAMES = Path(__file__).parent / "starter-names.csv"

PART = 1
"""Of three, by the digests of their names: the senders of phone photographs who are kept out."""
COPIES = 3
COUNTED_ONCE = {"type right": 0.8904, "type top1": 0.9166, "macro_ap": 0.8099}
"""Figures that the card has lower: it counts the copies of the hard phone photographs each time."""
FIRST = (
    "train styles.csv apparel fashion6 --models models --name starter --groups color,type "
    "--names starter-names.csv --seed 1 --min-pictures 90"
)
"""What made the model that the card's command begins with."""


@pytest.fixture
def paths(shared: Path, tmp_path: Path) -> dict[str, str]:
    """Where the last parts of paths that the card names lie here."""
    return {
        "styles.csv": str(shared / "products" / "styles.csv"),
        "patterns.csv": str(shared / "products" / "patterns.csv"),
        "apparel": str(shared / "apparel"),
        "fashion6": str(shared / "fashion6"),
        "phones.csv": str(phones(shared, tmp_path / "taught", kept_out=False)),
        "starter-names.csv": str(NAMES),
    }


def phones(shared: Path, folder: Path, *, kept_out: bool) -> Path:
    """Return a table, phones.csv, of the photographs of senders who are kept out, or of all others:
    these three times each, since they are few beside the shops'."""
    rows = pd.read_csv(shared / "phones" / "labels.csv", dtype=str)
    digests = [hashlib.sha256(sender.encode()).hexdigest() for sender in rows["sender"]]
    out = np.array([int(digest, 16) % 3 == PART for digest in digests])
    folder.mkdir(parents=True)
    copies = []
    for image, kind in rows.loc[out == kept_out, ["image", "type"]].to_numpy():
        for copy in range(1 if kept_out else COPIES):
            copies.append((f"{copy}-{image}", kind))
            shutil.copyfile(shared / "phones" / image, folder / copies[-1][0])
    pd.DataFrame(copies, columns=["image", "type"]).to_csv(folder / "phones.csv", index=False)
    return folder / "phones.csv"


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
    sets = [paths[name] for name in SETS]
    report = evaluate(str(STARTER), sets, names=str(NAMES)).evaluation
    saved = load_bundle(STARTER).metrics().evaluation
    now, then = figures(report), figures(saved)
    say("starter", {key: [round(then[key], 4), round(value, 4)] for key, value in now.items()})
    then |= COUNTED_ONCE
    far = {key: (value, now[key]) for key, value in then.items() if abs(value - now[key]) > 0.004}
    assert far == {}
    for path in sets:  # each source apart: what is learned may be a source
        own = None if path == paths["apparel"] else str(NAMES)
        apart = evaluate(str(STARTER), [path], names=own).evaluation
        say(
            Path(path).name,
            {key: round(value, 4) for key, value in figures(apart).items() if value is not None},
        )


def test_phone_photographs_of_senders_it_never_saw_get_the_right_type(
    shared: Path, tmp_path: Path
) -> None:
    table = phones(shared, tmp_path / "kept-out", kept_out=True)
    found = evaluate(str(STARTER), [str(table)], names=str(NAMES)).evaluation
    kinds = next(row for row in found.groups if row.group == "type")
    say("phones, senders kept out", [kinds.pictures, kinds.right, kinds.top1])
    assert kinds.right is not None
    assert kinds.right >= 0.55


def test_the_card_s_command_trains_a_model_as_good(paths: dict[str, str], models: Path) -> None:
    """Both commands: the first makes what the card's begins with."""
    (second,) = re.findall(r"^- made by `tagger (.+)`$", (STARTER / "README.md").read_text(), re.M)
    first = trained(FIRST, paths, models, "starter-first")
    again = trained(second, paths, models, "starter-again", trunk=first)
    then, now = (figures(load_bundle(path).metrics().evaluation) for path in (STARTER, again))
    say("trained again", {key: [round(then[key], 4), round(now[key], 4)] for key in now})
    far = {key: (then[key], now[key]) for key in now if abs(now[key] - then[key]) > 0.015}
    assert far == {}


def trained(
    command: str, paths: dict[str, str], models: Path, name: str, *, trunk: Path | None = None
) -> Path:
    """Return the bundle of a card's command, run on the pictures here unless it is there already;
    it is called otherwise than the packaged one."""
    if not (models / f"{name}-v1").is_dir():
        words = [paths.get(word, word) for word in shlex.split(command)]
        words[words.index("--models") + 1] = str(models)
        words[words.index("--name") + 1] = name
        if trunk is not None:
            words[words.index("--from") + 1] = str(trunk)
        assert run(words) == 0
    return models / f"{name}-v1"
