"""CSV files as spreadsheets, shops and programs write them: from bytes to numbered rows of text."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

from tagger.datasets.label_table import NumberedRow, RowTable
from tagger.datasets.table_header import header_at, is_known_header
from tagger.errors import DatasetError
from tagger.labels.vocabulary import canonical_name
from tagger.settings import setting

_SEPARATORS = ",;\t|"
_NAMED = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_LOOKED_AT = 200
"""Rows from which the separator and the header are told."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FOREIGN = (
    (b"PK\x03\x04", "it is an Excel workbook or a ZIP archive; name it .xlsx if it is a workbook"),
    (b"\xd0\xcf\x11\xe0", "it is an older Excel workbook; save it as .xlsx or CSV"),
    (b"PAR1", "it is a Parquet file; name it .parquet"),
    (b"%PDF", "it is a PDF; export the table as CSV or .xlsx"),
)
_PAGE = re.compile(r"\s*<(?:!doctype|html|\?xml|table|head|body)\b", re.IGNORECASE)
_EXCEL_HINT = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
_NOTHING = (0.0, 0, 0.0, 0)
_END = "\x00end"


def read_csv_rows(path: Path, *, shown: str, keys: Collection[str]) -> RowTable:
    """Return the rows of a CSV file, whatever its encoding and separator.

    Parameters
    ----------
    keys : collection of str
        Headers that a table of this kind has: the separator that makes one of them a cell of the
        first line is the file's.

    Raises
    ------
    DatasetError
        If it cannot be read as a table.
    """
    text, notes = _decoded(path, shown)
    if hint := _EXCEL_HINT.match(text):
        separator, text = hint[1], text[hint.end() :]
    else:
        separator = _separator(text, keys, shown)
    rows = [
        NumberedRow(number, cells)
        for number, cells in enumerate(_records(text, separator, shown), start=1)
        if any(map(canonical_name, cells))
    ]
    at = header_at([row.cells for row in rows[:_LOOKED_AT]], keys)
    if at is None:
        raise DatasetError(f"{shown} cannot be read: it has no header; its first row names columns")
    return RowTable(rows[at].cells, rows[at + 1 :], separator, notes)


def _records(text: str, separator: str, shown: str) -> Iterator[list[str]]:
    """Yield the rows, blank ones too: a spreadsheet counts them."""
    stream = io.StringIO(f"{text}\n{_END}" if not text.endswith("\n") else text + _END, newline="")
    reader = csv.reader(stream, delimiter=separator)
    last: list[str] = []
    try:
        for cells in reader:
            if last:
                yield [] if last == [_END] else last
            last = cells or [""]
    except csv.Error as error:
        raise DatasetError(
            f"{shown} cannot be read: line {reader.line_num}: {error}; perhaps a quote that is "
            "opened there is never closed"
        ) from error
    if last != [_END]:  # it was swallowed by a cell that is never closed
        raise DatasetError(
            f"{shown} cannot be read: a quote is opened and never closed; the last row begins with "
            f"{' '.join(last)[:60]!r}. Close it, or write a quote within a cell twice"
        )


def _separator(text: str, keys: Collection[str], shown: str) -> str:
    """Return what separates cells: what the header says, else what makes all rows equally wide."""
    first = next(iter(text.splitlines()), "")
    wanted = {canonical_name(key) for key in keys}
    for separator in _SEPARATORS:
        names = (canonical_name(name.strip().strip('"')) for name in first.split(separator))
        if not wanted.isdisjoint(names):
            return separator
    rated = [(_evenness(text, each), each) for each in _SEPARATORS]
    best = max(rating for rating, _ in rated)
    alike = [separator for rating, separator in rated if rating == best]
    if best == _NOTHING or len(alike) == 1:
        return alike[0]
    ways = " and ".join(_NAMED[each] for each in alike)
    raise DatasetError(
        f"{shown} can be read with {ways} between its cells alike; write cells that hold one of "
        f"these in double quotes, or say the headers with {setting('columns')}"
    )


def _evenness(text: str, separator: str) -> tuple[float, int, float, int]:
    """Return how well a separator explains a text.

    That is the share of rows of one width, roughly; whether the first names pictures; the share
    exactly, as a decimal comma stands in all rows but the header; and the width.
    """
    stream = io.StringIO(text, newline="")
    try:
        rows = [row for row in islice(csv.reader(stream, delimiter=separator), _LOOKED_AT) if row]
    except csv.Error:
        return _NOTHING
    widths = Counter(len(row) for row in rows if len(row) > 1)
    if not widths:
        return _NOTHING
    width, n = max(widths.items(), key=lambda each: (each[1], each[0]))
    known = sum(any(map(is_known_header, row)) for row in rows[:1])
    return round(n / len(rows), 1), known, n / len(rows), width


def _decoded(path: Path, shown: str) -> tuple[str, tuple[str, ...]]:
    """Return the text of a file, and what had to be assumed of it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{shown} cannot be read: {error.strerror}") from error
    for start, why in _FOREIGN:
        if data.startswith(start):
            raise DatasetError(f"{shown} cannot be read: {why}")
    text, notes = _text_of(data, shown)
    if "\0" in text:
        raise DatasetError(f"{shown} cannot be read: it is no text; save it as CSV in UTF-8")
    if _PAGE.match(text):
        raise DatasetError(
            f"{shown} cannot be read: it is a web page or XML, no CSV; open it in a spreadsheet "
            "and save it as .xlsx or CSV"
        )
    return text, notes


def _text_of(data: bytes, shown: str) -> tuple[str, tuple[str, ...]]:
    marked = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    encoding = marked or _utf16_without_mark(data) or "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding == "utf-8":
            return _windows_text(data, error, shown)
        raise DatasetError(
            f"{shown} cannot be read: byte {error.start:,} is not {encoding.upper()}, which it "
            "seems to be; save it as CSV in UTF-8"
        ) from error
    if encoding.startswith("utf-16-"):
        return text, (f"{shown}: read as UTF-16, though it does not say so",)
    return text, ()


def _utf16_without_mark(data: bytes) -> str | None:
    """Return which UTF-16 this is: separators and line ends have a zero byte on one side."""
    if b"\0" not in data or len(data) % 2:
        return None
    high, low = data[::2].count(0), data[1::2].count(0)
    return "utf-16-le" if low > high else "utf-16-be"


def _windows_text(
    data: bytes, error: UnicodeDecodeError, shown: str
) -> tuple[str, tuple[str, ...]]:
    line = data.count(b"\n", 0, error.start) + 1
    wrong = f"byte 0x{data[error.start]:02x} in line {line} is not UTF-8"
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError as also:
        raise DatasetError(
            f"{shown} cannot be read: {wrong}, and byte 0x{data[also.start]:02x} is not "
            "Windows-1252 either; save it as CSV in UTF-8"
        ) from also
    word = next((word for word in re.findall(r"\w+", text) if not word.isascii()), "")
    example = f", so a word in it is {word[:30]!r}" if word else ""
    return text, (
        f"{shown}: read as Windows-1252, for {wrong}{example}; if that looks wrong, save it as "
        "CSV in UTF-8",
    )
