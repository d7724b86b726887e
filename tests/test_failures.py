"""The failures of a run: each is counted, the first are named."""

from collections import Counter

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tagger.nightly.failures import FIRST, Failures

Failed = tuple[str, str, str | None]

SCHEMA = pa.schema([("image_id", pa.string()), ("status", pa.string()), ("error", pa.string())])
failures = st.lists(
    st.tuples(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        st.sampled_from(["truncated", "empty", "timeout"]),
        st.sampled_from(["damaged header", None]),
    ),
    max_size=40,
    unique_by=lambda one: one[0],
)


@given(failures, st.integers(1, 40))
def test_of_many_at_once_the_first_by_name_are_named(failed: list[Failed], size: int) -> None:
    """However they are spread over tables."""
    found = Failures()
    parts = [failed[at : at + size] for at in range(0, len(failed), size)]
    found.add_tables(
        pa.table([list(column) for column in zip(*part, strict=True)], schema=SCHEMA)
        for part in parts
    )
    assert found.by_status == Counter(status for _, status, _ in failed)
    assert [(one.image_id, one.status, one.error) for one in found.first] == [
        (image_id, status, error or status)
        for image_id, status, error in sorted(failed, key=lambda one: one[0].encode())[:FIRST]
    ]


@given(failures, failures)
def test_those_that_come_one_by_one_are_named_after_them(
    many: list[Failed], single: list[Failed]
) -> None:
    found = Failures()
    if many:
        found.add_tables([pa.table([list(one) for one in zip(*many, strict=True)], schema=SCHEMA)])
    for one in single:
        found.add(*one)
    assert found.by_status.total() == len(many) + len(single)
    named = [one.image_id for one in found.first]
    assert len(named) == min(FIRST, len(many) + len(single))
    assert named[len(many) :] == [image_id for image_id, *_ in single][: max(0, FIRST - len(many))]
