"""What a group is judged by: decided by its labels, and said."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import get_args

from schemas.evidence import GroupEvidence
from schemas.vocabulary import Evidence
from tagger.labels.evidence_words import (
    EVIDENCE_OF,
    is_of_something_else,
    kind_of_labels,
    kind_of_name,
    pattern_labels,
)
from tagger.labels.vocabulary import Group
from tagger.settings import setting

NOTHING_TO_JUDGE = "since no picture has a label of it that can be learned"
"""Why nothing decides what a group without labels is judged by."""


def judged_by_labels(group: Group, counts: Mapping[str, int]) -> Group:
    """Return the group, judged by what its labels say, where nothing else has spoken.

    Where its name and its labels surely say different things, or its name is about something else
    (a fabric called jeans, a designer called Schwarz), neither counts: it is as if nothing had
    spoken.

    Parameters
    ----------
    counts : mapping from label to int
        How many pictures have it; empty where the group has no label.
    """
    if group.source not in ("nothing", "group name"):
        return group
    if not counts:
        return replace(group, evidence="both", source="nothing", why=NOTHING_TO_JUDGE)
    if patterns := pattern_labels(group.name, counts):
        why = f"because its name may mean patterns, and its labels do ({_shown(patterns, counts)})"
        return replace(group, evidence="texture", source="label words", why=why)
    spoken = kind_of_labels(counts)
    if spoken is None:
        return group
    named = kind_of_name(group.name)
    labels = f"its labels are {spoken.kind} words ({_shown(spoken.examples, counts)})"
    if is_of_something_else(group.name):
        return replace(group, why=f"since its name is about something else, though {labels}")
    if group.source == "nothing":
        why = f"because {labels}"
        return replace(group, evidence=EVIDENCE_OF[spoken.kind], source="label words", why=why)
    if named in (None, spoken.kind):
        return group
    why = f"since its name is a word for {named}s, but {labels}"
    return replace(group, evidence="both", source="nothing", why=why)


def _shown(examples: Sequence[str], counts: Mapping[str, int]) -> str:
    shown = ", ".join(examples)
    return f"{shown}, ..." if len(counts) > len(examples) else shown


def evidence_record(group: Group) -> GroupEvidence:
    """Return what the group is judged by, as reports have it."""
    return GroupEvidence(
        group=group.name, evidence=group.evidence, source=group.source, why=group.why
    )


def evidence_sentence(record: GroupEvidence) -> str:
    """Return what a group is judged by and why, and what to write where nothing said it."""
    if record.why == NOTHING_TO_JUDGE:
        return f"{record.group}: not taught, {record.why}"
    sentence = f"{record.group}: judged by {record.evidence}, {record.why}"
    if record.source != "nothing":
        return sentence
    kinds = [f"{record.group}:{kind}" for kind in get_args(Evidence) if kind != "both"]
    choice = f"{', '.join(kinds[:-1])} or {kinds[-1]}"
    return f"{sentence}; write {setting('groups')} {choice} if you know better"
