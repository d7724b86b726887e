"""Progressive JPEGs without what a reduced size shows nothing of show the same, and whatever is not
understood stays whole."""

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
from tagger.imaging.progressive_jpeg import parts_of, reduced_to
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


def fewer_scans(data: bytes, scale: int, *, coarse: bool = False) -> bytes:
    return reduced_to(scale, data, parts_of(data), coarse=coarse)


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
    fewer = fewer_scans(data, scale)
    enough = {2: 90, 4: 75, 8: 0}[scale]
    assert (len(fewer) < 0.8 * len(data)) == (quality > enough)
    difference = np.abs(decoded(fewer, scale) - decoded(data, scale))
    assert difference.max() <= 12  # noise; photographs move by 8
    assert difference.mean() < 2
    reading = Reading(96, progressive="all")
    assert np.array_equal(read_picture(data, reading).pixels, decoded(fewer, scale))


@pytest.mark.parametrize("quality", [20, 50, 75, 90, 98])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_bundle_may_ask_for_coarse_detail_alone_at_a_quarter(
    quality: int, subsampling: int
) -> None:
    data = progressive(quality=quality, subsampling=subsampling)
    fewer = fewer_scans(data, 4, coarse=True)
    if quality < 50:  # the steps of coarse coefficients are so large that last bits would show
        assert fewer is data
    else:
        assert len(fewer) < 0.85 * len(data)
    difference = np.abs(decoded(fewer, 4) - decoded(data, 4))
    assert difference.max() <= 12  # as above
    assert difference.mean() < 2
    assert np.array_equal(read_picture(data, Reading(96)).pixels, decoded(fewer, 4))
    for scale in (2, 8):
        assert fewer_scans(data, scale, coarse=True) == fewer_scans(data, scale)


@pytest.mark.parametrize("quality", [30, 50])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize(("height", "width"), [(1601, 1703), (1544, 3000)])
def test_at_an_eighth_what_shows_nothing_is_left_out_and_no_pixel_moves(
    height: int, width: int, subsampling: int, quality: int
) -> None:
    """The qualities are so low that no last bits are left out."""
    data = progressive(height, width, quality=quality, subsampling=subsampling)
    fewer = fewer_scans(data, 8)
    assert len(fewer) < 0.8 * len(data)
    assert np.array_equal(decoded(fewer, 8), decoded(data, 8))
    grey = encoded(
        Image.fromarray(textured(height, width)).convert("L"),
        *("JPEG",),
        progressive=True,
        quality=quality,
    )
    assert np.array_equal(decoded(fewer_scans(grey, 8), 8), decoded(grey, 8))


def test_a_large_picture_is_zero_in_more_than_one_run() -> None:
    data = progressive(2400, 2400, quality=50)
    assert (2400 // 8) ** 2 > 2 * (2**15 - 1)
    assert np.array_equal(decoded(fewer_scans(data, 8), 8), decoded(data, 8))


def test_restart_markers_filling_bytes_and_what_follows_the_picture_do_no_harm() -> None:
    data = progressive(restart_marker_blocks=5)
    assert b"\xff\xd3" in data
    fewer = fewer_scans(data, 4)
    assert len(fewer) < 0.8 * len(data)
    assert fewer_scans(data + b"\xff\xd8 another picture", 4) == fewer
    filled = data.replace(b"\xff\xda", b"\xff\xff\xff\xda")
    assert np.array_equal(decoded(fewer_scans(filled, 4), 4), decoded(fewer, 4))
    in_pieces = progressive(restart_marker_blocks=5, quality=50)
    assert fewer_scans(in_pieces, 8) is in_pieces


def test_a_baseline_picture_stays_as_it_is() -> None:
    data = encoded(Image.fromarray(textured(80, 80)), "JPEG", quality=100)
    assert fewer_scans(data, 4) is data


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_a_cut_file_stays_as_it_is_for_the_decoder_to_say_so(share: float) -> None:
    data = progressive()
    cut = data[: int(len(data) * share)]
    assert fewer_scans(cut, 4) is cut


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
        + segment(
            0xC2,
            bytes([8, 0, 9, 0, 9, components])
            + b"".join(bytes([one, 0x11, 0]) for one in range(1, components + 1)),
        )
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
    assert fewer_scans(file(16, *whole), 4) == file(
        16, *kept[:4], *chroma[:2], TABLES, kept[4], TABLES
    )
    one_bit = file(17, *kept[:4], *chroma, TABLES, fine[0], kept[4], TABLES)
    assert fewer_scans(file(17, *whole), 4) == one_bit
    for step, scale in ((49, 4), (21, 2)):  # too coarse
        data = file(step, *whole)
        assert fewer_scans(data, scale) is data
    for missing in range(len(whole)):
        if whole[missing] != TABLES:
            data = file(1, *whole[:missing], *whole[missing + 1 :])
            assert fewer_scans(data, 4) is data
            assert fewer_scans(data, 8) is data


def test_coarse_detail_that_comes_in_more_than_two_bits_is_refined() -> None:
    """Such as cjpeg -scans writes: the first scan leaves four bits of it to others."""
    means = scan(1, 0, 0, 0, 0)
    later = [scan(1, 1, 63, bit, bit - 1) for bit in (4, 3, 2, 1)]
    of_four = [scan(1, 1, 5, 0, 4), scan(1, 6, 63, 0, 4), *later]
    of_two = [scan(1, 1, 5, 0, 2), scan(1, 6, 63, 0, 2), *later[2:]]
    for step, scans, kept in (
        (3, of_four, of_four[:1]),
        (4, of_four, of_four[:4]),  # without its last two bits
        (4, of_two, of_two[:1]),
        (17, of_four, of_four[:5]),
    ):
        data = b"".join([start(1, step), means, *scans, END])
        expected = b"".join([start(1, step), means, *kept, END])
        assert fewer_scans(data, 4, coarse=True) == expected


@pytest.mark.parametrize("components", [b"", b"\1\0\2\0"])
def test_a_scan_of_more_or_fewer_components_than_it_may_be_of_is_the_decoders_to_judge(
    components: bytes,
) -> None:
    data = progressive(1600, 1600, quality=50)
    head = bytes([len(components) // 2]) + components + b"\1\x3f\x10"
    at = data.rindex(b"\xff\xda")
    odd = data[:at] + segment(0xDA, head) + data[at:]
    for scale in (2, 4, 8):
        assert fewer_scans(odd, scale, coarse=True) is odd
    with pytest.raises(PictureError):
        read_picture(odd, Reading(96))


def test_a_file_of_many_scans_takes_no_time() -> None:
    data = start(1, 1) + scan(1, 1, 63, 1, 0) * 50_000 + END
    begun = time.process_time()
    assert fewer_scans(data, 4) is data
    assert time.process_time() - begun < 1  # linear: milliseconds; quadratic: a minute


@given(st.data())
def test_damage_never_breaks_it(data: st.DataObject) -> None:
    damaged = bytearray(SMALL)
    for at in data.draw(st.lists(st.integers(0, len(SMALL) - 1), max_size=20)):
        damaged[at] = data.draw(st.integers(0, 255))
    found = fewer_scans(bytes(damaged), data.draw(st.sampled_from([2, 4, 8])))
    assert found == bytes(damaged) or (len(found) < len(SMALL) + 90 and found.endswith(END))


SMALL = progressive(48, 48)
