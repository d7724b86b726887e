"""What the pictures of a retraining say of old labels, and whether the old pictures are there."""

import numpy as np
import pyarrow as pa

from tagger.arrays import Float32Array, Int64Array, StrArray
from tagger.datasets.labelled_set import Said
from tagger.datasets.prepared_set import PreparedSet
from tagger.datasets.split_rows import labelled_rows
from tagger.labels.growing import unjudged
from tagger.labels.vocabulary import Vocabulary
from tagger.progress import say


def judged_targets(
    prepared: PreparedSet, vocabulary: Vocabulary, split: pa.Table, parent: int
) -> Float32Array:
    """Return all targets, unknown where a picture was labelled before a label was there.

    Who corrected a picture was asked for the labels of the parent, the first `parent` ones.
    """
    when = dict(zip(split["content_sha256"].to_pylist(), split["judged"].to_pylist(), strict=True))
    digests = [facts.content_sha256 for facts in prepared.cache.facts]
    judged = np.array([when.get(digest, len(vocabulary)) for digest in digests], np.int64)
    given = prepared.labelled.targets(vocabulary)
    targets = unjudged(given, vocabulary, judged)
    corrected = unjudged(given, vocabulary, np.full(len(given), parent, np.int64))
    for i, example in enumerate(prepared.labelled.examples):
        if example.said is not None:
            columns = _columns_of(example.said, vocabulary)
            targets[i, columns] = corrected[i, columns]
    return targets


def _columns_of(said: Said, vocabulary: Vocabulary) -> list[int]:
    """Return the columns of what a person spoke of."""
    return [
        i
        for i, label in enumerate(vocabulary.labels)
        if label.group in said.answers or (label.group, label.name) in said.single
    ]


def replays(prepared: PreparedSet, parts: StrArray, before: pa.Table) -> bool:
    """Return whether half at least of the parent's training pictures are there too.

    Those that only its trunk saw taught it none of its labels, and do not count.
    """
    own = labelled_rows(before).to_pylist()
    trained = {row["content_sha256"] for row in own if row["part"] == "train"}
    pairs = zip(prepared.digests, parts, strict=True)
    here = trained & {digest for digest, part in pairs if part == "train"}
    if len(here) >= len(trained) / 2:
        return True
    say(
        f"{len(here):,} of the {len(trained):,} pictures that the parent was trained on are in the "
        "data: its own answers on the new pictures stand in for what those do not say about old "
        "labels"
    )
    return False


def silent_unknown(targets: Float32Array, train: Int64Array, old: int) -> Float32Array:
    """Return targets in which old labels that no training picture has are unknown there.

    Else they would be taught their absence alone; so the parent's answers stand in for them.

    Parameters
    ----------
    targets : float32 (n, n_labels)
    train : int64
        Rows of the train part.
    old : int
        How many labels, the first, the parent has.
    """
    silent = np.flatnonzero(~(targets[train, :old] == 1).any(axis=0))
    result = targets.copy()
    result[np.ix_(train, silent)] = np.nan
    return result
