"""The one picture reader, held to exact values."""

import io
from contextlib import suppress

import cv2
import numpy as np
import pytest
from conftest import jpeg, textured
from PIL import Image

from tagger.imaging.headers import MAX_PIXELS
from tagger.imaging.picture_error import PictureError
from tagger.imaging.preprocessing import Reading
from tagger.imaging.reader import orient, read_picture

RED, GREEN, BLUE, GREY = (200, 0, 0), (0, 180, 0), (0, 0, 160), (90, 90, 90)


def quadrants(width: int = 8, height: int = 8) -> np.ndarray:
    """Red, green over blue, grey: every orientation is another picture."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2], picture[: height // 2, width // 2 :] = RED, GREEN
    picture[height // 2 :, : width // 2], picture[height // 2 :, width // 2 :] = BLUE, GREY
    return picture


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def status_of(data: bytes, size: int = 8) -> str:
    with pytest.raises(PictureError) as caught:
        read_picture(data, Reading(size))
    return caught.value.status


def test_a_png_comes_back_as_rgb_unchanged() -> None:
    picture = read_picture(encoded(Image.fromarray(quadrants())), Reading(8))
    assert np.array_equal(picture.pixels, quadrants())
    assert (picture.width, picture.height) == (8, 8)


# Where each corner of the upright picture lies in the stored one, by the Exif standard: row 0 and
# column 0 are ...
STORED_CORNERS = {
    1: (RED, GREEN, BLUE, GREY),
    2: (GREEN, RED, GREY, BLUE),
    3: (GREY, BLUE, GREEN, RED),
    4: (BLUE, GREY, RED, GREEN),
    5: (RED, BLUE, GREEN, GREY),
    6: (GREEN, GREY, RED, BLUE),
    7: (GREY, GREEN, BLUE, RED),
    8: (BLUE, RED, GREY, GREEN),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_each_exif_orientation_is_set_upright(orientation: int, kind: str) -> None:
    first, second, third, fourth = STORED_CORNERS[orientation]
    stored = np.zeros((16, 16, 3), np.uint8)
    stored[:8, :8], stored[:8, 8:], stored[8:, :8], stored[8:, 8:] = first, second, third, fourth
    exif = Image.Exif()
    exif[274] = orientation
    lossless = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(
        kind, {}
    )
    picture = read_picture(
        encoded(Image.fromarray(stored), kind, exif=exif, **lossless), Reading(16)
    )
    wanted = np.kron(quadrants(2, 2), np.ones((8, 8, 1))).astype(int)
    assert np.abs(picture.pixels.astype(int) - wanted).max() <= (2 if kind == "JPEG" else 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_width_and_height_are_those_of_the_upright_picture(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    picture = read_picture(
        encoded(Image.fromarray(textured(40, 24)), "JPEG", exif=exif), Reading(8)
    )
    assert (picture.width, picture.height) == ((24, 40) if orientation < 5 else (40, 24))


def test_orienting_agrees_with_pillow() -> None:
    from PIL import ImageOps

    for orientation in range(1, 9):
        image = Image.fromarray(textured(9, 5))
        image.getexif()[274] = orientation
        assert np.array_equal(
            orient(textured(9, 5), orientation), np.asarray(ImageOps.exif_transpose(image))
        )


@pytest.mark.parametrize(
    ("alpha", "expected"), [(255, (200, 100, 0)), (0, (255, 255, 255)), (51, (244, 224, 204))]
)
def test_transparency_lies_over_white(alpha: int, expected: tuple[int, int, int]) -> None:
    image = Image.new("RGBA", (4, 4), (200, 100, 0, alpha))
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {})):
        assert read_picture(encoded(image, kind, **options), Reading(4)).pixels[
            2, 2
        ].tolist() == list(expected), kind


def test_transparency_is_laid_over_white_as_if_before_resizing() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (64, 48, 4)).astype(np.uint8)
    pixels[:20, :, 3], pixels[20:40, :, 3] = (
        0,
        255,
    )  # a cut-out: what is hidden must not shine through at its edge
    alpha = pixels[..., 3:].astype(float) / 255
    over = np.round(pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    wanted = cv2.resize(over, (8, 8), interpolation=cv2.INTER_AREA).astype(int)
    found = read_picture(encoded(Image.fromarray(pixels, "RGBA")), Reading(8)).pixels.astype(int)
    assert np.abs(found - wanted).max() <= 1


def test_transparent_palette_and_gray_alpha_lie_over_white_too() -> None:
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([10, 20, 30, 200, 0, 0])
    palette.putpixel((0, 0), 1)
    pixels = read_picture(encoded(palette, "PNG", transparency=0), Reading(4)).pixels
    assert pixels[0, 0].tolist() == [200, 0, 0]
    assert pixels[3, 3].tolist() == [255, 255, 255]
    gray = read_picture(encoded(Image.new("LA", (4, 4), (100, 51))), Reading(4)).pixels
    assert gray[0, 0].tolist() == [224, 224, 224]


def test_palette_and_grayscale_become_rgb() -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 12, 200, 99])
    assert read_picture(encoded(palette), Reading(4)).pixels[1, 1].tolist() == [12, 200, 99]
    assert read_picture(encoded(Image.new("L", (4, 4), 77)), Reading(4)).pixels[1, 1].tolist() == [
        77,
        77,
        77,
    ]


def test_sixteen_bits_become_eight() -> None:
    gray = np.full((4, 4), 0x8040, np.uint16)
    assert read_picture(encoded(Image.fromarray(gray)), Reading(4)).pixels[0, 0].tolist() == [
        128,
        128,
        128,
    ]
    colour = np.zeros((4, 4, 3), np.uint16)
    colour[...] = (0x1020, 0x8040, 0xF0F0)  # OpenCV writes BGR
    data = bytes(cv2.imencode(".png", colour)[1])
    assert read_picture(data, Reading(4)).pixels[0, 0].tolist() == [240, 128, 16]


def test_cmyk_is_read_as_printed() -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # no cyan, full magenta and yellow: red
    red = read_picture(encoded(image, "JPEG", quality=100), Reading(16)).pixels[8, 8].astype(int)
    assert np.abs(red - (254, 0, 0)).max() <= 3


def test_resizing_is_by_area() -> None:
    checks = np.indices((32, 32)).sum(axis=0) % 2 * 200
    image = Image.fromarray(np.repeat(checks[..., None], 3, axis=2).astype(np.uint8))
    assert np.all(read_picture(encoded(image), Reading(8)).pixels == 100)


@pytest.mark.parametrize(("short", "scale"), [(95, 1), (383, 1), (384, 2), (768, 4), (1536, 8)])
def test_a_jpeg_is_decoded_at_the_smallest_scale_that_keeps_twice_the_input_size(
    short: int, scale: int
) -> None:
    data = jpeg(textured(short, short + 40))
    flag = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}.get(
        scale, cv2.IMREAD_REDUCED_COLOR_8
    )
    reduced = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    wanted = cv2.resize(reduced, (96, 96), interpolation=cv2.INTER_AREA)[..., ::-1]
    picture = read_picture(data, Reading(96))
    # A factor keeps 2 x 96 on the short side: 384 / 2, 768 / 4, 1536 / 8.
    assert np.array_equal(picture.pixels, wanted)
    assert (picture.height, picture.width) == (short, short + 40)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("size", [8, 96])
def test_a_cut_jpeg_is_truncated_even_if_it_ends_like_a_whole_one(share: float, size: int) -> None:
    for options in ({}, {"progressive": True}):
        data = encoded(Image.fromarray(textured(800, 600)), "JPEG", quality=90, **options)
        cut = data[: int(len(data) * share)]
        for damaged in (cut, cut + b"\xff\xd9"):
            if options and damaged.endswith(b"\xff\xd9"):
                # A progressive picture closed between two scans has every block, if coarsely: it
                # may be read.
                with suppress(PictureError):
                    read_picture(damaged, Reading(size))
            else:
                assert status_of(damaged, size) == "truncated"


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "JPEG2000"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_cut_file_of_any_kind_is_never_scored(kind: str, share: float) -> None:
    data = encoded(Image.fromarray(textured(64, 64)), kind)
    assert status_of(data[: int(len(data) * share)]) in ("truncated", "unreadable")


def test_a_whole_file_of_any_kind_is_read() -> None:
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "JPEG2000"):
        picture = read_picture(encoded(Image.new("RGB", (64, 64), (200, 40, 40)), kind), Reading(8))
        assert np.abs(picture.pixels.astype(int) - (200, 40, 40)).max() <= 12, kind


def test_what_is_no_picture_says_why() -> None:
    assert status_of(b"") == "empty"
    assert status_of(b"<!DOCTYPE html><title>503</title>") == "unsupported"
    assert status_of(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic") == "unreadable"
    assert status_of(b"\xff\xd8\xff") == "truncated"
    assert status_of(b"\x89PNG\r\n\x1a\n" + b"\x00" * 60 + b"IEND") == "unreadable"


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    import struct
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    for side in (10_001, 65_535):
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        body = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")
        assert side**2 > MAX_PIXELS
        assert status_of(bomb) == "too_large"


def test_damaged_exif_does_not_lose_the_picture() -> None:
    data = encoded(
        Image.fromarray(quadrants()), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff"
    )
    assert read_picture(data, Reading(8)).width == 8


def test_reading_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    status_of(jpeg(textured(80, 80))[:900] + b"\xff\xd9")
    assert capfd.readouterr().err == ""
