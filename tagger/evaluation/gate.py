"""The gate: whether a retrained model still knows what its parent knew. Arrays in, records out.

What fell is refused where it fell by more than is allowed, and by more than chance: a test part is
small, and an equal model falls by points on it.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from schemas.bundle import Change, ComparedPart, Gate, GroupChange, LabelChange
from tagger.arrays import BoolArray, Float32Array, Float64Array, Int64Array
from tagger.evaluation.figures import percent, with_p
from tagger.evaluation.metrics import average_precision
from tagger.evaluation.paired import SURE, fallen, holm
from tagger.evaluation.questions import Answers
from tagger.evaluation.swapping import fall_by_chance
from tagger.labels.views import tag_matrix, true_answers, view
from tagger.labels.vocabulary import Group

LABEL_FACTOR = 4
"""Any one label may lose this many times as much as the mean of all.

Its average precision is that much less sure.
"""

ENOUGH_POSITIVES = 10
"""Labels with fewer positives in a part are reported, and refuse nothing.

One picture would move them by points.
"""

_SURE_OF_ONE = SURE / 2
"""Below it a fall is more than chance, within each of the three: macro AP, labels, groups.

With half of 0.05 for each an equal model is refused in 4 to 8 of 100 cases; the page of
`tagger compare` has the simulation.
"""

_ROUNDS = 1_000
_ROUNDS_A_LABEL = 100
"""So many that a label, though tested among those of two parts, can still be surely worse."""


def compare(
    part: str, parent: Answers, now: Answers, targets: Float32Array, *, tolerance: float = 0.5
) -> ComparedPart:
    """Return both models on the old labels, on the pictures of one part.

    Parameters
    ----------
    part : str
        What the part is called.
    targets : float32 (n, n_labels)
        In the columns of the new model; 1, 0, or NaN for unknown.
    tolerance : float
        How many points macro AP and groups may lose; what lost more is tested.
    """
    old = len(parent.vocabulary)
    scored = [
        found
        for column in range(old)
        if (found := _label(parent, now, targets, column)) is not None
    ]
    before = tag_matrix(*parent)  # (n, old)
    after = tag_matrix(*now)[:, :old]  # (n, old)
    changed = (before != after).any(axis=1)  # (n,)
    return ComparedPart(
        part=part,
        pictures=len(targets),
        macro_ap=_macro(scored, tolerance),
        labels=[_tested(found, tolerance * LABEL_FACTOR, old) for found in scored],
        groups=[row for row in _groups(parent, now, targets) if row.pictures],
        tags_changed=float(changed.mean()) if len(targets) else 0.0,
    )


def judge(
    parts: Sequence[ComparedPart],
    parent: str,
    tolerance: float,
    *,
    measurable: Collection[str] = (),
    nobody_has_the_old: bool = False,
) -> Gate:
    """Return the gate: passed, unless something lost more than is allowed and more than chance.

    Macro AP and the right answers of a group may lose `tolerance` points, the AP of a label four
    times that. What cannot be compared has not passed, unless nobody has the parent's own
    pictures: then what the new ones show is compared, if they show any of it.

    Parameters
    ----------
    parts : sequence of ComparedPart
        From `compare`.
    parent : str
        The name of the bundle compared with.
    measurable : collection of str
        Labels that the parent was measured on; each must have a picture in some part.
    nobody_has_the_old : bool
        Whether the parent's own pictures cannot be given, since it came with the package.
    """
    compared = {row.label for part in parts for row in part.labels}
    unmeasured = [key for key in measurable if key not in compared]
    worse = []
    if not (compared and nobody_has_the_old):
        worse = [f"not measured: no test picture of the data has {key}" for key in unmeasured]
        unmeasured = []
    within_chance = []
    for family in _families(parts, tolerance):
        for fall, p in _too_large(family):
            if p < _SURE_OF_ONE:
                worse.append(f"{_in_words(fall)} and more than chance ({with_p(p)})")
            else:
                within_chance.append(f"{_in_words(fall)}, within chance ({with_p(p)})")
    return Gate(
        parent=parent,
        passed=not worse,
        tolerance=tolerance,
        worse=worse,
        within_chance=within_chance,
        unmeasured=unmeasured,
        parts=list(parts),
    )


class _Fall(NamedTuple):
    """Something that may have fallen.

    Attributes
    ----------
    what : str
        In words, with its part.
    parent, now : float
        Shares.
    allowed : float
        Points.
    p : float or None
        How often chance makes an equal model fall so far.
    """

    what: str
    parent: float
    now: float
    allowed: float
    p: float | None

    @property
    def is_too_large(self) -> bool:
        """Return whether it fell by more than allowed."""
        return 100 * (self.parent - self.now) > self.allowed


def _families(parts: Sequence[ComparedPart], tolerance: float) -> Iterator[list[_Fall]]:
    """Yield what may have fallen, by kind: within each, tests are corrected for their number."""
    yield [
        _Fall(f"{part.part}: macro AP", change.parent, change.now, tolerance, change.p)
        for part in parts
        if (change := part.macro_ap).parent is not None and change.now is not None
    ]
    yield [
        _Fall(
            f"{part.part}: AP of {row.label}", row.parent, row.now, tolerance * LABEL_FACTOR, row.p
        )
        for part in parts
        for row in part.labels
        if row.positives >= ENOUGH_POSITIVES
    ]
    yield [
        _Fall(f"{part.part}: {row.group} right", row.parent, row.now, tolerance, row.p)
        for part in parts
        for row in part.groups
        if row.parent is not None and row.now is not None
    ]


def _too_large(family: Sequence[_Fall]) -> Iterator[tuple[_Fall, float]]:
    """Yield what fell by more than allowed, and its p, corrected for how many might have."""
    # What did not fall too far was not tested, and counts as chance.
    corrected = holm([1.0 if fall.p is None else fall.p for fall in family])
    for fall, p in zip(family, corrected, strict=True):
        if fall.is_too_large:
            yield fall, p


def _in_words(fall: _Fall) -> str:
    return (
        f"{fall.what} from {percent(fall.parent)} to {percent(fall.now)}, more than the "
        f"{fall.allowed:g} points allowed"
    )


class _Scored(NamedTuple):
    """What both models score for one old label, each (n,)."""

    change: LabelChange
    before: Float64Array
    after: Float64Array
    positive: BoolArray
    known: BoolArray


def _label(parent: Answers, now: Answers, targets: Float32Array, column: int) -> _Scored | None:
    """Return how both models know one old label; None where no picture has it, or it is retired."""
    label = parent.vocabulary.labels[column]
    if now.vocabulary.labels[column].retired:
        return None
    # An old blue may be called navy now: blue or navy is compared.
    whole = [column, *now.vocabulary.split_from(label)]
    positive = (targets[:, whole] == 1).any(axis=1)  # (n,)
    known = positive | ~np.isnan(targets[:, whole]).any(axis=1)  # (n,)
    before = np.asarray(parent.logits[:, column], np.float64)
    after = np.asarray(now.logits[:, whole].max(axis=1), np.float64)
    was = average_precision(before[known], positive[known])
    became = average_precision(after[known], positive[known])
    if was is None or became is None:
        return None
    change = LabelChange(label=label.key, positives=int(positive.sum()), parent=was, now=became)
    return _Scored(change, before, after, positive, known)


def _macro(scored: Sequence[_Scored], tolerance: float) -> Change:
    """Return the mean of the labels' AP, tested if it lost more than `tolerance` points."""
    if not scored:
        return Change(parent=None, now=None)
    change = Change(
        parent=float(np.mean([found.change.parent for found in scored])),
        now=float(np.mean([found.change.now for found in scored])),
    )
    return replace(change, p=_p(scored, change, tolerance, _ROUNDS))


