"""Labelled sets, read as one and decoded, with a word on what was not found or cannot be used."""

from collections.abc import Sequence
from pathlib import Path

from tagger.cpus import usable_cpus
from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.names import read_sets
from tagger.datasets.prepared_set import PreparedSet, prepare
from tagger.exclusions import Exclusions, complaint
from tagger.imaging.preprocessing import Reading
from tagger.labels.vocabulary import Group, Vocabulary
from tagger.progress import Progress, say
from tagger.settings import setting

_SHOWN_UNREADABLE = 5


def read_labelled(
    datasets: Sequence[str],
    names: str | None,
    exclude: Sequence[str],
    *,
    groups: Sequence[Group] | None = None,
    vocabulary: Vocabulary | None = None,
) -> LabelledSet:
    """Return the sets as one, see `tagger.datasets.names.read_sets`, without what `exclude` names.

    Parameters
    ----------
    exclude : sequence of str
        Patterns, see `tagger.exclusions`.
    """
    exclusions = Exclusions(exclude)
    labelled = read_sets(datasets, names, groups=groups, vocabulary=vocabulary, exclude=exclusions)
    for idle in exclusions.idle():
        say(f"warning: {complaint(*idle)}")
    return labelled


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
    unreadable = prepared.unreadable
    for example, facts in unreadable[:_SHOWN_UNREADABLE]:
        say(f"left out: {example.image_id}: {facts.status}: {facts.error}")
    if len(unreadable) > _SHOWN_UNREADABLE:
        more = len(unreadable) - _SHOWN_UNREADABLE
        say(f"left out: {more} more; {setting('check')} lists them")
    return prepared
