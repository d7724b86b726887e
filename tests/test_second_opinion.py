"""A picture that is ok was read rightly: every one is held to what other decoders make of the same
bytes.

What two others read whole is not lost. Each exception is named here, with its reason.
"""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import SHARED
from opinions import Pixels, difference, opinions, resized
from picture_matrix import everything
from picture_matrix.drawing import Made, drawn, saved
from PIL import Image
from test_fuzz import mutated

from tagger.imaging.decoder import Decoder, chunked
from tagger.imaging.file_facts import FileFacts
from tagger.imaging.preprocessing import Reading
from tagger.imaging.reader import read_picture

READING = Reading(96)
AT_MOST = 3.0
"""Of 255, on average, at 96 x 96."""

OTHERS_DIFFER = {
    r"rgb32f_(bw|color)\.tiff": "floats from 0 to 1 without a profile: libvips thinks of linear "
    "light, we of 8 bits "
    "made floats, as who writes them does",
    r"tiff-(rgb|grey)-float(32|64)\.tif": (
        "the same; other decoders cut floats off, or do not read them"
    ),
    r"tiff-grey-1[024]-bits\.tif": (
        "others show 12 bits as if they were 16, and do not read 10 and 14"
    ),
    r"-damaged-profile-": (
        "a damaged color profile: others believe one that makes white another color"
    ),
    r"-damaged-video-": "damaged HEVC or AV1 data: each decoder guesses, and none says so",
    r"-\d{5}-.*(fax4|crash-\w{40})\.tiff?$": (
        "damaged fax codes: each library goes on in its own way"
    ),
    r"cmyk.*\.tif$": "CMYK without a profile: libvips takes one of its own",
    r"tiff-unspecified-channel|hopper_lzma|ycbcr_lzw_broken": "libvips takes the channel for "
    "alpha, knows no "
    "LZMA, and reads YCbCr with LZW as if it were RGB",
    r"fox\.profile0\.8bpc\.yuv420\.monochrome": "libvips does not stretch grey of limited range",
    r"extended_pixi\.avif": "4 x 4 pixels, of which chroma has a quarter: smoothed in another way",
    r"bmp-5[56]5-|rgba?32(h5[26]|-1)?\.bmp|32bf-abgr\.bmp": (
        "OpenCV misreads these masks, and lays no alpha over white"
    ),
    r"zPug_3\.heic|invalid_id\.heic": (
        "several pictures and turned tiles: FFmpeg shows the first tile"
    ),
}
"""Pictures on which no other decoder is right, or asked: by name."""

NOT_LOST = {
    "JPEG: the file ends before the picture "
    "does": "data that end early: others paint the rest grey without a word",
}
"""Reasons with which a picture may be lost that two others show."""


class Read(dict[str, tuple[FileFacts, Pixels]]):
    """Facts and pixels by path."""


def read_files(paths: Sequence[Path]) -> Read:
    """Read files as a night does: in decode workers, which may die."""
    found = Read()
    with Decoder(READING, workers=2) as decoder:
        chunks = ((chunk, chunk) for chunk in chunked(map(str, paths)))
        for chunk in decoder.decode(chunks):
            for path, facts, pixels in zip(chunk.key, chunk.facts, chunk.pixels, strict=True):
                found[path] = (facts, np.array(pixels))
    return found


def ask(paths: Sequence[Path]) -> Iterator[tuple[Path, dict[str, Pixels]]]:
    """Yield what others make of each file, in processes that may die too: who died has no
    opinion."""
    todo = list(paths)
    while todo:
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            answers = [pool.submit(_opinions_of, path) for path in todo]
            try:
                for answer in answers:
                    yield todo[0], answer.result()
                    todo.pop(0)
            except BrokenProcessPool:
                yield todo[0], {}
                todo.pop(0)


def _opinions_of(path: Path) -> dict[str, Pixels]:
    return opinions(path.read_bytes())


def compare(paths: Sequence[Path], *, at_least: int) -> tuple[str, list[str]]:
    """Return how many pictures were compared, and what is wrong: other pixels, or lost though two
    others agree.

    Fewer pictures compared than `at_least` are wrong too: the other decoders do not work.
    """
    ours, wrong, excused, compared = read_files(paths), [], 0, 0
    for path, others in ask(paths):
        facts, pixels = ours[str(path)]
        if facts.status == "ok":
            differences = {
                name: round(difference(pixels, theirs), 1) for name, theirs in others.items()
            }
            compared += bool(others)
            if others and min(differences.values()) > AT_MOST:
                if any(re.search(pattern, path.name) for pattern in OTHERS_DIFFER):
                    excused += 1
                else:
                    wrong.append(f"{path.name}: ok, but {differences}")
        elif len(others) >= 2 and _agree(list(others.values())):
            if any(reason in str(facts.error) for reason in NOT_LOST):
                excused += 1
            else:
                wrong.append(
                    f"{path.name}: {facts.status} ({facts.error}), but {sorted(others)} read it"
                )
    if compared < at_least:
        wrong.append(f"only {compared} pictures were compared")
    counts = (
        f"{len(paths)} files, {compared} pictures compared, {excused} named exceptions, "
        f"{len(wrong)} wrong"
    )
    return counts, wrong


