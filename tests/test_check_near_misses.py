"""Labels that are perhaps one label: what is proposed for names.csv, and what never is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.datasets.near_misses import near_misses


@pytest.mark.parametrize(
    ("counts", "proposed"),
    [
        ({"drees": 2, "dress": 120}, {"drees": "dress"}),
        ({"grey": 3, "gray": 40}, {"grey": "gray"}),
        ({"shirts": 300, "shirt": 280}, {"shirt": "shirts"}),
        ({"kleider": 60, "kleid": 200}, {"kleider": "kleid"}),
        ({"rosé": 30, "rose": 31}, {"rosé": "rose"}),
        ({"size 38": 2, "size 39": 100}, {}),
        ({"black": 3, "blue": 100, "white": 90}, {}),
        ({"boots": 50, "boats": 40}, {}),
        ({"Hose": 42, "Hosen": 7, "Hosn": 1}, {"Hosen": "Hose", "Hosn": "Hose"}),
        ({"C#": 5, "C": 40, "C++": 9}, {}),
        ({"♥": 3, "♥♥": 40, "rot": 9, "♥ rot": 12}, {}),
        ({"T.Shirt": 3, "T-Shirt": 40}, {"T.Shirt": "T-Shirt"}),
        ({"red": 60, "reds": 90}, {}),
    ],
)
def test_near_misses_are_one_rare_and_one_common_a_plural_or_the_same_word_typed(
    counts: dict[str, int], proposed: dict[str, str]
) -> None:
    found = near_misses({("g", name): n for name, n in counts.items()})
    assert {miss.name: miss.becomes for miss in found} == proposed


def test_labels_of_a_model_are_never_a_near_miss_and_others_may_be_one_of_them() -> None:
    counts = {("g", "drees"): 50, ("g", "kleider"): 2, ("g", "kleid"): 90}
    found = near_misses(counts, frozenset({("g", "dress"), ("g", "kleider")}))
    assert {miss.name: miss.becomes for miss in found} == {"drees": "dress", "kleid": "kleider"}


names = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b"]), st.text("abcdes", min_size=1, max_size=7)),
    st.integers(1, 200),
    max_size=12,
)


@given(names)
def test_proposals_stay_in_their_group_and_leave_nothing_to_rename_again(
    counts: dict[tuple[str, str], int],
) -> None:
    proposed = {(miss.group, miss.name) for miss in near_misses(counts)}
    for miss in near_misses(counts):
        end = miss.group, miss.becomes
        assert end in counts
        assert end not in proposed
        assert miss.common == counts[end]
