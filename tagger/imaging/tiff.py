"""What the first directory of a TIFF says of its picture, the file without its orientation, and one
channel of it.

Pillow turns a TIFF by itself, by XMP too, and OpenCV turns some; a file that says nothing of it is
left as it is.

Source: TIFF 6.0; BigTIFF for offsets of eight bytes.
"""

import struct
from typing import NamedTuple

_WIDTH = 256
_HEIGHT = 257
_BITS = 258
_PHOTOMETRIC = 262
_ORIENTATION = 274
_OFFSETS = 273
_COUNTS = 279
_TILE_OFFSETS = 324
_TILE_COUNTS = 325
_EXTRA = 338
_FORMAT = 339
_COMPRESSION = 259
_SAMPLES = 277
_PLANAR = 284
_ICC_PROFILE = 34675
_TYPES = {1: "B", 3: "H", 4: "I", 7: "B", 16: "Q"}

_PER_PIECE = (_OFFSETS, _COUNTS, _TILE_OFFSETS, _TILE_COUNTS)
_READ = (
    *(_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION),
    *(_SAMPLES, _PLANAR, _EXTRA, _FORMAT, _ICC_PROFILE),
    *_PER_PIECE,
)
_SEPARATE = 2
_UNCOMPRESSED = 1
_MOST_ENTRIES = 4096

BIG_BIG_ENDIAN = b"MM\0+"
# photometric interpretations
WHITE_IS_ZERO = 0
BLACK_IS_ZERO = 1
RGB = 2
PREMULTIPLIED = 1  # extra samples; 2 is alpha that is not
# sample formats
UNSIGNED = 1
FLOAT = 3


class Tiff(NamedTuple):
    """What a TIFF's first directory says.

    Attributes
    ----------
    width, height : int
    bits : int
        Per channel, the most of any.
    photometric : int
    orientation : int
        1 to 8.
    samples : int
        Channels.
    separate : bool
        Whether each channel has its own pieces of data.
    extra : int or None
        What the first channel beyond the colors is; 0 is nothing known.
    sample_format : int
    profile : bytes or None
    cut : bool
        Whether the picture's data go on beyond the end of the file.
    upright : bytes
        The file with orientation 1.
    """

    width: int
    height: int
    bits: int
    photometric: int
    orientation: int
    samples: int
    separate: bool
    extra: int | None
    sample_format: int
    profile: bytes | None
    cut: bool
    upright: bytes


def read_tiff(data: bytes) -> Tiff:
    """Return what the TIFF file `data` says of its first picture.

    Raises
    ------
    ValueError
        If its directory cannot be read.
    """
    try:
        return _read(data)
    except (struct.error, KeyError, IndexError, OverflowError) as error:
        raise ValueError(f"its directory cannot be read ({error})") from error


def channel(data: bytes, number: int) -> bytes:
    """Return a grey TIFF of one channel of a TIFF whose channels have their own pieces of data.

    Its directory is a copy, behind the file, of what is true of one channel.

    Raises
    ------
    ValueError
        If its directory cannot be read.
    """
    try:
        return _channel(data, number)
    except (struct.error, KeyError, IndexError, OverflowError) as error:
        raise ValueError(f"its directory cannot be read ({error})") from error


