"""How far a picture lies from what a model was trained on: in rows, summaries, records, pages."""

import json
import math
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from changed_bundles import described_again
from conftest import current_rows, settle
from hypothesis import given, settings
from hypothesis import strategies as st

import tagger
from jobs.report import report
from jobs.tag_catalog import TagOptions, complaints, summary_text, tag_catalog
from jobs.verify import verify
from schemas.bundle import Likeness
from schemas.runs import UnlikeRows
from tagger.arrays import Float32Array, Float64Array
from tagger.errors import BundleError
from tagger.index.store import Index
from tagger.index.unlike import mostly_unlike
from tagger.labels.unlikeness import (
    ENOUGH,
    FEWEST,
    measure_likeness,
    unlikeness,
    with_parent,
)
from tagger.labels.vocabulary import Group, Vocabulary
from tagger.models.bundle import load_bundle

KEYS = [("color", "blue"), ("color", "red"), ("garment", "dress"), ("garment", "shirt")]
GROUPS = [Group("color", True, "pixels"), Group("garment", True, "shape")]
VOCABULARY = Vocabulary.build(GROUPS, KEYS)
MEASURED = Likeness(ordinary=1.0, least=-2.0, pictures=300)


def far_of(logits: Float32Array, vocabulary: Vocabulary, likeness: Likeness) -> Float64Array:
    """Return the unlikeness by logits alone."""
    return unlikeness(logits, vocabulary, likeness, np.zeros(len(logits)))


@settings(deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(FEWEST, 400))
def test_an_ordinary_validation_picture_is_0_and_few_others_of_its_kind_lie_beyond_1(
    seed: int, n: int
) -> None:
    random = np.random.default_rng(seed)
    logits, others = (random.normal(0, 4, (k, 4)).astype(np.float32) for k in (n, 4000))
    likeness = measure_likeness(logits, VOCABULARY)
    assert likeness is not None
    assert likeness.pictures == n
    assert np.median(far_of(logits, VOCABULARY, likeness)) == pytest.approx(0, abs=1e-3)
    if n >= 20:  # five pictures may lie close together by chance
        assert (far_of(others, VOCABULARY, likeness) > 1).mean() < 0.25


@pytest.mark.parametrize("n", [FEWEST, 20, 50, ENOUGH, 300])
def test_on_average_one_in_a_hundred_of_their_kind_lies_beyond_the_limit(n: int) -> None:
    random = np.random.default_rng(n)
    shares = []
    for _ in range(200):
        logits, others = (random.normal(0, 1, (k, 4)).astype(np.float32) for k in (n, 1000))
        likeness = measure_likeness(logits, VOCABULARY)
        assert likeness is not None
        shares.append((far_of(others, VOCABULARY, likeness) > 1).mean())
    assert 0.003 < np.mean(shares) < 0.025


def test_where_old_pictures_are_gone_an_ordinary_one_and_the_limit_are_not_the_new_ones_alone() -> (
    None
):
    shoes = Likeness(ordinary=3.0, least=2.0, pictures=20)
    both = with_parent(shoes, MEASURED)
    assert both == Likeness(ordinary=1.0, least=-2.0, pictures=320)
    assert with_parent(shoes, None) == shoes
    assert with_parent(None, MEASURED) == MEASURED


@settings(deadline=None)
@given(
    st.lists(st.floats(-(2.0**90), 2.0**90, width=32), min_size=4, max_size=4),
    st.floats(0, 100, width=32),
)
def test_it_is_a_number_whatever_the_logits_and_never_more_where_more_is_seen(
    logits: list[float], more: float
) -> None:
    before = np.array([logits], np.float32)
    after = before + np.array([0, 0, more, 0], np.float32)
    far, nearer = (far_of(each, VOCABULARY, MEASURED)[0] for each in (before, after))
    assert np.isfinite([far, nearer]).all()
    assert nearer <= far
    assert str(far) != "-0.0"


def test_only_labels_that_say_what_a_thing_is_count_where_there_are_any() -> None:
    logits = np.array([[9, -9, -9, -9], [-9, -9, 9, -9]], np.float32)
    blue_wall, dress = far_of(logits, VOCABULARY, MEASURED)
    assert blue_wall > 1 > dress
    colors_alone = Vocabulary.build(GROUPS[:1], KEYS[:2])
    blue, nothing = far_of(logits[:, :2], colors_alone, MEASURED)
    assert blue < nothing
    retired = VOCABULARY.retire([("garment", "dress")])
    assert far_of(logits, retired, MEASURED)[1] > 1


def test_a_model_that_answers_the_same_of_all_can_be_measured() -> None:
    likeness = measure_likeness(np.zeros((FEWEST, 4), np.float32), VOCABULARY)
    assert likeness is not None
    assert likeness.least < likeness.ordinary
    assert measure_likeness(np.zeros((FEWEST - 1, 4), np.float32), VOCABULARY) is None


