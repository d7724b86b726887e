"""The rule that makes one answer per product of its pictures, held against plain Python."""

import hashlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from engines import expected
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_nights import MODEL, OLDER, MadeNight, next_night, row_labels

from schemas.index import CHANGES_FILE
from schemas.rows import rows_schema
from tagger.index.corrected_rows import RowLabel
from tagger.index.night_labels import NightLabels
from tagger.index.store import Index
from tagger.search.documents import DocumentSettings
from tagger.search.opening import DocumentOptions
from tagger.search.product_documents import product_documents
from tagger.search.product_rule import disagreeing, margins, persons_answers, role_weight
from tagger.search.products import ROLE, SKU

EXCLUSIVE = ["color", "season"]
NOW = [
    RowLabel("color", "black", "score_black", 0.2, False),
    RowLabel("color", "blue", "score_blue", 0.5, False),
    RowLabel("color", "red", "score_red", 0.9, False),
    RowLabel("color", "teal", "score_teal", 0.5, True),
    RowLabel("season", "summer", "score_summer", 0.3, False),
    RowLabel("style", "printed", "score_printed", 0.4, False),
    RowLabel("style", "striped", "score_striped", 0.0001, False),
]
BEFORE = [  # blue was retired, striped is unknown, and thresholds are others
    RowLabel("color", "black", "score_black", 0.6, False),
    RowLabel("color", "blue", "score_blue", 0.5, True),
    RowLabel("color", "red", "score_red", 0.1, False),
    RowLabel("season", "summer", "score_summer", 0.9999, False),
    RowLabel("style", "printed", "score_printed", 0.2, False),
]
THRESHOLDS = {
    MODEL: {x.column: x.threshold for x in NOW if not x.retired},
    OLDER: {x.column: x.threshold for x in BEFORE if not x.retired},
}
ANSWERED = [label for label in NOW if not label.retired]
WEIGHTS = {"front": 4.0, "Main": 4.0, None: 2.0, "back": 2.0, "detail": 1.0, "swatch": 1.0}
BEGAN = datetime(2026, 11, 1, 3, 15, tzinfo=UTC)


class Picture(NamedTuple):
    """A row of a night that is ok, and which product it shows."""

    sku: str
    name: str
    scores: dict[str, float | None]
    role: str | None = None
    model: str = MODEL
    answers: dict[str, str | None] = {}  # noqa: RUF012 - only read
    styles: tuple[str, ...] = ()
    corrected: tuple[str, ...] | None = None
    seen: int | None = 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> DocumentSettings:
    """What documents are made by, for a night of two models."""
    models = {MODEL: NOW, OLDER: BEFORE}
    index = tmp_path_factory.mktemp("rule") / "index"
    MadeNight(0, str, str, models, EXCLUSIVE).publish(index)
    night = Index(index).current()
    assert night is not None
    return DocumentSettings(NightLabels(night), {}, by_product=True)


def table_of(pictures: Sequence[Picture]) -> pa.Table:
    """Return pictures as rows of the index, with their products."""
    schema = rows_schema(EXCLUSIVE, NOW)
    rows = []
    for one in pictures:
        row: dict[str, Any] = dict.fromkeys(schema.names)
        row |= {"image_id": one.name, "status": "ok", "reader": 1, "model_id": one.model}
        row |= {group: one.answers.get(group) for group in EXCLUSIVE}
        row["tags"] = [name for name in row_tags(one) if name]
        row["corrected"] = None if one.corrected is None else list(one.corrected)
        row["first_seen"] = None if one.seen is None else BEGAN + timedelta(seconds=one.seen)
        row |= one.scores
        rows.append(row)
    found = pa.Table.from_pylist(rows, schema)
    found = found.append_column(SKU, pa.array([one.sku for one in pictures], pa.string()))
    return found.append_column(ROLE, pa.array([one.role for one in pictures], pa.string()))


def row_tags(one: Picture) -> list[str | None]:
    return [*(one.answers.get(group) for group in EXCLUSIVE), *one.styles]


def documents(pictures: Sequence[Picture], made: DocumentSettings) -> dict[str, dict[str, Any]]:
    """Return the documents of pictures, by product."""
    skus = sorted({one.sku for one in pictures}, key=str.encode)
    found = product_documents(table_of(pictures), made, pa.array(skus), None)
    assert found["members"].to_pylist() == skus, "documents are in the order of their products"
    return {row["sku"]: row for row in found.to_pylist()}


