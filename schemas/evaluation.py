"""How good a model is: the evaluation, the verdict, and what `evaluate` and its audit report."""

from typing import Literal

from schemas.record import Record


class LabelMeasures(Record):
    """One label, on the pictures about which it is known."""

    label: str
    """group:name."""
    column: str
    """Its score column."""
    pictures: int
    """Pictures about which the label is known."""
    positives: int
    """Pictures that have it."""
    threshold: float
    """The model's."""
    ap: float | None
    """Average precision; null without positives."""
    precision: float | None
    """At the threshold; null if it never holds."""
    recall: float | None
    """At the threshold; null without positives."""
    f1: float | None
    """At the threshold; null without positives."""
    calibration_error: float | None
    """Expected calibration error, 15 equal-width bins."""


class GroupMeasures(Record):
    """The answers of one exclusive group."""

    group: str
    """Its name."""
    pictures: int
    """Pictures about which the group is known."""
    right: float | None
    """Share of them whose answer is right, none included."""
    labelled: int
    """Pictures that have a label of the group."""
    top1: float | None
    """Share of them whose likeliest label is the right one, thresholds aside."""


class PairMeasures(Record):
    """Pictures that have two labels of different exclusive groups."""

    pair: tuple[str, str]
    """The two labels, each as group:name."""
    pictures: int
    """Measured pictures that have both."""
    both_right: int
    """Those of them on which both answers are right."""
    trained: int
    """How many training pictures had the pair."""


class PairsShare(Record):
    """How often both answers are right, over several pairs of labels.

    With more than two exclusive groups a picture counts once for each of its pairs.
    """

    pictures: int
    """Pictures of these pairs."""
    share: float | None
    """Of them, those on which both answers are right; null without pictures."""
    low: float | None
    """Lower end of its 95 % interval."""
    high: float | None
    """Upper end."""


class Evaluation(Record):
    """Scores, tags and answers, compared with what is known of the pictures."""

    pictures: int
    """Pictures measured."""
    macro_ap: float | None
    """Mean over labels of average precision; labels without a positive left out."""
    binary_accuracy: float | None
    """Share of known (picture, label) entries that the tags have right."""
    exact_match: float | None
    """Share of completely labelled pictures whose tags are all right."""
    exact_match_pictures: int
    """Completely labelled pictures."""
    calibration_error: float | None
    """Mean over labels of the expected calibration error, 15 equal-width bins."""
    labels: list[LabelMeasures]
    """In column order."""
    groups: list[GroupMeasures]
    """Exclusive groups."""
    combinations: list[PairMeasures]
    """Pairs that a measured or a training picture had."""
    seen: PairsShare
    """On pairs that training pictures had."""
    unseen: PairsShare
    """On pairs that no training picture had."""
    harmonic_mean: float | None
    """Of both shares; null without unseen pairs."""


class GroupVerdict(Record):
    """One group of the model, compared with always giving its commonest answer."""

    group: str
    """Its name."""
    pictures: int
    """Pictures about which the group is known."""
    right: int
    """Those of them whose answer is right, none included; without an answer, whose tags of the
    group are."""
    low: float | None
    """The lower 95 % bound of their share."""
    commonest: str
    """The commonest answer among them, or none."""
    commonest_right: int
    """Those of them on which that is right."""
    verdict: Literal["better", "no better", "too few"]
    """better: the bound is over the commonest's share, or, of a group that is not exclusive, the
    tags have fewer errors than each label's commoner value on surely more pictures than they have
    more. too few: not even all right would have shown it. Else no better."""


class Verdict(Record):
    """Whether a model trained from nothing is better than guessing."""

    passed: bool
    """False if no group is better than always giving its commonest answer, and of one or more that
    is sure: saved, not promoted, exit code 5."""
    sentence: str
    """All below in one sentence."""
    pictures: int
    """Completely labelled pictures of the test part, those of held-out pairs left out."""
    all_right: int
    """Those of them whose tags are all right."""
    groups: list[GroupVerdict]
    """All groups that have labels."""


class LeftOut(Record):
    """Pictures that were not measured, by reason."""

    train: int = 0
    """The model was fitted to them."""
    validation: int = 0
    """The model was chosen by them."""
    unreadable: int = 0
    """They have no scores."""
    duplicate: int = 0
    """Their bytes were measured already."""
    skipped: int = 0
    """Pictures with problems that --skip-problems went on without."""


class AuditReport(Record):
    """What `tagger evaluate --audit` found."""

    csv: str
    """Path of the findings."""
    sheets: list[str]
    """Paths of the contact sheets."""
    doubts: int
    """(picture, group) entries whose label the model doubts."""
    contradictions: int
    """Families of near-duplicates with different labels."""


class EvaluateReport(Record):
    """What `tagger evaluate` prints."""

    model: str
    """The bundle's name."""
    model_id: str
    """The bundle's."""
    dataset: str
    """As given."""
    left_out: LeftOut
    """Pictures that were not measured."""
    unknown_labels: dict[str, int]
    """Label that the model does not have to number of pictures; their group is unknown there."""
    unanswered: dict[str, float]
    """Such a label to the share of its measured pictures to which the group gives no answer."""
    audit: AuditReport | None
    """Null without --audit."""
    evaluation: Evaluation
    """On what was not left out."""


AUDIT_COLUMNS = {
    "finding": (
        "doubt, or contradiction: a member of a family of near-duplicates whose labels differ"
    ),
    "image": "path below the set's folder",
    "group": "of which the finding speaks",
    "given": "the label it has; none if the group has none",
    "suggested": "of a doubt: the label that the model thinks likeliest",
    "p_given": "of a doubt: the view's probability of the given label",
    "p_suggested": "of a doubt: that of the suggested one",
    "family": "of a contradiction: a number that its members share",
    "part": (
        "train, validation or test if the model's split has the picture: a model doubts less of "
        "what it was trained on"
    ),
    "content_sha256": "hex digest of the file's bytes, by which the pictures of an index are found",
}
"""Of the CSV of an audit."""
