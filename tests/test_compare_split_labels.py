"""A label that was split from another is no mistake where the old one is right."""

import numpy as np

from schemas.comparison import Comparison
from tagger.arrays import BoolArray
from tagger.datasets.labelled_set import Example, LabelledSet
from tagger.evaluation.comparison import compare_answers
from tagger.evaluation.gate import compare, judge
from tagger.evaluation.questions import Answers, Said, only_known, questions_of, scores_of
from tagger.labels.growing import older_names, unjudged
from tagger.labels.vocabulary import Vocabulary, parse_groups

N = 300
OLD = Vocabulary.build(parse_groups("color"), [("color", "red"), ("color", "blue")])
NEW = OLD.extend([("color", "navy")], splits={("color", "navy"): ("blue",)})
BLUE = np.arange(N) % 2 == 0
NAVY = np.arange(N) % 4 == 0


def sure(given: BoolArray, vocabulary: Vocabulary) -> Answers:
    """A model that is sure of each label that it gives, bool (n, n_labels)."""
    logits = np.where(given, 4.0, -4.0).astype(np.float32)
    return Answers(logits, np.full(len(vocabulary), 0.5), vocabulary)


def old_set(group: str = "color", names: tuple[str, str] = ("red", "blue")) -> LabelledSet:
    """Pictures that were labelled before there was navy."""
    examples = [
        Example(f"{i}.jpg", f"{i}.jpg", frozenset({(group, names[int(blue)])}), frozenset({group}))
        for i, blue in enumerate(BLUE)
    ]
    return LabelledSet("old", examples, parse_groups(group))


def compared(a: Answers, b: Answers, labelled: LabelledSet) -> Comparison:
    return compare_answers(
        questions_of(
            Said(a, labelled.targets(a.vocabulary)), Said(b, labelled.targets(b.vocabulary))
        ),
        str,
        scores=scores_of(a, b),
        only=only_known(a.vocabulary, b.vocabulary),
    ).comparison


A = sure(np.stack([~BLUE, BLUE], axis=1), OLD)
B = sure(np.stack([~BLUE, BLUE & ~NAVY, NAVY], axis=1), NEW)


def test_a_model_that_tells_navy_from_blue_is_not_worse_for_it_and_the_gate_agrees() -> None:
    found = compared(A, B, old_set())
    assert found.verdict == "no difference"
    (color,) = found.groups
    assert color.right is not None
    assert (color.right.pictures, color.right.a_right, color.right.b_right) == (N, N, N)
    blue = next(row for row in found.labels if row.label == "color:blue")
    assert (blue.a.pictures, blue.b.pictures) == (BLUE.sum(), (BLUE & ~NAVY).sum())
    assert (blue.b.recall, blue.b.precision, blue.b.ap) == (1, 1, 1)
    assert found.counts_as == {"color:navy": ["color:blue"]}
    (flip,) = found.flips
    assert (flip.a, flip.b, flip.pictures) == ("blue", "navy", NAVY.sum())
    assert (flip.to_right, flip.to_wrong) == (0, 0)
    targets = unjudged(old_set().targets(NEW), NEW, np.full(N, len(OLD)))
    assert judge([compare("test part", A, B, targets)], "parent", 0.5).passed
    turned = compared(B, A, old_set())
    assert (turned.verdict, turned.counts_as) == ("no difference", found.counts_as)


def test_navy_where_red_is_right_is_a_mistake_like_blue() -> None:
    wrong = (np.arange(N) % 10 == 1) & ~BLUE
    navy = compared(A, sure(np.stack([~BLUE & ~wrong, BLUE, wrong], axis=1), NEW), old_set())
    blue = compared(A, sure(np.stack([~BLUE & ~wrong, BLUE | wrong], axis=1), OLD), old_set())
    assert navy.verdict == blue.verdict == "worse"
    assert navy.groups[0].right == blue.groups[0].right
    assert [row.right for row in navy.labels] == [row.right for row in blue.labels]


def test_a_label_that_was_split_from_none_that_the_other_knows_is_a_mistake_still() -> None:
    other = OLD.extend([("color", "navy")])
    found = compared(A, B._replace(vocabulary=other), old_set())
    assert (found.verdict, found.counts_as) == ("worse", {})


def test_labels_of_a_group_with_any_number_of_them_are_split_likewise() -> None:
    groups = parse_groups("use+")
    old = Vocabulary.build(groups, [("use", "work"), ("use", "home")])
    new = old.extend(
        [("use", "kitchen"), ("use", "bath")],
        splits={("use", "kitchen"): ("home",), ("use", "bath"): ("home", "work")},
    )
    a = sure(np.stack([~BLUE, BLUE], axis=1), old)
    b = sure(np.stack([~BLUE, BLUE & ~NAVY, NAVY, np.zeros(N, bool)], axis=1), new)
    found = compared(a, b, old_set("use", ("work", "home")))
    assert found.verdict == "no difference"
    home = next(row for row in found.labels if row.label == "use:home")
    assert home.right is not None
    assert (home.right.b_right, home.b.recall) == (N, 1)
    assert found.counts_as == {
        "use:kitchen": ["use:home"],
        "use:bath": ["use:work", "use:home"],
    }
    assert [(flip.a, flip.b) for flip in found.flips] == [("home", "kitchen")]


def test_splits_of_splits_lead_back_to_what_the_other_knows() -> None:
    newest = NEW.extend([("color", "midnight")], splits={("color", "midnight"): ("navy",)})
    old = {("color", "red"), ("color", "blue")}
    assert older_names(newest.labels, old) == {
        ("color", "navy"): ["blue"],
        ("color", "midnight"): ["blue"],
    }
    assert older_names(newest.labels, old | {("color", "navy")}) == {
        ("color", "midnight"): ["navy"]
    }
    assert older_names(newest.retire([("color", "midnight")]).labels, old) == {
        ("color", "navy"): ["blue"]
    }
