"""Persons' answers in rows: what stands, what is taken back, what it leaves alone."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from saying import said

from tagger.imaging.file_facts import FileFacts
from tagger.index.corrected_rows import Judge, RowLabel
from tagger.index.corrections import InForce
from tagger.index.merge import merge
from tagger.index.rows import make_rows
from tagger.labels.vocabulary import Group, Vocabulary

GROUPS = (Group("color"), Group("garment"), Group("pattern", exclusive=False))
KEYS = [
    ("color", "red"),
    ("color", "blue"),
    ("garment", "dress"),
    ("garment", "shirt"),
    ("pattern", "striped"),
    ("pattern", "floral"),
]
VOCABULARY = Vocabulary.build(GROUPS, KEYS)
THRESHOLDS = np.array([0.5, 0.4, 0.5, 0.6, 0.3, 0.5])
CONTENTS = [f"{number:064x}" for number in range(6)]
EXCLUSIVE = ["color", "garment"]


def rows_of(logits: np.ndarray, vocabulary: Vocabulary = VOCABULARY) -> pa.Table:
    """Return rows as the model alone has them; the last picture cannot be read."""
    facts = [
        FileFacts("ok", None, content, 100, 5, 10, 10) for content in CONTENTS[: len(logits) - 1]
    ]
    facts.append(FileFacts("truncated", "it ends too soon", CONTENTS[-1], 100, 5))
    rows = make_rows(
        [f"{number}.jpg" for number in range(len(logits))],
        facts,
        logits.astype(np.float32),
        vocabulary=vocabulary,
        thresholds=THRESHOLDS[: len(vocabulary)],
        model_id="one",
        likeness=None,
        outside=np.zeros(len(logits)),
    )
    return rows.drop_columns("_unsettled")


def judge(words: list[Any], tonight: Vocabulary = VOCABULARY) -> Judge:
    models = {"one": labels_of(VOCABULARY), "two": labels_of(tonight)}
    return Judge(InForce(words, EXCLUSIVE), models, "two", EXCLUSIVE)


def labels_of(vocabulary: Vocabulary) -> list[RowLabel]:
    thresholds = np.append(THRESHOLDS, [0.5] * len(vocabulary)).tolist()
    return [
        RowLabel(label.group, label.name, label.column, threshold, label.retired)
        for label, threshold in zip(vocabulary.labels, thresholds, strict=False)
    ]


def row(table: pa.Table, at: int = 0) -> dict[str, Any]:
    return dict(table.slice(at, 1).to_pylist()[0])


def random_rows(seed: int) -> pa.Table:
    return rows_of(np.random.default_rng(seed).normal(0, 3, (6, len(VOCABULARY))))


LOW = np.full((2, len(VOCABULARY)), -5.0)


def test_tags_follow_answers_in_vocabulary_order() -> None:
    words = [
        said(CONTENTS[0], "garment", label="shirt"),
        said(CONTENTS[0], "pattern", label="floral"),
        said(CONTENTS[0], "color", label="blue"),
    ]
    now = row(judge(words).judged(rows_of(LOW)))
    assert now["tags"] == ["blue", "shirt", "floral"]
    assert now["corrected"] == ["color", "garment", "pattern:floral"]
    assert (now["color_score"], now["garment_score"]) == (None, None)


def test_a_tag_that_a_person_denies_goes_and_others_stay() -> None:
    logits = np.where(np.arange(len(VOCABULARY)) >= 4, 5.0, LOW)
    assert row(rows_of(logits))["tags"] == ["striped", "floral"]
    words = [said(CONTENTS[0], "pattern", "is_not", label="striped")]
    now = row(judge(words).judged(rows_of(logits)))
    assert (now["tags"], now["corrected"]) == (["floral"], ["pattern:striped"])


@pytest.mark.parametrize("answer", ["unknown", "withdrawn"])
def test_who_does_not_know_says_nothing_for_the_row(answer: str) -> None:
    words = [
        said(CONTENTS[0], "color", label="blue"),
        said(CONTENTS[0], "color", answer),
        said(CONTENTS[0], "pattern", label="floral"),
        said(CONTENTS[0], "pattern", answer, label="floral"),
    ]
    plain = rows_of(LOW)
    assert judge(words).judged(plain) == plain


def test_a_retired_label_is_no_answer_and_a_new_one_is() -> None:
    tonight = VOCABULARY.extend([("color", "teal")]).retire([("color", "red")])
    words = [
        said(CONTENTS[0], "color", label="red"),
        said(CONTENTS[1], "color", label="teal"),
        said(CONTENTS[2], "color", label="mauve"),
        said(CONTENTS[0], "pattern", label="mauve"),
    ]
    before = random_rows(1)
    after = judge(words, tonight).judged(before)
    assert row(after) == row(before)
    assert (row(after, 1)["color"], row(after, 1)["corrected"]) == ("teal", ["color"])
    assert "teal" in row(after, 1)["tags"]
    assert (row(after, 2)["color"], row(after, 2)["corrected"]) == (None, ["color"])


words_said = st.lists(
    st.one_of(
        st.builds(
            lambda at, group, said_: said(CONTENTS[at], group, said_[0], label=said_[1]),
            st.integers(0, 5),
            st.sampled_from(EXCLUSIVE),
            st.sampled_from(
                [
                    ("is", "red"),
                    ("is", "dress"),
                    ("none", None),
                    ("unknown", None),
                    ("withdrawn", None),
                    ("is_not", "red"),
                ]
            ),
        ),
        st.builds(
            lambda at, label, answer: said(CONTENTS[at], "pattern", answer, label=label),
            st.integers(0, 5),
            st.sampled_from(["striped", "floral", "new"]),
            st.sampled_from(["is", "is_not", "unknown", "withdrawn"]),
        ),
    ),
    max_size=12,
)


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), first=words_said, then=words_said)
def test_what_was_said_before_leaves_no_trace(seed: int, first: list[Any], then: list[Any]) -> None:
    plain = random_rows(seed)
    by_first = judge(first).judged(plain)
    assert judge(first).judged(by_first) == by_first
    at_once = judge([*first, *then]).judged(plain)
    step_by_step = judge([*first, *then]).judged(by_first)
    assert step_by_step == at_once
    assert judge([]).judged(step_by_step) == plain
    scores = [name for name in plain.column_names if name.startswith("score_")]
    assert at_once.select(scores) == plain.select(scores)
    assert row(at_once, 5) == row(plain, 5)  # it cannot be read


def test_two_labels_of_one_name_are_told_apart_in_the_feed() -> None:
    vocabulary = Vocabulary.build(GROUPS, [*KEYS, ("pattern", "red")])
    logits = np.full((2, len(vocabulary)), -5.0)
    logits[0, 0] = 5
    facts = [FileFacts("ok", None, content, 100, 5, 10, 10) for content in CONTENTS[:2]]
    thresholds = np.full(len(vocabulary), 0.5)
    plain = make_rows(
        ["a.jpg", "b.jpg"],
        facts,
        logits.astype(np.float32),
        vocabulary=vocabulary,
        thresholds=thresholds,
        model_id="one",
        likeness=None,
        outside=np.zeros(len(logits)),
    ).drop_columns("_unsettled")
    models = {
        "one": [RowLabel(x.group, x.name, x.column, 0.5, x.retired) for x in vocabulary.labels]
    }
    words = [said(CONTENTS[0], "pattern", answer, label="red") for answer in ("is", "is_not")]
    first, second = (
        Judge(InForce(words[:n], EXCLUSIVE), models, "one", EXCLUSIVE).judged(plain) for n in (1, 2)
    )
    assert (row(first)["tags"], row(second)["tags"]) == (["red", "red"], ["red"])
    merged = merge(first, first.slice(0, 0), second)
    assert merged.changes.to_pylist() == [{"image_id": "a.jpg", "op": "upsert"}]
    assert merged.counts["corrected"] == 1


def test_what_scores_cannot_tell_comes_back_all_the_same() -> None:
    plain = rows_of(np.array([[40.0, 30, 40, 39, -40, 40], [0] * 6]))
    assert row(plain)["score_red"] == row(plain)["score_blue"] == 1
    answered = judge([said(CONTENTS[0], group, "none") for group in EXCLUSIVE]).judged(plain)
    assert (row(answered)["color"], row(answered)["garment"]) == (None, None)
    assert judge([]).judged(answered) == plain
