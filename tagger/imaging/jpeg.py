"""Where a JPEG's picture ends, and whether its data do before it.

libjpeg fills the rest of a picture whose data end early with grey, and says so, perhaps: only a
file's first warning is printed, and that may be another. So a file about which anything was said is
asked again, with all its pieces of compressed data made longer: a decoder that had enough does not
look at what was added, and the picture stays the same. And a file whose middle was never written,
and is zeros, has a hole.

Source: ITU-T T.81, annex B.
"""

import re
from collections.abc import Iterator
from math import ceil
from typing import NamedTuple

END = b"\xff\xd9"

_MARKER = re.compile(rb"\xff([\x01-\xfe])")
_RESTARTS = range(0xD0, 0xD8)
_ALONE = (0x01, 0xD8, *_RESTARTS)  # markers without a length
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
_HUFFMAN_TABLES = 0xC4
_RESTART_INTERVAL = 0xDD
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
_SEQUENTIAL = (0xC0, 0xC1)
_ARITHMETIC = (0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)

_TAIL = 4096
"""Some programs write something behind the picture."""

_FEW_ZEROS = 32
"""A picture's data may end in some; a file that was never written to its end goes on in many."""

_HOLE = re.compile(rb"\0{512}")

_MORE = bytes((37 * i + 11) % 251 for i in range(256))
"""Compressed data that show something: no byte of them is 0xFF, and they hold no long run of equal
bits."""


class Outline(NamedTuple):
    """Where a JPEG's picture lies.

    Attributes
    ----------
    end : int
        Where it ends: at the end mark, or where the file does.
    complete : bool
        Whether there is an end mark.
    pieces : list of (int, int)
        Where each piece of compressed data begins, and ends: at a restart mark, at the next
        segment, or at the end.
    lacking : bool
        Whether whole pieces are not there: of a scan, or scans of a component.
    arithmetic : bool
        Whether the data are in arithmetic coding, whose decoder looks beyond the end of each piece.
    zeros_show_something : bool
        Whether the data may hold zeros for long: where they stand for an even area, or nobody knows
        what for.
    """

    end: int
    complete: bool
    pieces: list[tuple[int, int]]
    lacking: bool
    arithmetic: bool
    zeros_show_something: bool


class _Segment(NamedTuple):
    marker: int
    start: int  # where the marker begins
    body: int  # where what it holds begins, and ends
    end: int


def ends_as_it_should(data: bytes) -> bool:
    """Return whether there is an end mark near the end of the file: a look, where `outline`
    reads."""
    return data.rfind(END, max(0, len(data) - _TAIL)) >= 0


def outline(data: bytes) -> Outline:
    """Return where the picture in `data`, which begins as a JPEG does, lies."""
    scans = list[_Scan]()
    scanning = False
    from_here = 0
    markers = set[int]()
    even = True
    end = len(data)
    complete = False
    frame = None
    interval = 0
    for segment in _segments(data):
        if scanning:
            scans[-1].pieces.append((from_here, segment.start))
        if segment.marker == _END_OF_IMAGE:
            end = segment.start
            complete = True
            scanning = False
            break
        content = data[segment.body : segment.end]
        if segment.marker == _HUFFMAN_TABLES:
            even = even and _zeros_end_blocks(content)
        elif segment.marker in _FRAMES and len(content) >= 6:
            frame = _frame(content)
        elif segment.marker == _RESTART_INTERVAL:
            interval = int.from_bytes(content[:2], "big")
        elif segment.marker == _START_OF_SCAN:
            scans.append(
                _Scan(content[1 : 1 + 2 * content[0] : 2] if content else b"", interval, [])
            )
        scanning = segment.marker == _START_OF_SCAN or (scanning and segment.marker in _RESTARTS)
        from_here = segment.end
        markers.add(segment.marker)
    if scanning:
        scans[-1].pieces.append((from_here, end))
    arithmetic, sequential = (not markers.isdisjoint(kinds) for kinds in (_ARITHMETIC, _SEQUENTIAL))
    pieces = [piece for scan in scans for piece in scan.pieces]
    lacking = frame is not None and _lacks_pieces(frame, scans)
    return Outline(end, complete, pieces, lacking, arithmetic, even or not sequential)


