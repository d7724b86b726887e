"""Training: what it keeps between epochs, and what `tagger train` and `tagger retrain` report."""

import msgspec

from schemas.bundle import CalibrationChange, Gate
from schemas.evaluation import Evaluation, Verdict
from schemas.evidence import GroupEvidence
from schemas.record import Record


class Epoch(Record):
    """What one epoch gave."""

    loss: float
    """Mean over its steps, of changed pictures, all terms."""
    validation_loss: float
    """On the validation part."""
    validation_recombined_loss: float
    """On pictures of the validation part that are recombined; the same where there are none."""
    choice_loss: float | None
    """Of these two, the latter weighted as such pictures are taught, by half at most, with the one
    scale of all logits that makes it least: the epoch with the least is kept. Null where the
    validation part is too small to choose by: the last epoch is kept."""
    validation_macro_ap: float | None
    """Macro average precision on the validation part; null without positives."""
    seconds: float
    """The whole epoch."""


class History(Record):
    """history.json of a training under way: its epochs so far."""

    epochs: list[Epoch]
    """In order."""

    @property
    def best(self) -> int:
        """Return the index of the epoch that is kept."""
        chosen = [(each.choice_loss, i) for i, each in enumerate(self.epochs)]
        known = [(loss, i) for loss, i in chosen if loss is not None]
        return min(known)[1] if known else len(self.epochs) - 1


class ResumeNote(Record):
    """training.json of a training under way: what a resumed one must have in common with it."""

    asked: str
    """sha256 of the starting point, options, vocabulary and examples."""
    contents: str | None = None
    """sha256 of the pictures' digests; null before they were read."""
    recipe: str | None = None
    """sha256 of the recipe; null before the pictures were read."""
    evidence: dict[str, str] | None = None
    """Group to what it is judged by; null before the pictures were read."""


class PictureCounts(Record):
    """How many pictures there were."""

    train: int
    """The network was fitted to them."""
    validation: int
    """Best epoch, calibration and thresholds were chosen by them."""
    test: int
    """It was measured on them."""
    unreadable: int
    """They could not be used."""
    skipped: int = 0
    """Pictures with problems that --skip-problems went on without: left out, or unknown in what
    could not be used. Files that cannot be read are counted above."""


class UnteachablePair(Record):
    """A pair of labels that the training pictures cannot teach."""

    pair: tuple[str, str]
    """The two labels, each as group:name."""
    reason: str
    """Why, in words."""


class UnlabelledTaught(Record):
    """What pictures that nobody labelled taught, with `--unlabelled`."""

    pictures: int
    """Pictures of the catalog that may teach."""
    sure: int
    """Those of them of which a first model was sure."""
    kept: bool
    """Whether the model was trained with these; else the first model is the one that is saved."""
    loss_without: float
    """On the validation part, of the first model: the mean over pictures of the mean over what is
    known of each."""
    loss_with: float | None = None
    """On the validation part, of the one trained with them; null if too few were sure."""
    noise: float | None = None
    """Standard error of the difference; the second model is kept if its loss is smaller by more."""


class TrainReport(Record):
    """What `tagger train` prints."""

    bundle: str
    """Path of the saved bundle."""
    model_id: str
    """Its own."""
    parameters: int
    """Of the network."""
    pictures: PictureCounts
    """By part."""
    best_epoch: int
    """From 1."""
    seconds: float
    """From reading the set to the saved bundle."""
    verdict: Verdict
    """Whether it is better than guessing."""
    promoted: bool
    """True if `current` points to it now."""
    evaluation: Evaluation
    """On the test part."""
    calibration: CalibrationChange
    """The calibration error on the test part without and with calibration."""
    held_out: list[str]
    """The pairs that --hold-out-pair kept from training."""
    unteachable: list[UnteachablePair]
    """Pairs that the training pictures cannot teach."""
    evidence: list[GroupEvidence] = msgspec.field(default_factory=list)
    """What each group is judged by, and why."""
    unlabelled: UnlabelledTaught | None = None
    """Null without --unlabelled."""


class RetrainReport(Record):
    """What `tagger retrain` prints."""

    bundle: str
    """Path of the saved bundle."""
    model_id: str
    """Its own."""
    parent: str
    """Name of the bundle it was retrained from."""
    added: list[str]
    """Labels that the parent does not have."""
    retired: list[str]
    """Labels that are no longer answered."""
    replayed: bool
    """True if the parent's training pictures, half of them at least, were in the data."""
    same_trunk: bool
    """True if its features are the parent's: with --freeze-trunk."""
    pictures: PictureCounts
    """By part."""
    best_epoch: int
    """From 1."""
    seconds: float
    """From reading the data to the saved bundle."""
    evaluation: Evaluation
    """On the test part."""
    gate: Gate
    """How it compares with its parent, see gate.json."""
    promoted: bool
    """True if `current` points to it now."""
    evidence: list[GroupEvidence] = msgspec.field(default_factory=list)
    """What each group is judged by, and why."""


class UnreadablePicture(Record):
    """A picture that cannot be used."""

    image: str
    """Path below the set's folder."""
    status: str
    """Why, in one word."""
    error: str | None
    """What was wrong with it."""


class CorrectedParts(Record):
    """How many corrected pictures there are in each part."""

    train: int
    """The network is fitted to them."""
    validation: int
    """Best epoch, calibration and thresholds are chosen by them, among others."""
    test: int
    """It is measured on them, among others: so far its figures are of pictures that persons
    chose."""


