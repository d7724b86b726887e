"""Cells of a workbook that say more than their values: errors, formulas without results, zeros."""

import html
import posixpath
import re
import zipfile
from collections.abc import Iterator, Mapping
from itertools import chain, pairwise
from xml.etree import ElementTree

Place = tuple[int, int]
"""Row and column, from 0."""

_CELL = re.compile(rb"<(?:\w+:)?c\s([^<>]*)>")
_STYLE = re.compile(rb"\bs=\"(\d+)\"")
_END = re.compile(rb"</(?:\w+:)?sheetData")
_ATTRIBUTE = re.compile(rb"\b(r|s|t)=\"([^\"]*)\"")
_VALUE = re.compile(rb"<(?:\w+:)?v[^<>/]*>([^<]+)<")
_FORMULA = re.compile(rb"<(?:\w+:)?f\b[^<>]*?(?:/>|>([^<]*)<)")
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_WHOLE = re.compile(rb"\d{1,15}(?:\.0*)?")
_ZEROS = re.compile(r"0{2,}")
_UNKNOWN_FORMULA = "(...)"


def shown_cells(packed: zipfile.ZipFile, sheet: str) -> dict[Place, str]:
    """Return the cells of a sheet that a spreadsheet shows otherwise than their values are.

    An error is its word, `#N/A`; a formula of which no result is stored is the formula; a number
    whose format is some zeros, as of article numbers, has the zeros before it. All others are left
    to the reader of the workbook.

    Parameters
    ----------
    packed : ZipFile
        The workbook.
    sheet : str
        The name of one of its sheets.
    """
    path = _sheet_paths(packed).get(sheet)
    if path is None or path not in packed.namelist():
        return {}
    widths = _zeros_of_styles(packed)
    data = packed.read(path)
    if not widths and b't="e"' not in data and not _FORMULA.search(data):
        return {}
    return dict(_found(data, widths))


def _found(data: bytes, widths: Mapping[bytes, int]) -> Iterator[tuple[Place, str]]:
    end = match.start() if (match := _END.search(data)) else len(data)
    starts = chain(_CELL.finditer(data, 0, end), [None])
    # What follows a cell's tag, up to the next one's, is its content, and perhaps ends of rows.
    for cell, following in pairwise(starts):
        if cell is None:
            return
        content = data[cell.end() : end if following is None else following.start()]
        is_padded = (style := _STYLE.search(cell[1])) is not None and style[1] in widths
        if not is_padded and b't="e"' not in cell[1] and b"f" not in content:
            continue  # most cells, quickly
        attributes = dict(_ATTRIBUTE.findall(cell[1]))
        place = _place(attributes.get(b"r", b"").decode("ascii", "replace"))
        text = _shown(attributes, content, widths)
        if place is not None and text is not None:
            yield place, text


def _shown(
    attributes: Mapping[bytes, bytes], content: bytes, widths: Mapping[bytes, int]
) -> str | None:
    kind = attributes.get(b"t", b"n")
    value = _VALUE.search(content)
    if kind == b"e":
        return _text(value[1]) if value else "#N/A"
    if value is None:
        formula = _FORMULA.search(content)
        # Of type str, it came to a text that is empty.
        if formula is None or kind == b"str":
            return None
        return f"={_text(formula[1] or b'') or _UNKNOWN_FORMULA}"
    width = widths.get(attributes.get(b"s", b""))
    if width is None or kind != b"n" or not _WHOLE.fullmatch(value[1]):
        return None
    return value[1].partition(b".")[0].decode().zfill(width)


def _place(reference: str) -> Place | None:
    match = _REFERENCE.fullmatch(reference)
    return (int(match[2]) - 1, column_number(match[1]) - 1) if match else None


def column_number(letters: str) -> int:
    """Return the number of a column by its letters.

    >>> column_number("AB")
    28
    """
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _text(data: bytes) -> str:
    return html.unescape(data.decode("utf-8", "replace"))


def _sheet_paths(packed: zipfile.ZipFile) -> dict[str, str]:
    """Return the file of each sheet within the workbook, by the sheet's name."""
    targets = {
        each.get("Id"): each.get("Target", "")
        for each in _elements(packed, "xl/_rels/workbook.xml.rels", "Relationship")
    }
    found = {}
    for each in _elements(packed, "xl/workbook.xml", "sheet"):
        key = next((value for name, value in each.attrib.items() if name.endswith("}id")), None)
        target = targets.get(key, "")
        found[each.get("name", "")] = posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")
    return found


def _zeros_of_styles(packed: zipfile.ZipFile) -> dict[bytes, int]:
    """Return how many digits a number has at least, by the number of the cell's style."""
    styles = "xl/styles.xml"
    formats = {
        each.get("numFmtId"): each.get("formatCode", "")
        for each in _elements(packed, styles, "numFmt")
    }
    found = {}
    for of_cells in _elements(packed, styles, "cellXfs"):
        for i, style in enumerate(of_cells):
            code = formats.get(style.get("numFmtId"), "")
            if _ZEROS.fullmatch(code):
                found[str(i).encode()] = len(code)
    return found


def _elements(packed: zipfile.ZipFile, path: str, name: str) -> list[ElementTree.Element]:
    """Return the elements of this name in a file of the workbook; none if it has no such file."""
    if path not in packed.namelist():
        return []
    data = packed.read(path)
    if b"<!DOCTYPE" in data:
        return []  # no workbook has one, and entities could fill the memory
    try:
        root = ElementTree.fromstring(data)  # noqa: S314
    except ElementTree.ParseError:
        return []  # the reader of the workbook says so, if that matters
    return [each for each in root.iter() if each.tag.rpartition("}")[2] == name]
