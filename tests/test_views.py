"""Views: one firm answer, never at odds with scores, thresholds and tags."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tagger.labels.views import (
    group_probabilities,
    logit,
    sigmoid,
    stored_scores,
    tag_matrix,
    uncertain,
    view,
)
from tagger.labels.vocabulary import Vocabulary, parse_groups

logits_of_five = arrays(np.float32, (12, 5), elements=st.floats(-30, 30, width=32))
thresholds_of_five = arrays(np.float64, 5, elements=st.floats(0.05, 0.95)).map(
    lambda t: np.round(t, 4)
)
VOCABULARY = Vocabulary.build(
    parse_groups("color,detail+"),
    [("color", "red"), ("color", "blue"), ("color", "tan"), ("detail", "a"), ("detail", "b")],
)


@given(logits_of_five, thresholds_of_five)
def test_the_answer_holds_its_threshold_and_none_means_that_no_label_does(
    z: np.ndarray, t: np.ndarray
) -> None:
    found = view(z, t, [0, 1, 2])
    scores = stored_scores(z)
    holds = scores[:, :3] >= t[:3]
    assert np.array_equal(found.answer == -1, ~holds.any(axis=1))
    assert np.array_equal(np.isnan(found.probability), found.answer == -1)
    for row, answer in enumerate(found.answer):
        assert answer == -1 or holds[row, answer]


@given(logits_of_five, thresholds_of_five)
def test_tags_are_answers_and_all_other_labels_over_threshold(z: np.ndarray, t: np.ndarray) -> None:
    tags = tag_matrix(z, t, VOCABULARY)
    answer = view(z, t, [0, 1, 2]).answer
    assert np.array_equal(tags[:, 3:], stored_scores(z)[:, 3:] >= t[3:])
    assert (tags[:, :3].sum(axis=1) == (answer >= 0)).all()
    assert all(tags[row, column] for row, column in enumerate(answer) if column >= 0)


@given(logits_of_five)
def test_probabilities_add_up_to_one_and_one_label_is_the_sigmoid(z: np.ndarray) -> None:
    assert np.allclose(group_probabilities(z, [0, 1, 2]).sum(axis=1), 1)
    assert np.allclose(group_probabilities(z, [3])[:, 0], sigmoid(z[:, 3]))


@given(arrays(np.float32, 200, elements=st.floats(-40, 40, width=32)))
def test_stored_scores_are_those_of_the_formula_in_double_precision(z: np.ndarray) -> None:
    wide = z.astype(np.float64)
    assert np.array_equal(stored_scores(z), np.round(1 / (1 + np.exp(-wide)), 4))
    assert np.allclose(logit(sigmoid(z[np.abs(z) < 15])), wide[np.abs(z) < 15], atol=1e-6)


@settings(max_examples=30)
@given(logits_of_five, thresholds_of_five, st.permutations(range(12)))
def test_the_answer_of_a_row_does_not_depend_on_the_others(
    z: np.ndarray, t: np.ndarray, order: list[int]
) -> None:
    assert np.array_equal(view(z, t, [0, 1, 2]).answer[order], view(z[order], t, [0, 1, 2]).answer)


@given(
    logits_of_five,
    thresholds_of_five,
    arrays(np.float64, (12, 5), elements=st.floats(-1, 1)),
    st.floats(0.001, 0.5),
)
def test_where_tags_are_certain_no_error_of_that_size_changes_one(
    z: np.ndarray, t: np.ndarray, off: np.ndarray, error: float
) -> None:
    certain = ~uncertain(z, t, VOCABULARY, error)
    moved = z + 0.999 * error * off
    assert np.array_equal(
        tag_matrix(z, t, VOCABULARY)[certain], tag_matrix(moved, t, VOCABULARY)[certain]
    )


def test_tags_are_uncertain_near_a_threshold_and_between_rivals() -> None:
    t = np.full(5, 0.5)
    rows = {
        (-5, -5, -5, -5, -5): False,
        (0.05, -5, -5, -5, -5): True,
        (-0.05, -5, -5, -5, -5): True,
        (4, 0.05, -5, -5, -5): False,  # no rival of the answer
        (4, 3.85, -5, -5, -5): True,
        (-5, -5, -5, 5, 0.05): True,
    }
    assert uncertain(list(rows), t, VOCABULARY, 0.1).tolist() == list(rows.values())


def test_the_margin_over_the_threshold_decides_not_the_score() -> None:
    z = logit([[0.70, 0.60, 0.01]])
    assert view(z, [0.65, 0.3, 0.5], [0, 1, 2]).answer.tolist() == [1]
    assert view(z, [0.5, 0.5, 0.5], [0, 1, 2]).answer.tolist() == [0]


def test_a_score_that_rounds_up_to_its_threshold_holds() -> None:
    z = logit([[0.49996, 0.1, 0.1]])
    assert view(z, [0.5, 0.5, 0.5], [0, 1, 2]).answer.tolist() == [0]
    assert view(logit([[0.49994, 0.1, 0.1]]), [0.5, 0.5, 0.5], [0, 1, 2]).answer.tolist() == [-1]
