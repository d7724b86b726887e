"""How many pictures with problems a labelled set may have, so that the rest of it is used."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tagger.datasets.problems import Problem, pictures_of
from tagger.errors import DatasetError
from tagger.settings import setting

if TYPE_CHECKING:  # a command line knows of the usual share before anything heavy is loaded
    from tagger.datasets.labelled_set import LabelledSet

USUAL_PERCENT = 5.0
"""Of the pictures that a set names: so many may be left out where nothing else is said."""


def settle_problems(
    labelled: "LabelledSet",
    *,
    budget: float | None,
    unreadable: Sequence[Problem] = (),
    can_skip: bool = True,
) -> "LabelledSet":
    """Return the set as it is, if what is wrong with it is within its budget.

    Parameters
    ----------
    budget : float, optional
        In percent: the pictures with problems may be at most this share of those that the set
        names; a single one is always allowed, but for 0. None: no problem is allowed, but files
        that cannot be read, up to the usual share: a file that broke overnight does not end a
        night's training.
    unreadable : sequence of Problem
        What was found out while the pictures were read.
    can_skip : bool
        Whether who reads the message may give a budget at all.

    Raises
    ------
    DatasetError
        If there are more.
    """
    problems = [*labelled.problems, *unreadable]
    found = pictures_with(problems)
    named = pictures_named(labelled)
    allowed = pictures_allowed(labelled, budget)
    if found <= allowed:
        return labelled
    share = 100 * found / named
    raise DatasetError(
        f"{labelled.source}: {found:,} of {named:,} pictures ({share:.1f} %) have problems: "
        f"{by_kind(problems)}. 'tagger train ... {setting('check')}' lists all of them and says "
        f"what to do{_limit(budget, allowed) if can_skip else ''}"
    )


def _limit(budget: float | None, allowed: int) -> str:
    """Return what the option to go on without such pictures does, behind a semicolon."""
    if budget is not None:
        return f"; {setting('skip_problems')} {budget:g} allows {allowed:,} of them"
    return (
        f"; {setting('skip_problems')} goes on without them where they are at most "
        f"{USUAL_PERCENT:g} %, or another share that it is given"
    )


def pictures_allowed(labelled: "LabelledSet", budget: float | None) -> int:
    """Return how many pictures of a set may have problems, see `settle_problems`."""
    if budget is None:
        budget = 0.0 if labelled.problems else USUAL_PERCENT
    return max(int(pictures_named(labelled) * budget / 100 + 1e-9), 1) if budget > 0 else 0


def pictures_with(problems: Sequence[Problem]) -> int:
    """Return how many pictures have problems; a row that names no picture is one."""
    return len(pictures_of(problems))


def pictures_named(labelled: "LabelledSet") -> int:
    """Return how many pictures a set names, those with problems too; one at least."""
    known = {example.image_id for example in labelled.examples}
    counted = len(known) + len(pictures_of(x for x in labelled.problems if x.image not in known))
    return max(counted if labelled.named is None else labelled.named, 1)


def by_kind(problems: Sequence[Problem]) -> str:
    """Return how many problems there are of each kind, the first of each in words."""
    first: dict[str, Problem] = {}
    for problem in problems:
        first.setdefault(problem.kind, problem)
    counts = Counter(problem.kind for problem in problems)
    return "; ".join(
        f"{n:,} x {kind}, first in {where(first[kind])}" for kind, n in counts.most_common()
    )


def where(problem: Problem) -> str:
    """Return where a problem is, and what it is, in words."""
    places = [] if problem.row is None else [f"row {problem.row}"]
    if repr(problem.image) not in problem.what:
        places.append(repr(problem.image))
    return f"{', '.join(places)}: {problem.what}" if places else problem.what
