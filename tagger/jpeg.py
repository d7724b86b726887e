"""Where a JPEG's picture ends, and whether its data do before it.

libjpeg fills the rest of a picture whose data end early with grey, and says so, perhaps: only a file's first warning
is printed, and that may be another. So a file about which anything was said is asked again, with all its pieces of
compressed data made longer: a decoder that had enough does not look at what was added, and the picture stays the same.

Source: ITU-T T.81, annex B.
"""

import re
from typing import NamedTuple

END = b"\xff\xd9"

_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd0-\xfe])")
_RESTARTS = range(0xD0, 0xD8)
_ALONE = (0x01, 0xD8, *_RESTARTS)  # markers without a length
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_ARITHMETIC = range(0xC9, 0xD0)

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
    """

    end: int
    complete: bool
    pieces: list[int]
    arithmetic: bool


def outline(data: bytes) -> Outline:
    """Return where the picture in `data`, which begins as a JPEG does, ends."""
    at, pieces, arithmetic, in_scan = 2, list[int](), False, False
    while match := _MARKER.search(data, at):
        marker, start = match[1][0], match.start()
        if in_scan:
            pieces.append(start)
        if marker == _END_OF_IMAGE:
            return Outline(start, True, pieces, arithmetic)
        at = match.end()
        if marker in _RESTARTS and in_scan:
            continue
        if marker in _ALONE:
            in_scan = False
            continue
        arithmetic = arithmetic or (marker in _ARITHMETIC and marker != 0xCC)
        at = match.end() + int.from_bytes(data[match.end() : match.end() + 2], "big")
        in_scan = marker == _START_OF_SCAN
    if in_scan:
        pieces.append(len(data))
    return Outline(len(data), False, pieces, arithmetic)


def closed(data: bytes, found: Outline) -> bytes:
    """Return the picture in `data` with an end mark, and nothing behind it.

    A file that was never written to its end may go on in zeros; they are no part of the picture.
    """
    return data[: found.end] + END if found.complete else data.rstrip(b"\0").removesuffix(b"\xff") + END


def lengthened(data: bytes, found: Outline) -> bytes:
    """Return `data` with more compressed data at the end of each piece of them."""
    parts, at = [], 0
    for end in found.pieces:
        parts += [data[at:end], _MORE]
        at = end
    return b"".join([*parts, data[at:]])
