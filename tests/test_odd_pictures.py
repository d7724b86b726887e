"""Pictures that are odd and whole, or look whole and are not: each kind that once came out wrong
without a word."""

import io
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
import pyvips
import tifffile
from conftest import textured
from picture_matrix.drawing import drawn
from picture_matrix.tiff import written_tiff
from PIL import Image, ImageCms, PngImagePlugin
from test_reader import encoded, quadrants, status_of

from tagger.imaging.decoder import Decoder
from tagger.imaging.picture_error import PictureError
from tagger.imaging.preprocessing import Reading
from tagger.imaging.reader import read_picture


def chunk(kind: bytes, content: bytes, *, wrong: int = 0) -> bytes:
    checksum = zlib.crc32(kind + content) ^ wrong
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


@pytest.mark.parametrize(
    "metadata",
    [
        chunk(b"zTXt", b"Raw profile type xmp\0\0" + zlib.compress(b"x" * 2_000_000)),
        chunk(b"iCCP", b"icc\0\0" + zlib.compress(b"x" * 2_000_000)),
        chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1), wrong=255),
        chunk(b"tEXt", b"Software\0x", wrong=255),
        chunk(b"iCCP", b"icc\0\0" + zlib.compress(b"x" * 500), wrong=255),
        chunk(b"pHYs", b"\0\0"),
        chunk(b"eXIf", b"nonsense"),
        chunk(b"tIME", b"\0" * 99),
        chunk(b"acTL", b"\0"),
        chunk(b"fdAT", b"\0\0\0\1" + zlib.compress(b"x")),
    ],
)
def test_odd_metadata_does_not_lose_a_png(metadata: bytes) -> None:
    data = encoded(Image.fromarray(quadrants()))
    assert np.array_equal(
        read_picture(data[:33] + metadata + data[33:], Reading(8)).pixels, quadrants()
    )


@pytest.mark.parametrize("missing", [1, 4, 8, 12])
def test_a_png_of_which_only_the_end_chunk_is_missing_is_read(missing: int) -> None:
    data = encoded(Image.fromarray(quadrants()))
    assert np.array_equal(read_picture(data[:-missing], Reading(8)).pixels, quadrants())


def samsung(data: bytes) -> bytes:
    """Return a baseline JPEG whose scan says that it ends at coefficient 0, as some cameras write
    it."""
    at = data.index(b"\xff\xda")
    assert data[at + 11 : at + 14] == b"\0\x3f\0"
    return data[: at + 12] + b"\0" + data[at + 13 :]


def stray(data: bytes) -> bytes:
    """Return a JPEG with bytes that belong to nothing before its scan."""
    at = data.index(b"\xff\xda")
    return data[:at] + b"\0\0\0" + data[at:]


def jfif_of_the_future(data: bytes) -> bytes:
    """Return a JPEG of a JFIF version that is not known."""
    at = data.index(b"JFIF\0") + 5
    return data[:at] + b"\7" + data[at + 1 :]


@pytest.mark.parametrize("warned_of", [samsung, stray, jfif_of_the_future])
@pytest.mark.parametrize("restarts", [0, 4])
def test_a_first_warning_does_not_hide_that_the_file_ends_early(
    warned_of: Callable[[bytes], bytes], restarts: int
) -> None:
    noise = textured(240, 320, seed=5)
    options = {"quality": 90, "restart_marker_blocks": restarts} if restarts else {"quality": 90}
    whole = encoded(Image.fromarray(noise), "JPEG", **options)
    odd = warned_of(whole)
    assert (
        np.abs(
            read_picture(odd, Reading(48)).pixels.astype(int)
            - read_picture(whole, Reading(48)).pixels
        ).max()
        <= 8
    )
    for share in (0.34, 0.6, 0.9):
        cut = odd[: int(len(odd) * share)]
        assert status_of(cut + b"\xff\xd9", size=48) == "truncated"
        assert status_of(cut + bytes(3000), size=48) == "truncated"
        assert status_of(cut, size=48) == "truncated"
        hole = cut + bytes(max(2000, len(odd) - len(cut))) + b"\xff\xd9"
        assert status_of(hole, size=48) == "truncated"


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("tail", [b"", b"\0" * 3000, b"\xff"])
@pytest.mark.parametrize("picture", ["noise", "white"])
def test_a_jpeg_that_lacks_only_its_end_mark_is_read(
    progressive: bool, tail: bytes, picture: str
) -> None:
    pixels = (
        textured(240, 320, seed=6) if picture == "noise" else np.full((240, 320, 3), 255, np.uint8)
    )
    for optimize in (False, True):
        whole = encoded(
            Image.fromarray(pixels), "JPEG", quality=90, progressive=progressive, optimize=optimize
        )
        assert whole.endswith(b"\xff\xd9")
        found = read_picture(whole[:-2] + tail, Reading(48)).pixels
        assert np.abs(found.astype(int) - read_picture(whole, Reading(48)).pixels).max() <= 8


