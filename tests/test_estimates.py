"""The sample has known probabilities, and 95 % intervals hold the truth, of rare labels too."""

import numpy as np
import pytest
from closed_world import RARITIES, WHERE, World, closed_world, coverage
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.corrections import Answer, Correction
from schemas.samples import Estimate, Sample, SampledPicture
from tagger.arrays import BoolArray
from tagger.evaluation.estimates import Estimates, Judged, estimate
from tagger.evaluation.sampling import combinations, draw, inclusion_probabilities
from tagger.index.corrections import InForce
from tagger.index.judging import judge

LEAST_ON_AVERAGE, LEAST_OF_A_CLASS = 0.95, 0.935


def random_answers(rows: int, answers: int, seed: int) -> BoolArray:
    random = np.random.default_rng(seed)
    return random.random((rows, answers)) < random.uniform(0, 0.7, answers) ** 2


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 300), st.integers(1, 70), st.integers(1, 300), st.integers(0, 999))
def test_probabilities_add_up_to_the_sample_and_each_row_is_drawn_once(
    rows: int, answers: int, size: int, seed: int
) -> None:
    found = combinations(random_answers(rows, answers, seed))
    drawn = draw(found, size, np.random.default_rng(seed))
    assert len(set(drawn.rows.tolist())) == len(drawn.rows) == min(size, rows)
    assert (drawn.weight >= 1).all()
    if size < rows:
        probability = inclusion_probabilities(found, size)[found.of_row]
        assert probability.sum() == pytest.approx(size, rel=1e-6)
        assert (probability >= 0.499 * size / rows).all()
        assert drawn.weight == pytest.approx(1 / probability[drawn.rows])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 70), st.integers(0, 999))
def test_rows_are_of_one_combination_if_they_answer_alike(
    rows: int, answers: int, seed: int
) -> None:
    matrix = random_answers(rows, answers, seed)[np.random.default_rng(seed).integers(0, rows, 200)]
    found = combinations(matrix)
    assert (found.answers[found.of_row] == matrix).all()
    assert len(found.answers) == len(np.unique(matrix, axis=0))


def test_rows_are_drawn_as_often_as_their_probability_says() -> None:
    matrix = closed_world(5, rows=400).answered
    found = combinations(matrix)
    probability = inclusion_probabilities(found, 80)[found.of_row]
    random = np.random.default_rng(1)
    often = np.zeros(400)
    for _ in range(2000):
        often[draw(found, 80, random).rows] += 1
    off = (often / 2000 - probability) / np.sqrt(probability * (1 - probability) / 2000 + 1e-9)
    assert np.abs(off).max() < 4.5
    weights = [draw(found, 80, random).weight.sum() for _ in range(300)]
    assert np.mean(weights) == pytest.approx(400, rel=0.03)


def test_a_rare_answer_has_about_as_many_pictures_as_any_other() -> None:
    world = closed_world(1)
    found = combinations(world.answered)
    drawn = draw(found, 400, np.random.default_rng(0))
    rows = world.answered.sum(axis=0)
    of_each = world.answered[drawn.rows].sum(axis=0)
    assert (of_each >= np.minimum(rows, 10)).all()


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 60), st.integers(0, 100), st.floats(0, 1), st.floats(0, 1), st.integers(0, 999)
)
def test_an_interval_has_its_estimate_within_and_both_within_what_is_certain(
    size: int, more: int, known: float, right: float, seed: int
) -> None:
    answered, judged, rows = judged_at_random(size, more, known, right, seed)
    figures = estimate(judged, answered, rows)
    for middle, low, high in (figures.precision, figures.missing):
        there = ~np.isnan(middle)
        assert (np.isnan(low) == ~there).all()
        assert (np.isnan(high) == ~there).all()
        assert (low[there] >= 0).all()
        assert (low[there] <= middle[there] + 1e-12).all()
        assert (middle[there] <= high[there] + 1e-12).all()
        assert (high[there] <= 1 + 1e-12).all()
    wrong = figures.judged - figures.right
    with np.errstate(invalid="ignore"):
        assert not (figures.precision.low < figures.right / answered - 1e-12).any()
        assert not (figures.precision.high > 1 - wrong / answered + 1e-12).any()
    assert (figures.missing.low[(figures.missed == 0) & ~np.isnan(figures.missing.low)] == 0).all()


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 60), st.integers(0, 100), st.floats(0, 1), st.integers(0, 999))
def test_one_more_right_picture_never_lowers_precision_nor_raises_what_is_missing(
    size: int, more: int, right: float, seed: int
) -> None:
    answered, judged, rows = judged_at_random(size, more, 1.0, right, seed)
    mine = np.flatnonzero(judged.answered[:, 0] & ~judged.shows[:, 0])
    if not len(mine):
        return
    shows = judged.shows.copy()
    shows[mine[0], 0] = True
    before = estimate(judged, answered, rows)
    after = estimate(judged._replace(shows=shows), answered, rows)
    for old, new in zip(before.precision, after.precision, strict=True):
        assert new[0] >= old[0] - 1e-9
    for old, new in zip(before.missing, after.missing, strict=True):
        assert np.isnan(old[0]) or new[0] <= old[0] + 1e-9


