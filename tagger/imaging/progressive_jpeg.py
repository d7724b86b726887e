"""Progressive JPEGs without what a reduced size shows nothing of, or hardly anything.

A progressive JPEG comes in scans: coarse coefficients first, then, scan by scan, one more bit of
each. Decoding takes three times as long as for a baseline JPEG (7.8 ms for 1.5 megapixels), a third
of that or more for the last two bits. They are left out where the quantisation tables say that they
are small. That moved no pixel of the network's input by more than 8 of 255, 0.1 on average, and
took 5.2 ms in place of 7.8 (28 photographs; 40 more, saved by Pillow in qualities 50 to 95, moved
by no more than that either; the limits were found on these).

At an eighth of the size, a component that is not subsampled shows one pixel for each block, its mean,
and none of its other coefficients. Their scans are left out, and one that says that all of them are
zero takes their place: libjpeg would smooth what it has not been told. That moves no pixel, and took
25 ms in place of 36 for 8 megapixels.

Source: ITU-T T.81, annex B (markers) and annex G (progressive mode).
"""

import re
from math import ceil
from typing import NamedTuple

_LARGEST_CHANGE = {2: 20, 4: 48, 8: 48}
"""By scale: how far a coefficient, whose range is 2,040, may move. Twice this for a quarter moved
pixels by 10."""

