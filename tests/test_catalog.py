"""The walk: what is a picture, what it is called, what is skipped and counted."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.catalog import Walk, image_id, relative_path
from tagger.errors import InputError, Refused
from tagger.exclusions import Exclusions
from tagger.index.buckets import bucket_count, bucket_of


@given(st.binary(max_size=40).filter(lambda b: b"\0" not in b))
def test_an_image_id_leads_back_to_its_path(path: bytes) -> None:
    found = image_id(path)
    assert relative_path(found) == path
    found.encode("utf-8")  # valid, whatever the bytes were


def test_valid_utf8_stays_as_it_is() -> None:
    assert image_id("Kleid Größe 🧥/é.jpg".encode()) == "Kleid Größe 🧥/é.jpg"
    assert image_id(b"a\xff\\b.jpg") == r"a\xff\\b.jpg"


def test_pictures_are_found_in_any_case_and_all_else_is_counted(tmp_path: Path) -> None:
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(b"x")
    root = tmp_path / "catalog"
    for name in (
        "a.JPG",
        "b/c.JpEg",
        "b/with space.webp",
        "b/new\nline.png",
        ".hidden.jpg",
        ".git/x.jpg",
        "notes.txt",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"12")
    with open(os.fsencode(root) + b"/bad\xff.jpg", "wb"):
        pass
    (root / "folder.png").mkdir()
    (root / "inside.jpg").symlink_to("a.JPG")
    (root / "out.jpg").symlink_to(outside)
    (root / "nowhere.jpg").symlink_to("gone.jpg")
    (root / "loop.jpg").symlink_to("loop.jpg")
    (root / "folders").symlink_to("b")
    os.mkfifo(root / "pipe.jpg")
    walk = Walk(root)
    found = {image.image_id: image.size for image in walk}
    assert set(found) == {
        "a.JPG",
        "b/c.JpEg",
        "b/with space.webp",
        "b/new\nline.png",
        r"bad\xff.jpg",
        "inside.jpg",
    }
    assert found["b/c.JpEg"] == 2
    assert walk.skipped == {
        "hidden": 2,
        "not_a_picture": 1,
        "link_outside": 1,
        "broken_link": 2,
        "folder_link": 1,
        "special": 1,
    }


def test_excluded_paths_are_left_out_with_what_they_hold(tmp_path: Path) -> None:
    for name in ("a/1.jpg", "a/thumbs/2.jpg", "b/3.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    walk = Walk(tmp_path, exclude=Exclusions(["*/thumbs", "b/*"]))
    assert [image.image_id for image in walk] == ["a/1.jpg"]
    assert walk.skipped == {"excluded": 2}


def test_a_catalog_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="it is a file"):
        Walk(tmp_path / "file")
    with pytest.raises(InputError, match="no such folder"):
        Walk(tmp_path / "missing")


def test_a_folder_that_cannot_be_listed_is_never_read_as_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "locked").mkdir()
    real = os.scandir

    def scandir(path: bytes) -> object:
        if os.fsencode(path).endswith(
            b"locked"
        ):  # the tests may run as root, whom no permission stops
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(Refused, match=r"'locked/'.*Permission denied"):
        list(Walk(tmp_path))


def test_buckets_follow_from_the_id_and_their_number_from_the_catalog_s() -> None:
    assert [bucket_count(n) for n in (0, 1, 50_000, 50_001, 10**9)] == [1, 1, 1, 2, 20_000]
    assert (
        bucket_of("a/1.jpg", 7)
        == int("0x" + __import__("hashlib").sha256(b"a/1.jpg").hexdigest(), 16) % 7
    )


def test_odd_times_and_odd_links_cost_nothing(tmp_path: Path) -> None:
    (tmp_path / "future.jpg").write_bytes(b"1")
    os.utime(tmp_path / "future.jpg", ns=(0, 2**63 + 10**15))
    (tmp_path / "long.jpg").symlink_to("z" * 300)
    walk = Walk(tmp_path)
    assert [image.mtime_ns for image in walk] == [2**63 - 1]
    assert walk.skipped == {"broken_link": 1}
