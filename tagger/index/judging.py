"""What persons said of the pictures of a sample, held against what the model answered."""

from typing import Literal, NamedTuple

import numpy as np
from msgspec.structs import replace

from schemas.samples import Estimate, Sample, SampledPicture
from tagger.evaluation.estimates import Estimates, Interval, Judged, estimate
from tagger.index.corrections import InForce

Word = Literal["shows", "shows_not", "unknown", "nothing"]
"""What persons said about one answer of one picture."""


class Judgement(NamedTuple):
    """What a sample says by now.

    Attributes
    ----------
    complete : int
        How many pictures count: those before the first, in the order of asking, of which some
        question is not answered.
    estimates : list of Estimate
        In the order that the sample has them.
    """

    complete: int
    estimates: list[Estimate]


def judge(sample: Sample, in_force: InForce) -> Judgement:
    """Return the figures of a sample by what is in force now.

    They rest on the pictures before the first, in the order of asking, of which some question is
    not answered. What is said of others alone is no random part of the sample: who corrects only
    what is wrong has said nothing about all that is right.
    """
    words = [_words(item, sample, in_force) for item in sample.items]
    unanswered = (place for place, said in enumerate(words) if "nothing" in said)
    complete = next(unanswered, len(words))
    counted = sample.items[:complete]
    said = np.array(words[:complete], np.str_).reshape(complete, len(sample.estimates))
    answered = np.array(
        [[_answers(item, each, sample) for each in sample.estimates] for item in counted], bool
    ).reshape(said.shape)
    judged = Judged(
        weight=np.array([item.weight for item in counted]),
        answered=answered,
        known=said != "unknown",
        shows=said == "shows",
    )
    rows = np.array([each.answered_rows for each in sample.estimates], np.int64)
    found = estimate(judged, rows, sample.rows)
    unknown = (answered & (said == "unknown")).sum(axis=0).tolist()
    return Judgement(complete, _filled(sample.estimates, found, unknown))


def _words(item: SampledPicture, sample: Sample, in_force: InForce) -> list[Word]:
    """Return what persons said about each answer of a picture."""
    said = in_force.of(item.content)
    ours = {(each.group, each.label) for each in sample.estimates}
    words: list[Word] = []
    for each in sample.estimates:
        whole = each.group in sample.groups
        one = said.get((each.group, None if whole else each.label))
        if one is None or one.answer == "withdrawn":
            words.append("nothing")
        elif one.answer == "unknown":
            words.append("unknown")
        elif not whole:
            words.append("shows" if one.answer == "is" else "shows_not")
        else:
            # A label that no model of the night has: the best that these could answer is none.
            true = one.label if (one.group, one.label) in ours else None
            words.append("shows" if true == each.label else "shows_not")
    return words


def _answers(item: SampledPicture, each: Estimate, sample: Sample) -> bool:
    if each.group in sample.groups:
        return item.answers[each.group] == each.label
    return f"{each.group}:{each.label}" in item.tags


def _filled(empty: list[Estimate], found: Estimates, unknown: list[int]) -> list[Estimate]:
    """Return the estimates with the figures that were found."""
    return [
        replace(
            each,
            judged=int(found.judged[i]),
            right=int(found.right[i]),
            unknown=unknown[i],
            missed=int(found.missed[i]),
            **_ends("precision", found.precision, i),
            **_ends("missing", found.missing, i),
        )
        for i, each in enumerate(empty)
    ]


def _ends(name: str, interval: Interval, i: int) -> dict[str, float | None]:
    """Return the three fields of a figure; null where nothing can be said."""
    return {
        field: None if np.isnan(ends[i]) else float(np.round(ends[i], 6))
        for field, ends in zip((name, f"{name}_low", f"{name}_high"), interval, strict=True)
    }
