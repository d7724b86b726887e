"""What of a progressive JPEG a decode at half its size, or less, needs.

A progressive JPEG comes in scans: all coarse coefficients first, then finer ones, then the last bits of each. It takes
three times as long to decode as a baseline JPEG (9 ms for 1.5 megapixels), most of that for the finest scans. A quarter
of the size shows coefficients 0, 1, 2 and 4 in zigzag order alone, and of those the last two bits matter less than what
the encoder rounded away; half of the size shows 4 x 4 coefficients, and needs all but the last bit. Without the rest
decoding takes 4.4 ms, and no pixel of the network's input changes by more than 8 of 255, 0.2 on average (28
photographs).

Source: ITU-T T.81, annex B (markers) and annex G (progressive mode).
"""

import re
from typing import NamedTuple

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""What ends a scan's data, in which 0xFF is followed by 0, by a restart marker (D0 to D7), or is a filling byte."""

_EOI, _SOS = 0xD9, 0xDA


class _Needed(NamedTuple):
    """What a reduced size shows: coefficients up to `last` in zigzag order, all but so many bits of each."""

    last: int
    bits_left_out: int


_NEEDED = {2: _Needed(24, 1), 4: _Needed(4, 2), 8: _Needed(4, 2)}
"""An eighth shows coefficient 0 alone, but libjpeg smooths where it finds no other."""


class _Scan(NamedTuple):
    start: int
    end: int
    components: bytes
    first: int  # coefficient, 0 to 63
    high: int  # 0, or the bit position that this scan refines from

    def droppable(self, needed: _Needed) -> bool:
        return self.first > needed.last or (self.first > 0 and 0 < self.high <= needed.bits_left_out)


def without_finest_scans(data: bytes, scale: int) -> bytes:
    """Return a progressive JPEG without the scans that 1/`scale` of its size (2, 4 or 8) does not show.

    It is `data` itself where there is none, or where the file does not end as it should: the decoder then says so.
    """
    try:
        scans = _scans(data)
    except (IndexError, ValueError):
        return data
    kept = _kept(scans, _NEEDED[scale])
    if len(kept) == len(scans):
        return data
    pieces, at = [], 0
    for scan in scans:
        pieces.append(data[at : scan.end if scan in kept else scan.start])
        at = scan.end
    return b"".join([*pieces, b"\xff\xd9"])


def _kept(scans: list[_Scan], needed: _Needed) -> list[_Scan]:
    """Return what must stay: a scan refines what the ones before it left, so only a component's last ones may go."""
    kept, built_on = [], set[bytes]()
    for scan in reversed(scans):
        if scan.droppable(needed) and scan.components not in built_on:
            continue
        if scan.first > 0:
            built_on.add(scan.components)
        kept.append(scan)
    return kept[::-1]


def _scans(data: bytes) -> list[_Scan]:
    """Return the scans of a JPEG, up to its end mark.

    Raises
    ------
    ValueError, IndexError
        If the file is not a chain of segments that ends in an end mark.
    """
    scans, at = [], 2
    while (marker := data[at + 1]) != _EOI:
        if data[at] != 0xFF:
            raise ValueError("no marker where one should be")
        body = at + 4
        end = at + 2 + int.from_bytes(data[at + 2 : body], "big")
        if marker == _SOS:
            n = data[body]
            components = data[body + 1 : body + 1 + 2 * n : 2]
            first, _, bits = data[body + 1 + 2 * n : body + 4 + 2 * n]
            found = _MARKER.search(data, end)
            if found is None:
                raise ValueError("the last scan has no end")
            end = found.start()
            scans.append(_Scan(at, end, components, first, bits >> 4))
        at = end
    return scans
