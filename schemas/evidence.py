"""What each group is judged by, and who or what decided it."""

from typing import Literal

from schemas.record import Record
from schemas.vocabulary import Evidence

Source = Literal["said", "group name", "label words", "pictures", "nothing"]
"""What decided: a person (or the model that is continued), the group's name, its labels, its
pictures, or nothing."""


class GroupEvidence(Record):
    """What a group is judged by."""

    group: str
    """Its name."""
    evidence: Evidence
    """What training teaches it to look at."""
    source: Source
    """What decided it; `nothing` where nothing spoke, and it is judged by both."""
    why: str
    """The same in words."""