@pytest.fixture(scope="module")
def night(
    bundle_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TagOptions, str, list[str]]:
    """A catalog of noise, with one file that cannot be read: its options, summary and warnings."""
    folder = tmp_path_factory.mktemp("unlike")
    (folder / "catalog").mkdir()
    random = np.random.default_rng(0)
    for number in range(30):
        picture = random.integers(0, 256, (40, 40, 3), np.uint8)
        cv2.imwrite(str(folder / "catalog" / f"{number}.png"), picture)
    (folder / "catalog" / "page.jpg").write_text("<html>")
    settle(folder / "catalog")
    model = with_likeness(bundle_path, folder / "model", Likeness(ordinary=9, least=8, pictures=9))
    options = TagOptions(
        str(folder / "catalog"),
        str(model),
        str(folder / "index"),
        max_error_rate=1,
        metrics=str(folder / "night.prom"),
    )
    done = tag_catalog(options)
    return options, summary_text(done), complaints(done)


def metrics_of(options: TagOptions) -> str:
    return Path(options.metrics or "").read_text()


def with_likeness(bundle: Path, copy: Path, likeness: Likeness | dict[str, object] | None) -> Path:
    """Return a copy of a bundle with another likeness, or as an earlier version saved it."""
    shutil.copytree(bundle, copy)
    chosen = json.loads((copy / "thresholds.json").read_text())
    del chosen["likeness"]
    if isinstance(likeness, Likeness):
        likeness = {name: getattr(likeness, name) for name in likeness.__struct_fields__}
    if likeness is not None:
        chosen["likeness"] = likeness
    (copy / "thresholds.json").write_text(json.dumps(chosen))
    described_again(copy)
    return copy


@pytest.mark.tensorflow
def test_a_trained_model_has_it_from_its_validation_part(bundle_path: Path) -> None:
    likeness = load_bundle(bundle_path).likeness
    assert likeness is not None
    assert likeness.pictures > 0


def test_a_row_has_it_if_it_has_scores_and_it_is_what_the_library_says(
    night: tuple[TagOptions, str, list[str]],
) -> None:
    options, _, _ = night
    rows = current_rows(options)
    assert (rows["unlikeness"].isna() == (rows["status"] != "ok")).all()
    assert verify(options.index).faults == []
    paths = sorted(str(path) for path in Path(options.catalog).glob("*.png"))
    with tagger.load(options.model or "") as model:
        table = model.predict(paths)
    found = dict(zip((Path(path).name for path in paths), table["unlikeness"], strict=True))
    assert found == pytest.approx(rows.loc[list(found), "unlikeness"].to_dict(), abs=2e-3)


def test_summary_record_report_and_page_say_how_many_are_unlike(
    night: tuple[TagOptions, str, list[str]], tmp_path: Path
) -> None:
    options, summary, warned = night
    words = "30 of 30 pictures (100.0 %) are unlike what the model was trained on"
    assert summary.count(words) == 1
    assert [words in line for line in warned] == [True]
    record = next(iter(Index(options.index).runs.newest_first()))
    assert record.answers is not None
    assert record.answers.unlike == UnlikeRows(rows=30, of=30, arrived=30, of_arrived=30)
    written = report(options.index, str(tmp_path / "night.html"))
    assert written.unlike is not None
    assert (written.unlike.rows, written.unlike.of) == (30, 30)
    assert not written.good
    assert any(words in concern for concern in written.concerns)
    assert re.search(r"^tagger_run_unlike_rows\{.*\} 30$", metrics_of(options), re.M)
    page = (tmp_path / "night.html").read_text()
    assert "Unlike what the model was trained on" in page
    assert words in page


def test_a_night_that_brings_mostly_unlike_pictures_is_told_apart_from_one_that_has_a_few() -> None:
    assert mostly_unlike(None) == []
    assert mostly_unlike(UnlikeRows(rows=40, of=1000, arrived=5, of_arrived=100)) == []
    assert mostly_unlike(UnlikeRows(rows=9, of=10, arrived=9, of_arrived=10)) == []
    (words,) = mostly_unlike(UnlikeRows(rows=70, of=1000, arrived=60, of_arrived=100))
    assert words.startswith("60 of 100 new or changed pictures (60.0 %) are unlike")


def test_a_model_of_an_earlier_version_says_nothing_of_it(
    bundle_path: Path, catalog: Path, tmp_path: Path
) -> None:
    settle(catalog)
    old = with_likeness(bundle_path, tmp_path / "old", None)
    assert load_bundle(old).likeness is None
    options = TagOptions(str(catalog), str(old), str(tmp_path / "index"), max_error_rate=1)
    done = tag_catalog(options)
    assert done.unlike is None
    assert "unlike" not in summary_text(done)
    assert current_rows(options)["unlikeness"].isna().all()
    assert verify(options.index).faults == []
    report(options.index, str(tmp_path / "night.html"))
    assert "Unlike what" not in (tmp_path / "night.html").read_text()


@given(
    st.sampled_from(
        [(1.0, 1.0), (0.0, 1.0), (math.nan, 0.0), (math.inf, 0.0), (5e-324, 0.0), (1e308, -1e308)]
    )
)
def test_a_stranger_s_likeness_that_cannot_be_is_refused_in_words(
    values: tuple[float, float],
) -> None:
    with pytest.raises(ValueError, match="must be less than ordinary"):
        Likeness(ordinary=values[0], least=values[1], pictures=1)


def test_a_bundle_with_such_a_likeness_is_refused(bundle_path: Path, tmp_path: Path) -> None:
    bad = {"ordinary": 1.0, "least": 2.0, "pictures": 3}
    copy = with_likeness(bundle_path, tmp_path / "bad", bad)
    with pytest.raises(BundleError, match=r"thresholds\.json: .*must be less than ordinary"):
        load_bundle(copy)
