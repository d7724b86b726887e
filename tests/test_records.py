"""Records say what they hold, whatever a path or a stranger's file is made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.index import FeaturedModel, Part
from schemas.record import parse, to_json
from schemas.runs import Counts, LockHolder


@given(st.text(st.characters(codec=None), max_size=20))
def test_any_path_is_read_as_it_was_written(model: str) -> None:
    """Paths that are no valid UTF-8 too, which Python spells with lone surrogates."""
    written = to_json(FeaturedModel(model=model))
    assert written.isascii()
    assert parse(written, FeaturedModel).model == model


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"host": "a", "process": 1}',
        '{"host": "a", "process": "1", "started": "now"}',
        '{"host": "a", "process": true, "started": "now"}',
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_record_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each says something else
        parse(text, LockHolder)


@pytest.mark.parametrize("file", ["../../x", "rows/../x", "rows/part-1-00.parquet", "/etc/passwd"])
def test_a_part_lies_in_its_folder(file: str) -> None:
    with pytest.raises(ValueError, match="file"):
        parse(f'{{"file": "{file}", "bucket": 0, "rows": 1, "bytes": 1, "sha256": ""}}', Part)


def test_fields_that_are_not_known_are_ignored_and_added_ones_have_defaults() -> None:
    assert parse('{"found": 3, "of_a_later_version": [1]}', Counts) == Counts(found=3)


def test_a_record_does_not_change() -> None:
    counts = Counts(found=1)
    with pytest.raises(AttributeError):
        counts.found = 2  # type: ignore[misc]
    with pytest.raises(TypeError):
        Counts(1)  # type: ignore[call-arg]
