"""What `tagger compare` found: two models, or two nights, on the same pictures."""

from typing import Literal

from msgspec import field

from schemas.record import Record


class Paired(Record):
    """How many of the same pictures A and B have right."""

    pictures: int
    """Pictures about which it is known what is right."""
    a_right: int
    """Those of them that A has right."""
    b_right: int
    """Those of them that B has right."""
    a_alone: int
    """Those that A has right and B has not."""
    b_alone: int
    """Those that B has right and A has not."""
    difference: float | None
    """The share that B has right minus that of A; null without pictures."""
    low: float | None
    """Lower end of its 95 % interval, at most 0 where p_adjusted is 0.05 or more; null where there
    is no test."""
    high: float | None
    """Upper end, likewise at least 0."""
    p: float | None
    """How often chance alone makes two equal ones differ so much or more: exact McNemar test of
    a_alone against b_alone, two-sided. Null where the pictures were picked with an eye to the
    answers, as those that persons correct are."""
    p_adjusted: float | None
    """The same after Holm, for the number of such tests: of groups and all, or of labels. What
    fewer than six pictures differ in is not counted. Under 0.05 is more than chance."""
    shows_from: float | None
    """A difference of this size shows itself on so many pictures, among so many tests, four times
    of five; 1 where none does; null where there is no test."""


class ComparedAnswers(Record):
    """The answers of a group, or of all groups together."""

    group: str | None
    """The group; null for all together."""
    pictures: int
    """Pictures that both answered."""
    same: int
    """Those of them to which both give the same answers."""
    right: Paired | None
    """Whose answers are right; null where nothing is known."""


class LabelFigures(Record):
    """One label, as one of the two has it."""

    pictures: int
    """Pictures that it gives the label."""
    ap: float | None
    """Average precision; null without pictures that have it, and for nights."""
    precision: float | None
    """Of known pictures that it gives the label, the share that have it; null without any."""
    recall: float | None
    """Of known pictures that have the label, the share that it gives it; null without any."""
    f1: float | None
    """Of both; null without pictures that have it."""


class ComparedLabel(Record):
    """One label that both know."""

    label: str
    """group:name."""
    pictures: int
    """Pictures about which the label is known; 0 without labels."""
    positives: int
    """Those of them that have it."""
    a: LabelFigures
    """Of A."""
    b: LabelFigures
    """Of B."""
    right: Paired | None
    """On how many pictures the label is rightly given or not given; null where nothing is known."""


class Flip(Record):
    """Pictures to which A and B answer differently, and in the same way."""

    group: str
    """The group."""
    a: str | None
    """What A answers; null is none. Of a group with any number of labels: the label that B does not
    give."""
    b: str | None
    """What B answers; null is none. Of a group with any number of labels: the label that A does not
    give."""
    pictures: int
    """How many."""
    to_right: int
    """Those of them on which B alone is right, of those that are known."""
    to_wrong: int
    """Those of them on which A alone is right, of those that are known."""
    first: list[str]
    """The first ten."""


class Comparison(Record):
    """A and B on the same pictures, in what both know."""

    verdict: Literal["better", "worse", "mixed", "no difference", "unknown"]
    """Of B: better or worse in something, by more than chance; mixed: both; no difference: none
    that these pictures could show; unknown: nothing says what is right."""
    sentence: str
    """The verdict in words."""
    pictures: int
    """Pictures compared on."""
    flipped: int
    """Those of them on which any answer differs."""
    all: ComparedAnswers
    """All groups together."""
    groups: list[ComparedAnswers]
    """Each group that both know."""
    labels: list[ComparedLabel]
    """Each label that both know."""
    flips: list[Flip]
    """What flipped, the most frequent first."""
    only_a: list[str]
    """Labels, as group:name, that A alone knows: they are not compared, but for counts_as."""
    only_b: list[str]
    """Those that B alone knows."""
    counts_as: dict[str, list[str]] = field(default_factory=dict)
    """Label that one alone knows, to the labels of both that it was split from: where one of these
    is right it counts as that one, else as the first. Flips name it as it is."""


class NotCompared(Record):
    """Pictures that two models were not compared on, by reason; the first that holds counts."""

    unreadable: int = 0
    """They have no scores."""
    train: int = 0
    """One of the models was fitted to them."""
    validation: int = 0
    """One of the models was chosen by them."""
    like_trained: int = 0
    """They look the same as one of these."""
    duplicate: int = 0
    """Their bytes were compared already."""
    near_duplicate: int = 0
    """They look the same as a picture that was compared already."""


class NightRows(Record):
    """The rows of two nights."""

    a: int
    """Of A."""
    b: int
    """Of B."""
    compared: int
    """In both, with the same bytes, and with scores."""
    other_bytes: int
    """In both, with scores, and with other bytes."""
    without_scores: int
    """In both, and without scores in one of them or both."""
    only_a: int
    """In A alone."""
    only_b: int
    """In B alone."""
    copies: int = 0
    """Of those compared, rows with the bytes of another one of which persons spoke: what they said
    counts once."""
    unheard: int = 0
    """Of those compared, pictures of which persons spoke without the choice of a label that one
    night alone knows: what they said does not count where it would decide about that label."""


class LabelRows(Record):
    """How many rows of each night a label has, in all that have scores; the models' own answers."""

    label: str
    """group:name; of an exclusive group also group:none."""
    a: int
    """Rows of A."""
    b: int
    """Rows of B."""
    a_share: float | None
    """Of the rows of A with scores; null without any."""
    b_share: float | None
    """Of those of B."""


class Side(Record):
    """One of the two that are compared."""

    given: str
    """As given."""
    name: str
    """The model's name, or the night's snapshot."""
    model_id: str
    """The model's; of a night, that of the model it ran with."""


class CompareReport(Record):
    """What `tagger compare` prints."""

    kind: Literal["models", "nights"]
    """What was compared."""
    a: Side
    """The first."""
    b: Side
    """The second."""
    on: str
    """The labelled set, the catalog that pictures were drawn from, or the nights' catalog."""
    comparison: Comparison
    """What was found."""
    left_out: NotCompared | None = None
    """Of models: pictures that they were not compared on."""
    unknown_labels: dict[str, int] = field(default_factory=dict)
    """Of models: label of the set that one of them or both do not have, to number of pictures;
    their group is unknown there."""
    labelled_again: int = 0
    """Of models: pictures that several of the labelled sets hold, with different labels: each
    counts as the last one labels it."""
    copies_labelled_otherwise: int = 0
    """Of models: duplicates and near-duplicates left out whose labels are not those of the picture
    that counts."""
    rows: NightRows | None = None
    """Of nights: their rows."""
    label_rows: list[LabelRows] = field(default_factory=list)
    """Of nights: how many rows have each label."""
    html: str | None = None
    """The page that --html wrote."""
