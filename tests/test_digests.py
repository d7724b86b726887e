"""A set of digests that behaves as Python's set does."""

import hashlib

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tagger.digests
from tagger.digests import Contents, key_of, keys_of


def digest(n: int) -> bytes:
    return hashlib.sha256(str(n).encode()).digest()


@given(st.lists(st.integers(0, 50)), st.lists(st.integers(0, 50)))
def test_it_holds_what_was_put_in_and_nothing_else(first: list[int], later: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tagger.digests, "_MERGE_AT", 4)
        texts: list[str | None] = [digest(n).hex() for n in first]
        contents = Contents(keys_of(pa.chunked_array([[*texts, None], []], pa.string())))
        for n in later:
            contents.add(key_of(digest(n)))
        for n in range(52):
            assert (key_of(digest(n)) in contents) == (n in first or n in later)


def test_digests_that_share_their_first_half_are_told_apart() -> None:
    same = "00" * 8
    texts = [same + f"{n:016x}" + "11" * 16 for n in (5, 3, 9)]
    contents = Contents(keys_of(pa.chunked_array([texts])))
    assert [key_of(bytes.fromhex(same + f"{n:016x}")) in contents for n in (3, 4, 5, 9)] == [
        True,
        False,
        True,
        True,
    ]