def test_what_follows_a_jpeg_s_end_mark_is_nobody_s_business() -> None:
    whole = encoded(Image.fromarray(textured(64, 64)), "JPEG")
    for tail in (
        b"\0",
        b"trailer" * 500,
        encoded(Image.fromarray(textured(16, 16)), "JPEG"),
        b"\xff\xda junk",
    ):
        assert np.array_equal(
            read_picture(whole + tail, Reading(16)).pixels, read_picture(whole, Reading(16)).pixels
        )


def test_a_hole_of_zeros_is_told_from_a_large_white_area() -> None:
    white = np.full((2000, 2000, 3), 255, np.uint8)
    white[:40] = textured(40, 2000, seed=7)
    data = encoded(Image.fromarray(white), "JPEG", quality=75, optimize=True)
    assert b"\0" * 512 in samsung(data)  # zeros are what white is coded as
    assert read_picture(samsung(data), Reading(48)).pixels[40].min() > 250


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_what_xmp_says_of_orientation_counts_in_no_format(kind: str) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    options: dict[str, object] = {"xmp": xmp}
    if kind == "PNG":
        options = {"pnginfo": PngImagePlugin.PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode())  # type: ignore[attr-defined]
    if kind == "TIFF":
        options = {"tiffinfo": {700: xmp}}
    picture = read_picture(encoded(Image.fromarray(textured(40, 24)), kind, **options), Reading(8))
    assert (picture.width, picture.height) == (24, 40)


def test_a_profile_of_nonsense_changes_nothing() -> None:
    plain = encoded(Image.fromarray(quadrants()))
    for profile in (
        b"",
        b"nonsense",
        bytes(200),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
    ):
        data = encoded(Image.fromarray(quadrants()), "PNG", icc_profile=profile)
        assert np.array_equal(
            read_picture(data, Reading(8)).pixels, read_picture(plain, Reading(8)).pixels
        )


def test_a_bundle_that_ignores_profiles_gets_the_numbers_as_they_are() -> None:
    black = pyvips.Image.new_from_array(np.zeros((1, 1, 3), np.uint8)).copy(interpretation="srgb")
    profile = black.icc_transform("p3", input_profile="srgb")
    data = encoded(
        Image.new("RGB", (8, 8), (200, 40, 40)), "PNG", icc_profile=profile.get("icc-profile-data")
    )
    assert read_picture(data, Reading(8, profiles="ignored")).pixels[4, 4].tolist() == [200, 40, 40]
    assert read_picture(data, Reading(8)).pixels[4, 4, 0] > 210


def test_an_sRGB_profile_by_any_name_changes_nothing() -> None:  # noqa: N802 - as it is written
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(Image.fromarray(textured(16, 16)), "PNG", icc_profile=profile)
    plain = encoded(Image.fromarray(textured(16, 16)))
    assert np.array_equal(
        read_picture(data, Reading(16)).pixels, read_picture(plain, Reading(16)).pixels
    )


def restarted(pixels: np.ndarray) -> tuple[bytes, list[int]]:
    """Return a JPEG with restart marks, and where they are."""
    data = encoded(Image.fromarray(pixels), "JPEG", quality=90, restart_marker_blocks=4)
    scan = data.index(b"\xff\xda")
    return data, [
        at for at in range(scan, len(data) - 1) if data[at] == 0xFF and 0xD0 <= data[at + 1] <= 0xD7
    ]


@pytest.mark.parametrize("left", [1, 7, 20])
def test_a_jpeg_cut_at_a_restart_mark_or_without_some_pieces_is_truncated(left: int) -> None:
    data, marks = restarted(textured(240, 320, seed=8))
    assert len(marks) > 30
    for tail in (
        b"",
        b"\xff\xd9",
        data[marks[left] : marks[left] + 2] + b"\xff\xd9",
        data[marks[-8] :],
    ):
        assert status_of(data[: marks[left]] + tail, size=48) == "truncated"
    read_picture(data, Reading(48))


def scans_of(data: bytes) -> list[int]:
    """Return where the scans of a JPEG begin; nothing in these pictures' data looks like that."""
    return [at for at in range(len(data) - 1) if data[at : at + 2] == b"\xff\xda"]


