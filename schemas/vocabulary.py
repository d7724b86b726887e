"""vocabulary.json: the labels in column order, and the groups they belong to."""

from typing import Literal

from msgspec import field

from schemas.record import FORMAT_VERSION, Record

Evidence = Literal["pixels", "shape", "texture", "both"]
"""What a group is judged by: pixel values, which survive a scrambled shape; shape, which survives
any recolouring; texture, which survives both, but no blurring."""

UNGROUPED = "label"
"""The group of labels that were given none; not exclusive."""

RESERVED_GROUP_NAMES = ("scores", "logits", "features")
"""Names of model outputs; the fixed column names of the index are reserved too."""


class GroupEntry(Record):
    """A group; a person who writes the file may leave out all but its name."""

    name: str
    """[a-z][a-z0-9_]*."""
    exclusive: bool = True
    """True if a picture has at most one label of the group; exclusive groups get an answer
    column."""
    evidence: Evidence | None = None
    """What training teaches the group to look at; if left out, its name, its labels or the pictures
    decide, else it is both."""


class LabelEntry(Record):
    """A label; a person who writes the file may leave out all but group and name."""

    group: str
    """The group's name."""
    name: str
    """Unique in its group."""
    column: str | None = None
    """The score column, fixed when the label is added."""
    since: str = ""
    """The bundle that first had the label."""
    retired: bool = False
    """True if the label is no longer answered; its column stays."""
    splits: list[str] = field(default_factory=list)
    """Older labels of the group that this one was split from: a picture that had one of them before
    this label was there may have it or not."""


class VocabularyFile(Record):
    """The labels and their groups, both append-only."""

    format_version: Literal[1] = FORMAT_VERSION
    """As in bundle.json."""
    groups: list[GroupEntry]
    """A label's group is one of them."""
    labels: list[LabelEntry]
    """In column order, append-only."""
