"""What --exclude leaves out: what it names, in the spellings that people know, and nothing else."""

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.catalog import Walk, image_id
from tagger.errors import InputError
from tagger.exclusions import Exclusions, Idle, complaint

NAMES = (
    *(
        "red_dress/1.jpg",
        "red_dress/raw/2.jpg",
        "blue/raw/3.jpg",
        "blue/a/b/raw/4.jpg",
        "raw/5.jpg",
        "red_dress.jpg",
    ),
    *(
        "[2024]/6.jpg",
        "2/7.jpg",
        "*/8.jpg",
        "what?/9.jpg",
        "whats/10.jpg",
        "Größe/11.jpg",
        r"back\slash/12.jpg",
    ),
    *(
        "it's/13.jpg",
        "new\nline/14.jpg",
        "zero\u200bwidth/15.jpg",
        "tail /16.jpg",
        "#odd/17.jpg",
        ".hidden/18.jpg",
    ),
)
RAW = {"red_dress/raw/2.jpg", "blue/raw/3.jpg", "blue/a/b/raw/4.jpg", "raw/5.jpg"}
DRESS = {"red_dress/1.jpg", "red_dress/raw/2.jpg"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("catalog")
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    os.mkdir(os.fsencode(root) + b"/bad\xff")
    with open(os.fsencode(root) + b"/bad\xff/19.jpg", "wb"):
        pass
    return root


def left_out(root: Path, *patterns: str) -> set[str]:
    """Return what the patterns leave out of the pictures that are found without them."""
    every = {image.image_id for image in Walk(root)}
    return every - {image.image_id for image in Walk(root, exclude=Exclusions(patterns))}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        # A folder, as rsync, gitignore, a shell's completion and find spell it.
        *(
            (spelling, DRESS)
            for spelling in ("red_dress", "red_dress/", "./red_dress", "/red_dress", "red_dress/**")
        ),
        *(
            (spelling, DRESS)
            for spelling in ("./red_dress/", "/red_dress/**", "red_dress//", "red_dress/*")
        ),
        # At any depth, or at the top alone.
        *((spelling, RAW) for spelling in ("raw", "raw/", "**/raw", "**/raw/", "**/raw/**")),
        *((spelling, {"raw/5.jpg"}) for spelling in ("/raw", "./raw/", "raw/*", "/raw/**")),
        ("*/raw/*", RAW - {"raw/5.jpg"}),
        ("blue/**/raw", {"blue/raw/3.jpg", "blue/a/b/raw/4.jpg"}),
        ("blue/*/raw", {"blue/a/b/raw/4.jpg"}),
        ("blue/raw/3.jpg", {"blue/raw/3.jpg"}),
        ("3.jpg", {"blue/raw/3.jpg"}),
        ("red_*", {*DRESS, "red_dress.jpg"}),
        ("red_*/", DRESS),  # folders alone
        ("*_dress.jpg", {"red_dress.jpg"}),
        ("[rb]lue", {"blue/raw/3.jpg", "blue/a/b/raw/4.jpg"}),
        # A name that is there as it stands is no glob.
        *(
            (spelling, {"[2024]/6.jpg"})
            for spelling in ("[2024]", "[2024]/", "/[2024]", r"\[2024\]/", "[2024]/**")
        ),
        *((spelling, {"*/8.jpg"}) for spelling in ("*/", "/*", r"\*/")),
        ("what?/", {"what?/9.jpg"}),
        ("[2-3]/", {"2/7.jpg"}),
        # Both Unicode forms, whichever the disk has.
        (unicodedata.normalize("NFC", "Größe"), {"Größe/11.jpg"}),
        (unicodedata.normalize("NFD", "Größe/"), {"Größe/11.jpg"}),
        (unicodedata.normalize("NFD", "Größ*/"), {"Größe/11.jpg"}),
        # As typed, and as a message quotes it.
        *(
            (spelling, {r"back\\slash/12.jpg"})
            for spelling in (r"back\slash/", r"back\\slash/", r"back\\\\slash/")
        ),
        *(
            (spelling, {r"bad\xff/19.jpg"})
            for spelling in ("bad\udcff/", r"bad\xff/", r"bad\\xff/")
        ),
        ("it's/", {"it's/13.jpg"}),
        *((spelling, {"new\nline/14.jpg"}) for spelling in ("new\nline/", r"new\nline/")),
        *(
            (spelling, {"zero\u200bwidth/15.jpg"})
            for spelling in ("zero\u200bwidth", r"zero\u200bwidth/")
        ),
        ("tail /", {"tail /16.jpg"}),
        ("#odd", {"#odd/17.jpg"}),
        # Not there.
        *(
            (spelling, set())
            for spelling in (
                "Red_Dress",
                "dress",
                "red_dress.jpg/",
                "red_dress/raw/x",
                "!raw",
                "tail",
            )
        ),
    ],
)
def test_a_pattern_leaves_out_what_it_names(root: Path, pattern: str, expected: set[str]) -> None:
    assert left_out(root, pattern) == expected


