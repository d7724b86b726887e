"""`--check`: all that stands in the way of a training, found in one pass; nothing is trained."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from schemas.training import (
    CheckReport,
    FoldedLabel,
    FoundProblem,
    NearMissLabel,
    SimilarSet,
    Trainable,
    UnreadablePicture,
)
from tagger.arrays import StrArray
from tagger.datasets.findings import findings
from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.near_misses import NearMiss, near_misses
from tagger.datasets.prepared_set import PreparedSet
from tagger.datasets.problem_budget import pictures_allowed, pictures_named, pictures_with
from tagger.datasets.problems import Problem
from tagger.errors import InputError
from tagger.evaluation.similar_sets import similar_sets
from tagger.labels.evidence import evidence_record
from tagger.labels.pairs import Pair, unteachable
from tagger.labels.vocabulary import Vocabulary
from tagger.pipeline.evidence import say_evidence
from tagger.pipeline.labelled_sets import decode_set
from tagger.pipeline.options import TrainingOptions
from tagger.pipeline.self_teaching import catalog_paths
from tagger.pipeline.starting_point import StartingPoint
from tagger.progress import say

_ALL = 100.0
"""Percent of the pictures that may have problems: a check lists them, and stops at none."""


def check_set(options: TrainingOptions, start: StartingPoint) -> CheckReport:
    """Return what there is to learn from, and all that is wrong with it; leaves nothing behind.

    Raises
    ------
    InputError
        If a set cannot be read at all.
    """
    lenient = replace(options, skip_problems=_ALL)
    labelled = start.sets(lenient)
    vocabulary, cannot = _vocabulary(labelled, lenient, start)
    if catalog := catalog_paths(options.unlabelled, options.exclude, seed=options.seed):
        say(f"{len(catalog):,} pictures without labels in {options.unlabelled!r}")
    if vocabulary is not None:
        say_evidence(vocabulary)
    with tempfile.TemporaryDirectory(prefix="tagger-check-") as folder:
        prepared = decode_set(labelled, Path(folder), start.reading(), workers=options.workers)
        if vocabulary is not None and len(prepared.rows):
            vocabulary = start.judged(prepared, vocabulary)
        parts = _parts(prepared, vocabulary, start, seed=options.seed)
        return _report(prepared, parts, vocabulary, cannot, start, budget=options.skip_problems)


def _vocabulary(
    labelled: LabelledSet, options: TrainingOptions, start: StartingPoint
) -> tuple[Vocabulary | None, str | None]:
    """Return what would be taught; else None, and why nothing can be."""
    try:
        return start.taught(labelled, options), None
    except InputError as error:
        return None, str(error)


def _parts(
    prepared: PreparedSet, vocabulary: Vocabulary | None, start: StartingPoint, *, seed: int
) -> StrArray:
    """Return str (n_readable,): where a training would put each; nowhere if there is none."""
    if vocabulary is None or not len(prepared.rows):
        return np.full(len(prepared.rows), "", "<U10")
    return start.parts(prepared, vocabulary, seed=seed)


def _report(
    prepared: PreparedSet,
    parts: StrArray,
    vocabulary: Vocabulary | None,
    cannot: str | None,
    start: StartingPoint,
    *,
    budget: float | None,
) -> CheckReport:
    counted = prepared.counted()
    labels, pairs = counted.counts()
    families = prepared.families()
    problems = [*prepared.labelled.problems, *prepared.problems]
    allowed = pictures_allowed(prepared.labelled, budget)
    misses = _near_misses(counted, start)
    trainable = _trainable(prepared, parts, vocabulary)
    if trainable is None and cannot is None:
        cannot = "no picture can be read"
    return CheckReport(
        dataset=prepared.labelled.source,
        pictures=len(counted.examples),
        labels=dict(sorted(labels.items())),
        pairs=dict(sorted(pairs.items())),
        unlabelled=sum(not example.speaks for example in counted.examples),
        unreadable=[
            UnreadablePicture(image=example.image_id, status=facts.status, error=facts.error)
            for example, facts in prepared.unreadable
        ],
        duplicates=families.duplicates,
        near_duplicates=families.near_duplicates,
        conflicts=families.conflicts,
        corrected=prepared.corrected_pictures(parts),
        evidence=[]
        if vocabulary is None
        else [evidence_record(each) for each in vocabulary.groups],
        named=pictures_named(prepared.labelled),
        with_problems=pictures_with(problems),
        allowed=allowed,
        skip_problems=budget,
        problems=[_found(problem) for problem in problems],
        findings=findings(
            problems,
            counted,
            misses,
            families,
            _untaught(prepared, parts, vocabulary, start),
            [] if vocabulary is None or start.parent else vocabulary.groups_without_labels,
            forgiven=pictures_with(problems) <= allowed,
            skips=bool(budget),
        ),
        near_misses=[NearMissLabel(**vars(miss)) for miss in misses],
        folded=[
            FoldedLabel(
                group=each.group, name=each.name, others=list(each.others), pictures=each.pictures
            )
            for each in prepared.labelled.folded
        ],
        trainable=trainable,
        cannot=cannot,
        similar=[] if trainable is None else _similar(trainable),
    )


def _found(problem: Problem) -> FoundProblem:
    return FoundProblem(kind=problem.kind, image=problem.image, row=problem.row, what=problem.what)


def _near_misses(counted: LabelledSet, start: StartingPoint) -> list[NearMiss]:
    counts = Counter(key for example in counted.examples for key in example.present)
    labels = () if start.parent is None else start.parent.vocabulary.labels
    return near_misses(counts, frozenset((label.group, label.name) for label in labels))


def _untaught(
    prepared: PreparedSet, parts: StrArray, vocabulary: Vocabulary | None, start: StartingPoint
) -> Sequence[tuple[Pair, str]]:
    """Return the pairs that the train part cannot teach."""
    if vocabulary is None:
        return ()
    targets = prepared.labelled.targets(vocabulary)[prepared.rows[parts == "train"]]
    return unteachable(targets, vocabulary, recombines=start.recipe_name != "plain")


def _trainable(
    prepared: PreparedSet, parts: StrArray, vocabulary: Vocabulary | None
) -> Trainable | None:
    """Return what can be trained from the pictures that are in a part."""
    if vocabulary is None or not len(prepared.rows):
        return None
    in_parts = Counter(parts.tolist())
    targets = prepared.labelled.targets(vocabulary)[prepared.rows]
    shows = (targets == 1).sum(axis=0).tolist()
    unknown = {
        group.name: int(np.isnan(targets[:, vocabulary.members(group.name)]).all(axis=1).sum())
        for group in vocabulary.groups
    }
    none = {
        group.name: int((targets[:, members] == 0).all(axis=1).sum())
        for group in vocabulary.groups
        if (members := vocabulary.members(group.name))
    }
    return Trainable(
        pictures=len(prepared.rows) - in_parts[""],
        train=in_parts["train"],
        validation=in_parts["validation"],
        test=in_parts["test"],
        groups={
            group.name: {
                vocabulary.labels[i].name: shows[i] for i in vocabulary.members(group.name)
            }
            for group in vocabulary.groups
        },
        unknown={name: n for name, n in unknown.items() if n},
        none={name: n for name, n in none.items() if n},
    )


def _similar(trainable: Trainable) -> list[SimilarSet]:
    """Return what was measured on sets of about the size of each group's."""
    return [
        SimilarSet(
            group=group,
            what=each.what,
            pictures=each.pictures,
            labels=each.labels,
            low=each.low,
            high=each.high,
        )
        for group, labels in trainable.groups.items()
        for each in similar_sets(sum(labels.values()), sum(n > 0 for n in labels.values()))
    ]
