"""Progressive JPEGs without their last bits show the same picture, and whatever is not understood
stays whole."""

import time

import cv2
import numpy as np
import pytest
from conftest import textured
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from test_reader import encoded

from tagger.imaging.picture_error import PictureError
from tagger.imaging.preprocessing import Reading
from tagger.imaging.progressive_jpeg import without_last_bits
from tagger.imaging.reader import read_picture

REDUCED = {
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


def progressive(
    height: int = 800, width: int = 900, *, quality: int = 90, **options: object
) -> bytes:
    smooth = cv2.GaussianBlur(textured(height, width), (0, 0), 1)
    return encoded(Image.fromarray(smooth), "JPEG", progressive=True, quality=quality, **options)


def decoded(data: bytes, scale: int) -> np.ndarray:
    reduced = cv2.imdecode(np.frombuffer(data, np.uint8), REDUCED[scale])
    return cv2.resize(reduced, (96, 96), interpolation=cv2.INTER_AREA)[..., ::-1].astype(int)


@pytest.mark.parametrize("quality", [50, 75, 90, 98])
@pytest.mark.parametrize(("short", "scale"), [(400, 2), (800, 4), (1600, 8)])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_a_picture_without_its_last_bits_shows_the_same(
    short: int, scale: int, quality: int, subsampling: int
) -> None:
    data = progressive(short, short + 100, quality=quality, subsampling=subsampling)
    fewer = without_last_bits(data, scale)
    assert (len(fewer) < 0.8 * len(data)) == (quality > (90 if scale == 2 else 75))
    difference = np.abs(decoded(fewer, scale) - decoded(data, scale))
    assert difference.max() <= 12  # noise; photographs move by 8
    assert difference.mean() < 2
    assert np.array_equal(read_picture(data, Reading(96)).pixels, decoded(fewer, scale))


def test_restart_markers_filling_bytes_and_what_follows_the_picture_do_no_harm() -> None:
    data = progressive(restart_marker_blocks=5)
    assert b"\xff\xd3" in data
    fewer = without_last_bits(data, 4)
    assert len(fewer) < 0.8 * len(data)
    assert without_last_bits(data + b"\xff\xd8 another picture", 4) == fewer
    filled = data.replace(b"\xff\xda", b"\xff\xff\xff\xda")
    assert np.array_equal(decoded(without_last_bits(filled, 4), 4), decoded(fewer, 4))


def test_a_baseline_picture_stays_as_it_is() -> None:
    data = encoded(Image.fromarray(textured(80, 80)), "JPEG", quality=100)
    assert without_last_bits(data, 4) is data


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_a_cut_file_stays_as_it_is_for_the_decoder_to_say_so(share: float) -> None:
    data = progressive()
    cut = data[: int(len(data) * share)]
    assert without_last_bits(cut, 4) is cut


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_half_a_picture_is_never_scored_even_if_it_ends_like_a_whole_one(share: float) -> None:
    data = progressive()
    with pytest.raises(PictureError, match="ends before the picture does"):
        read_picture(data[: int(len(data) * share)] + b"\xff\xd9", Reading(96))


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def scan(component: int, first: int, last: int, high: int, low: int) -> bytes:
    """A scan of one component; its data say which, in place of coefficients."""
    head = segment(0xDA, bytes([1, component, 0, first, last, high << 4 | low]))
    return head + bytes([component, first, last, high, low]) + b"\xff\x00\xff\xd1"


def start(components: int, step: int) -> bytes:
    return (
        b"\xff\xd8"
        + segment(0xDB, b"\0" + bytes([step]) * 64)
        + segment(0xC2, bytes([8, 0, 9, 0, 9, components]))
    )


TABLES, END = segment(0xC4, bytes(5)), b"\xff\xd9"


def test_only_the_last_scans_of_a_component_go_and_never_what_another_builds_on() -> None:
    kept = [
        scan(1, 0, 0, 0, 1),
        scan(1, 1, 5, 0, 2),
        scan(1, 6, 63, 0, 2),
        scan(2, 0, 0, 0, 0),
        scan(1, 0, 0, 1, 0),
    ]
    chroma = [scan(2, 1, 63, 0, 3), scan(2, 1, 63, 3, 2), scan(2, 1, 63, 2, 1)]
    fine = [scan(1, 1, 63, 2, 1), scan(1, 1, 63, 1, 0), scan(2, 1, 9, 1, 0), scan(2, 10, 63, 1, 0)]

    def file(step: int, *scans: bytes) -> bytes:
        return b"".join([start(2, step), *scans, END])

    whole = [*kept[:4], *chroma, TABLES, fine[0], kept[4], fine[1], TABLES, *fine[2:]]
    assert without_last_bits(file(16, *whole), 4) == file(
        16, *kept[:4], *chroma[:2], TABLES, kept[4], TABLES
    )
    one_bit = file(17, *kept[:4], *chroma, TABLES, fine[0], kept[4], TABLES)
    assert without_last_bits(file(17, *whole), 4) == one_bit
    for step, scale in ((49, 4), (49, 8), (21, 2)):  # too coarse
        data = file(step, *whole)
        assert without_last_bits(data, scale) is data
    for missing in range(len(whole)):
        if whole[missing] != TABLES:
            data = file(1, *whole[:missing], *whole[missing + 1 :])
            assert without_last_bits(data, 4) is data


def test_a_file_of_many_scans_takes_no_time() -> None:
    data = start(1, 1) + scan(1, 1, 63, 1, 0) * 50_000 + END
    begun = time.process_time()
    assert without_last_bits(data, 4) is data
    assert time.process_time() - begun < 1  # linear: milliseconds; quadratic: a minute


@given(st.data())
def test_damage_never_breaks_it(data: st.DataObject) -> None:
    damaged = bytearray(SMALL)
    for at in data.draw(st.lists(st.integers(0, len(SMALL) - 1), max_size=20)):
        damaged[at] = data.draw(st.integers(0, 255))
    found = without_last_bits(bytes(damaged), data.draw(st.sampled_from([2, 4, 8])))
    assert found == bytes(damaged) or (len(found) < len(SMALL) and found.endswith(END))


SMALL = progressive(48, 48)
