"""What the cells of one row say of its picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from schemas.vocabulary import UNGROUPED
from tagger.datasets.label_cells import Cell, labels_in, says_yes
from tagger.datasets.labelled_set import LabelKeys
from tagger.datasets.named_columns import LABELS
from tagger.datasets.one_hot import is_called
from tagger.datasets.problems import Kind
from tagger.datasets.table_header import group_names
from tagger.datasets.table_layout import Layout, Speakers
from tagger.errors import DatasetError
from tagger.labels.folding import folded
from tagger.labels.vocabulary import Group, Vocabulary, canonical_name
from tagger.settings import setting


@dataclass(frozen=True)
class Statement:
    """What a row says.

    Attributes
    ----------
    present : frozenset of (group, name)
        Labels that its picture is said to have.
    known : frozenset of str
        Groups it speaks of; one whose cell cannot be read is unknown.
    faults : tuple of (Kind, str)
        What cannot be read, as sentences.
    """

    present: LabelKeys
    known: frozenset[str]
    faults: tuple[tuple[Kind, str], ...] = ()


def row_statement(
    layout: Layout,
    row: Mapping[int, Cell],
    groups: Sequence[Group],
    vocabulary: Vocabulary | None,
) -> Statement:
    """Return what the cells of a row say.

    Parameters
    ----------
    row : mapping from int to Cell
        Number of a column to its cell.
    groups : sequence of Group
        All groups.
    vocabulary : Vocabulary, optional
        Which group a label without one is of, in a column for all groups.
    """
    present: set[tuple[str, str]] = set()
    known: set[str] = set()
    faults: list[tuple[Kind, str]] = []
    exclusive = {group.name for group in groups if group.exclusive}
    for speakers in layout.speakers:
        try:
            labels = _labels(speakers, row, is_one=speakers.name in exclusive)
        except DatasetError as error:
            faults.append(("unreadable cell", str(error)))
            continue
        try:
            said = keys_of(speakers.name, labels, groups, vocabulary)
        except DatasetError as error:
            faults.append(("unknown label", str(error)))
            continue
        present |= said[0]
        known |= said[1]
    return Statement(frozenset(present), frozenset(known), tuple(faults))


def labels_of_cell(
    column: str, cell: Cell, groups: Sequence[Group]
) -> tuple[LabelKeys, frozenset[str]]:
    """Return the labels that one cell says its picture has, and the groups it speaks of.

    Parameters
    ----------
    column : str
        A group's name, or `labels`.

    Raises
    ------
    DatasetError
        If it cannot be read.
    """
    is_one = any(group.name == column and group.exclusive for group in groups)
    labels = _labels(Speakers(column, lists=(0,)), {0: cell}, is_one=is_one)
    return keys_of(column, labels, groups, None)


def _labels(speakers: Speakers, row: Mapping[int, Cell], *, is_one: bool) -> list[str] | None:
    """Return the labels that the columns of one group name together, None where none speaks."""
    try:
        listed = [labels_in(row[i], is_one=is_one) for i in speakers.lists]
        marked = {label: says_yes(row[i]) for i, label in speakers.one_hot}
    except DatasetError as error:
        raise DatasetError(f"column {speakers.name!r}: {error}") from error
    said = [labels for labels in listed if labels is not None]
    shown = [label for label, yes in marked.items() if yes]
    # Where all are no, none applies; a column that says nothing leaves that open.
    if shown or (marked and None not in marked.values()):
        said.append(shown)
    return [label for labels in said for label in labels] if said else None


def keys_of(
    column: str,
    labels: Sequence[str] | None,
    groups: Sequence[Group],
    vocabulary: Vocabulary | None,
) -> tuple[LabelKeys, frozenset[str]]:
    """Return labels of a column with their groups, and the groups of which that says all.

    Raises
    ------
    DatasetError
        If the group of a label is not clear, or it stands in the column of another.
    """
    if labels is None:
        return frozenset(), frozenset()
    if column == LABELS and LABELS not in [group.name for group in groups]:
        keys = (_key(label, groups, vocabulary) for label in labels)
        return frozenset(keys), frozenset(group.name for group in groups)
    present = frozenset((column, _within(column, label, groups)) for label in labels)
    return present, frozenset([column])


def _within(column: str, label: str, groups: Sequence[Group]) -> str:
    """Return the name of a label in the column of a group, where it may stand as GROUP:NAME too."""
    group, name = _apart(label, groups)
    if group is not None:
        if group != column:
            raise DatasetError(
                f"label {label!r} of the group {group} stands in the column {column!r}; move it"
            )
        return name
    return label


def _apart(label: str, groups: Sequence[Group]) -> tuple[str | None, str]:
    """Return a label's group and its name without it; None and the whole where it names none.

    The group may be spelled as a header may: `Farbe:rot` is `farbe:rot`.
    """
    front, _, name = map(canonical_name, label.partition(":"))
    group = _group_called(front, tuple(each.name for each in groups)) if name else None
    return (None, label) if group is None else (group, name)


@lru_cache(maxsize=4096)  # a table says the same few words over and over
def _group_called(text: str, names: tuple[str, ...]) -> str | None:
    if text in names:
        return text
    likely = [name for name in group_names(text) if name in names]
    alike = [name for name in names if is_called(text, name)]
    return next(iter([*likely, *alike]), None)


def _key(label: str, groups: Sequence[Group], vocabulary: Vocabulary | None) -> tuple[str, str]:
    group, name = _apart(label, groups)
    if group is not None:
        return group, name
    if vocabulary is not None:
        owners = _owners(label, vocabulary)
        if len(owners) > 1:
            raise DatasetError(
                f"label {label!r} is one of {' and of '.join(owners)}; write it as GROUP:NAME"
            )
        if owners:
            return owners[0], label
    front, _, name = map(canonical_name, label.partition(":"))
    if len(groups) == 1 and name and groups[0].name == UNGROUPED:
        raise DatasetError(
            f"label {label!r} names a group; say which groups there are, as in {setting('groups')} "
            f"{front},garment"
        )
    if len(groups) == 1:
        return groups[0].name, label
    raise DatasetError(
        f"label {label!r} names no group of {[x.name for x in groups]}; write it as GROUP:NAME"
    )


def _owners(label: str, vocabulary: Vocabulary) -> list[str]:
    """Return the groups that have a label: of exactly this name, else in another spelling."""
    exact = [each.group for each in vocabulary.labels if each.name == label]
    alike = [each.group for each in vocabulary.labels if folded(each.name) == folded(label)]
    return list(dict.fromkeys(exact or alike))
