"""A model that is no better than guessing is saved, and never becomes current without a word."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import TINY, set_gate
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.models import list_models, promote
from jobs.models_text import models_text
from jobs.tag_catalog import TagOptions, dry_run
from jobs.train import TrainOptions, train, train_text
from schemas.bundle import Gate
from schemas.evaluation import GroupVerdict, Verdict
from schemas.training import TrainReport
from tagger.errors import GateFailed
from tagger.evaluation.verdict import give_verdict
from tagger.labels.vocabulary import Vocabulary, parse_groups

pytestmark = pytest.mark.tensorflow

COLORS = Vocabulary.build(parse_groups("color"), [("color", "red"), ("color", "blue")])
BGR = {"red": (40, 30, 220), "blue": (220, 40, 30)}


def drawn_set(root: Path, *, shuffled: bool) -> Path:
    """Draw 240 small pictures of red or blue things, in folders that say so, or say anything."""
    random = np.random.default_rng(0)
    for i in range(240):
        color = ("red", "blue")[i % 2]
        said = str(random.choice(["red", "blue"])) if shuffled else color
        pixels = (random.integers(160, 240) + random.integers(-15, 15, (8, 8, 3))).astype(np.uint8)
        pixels = cv2.resize(pixels, (40, 40), interpolation=cv2.INTER_CUBIC)
        at = tuple(int(x) for x in random.integers(14, 26, 2))
        cv2.ellipse(
            pixels, at, (12, 8 + i % 5), float(random.integers(180)), 0, 360, BGR[color], -1
        )
        (root / said).mkdir(parents=True, exist_ok=True)
        (root / said / f"{i}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return root


def options(folder: Path, *, shuffled: bool) -> TrainOptions:
    labelled = drawn_set(folder / "set", shuffled=shuffled)
    fitting: dict[str, Any] = {"epochs": 25, "recipe": "plain", "architecture": TINY}
    return TrainOptions((str(labelled),), str(folder / "models"), "tiny", "color", **fitting)


@pytest.fixture(scope="module")
def useless(tmp_path_factory: pytest.TempPathFactory) -> TrainReport:
    """A really trained model of labels that were shuffled at random."""
    return train(options(tmp_path_factory.mktemp("useless"), shuffled=True))


def test_a_model_that_learned_becomes_current_and_says_how_good_it_is(tmp_path: Path) -> None:
    result = train(options(tmp_path, shuffled=False))
    verdict = result.verdict
    assert isinstance(verdict, Verdict)
    assert isinstance(verdict.groups[0], GroupVerdict)
    assert (verdict.passed, result.promoted, verdict.groups[0].verdict) == (
        True,
        True,
        "better",
    )
    right, n, usual = (
        getattr(verdict.groups[0], key) for key in ("right", "pictures", "commonest_right")
    )
    said = f"it has color right on {right} of {n} (always {verdict.groups[0].commonest}: {usual})"
    assert said in verdict.sentence
    assert verdict.sentence in train_text(result)
    assert verdict.sentence in (Path(result.bundle) / "README.md").read_text()
    assert (tmp_path / "models" / "current").resolve() == Path(result.bundle).resolve()


def test_a_model_of_shuffled_labels_is_saved_and_not_promoted(
    useless: TrainReport, catalog: Path
) -> None:
    bundle = Path(useless.bundle)
    assert not useless.verdict.passed
    assert not useless.promoted
    assert "in color it is no better than the commonest answer" in useless.verdict.sentence
    assert "promote" in train_text(useless)
    assert not (bundle.parent / "current").is_symlink()
    gate = json.loads((bundle / "gate.json").read_text())
    assert set(gate) == set(Gate.__struct_fields__)
    assert (gate["parent"], gate["passed"], gate["worse"]) == (
        None,
        False,
        [useless.verdict.sentence],
    )
    night = TagOptions(str(catalog), str(bundle), str(bundle.parent / "index"))
    with pytest.raises(
        GateFailed, match=r"no better than guessing: On pictures it never saw.*--force-model"
    ):
        dry_run(night)
    with pytest.raises(GateFailed, match=r"no better than guessing.*--force") as caught:
        promote(str(bundle))
    assert caught.value.exit_code == 5
    assert "failed" in models_text(list_models(str(bundle.parent)))
    assert promote(str(bundle), force=True).current == bundle.name


def test_training_a_useless_model_ends_with_exit_code_5_and_its_json(
    tmp_path: Path, tagger: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    labelled = drawn_set(tmp_path / "set", shuffled=True)
    models = tmp_path / "models"
    command = [
        "train",
        labelled,
        "--models",
        models,
        "--groups",
        "color",
        "--epochs",
        1,
        "--recipe",
        "plain",
    ]
    for i, path in enumerate(sorted(labelled.rglob("*.png"))):
        if i % 3:  # the network has its full size here
            path.unlink()
    ended = tagger(*command, "--json")
    assert ended.returncode == 5, ended.stderr
    assert json.loads(ended.stdout)["promoted"] is False
    assert (models / "fashion-v1" / "bundle.json").exists()
    assert not (models / "current").is_symlink()


def test_a_bundle_that_passed_before_there_was_a_verdict_stays_good(
    useless: TrainReport,
) -> None:
    set_gate(Path(useless.bundle), passed=True, worse=[])
    assert "failed" not in models_text(list_models(str(Path(useless.bundle).parent)))


def logits_of(answers: np.ndarray, columns: int) -> np.ndarray:
    """Return logits that answer these columns, -1 none."""
    return np.where(answers[:, None] == np.arange(columns), 5.0, -5.0).astype(np.float32)


def judged(right: int, n: int, commonest: int) -> Verdict:
    """Return the verdict on a model that is right on so many of n pictures, of which so many are
    red."""
    truth = np.where(np.arange(n) < commonest, 0, 1)
    answers = np.where(np.arange(n) < right, truth, -1)
    targets = (truth[:, None] == np.arange(2)).astype(np.float32)
    return give_verdict(logits_of(answers, 2), targets, np.array([0.5, 0.5]), COLORS)


@pytest.mark.parametrize(
    ("right", "n", "commonest", "verdict", "passed"),
    [
        (90, 100, 50, "better", True),
        (59, 100, 50, "no better", False),  # more than half, though not surely
        (60, 100, 50, "better", True),
        (10, 100, 50, "no better", False),
        (4, 4, 2, "better", True),
        (4, 4, 3, "too few", True),  # all right, and still nothing that chance could not do
        (0, 4, 3, "no better", False),  # few, and worse than guessing
        (100, 100, 98, "too few", True),
    ],
)
def test_the_verdict_is_on_the_safe_side(
    right: int, n: int, commonest: int, verdict: str, passed: bool
) -> None:
    found = judged(right, n, commonest)
    assert (found.groups[0].verdict, found.passed) == (verdict, passed)
    assert (found.all_right, found.pictures) == (right, n)
    assert ("too few pictures to tell" in found.sentence) == (verdict == "too few")


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 50), st.data())
def test_more_right_answers_never_make_the_verdict_worse(n: int, data: st.DataObject) -> None:
    commonest = data.draw(st.integers((n + 1) // 2, n))
    order = ["no better", "too few", "better"]
    found = [order.index(judged(right, n, commonest).groups[0].verdict) for right in range(n + 1)]
    assert found == sorted(found)


def test_one_useless_group_of_several_is_named_and_holds_nothing_back() -> None:
    vocabulary = Vocabulary.build(
        parse_groups("color,garment"),
        [("color", "red"), ("color", "blue"), ("garment", "dress"), ("garment", "coat")],
    )
    truth = np.arange(100) % 2
    targets = np.concatenate([truth[:, None] == [0, 1], truth[:, None] == [0, 1]], axis=1).astype(
        np.float32
    )
    logits = np.concatenate([logits_of(truth, 2), logits_of(np.zeros(100), 2)], axis=1)
    found = give_verdict(logits, targets, np.full(4, 0.5), vocabulary)
    assert found.passed
    assert [row.verdict for row in found.groups] == ["better", "no better"]
    assert "in garment it is no better than the commonest answer" in found.sentence
    targets[:, :2] = np.nan  # of colors nothing is known: all that is known is useless
    found = give_verdict(logits, targets, np.full(4, 0.5), vocabulary)
    assert not found.passed
    assert [row.verdict for row in found.groups] == ["too few", "no better"]


def test_tags_in_any_number_need_not_all_be_right() -> None:
    names = [("label", f"tag{i}") for i in range(30)]
    vocabulary = Vocabulary.build(parse_groups("label+"), names)
    random = np.random.default_rng(0)
    truth = random.random((100, 30)) < 0.2
    good = np.where(
        random.random(truth.shape) < 0.08, ~truth, truth
    )  # hardly a picture has all of them right
    useless = random.permutation(truth)
    for tags, passed in ((good, True), (useless, False)):
        logits = np.where(tags, 5.0, -5.0).astype(np.float32)
        found = give_verdict(logits, truth.astype(np.float32), np.full(30, 0.5), vocabulary)
        assert found.passed == passed
