"""Comparisons of answers: what is counted, which flips are named, and what the verdict says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_pairs import Pair, model_pair

from schemas.comparison import Comparison
from tagger.evaluation.comparison import Question, compare_answers
from tagger.evaluation.questions import Answers, Said, only_known, questions_of, scores_of
from tagger.labels.vocabulary import Vocabulary, parse_groups

NAMES = ("red", "blue", "green")


def asked(a: list[int], b: list[int], truth: list[int], known: list[bool]) -> Question:
    arrays = (np.array(values, np.int64) for values in (a, b, truth))
    return Question("color", NAMES, NAMES, True, *arrays, np.array(known, bool))


def found(*questions: Question, tested: bool = True) -> Comparison:
    return compare_answers(
        questions, lambda at: f"{at}.jpg", scores={}, only=([], []), tested=tested
    ).comparison


def of_models(pair: Pair) -> Comparison:
    return compare_answers(
        questions_of(Said(pair.a, pair.targets), Said(pair.b, pair.targets)),
        str,
        scores=scores_of(pair.a, pair.b),
        only=only_known(pair.a.vocabulary, pair.b.vocabulary),
    ).comparison


def test_flips_are_counted_by_both_answers_with_their_first_pictures() -> None:
    result = found(
        asked([0, 0, 0, 1, -1], [1, 1, 0, 1, 2], [1, 0, 0, 1, 2], [True, True, True, True, False])
    )
    assert [(flip.a, flip.b, flip.pictures) for flip in result.flips] == [
        ("red", "blue", 2),
        (None, "green", 1),
    ]
    first = result.flips[0]
    assert (first.to_right, first.to_wrong, first.first) == (1, 1, ["0.jpg", "1.jpg"])
    assert (result.flips[1].to_right, result.flips[1].to_wrong) == (0, 0)  # nobody knows
    assert (result.pictures, result.flipped, result.all.same) == (5, 3, 2)
    right = result.groups[0].right
    assert right is not None
    assert (right.pictures, right.a_right, right.b_right) == (4, 3, 3)


answers = st.lists(st.tuples(*[st.integers(-1, 2)] * 3, st.booleans()), min_size=1, max_size=40)


@given(answers)
@settings(deadline=None)
def test_seen_from_the_other_side_everything_is_the_other_way_round(
    rows: list[tuple[int, int, int, bool]],
) -> None:
    a, b, truth, known = (list(column) for column in zip(*rows, strict=True))
    one, other = found(asked(a, b, truth, known)), found(asked(b, a, truth, known))
    turned = {"better": "worse", "worse": "better"}
    assert turned.get(one.verdict, one.verdict) == other.verdict
    assert {(flip.a, flip.b, flip.to_right, flip.to_wrong) for flip in one.flips} == {
        (flip.b, flip.a, flip.to_wrong, flip.to_right) for flip in other.flips
    }
    assert sum(flip.pictures for flip in one.flips) == one.flipped  # one group: each counts once
    assert [(row.a, row.b) for row in one.labels] == [(row.b, row.a) for row in other.labels]


def test_a_better_model_is_called_better_with_its_figures_and_an_equal_one_is_not() -> None:
    pair = model_pair(1, 3000, noise=1.6)
    worse = of_models(pair)
    assert worse.verdict == "worse"
    color = worse.groups[0].right
    assert color is not None
    assert (
        f"color right from {color.a_right / 30:.1f} % to {color.b_right / 30:.1f} % of 3,000"
        in worse.sentence
    )
    assert "more than chance" in worse.sentence
    turned = of_models(Pair(pair.b, pair.a, pair.targets))
    assert turned.sentence.startswith("B is better: color right from")
    equal = of_models(model_pair(2, 300))
    assert equal.verdict == "no difference"
    assert equal.sentence.startswith("no difference that 300 pictures could show: color right from")
    for name in ("type right from", "all right from", "points would show", "less often"):
        assert name in equal.sentence


def test_equal_models_are_called_different_in_one_of_twenty_comparisons_at_most() -> None:
    pairs = [model_pair(seed, 200) for seed in range(100, 250)]
    verdicts = [
        found(*questions_of(Said(a, targets), Said(b, targets))).verdict for a, b, targets in pairs
    ]
    assert sum(verdict in ("better", "worse", "mixed") for verdict in verdicts) <= 150 * 0.1


def test_without_labels_it_says_how_often_both_agree_and_not_who_is_right() -> None:
    result = found(asked([0, 1, 1, 2], [0, 1, 2, 2], [-1] * 4, [False] * 4))
    assert result.verdict == "unknown"
    assert result.groups[0].right is None
    assert "color on 75.0 % (30.1 to 95.4) of 4 pictures" in result.sentence
    assert "nothing here says which is right" in result.sentence


def test_what_persons_picked_is_counted_and_not_tested() -> None:
    result = found(asked([0] * 20, [1] * 20, [1] * 20, [True] * 20), tested=False)
    assert result.verdict == "unknown"
    right = result.groups[0].right
    assert right is not None
    assert (right.p, right.low, right.b_alone) == (None, None, 20)
    assert "color right from 0.0 % to 100.0 % of 20 pictures" in result.sentence
    assert "no figure of the whole catalog" in result.sentence


def test_what_only_one_knows_is_named_and_its_pictures_are_not_judged() -> None:
    ours = Vocabulary.build(
        parse_groups("color,use+"), [("color", "red"), ("color", "blue"), ("use", "home")]
    )
    theirs = Vocabulary.build(
        parse_groups("color,use+,size"),
        [("color", "red"), ("color", "blue"), ("color", "navy"), ("use", "home"), ("size", "xl")],
    )
    nan = np.nan
    a_targets = np.array([[1, 0, 1], [0, 1, 0], [nan, nan, 0], [0, 0, 1]], np.float32)
    b_targets = np.array(
        [[1, 0, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 1]], np.float32
    )
    a = Answers(np.where(a_targets == 1, 4.0, -4.0), np.full(3, 0.5), ours)
    b_logits = np.where(b_targets == 1, 4.0, -4.0)
    b_logits[1, :3] = -4, -4, 4  # navy, where blue was right
    b = Answers(b_logits, np.full(5, 0.5), theirs)
    result = compare_answers(
        questions_of(Said(a, a_targets), Said(b, b_targets)),
        str,
        scores=scores_of(a, b),
        only=only_known(ours, theirs),
    ).comparison
    assert (result.only_a, result.only_b) == ([], ["color:navy", "size:xl"])
    assert [row.label for row in result.labels] == ["color:red", "color:blue", "use:home"]
    color, use = result.groups
    assert color.right is not None
    assert (color.right.pictures, color.right.a_right, color.right.b_right) == (3, 3, 2)
    assert use.right is not None
    assert use.right.pictures == 4
    assert {(flip.a, flip.b) for flip in result.flips} == {("blue", "navy"), (None, "navy")}
    assert "better" not in result.sentence


@pytest.mark.parametrize("n", [1, 2])
def test_so_few_pictures_say_so(n: int) -> None:
    result = found(asked([0] * n, [1] * n, [1] * n, [True] * n))
    assert result.verdict == "no difference"
    pictures = "1 picture" if n == 1 else f"{n} pictures"
    assert f"no difference that {pictures} could show" in result.sentence
    assert "too few to show any" in result.sentence
