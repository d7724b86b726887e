"""What the review page and its server say to each other, as JSON."""

from typing import Annotated, Literal

from msgspec import Meta, field

from schemas.corrections import Answer, Correction, Name
from schemas.index import Sha256
from schemas.record import Record
from schemas.samples import SampleFigures

Order = Literal["path", "least_sure", "score"]
SaidBy = Literal["anyone", "nobody", "against_model", "asked_again", "proposed", "unknown"]


class Wanted(Record):
    """Which pictures a person wants to look at: all that is named must hold."""

    answers: dict[str, str | None] = field(default_factory=dict)
    """Exclusive group to the answer that the picture has now, a person's or the model's; null is
    none."""
    tags: list[str] = field(default_factory=list)
    """Other labels that the picture has now, as `group:label`."""
    status: str | None = None
    """One status; null is any."""
    path: str = ""
    """A part of the image_id, in any case of letters."""
    label: str | None = None
    """A label, `group:label`, whose score is within `least` and `most`."""
    least: float = 0.0
    """Its least score."""
    most: float = 1.0
    """Its greatest score."""
    changed: bool = False
    """Whether the last night changed or added the row."""
    said: SaidBy | None = None
    """What persons said: anyone anything that counts; nobody; something else than the model;
    something about other bytes under this name, so that the page asks again; a label that the model
    does not have; that they do not know."""
    sample: str | None = None
    """A sample, by its id."""
    audit: bool = False
    """Whether the picture is one of the findings that `--audit` names."""
    sku: str | None = None
    """The product that the picture shows, of those that `--products` or `--product-from` tells."""
    disagree: str | None = None
    """An exclusive group: pictures of products whose pictures answer differently now."""
    order: Order = "path"
    """`path`: by image_id, a sample in its order of asking, and `disagree` product by product; the
    least sure answer first, of `group` or of any group; by the score of `label`, the highest
    first."""
    group: str | None = None
    """The group whose sureness orders; null: of each picture its least sure answer."""


class Find(Record):
    """A question of the grid."""

    wanted: Wanted
    """Which pictures."""
    offset: Annotated[int, Meta(ge=0)] = 0
    """How many of them to leave out at the beginning."""
    limit: Annotated[int, Meta(ge=0, le=500)] = 100
    """How many at most to return."""


class WhichIds(Record):
    """A question for all pictures that are wanted, to select them."""

    wanted: Wanted
    """Which pictures."""
    most: Annotated[int, Meta(ge=1, le=20_000)] = 20_000
    """How many at most to return."""


class AnswerNow(Record):
    """What a picture answers for an exclusive group at this moment."""

    label: str | None
    """The answer; null is none."""
    score: float | None
    """The model's p(answer), null if a person answered or the answer is none."""
    model: str | None
    """The model's own answer."""
    sure: float | None
    """How sure the model is of its answer, or of none: its probability, 0 to 1."""
    who: str | None = None
    """The person whose word this is; null if it is the model's."""
    said: Answer | None = None
    """What the last person said, if it still counts: `unknown` leaves the model's answer."""
    proposed: bool = False
    """Whether the label is one that the model does not have."""
    last: int = -1
    """The number of the last line about this in corrections.jsonl, from 0; -1: there is none."""


class TagSaid(Record):
    """What the last person said of a label of a group that is not exclusive."""

    group: str
    """The label's group."""
    label: str
    """The label."""
    said: Answer
    """What was said; it still counts."""
    who: str
    """Who said it."""
    last: int
    """The number of the line that says so in corrections.jsonl, from 0."""


class Picture(Record):
    """A picture in the grid."""

    image_id: str
    """Its path below the catalog."""
    content: str | None
    """Digest of its bytes; null if it was never read."""
    status: str
    """As in the row."""
    error: str | None
    """As in the row."""
    width: int | None
    """Pixels after orientation."""
    height: int | None
    """Pixels after orientation."""
    answers: dict[str, AnswerNow]
    """Exclusive group to what it answers."""
    tags: list[str]
    """Labels of other groups that it has now, as `group:label`."""
    said_tags: list[TagSaid]
    """What persons said of labels of other groups, whether it has them now or not."""
    asks: list[Correction]
    """What persons said about other bytes under this name, where it has not been said of these."""
    finding: str | None = None
    """What the audit found, in words: given and suggested label."""
    sku: str | None = None
    """The product that it shows; null without one, or if nothing says which."""