def test_a_progressive_jpeg_cut_between_its_scans_is_truncated_until_all_of_it_was_sent_once() -> (
    None
):
    data = encoded(
        Image.fromarray(textured(240, 320, seed=9)), "JPEG", quality=90, progressive=True
    )
    scans = scans_of(data)
    whole = read_picture(data, Reading(48)).pixels.astype(int)
    statuses = []
    for at in scans[1:]:
        tables = data.rfind(b"\xff\xc4", 0, at)
        cut = data[: tables if tables > scans[0] else at]
        for tail in (b"", b"\xff\xd9", bytes(3000)):
            try:
                assert np.abs(read_picture(cut + tail, Reading(48)).pixels - whole).mean() < 3
                statuses.append("ok")
            except PictureError as error:
                statuses.append(error.status)
    assert statuses == sorted(
        statuses, reverse=True
    )  # truncated, until last bits alone are missing
    assert statuses[0] == "truncated"


def test_a_png_whose_data_end_before_its_last_row_is_not_scored() -> None:
    for pixels in (
        textured(60, 60),
        np.dstack([textured(60, 60), np.full((60, 60), 200, np.uint8)]),
    ):
        data = encoded(Image.fromarray(pixels))
        at = data.index(b"IDAT")
        (length,) = struct.unpack(">I", data[at - 4 : at])
        rows = zlib.decompress(data[at + 4 : at + 4 + length])
        short = chunk(b"IDAT", zlib.compress(rows[: len(rows) * 2 // 3]))
        assert status_of(data[: at - 4] + short + data[at + 8 + length :]) == "unreadable"


def test_a_gif_whose_first_frame_does_not_fill_its_canvas_is_white_around_it() -> None:
    frame = encoded(Image.new("P", (4, 4), 0), "GIF")
    at = frame.index(b",", 13)
    palette = b"\x0a\x78\xb4" + frame[16:at]  # its first color is no white
    data = frame[:6] + struct.pack("<HH", 8, 8) + frame[10:13] + palette + frame[at:]
    pixels = read_picture(data, Reading(8)).pixels
    assert pixels[:4, :4].reshape(-1, 3).tolist() == [[0x0A, 0x78, 0xB4]] * 16
    assert (pixels[4:] == 255).all()
    assert (pixels[:, 4:] == 255).all()


@pytest.mark.parametrize("tail", [b"\xff", b"\xff\0", b"\xff\xff\0"])
def test_a_long_tail_of_anything_takes_no_time_to_look_at(tail: bytes) -> None:
    """Were each byte looked at for each before it, this would take hours."""
    data = encoded(Image.fromarray(textured(64, 64)), "JPEG")[:-2]
    with suppress(PictureError):
        read_picture(data + tail * 500_000, Reading(16))


@pytest.mark.parametrize("kind", ["B", "H", "I"])
def test_a_tiff_is_turned_once_whatever_type_its_orientation_has(kind: str) -> None:
    picture = drawn(12)
    stored = np.ascontiguousarray(picture.swapaxes(0, 1)[::-1])  # orientation 6
    number = {"B": 1, "H": 3, "I": 4}[kind]
    data = written_tiff(stored, photometric="rgb", extratags=[(274, number, 1, 6, True)])
    assert np.abs(read_picture(data, Reading(96)).pixels - small(picture)).mean() < 1


def small(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (96, 96), interpolation=cv2.INTER_AREA).astype(int)


def test_what_a_file_holds_is_not_taken_for_what_the_machine_says(tmp_path: Path) -> None:
    for i, words in enumerate(
        (b"can't protect page", b"Out of memory", b"bad_alloc", b"Too many open files")
    ):
        (tmp_path / f"{i}.jpg").write_bytes(words)
    with Decoder(Reading(8), workers=1) as decoder:
        (found,) = decoder.decode([(None, [str(path) for path in sorted(tmp_path.iterdir())])])
    assert [(facts.status, facts.lacking) for facts in found.facts] == [("unsupported", False)] * 4


def test_a_tiff_of_separate_channels_with_an_entry_of_an_odd_type_is_refused_in_words() -> None:
    pixels = np.zeros((3, 20, 30), np.uint16)
    target = io.BytesIO()
    tifffile.imwrite(target, pixels, photometric="rgb", planarconfig="separate")
    offsets = struct.pack("<HH", 273, 4)
    assert target.getvalue().count(offsets) == 1
    odd = target.getvalue().replace(offsets, struct.pack("<HH", 273, 6))
    with pytest.raises(PictureError, match="TIFF: its directory cannot be read"):
        read_picture(odd, Reading(16))
