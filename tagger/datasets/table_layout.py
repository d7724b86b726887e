"""Which columns of a table name its pictures, and which say the labels of which group."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tagger.datasets.label_table import LabelTable
from tagger.datasets.named_columns import (
    IMAGE,
    LABELS,
    Columns,
    NamedColumn,
    Piece,
    group_names_in,
)
from tagger.datasets.one_hot import beginning_columns, is_called, told_columns, why_not_told
from tagger.datasets.picture_column import picture_column
from tagger.datasets.table_header import group_names
from tagger.datasets.table_proposal import label_like, proposal
from tagger.errors import DatasetError
from tagger.labels.folding import folded
from tagger.labels.vocabulary import Group, parse_groups
from tagger.settings import setting

_SHOWN = 6


@dataclass(frozen=True)
class Speakers:
    """The columns that speak of one group, or of all.

    Attributes
    ----------
    name : str
        The group's, or `labels`.
    lists : tuple of int
        Columns whose cells name labels.
    one_hot : tuple of (int, str)
        Columns whose cells say yes or no to one label.
    """

    name: str
    lists: tuple[int, ...] = ()
    one_hot: tuple[tuple[int, str], ...] = ()

    @property
    def places(self) -> tuple[int, ...]:
        """Return the numbers of all its columns."""
        return (*self.lists, *(place for place, _ in self.one_hot))


@dataclass(frozen=True)
class Layout:
    """What the columns of a table are.

    Attributes
    ----------
    image : int
        The column that names pictures.
    speakers : tuple of Speakers
    groups : tuple of Group
        The groups that were asked for, else those that the headers say.
    notes : tuple of str
        What was told from the table itself, as sentences.
    """

    image: int
    speakers: tuple[Speakers, ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...] = field(default=())


def layout_of(
    table: LabelTable,
    groups: Sequence[Group],
    columns: Columns,
    *,
    all_needed: bool,
    is_picture: Callable[[str], bool],
) -> Layout:
    """Return what the columns of a table are: as `columns` says, else as its headers do.

    Parameters
    ----------
    groups : sequence of Group
        Those asked for, or none.
    all_needed : bool
        Whether each of them must have a column.
    is_picture : function
        Whether a cell names one picture.

    Raises
    ------
    DatasetError
        If they do not say it clearly; the message has the headers, and what may be meant.
    """
    _check(table, groups, columns)
    image, notes = _image(table, columns, is_picture)
    if not groups and LABELS not in columns and LABELS not in table.names:
        groups, said = _groups_of_headers(table, image, columns)
        notes += said
    speakers = [_speakers(table, group.name, columns, image) for group in groups]
    found = tuple(each for each in speakers if each is not None)
    mixed = _mixed(table, columns)
    if mixed is not None and (LABELS in columns or not found):
        _check_once(table, image, (mixed,))
        return Layout(image, (mixed,), tuple(groups), notes)
    missing = [group.name for group, each in zip(groups, speakers, strict=True) if each is None]
    if missing and (all_needed or not found):
        near = [f"{why}; " for name in missing if (why := why_not_told(table, name))]
        raise DatasetError(
            f"{table.shown} has no column {missing}; it has {_headers(table)}; {''.join(near)}"
            f"{proposal(table, image, groups)}"
        )
    _check_once(table, image, found)
    return Layout(image, found, tuple(groups), (*notes, *_told(table, found, image, columns)))


def _check_once(table: LabelTable, image: int, speakers: Sequence[Speakers]) -> None:
    """Raise DatasetError for a column that would be read as two things."""
    owner = {image: IMAGE}
    for each in speakers:
        for place in each.places:
            if owner.setdefault(place, each.name) != each.name:
                raise DatasetError(
                    f"{table.shown}: the column {table.written[place]!r} would be both "
                    f"{owner[place]} and {each.name}; say another for one of them with "
                    f"{setting('columns')}; it has {_headers(table)}"
                )


def _told(
    table: LabelTable, speakers: Sequence[Speakers], image: int, columns: Columns
) -> Iterator[str]:
    """Yield sentences on columns that were taken, or passed over, without being named."""
    used = {image, *(place for each in speakers for place in each.places)}
    for each in speakers:
        if each.name in columns:
            continue
        if each.one_hot:
            yield (
                f"{table.shown}: {each.name} is one-hot in {_named(table, each.places)}; "
                f"{setting('columns')} chooses others"
            )
        near = [i for i in range(len(table.names)) if i not in used and _is_near(table, i, each)]
        if near:
            yield (
                f"{table.shown}: {each.name} is read from {_named(table, each.places)}, not from "
                f"{_named(table, near)}; {setting('columns')} chooses others"
            )


def _is_near(table: LabelTable, i: int, speakers: Speakers) -> bool:
    wanted = speakers.name.replace("_", "")
    names = [name.replace("_", "") for name in group_names(table.names[i])]
    return len(wanted) > 2 and any(wanted in name for name in names)


def _check(table: LabelTable, groups: Sequence[Group], columns: Columns) -> None:
    if any(group.name == IMAGE for group in groups):
        raise DatasetError(f"{table.shown}: 'image' is the column of paths and cannot be a group")
    if not table.rows:
        raise DatasetError(
            f"{table.shown} has 0 rows, columns {_headers(table)}; needs one row a picture"
        )
    known = {group.name for group in groups}
    if groups and (strange := [name for name in group_names_in(columns) if name not in known]):
        raise DatasetError(
            f"{setting('columns')} names the group {strange[0]!r}, and there are "
            f"{', '.join(sorted(known))}; name it among the groups too, or leave it out"
        )


def _image(
    table: LabelTable, columns: Columns, is_picture: Callable[[str], bool]
) -> tuple[int, tuple[str, ...]]:
    if (named := columns.get(IMAGE)) is not None:
        place = _place(table, named.whole)
        if place is None and len(named.pieces) == 1 and not named.pieces[0].is_beginning:
            place = _place(table, named.pieces[0].header)
        if place is None:
            raise DatasetError(
                f"{setting('columns')} image={named.whole}: {table.shown} has no such column; it "
                f"has {_headers(table)}"
            )
        return place, ()
    if IMAGE in table.names:
        return table.place(IMAGE), ()
    found = picture_column(table, is_picture)
    return found, (f"{table.shown}: its pictures are named by {table.written[found]!r}",)


def _place(table: LabelTable, header: str) -> int | None:
    """Return the number of a column by its header, in any case if that is clear; None if none."""
    if header in table.names:
        return table.place(header)
    alike = [i for i, name in enumerate(table.names) if name and folded(name) == folded(header)]
    if len(alike) > 1:
        raise DatasetError(
            f"{table.shown} has several columns like {header!r}: {_named(table, alike)}; rename "
            "all but one"
        )
    return alike[0] if alike else None


def _speakers(table: LabelTable, group: str, columns: Columns, image: int) -> Speakers | None:
    """Return the columns of a group, None if it has none."""
    if (named := columns.get(group)) is not None:
        return _said_speakers(table, group, named)
    place = table.place(group) if group in table.names else None
    if place is None:
        alike = [i for i, name in enumerate(table.names) if i != image and is_called(name, group)]
        if len(alike) > 1:
            table.place(table.names[alike[0]])  # twice the same cannot be told apart by an option
            raise DatasetError(
                f"{table.shown} has several columns that may be {group}: {_named(table, alike)}; "
                f"say which with {setting('columns')} {group}=HEADER"
            )
        place = alike[0] if alike else None
    if place is not None:
        return Speakers(group, lists=(place,))
    one_hot = told_columns(table, group)
    return Speakers(group, one_hot=tuple(one_hot)) if one_hot else None


def _said_speakers(table: LabelTable, group: str, named: NamedColumn) -> Speakers:
    if (place := _place(table, named.whole)) is not None:
        return Speakers(group, lists=(place,))
    lists: list[int] = []
    one_hot: list[tuple[int, str]] = []
    for piece in named.pieces:
        found = _of_piece(table, piece, group)
        if not found:
            star = "*" if piece.is_beginning else ""
            raise DatasetError(
                f"{setting('columns')} {group}={piece.header}{star}: {table.shown} has no such "
                f"column; it has {_headers(table)}"
            )
        if piece.is_beginning:
            one_hot += found
        else:
            lists += [place for place, _ in found]
    return Speakers(group, tuple(lists), tuple(one_hot))


def _of_piece(table: LabelTable, piece: Piece, group: str) -> list[tuple[int, str]]:
    if piece.is_beginning:
        return beginning_columns(table, piece.header, group)
    place = _place(table, piece.header)
    return [] if place is None else [(place, "")]


def _mixed(table: LabelTable, columns: Columns) -> Speakers | None:
    """Return the one column for labels of all groups, None if there is none."""
    if (named := columns.get(LABELS)) is not None:
        return _said_speakers(table, LABELS, named)
    if LABELS in table.names:
        return Speakers(LABELS, lists=(table.place(LABELS),))
    return None


def _groups_of_headers(
    table: LabelTable, image: int, columns: Columns
) -> tuple[tuple[Group, ...], tuple[str, ...]]:
    """Return the groups that were named, else one for each column, if all look like labels.

    Raises
    ------
    DatasetError
        If some do not: which are meant is not clear.
    """
    if named := group_names_in(columns):
        return tuple(parse_groups(",".join(named))), ()
    others = [i for i, name in enumerate(table.names) if i != image and name]
    for i in others:
        table.place(table.names[i])
    names = [group_names(table.names[i])[0] for i in others if group_names(table.names[i])]
    clear = len(names) == len(others) == len(set(names)) > 0
    if not clear or not all(label_like(table, i) for i in others):
        raise DatasetError(
            f"{table.shown} has neither 'labels' nor a column per group; name its columns with "
            f"{setting('groups')} or {setting('columns')}: it has {_headers(table)}; "
            f"{proposal(table, image, ())}"
        )
    told = ", ".join(f"{name} ({table.written[i]})" for name, i in zip(names, others, strict=True))
    return tuple(parse_groups(",".join(names))), (
        f"{table.shown}: its groups are {told}; {setting('groups')} chooses others",
    )


def _headers(table: LabelTable) -> str:
    return str([name for name in table.names if name])


def _named(table: LabelTable, places: Sequence[int]) -> str:
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return " and ".join(repr(table.written[i]) for i in places[:_SHOWN]) + more
