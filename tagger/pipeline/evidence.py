"""What each group of a training is judged by: its name and words first, then its pictures."""

from collections import Counter
from dataclasses import replace

import numpy as np

from tagger.arrays import Float32Array, Int64Array
from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.picture_evidence import LEAST, Proposal, describe, propose, sample
from tagger.datasets.prepared_set import PreparedSet
from tagger.labels.evidence import evidence_record, evidence_sentence, judged_by_labels
from tagger.labels.vocabulary import Group, Vocabulary
from tagger.progress import say


def judged_by_words(labelled: LabelledSet, vocabulary: Vocabulary) -> Vocabulary:
    """Return the vocabulary, its groups judged by what was said, or by their names or labels.

    What is left is for the pictures.
    """
    counts = Counter(key for example in labelled.examples for key in example.present)
    groups = []
    for group in vocabulary.groups:
        labels = [label for label in vocabulary.labels if label.group == group.name]
        shown = {label.name: counts[group.name, label.name] for label in labels}
        groups.append(judged_by_labels(group, shown))
    return replace(vocabulary, groups=tuple(groups))


def judged_by_pictures(prepared: PreparedSet, vocabulary: Vocabulary) -> Vocabulary:
    """Return the vocabulary, its groups of which nothing is said judged by their pictures.

    Says so of each of them, or that nothing spoke, and it is judged by both. Pictures are not asked
    about a group that has no label.
    """
    silent = [group for group in vocabulary.groups if group.source == "nothing"]
    asked = [x.name for x in silent if x.exclusive and vocabulary.members(x.name)]
    proposals = _proposals(prepared, vocabulary, asked)
    judged = {
        group.name: _judged(group, proposals[group.name])
        for group in silent
        if group.name in proposals
    }
    groups = tuple(judged.get(group.name, group) for group in vocabulary.groups)
    names = {group.name for group in silent}
    _say([group for group in groups if group.name in names])
    return replace(vocabulary, groups=groups)


def say_evidence(vocabulary: Vocabulary) -> None:
    """Say what groups are judged by before a picture is decoded, and why, a line each."""
    _say([group for group in vocabulary.groups if group.source != "nothing"])


def _say(groups: list[Group]) -> None:
    for group in groups:
        say(evidence_sentence(evidence_record(group)))


def _proposals(
    prepared: PreparedSet, vocabulary: Vocabulary, asked: list[str]
) -> dict[str, Proposal]:
    """Return what pictures say of each group that is asked about."""
    looked_at = sample(prepared.clusters)
    if not asked or len(looked_at) < LEAST:
        return {}
    rows = prepared.rows[looked_at]
    described = describe(prepared.cache.pixels, rows)
    targets = prepared.labelled.targets(vocabulary)[rows]
    return {
        name: propose(described, *_labels_and_others(targets, vocabulary, name)) for name in asked
    }


def _labels_and_others(
    targets: Float32Array, vocabulary: Vocabulary, group: str
) -> tuple[Int64Array, Int64Array]:
    """Return each picture's label in a group, -1 for none, and what all other groups say."""
    of_group = targets[:, vocabulary.members(group)] == 1  # (n, members)
    labels = np.where(of_group.any(axis=1), of_group.argmax(axis=1), -1)
    outside = [i for i, label in enumerate(vocabulary.labels) if label.group != group]
    said = np.nan_to_num(targets[:, outside], nan=-1)  # unknown agrees with unknown alone
    _, others = np.unique(said, axis=0, return_inverse=True)
    return labels.astype(np.int64), others.ravel().astype(np.int64)


def _judged(group: Group, proposal: Proposal) -> Group:
    if np.isnan(proposal.colors):  # too few pictures to ask
        return group
    colors, outlines = f"{proposal.colors:.1%}", f"{proposal.outlines:.1%}"
    told = f"colors alone tell {colors} of pairs apart, outlines alone {outlines}"
    if proposal.evidence is None:
        return replace(group, why=f"{group.why} ({told})")
    why = f"because its pictures say so ({told})"
    return replace(group, evidence=proposal.evidence, source="pictures", why=why)