def _channel(data: bytes, number: int) -> bytes:
    directory = _directory(data)
    values = {tag: entry.values for tag, entry in directory.entries.items()}
    (samples,) = values[_SAMPLES]
    kept = list[bytes]()
    told = {_SAMPLES: 1, _PLANAR: 1, _PHOTOMETRIC: BLACK_IS_ZERO}
    behind = b""
    at = len(data) + len(data) % 2
    for tag, entry in sorted(directory.entries.items()):
        if tag == _EXTRA:
            continue
        count = entry.number
        raw = entry.raw
        if tag in told:
            count = 1
            raw = struct.pack(directory.order + "H", told[tag]).ljust(directory.width, b"\0")
        elif tag in (_BITS, _FORMAT, *_PER_PIECE):
            each = max(1, len(entry.values) // samples)
            mine = entry.values[number * each : (number + 1) * each] or entry.values[:each]
            if tag in (_BITS, _FORMAT):
                mine = mine[:1]
            packed = struct.pack(f"{directory.order}{len(mine)}{_TYPES[entry.kind]}", *mine)
            count = len(mine)
            raw = packed.ljust(directory.width, b"\0")
            if len(packed) > directory.width:
                raw = struct.pack(directory.order + directory.offset, at + len(behind))
                behind += packed + b"\0" * (len(packed) % 2)
        kept.append(
            struct.pack(directory.order + "HH" + directory.offset, tag, entry.kind, count) + raw
        )
    head = struct.pack(directory.order + directory.counted, len(kept))
    pointer = struct.pack(directory.order + directory.offset, at + len(behind))
    start = data[: directory.pointer] + pointer + data[directory.pointer + len(pointer) :]
    return start.ljust(at, b"\0") + behind + head + b"".join(kept) + b"\0" * directory.width


class _Entry(NamedTuple):
    kind: int
    number: int
    raw: bytes  # the value, or where it is
    place: int  # of the first value
    values: tuple[int, ...]  # of the tags that are read


class _Directory(NamedTuple):
    order: str
    offset: str  # how offsets are packed
    counted: str  # how the number of entries is
    pointer: int  # where the offset of the first directory is
    entries: dict[int, _Entry]

    @property
    def width(self) -> int:
        return struct.calcsize(self.order + self.offset)


def _directory(data: bytes) -> _Directory:
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack(order + "H", data[2:4])[0] == 43
    offset, counted, pointer, size = ("Q", "Q", 8, 20) if big else ("I", "H", 4, 12)
    width = struct.calcsize(order + offset)
    (first,) = struct.unpack_from(order + offset, data, pointer)
    (number,) = struct.unpack_from(order + counted, data, first)
    start = first + struct.calcsize(order + counted)
    entries = dict[int, _Entry]()
    for at in range(start, start + min(number, _MOST_ENTRIES) * size, size):
        tag, kind, count = struct.unpack_from(order + "HH" + offset, data, at)
        if tag in entries:
            continue
        place = at + size - width
        values = tuple[int, ...]()
        raw = data[place : place + width]
        if tag in _READ and kind in _TYPES:
            if count * struct.calcsize("=" + _TYPES[kind]) > width:
                (place,) = struct.unpack(order + offset, raw)
            values = _values(data, place, f"{order}{count}{_TYPES[kind]}", tag)
        entries[tag] = _Entry(kind, count, raw, place, values)
    return _Directory(order, offset, counted, pointer, entries)


def _read(data: bytes) -> Tiff:
    directory = _directory(data)
    values = {tag: entry.values for tag, entry in directory.entries.items() if entry.values}
    upright = data
    turned = directory.entries.get(_ORIENTATION)
    if turned and turned.values:
        one = struct.pack(directory.order + _TYPES[turned.kind], 1)
        upright = data[: turned.place] + one + data[turned.place + len(one) :]
    profile = values.get(_ICC_PROFILE)
    orientation = values.get(_ORIENTATION, (1,))[0]
    return Tiff(
        values[_WIDTH][0],
        values[_HEIGHT][0],
        max(values.get(_BITS, (1,))),
        values.get(_PHOTOMETRIC, (WHITE_IS_ZERO,))[0],
        orientation if orientation in range(1, 9) else 1,
        values.get(_SAMPLES, (1,))[0],
        values.get(_PLANAR, (1,))[0] == _SEPARATE,
        values[_EXTRA][0] if values.get(_EXTRA) else None,
        values.get(_FORMAT, (UNSIGNED,))[0],
        bytes(profile) if profile else None,
        _is_cut(values, len(data)),
        upright,
    )


def _values(data: bytes, place: int, form: str, tag: int) -> tuple[int, ...]:
    """Return the values of an entry; none where they lie beyond the file, unless nothing can be
    read without them."""
    try:
        return struct.unpack_from(form, data, place)
    except struct.error:
        if tag in (_WIDTH, _HEIGHT, *_PER_PIECE):
            raise
        return ()


def _is_cut(values: dict[int, tuple[int, ...]], size: int) -> bool:
    pieces = [
        (start, start + length)
        for offsets, counts in ((_OFFSETS, _COUNTS), (_TILE_OFFSETS, _TILE_COUNTS))
        for start, length in zip(values.get(offsets, ()), values.get(counts, ()), strict=False)
    ]
    if any(start == 0 for start, _ in pieces):  # a strip that was never written
        return True
    if all(end <= size for _, end in pieces):
        return False
    if values.get(_COMPRESSION, (_UNCOMPRESSED,))[0] != _UNCOMPRESSED:
        return True
    # Some programs count more bytes than they write: what matters is whether the picture's are
    # there.
    bits = (
        sum(values.get(_BITS, (1,)))
        if len(values.get(_BITS, ())) > 1
        else values.get(_BITS, (1,))[0]
    )
    samples = 1 if len(values.get(_BITS, ())) > 1 else values.get(_SAMPLES, (1,))[0]
    needed = values[_HEIGHT][0] * -(-values[_WIDTH][0] * bits * samples // 8)
    return sum(max(0, min(end, size) - start) for start, end in pieces) < needed