def one_document(made: DocumentSettings, *pictures: Picture) -> dict[str, Any]:
    (found,) = documents(pictures, made).values()
    return found


def scored(**scores: float | None) -> dict[str, float | None]:
    return {f"score_{name}": score for name, score in scores.items()}


def logit(value: float) -> float:
    value = min(max(value, 0.00005), 0.99995)
    return math.log(value / (1 - value))


def test_the_weighted_mean_of_margins_decides_and_not_the_majority(made: DocumentSettings) -> None:
    sure = Picture("s", "a", scored(blue=0.99, black=0.01), role="front")
    unsure = [Picture("s", name, scored(blue=0.45, black=0.25), role="back") for name in "bcd"]
    assert one_document(made, sure, *unsure)["color"] == "blue"
    assert one_document(made, *unsure)["color"] == "black"


@pytest.mark.parametrize("name", ["black", "blue", "red"])
def test_of_equal_margins_the_label_counts_that_pictures_answer(
    made: DocumentSettings, name: str
) -> None:
    """The model's own logits told them apart, and four decimals do not."""
    equal = scored(black=0.2, blue=0.5, red=0.9)
    assert one_document(made, Picture("s", "a", equal, answers={"color": name}))["color"] == name
    front = Picture("s", "a", equal, answers={"color": name}, role="front")
    detail = Picture("s", "b", equal, answers={"color": "black"}, role="detail")
    assert one_document(made, front, detail)["color"] == name


def test_a_front_counts_for_four_details(made: DocumentSettings) -> None:
    front = Picture("s", "a", scored(printed=0.6), role="front")
    details = [Picture("s", name, scored(printed=0.3), role="detail") for name in "bcdef"]
    above, below = logit(0.6) - logit(0.4), logit(0.3) - logit(0.4)
    for n in range(6):
        mean = (4 * above + n * below) / (4 + n)
        found = one_document(made, front, *details[:n])
        assert found["style"] == (["printed"] if mean >= 0 else [])
        back = 1 / (1 + math.exp(-(mean + logit(0.4))))
        assert found["score_printed"] == pytest.approx(back, abs=0.00006)


def test_an_exclusive_group_has_no_answer_where_all_margins_are_below_0(
    made: DocumentSettings,
) -> None:
    low = Picture("s", "a", scored(black=0.1999, blue=0.4999, red=0.8999))
    found = one_document(made, low)
    assert (found["color"], found["tags"]) == (None, [])
    assert found["score_red"] == 0.8999


@pytest.mark.parametrize(("score", "answer"), [(0.2, "black"), (0.1999, None), (0.2001, "black")])
def test_a_score_that_just_reaches_its_threshold_holds(
    made: DocumentSettings, score: float, answer: str | None
) -> None:
    for n in (1, 2, 3, 7):
        same = [Picture("s", str(i), scored(black=score)) for i in range(n)]
        assert one_document(made, *same)["color"] == answer


def test_a_stored_0_or_1_is_not_infinitely_sure(made: DocumentSettings) -> None:
    zero = Picture("s", "a", scored(blue=0.0, printed=1.0))
    ones = [Picture("s", name, scored(blue=1.0, printed=0.0)) for name in "bc"]
    found = one_document(made, zero, *ones)
    assert found["color"] == "blue"
    assert found["style"] == []
    assert 0 < found["score_printed"] < 0.4
    assert one_document(made, zero)["score_blue"] == pytest.approx(0, abs=0.0001)
    assert one_document(made, zero)["score_printed"] == pytest.approx(1, abs=0.0001)


def test_margins_of_0_and_1_are_those_of_half_a_last_decimal() -> None:
    found = margins(np.array([0.0, 1.0, np.nan, 0.5]), np.array([0.5, 0.5, 0.5, np.nan]))
    assert found[:2].tolist() == pytest.approx([logit(0.00005), logit(0.99995)])
    assert np.isnan(found[2:]).all()


def test_rows_of_an_older_model_count_by_its_own_thresholds(made: DocumentSettings) -> None:
    scores = scored(black=0.3, red=0.3)
    assert one_document(made, Picture("s", "a", scores))["color"] == "black"
    old = Picture("s", "a", scores, model=OLDER)
    found = one_document(made, old)
    assert found["color"] == "red"
    # 0.3 over 0.1 there is as far as 0.9720 over 0.9 is here.
    far = logit(0.3) - logit(0.1) + logit(0.9)
    assert found["score_red"] == pytest.approx(1 / (1 + math.exp(-far)), abs=0.00006)


