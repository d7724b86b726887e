"""Labelled sets as a command names them: read as one, with a warning of what `--exclude` did not
find."""

from collections.abc import Sequence

from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.names import read_sets
from tagger.exclusions import Exclusions, complaint
from tagger.labels.vocabulary import Group, Vocabulary
from tagger.progress import say


def read_labelled(
    datasets: Sequence[str],
    names: str | None,
    exclude: Sequence[str],
    *,
    groups: Sequence[Group] | None = None,
    vocabulary: Vocabulary | None = None,
) -> LabelledSet:
    """Return the sets as one, see `tagger.datasets.names.read_sets`, without what the patterns of
    `exclude` name."""
    exclusions = Exclusions(exclude)
    labelled = read_sets(datasets, names, groups=groups, vocabulary=vocabulary, exclude=exclusions)
    for idle in exclusions.idle():
        say(f"warning: {complaint(*idle)}")
    return labelled
