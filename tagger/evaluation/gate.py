"""The gate: whether a retrained model still knows what its parent knew. Arrays in, records out."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from schemas.bundle import Change, ComparedPart, Gate, GroupChange, LabelChange
from tagger.arrays import Float32Array, FloatArray, Int64Array
from tagger.evaluation.metrics import average_precision
from tagger.labels.views import tag_matrix, true_answers, view
from tagger.labels.vocabulary import Group, Vocabulary

LABEL_FACTOR = 4
"""Any one label may lose this many times as much as the mean of all.

Its average precision is that much less sure.
"""

ENOUGH_POSITIVES = 10
"""Labels with fewer positives in a part are reported, and refuse nothing.

One picture would move them by points.
"""


class Answers(NamedTuple):
    """What one of the two models says, and what it is to be read with.

    Attributes
    ----------
    logits : float32 (n, n_labels)
        Calibrated; in the columns of its own vocabulary.
    thresholds : float64 (n_labels,)
    vocabulary : Vocabulary
    """

    logits: FloatArray
    thresholds: FloatArray
    vocabulary: Vocabulary


def compare(part: str, parent: Answers, now: Answers, targets: Float32Array) -> ComparedPart:
    """Return both models on the old labels, on the pictures of one part.

    Parameters
    ----------
    part : str
        What the part is called.
    targets : float32 (n, n_labels)
        In the columns of the new model; 1, 0, or NaN for unknown.
    """
    old = len(parent.vocabulary)
    labels = [
        row for column in range(old) if (row := _label(parent, now, targets, column)) is not None
    ]
    before = tag_matrix(*parent)  # (n, old)
    after = tag_matrix(*now)[:, :old]  # (n, old)
    changed = (before != after).any(axis=1)  # (n,)
    return ComparedPart(
        part=part,
        pictures=len(targets),
        macro_ap=Change(
            parent=_mean([row.parent for row in labels]), now=_mean([row.now for row in labels])
        ),
        labels=labels,
        groups=[row for row in _groups(parent, now, targets) if row.pictures],
        tags_changed=float(changed.mean()) if len(targets) else 0.0,
    )


def judge(
    parts: Sequence[ComparedPart],
    parent: str,
    tolerance: float,
    *,
    measurable: Collection[str] = (),
) -> Gate:
    """Return the gate: passed, unless a part or a label lost more than is allowed.

    A part may lose `tolerance` points of macro AP, a label four times that. What cannot be compared
    has not passed.

    Parameters
    ----------
    parts : sequence of ComparedPart
        From `compare`.
    parent : str
        The name of the bundle compared with.
    measurable : collection of str
        Labels that the parent was measured on; each must have a picture in some part.
    """
    compared = {row.label for part in parts for row in part.labels}
    worse = [
        f"not measured: no test picture of the data has {key}"
        for key in measurable
        if key not in compared
    ]
    worse += [text for part in parts for text in _losses(part, tolerance)]
    return Gate(
        parent=parent, passed=not worse, tolerance=tolerance, worse=worse, parts=list(parts)
    )


def _losses(part: ComparedPart, tolerance: float) -> Iterator[str]:
    """Yield what of one part got worse than allowed, in words."""
    entries: list[tuple[str, Change | LabelChange, float]] = [
        ("macro AP", part.macro_ap, tolerance)
    ]
    for row in part.labels:
        if row.positives >= ENOUGH_POSITIVES:
            entries.append((f"AP of {row.label}", row, tolerance * LABEL_FACTOR))
    for what, change, allowed in entries:
        if change.parent is None or change.now is None:
            continue
        if 100 * (change.parent - change.now) > allowed:
            values = f"{change.parent:.4f} > {change.now:.4f}"
            yield f"{part.part}: {what} {values}, more than {allowed:g} points"


def _label(parent: Answers, now: Answers, targets: Float32Array, column: int) -> LabelChange | None:
    """Return how both models know one old label; None where no picture has it, or it is retired."""
    label = parent.vocabulary.labels[column]
    if now.vocabulary.labels[column].retired:
        return None
    # An old blue may be called navy now: blue or navy is compared.
    whole = [column, *now.vocabulary.split_from(label)]
    positive = (targets[:, whole] == 1).any(axis=1)  # (n,)
    known = positive | ~np.isnan(targets[:, whole]).any(axis=1)  # (n,)
    before = average_precision(parent.logits[known, column], positive[known])
    after = average_precision(now.logits[:, whole].max(axis=1)[known], positive[known])
    if before is None or after is None:
        return None
    return LabelChange(label=label.key, positives=int(positive.sum()), parent=before, now=after)


def _groups(parent: Answers, now: Answers, targets: Float32Array) -> Iterator[GroupChange]:
    """Yield how both models answer for each exclusive group of the parent that still answers."""
    for group in parent.vocabulary.exclusive_groups:
        members = now.vocabulary.members(group.name)
        if not members:
            continue
        expected, known = true_answers(targets, members)
        right = np.append(members, -1)[expected]  # (n,): column of the right answer, -1 for none
        # What only the new model can answer says nothing of the old one.
        askable = known & np.isin(right, [*parent.vocabulary.members(group.name), -1])
        shares = [
            float((_answers(which, group) == right)[askable].mean()) if askable.any() else None
            for which in (parent, now)
        ]
        yield GroupChange(
            group=group.name, pictures=int(askable.sum()), parent=shares[0], now=shares[1]
        )


def _answers(which: Answers, group: Group) -> Int64Array:
    """Return int64 (n,): the column of the group's answer, -1 for none."""
    members = which.vocabulary.members(group.name)
    return view(which.logits, which.thresholds, members).answer


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
