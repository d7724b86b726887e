"""Labels keep their place for ever."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.record import to_json
from tagger.errors import VocabularyError
from tagger.labels.columns import slug
from tagger.labels.vocabulary import Group, Vocabulary, parse_groups

GROUPS = parse_groups("color,garment,detail+")
names = st.text("abcXYZ _-/é", min_size=1, max_size=8).filter(slug)
keys = st.lists(
    st.tuples(st.sampled_from(["color", "garment", "detail"]), names),
    unique_by=lambda k: (k[0], slug(k[1])),
)


@given(keys, keys)
def test_extending_never_moves_or_renames_a_column(
    first: list[tuple[str, str]], second: list[tuple[str, str]]
) -> None:
    try:
        before = Vocabulary.build(GROUPS, first)
        after = before.extend(second)
    except VocabularyError:
        return  # names that collide are refused, which another test holds
    assert after.labels[: len(before)] == before.labels
    assert len({label.column for label in after.labels}) == len(after)


@given(keys)
def test_a_vocabulary_survives_its_json(labels: list[tuple[str, str]]) -> None:
    try:
        vocabulary = Vocabulary.build(GROUPS, labels, since="fashion-v1")
    except VocabularyError:
        return
    read = Vocabulary.parse(to_json(vocabulary.to_record()))
    assert read == vocabulary
    assert read.digest() == vocabulary.digest()


def test_groups_say_evidence_and_exclusiveness() -> None:
    assert parse_groups("color,garment,season:pixels,detail+") == [
        Group("color", True, "pixels"),
        Group("garment", True, "shape"),
        Group("season", True, "pixels"),
        Group("detail", False, "both"),
    ]


@pytest.mark.parametrize(
    "text", ["", "Color", "color:hue", "color garment", "color,,garment", "1st"]
)
def test_groups_that_do_not_parse_are_refused_with_the_form(text: str) -> None:
    with pytest.raises(VocabularyError, match="NAME"):
        parse_groups(text)


@pytest.mark.parametrize("name", ["image_id", "tags", "status", "scores", "logits"])
def test_a_group_cannot_take_a_fixed_column_or_an_output(name: str) -> None:
    with pytest.raises(VocabularyError, match=name):
        Vocabulary.build([Group(name)], [])


def test_labels_that_collide_are_refused_by_name() -> None:
    with pytest.raises(VocabularyError, match=r"'Navy Blue'.*'navy-blue'|'navy-blue'.*collide"):
        Vocabulary.build(GROUPS, [("color", "Navy Blue"), ("color", "navy-blue")])


def test_a_slug_taken_by_another_group_gets_the_group_in_front() -> None:
    vocabulary = Vocabulary.build(GROUPS, [("color", "orange"), ("detail", "Orange")])
    assert [label.column for label in vocabulary.labels] == ["score_orange", "score_detail_orange"]


def test_columns_that_would_be_there_twice_are_refused() -> None:
    with pytest.raises(VocabularyError, match="twice"):
        Vocabulary((Group("x"), Group("x_score")), ())


def test_folder_names_spell_labels_longest_match_first() -> None:
    labels = [
        ("color", "navy"),
        ("color", "navy_blue"),
        ("garment", "rain-coat"),
        ("garment", "coat"),
        ("detail", "rain"),
    ]
    vocabulary = Vocabulary.build(GROUPS, labels)
    assert vocabulary.match_tokens("navy_blue_rain_coat") == [
        ("color", "navy_blue"),
        ("garment", "rain-coat"),
    ]
    assert vocabulary.match_tokens("navy_rain_coat") == [
        ("color", "navy"),
        ("garment", "rain-coat"),
    ]
    assert vocabulary.match_tokens("navy_hat") is None


@pytest.mark.parametrize(
    "value",
    [None, [], {}, {"groups": 3}, {"groups": [{}], "labels": []}, {"groups": [], "labels": [1]}],
)
def test_what_is_no_vocabulary_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(VocabularyError, match="at least"):
        Vocabulary.parse(json.dumps(value))


def test_retired_and_exclusive_are_kept_and_must_be_booleans() -> None:
    value = {
        "groups": [{"name": "color"}],
        "labels": [{"group": "color", "name": "red", "retired": True}],
    }
    assert Vocabulary.parse(json.dumps(value)).labels[0].retired
    value["labels"][0]["retired"] = "false"  # type: ignore[index]
    with pytest.raises(VocabularyError, match="retired true or false"):
        Vocabulary.parse(json.dumps(value))
    with pytest.raises(VocabularyError, match="exclusive is true or false"):
        Vocabulary.parse('{"groups": [{"name": "color", "exclusive": "no"}], "labels": []}')
