"""Where a JPEG's picture ends, and whether its data do before it.

libjpeg fills the rest of a picture whose data end early with grey, and says so, perhaps: only a file's first warning
is printed, and that may be another. So a file about which anything was said is asked again, with all its pieces of
compressed data made longer: a decoder that had enough does not look at what was added, and the picture stays the same.
And a file whose middle was never written, and is zeros, has a hole.

Source: ITU-T T.81, annex B.
"""

import re
from typing import NamedTuple

END = b"\xff\xd9"

_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd0-\xfe])")
_RESTARTS = range(0xD0, 0xD8)
_ALONE = (0x01, 0xD8, *_RESTARTS)  # markers without a length
_START_OF_SCAN, _END_OF_IMAGE, _HUFFMAN_TABLES = 0xDA, 0xD9, 0xC4
_SEQUENTIAL = (0xC0, 0xC1)
_ARITHMETIC = range(0xC9, 0xD0)

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
    pieces : list of int
        Where each piece of compressed data ends: at a restart mark, at the next segment, or at the end.
    arithmetic : bool
        Whether the data are in arithmetic coding, whose decoder looks beyond the end of each piece.
    zeros_mean_something : bool
        Whether zeros may go on for long in the data: where they stand for even areas, or nobody knows what for.
    first_scan : int
        Where compressed data begin.
    """

    end: int
    complete: bool
    pieces: list[int]
    arithmetic: bool
    zeros_mean_something: bool
    first_scan: int


def outline(data: bytes) -> Outline:
    """Return where the picture in `data`, which begins as a JPEG does, ends."""
    at, pieces, first_scan = 2, list[int](), len(data)
    arithmetic, in_scan, sequential, even = False, False, False, True
    while match := _MARKER.search(data, at):
        marker, start = match[1][0], match.start()
        if in_scan:
            pieces.append(start)
        if marker == _END_OF_IMAGE:
            return Outline(start, True, pieces, arithmetic, even or not sequential, first_scan)
        at = match.end()
        if marker in _RESTARTS and in_scan:
            continue
        if marker in _ALONE:
            in_scan = False
            continue
        arithmetic = arithmetic or (marker in _ARITHMETIC and marker != 0xCC)
        at = match.end() + int.from_bytes(data[match.end() : match.end() + 2], "big")
        sequential = sequential or marker in _SEQUENTIAL
        if marker == _HUFFMAN_TABLES:
            even = even and _zeros_end_blocks(data[match.end() + 2 : at])
        in_scan = marker == _START_OF_SCAN
        first_scan = min(first_scan, at) if in_scan else first_scan
    if in_scan:
        pieces.append(len(data))
    return Outline(len(data), False, pieces, arithmetic, even or not sequential, first_scan)


def closed(data: bytes, found: Outline) -> bytes:
    """Return the picture in `data` with an end mark, and nothing behind it.

    A file that was never written to its end may go on in zeros; only a few of them can be the picture's.
    """
    if found.complete:
        return data[: found.end] + END
    kept = data.rstrip(b"\0")
    return data[: len(kept) + _FEW_ZEROS].removesuffix(b"\xff") + END


def has_hole(data: bytes, found: Outline) -> bool:
    """Return whether zeros stand in the compressed data for so long that they were never written."""
    if found.zeros_mean_something or not found.pieces:
        return False
    return _HOLE.search(data, found.first_scan, found.pieces[-1]) is not None


def _zeros_end_blocks(tables: bytes) -> bool:
    """Return whether the code of zeros alone, the first of a Huffman table, ends a block in all tables for AC."""
    at = 0
    while at + 17 <= len(tables):
        symbols = sum(tables[at + 1 : at + 17])
        if tables[at] >> 4 == 1 and tables[at + 17 : at + 18] != b"\0":
            return False
        at += 17 + symbols
    return True


def lengthened(data: bytes, found: Outline) -> bytes:
    """Return `data` with more compressed data at the end of each piece of them."""
    parts, at = [], 0
    for end in found.pieces:
        parts += [data[at:end], _MORE]
        at = end
    return b"".join([*parts, data[at:]])