def _tested(found: _Scored, allowed: float, labels: int) -> LabelChange:
    """Return the change of a label, tested if it lost more than `allowed` points.

    All `labels` of the parent count, also where a part shows few: they are judged together.
    """
    rounds = max(_ROUNDS, _ROUNDS_A_LABEL * labels)
    return replace(found.change, p=_p([found], found.change, allowed, rounds))


def _p(
    scored: Sequence[_Scored], change: Change | LabelChange, allowed: float, rounds: int
) -> float | None:
    """Return how often chance makes labels fall as far as they did; None if that is allowed."""
    if change.parent is None or change.now is None or 100 * (change.parent - change.now) <= allowed:
        return None
    stacked = [
        np.stack(arrays, axis=1) for arrays in zip(*(found[1:] for found in scored), strict=True)
    ]
    return fall_by_chance(*stacked, rounds=rounds)


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
        was, became = ((_answers(each, group) == right)[askable] for each in (parent, now))
        some = bool(askable.any())
        yield GroupChange(
            group=group.name,
            pictures=int(askable.sum()),
            parent=float(was.mean()) if some else None,
            now=float(became.mean()) if some else None,
            p=fallen(int((was & ~became).sum()), int((became & ~was).sum())) if some else None,
        )


def _answers(which: Answers, group: Group) -> Int64Array:
    """Return int64 (n,): the column of the group's answer, -1 for none."""
    members = which.vocabulary.members(group.name)
    return view(which.logits, which.thresholds, members).answer