def test_labels_that_an_older_model_does_not_know_or_had_retired_are_left_to_other_pictures(
    made: DocumentSettings,
) -> None:
    old = Picture("s", "a", scored(blue=0.9999, striped=0.9), role="front", model=OLDER)
    found = one_document(made, old)
    assert (found["color"], found["style"]) == (None, [])
    assert (found["score_blue"], found["score_striped"]) == (None, None)
    new = Picture("s", "b", scored(blue=0.6, striped=0.7), role="detail")
    found = one_document(made, old, new)
    assert (found["color"], found["style"]) == ("blue", ["striped"])
    assert (found["score_blue"], found["score_striped"]) == (0.6, 0.7)


def test_a_retired_label_is_answered_by_nobody_and_has_no_field(made: DocumentSettings) -> None:
    found = one_document(made, Picture("s", "a", scored(teal=1.0), answers={"color": "teal"}))
    assert found["color"] is None
    assert "score_teal" not in found
    assert found["disagree"] == []


def test_what_a_person_answered_wins_over_any_score(made: DocumentSettings) -> None:
    said = Picture(
        "s", "a", scored(black=0.0), role="detail", answers={"color": "red"}, corrected=("color",)
    )
    other = Picture("s", "b", scored(black=1.0), role="front", answers={"color": "black"})
    found = one_document(made, said, other)
    assert (found["color"], found["tags"], found["disagree"]) == ("red", ["red"], ["color"])
    none = said._replace(answers={"color": None})
    assert one_document(made, none, other)["color"] is None
    vanished = said._replace(answers={"color": "a label of long ago"})
    assert one_document(made, vanished, other)["color"] is None


def test_of_answers_of_several_persons_the_one_whose_pictures_weigh_most_wins(
    made: DocumentSettings,
) -> None:
    def said(name: str, role: str, answer: str) -> Picture:
        return Picture("s", name, {}, role=role, answers={"color": answer}, corrected=("color",))

    details = [said(name, "detail", "red") for name in "abc"]
    assert one_document(made, *details, said("d", "front", "blue"))["color"] == "blue"
    assert one_document(made, *details, said("d", "back", "blue"))["color"] == "red"


@pytest.mark.parametrize("present", [True, False])
def test_a_person_decides_labels_of_open_groups_too(
    made: DocumentSettings, *, present: bool
) -> None:
    styles = ("printed",) if present else ()
    said = Picture("s", "a", scored(printed=0.5), styles=styles, corrected=("style:printed",))
    against = scored(printed=0.0 if present else 1.0)
    others = [Picture("s", name, against, role="front") for name in "bc"]
    found = one_document(made, said, *others)
    assert found["style"] == list(styles)
    assert found["tags"] == list(styles)


def test_an_answer_of_no_label_is_no_disagreement(made: DocumentSettings) -> None:
    a = Picture("s", "a", {}, answers={"color": "red", "season": "summer"})
    b = Picture("s", "b", {}, answers={"color": None, "season": "summer"})
    c = Picture("s", "c", {}, answers={"color": "blue"})
    assert one_document(made, a, b)["disagree"] == []
    assert one_document(made, a, b, c)["disagree"] == ["color"]
    assert one_document(made, c)["disagree"] == []


def test_images_are_by_weight_then_by_path_and_the_first_stands_for_the_product(
    made: DocumentSettings,
) -> None:
    roles = {"z.jpg": "front", "a.jpg": "detail", "c.jpg": None, "b.jpg": "back", "d.jpg": "main"}
    found = one_document(made, *(Picture("s", name, {}, role=role) for name, role in roles.items()))
    assert found["images"] == ["d.jpg", "z.jpg", "b.jpg", "c.jpg", "a.jpg"]
    assert found["path"] == "d.jpg"
    assert found["id"] == hashlib.sha256(b"s").hexdigest()[:32]