def judged_at_random(
    size: int, more: int, known: float, right: float, seed: int
) -> tuple[np.ndarray, Judged, int]:
    """Return rows with each of four answers, a judged sample of them, and how many rows there
    are."""
    random = np.random.default_rng(seed)
    rows = size + more
    matrix = random_answers(rows, 4, seed)
    drawn = draw(combinations(matrix), size, random)
    shape = (size, 4)
    mine = matrix[drawn.rows]
    shows = np.where(random.random(shape) < right, mine, ~mine)
    return matrix.sum(axis=0), Judged(drawn.weight, mine, random.random(shape) < known, shows), rows


def test_where_all_rows_were_judged_the_figures_are_exact() -> None:
    world = closed_world(2, rows=300)
    everything = Judged(np.ones(300), world.answered, np.ones_like(world.answered), world.shows)
    figures = estimate(everything, world.answered.sum(axis=0), 300)
    for interval, truth in ((figures.precision, world.precision), (figures.missing, world.missing)):
        assert all(ends == pytest.approx(truth, nan_ok=True) for ends in interval)


def test_what_was_never_judged_has_no_figures_and_what_is_never_answered_is_all_missing() -> None:
    answered = np.array([[True, False, False]] * 5 + [[False, False, False]])
    shows = np.array([[True, True, False]] * 5 + [[False, False, False]])
    sample = Judged(np.full(6, 20.0), answered, np.ones_like(answered), shows)
    figures = estimate(sample, np.array([60, 0, 40]), 100)
    assert figures.precision.estimate == pytest.approx([1, np.nan, np.nan], nan_ok=True)
    assert figures.missing.estimate == pytest.approx([0, 1, np.nan], nan_ok=True)
    assert figures.missing.low[0] == 0
    assert figures.missing.high[0] > 0.4


def test_ten_right_of_ten_say_no_more_than_69_percent() -> None:
    """As the tables of Clopper and Pearson have it, where weights are equal."""
    sample = Judged(np.full(10, 1e5), *[np.ones((10, 1), bool)] * 3)
    figures: Estimates = estimate(sample, np.array([10**6]), 10**6)
    assert figures.precision.low == pytest.approx(0.6915, abs=1e-4)
    assert figures.precision.high == pytest.approx(1)


def test_intervals_hold_the_truth_of_rare_labels_too() -> None:
    worlds = [closed_world(seed, rows=5000, where=where) for seed, where in enumerate(WHERE)]
    found = coverage(150, 240, worlds)
    for what in ("right, ours", "missing, ours"):
        shares = [found[what, rarity].share for rarity in RARITIES]
        assert min(shares) >= LEAST_OF_A_CLASS, shares
        assert np.mean(shares) >= LEAST_ON_AVERAGE, shares
    # What the closed world is for: counts without weights are misled.
    assert found["right, Wilson", "10 % and more"].share < 0.93
    assert found["missing, Wald", "0.4 to 2 %"].share < 0.5


