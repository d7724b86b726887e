"""All that a check finds in a labelled set, by kind, with what to do: the rows of its table."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from schemas.training import CheckFinding
from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.near_misses import NearMiss
from tagger.datasets.prepared_set import Families
from tagger.datasets.problem_budget import pictures_with, where
from tagger.datasets.problems import Kind, Problem
from tagger.labels.pairs import FEW, Pair
from tagger.settings import setting

_SHOWN = 3


def findings(
    problems: Sequence[Problem],
    counted: LabelledSet,
    misses: Sequence[NearMiss],
    families: Families,
    untaught: Sequence[tuple[Pair, str]],
    empty: Sequence[str],
    *,
    forgiven: bool,
    skips: bool,
) -> list[CheckFinding]:
    """Return what was found, most pictures first; of as many, what stops a training first.

    Parameters
    ----------
    problems : sequence of Problem
        All that keeps pictures from being used, unreadable files too.
    counted : LabelledSet
        The rest.
    untaught : sequence of (pair, reason)
        See `tagger.labels.pairs.unteachable`.
    empty : sequence of str
        Groups that have no label to learn.
    forgiven : bool
        Whether a training goes on although there are such problems.
    skips : bool
        Whether it was asked to go on without what has problems.
    """
    missed = {f"{miss.group}:{miss.name}" for miss in misses}
    found = [
        *_of_problems(problems, stops=not forgiven),
        *_of_empty_groups(empty, counted, stops=not skips),
        *_of_images(
            "labelled otherwise by a later set",
            counted.replaced,
            "the last set that names a picture counts: give the one that is right last, or take "
            "these pictures out of the others",
        ),
        *_of_labels(counted, misses),
        *_of_families(families),
        *_of_pairs([each for each in untaught if not missed & set(each[0])]),
    ]
    return sorted(found, key=lambda row: (-row.pictures, not row.stops, row.kind))


def _of_problems(problems: Sequence[Problem], *, stops: bool) -> Iterator[CheckFinding]:
    by_kind: dict[Kind, list[Problem]] = defaultdict(list)
    for problem in problems:
        by_kind[problem.kind].append(problem)
    for kind, alike in by_kind.items():
        yield CheckFinding(
            kind=kind,
            pictures=pictures_with(alike),
            cases=len(alike),
            stops=stops,
            first=[where(problem) for problem in _distinct(alike)[:_SHOWN]],
            do=_to_do(kind),
        )


def _of_empty_groups(
    empty: Sequence[str], counted: LabelledSet, *, stops: bool
) -> Iterator[CheckFinding]:
    if empty:
        yield CheckFinding(
            kind="group without any label",
            pictures=len(counted.examples),
            cases=len(empty),
            stops=stops,
            first=[f"{group}: no picture has a label that can be learned" for group in empty],
            do="fill in its cells (formulas count once the program has stored their results), or "
            f"name the other groups with {setting('groups')}",
        )


def _of_images(kind: str, images: Sequence[str], do: str) -> Iterator[CheckFinding]:
    """Yield what holds nothing back, and is of these pictures one by one."""
    if images:
        yield CheckFinding(
            kind=kind,
            pictures=len(images),
            cases=len(images),
            stops=False,
            first=[repr(image) for image in images[:_SHOWN]],
            do=do,
        )


def _distinct(problems: Sequence[Problem]) -> list[Problem]:
    """Return the problems, one for all pictures of a folder whose name cannot be read."""
    found: dict[str, Problem] = {}
    for problem in problems:
        of_folder = problem.kind == "unreadable cell" and problem.row is None
        found.setdefault(problem.what if of_folder else where(problem), problem)
    return list(found.values())


def _to_do(kind: Kind) -> str:
    """Return what a person does about a problem."""
    groups = setting("groups")
    names = setting("names")
    ways: dict[str, str] = {
        "missing file": "bring the files to where the table looks for them, or correct their names",
        "unreadable file": "open one: if your own viewer cannot show it either, get it anew; else "
        f"leave it out with {setting('exclude')}",
        "ambiguous file": "write the name with its folder, so that one file is meant",
        "unreadable cell": "correct what is written there; an empty cell is allowed, and unknown",
        "contradiction": "keep the row that is right; if a picture may have several labels of the "
        f"group, write a + behind its name in {groups}",
        "unknown label": f"correct it, say with {names} what it is called here, or declare it: "
        f"to retrain {setting('add')} GROUP:LABEL, to train in the file of "
        f"{setting('vocabulary')}",
    }
    return ways[kind]


def _of_labels(counted: LabelledSet, misses: Sequence[NearMiss]) -> Iterator[CheckFinding]:
    if misses:
        yield CheckFinding(
            kind="near-miss label",
            pictures=sum(miss.pictures for miss in misses),
            cases=len(misses),
            stops=False,
            first=[_miss(miss) for miss in misses[:_SHOWN]],
            do=f"if they are one label: write the table with {setting('propose')} names.csv, take "
            f"out the rows that are not so, and give it with {setting('names')} names.csv",
        )
    missed = {(miss.group, miss.name) for miss in misses}
    counts = Counter(key for example in counted.examples for key in example.present)
    rare = sorted((n, key) for key, n in counts.items() if n < FEW and key not in missed)
    if rare:
        yield CheckFinding(
            kind="rare label",
            pictures=sum(n for n, _ in rare),
            cases=len(rare),
            stops=False,
            first=[f"{group}:{name} has {n:,}" for n, (group, name) in rare[:_SHOWN]],
            do=f"add pictures, {FEW} at least and better 50; or leave such labels out with "
            f"{setting('min_pictures')} {FEW}",
        )
    yield from _of_images(
        "without any label",
        [example.image_id for example in counted.examples if not example.speaks],
        "they teach nothing: fill in their cells, or leave them as they are",
    )


def _miss(miss: NearMiss) -> str:
    of = f"{miss.common:,} pictures" if miss.common else "the model's word"
    return f"{miss.group}: {miss.name!r} ({miss.pictures:,}) is perhaps {miss.becomes!r} ({of})"


def _of_families(families: Families) -> Iterator[CheckFinding]:
    known = [*families.conflicts, *families.duplicates]
    kinds: Mapping[str, tuple[list[list[str]], str]] = {
        "different labels": (
            families.conflicts,
            "they look the same: see which labels are right, and correct the others",
        ),
        "duplicate": (
            [each for each in families.duplicates if each not in families.conflicts],
            "nothing: copies of one file never lie in training and test both; fewer are enough",
        ),
        "near-duplicate": (
            [each for each in families.near_duplicates if each not in known],
            "nothing: what looks the same never lies in training and test both",
        ),
    }
    for kind, (alike, do) in kinds.items():
        if alike:
            yield CheckFinding(
                kind=kind,
                pictures=sum(map(len, alike)),
                cases=len(alike),
                stops=False,
                first=[" = ".join(map(repr, family[:_SHOWN])) for family in alike[:_SHOWN]],
                do=do,
            )


def _of_pairs(untaught: Sequence[tuple[Pair, str]]) -> Iterator[CheckFinding]:
    if untaught:
        yield CheckFinding(
            kind="pair that cannot be taught",
            pictures=0,
            cases=len(untaught),
            stops=False,
            first=[f"{' + '.join(pair)}: {reason}" for pair, reason in untaught[:_SHOWN]],
            do="do not trust its answers, or add pictures that show both labels",
        )