class LabelNow(Record):
    """A label of a picture, with its score."""

    group: str
    """Its group."""
    label: str
    """Its name."""
    exclusive: bool
    """Whether its group is."""
    score: float | None
    """The model's score; null if not scored."""
    threshold: float
    """From which score on it holds."""
    holds: bool
    """Whether the picture has it now: the answer of an exclusive group, or a tag."""
    said: Answer | None = None
    """What the last person said of this label of a group that is not exclusive."""
    who: str | None = None
    """Who said it."""
    last: int = -1
    """The number of the last line about this in corrections.jsonl, from 0; -1: there is none."""


class PictureDetail(Record):
    """One picture, large."""

    picture: Picture
    """As in the grid."""
    labels: list[LabelNow]
    """All labels of the model that are not retired, in its order."""
    history: list[Correction]
    """What persons said of these bytes, in order."""
    copies: list[str]
    """Other image_ids with the same bytes."""


class Found(Record):
    """One page of the grid."""

    total: int
    """How many pictures are wanted in all."""
    pictures: list[Picture]
    """Those of this page."""
    seconds: float
    """How long finding them took."""


class GroupNow(Record):
    """A group, and its labels that are not retired."""

    name: str
    """Its name."""
    exclusive: bool
    """Whether a picture has one label of it at most."""
    labels: list[str]
    """In the model's order."""


class Proposal(Record):
    """A label that persons named and the model does not have."""

    group: str
    """Its group."""
    label: str
    """Its name."""
    pictures: int
    """How many contents it was said of."""


class NightNow(Record):
    """What is being looked at."""

    snapshot: str
    """The night."""
    newer: str | None
    """A night that was published since this one was opened; the page offers to go there."""
    rows: int
    """How many pictures it has."""
    catalog: str
    """Where they lie."""
    who: str
    """As whom this page corrects."""
    groups: list[GroupNow]
    """In the model's order."""
    proposals: list[Proposal]
    """The labels that are proposed."""
    add_command: str | None
    """What adds them, for a shell; null if there is none."""
    statuses: dict[str, int]
    """Status to number of pictures."""
    corrected: int
    """Pictures of which a person said something."""
    lines: int
    """Lines of corrections.jsonl; grows with every correction of anybody."""
    features: bool
    """Whether look-alikes can be found."""
    audit: int | None
    """How many findings of `--audit` are pictures of this night; null without it."""
    sample: str | None
    """The id of the sample that `--sample` drew or went on with."""
    products: int | None = None
    """How many products its pictures show; null without `--products` and `--product-from`."""


class Said(Record):
    """One thing that a person said on the page."""

    content: Sha256
    """The picture that the person saw."""
    image_id: str
    """Where it lay."""
    group: Name
    """About which group."""
    label: Name | None
    """About which label; see a correction."""
    answer: Answer
    """What."""
    last: int
    """The last line about it that the page knew; -1: none."""


class SaidAtOnce(Record):
    """What was said with one stroke: kept as a whole or not at all."""

    items: Annotated[list[Said], Meta(min_length=1, max_length=20_000)]
    """Each thing."""
    sample: str | None = None
    """The sample that they were shown in."""
    insist: bool = False
    """Whether to keep it though somebody else has said something meanwhile."""


class Kept(Record):
    """What became of it."""

    kept: int
    """How many were kept: all, or 0 because of conflicts."""
    first: int | None
    """The number of the line that it became first, from 0; the others follow it in the order of
    `items`. Null if nothing was kept."""
    conflicts: list[Correction]
    """What others said meanwhile about the same; ask, then send again with `insist`."""
    lines: int
    """Lines of corrections.jsonl now."""


class SampleNow(SampleFigures):
    """What the sample that is being asked about says by now."""

    order: list[tuple[str, str]]
    """Its pictures in the order of asking: image_id and content."""
