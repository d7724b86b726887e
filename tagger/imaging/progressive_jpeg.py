"""Progressive JPEGs without what a reduced size shows nothing of, or hardly anything.

A progressive JPEG comes in scans: coarse coefficients first, then, scan by scan, one more bit of
each. Decoding takes three times as long as for a baseline JPEG (7.8 ms for 1.5 megapixels), a third
of that or more for the last two bits. They are left out where the quantisation tables say that they
are small. That moved no pixel of the network's input by more than 8 of 255, 0.1 on average, and
took 5.2 ms in place of 7.8 (28 photographs; 40 more, saved by Pillow in qualities 50 to 95, moved
by no more than that either; the limits were found on these).

At a quarter of the size, a block of a component that is not subsampled becomes four pixels, which
are averaged again. Its coefficients 1 to 5 are all that shows; those above, and what refines them,
are half of what is left. Where the bundle says so they are left out too: that took 8.5 ms in place
of 12.0, and moved no pixel by more than 10, 0.2 on average, while decoding at a quarter moves them
by 0.6 itself (170 pictures of shops, saved by Pillow in qualities 50 to 95). Drawn stripes of three
pixels of the original, in black and white or full colors, move by up to 27, where decoding at a
quarter moves them by 49.

At an eighth, such a block becomes one pixel, its mean. The scans of all else are left out, and one
that says that it is zero takes their place: libjpeg would smooth what it has not been told. That
moves no pixel, and took 25 ms in place of 36 for 8 megapixels.

Source: ITU-T T.81, annex B (markers) and annex G (progressive mode).
"""

import re
from collections.abc import Iterator, Sequence
from math import ceil
from typing import NamedTuple

_LARGEST_CHANGE = {2: 20, 4: 48, 8: 48}
"""By scale: how far a coefficient, whose range is 2,040, may move. Twice this for a quarter moved
pixels by 10."""

_COARSE = 5
"""The last coefficient that shows at a quarter of the size; encoders end a scan with it."""

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
    tables : dict of int to int
        Of each component: the number of its quantisation table.
    steps : dict of int to (int, int)
        Of each table: its largest step up to the coefficient `_COARSE`, and of all.
    restarts : bool
        Whether its scans may be in pieces.
    scans : list of _Scan
    """

    height: int
    width: int
    sampling: dict[int, tuple[int, int]]
    tables: dict[int, int]
    steps: dict[int, tuple[int, int]]
    restarts: bool
    scans: list[_Scan]


def parts_of(data: bytes) -> Progressive | None:
    """Return what a progressive JPEG consists of, or None if it is not a chain of segments that
    ends in an end mark."""
    try:
        return _parsed(data)
    except (IndexError, ValueError):
        return None


def reduced_to(scale: int, data: bytes, parts: Progressive | None, *, coarse: bool) -> bytes:
    """Return a progressive JPEG without the scans that 1/`scale` of its size (2, 4 or 8) shows
    nothing of, or hardly anything.

    It is `data` itself where nothing may go, and where scans are missing or the file does not end
    as it should. One that is damaged or cut within the scans left out, and closed again, shows all
    that is looked at.

    Parameters
    ----------
    parts : Progressive or None
        As `parts_of` says.
    coarse : bool
        Whether more may go than last bits.
    """
    if parts is None or not _is_complete(parts):
        return data
    largest = max((step for _, step in parts.steps.values()), default=0)
    bits = max(b for b in (0, 1, 2) if (2**b - 1) * largest <= _LARGEST_CHANGE[scale])
    means = _shown_by_their_means(parts) if scale == 8 else []
    roughly = _shown_roughly(parts) if coarse and scale == 4 else []
    pieces = []
    at = 0
    for scan, stays in zip(parts.scans, _kept(parts.scans, bits), strict=True):
        fine = scan.first > _COARSE or scan.refines > 0
        if scan.first > 0:
            component = scan.components[0]
            stays = stays and component not in means and not (fine and component in roughly)
        pieces.append(data[at : scan.end if stays else scan.start])
        at = scan.end
    if sum(map(len, pieces)) == at:
        return data
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
    # A scan of zeros would have to be in pieces too.
    return [] if parts.restarts else _not_subsampled(parts)


def _shown_roughly(parts: Progressive) -> list[int]:
    """Return the components of which a quarter of the size shows four pixels for each block, and
    whose coarse coefficients are known well enough before anything refines them."""
    return [
        component
        for component in _not_subsampled(parts)
        if _left_to_refine(parts, component)
        * parts.steps.get(parts.tables[component], (255, 255))[0]
        <= _LARGEST_CHANGE[4]
    ]


def _left_to_refine(parts: Progressive, component: int) -> int:
    """Return how many steps a coarse coefficient of a component may still move after the scan that
    it comes in first: 3 for two last bits, which is what encoders leave, and more for others."""
    bits = [
        scan.refines
        for scan in parts.scans
        if 0 < scan.first <= _COARSE and component in scan.components
    ]
    return max(3, (1 << max(bits, default=0)) - 1)


def _not_subsampled(parts: Progressive) -> list[int]:
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
    last bit, and are of as many components as they may be."""
    if any(
        len(scan.components) != 1 and (scan.first or not scan.components) for scan in parts.scans
    ):
        return False  # only means come together
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
    height = width = 0
    sampling: dict[int, tuple[int, int]] = {}
    tables: dict[int, int] = {}
    steps: dict[int, tuple[int, int]] = {}
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
            each = [data[i : i + 3] for i in range(body + 6, body + 6 + 3 * data[body + 5], 3)]
            sampling = {component: (hv >> 4, hv & 15) for component, hv, _ in each}
            tables = {component: table for component, _, table in each}
        elif marker == _QUANTISATION:
            for table, *largest in _largest_steps(data[body:end]):
                before = steps.get(table, (0, 0))
                steps[table] = max(before[0], largest[0]), max(before[1], largest[1])
        elif marker == _RESTART_INTERVAL:
            restarts = True
        elif marker == _START_OF_SCAN:
            scans.append(_scan(data, at, end))
            end = scans[-1].end
        at = end
    return Progressive(height, width, sampling, tables, steps, restarts, scans)


def _largest_steps(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the number of each quantisation table, its largest step up to `_COARSE`, and of all."""
    at = 0
    while at < len(content):
        wide = content[at] >> 4 > 0
        steps: Sequence[int] = content[at + 1 : at + 1 + (128 if wide else 64)]
        if wide:
            steps = [high << 8 | low for high, low in zip(steps[::2], steps[1::2], strict=True)]
        yield content[at] & 15, max(steps[: _COARSE + 1]), max(steps)
        at += 129 if wide else 65


def _scan(data: bytes, at: int, head_end: int) -> _Scan:
    n = data[at + 4]
    first, last, bits = data[at + 5 + 2 * n : at + 8 + 2 * n]
    ending = _MARKER.search(data, head_end)
    if ending is None:
        raise ValueError("the last scan has no end")
    return _Scan(
        at, ending.start(), data[at + 5 : at + 5 + 2 * n : 2], first, last, bits >> 4, bits & 15
    )