def test_a_product_was_seen_first_with_its_first_picture_if_that_is_known_of_all(
    made: DocumentSettings,
) -> None:
    a = Picture("s", "a", {}, seen=90)
    b = Picture("s", "b", {}, seen=30)
    assert one_document(made, a, b)["first_seen"] == BEGAN + timedelta(seconds=30)
    assert one_document(made, a, b._replace(seen=None))["first_seen"] is None


@pytest.mark.parametrize(
    ("role", "weight"),
    [
        *[("front", 4), (" FRONT ", 4), ("Front View", 4), ("front_2", 4), ("1", 4), ("vorne", 4)],
        *[("back", 2), ("", 2), (None, 2), ("lookbook", 2), ("2", 2), ("worn", 2)],
        *[("detail", 1), ("Detail_03", 1), ("close-up", 1), ("swatch", 1), ("DETAIL\tfront", 1)],
    ],
)
def test_roles_weigh_by_their_first_word_that_is_known(role: str | None, weight: float) -> None:
    assert role_weight(role) == weight


SCORES = st.one_of(
    st.none(),
    st.sampled_from([0.0, 1.0, 0.2, 0.5, 0.9, 0.0001, 0.9999]),
    st.integers(0, 10_000).map(lambda n: n / 10_000),
)
SAID = st.sampled_from(["color", "season", "style:printed", "style:striped"])


@st.composite
def many_pictures(draw: st.DrawFn) -> list[Picture]:
    """Draw pictures of a few products, whatever models and persons said of them."""
    names = draw(st.lists(st.text("abc/é", min_size=1, max_size=4), unique=True, max_size=12))
    return [
        Picture(
            sku=draw(st.sampled_from(["p1", "p10", "P1", "ü"])),
            name=name,
            scores={x.column: draw(SCORES) for x in NOW},
            role=draw(st.sampled_from(list(WEIGHTS))),
            model=draw(st.sampled_from([MODEL, OLDER])),
            answers={
                "color": draw(st.sampled_from([None, "black", "blue", "red", "teal", "gone"])),
                "season": draw(st.sampled_from([None, "summer"])),
            },
            styles=draw(st.sampled_from([(), ("printed",), ("printed", "striped")])),
            corrected=draw(st.none() | st.lists(SAID, unique=True).map(tuple)),
            seen=draw(st.none() | st.integers(0, 9)),
        )
        for name in names
    ]


def mean_margin(pictures: Sequence[Picture], column: str) -> float | None:
    """Return the margin of a product, by the book; None where no picture has one."""
    parts = []
    for one in pictures:
        score = one.scores.get(column)
        threshold = THRESHOLDS[one.model].get(column)
        if score is not None and threshold is not None:
            parts.append((WEIGHTS[one.role], logit(score) - logit(threshold)))
    if not parts:
        return None
    return math.fsum(w * m for w, m in parts) / sum(w for w, _ in parts)


def persons_said(pictures: Sequence[Picture], key: str, answer: Any) -> set[Any] | None:
    """Return the answers of persons that weigh most; None where no person answered."""
    weights: dict[Any, float] = {}
    for one in pictures:
        if key in (one.corrected or ()):
            weights[answer(one)] = weights.get(answer(one), 0) + WEIGHTS[one.role]
    return {a for a, w in weights.items() if w == max(weights.values())} if weights else None


def possible_answers(pictures: Sequence[Picture], group: str) -> set[str | None]:
    """Return what an exclusive group may answer: several where margins are the same."""
    known = [x.name for x in ANSWERED if x.group == group]
    said = persons_said(
        pictures, group, lambda x: x.answers[group] if x.answers[group] in known else None
    )
    if said is not None:
        return said
    margins = {x.name: mean_margin(pictures, x.column) for x in ANSWERED if x.group == group}
    found = {name: margin for name, margin in margins.items() if margin is not None}
    most = max(found.values(), default=-1.0)
    best: set[str | None] = {n for n, m in found.items() if m > most - 1e-9 and m > -1e-9}
    return best | ({None} if most < 1e-9 else set())


def possible_states(pictures: Sequence[Picture], label: RowLabel) -> set[bool]:
    """Return whether a label of an open group may hold: both where its margin is 0."""
    said = persons_said(pictures, f"{label.group}:{label.name}", lambda x: label.name in x.styles)
    if said is not None:
        return said
    margin = mean_margin(pictures, label.column)
    if margin is None:
        return {False}
    return {True, False} if abs(margin) < 1e-9 else {margin > 0}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(pictures=many_pictures())