_MOST_SCANS = 200
"""Encoders write some ten. Each costs time, so more of them are the decoder's to judge."""

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""What ends a scan's data, in which 0xFF is followed by 0, by a restart marker (D0 to D7), or is a
filling byte."""

_START_OF_FRAME = 0xC2
_END_OF_IMAGE = 0xD9
_START_OF_SCAN = 0xDA
_QUANTISATION = 0xDB
_RESTART_INTERVAL = 0xDD

_ALL_ZERO_CODE = b"\xff\xc4\x00\x14\x13" + bytes([1, *[0] * 15]) + b"\xe0"
"""A Huffman table, the fourth for AC, whose one code is the bit 0: so many blocks are zero to their
end, the number in the next 14 bits."""

_LONGEST_RUN = 2**15 - 1
"""Blocks that such a code may speak of: the bits say how many more than 2**14 they are."""


class _Scan(NamedTuple):
    start: int
    end: int
    components: bytes
    first: int  # coefficient, 0 to 63
    last: int
    refines: int  # 0, or the lowest bit that was known before
    low: int  # the lowest bit that is known after


class Progressive(NamedTuple):
    """What a progressive JPEG consists of.

    Attributes
    ----------
    height, width : int
    sampling : dict of int to (int, int)
        Of each component: horizontal, vertical.
    largest_step : int
        Of all quantisation tables.
    restarts : bool
        Whether its scans may be in pieces.
    scans : list of _Scan
    """

    height: int
    width: int
    sampling: dict[int, tuple[int, int]]
    largest_step: int
    restarts: bool
    scans: list[_Scan]


def parts_of(data: bytes) -> Progressive | None:
    """Return what a progressive JPEG consists of, or None if it is not a chain of segments that
    ends in an end mark."""
    try:
        return _parsed(data)
    except (IndexError, ValueError):
        return None


def reduced_to(scale: int, data: bytes, parts: Progressive | None) -> bytes:
    """Return a progressive JPEG without the scans that 1/`scale` of its size (2, 4 or 8) shows
    nothing of, or hardly anything.

    It is `data` itself where nothing may go, and where scans are missing or the file does not end
    as it should. One that is damaged or cut within the scans left out, and closed again, shows all
    that is looked at.

    Parameters
    ----------
    parts : Progressive or None
        As `parts_of` says.
    """
    if parts is None or not _is_complete(parts):
        return data
    bits = max(b for b in (0, 1, 2) if (2**b - 1) * parts.largest_step <= _LARGEST_CHANGE[scale])
    means = _shown_by_their_means(parts) if scale == 8 else []
    kept = [
        stays and not (scan.first > 0 and set(scan.components) <= set(means))
        for scan, stays in zip(parts.scans, _kept(parts.scans, bits), strict=True)
    ]
    if all(kept):
        return data
    pieces = []
    at = 0
    for scan, stays in zip(parts.scans, kept, strict=True):
        pieces.append(data[at : scan.end if stays else scan.start])
        at = scan.end
    blocks = ceil(parts.height / 8) * ceil(parts.width / 8)
    pieces += [_all_zero(component, blocks) for component in means]
    return b"".join([*pieces, b"\xff\xd9"])


def lacks_scans(parts: Progressive | None) -> bool:
    """Return whether some coefficients of a progressive JPEG come in none of its scans; last bits
    may be missing. Of one that is None nothing is known."""
    if parts is None:
        return False
    sent: dict[int, set[int]] = {}
    for scan in parts.scans:
        for component in scan.components:
            sent.setdefault(component, set()).update(range(scan.first, scan.last + 1))
    return len(sent) < len(parts.sampling) or any(
        len(coefficients) < 64 for coefficients in sent.values()
    )


def _kept(scans: list[_Scan], bits: int) -> list[bool]:
    """Return which scans stay: one refines what those before it left, so only a component's last
    ones may go."""
    kept = []
    built_on = set[bytes]()
    for scan in reversed(scans):
        stays = scan.first == 0 or not 0 < scan.refines <= bits or scan.components in built_on
        if stays and scan.first > 0:
            built_on.add(scan.components)
        kept.append(stays)
    return kept[::-1]


def _shown_by_their_means(parts: Progressive) -> list[int]:
    """Return the components of which an eighth of the size shows one pixel for each block."""
    if parts.restarts:  # a scan of zeros would have to be in pieces too
        return []
    largest = tuple(map(max, zip(*parts.sampling.values(), strict=True)))
    return [component for component, sampling in parts.sampling.items() if sampling == largest]


def _all_zero(component: int, blocks: int) -> bytes:
    """Return a scan that says of every block of a component that all but its mean is zero."""
    bits = ("0" + "1" * 14) * ceil(blocks / _LONGEST_RUN)  # beyond the last block none is asked for
    bits += "1" * (-len(bits) % 8)
    coded = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    head = bytes([0xFF, _START_OF_SCAN, 0, 8, 1, component, 3, 1, 63, 0])
    return _ALL_ZERO_CODE + head + coded


def _is_complete(parts: Progressive) -> bool:
    """Return whether the scans, one after the other, give each coefficient of each component to its
    last bit."""
    known: dict[int, list[int]] = {}
    for scan in parts.scans:
        for component in scan.components:
            bits = known.setdefault(component, [-1] * 64)
            here = slice(scan.first, scan.last + 1)
            n = len(bits[here])
            if bits[here] != [scan.refines or -1] * n:
                return False
            bits[here] = [scan.low] * n
    return known.keys() == parts.sampling.keys() and all(
        bits == [0] * 64 for bits in known.values()
    )


def _parsed(data: bytes) -> Progressive:
    """Return what a progressive JPEG consists of, up to its end mark.

    Raises
    ------
    ValueError, IndexError
        If the file is not a chain of segments that ends in an end mark.
    """
    height = width = step = 0
    sampling: dict[int, tuple[int, int]] = {}
    restarts = False
    scans = list[_Scan]()
    at = 2
    while data[at : at + 2] != bytes([0xFF, _END_OF_IMAGE]):
        if data[at] != 0xFF or len(scans) > _MOST_SCANS:
            raise ValueError("no marker where one should be, or too many scans")
        marker = data[at + 1]
        body = at + 4
        end = at + 2 + int.from_bytes(data[at + 2 : body], "big")
        if marker == 0xFF:  # a filling byte
            end = at + 1
        elif marker == _START_OF_FRAME:
            height = int.from_bytes(data[body + 1 : body + 3], "big")
            width = int.from_bytes(data[body + 3 : body + 5], "big")
            each = (data[at : at + 2] for at in range(body + 6, body + 6 + 3 * data[body + 5], 3))
            sampling = {component: (hv >> 4, hv & 15) for component, hv in each}
        elif marker == _QUANTISATION:
            step = max(step, _largest_step(data[body:end]))
        elif marker == _RESTART_INTERVAL:
            restarts = True
        elif marker == _START_OF_SCAN:
            scans.append(_scan(data, at, end))
            end = scans[-1].end
        at = end
    return Progressive(height, width, sampling, step, restarts, scans)


def _largest_step(tables: bytes) -> int:
    largest = 0
    at = 0
    while at < len(tables):
        width = 2 if tables[at] >> 4 else 1
        steps = tables[at + 1 : at + 1 + 64 * width]
        wide = width == 2
        each = (int.from_bytes(steps[i : i + 2], "big") for i in range(0, len(steps), 2))
        largest = max(largest, *(each if wide else steps))
        at += 1 + 64 * width
    return largest


def _scan(data: bytes, at: int, head_end: int) -> _Scan:
    n = data[at + 4]
    first, last, bits = data[at + 5 + 2 * n : at + 8 + 2 * n]
    ending = _MARKER.search(data, head_end)
    if ending is None:
        raise ValueError("the last scan has no end")
    return _Scan(
        at, ending.start(), data[at + 5 : at + 5 + 2 * n : 2], first, last, bits >> 4, bits & 15
    )
