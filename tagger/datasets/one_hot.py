"""One-hot columns: those that say yes or no to one label each, told by their headers and cells."""

from tagger.datasets.label_cells import says_yes
from tagger.datasets.label_table import LabelTable
from tagger.datasets.table_header import group_names
from tagger.errors import DatasetError
from tagger.labels.vocabulary import canonical_name
from tagger.settings import setting

LabelColumn = tuple[int, str]
"""Number of a column, and the label that it says yes or no to."""


def is_called(header: str, group: str) -> bool:
    """Return whether a header is the name of a group, in any case and transliteration."""
    return any(
        name == group or name.replace("_", "") == group.replace("_", "")
        for name in group_names(header)
    )


def beginning_columns(table: LabelTable, start: str, group: str) -> list[LabelColumn]:
    """Return the columns whose headers begin so, in any case, with the label that follows.

    Raises
    ------
    DatasetError
        If two are of one label.
    """
    found = [
        (i, label)
        for i, name in enumerate(table.names)
        if name.casefold().startswith(start.casefold())
        and (label := canonical_name(name[len(start) :]))
    ]
    return _once(table, found, group)


def told_columns(table: LabelTable, group: str) -> list[LabelColumn]:
    """Return the columns that are one-hot for a group without being named; none if that is unclear.

    Their headers are GROUP_LABEL or GROUP:LABEL. One such column may be any flag (`Farbe_geprüft`),
    and so may columns whose cells are not all yes or no.

    Raises
    ------
    DatasetError
        If two are of one label.
    """
    found = _like(table, group)
    if len(found) < 2 or not all(is_one_hot(table, i) for i, _ in found):
        return []
    return _once(table, found, group)


def why_not_told(table: LabelTable, group: str) -> str:
    """Return why columns that begin with a group's name are not taken, as a sentence, or ''."""
    found = _like(table, group)
    if not found:
        return ""
    other = next((i for i, _ in found if not is_one_hot(table, i)), None)
    start = table.written[found[0][0]][: -len(found[0][1])].strip()
    reason = (
        f"{table.written[found[0][0]]!r} alone may be something else"
        if other is None
        else f"cells of {table.written[other]!r} are neither yes nor no"
    )
    return f"{reason}; if it is one-hot, say {setting('columns')} {group}={start}*"


def _like(table: LabelTable, group: str) -> list[LabelColumn]:
    found = []
    for i, name in enumerate(table.names):
        ends = [at for at, sign in enumerate(name) if sign in ":_" and is_called(name[:at], group)]
        if ends and (label := canonical_name(name[ends[0] + 1 :])):
            found.append((i, label))
    return found


def is_one_hot(table: LabelTable, i: int) -> bool:
    """Return whether all cells of a column say yes, no or nothing."""
    try:
        for cell in table.cells(i):
            says_yes(cell)
    except DatasetError:
        return False
    return True


def _once(table: LabelTable, found: list[LabelColumn], group: str) -> list[LabelColumn]:
    labels = [label for _, label in found]
    if twice := {label for label in labels if labels.count(label) > 1}:
        raise DatasetError(
            f"{table.shown} has two columns for {group}:{min(twice)}; rename or remove one"
        )
    return found
