"""Labelled sets, read as one and decoded, with a word on what was not found or cannot be used."""

from collections.abc import Sequence
from pathlib import Path

from tagger.cpus import usable_cpus
from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.names import read_sets
from tagger.datasets.prepared_set import PreparedSet, prepare
from tagger.datasets.problem_budget import settle_problems
from tagger.errors import InputError
from tagger.exclusions import Exclusions, complaint
from tagger.imaging.preprocessing import Reading
from tagger.labels.vocabulary import Group, Vocabulary
from tagger.pipeline.corrected_set import beside, read_corrected
from tagger.progress import Progress, say
from tagger.settings import setting

_SHOWN_UNREADABLE = 5


def read_labelled(
    datasets: Sequence[str],
    names: str | None,
    exclude: Sequence[str],
    *,
    corrections: str | None = None,
    groups: Sequence[Group] | None = None,
    vocabulary: Vocabulary | None = None,
    skip_problems: float | None = None,
) -> LabelledSet:
    """Return the sets as one, see `tagger.datasets.names.read_sets`, without what `exclude` names.

    Parameters
    ----------
    exclude : sequence of str
        Patterns, see `tagger.exclusions`.
    corrections : str, optional
        An index whose corrections stand beside the sets, or in their place.
    skip_problems : float, optional
        How many pictures, in percent, may have problems, see `settle_problems`.

    Raises
    ------
    InputError
        If there is nothing to read, it does not fit together, or has too many problems.
    """
    if not datasets:
        if corrections is None:
            raise InputError(
                f"no labelled set: name a DATASET, or give {setting('corrections')} INDEX, or both"
            )
        if names or exclude:
            raise InputError(
                f"{setting('names')} and {setting('exclude')} are about labelled sets, and none is "
                "named; name one, or leave them out"
            )
        return read_corrected(corrections, groups if vocabulary is None else vocabulary.groups)
    exclusions = Exclusions(exclude)
    labelled = read_sets(datasets, names, groups=groups, vocabulary=vocabulary, exclude=exclusions)
    for idle in exclusions.idle():
        say(f"warning: {complaint(*idle)}")
    labelled = settle_problems(labelled, percent=skip_problems)
    if corrections is None:
        return labelled
    return beside(labelled, read_corrected(corrections, labelled.groups))


def decode_set(
    labelled: LabelledSet, folder: Path, reading: Reading, *, workers: int
) -> PreparedSet:
    """Return the set decoded into `folder`, after saying what had to be left out.

    Parameters
    ----------
    workers : int
        Processes that decode; 0 is one per core.
    """
    with Progress(len(labelled.examples), "decoding") as progress:
        prepared = prepare(
            labelled, folder, reading, workers=workers or usable_cpus(), progress=progress.advance
        )
    _say_corrected(prepared)
    unreadable = prepared.unreadable
    for example, facts in unreadable[:_SHOWN_UNREADABLE]:
        say(f"left out: {example.image_id}: {facts.status}: {facts.error}")
    if len(unreadable) > _SHOWN_UNREADABLE:
        more = len(unreadable) - _SHOWN_UNREADABLE
        say(f"left out: {more} more; {setting('check')} lists them")
    return prepared


def _say_corrected(prepared: PreparedSet) -> None:
    if prepared.changed:
        say(
            f"left out: {prepared.changed:,} corrected pictures whose files have other bytes now; "
            "what was said was not said of these"
        )
    if prepared.both:
        say(
            f"{prepared.both:,} pictures are both labelled and corrected: each counts once, and "
            "what persons said counts"
        )
