"""Labelled sets, read as one and decoded, with a word on what was not found or cannot be used."""

import os
from collections.abc import Sequence
from pathlib import Path

from tagger.cpus import usable_cpus
from tagger.datasets.dataset_reader import is_table
from tagger.datasets.labelled_set import LabelledSet
from tagger.datasets.named_columns import parse_columns
from tagger.datasets.names import read_sets
from tagger.datasets.prepared_set import PreparedSet, prepare
from tagger.datasets.problem_budget import settle_problems
from tagger.datasets.problems import Folded
from tagger.datasets.table_file import ENDINGS
from tagger.errors import InputError
from tagger.exclusions import Exclusions, complaint
from tagger.imaging.preprocessing import Reading
from tagger.labels.vocabulary import Group, Vocabulary
from tagger.pipeline.corrected_set import beside, read_corrected
from tagger.progress import Progress, say
from tagger.settings import setting

_SHOWN_UNREADABLE = 5
_SHOWN_FOLDED = 8
_SHOWN_SPELLINGS = 4


def read_labelled(
    datasets: Sequence[str],
    names: str | None,
    exclude: Sequence[str],
    *,
    columns: str | None = None,
    image_root: str | None = None,
    corrections: str | None = None,
    groups: Sequence[Group] | None = None,
    vocabulary: Vocabulary | None = None,
    skip_problems: float | None = None,
    can_skip: bool = True,
    quiet: bool = False,
) -> LabelledSet:
    """Return the sets as one, see `tagger.datasets.names.read_sets`, without what `exclude` names.

    Parameters
    ----------
    exclude : sequence of str
        Patterns, see `tagger.exclusions`.
    columns : str, optional
        Which headers of the tables among the sets are what, see `tagger.datasets.named_columns`.
    image_root : str, optional
        The folder below which the tables' pictures lie, by default each table's own.
    corrections : str, optional
        An index whose corrections stand beside the sets, or in their place.
    skip_problems : float, optional
        How many pictures, in percent, may have problems, see `settle_problems`.
    can_skip : bool
        Whether the command has an option for that.
    quiet : bool
        Whether how they were read has been said before.

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
        check_table_options(datasets, columns, image_root)
        return read_corrected(corrections, groups if vocabulary is None else vocabulary.groups)
    check_table_options(datasets, columns, image_root)
    exclusions = Exclusions(exclude)
    labelled = read_sets(
        datasets,
        names,
        groups=groups,
        vocabulary=vocabulary,
        exclude=exclusions,
        columns=parse_columns(columns) if columns is not None else None,
        image_root=image_root,
    )
    if not quiet:
        _say_how_read(labelled, exclusions)
    labelled = settle_problems(labelled, budget=skip_problems, can_skip=can_skip)
    if corrections is None:
        return labelled
    return beside(labelled, read_corrected(corrections, labelled.groups))


def _say_how_read(labelled: LabelledSet, exclusions: Exclusions) -> None:
    for idle in exclusions.idle():
        say(f"warning: {complaint(*idle)}")
    for note in labelled.notes:
        say(note)
    if labelled.folded:
        say(folded_sentence(labelled.folded))
    for group, n in labelled.showing_none().items():
        say(showing_none_sentence(group, n))
    if n := len(labelled.replaced):
        say(
            f"warning: {n:,} pictures are labelled otherwise by a later set, and the last one "
            f"counts; 'tagger train ... {setting('check')}' names them"
        )


def check_table_options(
    datasets: Sequence[str], columns: str | None, image_root: str | None
) -> None:
    """Refuse options for tables where they cannot do what was meant.

    Raises
    ------
    InputError
        If no set is a table, or the folder of the pictures is none.
    """
    given = "columns" if columns is not None else "image_root"
    is_given = columns is not None or image_root is not None
    if is_given and not any(map(is_table, datasets)):
        raise InputError(
            f"{setting(given)} is about tables ({', '.join(ENDINGS)}), and none is named; the "
            "names of folders say their labels themselves: leave it out"
        )
    if image_root is not None and not os.path.isdir(image_root):
        raise InputError(
            f"{setting('image_root')} {image_root!r}: there is no such folder; name the folder "
            "that holds the pictures of the table"
        )


def showing_none_sentence(group: str, pictures: int) -> str:
    """Return what pictures that are said to show no label of a group teach, as a sentence."""
    return (
        f"{group}: {pictures:,} pictures have none of its labels: they are taught as showing none"
    )


def folded_sentence(folded: Sequence[Folded]) -> str:
    """Return what was folded, as a sentence."""
    shown = [
        f"{each.group}:{each.name} ({', '.join(map(repr, each.others[:_SHOWN_SPELLINGS]))})"
        for each in folded[:_SHOWN_FOLDED]
    ]
    more = f", and {len(folded) - len(shown)} more" if len(folded) > len(shown) else ""
    pictures = sum(each.pictures for each in folded)
    return f"spellings that are one label, on {pictures:,} pictures: {'; '.join(shown)}{more}"


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
