"""Progressive JPEGs without their finest scans show the same picture, and whatever is not understood stays whole."""

import cv2
import numpy as np
import pytest
from conftest import textured
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from test_images import encoded

from tagger.images import read_picture
from tagger.progressive import without_finest_scans


def progressive(height: int = 800, width: int = 900, **options: object) -> bytes:
    smooth = cv2.GaussianBlur(textured(height, width), (0, 0), 3)
    return encoded(Image.fromarray(smooth), "JPEG", progressive=True, quality=90, **options)


def decoded(data: bytes) -> np.ndarray:
    quarter = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_COLOR_4)
    return cv2.resize(quarter, (96, 96), interpolation=cv2.INTER_AREA)[..., ::-1].astype(int)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_progressive_picture_is_smaller_and_shows_the_same(subsampling: int) -> None:
    data = progressive(subsampling=subsampling)
    fewer = without_finest_scans(data, 4)
    assert len(fewer) < 0.7 * len(data)
    difference = np.abs(decoded(fewer) - decoded(data))
    assert difference.max() <= 8
    assert difference.mean() < 1
    assert np.array_equal(read_picture(data, 96).pixels, decoded(fewer))


def test_restart_markers_and_what_follows_the_picture_do_no_harm() -> None:
    data = progressive(restart_marker_blocks=5)
    assert b"\xff\xd3" in data
    assert without_finest_scans(data + b"\xff\xd8 another picture", 4) == without_finest_scans(data, 4)
    assert len(without_finest_scans(data, 4)) < 0.7 * len(data)


def test_a_baseline_picture_stays_as_it_is() -> None:
    data = encoded(Image.fromarray(textured(80, 80)), "JPEG")
    assert without_finest_scans(data, 4) is data


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.999])
def test_a_cut_file_stays_as_it_is_for_the_decoder_to_say_so(share: float) -> None:
    data = progressive()
    cut = data[: int(len(data) * share)]
    assert without_finest_scans(cut, 4) is cut


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def scan(component: int, first: int, last: int, high: int, low: int) -> bytes:
    """A scan of one component; its data say which, in place of coefficients."""
    head = segment(0xDA, bytes([1, component, 0, first, last, high << 4 | low]))
    return head + bytes([component, first, last, high, low]) + b"\xff\x00\xff\xd1"


def test_only_the_last_scans_of_a_component_go_and_never_what_another_builds_on() -> None:
    start = b"\xff\xd8" + segment(0xC2, bytes(9))
    tables = segment(0xC4, bytes(5))
    kept = [scan(1, 0, 0, 0, 1), scan(1, 1, 5, 0, 2), scan(2, 1, 63, 0, 3), scan(2, 1, 63, 3, 2), scan(1, 0, 0, 1, 0)]
    fine = [scan(1, 6, 63, 0, 2), scan(1, 1, 63, 2, 1), scan(2, 1, 63, 2, 1), scan(1, 1, 63, 1, 0)]
    data = b"".join([start, *kept[:3], tables, fine[0], fine[1], *kept[3:], fine[2], tables, fine[3], b"\xff\xd9"])
    assert without_finest_scans(data, 4) == b"".join([start, *kept[:3], tables, *kept[3:], tables, b"\xff\xd9"])
    # A first scan of all coefficients builds on nothing, but what comes later builds on it.
    whole = [scan(1, 0, 0, 0, 0), scan(1, 6, 63, 0, 3), scan(1, 1, 63, 3, 2)]
    data = b"".join([start, *whole, b"\xff\xd9"])
    assert without_finest_scans(data, 4) is data


@given(st.data())
def test_damage_never_breaks_it(data: st.DataObject) -> None:
    damaged = bytearray(SMALL)
    for at in data.draw(st.lists(st.integers(0, len(SMALL) - 1), max_size=20)):
        damaged[at] = data.draw(st.integers(0, 255))
    found = without_finest_scans(bytes(damaged), data.draw(st.sampled_from([2, 4, 8])))
    assert found == bytes(damaged) or (len(found) < len(SMALL) and found.endswith(b"\xff\xd9"))


SMALL = progressive(48, 48)