class CorrectedPictures(Record):
    """What became of the corrections that `--corrections` named, by content."""

    used: int
    """Pictures that are labelled by what persons said."""
    both: int
    """Those of them that a labelled set has too; each counts once, and the person's word counts."""
    changed: int
    """Left out: the file has other bytes now."""
    gone: int
    """Left out: the catalog does not have the picture any more, or it cannot be read."""
    parts: CorrectedParts | None = None
    """Where the split puts the pictures that are used, each copy counted."""


class RelabelReport(Record):
    """What `tagger relabel` prints."""

    table: str
    """Path of the new table."""
    pictures: int
    """Its rows; a picture may have several."""
    spoken: int
    """Rows of pictures of which persons spoke."""
    changed: int
    """Those of them that have other cells now."""
    cells: int
    """How many cells these are."""
    emptied: int
    """Cells that are empty, unknown, because no cell can say what is known: of one label, say,
    and not of the others of its group."""
    missing: int = 0
    """Rows whose pictures are missing: they are as they were."""


class FoundProblem(Record):
    """One thing that keeps a picture, or what is said of it, from being used."""

    kind: str
    """As in `CheckFinding`."""
    image: str
    """As the table or the folder names it."""
    row: int | None
    """Of the table, as a spreadsheet counts: the header is row 1; null for folders."""
    what: str
    """What is wrong, in words."""


class CheckFinding(Record):
    """All that was found of one kind: a row of the table that a check prints."""

    kind: str
    """What it is, in a few words."""
    pictures: int
    """How many pictures it is about."""
    cases: int
    """How many there are of it: files, cells, labels, families or pairs."""
    stops: bool
    """True if a training stops at it, with the --skip-problems that was given or without."""
    first: list[str]
    """The first of it, in words, with row numbers."""
    do: str
    """What to do."""


class NearMissLabel(Record):
    """A label that is perhaps another one, differently written; a row of a proposed names.csv."""

    group: str
    """Its group."""
    name: str
    """As it is written."""
    pictures: int
    """Pictures with it."""
    becomes: str
    """The label that is perhaps meant."""
    common: int
    """Pictures with that one."""


class FoldedLabel(Record):
    """A label that is written in several ways, and is one."""

    group: str
    """Its group."""
    name: str
    """What it is called from now on."""
    others: list[str]
    """The other spellings, as they are written."""
    pictures: int
    """How many pictures had one of those."""


class Trainable(Record):
    """What can be trained from the pictures without problems."""

    pictures: int
    """In all three parts."""
    train: int
    """The network would be fitted to them."""
    validation: int
    """Best epoch, calibration and thresholds would be chosen by them."""
    test: int
    """It would be measured on them."""
    groups: dict[str, dict[str, int]]
    """Group to its labels to pictures."""
    unknown: dict[str, int] = msgspec.field(default_factory=dict)
    """Group to the pictures of which nothing is known of it; groups that are known of all are not
    named."""
    none: dict[str, int] = msgspec.field(default_factory=dict)
    """Group to the pictures that are taught as showing none of its labels; groups without such
    pictures are not named."""


class SimilarSet(Record):
    """How good a group of a set of about the same size became: measured, and no promise."""

    group: str
    """The group of the checked set that it is similar to."""
    what: str
    """The set that was measured."""
    pictures: int
    """Of that set."""
    labels: int
    """Of its group."""
    low: float
    """Of 100 test pictures, how many it had right: the worst of several trainings."""
    high: float
    """The best of them."""


class CheckReport(Record):
    """What `tagger train --check` and `tagger retrain --check` print."""

    dataset: str
    """As given."""
    pictures: int
    """All of the set."""
    labels: dict[str, int]
    """group:name to pictures."""
    pairs: dict[str, int]
    """`group:name + group:name` to pictures."""
    unlabelled: int
    """Pictures about which nothing is known."""
    unreadable: list[UnreadablePicture]
    """Pictures that cannot be used."""
    duplicates: list[list[str]]
    """Images with the same bytes."""
    near_duplicates: list[list[str]]
    """Images that look the same."""
    conflicts: list[list[str]]
    """Images that look the same and have different labels."""
    corrected: CorrectedPictures | None = None
    """Null without --corrections."""
    evidence: list[GroupEvidence] = msgspec.field(default_factory=list)
    """What each group is judged by, and why."""
    named: int | None = None
    """How many pictures the sets name, those with problems too."""
    with_problems: int | None = None
    """Those of them that have problems."""
    allowed: int | None = None
    """How many of them may have problems, with the --skip-problems that was given or without."""
    skip_problems: float | None = None
    """What --skip-problems was given, in percent; null without it."""
    problems: list[FoundProblem] = msgspec.field(default_factory=list)
    """All of these."""
    findings: list[CheckFinding] = msgspec.field(default_factory=list)
    """All that was found by kind, most pictures first."""
    near_misses: list[NearMissLabel] = msgspec.field(default_factory=list)
    """Labels that are perhaps one label; --propose writes them as a table for --names."""
    folded: list[FoldedLabel] = msgspec.field(default_factory=list)
    """Labels that are written in several ways."""
    trainable: Trainable | None = None
    """What can be trained from the rest; null if nothing can."""
    cannot: str | None = None
    """Why nothing can be trained."""
    similar: list[SimilarSet] = msgspec.field(default_factory=list)
    """How good similar sets became."""
