"""samples/*.json: which pictures a person was asked about, and how good the answers are by that."""

from typing import Annotated, Literal

from msgspec import Meta

from schemas.corrections import Name
from schemas.index import Sha256
from schemas.record import Record

SAMPLES_FOLDER = "samples"

Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]


class Estimate(Record):
    """How good the answers of one label are in this catalog, by a random sample of it."""

    group: Name
    """The label's group."""
    label: Name | None
    """The label; null is the answer none of an exclusive group."""
    answered_rows: Count
    """Rows of the night that the model answers so."""
    judged: Count = 0
    """Pictures that count, are answered so, and of which a person said what they show."""
    right: Count = 0
    """Those of them that show it."""
    unknown: Count = 0
    """Pictures that count, are answered so, and of which persons do not know; left out."""
    missed: Count = 0
    """Pictures that count, show it and are answered otherwise."""
    precision: Share | None = None
    """Of the rows that are answered so, the share that show it; null if nothing was judged."""
    precision_low: Share | None = None
    """Lower end of the 95 % interval of `precision`."""
    precision_high: Share | None = None
    """Its upper end."""
    missing: Share | None = None
    """Of the rows that show it, the share that are not answered so: 1 - recall; null if unknown."""
    missing_low: Share | None = None
    """Lower end of the 95 % interval of `missing`."""
    missing_high: Share | None = None
    """Its upper end."""


class SampleFigures(Record):
    """A sample without its pictures."""

    format_version: Literal[1]
    """As in a manifest."""
    sample_id: str
    """The file's name: UTC time of drawing and four hex digits."""
    snapshot: str
    """The night that it was drawn from; it may be gone by now."""
    model_id: str
    """The model of that night."""
    drawn_at: str
    """ISO 8601, UTC."""
    updated_at: str
    """When the estimates were last computed, ISO 8601, UTC."""
    seed: int
    """What made the draw random: the same night, size and seed give the same pictures."""
    size: Annotated[int, Meta(ge=1)]
    """How many pictures were asked for."""
    rows: Annotated[int, Meta(ge=1)]
    """Rows of the night that are ok: what the sample stands for."""
    drawn: Annotated[int, Meta(ge=1)]
    """How many pictures it has: `size`, or all rows if there are fewer."""
    judged: Count = 0
    """Those of them that count: all before the first of which some question is not answered."""
    groups: list[str]
    """The exclusive groups; each is one question."""
    estimates: list[Estimate]
    """In the order of the vocabulary; the answer none after the labels of its group."""


class SampledPicture(Record):
    """A picture of a sample, and what the model answered when it was drawn."""

    content: Sha256
    """The digest of its bytes."""
    image_id: str
    """Where it lay."""
    weight: Annotated[float, Meta(ge=1)]
    """How many rows it stands for: one over the probability of being drawn."""
    answers: dict[str, str | None]
    """Exclusive group to the model's answer; null is none."""
    tags: list[str]
    """Labels of other groups that held, as `group:label`."""


class Sample(SampleFigures):
    """A sample with its pictures."""

    items: list[SampledPicture]
    """In a random order, which is that of asking: the first ones are a random part of all."""