def test_a_path_may_be_given_from_the_root_of_the_machine_on(root: Path) -> None:
    assert left_out(root, f"{root}/red_dress/") == DRESS


@given(
    st.lists(st.text(st.characters(exclude_characters="\0/"), min_size=1), min_size=1, max_size=3)
)
def test_the_printed_name_of_a_folder_leaves_it_out(parts: list[str]) -> None:
    known = image_id("/".join(f"{part}x" for part in parts).encode("utf-8", errors="surrogatepass"))
    for printed in (known, f"{known}/", repr(f"{known}/")[1:-1]):
        assert Exclusions([printed]).leave_out(known, is_folder=True)


def test_a_pattern_that_matched_nothing_is_named_with_what_may_be_meant(root: Path) -> None:
    exclusions = Exclusions(["Red_Dress/", "raw", "nowhere", ".hidden"])
    walk = Walk(root, exclude=exclusions)
    list(walk)
    assert walk.idle_patterns() == [Idle("Red_Dress/", "red_dress"), Idle("nowhere", None)]
    assert "did you mean 'red_dress'?" in complaint("Red_Dress/", "red_dress")
    assert "'nowhere' matched nothing" in complaint("nowhere", None)


@pytest.mark.parametrize("pattern", ["/", ".", "./", "..", "../other", "", "/**", "a/../.."])
def test_a_pattern_that_names_nothing_below_the_folder_is_refused(pattern: str) -> None:
    with pytest.raises(InputError, match="names no path below the folder"):
        Exclusions([pattern])


def test_a_path_of_one_set_leaves_out_nothing_of_the_next(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for folder in ("red_dress", "blue_shirt"):
            (tmp_path / name / folder).mkdir(parents=True)
            (tmp_path / name / folder / "1.jpg").touch()
    exclude = Exclusions([str(tmp_path / "a" / "red_dress")])
    found = {
        name: sorted(x.image_id for x in Walk(tmp_path / name, exclude=exclude))
        for name in ("a", "b", "a")
    }
    assert found == {"a": ["blue_shirt/1.jpg"], "b": ["blue_shirt/1.jpg", "red_dress/1.jpg"]}


def test_a_caret_negates_a_set_as_an_exclamation_mark_does(tmp_path: Path) -> None:
    for folder in ("red", "blue", "raw"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.jpg").touch()
    for pattern in ("/[^r]*", "/[!r]*"):
        found = sorted(image.image_id for image in Walk(tmp_path, exclude=Exclusions([pattern])))
        assert found == ["raw/1.jpg", "red/1.jpg"], pattern


def test_an_absolute_path_through_a_link_names_what_is_below_it(tmp_path: Path) -> None:
    (tmp_path / "real" / "red").mkdir(parents=True)
    (tmp_path / "real" / "red" / "1.jpg").touch()
    (tmp_path / "live").symlink_to("real")
    for root in (tmp_path / "live", tmp_path / "real"):
        exclude = Exclusions([str(root / "red")])
        assert not list(Walk(root, exclude=exclude))
        assert exclude.idle() == []
