"""What a night answers otherwise than the night before: the comparison of `tagger compare`, with a
few pictures of the most frequent changes."""

import shlex
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from schemas.comparison import Comparison, Flip, NightRows
from schemas.corrections import Correction
from tagger.errors import StoreError
from tagger.evaluation.comparison import FlippedPictures, flips_of
from tagger.index.snapshots import Snapshot, open_snapshot
from tagger.index.two_nights import PairedNights, Pairs, pair_nights
from tagger.report.drawn import Picture

PICTURES = 6
"""Of each change."""
MOST = 10
"""Changes that are shown of each group, the most frequent."""


class Change(NamedTuple):
    """Pictures that were answered one way and are answered another way now.

    Attributes
    ----------
    flip : Flip
        A is the night before.
    pictures : list of Picture
        Some of them, drawn at random.
    """

    flip: Flip
    pictures: list[Picture]


class Compared(NamedTuple):
    """A night and the one before it.

    Attributes
    ----------
    rows : NightRows
    comparison : Comparison
        Of pictures with the same bytes, by the models' own answers; A is the night before.
    old_model, new_model : str
        The model that each night ran with.
    changes, replaced : list of Change
        Of pictures with the same bytes, and with other bytes than before.
    command : str
        What shows all of it.
    """

    rows: NightRows
    comparison: Comparison
    old_model: str
    new_model: str
    changes: list[Change]
    replaced: list[Change]
    command: str


def compared_with_parent(snapshot: Snapshot, said: Sequence[Correction]) -> Compared | str:
    """Return what a night answers otherwise than its parent; in words, why that is not known.

    Parameters
    ----------
    said : sequence of Correction
        What persons said, which is the truth.

    Raises
    ------
    StoreError
        If a file of the night is missing or damaged; a parent that is, is gone.
    """
    name = snapshot.manifest.parent
    if name is None:
        return "This is the first night: there is none to compare it with."
    folder = snapshot.index_folder / "snapshots" / name
    if not folder.is_dir():
        return (
            f"The night before, {name}, is not kept any more ('tagger tag --keep' says how many "
            "are), so it is not known what it answered."
        )
    try:
        parent = open_snapshot(folder, repr(str(snapshot.index_folder)))
        nights = pair_nights(parent, snapshot, said)
    except StoreError as error:
        if name not in str(error):
            raise
        return f"This night cannot be held against the one before, {name}: {error}"
    return _compared(parent, snapshot, nights)


def _compared(parent: Snapshot, snapshot: Snapshot, nights: PairedNights) -> Compared:
    found = nights.found()
    index = snapshot.index_folder
    return Compared(
        rows=nights.rows,
        comparison=found.comparison,
        old_model=parent.manifest.model_id,
        new_model=snapshot.manifest.model_id,
        changes=_shown(found.flips, nights.compared),
        replaced=_shown(flips_of(nights.replaced.questions, str), nights.replaced),
        command=shlex.join(["tagger", "compare", str(parent.path), str(index)]),
    )


def _shown(flips: Sequence[FlippedPictures], pairs: Pairs) -> list[Change]:
    """Return the most frequent changes of each group, with pictures, each content once."""
    random = np.random.default_rng(0)
    shown = Counter[str]()
    changes = []
    for flip, places in flips:
        shown[flip.group] += 1
        if shown[flip.group] > MOST:
            continue
        drawn: dict[str, Picture] = {}
        for place in random.permutation(places)[: 4 * PICTURES].tolist():
            content = str(pairs.contents[place])
            drawn.setdefault(content, Picture(str(pairs.image_ids[place]), content))
        changes.append(Change(flip, list(drawn.values())[:PICTURES]))
    return changes
