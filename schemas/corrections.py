"""corrections.jsonl: what persons said of pictures, a line each, never changed afterwards."""

from typing import Annotated, Literal

from msgspec import Meta

from schemas.index import Sha256
from schemas.record import Record

CORRECTIONS_FILE = "corrections.jsonl"

ANSWERS = {
    "is": "the picture is `label`, or shows it",
    "is_not": "the picture does not show `label`; only of labels of groups that are not exclusive",
    "none": "no label of the exclusive `group` fits; `label` is null",
    "unknown": "the person does not know: the model's answer stands, and training takes it as "
    "unknown; of an exclusive group `label` is null",
    "withdrawn": "what was said before is taken back, as if nobody had said anything",
}

Answer = Literal["is", "is_not", "none", "unknown", "withdrawn"]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


class Correction(Record):
    """What one person said about one picture: of a whole exclusive group, or of one label."""

    format_version: Literal[1]
    """As in a manifest."""
    at: str
    """When, ISO 8601, UTC, with microseconds."""
    who: Name
    """Who, as `tagger review --as` had it; by default the user's name on the machine."""
    content_sha256: Sha256
    """The picture: the hex digest of its file's bytes, as in the rows."""
    image_id: str
    """Where it lay when the person saw it."""
    group: Name
    """The group that the answer is about."""
    label: Name | None
    """The label that the answer names; null where it names none."""
    answer: Answer
    """What the person said, see below."""
    sample: str | None = None
    """The sample that the picture was shown in, if it was; see samples/*.json."""
