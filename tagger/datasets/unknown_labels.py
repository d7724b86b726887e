"""Labels that a given vocabulary does not have, as problems of the pictures that have them."""

from collections.abc import Collection
from dataclasses import replace

from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.problems import Kind, Problem
from tagger.labels.vocabulary import LabelKey

_KIND: Kind = "unknown label"


def with_unknown_labels(labelled: LabelledSet, unknown: Collection[LabelKey]) -> LabelledSet:
    """Return the set with a problem for each picture with one of these labels.

    The examples stay: what such a label's group says of them is unknown, see
    `LabelledSet.targets`.
    """
    found = tuple(
        Problem(_KIND, example.image_id, None, f"{group}:{name} is no known label")
        for example in labelled.examples
        for group, name in sorted(example.present)
        if (group, name) in unknown
    )
    return replace(labelled, problems=(*labelled.problems, *found))
