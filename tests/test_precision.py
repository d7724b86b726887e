import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from changed_bundles import described_again

from schemas.bundle import INT8
from tagger.errors import BundleError
from tagger.imaging.worker import CHUNK
from tagger.labels.views import sigmoid, tag_matrix
from tagger.models.bundle import Bundle, load_bundle
from tagger.models.mixed import MixedPredictor, SideBySide
from tagger.models.openvino_network import OpenVinoPredictor, capabilities, machine
from tagger.models.precision import (
    PICTURES,
    STEEP,
    Compared,
    Comparison,
    precisions_to_compare,
    remember,
    remembered,
)
from tagger.models.predictor import compare_precisions, logits_of, make_predictor
from tagger.models.quantization import try_int8, write_int8

needs_bfloat16 = pytest.mark.skipif(
    "BF16" not in capabilities(), reason="this processor has no bfloat16"
)
GOOD = Comparison(
    precision="int8",
    pictures=PICTURES,
    mean_difference=0.002,
    other_tags=0.0005,
    margin=0.05,
    shift=0.01,
    repeated=0.3,
    time=0.9,
    macro_ap_lost=0.0,
)


def smooth_pictures(size: int) -> np.ndarray:
    """As many pictures as a comparison needs, and none that another is like."""
    random = np.random.default_rng(0)
    base, slope = random.uniform(0, 200, (2, PICTURES, 1, 1, 3))
    ramp = np.linspace(0, 1, size)[None, :, None, None]
    pictures = base + (slope - base) * ramp + np.zeros((1, 1, size, 1))
    return np.clip(pictures, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def with_int8(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a network in int8, as a larger training part gives it."""
    folder = tmp_path_factory.mktemp("int8") / "tiny-v1"
    shutil.copytree(bundle_path, folder)
    write_int8(folder, smooth_pictures(load_bundle(bundle_path).size)[:60])
    described_again(folder, files=dict.fromkeys([*load_description(folder), *INT8], ""))
    return folder


def load_description(folder: Path) -> list[str]:
    """The files that a bundle lists."""
    return list(json.loads((folder / "bundle.json").read_text())["files"])


@pytest.fixture
def bundle(with_int8: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A bundle of which this machine's cache knows nothing yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return load_bundle(with_int8)


@pytest.fixture
def pixels(bundle: Bundle) -> np.ndarray:
    return smooth_pictures(bundle.size)


def changed(**fields: object) -> Comparison:
    return msgspec.structs.replace(GOOD, **fields)


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
    assert "int8" in [one.precision for one in found.comparisons]
    assert {one.pictures for one in found.comparisons} == {PICTURES}
    assert said == [found.text()]
    wanted = f"openvino {found.chosen.precision}" if found.chosen else "openvino"
    assert first.backend == wanted
    assert make_predictor(bundle, "auto", pictures=1).backend == wanted


def test_training_compares_on_its_own_pictures(bundle: Bundle, pixels: np.ndarray) -> None:
    said: list[str] = []
    targets = np.zeros((len(pixels), len(bundle.vocabulary)), np.float32)
    targets[::3] = 1
    compare_precisions(bundle, pixels[:-1], targets[:-1], said.append)
    assert remembered(bundle, machine()) is None
    compare_precisions(bundle, pixels, targets, said.append)
    found = remembered(bundle, machine())
    assert found is not None
    assert all(one.macro_ap_lost is not None for one in found.comparisons)
    assert said == [found.text()]


def test_a_model_without_a_network_in_int8_is_not_compared_in_it(
    bundle_path: Path, bundle: Bundle
) -> None:
    assert "int8" in precisions_to_compare(bundle, capabilities())
    assert "int8" not in precisions_to_compare(load_bundle(bundle_path), capabilities())
    remember(bundle, machine(), Compared([GOOD]))
    assert remembered(load_bundle(bundle_path), machine()) is None


@pytest.mark.parametrize(
    ("comparison", "backend"),
    [
        (GOOD, "openvino int8"),
        (changed(mean_difference=0.0021), "openvino"),
        (changed(other_tags=0.002), "openvino"),
        (changed(macro_ap_lost=0.002), "openvino"),
        (changed(time=0.91), "openvino"),
        (changed(pictures=PICTURES - 1), "openvino"),
        (changed(macro_ap_lost=None), "openvino int8"),
    ],
)
def test_int8_is_used_where_it_changes_next_to_nothing_and_saves_time(
    comparison: Comparison, backend: str, bundle: Bundle, pixels: np.ndarray
) -> None:
    remember(bundle, machine(), Compared([comparison]))
    predictor = make_predictor(bundle, "auto")
    assert predictor.backend == backend
    exact, found = (
        logits_of(make_predictor(bundle, "openvino"), pixels[:100]),
        logits_of(predictor, pixels[:100]),
    )
    assert np.abs(sigmoid(exact) - sigmoid(found)).max() < 0.05


def test_of_several_precisions_that_may_be_used_the_cheapest_is() -> None:
    one = changed(precision="bfloat16", time=0.6)
    other = changed(time=0.4)
    assert Compared([one, other]).chosen == other
    assert Compared([one, changed(time=0.3, other_tags=0.1)]).chosen == one
    assert Compared([changed(time=2.0)]).chosen is None
    assert Compared([one, other]).text().startswith("int8 is used: on 2,048 pictures bfloat16 ")


def test_the_same_picture_again_and_again_is_one_to_a_comparison(
    bundle: Bundle, pixels: np.ndarray
) -> None:
    predictor = make_predictor(bundle, "auto")
    logits_of(predictor, pixels[[0] * PICTURES])
    logits_of(predictor, pixels[:-1])
    assert remembered(bundle, machine()) is None
    logits_of(predictor, pixels[-1:])
    found = remembered(bundle, machine())
    assert found is not None
    assert found.comparisons[0].pictures == PICTURES


def test_a_comparison_holds_for_one_network_in_int8(
    with_int8: Path, bundle: Bundle, tmp_path: Path
) -> None:
    other = tmp_path / "other-v1"
    shutil.copytree(with_int8, other)
    write_int8(other, smooth_pictures(bundle.size)[60:90])
    described_again(other)
    remember(bundle, machine(), Compared([GOOD]))
    assert load_bundle(other).model_id == bundle.model_id
    assert remembered(load_bundle(other), machine()) is None
    assert remembered(bundle, machine()) == Compared([GOOD])


def test_too_few_pictures_begin_no_comparison(bundle: Bundle, pixels: np.ndarray) -> None:
    assert make_predictor(bundle, "auto", pictures=PICTURES - 1).backend == "openvino"
    logits_of(make_predictor(bundle, "auto", pictures=PICTURES - 1), pixels)
    assert remembered(bundle, machine()) is None


def test_a_comparison_of_equals_finds_nothing_and_a_flipped_tag_is_counted(bundle: Bundle) -> None:
    exact = np.full((2000, len(bundle.vocabulary)), -3, np.float32)
    same = Comparison.of("int8", exact, exact, bundle, time=0.5)
    assert (same.mean_difference, same.other_tags, same.margin, same.repeated) == (0, 0, 0, 0)
    assert same.shift == 0
    assert same.time == 0.5
    other = exact.copy()
    other[0, 0] = 3  # the margin leaves one logit in ten thousand out
    found = Comparison.of("int8", exact, other, bundle, time=0.5)
    assert found.other_tags == 1 / 2000
    other[:, 0] = 3
    found = Comparison.of("int8", exact, other, bundle, time=0.5)
    assert (found.other_tags, found.repeated) == (0, 1)
    assert not found.passed


def test_pictures_near_a_threshold_count_as_computed_again(bundle: Bundle) -> None:
    random = np.random.default_rng(0)
    exact = random.normal(0, 1, (4000, len(bundle.vocabulary))).astype(np.float32)
    other = exact + random.uniform(-0.02, 0.02, exact.shape).astype(np.float32)
    plain = [tag_matrix(logits, bundle.thresholds, bundle.vocabulary) for logits in (exact, other)]
    assert (plain[0] != plain[1]).any(axis=1).sum() > 20
    found = Comparison.of("int8", exact, other, bundle, time=0.3)
    assert 0.02 < found.margin <= 1.25 * 0.0201
    assert found.other_tags == 0
    assert 0 < found.repeated < 0.3
    assert 0.3 < found.time < 0.7
    assert found.passed


@pytest.mark.parametrize("precision", ["int8", pytest.param("bfloat16", marks=needs_bfloat16)])
def test_pictures_near_a_threshold_are_computed_again_in_float32(
    precision: str, bundle: Bundle, pixels: np.ndarray
) -> None:
    exact = make_predictor(bundle, "openvino").infer(pixels[:CHUNK])
    for margin in (0.0, 100.0):  # none, and every one
        comparison = changed(precision=precision, margin=margin, shift=0.0)
        found = MixedPredictor(bundle, comparison).infer(pixels[:CHUNK])
        for values, wanted in zip(found, exact, strict=True):
            largest = np.abs(values - wanted).max() / np.abs(wanted).max()
            assert largest < 1e-5 if margin else largest > 1e-4


def test_pictures_whose_scores_lie_where_they_are_steep_are_computed_again(bundle: Bundle) -> None:
    sure, unsure = np.full((2, 1, len(bundle.vocabulary)), -9, np.float32)
    unsure[:] = -1.5  # far from every threshold, yet a logit's move moves the score by a seventh
    both = np.concatenate([sure, unsure])
    assert GOOD.again(both, bundle).tolist() == [False, False]
    assert changed(shift=0.1).again(both, bundle).tolist() == [False, True]
    assert GOOD.again(np.full_like(sure, np.nan), bundle).tolist() == [True]
    further = both + 0.1
    assert np.abs(sigmoid(both) - sigmoid(further))[0].max() < STEEP


@pytest.mark.parametrize(("shift", "backend"), [(0.0, "openvino int8"), (100.0, "openvino")])
def test_where_most_pictures_are_computed_again_a_night_goes_on_in_float32(
    shift: float, backend: str, bundle: Bundle, pixels: np.ndarray
) -> None:
    said: list[str] = []
    remember(bundle, machine(), Compared([changed(margin=0.0, shift=shift)]))
    predictor = make_predictor(bundle, "auto", report=said.append)
    logits_of(predictor, pixels[:-1])
    assert (predictor.backend, said) == ("openvino int8", [])
    logits_of(predictor, pixels[-1:])
    assert predictor.backend == backend
    assert len(said) == (backend == "openvino")
    exact = logits_of(make_predictor(bundle, "openvino"), pixels[:CHUNK])
    same = np.array_equal(logits_of(predictor, pixels[:CHUNK]), exact)
    assert same == (backend == "openvino")


def test_where_float32_cannot_be_set_up_anew_a_night_goes_on_as_before(
    with_int8: Path, bundle: Bundle, pixels: np.ndarray, tmp_path: Path
) -> None:
    folder = tmp_path / "tiny-v1"
    shutil.copytree(with_int8, folder)
    said: list[str] = []
    remember(bundle, machine(), Compared([changed(margin=0.0, shift=100.0)]))
    predictor = make_predictor(load_bundle(folder), "auto", report=said.append)
    exact = logits_of(predictor, pixels[:-CHUNK])
    (folder / "openvino" / "model.xml").unlink()
    for _ in range(2):
        assert np.array_equal(logits_of(predictor, pixels)[: len(exact)], exact)
    assert predictor.backend == "openvino int8"
    assert len(said) == 1
    assert said[0].startswith("float32 would take less time, and cannot be set up now: model ")


def test_a_model_is_saved_without_int8_where_that_cannot_be_made(
    bundle_path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "tiny-v1"
    shutil.copytree(bundle_path, folder)
    wrong = smooth_pictures(load_bundle(bundle_path).size + 1)[:8]
    try_int8(folder, wrong)
    assert "the model is saved without a network in int8" in caplog.text
    assert not any((folder / file).exists() for file in INT8)
    assert load_bundle(folder).int8 is None


def test_int8_is_near_float32_on_pictures_that_it_was_not_calibrated_on(
    bundle: Bundle, pixels: np.ndarray
) -> None:
    side_by_side = SideBySide(bundle, OpenVinoPredictor(bundle), ["int8"])
    for at in range(60, PICTURES, CHUNK):
        side_by_side.infer(pixels[at : at + CHUNK])
    (found,) = side_by_side.compared().comparisons
    assert found.mean_difference < 0.01
    assert found.other_tags < 0.01


def test_the_head_in_int8_is_fitted_to_what_float32_says(
    bundle: Bundle, pixels: np.ndarray
) -> None:
    fitted_on = pixels[:60]
    off = logits_of(OpenVinoPredictor(bundle, "int8"), fitted_on)
    off -= logits_of(OpenVinoPredictor(bundle), fitted_on)
    assert np.abs(off).mean() > 1e-5
    assert np.abs(off.mean(axis=0)).max() < 0.02 * np.abs(off).mean()


def test_a_network_in_int8_with_other_outputs_is_refused(
    with_int8: Path, tmp_path: Path, bundle: Bundle
) -> None:
    other = tmp_path / "other-v1"
    shutil.copytree(with_int8, other)
    (other / INT8[0]).write_text("<net/>")
    described_again(other)
    remember(bundle, machine(), Compared([GOOD]))  # of the same model, by its id
    with pytest.raises(BundleError, match="OpenVINO cannot use its network"):
        make_predictor(load_bundle(other), "auto")


def test_a_network_in_int8_that_was_changed_is_refused(with_int8: Path, tmp_path: Path) -> None:
    other = tmp_path / "other-v1"
    shutil.copytree(with_int8, other)
    with (other / INT8[1]).open("ab") as file:
        file.write(b"x")
    with pytest.raises(BundleError, match="was changed after it was saved"):
        load_bundle(other)


def test_quantizing_says_nothing_and_asks_nobody(
    bundle_path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "tiny-v1"
    shutil.copytree(bundle_path, folder)
    write_int8(folder, smooth_pictures(load_bundle(bundle_path).size)[:8])
    assert capfd.readouterr() == ("", "")
    assert sys.modules["openvino_telemetry"] is None


@pytest.mark.parametrize("content", ["", "[]", '{"pictures": "many"}', "{" * 10_000])
def test_a_damaged_cache_is_as_good_as_none(content: str, bundle: Bundle, tmp_path: Path) -> None:
    remember(bundle, machine(), Compared([GOOD]))
    (file,) = (tmp_path / "cache").rglob("*.json")
    file.write_text(content)
    assert remembered(bundle, machine()) is None


def test_a_cache_that_cannot_be_written_stops_nothing(
    bundle: Bundle, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
    remember(bundle, machine(), Compared([GOOD]))
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
