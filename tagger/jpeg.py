"""Where a JPEG's picture ends, and whether its data do before it.

libjpeg fills the rest of a picture whose data end early with grey, and says so, perhaps: only a file's first warning
is printed, and that may be another. So a file about which anything was said is asked again, with all its pieces of
compressed data made longer: a decoder that had enough does not look at what was added, and the picture stays the same.
And a file whose middle was never written, and is zeros, has a hole.

Source: ITU-T T.81, annex B.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

END = b"\xff\xd9"

_MARKER = re.compile(rb"\xff+([\x01-\xfe])")
_RESTARTS = range(0xD0, 0xD8)
_ALONE = (0x01, 0xD8, *_RESTARTS)  # markers without a length
_START_OF_SCAN, _END_OF_IMAGE, _HUFFMAN_TABLES = 0xDA, 0xD9, 0xC4
_SEQUENTIAL = (0xC0, 0xC1)
_ARITHMETIC = (0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)

_TAIL = 4096
"""Some programs write something behind the picture."""

_FEW_ZEROS = 32
"""A picture's data may end in some; a file that was never written to its end goes on in many."""

_HOLE = re.compile(rb"\0{512}")

_MORE = bytes((37 * i + 11) % 251 for i in range(256))
"""Compressed data that show something: no byte of them is 0xFF, and they hold no long run of equal bits."""


class Outline(NamedTuple):
    """Where a JPEG's picture lies.

    Attributes
    ----------
    end : int
        Where it ends: at the end mark, or where the file does.
    complete : bool
        Whether there is an end mark.
    pieces : list of (int, int)
        Where each piece of compressed data begins, and ends: at a restart mark, at the next segment, or at the end.
    arithmetic : bool
        Whether the data are in arithmetic coding, whose decoder looks beyond the end of each piece.
    zeros_show_something : bool
        Whether the data may hold zeros for long: where they stand for an even area, or nobody knows what for.
    """

    end: int
    complete: bool
    pieces: list[tuple[int, int]]
    arithmetic: bool
    zeros_show_something: bool


class _Segment(NamedTuple):
    marker: int
    start: int  # where the marker begins
    body: int  # where what it holds begins, and ends
    end: int


def ends_as_it_should(data: bytes) -> bool:
    """Return whether there is an end mark near the end of the file: a look, where `outline` reads."""
    return data.rfind(END, max(0, len(data) - _TAIL)) >= 0


def outline(data: bytes) -> Outline:
    """Return where the picture in `data`, which begins as a JPEG does, lies."""
    pieces, scanning, from_here, markers, even = list[tuple[int, int]](), False, 0, set[int](), True
    end, complete = len(data), False
    for segment in _segments(data):
        if scanning:
            pieces.append((from_here, segment.start))
        if segment.marker == _END_OF_IMAGE:
            end, complete, scanning = segment.start, True, False
            break
        if segment.marker == _HUFFMAN_TABLES:
            even = even and _zeros_end_blocks(data[segment.body : segment.end])
        scanning = segment.marker == _START_OF_SCAN or (scanning and segment.marker in _RESTARTS)
        from_here = segment.end
        markers.add(segment.marker)
    if scanning:
        pieces.append((from_here, end))
    arithmetic, sequential = (not markers.isdisjoint(kinds) for kinds in (_ARITHMETIC, _SEQUENTIAL))
    return Outline(end, complete, pieces, arithmetic, even or not sequential)


def closed(data: bytes, found: Outline) -> bytes:
    """Return the picture in `data` with an end mark, and nothing behind it.

    A file that was never written to its end may go on in zeros; only a few of them can be the picture's.
    """
    if found.complete:
        return data[: found.end] + END
    kept = data.rstrip(b"\0")
    return data[: len(kept) + _FEW_ZEROS].removesuffix(b"\xff") + END


def lengthened(data: bytes, found: Outline) -> bytes:
    """Return `data` with more compressed data at the end of each piece of them."""
    parts, at = [], 0
    for _, end in found.pieces:
        parts += [data[at:end], _MORE]
        at = end
    return b"".join([*parts, data[at:]])


def has_hole(data: bytes, found: Outline) -> bool:
    """Return whether zeros stand in the compressed data for so long that they were never written."""
    if found.zeros_show_something:
        return False
    return any(_HOLE.search(data, start, end) for start, end in found.pieces)


def _segments(data: bytes) -> Iterator[_Segment]:
    at = 2
    while match := _MARKER.search(data, at):
        marker, body = match[1][0], match.end()
        alone = marker in _ALONE or marker == _END_OF_IMAGE
        at = body if alone else body + int.from_bytes(data[body : body + 2], "big")
        yield _Segment(marker, match.start(), body + 2, at)


def _zeros_end_blocks(tables: bytes) -> bool:
    """Return whether the code of zeros alone, the first of a Huffman table, ends a block in all tables for AC."""
    at = 0
    while at + 17 <= len(tables):
        if tables[at] >> 4 == 1 and tables[at + 17 : at + 18] != b"\0":
            return False
        at += 17 + sum(tables[at + 1 : at + 17])
    return True
