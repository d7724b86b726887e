"""Which pairs of labels were trained, which cannot be taught, and how a pair is named."""

import numpy as np
import pytest

from tagger.errors import InputError
from tagger.labels.pairs import count_pairs, parse_pair, unteachable
from tagger.labels.vocabulary import Vocabulary, parse_groups

KEYS = [
    ("color", "navy blue"),
    ("color", "red"),
    ("garment", "dress"),
    ("garment", "jeans"),
    ("use", "home"),
]


def vocabulary(groups: str = "color,garment,use+") -> Vocabulary:
    return Vocabulary.build(parse_groups(groups), KEYS)


def pictures(*pairs: tuple[int, int], each: int = 20) -> np.ndarray:
    targets = np.zeros((len(pairs) * each, 5), np.float32)
    for k, (i, j) in enumerate(pairs):
        targets[k * each : (k + 1) * each, [i, j]] = 1
    return targets


def test_pairs_are_counted_across_exclusive_groups_and_unknown_ones_are_not() -> None:
    targets = pictures((0, 3), (1, 2))
    targets[0, 3] = np.nan
    targets[:, 4] = 1  # not an exclusive group
    assert count_pairs(targets, vocabulary()) == {
        ("color:navy blue", "garment:jeans"): 19,
        ("color:red", "garment:dress"): 20,
    }


def test_a_pair_whose_label_has_one_partner_cannot_be_taught_unless_training_recombines() -> None:
    targets = pictures((0, 3), (1, 2), (1, 3))  # navy only as jeans
    (found,) = unteachable(targets, vocabulary(), recombines=False)
    assert found[0] == ("color:navy blue", "garment:dress")
    assert found[1] == "color:navy blue always comes with garment:jeans"
    assert unteachable(targets, vocabulary(), recombines=True) == []
    both = vocabulary("color:both,garment,use+")  # what is judged by both cannot be recombined
    assert len(unteachable(targets, both, recombines=True)) == 1


def test_a_label_of_a_handful_of_pictures_teaches_no_new_pair() -> None:
    targets = np.concatenate([pictures((1, 2), (1, 3)), pictures((0, 2), each=3)])
    (found,) = unteachable(targets, vocabulary(), recombines=True)
    assert found == (
        ("color:navy blue", "garment:jeans"),
        "color:navy blue has 3 training pictures",
    )


@pytest.mark.parametrize(
    "text", ["navy_blue_dress", "color:navy blue+garment:dress", "garment:dress + color:navy blue"]
)
def test_a_pair_is_named_by_its_tokens_or_by_its_labels(text: str) -> None:
    assert parse_pair(text, vocabulary()) == {("color", "navy blue"), ("garment", "dress")}


@pytest.mark.parametrize(
    "text", ["dress", "red_dress_home", "red_hat", "color:red", "color:red+use:home", "", "::+"]
)
def test_what_is_no_pair_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(
        InputError, match=r"two labels of different exclusive groups \(color, garment\).*color:red"
    ):
        parse_pair(text, vocabulary())