def is_one_scan(data: bytes, components: int) -> bool:
    """Return whether the first scan of a JPEG has all of its components: most baseline ones are no
    more than that."""
    at = 2
    while at + 4 < len(data) and data[at] == 0xFF:
        if data[at + 1] == _START_OF_SCAN:
            return data[at + 4] == components
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return False


def closed(data: bytes, found: Outline) -> bytes:
    """Return the picture in `data` with an end mark, and nothing behind it.

    A file that was never written to its end may go on in zeros; only a few of them can be the
    picture's.
    """
    if found.complete:
        return data[: found.end] + END
    kept = data.rstrip(b"\0")
    return data[: len(kept) + _FEW_ZEROS].removesuffix(b"\xff") + END


def lengthened(data: bytes, found: Outline) -> bytes:
    """Return `data` with more compressed data at the end of each piece of them."""
    parts = []
    at = 0
    for _, end in found.pieces:
        parts += [data[at:end], _MORE]
        at = end
    return b"".join([*parts, data[at:]])


def has_hole(data: bytes, found: Outline) -> bool:
    """Return whether zeros stand in the compressed data for so long that they were never
    written."""
    if found.zeros_show_something:
        return False
    return any(_HOLE.search(data, start, end) for start, end in found.pieces)


class _Scan(NamedTuple):
    components: bytes
    interval: int  # MCUs from one restart mark to the next; 0 if there are none
    pieces: list[tuple[int, int]]


class _Frame(NamedTuple):
    height: int
    width: int
    sampling: dict[int, tuple[int, int]]  # of each component: horizontal, vertical


def _frame(content: bytes) -> _Frame:
    height = int.from_bytes(content[1:3], "big")
    width = int.from_bytes(content[3:5], "big")
    each = [content[at : at + 3] for at in range(6, 6 + 3 * content[5], 3)]
    return _Frame(
        height, width, {one[0]: (one[1] >> 4, one[1] & 15) for one in each if len(one) == 3}
    )


def _lacks_pieces(frame: _Frame, scans: list[_Scan]) -> bool:
    """Return whether a component has no scan at all, or a scan has fewer pieces than its restart
    interval asks for."""
    if set(frame.sampling) - {component for scan in scans for component in scan.components}:
        return True
    return any(
        scan.interval and len(scan.pieces) * scan.interval < _mcus(frame, scan.components)
        for scan in scans
    )


def _mcus(frame: _Frame, components: bytes) -> int:
    """Return how many minimum coded units a scan of these components has: ITU-T T.81, A.2."""
    sampling = [frame.sampling.get(component, (1, 1)) for component in components]
    wide = max((h for h, _ in frame.sampling.values()), default=1) or 1
    high = max((v for _, v in frame.sampling.values()), default=1) or 1
    if len(sampling) == 1:
        h, v = sampling[0]
        return ceil(ceil(frame.width * h / wide) / 8) * ceil(ceil(frame.height * v / high) / 8)
    return ceil(frame.width / (8 * wide)) * ceil(frame.height / (8 * high))


def _segments(data: bytes) -> Iterator[_Segment]:
    at = 2
    while match := _MARKER.search(data, at):
        marker = match[1][0]
        start = match.start()
        body = match.end()
        while start > at and data[start - 1] == 0xFF:  # filling bytes
            start -= 1
        alone = marker in _ALONE or marker == _END_OF_IMAGE
        at = body if alone else body + int.from_bytes(data[body : body + 2], "big")
        yield _Segment(marker, start, body + 2, at)


def _zeros_end_blocks(tables: bytes) -> bool:
    """Return whether the code of zeros alone, the first of a Huffman table, ends a block in all
    tables for AC."""
    at = 0
    while at + 17 <= len(tables):
        if tables[at] >> 4 == 1 and tables[at + 17 : at + 18] != b"\0":
            return False
        at += 17 + sum(tables[at + 1 : at + 17])
    return True
