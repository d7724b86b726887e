"""What a JPEG 2000 file says and Pillow does not read: how deep it is, and its color profile.

Source: ISO/IEC 15444-1, annex A.5.1 (SIZ) and annex I.5.3.3 (Colour Specification box).
"""

import struct

_SIZE_MARKER = b"\xff\x4f\xff\x51"
_COMPONENTS_AT = 40  # from the marker: where the first component's depth is


def depth(data: bytes) -> int:
    """Return the bits per channel, the most of any; 8 if the file does not say."""
    at = data.find(_SIZE_MARKER)
    if at < 0 or at + _COMPONENTS_AT + 2 > len(data):
        return 8
    (components,) = struct.unpack_from(">H", data, at + _COMPONENTS_AT)
    depths = data[at + _COMPONENTS_AT + 2 : at + _COMPONENTS_AT + 2 + 3 * components : 3]
    return max(((byte & 0x7F) + 1 for byte in depths), default=8)


def profile(data: bytes) -> bytes | None:
    """Return the ICC profile in the color box, or None."""
    at = data.find(b"colr", 0, max(0, data.find(_SIZE_MARKER)))
    if at < 4 or data[at + 4 : at + 5] != b"\2":
        return None
    (length,) = struct.unpack(">I", data[at - 4 : at])
    return data[at + 7 : at - 4 + length]