def _agree(pictures: list[Pixels]) -> bool:
    return all(difference(pictures[0], other) <= AT_MOST for other in pictures[1:])


@pytest.fixture(scope="module")
def matrix() -> list[Made]:
    return list(everything())


def test_every_kind_of_picture_shows_what_was_drawn(matrix: list[Made]) -> None:
    """Held to the drawing itself, not to another decoder."""
    wrong = []
    for made in matrix:
        if made.name in UNREADABLE:
            continue
        found = difference(read_picture(made.data, READING).pixels, resized(made.shows))
        if found > AT_MOST:
            wrong.append(f"{made.name}: {found:.1f}")
    assert not wrong, wrong
    assert set(UNREADABLE) <= {made.name for made in matrix}


UNREADABLE = {
    "tiff-grey-alpha-16.tif": "OpenCV and Pillow do not read two channels of 16 bits; libvips does",
    "tiff-rgb-float16.tif": "OpenCV and Pillow do not read floats of 16 bits",
    "tiff-grey-float16.tif": "the same",
}


def test_every_kind_of_picture_is_what_other_decoders_make_of_it(
    matrix: list[Made], tmp_path: Path
) -> None:
    paths = [tmp_path / made.name for made in matrix]
    for path, made in zip(paths, matrix, strict=True):
        path.write_bytes(made.data)
    counts, wrong = compare(paths, at_least=200)
    print(counts)
    assert not wrong, "\n".join([counts, *wrong])


@pytest.mark.shared
def test_odd_pictures_are_what_other_decoders_make_of_them() -> None:
    counts, wrong = compare(sorted((SHARED / "odd").glob("*")), at_least=380)
    print(counts)
    assert not wrong, "\n".join([counts, *wrong])


@pytest.mark.shared
def test_originals_are_what_other_decoders_make_of_them() -> None:
    counts, wrong = compare(sorted((SHARED / "fullres").glob("*/*")), at_least=120)
    print(counts)
    assert not wrong, "\n".join([counts, *wrong])


def nudged(data: bytes, random: np.random.Generator) -> bytes:
    """Return a copy of `data` of which a few bits are turned: most decoders say nothing of it."""
    damaged = bytearray(data)
    for _ in range(int(random.integers(1, 4))):
        damaged[int(random.integers(len(damaged)))] ^= 1 << int(random.integers(8))
    return bytes(damaged)


def check_mutants(folder: Path, sources: list[Made], *, count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    contents = [source.data for source in sources]
    paths = []
    for i in range(count):
        source = sources[int(random.integers(len(sources)))]
        damaged = mutated(source.data, contents, random) if i % 2 else nudged(source.data, random)
        kind = f"{damage_to_profile(source.data, damaged)}{damage_to_video(damaged)}"
        paths.append(folder / f"{seed}-{i:05d}{kind}-{source.name}")
        paths[-1].write_bytes(damaged)
    counts, wrong = compare(paths, at_least=count // 5)
    print(counts)
    assert not wrong, "\n".join([counts, *wrong])


def damage_to_profile(data: bytes, damaged: bytes) -> str:
    """Return a mark for names of files whose color profile is damaged."""
    at = data.find(b"acsp")
    same = at < 0 or data[max(0, at - 40) : at + 4000] == damaged[max(0, at - 40) : at + 4000]
    return "" if same else "-damaged-profile"


def damage_to_video(damaged: bytes) -> str:
    """Return a mark for names of damaged HEIC and AVIF files."""
    return "-damaged-video" if damaged[4:8] == b"ftyp" else ""


def sources_of(matrix: list[Made]) -> list[Made]:
    paths = sorted((SHARED / "odd").glob("*")) if SHARED.is_dir() else []
    odd = [
        Made(path.name[-60:], path.read_bytes(), np.zeros((1, 1, 3), np.uint8)) for path in paths
    ]
    return [made for made in [*odd, *matrix] if 0 < len(made.data) < 300_000]


def test_a_thousand_mutants_are_what_other_decoders_make_of_them(
    matrix: list[Made], tmp_path: Path
) -> None:
    check_mutants(tmp_path, sources_of(matrix), count=1000, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
def test_many_thousand_mutants_are_too(matrix: list[Made], tmp_path: Path, seed: int) -> None:
    check_mutants(tmp_path, sources_of(matrix), count=1000, seed=seed)


@pytest.mark.parametrize("size", [24, 48, 96, 192])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_at_every_reduced_scale_is_the_whole_one_made_small(
    size: int, progressive: bool
) -> None:
    picture = drawn(11)
    large = np.asarray(cv2.resize(picture, (1280, 960), interpolation=cv2.INTER_CUBIC), np.uint8)
    data = saved(Image.fromarray(large), "JPEG", quality=85, progressive=progressive)
    wanted = cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)
    assert (
        difference(read_picture(data, Reading(size)).pixels, np.asarray(wanted, np.uint8)) < AT_MOST
    )
