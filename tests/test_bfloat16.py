import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tagger.imaging.worker import CHUNK
from tagger.labels.views import sigmoid, tag_matrix
from tagger.models.bfloat16 import PICTURES, Comparison, remember, remembered
from tagger.models.bundle import Bundle, load_bundle
from tagger.models.predictor import (
    MixedPredictor,
    _has_bfloat16,
    compare_precisions,
    logits_of,
    machine,
    make_predictor,
)

needs_bfloat16 = pytest.mark.skipif(not _has_bfloat16(), reason="this processor has no bfloat16")


@pytest.fixture
def bundle(bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A bundle of which this machine's cache knows nothing yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return load_bundle(bundle_path)


@pytest.fixture
def pixels(bundle: Bundle) -> np.ndarray:
    """As many pictures as a comparison needs: smooth ones, and none that another is like."""
    random = np.random.default_rng(0)
    base, slope = random.uniform(0, 200, (2, PICTURES, 1, 1, 3))
    ramp = np.linspace(0, 1, bundle.size)[None, :, None, None]
    return np.clip(base + (slope - base) * ramp + np.zeros((1, 1, bundle.size, 1)), 0, 255).astype(
        np.uint8
    )


@needs_bfloat16
def test_the_first_night_compares_on_its_pictures_and_scores_them_in_float32(
    bundle: Bundle, pixels: np.ndarray
) -> None:
    said: list[str] = []
    first = make_predictor(bundle, "auto", report=said.append)
    assert first.backend == "openvino"
    assert np.array_equal(
        logits_of(first, pixels), logits_of(make_predictor(bundle, "openvino"), pixels)
    )
    found = remembered(bundle, machine())
    assert found is not None
    assert found.pictures == PICTURES
    assert said == [found.text()]
    wanted = "openvino bfloat16" if found.passed else "openvino"
    assert first.backend == wanted
    assert make_predictor(bundle, "auto", pictures=1).backend == wanted


@needs_bfloat16
def test_training_compares_on_its_own_pictures(bundle: Bundle, pixels: np.ndarray) -> None:
    said: list[str] = []
    targets = np.zeros((len(pixels), len(bundle.vocabulary)), np.float32)
    targets[::3] = 1
    compare_precisions(bundle, pixels[:-1], targets[:-1], said.append)
    assert remembered(bundle, machine()) is None
    compare_precisions(bundle, pixels, targets, said.append)
    found = remembered(bundle, machine())
    assert found is not None
    assert found.macro_ap_lost is not None
    assert said == [found.text()]


@needs_bfloat16
@pytest.mark.parametrize(
    ("comparison", "backend"),
    [
        (Comparison(PICTURES, 0.002, 0.0005, 0.05, 0.3, 0.0), "openvino bfloat16"),
        (Comparison(PICTURES, 0.0021, 0.0005, 0.05, 0.1, 0.0), "openvino"),
        (Comparison(PICTURES, 0.0001, 0.002, 0.05, 0.1, None), "openvino"),
        (Comparison(PICTURES, 0.0001, 0.0005, 0.05, 0.1, 0.002), "openvino"),
        (Comparison(PICTURES, 0.0001, 0.0005, 0.05, 0.31, 0.0), "openvino"),
        (Comparison(PICTURES - 1, 0.0, 0.0, 0.0, 0.0, 0.0), "openvino"),
    ],
)
def test_bfloat16_is_used_where_it_changes_next_to_nothing(
    comparison: Comparison, backend: str, bundle: Bundle, pixels: np.ndarray
) -> None:
    remember(bundle, machine(), comparison)
    predictor = make_predictor(bundle, "auto")
    assert predictor.backend == backend
    exact, found = (
        logits_of(make_predictor(bundle, "openvino"), pixels[:100]),
        logits_of(predictor, pixels[:100]),
    )
    assert np.abs(sigmoid(exact) - sigmoid(found)).max() < 0.05


def test_too_few_pictures_begin_no_comparison(bundle: Bundle, pixels: np.ndarray) -> None:
    assert make_predictor(bundle, "auto", pictures=PICTURES - 1).backend == "openvino"
    logits_of(make_predictor(bundle, "auto", pictures=PICTURES - 1), pixels)
    assert remembered(bundle, machine()) is None


def test_a_comparison_of_equals_finds_nothing_and_a_flipped_tag_is_counted(bundle: Bundle) -> None:
    exact = np.full((2000, len(bundle.vocabulary)), -3, np.float32)
    assert Comparison.of(exact, exact, bundle) == Comparison(2000, 0, 0, 0, 0, None)
    other = exact.copy()
    other[:3, 0] = 3
    assert Comparison.of(exact, other, bundle).other_tags == 3 / 2000
    assert not Comparison.of(exact, other, bundle).passed


def test_pictures_near_a_threshold_count_as_computed_again(bundle: Bundle) -> None:
    random = np.random.default_rng(0)
    exact = random.normal(0, 1, (4000, len(bundle.vocabulary))).astype(np.float32)
    other = exact + random.uniform(-0.02, 0.02, exact.shape).astype(np.float32)
    plain = [tag_matrix(logits, bundle.thresholds, bundle.vocabulary) for logits in (exact, other)]
    assert (plain[0] != plain[1]).any(axis=1).sum() > 20
    found = Comparison.of(exact, other, bundle)
    assert 0.019 < found.margin < 0.02
    assert found.other_tags == 0
    assert 0 < found.repeated < 0.3
    assert found.passed


@needs_bfloat16
def test_pictures_near_a_threshold_are_computed_again_in_float32(
    bundle: Bundle, pixels: np.ndarray
) -> None:
    exact = make_predictor(bundle, "openvino").infer(pixels[:CHUNK])
    for margin in (0.0, 100.0):  # none, and every one
        found = MixedPredictor(bundle, margin).infer(pixels[:CHUNK])
        for values, wanted in zip(found, exact, strict=True):
            largest = np.abs(values - wanted).max() / np.abs(wanted).max()
            assert largest < 1e-5 if margin else largest > 1e-4


@pytest.mark.parametrize("content", ["", "[]", '{"pictures": "many"}', "{" * 10_000])
def test_a_damaged_cache_is_as_good_as_none(content: str, bundle: Bundle, tmp_path: Path) -> None:
    remember(bundle, machine(), Comparison(PICTURES, 0, 0, 0, 0))
    (file,) = (tmp_path / "cache").rglob("*.json")
    file.write_text(content)
    assert remembered(bundle, machine()) is None


def test_a_cache_that_cannot_be_written_stops_nothing(
    bundle: Bundle, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
    remember(bundle, machine(), Comparison(PICTURES, 0, 0, 0, 0))
    assert logits_of(make_predictor(bundle, "auto", pictures=1), pixels[:3]).shape == (
        3,
        len(bundle.vocabulary),
    )


def test_a_user_without_a_home_has_no_cache(bundle: Bundle, tmp_path: Path) -> None:
    code = (
        "import os, pwd; from tagger.cache import cache_folder; os.setuid(54321); "
        "print(cache_folder())"
    )
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    clean = {
        name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")
    }
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean, check=False
    )
    assert ended.stdout.strip() == "None", ended.stderr
