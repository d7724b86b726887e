"""Ids are found where a dictionary finds them, whatever their hashes."""

from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.index.id_index import IdIndex

IDS = st.lists(st.text(alphabet="abé", max_size=3), max_size=30)


@pytest.mark.parametrize("hashed", [hash, len, lambda _: 0])
@given(listing=IDS, wanted=IDS)
def test_ids_are_found_where_they_first_are(
    hashed: Callable[[bytes], int], listing: list[str], wanted: list[str]
) -> None:
    index = IdIndex(pa.array(listing, pa.large_string()), hashed)
    found = index.find(pa.array(wanted, pa.large_string()))
    assert found.tolist() == [listing.index(name) if name in listing else -1 for name in wanted]
    again = [at for at, name in enumerate(listing) if name in listing[at + 1 :]]
    assert index.repeated().tolist() == again


def test_a_listing_of_many_blocks_is_found_in_any_order() -> None:
    names = [f"folder/{i:07d}.jpg" for i in range(200_000)]
    index = IdIndex(pa.array(names, pa.large_string()))
    assert (
        index.find(pa.array(names[::-1999], pa.large_string())).tolist()
        == list(range(len(names)))[::-1999]
    )
    assert index.find(pa.array(["folder/none.jpg"], pa.large_string())).tolist() == [-1]
    assert not len(index.repeated())
