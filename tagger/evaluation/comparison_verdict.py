"""The verdict of a comparison: is B better than A, and by more than chance? Records in, plain words
out."""

from collections.abc import Sequence
from typing import Literal

from schemas.comparison import ComparedAnswers, ComparedLabel, Flip, Paired
from tagger.evaluation.figures import listed, share_of, with_p
from tagger.evaluation.metrics import wilson
from tagger.evaluation.paired import SURE

Verdict = Literal["better", "worse", "mixed", "no difference", "unknown"]


def give_verdict(
    groups: Sequence[ComparedAnswers],
    together: ComparedAnswers,
    labels: Sequence[ComparedLabel],
    *,
    tested: bool,
) -> tuple[Verdict, str]:
    """Return the verdict on B, and a sentence that says why.

    Parameters
    ----------
    tested : bool
        Whether the pictures are a sample, and known ones were picked without an eye to the answers.
    """
    if all(row.right is None for row in groups):
        silent = "; nothing here says which is right where they differ"
        return "unknown", _agreement(groups, together, sampled=tested) + silent
    if not tested:
        agreement = _agreement(groups, together, sampled=False)
        return "unknown", f"{agreement}. {_untested(groups)}"
    found = [(_named(row), row.right) for row in groups if _is_sure(row.right)]
    if not found and _is_sure(together.right):
        found = [("all", together.right)]
    of_labels = [(row.label, row.right) for row in labels if _is_sure(row.right)]
    if found:
        return _difference(_given(found), "more than chance", _given(of_labels))
    if of_labels:
        words = "more than chance, though no group differs by more than that"
        return _difference(_given(of_labels), words, [])
    return "no difference", _no_difference(groups, together)


_Rows = list[tuple[str, Paired]]


def _difference(found: _Rows, words: str, of_labels: _Rows) -> tuple[Verdict, str]:
    """Return the verdict where something differs by more than chance; single labels that go the
    other way are named."""
    up = [_change(name, right) for name, right in found if right.b_alone > right.a_alone]
    down = [_change(name, right) for name, right in found if right.b_alone < right.a_alone]
    if up and down:
        return "mixed", f"B is better in some, worse in others: {listed(up + down)}; {words}"
    verdict: Verdict = "better" if up else "worse"
    sentence = f"B is {verdict}: {listed(up or down)}; {words}"
    against = [
        _change(name, right)
        for name, right in of_labels
        if (right.b_alone > right.a_alone) != bool(up)
    ]
    return verdict, sentence + (f"; but {listed(against)}" if against else "")


def _given(rows: Sequence[tuple[str, Paired | None]]) -> _Rows:
    return [(name, right) for name, right in rows if right is not None]


def _change(name: str, right: Paired) -> str:
    """Return a difference as `color right from 86.1 % to 87.9 % of 1,637 pictures (p = 0.002)`."""
    p = with_p(right.p_adjusted if right.p_adjusted is not None else 1)
    return f"{_from_to(name, right)} ({p})"


def _from_to(name: str, right: Paired) -> str:
    return (
        f"{name} right from {share_of(right.a_right, right.pictures)} to "
        f"{share_of(right.b_right, right.pictures)} of {right.pictures:,} pictures"
    )


def _no_difference(groups: Sequence[ComparedAnswers], together: ComparedAnswers) -> str:
    """Return that none shows, and how large one would have to be."""
    rows = [(_named(row), row.right) for row in groups if row.right is not None]
    most = max(right.pictures for _, right in rows)
    # All groups are known together of few pictures, if sets say one group each.
    if together.right is not None and len(groups) > 1 and 2 * together.right.pictures >= most:
        rows.append(("all", together.right))
    said = "; ".join(f"{_change(name, right)}, {_least(right)}" for name, right in rows)
    pictures = "1 picture" if most == 1 else f"{most:,} pictures"
    return (
        f"no difference that {pictures} could show: {said}. A difference of that size shows four "
        "times of five, a smaller one less often"
    )


def _least(right: Paired) -> str:
    """Return the least difference that shows four times of five."""
    if right.shows_from is None or right.shows_from >= 1:
        return "too few to show any"
    return f"where {100 * right.shows_from:.1f} points would show"


def _agreement(
    groups: Sequence[ComparedAnswers], together: ComparedAnswers, *, sampled: bool
) -> str:
    """Return how often both answer the same."""
    rows = [*groups, together] if len(groups) > 1 else groups
    said = [f"{_named(row)} on {_same(row, sampled=sampled)}" for row in rows]
    return f"A and B give the same answers for {listed(said)} of {together.pictures:,} pictures"


def _same(row: ComparedAnswers, *, sampled: bool) -> str:
    """Return `91.2 %`, of a sample with its 95 % interval."""
    share = share_of(row.same, row.pictures)
    if not sampled:
        return share
    low, high = wilson(row.same, row.pictures)
    if low is None or high is None:
        return share
    return f"{share} ({100 * low:.1f} to {100 * high:.1f})"


def _untested(groups: Sequence[ComparedAnswers]) -> str:
    """Return who has how many right, of pictures that were picked with an eye to the answers."""
    said = [_from_to(_named(row), row.right) for row in groups if row.right is not None]
    return (
        f"Of pictures that persons corrected or confirmed, {listed(said)}. Persons look for what "
        "is wrong, so that is no figure of the whole catalog, and whether it is chance cannot be "
        "told from them"
    )


def flip_words(flip: Flip) -> str:
    """Return a flip as `color: blue > black, 14 pictures, 9 to right, 3 to wrong`."""
    pictures = "1 picture" if flip.pictures == 1 else f"{flip.pictures:,} pictures"
    said = f"{flip.group}: {flip.a or 'none'} > {flip.b or 'none'}, {pictures}"
    said += f", {flip.to_right:,} to right" if flip.to_right else ""
    return said + (f", {flip.to_wrong:,} to wrong" if flip.to_wrong else "")


def _is_sure(right: Paired | None) -> bool:
    return right is not None and right.p_adjusted is not None and right.p_adjusted < SURE


def _named(row: ComparedAnswers) -> str:
    return row.group or "all"