def test_documents_are_those_of_the_rule_in_plain_python(
    made: DocumentSettings, pictures: list[Picture]
) -> None:
    found = documents(pictures, made)
    assert set(found) == {one.sku for one in pictures}
    for sku, document in found.items():
        mine = [one for one in pictures if one.sku == sku]
        check_document(document, mine)


def check_document(document: dict[str, Any], mine: Sequence[Picture]) -> None:
    order = sorted(mine, key=lambda one: (-WEIGHTS[one.role], one.name.encode()))
    assert document["images"] == [one.name for one in order]
    assert document["path"] == order[0].name
    for group in EXCLUSIVE:
        assert document[group] in possible_answers(mine, group)
        answers = {one.answers[group] for one in mine}
        known = answers & {x.name for x in ANSWERED if x.group == group}
        assert (group in document["disagree"]) == (len(known) > 1)
    for label in ANSWERED:
        margin = mean_margin(mine, label.column)
        score = document[label.column]
        assert (score is None) == (margin is None)
        if margin is not None:
            back = 1 / (1 + math.exp(-(margin + logit(label.threshold))))
            assert score == pytest.approx(back, abs=0.000051)
        if label.group == "style":
            assert (label.name in document["style"]) in possible_states(mine, label)
    has = [*(document[group] for group in EXCLUSIVE), *document["style"]]
    assert document["tags"] == [name for name in has if name]
    assert document["words"] == document["tags"]
    seen = [one.seen for one in mine]
    unknown = None in seen
    first = None if unknown else BEGAN + timedelta(seconds=min(n for n in seen if n is not None))
    assert document["first_seen"] == first


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(pictures=many_pictures(), seed=st.integers(0, 99))
def test_the_order_of_rows_changes_nothing(
    made: DocumentSettings, pictures: list[Picture], seed: int
) -> None:
    shuffled = [pictures[i] for i in np.random.default_rng(seed).permutation(len(pictures))]
    assert documents(shuffled, made) == documents(pictures, made)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(pictures=many_pictures(), one=st.integers(0, 99))
def test_a_picture_that_comes_goes_or_changes_touches_its_product_alone(
    made: DocumentSettings, pictures: list[Picture], one: int
) -> None:
    if not pictures:
        return
    at = one % len(pictures)
    touched = pictures[at]
    other = touched._replace(scores={x.column: 0.5 for x in NOW}, corrected=("color",), role=None)
    before = documents(pictures, made)
    for more in ([], [other]):
        after = documents([*pictures[:at], *more, *pictures[at + 1 :]], made)
        for sku in set(before) | set(after):
            if sku != touched.sku:
                assert before.get(sku) == after.get(sku)


def test_of_a_night_after_only_products_of_changed_pictures_have_other_documents(
    tmp_path: Path,
) -> None:
    index = tmp_path / "index"
    names: dict[str, Sequence[str]] = {"color": ["black", "red"], "style": ["printed", "striped"]}
    MadeNight(
        600,
        lambda i: f"p{i // 3:04d}/{i % 3}.jpg",
        lambda i: hashlib.sha256(str(i).encode()).hexdigest(),
        {MODEL: row_labels(names, 0.1)},
        ["color"],
        bucket=200,
    ).publish(index)
    options = DocumentOptions(str(index), product_from="^([^/]+)/")
    before = expected(options)
    next_night(index, every=50)
    after = expected(options)
    night = Index(index).current()
    assert night is not None
    changed = night.read(CHANGES_FILE, ["image_id"])["image_id"].to_pylist()
    skus = {name.partition("/")[0] for name in changed}
    differ = {
        (before.get(at) or after[at])["sku"]
        for at in set(before) | set(after)
        if before.get(at) != after.get(at)
    }
    assert differ
    assert differ <= skus


def test_a_persons_answer_counts_once_per_product_and_first_of_equals() -> None:
    answers = np.array(["a", "b", "b", "c"], object)
    found = persons_answers(answers, np.array([2.0, 1.0, 1.0, 4.0]), np.array([0, 0, 0, 3]))
    assert found == {0: "a", 3: "c"}


def test_products_without_any_answer_do_not_disagree() -> None:
    found = disagreeing(np.array([-1, 2, -1, 0, 1]), np.array([0, 1, 1, 2, 2]), 4)
    assert found.tolist() == [False, False, True, False]