def several_of(world: World, size: int) -> tuple[Sample, BoolArray]:
    """Return a sample of a night whose labels may hold together, and what its pictures show."""
    drawn = draw(combinations(world.answered), size, np.random.default_rng(3))
    labels = [f"label {i}" for i in range(world.answered.shape[1])]
    items = [
        SampledPicture(
            content=f"{row:064x}",
            image_id=f"{row}.jpg",
            weight=weight,
            answers={},
            tags=[f"trait:{labels[i]}" for i in np.flatnonzero(world.answered[row])],
        )
        for row, weight in zip(drawn.rows.tolist(), drawn.weight.tolist(), strict=True)
    ]
    rows = world.answered.sum(axis=0).tolist()
    empty = [
        Estimate(group="trait", label=label, answered_rows=n)
        for label, n in zip(labels, rows, strict=True)
    ]
    sample = Sample(
        format_version=1,
        sample_id="s",
        snapshot="n",
        model_id="m",
        drawn_at="",
        updated_at="",
        seed=3,
        size=size,
        rows=len(world.answered),
        drawn=size,
        groups=[],
        estimates=empty,
        items=items,
    )
    return sample, world.shows[drawn.rows]


def answers_to(sample: Sample, shows: BoolArray, *, only_wrong: bool) -> list[list[Correction]]:
    """Return what a person says of each picture: of every label, or of what is wrong alone."""
    return [
        [
            word_of(item, str(each.label), "is" if shown else "is_not")
            for each, shown in zip(sample.estimates, shown_labels, strict=True)
            if not only_wrong or (f"trait:{each.label}" in item.tags) != shown
        ]
        for item, shown_labels in zip(sample.items, shows.tolist(), strict=True)
    ]


def word_of(item: SampledPicture, label: str, answer: Answer) -> Correction:
    return Correction(
        format_version=1,
        at="",
        who="ann",
        content_sha256=item.content,
        image_id=item.image_id,
        group="trait",
        label=label,
        answer=answer,
        sample="s",
    )


def test_the_intervals_of_who_corrects_only_what_is_wrong_hold_the_truth() -> None:
    """Wrong ones alone, then the rest in the order of asking: whatever is said by then is true."""
    world = closed_world(4, rows=2000)
    sample, shows = several_of(world, 200)
    wrong = [word for words in answers_to(sample, shows, only_wrong=True) for word in words]
    begun = judge(sample, InForce(wrong, []))
    assert begun.complete == 0
    assert begun.estimates == sample.estimates
    everything = answers_to(sample, shows, only_wrong=False)
    for reached in (20, 100, 200):
        words = [word for words in everything[:reached] for word in words]
        found = judge(sample, InForce([*wrong, *words], []))
        assert found.complete == reached
        assert found == judge(sample, InForce(words, []))
        assert shares_held(found.estimates, world) >= LEAST_OF_A_CLASS


def shares_held(estimates: list[Estimate], world: World) -> float:
    """Return how many of the intervals that are given hold the truth."""
    held = []
    for each, precision, missing in zip(
        estimates, world.precision.tolist(), world.missing.tolist(), strict=True
    ):
        ends = (
            (each.precision_low, precision, each.precision_high),
            (each.missing_low, missing, each.missing_high),
        )
        held += [
            low - 1e-6 <= truth <= high + 1e-6
            for low, truth, high in ends
            if low is not None and high is not None and not np.isnan(truth)
        ]
    return float(np.mean(held))


def test_labels_that_nobody_spoke_of_are_not_counted_as_missing() -> None:
    """Who says of a picture only which labels it shows has not said which it does not show."""
    sample, shows = several_of(closed_world(4, rows=2000), 100)
    everything = answers_to(sample, shows, only_wrong=False)
    positive = [word for words in everything for word in words if word.answer == "is"]
    found = judge(sample, InForce(positive, []))
    assert found.complete == 0
    assert {each.missing for each in found.estimates} == {None}


@pytest.mark.long
@pytest.mark.parametrize("size", [100, 200, 400])
def test_intervals_hold_the_truth_over_thousands_of_samples(size: int) -> None:
    worlds = [closed_world(seed, where=where) for seed in range(4) for where in WHERE]
    found = coverage(size, 3600, worlds)
    for (method, rarity), figure in found.items():
        print(
            f"{size} | {method:15} | {rarity:13} | {figure.intervals:6} | {figure.share:.1%} | "
            f"{figure.width:.3f} | {figure.worst:.1%}"
        )
    for what in ("right, ours", "missing, ours"):
        shares = [found[what, rarity].share for rarity in RARITIES]
        assert min(shares) >= LEAST_OF_A_CLASS
        assert np.mean(shares) >= LEAST_ON_AVERAGE
