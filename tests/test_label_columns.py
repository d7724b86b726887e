"""Every label has a column of its own that can be typed, whatever script it is written in."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.errors import VocabularyError
from tagger.labels.columns import slug
from tagger.labels.vocabulary import Vocabulary, canonical_name, parse_groups

GROUPS = parse_groups("color,garment,detail+")
printable = (
    st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=6)
    .map(canonical_name)
    .filter(lambda name: bool(name) and name.isprintable())
)
distinct = st.lists(
    st.tuples(st.sampled_from(["color", "garment", "detail"]), printable),
    unique_by=lambda key: (key[0], re.sub(r"[\s_-]+", " ", key[1].lower()).strip()),
)


@given(printable)
def test_any_printable_label_has_a_column_that_can_be_typed(name: str) -> None:
    assert re.fullmatch(r"score_[a-z0-9_]+", _columns([("color", name)])[0])


@given(distinct)
def test_distinct_labels_have_distinct_columns(keys: list[tuple[str, str]]) -> None:
    columns = _columns(keys)
    assert len(set(columns)) == len(keys)


@given(distinct)
def test_columns_are_kept_by_the_file_of_a_vocabulary(keys: list[tuple[str, str]]) -> None:
    vocabulary = Vocabulary.build(GROUPS, keys)
    written = json.dumps(
        {
            "groups": [{"name": group.name, "exclusive": group.exclusive} for group in GROUPS],
            "labels": [
                {"group": x.group, "name": x.name, "column": x.column} for x in vocabulary.labels
            ],
        }
    )
    read = Vocabulary.parse(written)
    assert [x.column for x in read.labels] == [x.column for x in vocabulary.labels]


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("Navy Blue / dark", "score_navy_blue_dark"),
        ("grün", "score_gruen"),
        ("weiß", "score_weiss"),
        ("Übergröße", "score_uebergroesse"),
        ("rosé", "score_rose"),
        ("红色", "score_hongse"),
        ("красный", "score_krasnyy"),
        ("κόκκινο", "score_kokkino"),
        ("★", "score_u2605"),
        ("100 %", "score_100"),
    ],
)
def test_columns_are_spelled_as_a_person_would_type_them(name: str, column: str) -> None:
    assert _columns([("color", name)]) == [column]


def test_labels_of_one_spelling_are_told_apart_by_group_then_by_number() -> None:
    keys = [("color", "rosé"), ("color", "rose"), ("color", "rosè"), ("garment", "rose")]
    assert _columns(keys) == [
        "score_rose",
        "score_color_rose",
        "score_color_rose_2",
        "score_garment_rose",
    ]


def test_a_label_does_not_take_the_column_of_an_answer() -> None:
    groups = parse_groups("score,color")
    vocabulary = Vocabulary.build(groups, [("color", "score")])
    assert vocabulary.labels[0].column == "score_color_score"


def test_stored_columns_stay_as_an_earlier_version_spelled_them() -> None:
    stored = {
        "groups": [{"name": "color"}],
        "labels": [
            {"group": "color", "name": "grün", "column": "score_gr_n"},
            {"group": "color", "name": "rosé", "column": "score_ros"},
            {"group": "color", "name": "weiß", "column": "score_wei"},
        ],
    }
    read = Vocabulary.parse(json.dumps(stored))
    grown = read.extend([("color", "weiss"), ("color", "gelb")])
    assert [x.column for x in grown.labels] == [
        "score_gr_n",
        "score_ros",
        "score_wei",
        "score_weiss",
        "score_gelb",
    ]


def test_a_label_without_a_name_is_refused() -> None:
    with pytest.raises(VocabularyError, match="no name"):
        Vocabulary.build(GROUPS, [("color", " \u200b")])


def test_the_slug_of_a_name_in_ascii_is_what_it_was() -> None:
    assert slug("T-Shirt (long)") == "t_shirt_long"


def _columns(keys: list[tuple[str, str]]) -> list[str]:
    return [label.column for label in Vocabulary.build(GROUPS, keys).labels]
