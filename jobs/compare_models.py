"""Two models on pictures that neither was taught with: a labelled set, or a sample of a catalog."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from msgspec.structs import asdict

from schemas.comparison import CompareReport, NotCompared, Side
from tagger.arrays import Float32Array, Int64Array
from tagger.catalog import Walk, absolute_path
from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.unseen import unseen
from tagger.errors import DatasetError, InputError, Refused
from tagger.evaluation.comparison import FlippedPictures, compare_answers
from tagger.evaluation.questions import (
    Answers,
    Said,
    only_known,
    questions_of,
    scores_of,
    shared_keys,
)
from tagger.exclusions import Exclusions
from tagger.models.bundle import Bundle, load_bundle
from tagger.models.two_models import score_with_both
from tagger.pipeline.labelled_sets import read_labelled
from tagger.progress import Progress
from tagger.report.thumbnails import Wanted
from tagger.settings import setting

if TYPE_CHECKING:
    from jobs.compare import CompareOptions

_SAMPLE = 500


class Compared(NamedTuple):
    """A comparison, and how to find the pictures of what flipped.

    Attributes
    ----------
    report : CompareReport
    flips : list of FlippedPictures
    picture : callable
        What to show for the picture at a position, and what it is called.
    inside : str or None
        The folder that pictures may not lead out of.
    """

    report: CompareReport
    flips: list[FlippedPictures]
    picture: Callable[[int], tuple[Wanted, str]]
    inside: str | None = None


class _Pictures(NamedTuple):
    """What the models are compared on.

    Attributes
    ----------
    source : str
        In words.
    image_ids, paths : list of str, n
    targets : pair of float32 (n, n_labels)
        In the columns of A and of B; all NaN where nothing is known.
    strangers : mapping
        Labels that a model does not have, to number of pictures.
    replaced : int
        Pictures that an earlier one of several sets labels otherwise.
    """

    source: str
    image_ids: list[str]
    paths: list[str]
    targets: tuple[Float32Array, Float32Array]
    strangers: Mapping[str, int]
    replaced: int = 0

    def otherwise(self, pairs: Int64Array) -> int:
        """Return how many of the pairs of positions, int64 (k, 2), are not labelled alike."""
        differ = np.zeros(len(pairs), bool)
        for target in self.targets:
            known = np.nan_to_num(target, nan=-1)
            differ |= (known[pairs[:, 0]] != known[pairs[:, 1]]).any(axis=1)
        return int(differ.sum())


def compare_models(options: "CompareOptions") -> Compared:
    """Return how two models do on the same pictures.

    Raises
    ------
    InputError
        If they have no label in common, or no picture is left to compare on.
    """
    a = load_bundle(options.a)
    b = load_bundle(options.b)
    _check_common(a, b)
    pictures = _pictures(options, a, b)
    n = len(pictures.paths)
    with Progress(2 * n, "comparing") as progress:
        scored = score_with_both(
            a, b, pictures.paths, backend=options.backend, progress=progress.advance
        )
    rows, left_out, copies = unseen(scored.facts, scored.thumbnails, [a.parts(), b.parts()])
    if not len(rows):
        raise DatasetError(
            f"{pictures.source}: no picture is left to compare on ({_counts(left_out)}); use "
            "pictures that neither model was trained on"
        )
    ours = Answers(scored.a[rows], a.thresholds, a.vocabulary)
    theirs = Answers(scored.b[rows], b.thresholds, b.vocabulary)
    targets = [target[rows] for target in pictures.targets]
    labelled = bool(options.on)
    found = compare_answers(
        questions_of(Said(ours, targets[0]), Said(theirs, targets[1])),
        lambda at: pictures.image_ids[rows[at]],
        scores=scores_of(ours, theirs) if labelled else {},
        only=only_known(a.vocabulary, b.vocabulary),
    )
    report = CompareReport(
        kind="models",
        a=Side(given=options.a, name=a.name, model_id=a.model_id),
        b=Side(given=options.b, name=b.name, model_id=b.model_id),
        on=pictures.source,
        comparison=found.comparison,
        left_out=left_out,
        unknown_labels=dict(sorted(pictures.strangers.items())),
        labelled_again=pictures.replaced,
        copies_labelled_otherwise=pictures.otherwise(copies),
    )

    def picture(at: int) -> tuple[Wanted, str]:
        row = int(rows[at])
        wanted = Wanted(pictures.paths[row], scored.facts[row].content_sha256)
        return wanted, pictures.image_ids[row]

    return Compared(report, found.flips, picture)


def _check_common(a: Bundle, b: Bundle) -> None:
    """Raise InputError if there is nothing that both know."""
    if shared_keys(a.vocabulary, b.vocabulary):
        return
    known = [
        ", ".join(
            f"{group.name} ({len(each.vocabulary.members(group.name))} labels)"
            for group in each.vocabulary.groups
        )
        for each in (a, b)
    ]
    raise InputError(
        f"A ({a.name}) and B ({b.name}) have no label in common: A knows {known[0]}; B knows "
        f"{known[1]}. A label is the same if group and name are"
    )


def _pictures(options: "CompareOptions", a: Bundle, b: Bundle) -> _Pictures:
    """Return what the models are to be compared on."""
    if bool(options.on) == (options.catalog is not None):
        raise InputError(
            f"say on which pictures: {setting('on')} DATASET for labelled ones, or "
            f"{setting('catalog')} DIR for a sample of a catalog, and not both"
        )
    if options.catalog is None:
        if options.sample is not None:
            raise InputError(f"{setting('sample')} goes with {setting('catalog')} DIR")
        return _labelled(options, a, b)
    return _sampled(options.catalog, options, a, b)


def _labelled(options: "CompareOptions", a: Bundle, b: Bundle) -> _Pictures:
    """Return the labelled sets, as each of the models understands their labels."""
    sets = [_read(options, a, quiet=False), _read(options, b, quiet=True)]
    strangers: dict[str, int] = {}
    for labelled, each in zip(sets, (a, b), strict=True):
        strangers |= labelled.strangers(each.vocabulary)
    # Both read the same folders and tables; what changes in between is seen here.
    if [one.path for one in sets[0].examples] != [one.path for one in sets[1].examples]:
        raise DatasetError(f"{sets[0].source} was changed while it was read; try again")
    examples = sets[0].examples
    return _Pictures(
        source=sets[0].source,
        image_ids=[one.image_id for one in examples],
        paths=[one.path for one in examples],
        targets=(sets[0].targets(a.vocabulary), sets[1].targets(b.vocabulary)),
        strangers=strangers,
        replaced=len(sets[0].replaced),
    )


def _read(options: "CompareOptions", bundle: Bundle, *, quiet: bool) -> LabelledSet:
    """Return the labelled sets as one model understands them."""
    return read_labelled(
        options.on,
        options.names,
        options.exclude,
        columns=options.columns,
        image_root=options.image_root,
        vocabulary=bundle.vocabulary,
        can_skip=False,
        quiet=quiet,
    )


def _sampled(catalog: str, options: "CompareOptions", a: Bundle, b: Bundle) -> _Pictures:
    """Return pictures drawn from a catalog, each as likely as any other."""
    walk = Walk(catalog, exclude=Exclusions(options.exclude))
    try:
        found = sorted(image.image_id for image in walk)
    except Refused as error:
        raise InputError(f"{setting('catalog')} {catalog!r}: {error}") from error
    if not found:
        raise InputError(f"{setting('catalog')} {catalog!r} holds no picture; {walk.explanation()}")
    wanted = min(options.sample or _SAMPLE, len(found))
    drawn = np.random.default_rng(options.seed).choice(len(found), wanted, replace=False)
    image_ids = [found[at] for at in sorted(drawn.tolist())]
    return _Pictures(
        source=f"{wanted:,} pictures drawn from the {len(found):,} of {catalog}",
        image_ids=image_ids,
        paths=[absolute_path(walk.root, image_id) for image_id in image_ids],
        targets=(_unknown(wanted, a), _unknown(wanted, b)),
        strangers={},
    )


def _unknown(n: int, bundle: Bundle) -> Float32Array:
    return np.full((n, len(bundle.vocabulary)), np.nan, np.float32)


def _counts(left_out: NotCompared) -> str:
    return ", ".join(f"{n:,} {why}" for why, n in asdict(left_out).items() if n)
